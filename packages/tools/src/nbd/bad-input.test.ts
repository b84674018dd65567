// What a client may do wrong, row by row of the table of bad input: an error or an end, never more.
// A row is found by its number: `npx vitest -t "N7:" packages/tools`. Every one is gone through in whole
// messages, byte by byte, and in odd pieces.

import { memoryDevice } from "@nvmeof/bdev";
import { NvmeofError, Status } from "@nvmeof/codec";
import { describe, expect, test } from "vitest";
import { FatedDevice } from "../testing/fated-device.ts";
import { NbdBench, type NbdBenchOptions } from "../testing/nbd-bench.ts";
import { type RawNbdClient, infoData, joined, optionOf, requestOf } from "../testing/nbd-client.ts";
import { CommandFlag, NbdCommand, NbdErrno, NbdOption, OptionReply } from "./protocol.ts";
import { integers } from "./replies.ts";
import type { NbdEndReason } from "./session.ts";

const { Read, Write, Flush, Trim, WriteZeroes } = NbdCommand;
const { EINVAL, EIO, ENOSPC, EPERM } = NbdErrno;

const SIZE = 4096 * 512;
const MIB = 2 ** 20;

const cuts: readonly (readonly [string, (() => number) | undefined])[] = [
  ["whole", undefined],
  ["byte by byte", () => 1],
  ["in odd pieces", () => 29],
];

/** A client that has said hello, with the server's answers so far taken. */
function greeted(options: NbdBenchOptions) {
  const bench = new NbdBench(options);
  const client = bench.connect();
  client.hello();
  return { bench, client };
}

/** Nothing of a client is left. */
function expectEnd(bench: NbdBench, client: RawNbdClient, reason: NbdEndReason): void {
  expect(client.state).toBe("ended");
  expect(bench.server.status).toEqual({ connections: 0, requests: 0, buffers: 0, bufferBytes: 0 });
  expect(bench.events.at(-1)).toMatchObject({ type: "disconnected", reason });
}

describe.each(cuts)("%s", (_cut, chunkBytes) => {
  const cut = chunkBytes === undefined ? {} : { chunkBytes };

  test.each([
    ["N1: an unknown client flag", integers([4, 4])],
    ["N1: all client flags", integers([4, 0xffff_ffff])],
    [
      "N1: another magic number in front of an option",
      joined(integers([4, 3]), new Uint8Array(16)),
    ],
    [
      "N1: half of the magic number",
      joined(integers([4, 3]), integers([4, 0x4948_4156], [4, 1], [4, 3], [4, 0])),
    ],
    ["N1: another protocol", new TextEncoder().encode("GET / HTTP/1.1\r\nHost: nbd\r\n\r\n")],
  ])("%s ends the connection", (_row, bytes) => {
    const bench = new NbdBench(cut);
    const client = bench.connect();
    client.send(bytes);
    bench.settle();
    expectEnd(bench, client, "protocol");
  });

  test.each([
    [
      "an option of 2^32 - 1 bytes",
      optionOf(NbdOption.List).with(12, 255).with(13, 255).with(14, 255).with(15, 255),
      "limit",
    ],
    [
      "the name of an export of 16,385 bytes",
      optionOf(NbdOption.ExportName, new Uint8Array(16_385).fill(0x61)),
      "protocol",
    ],
    [
      "the name of an export of 4,097 bytes",
      optionOf(NbdOption.ExportName, new Uint8Array(4097).fill(0x61)),
      "protocol",
    ],
  ] as const)("N2: %s ends the connection", (_what, bytes, reason) => {
    const { bench, client } = greeted(cut);
    client.send(bytes);
    bench.settle();
    expectEnd(bench, client, reason);
  });

  test.each([
    ["an option of 16,385 bytes", optionOf(NbdOption.Info, new Uint8Array(16_385))],
    [
      "10,000 requests for information in one option",
      optionOf(NbdOption.Info, infoData("disk", ...Array.from({ length: 10_000 }, (_, i) => i))),
    ],
    ["a name of 4,097 bytes", optionOf(NbdOption.Info, infoData("x".repeat(4097)))],
  ])("N2: %s is too big, and the negotiation goes on", (_what, bytes) => {
    const { bench, client } = greeted(cut);
    client.send(bytes, optionOf(NbdOption.StructuredReply));
    bench.settle();
    const { TooBig, Ack } = OptionReply;
    expect(client.optionAnswers().map(({ type }) => type)).toEqual([TooBig, Ack]);
  });

  test("N3: an unknown export is told as such, and the negotiation goes on", () => {
    const { bench, client } = greeted(cut);
    const { Info, Go } = NbdOption;
    client.send(
      optionOf(Info, infoData("nobody")),
      optionOf(Go, infoData("disk ")),
      optionOf(Go, infoData("disk")),
    );
    bench.settle();
    const { Unknown, Info: Told, Ack } = OptionReply;
    const types = client.optionAnswers().map(({ type }) => type);
    expect(types).toEqual([Unknown, Unknown, Told, Ack]);
  });

  test("N3: an unknown export cannot be told to a client of EXPORT_NAME: the connection ends", () => {
    const { bench, client } = greeted(cut);
    client.send(optionOf(NbdOption.ExportName, new TextEncoder().encode("nobody")));
    bench.settle();
    expectEnd(bench, client, "protocol");
    expect(client.bytes).toHaveLength(0);
  });

  test.each([0, 0x2560_9514, 0x1256_0953, 0x6744_6698])(
    "N4: a request that begins with %i ends the connection",
    (magic) => {
      const bench = new NbdBench(cut);
      const client = bench.client();
      client.request({ type: Read, magic, length: 512 });
      bench.settle();
      expectEnd(bench, client, "protocol");
      expect(client.bytes).toHaveLength(0);
    },
  );

  test.each([
    ["command 8", { type: 8, length: 512 }],
    ["command 65535", { type: 0xffff, length: 2 ** 32 - 1 }],
    [
      "a write with a flag that is not its own",
      { type: Write, flags: CommandFlag.Df, data: new Uint8Array(3000) },
    ],
    [
      "a write with a flag that nobody knows",
      { type: Write, flags: 0x20, data: new Uint8Array(3000) },
    ],
    ["a trim with a flag of zeroes", { type: Trim, flags: CommandFlag.FastZero, length: 512 }],
  ])("N5: %s is EINVAL; what is behind it is understood", (_what, request) => {
    const bench = new NbdBench(cut);
    const client = bench.client();
    client.request({ ...request, cookie: 1 });
    client.request({ type: Flush, cookie: 2 });
    bench.settle();
    expect(client.answers().map(({ cookie, errno }) => [cookie, errno])).toEqual([
      [1, EINVAL],
      [2, 0],
    ]);
    expect(bench.memory.allocatedBytes).toBe(0);
  });

  test.each([
    ["a read of nothing", { type: Read }, 0],
    ["a write of nothing", { type: Write, length: 0 }, 0],
    ["a read beyond 2^64", { type: Read, offset: 2n ** 64n - 512n, length: 1024 }, EINVAL],
    [
      "a write beyond 2^64",
      { type: Write, offset: 2n ** 64n - 1n, data: new Uint8Array(2) },
      ENOSPC,
    ],
    ["a read over the end", { type: Read, offset: SIZE - 512, length: 1024 }, EINVAL],
    ["a write over the end", { type: Write, offset: SIZE - 1, data: new Uint8Array(2) }, ENOSPC],
    ["zeroes over the end", { type: WriteZeroes, offset: SIZE - 1, length: 2 }, ENOSPC],
    ["a trim over the end", { type: Trim, offset: SIZE - 1, length: 2 }, EINVAL],
  ])("N6: %s", (_what, request, errno) => {
    const bench = new NbdBench(cut);
    const client = bench.client();
    expect(bench.errno(client, { ...request, cookie: 1 })).toBe(errno);
    expect(bench.errno(client, { type: Flush })).toBe(0);
    expect(bench.memory.allocatedBytes).toBe(0);
  });

  test.each([
    ["a write", { type: Write, data: new Uint8Array(600) }],
    ["a trim", { type: Trim, length: 512 }],
    ["zeroes", { type: WriteZeroes, length: 512 }],
  ])("N8: %s on what is read-only is EPERM, and nothing changes", (_what, request) => {
    const bench = new NbdBench({ ...cut, export: { readOnly: true } });
    const client = bench.client();
    expect(bench.errno(client, request)).toBe(EPERM);
    expect(bench.errno(client, { type: Flush })).toBe(0);
    expect(bench.memory.allocatedBytes).toBe(0);
  });

  test("N10: requests with the same cookie are both answered", () => {
    const bench = new NbdBench(cut);
    const client = bench.client();
    client.request({ type: Flush, cookie: 7 });
    client.request({ type: Trim, length: 512, cookie: 7 });
    bench.settle();
    expect(client.answers().map(({ cookie }) => cookie)).toEqual([7, 7]);
  });
});

test("N6: more than a request may have is EINVAL, its payload skipped in no memory", () => {
  const limits = { requestBytesMax: MIB };
  const bench = new NbdBench({ limits, device: { blockCount: 8192 } });
  const client = bench.client();
  expect(bench.errno(client, { type: Read, length: MIB + 1 })).toBe(EINVAL);
  client.send(requestOf({ type: Write, length: 3 * MIB, cookie: 1 }), new Uint8Array(MIB));
  bench.settle();
  expect(bench.server.status).toMatchObject({ buffers: 0, requests: 0 });
  client.send(new Uint8Array(2 * MIB), requestOf({ type: Flush, cookie: 2 }));
  bench.settle();
  const answers = client.answers().map(({ cookie, errno }) => [cookie, errno]);
  expect(answers).toEqual([
    [1, EINVAL],
    [2, 0],
  ]);
});

test("N7: a payload that is withheld ends the connection in time, and holds up nobody meanwhile", () => {
  const bench = new NbdBench();
  const lazy = bench.client();
  const other = bench.client();
  lazy.send(requestOf({ type: Write, offset: 100, length: 1000 }), new Uint8Array(999));
  bench.settle();
  expect(bench.server.status).toMatchObject({ requests: 0, buffers: 1 });
  // The same bytes, aligned and not: no lock is held.
  expect(bench.errno(other, { type: Write, offset: 100, data: new Uint8Array(1000).fill(1) })).toBe(
    0,
  );
  expect(bench.errno(other, { type: Write, data: new Uint8Array(2048).fill(2) })).toBe(0);
  bench.clock.advance(29_999);
  expect(lazy.state).toBe("open");
  bench.clock.advance(2);
  expect(lazy.state).toBe("ended");
  expect(bench.events.at(-1)).toMatchObject({ reason: "limit", limit: "requestTimeoutMs" });
  expect(bench.server.counters.limits).toEqual({ requestTimeoutMs: 1 });
  expect(bench.server.status).toMatchObject({ buffers: 0, connections: 1 });
  // Nothing of it was written.
  const [read] = bench.ask(other, { type: Read, offset: 100, length: 1000 });
  expect(read?.data.every((byte) => byte === 2)).toBe(true);
});

test("N7: a payload that comes slowly, but comes, is waited for", () => {
  const bench = new NbdBench();
  const client = bench.client();
  const bytes = 8 * 65_536;
  client.send(requestOf({ type: Write, length: bytes }));
  for (let sent = 0; sent < bytes; sent += 65_536) {
    bench.clock.advance(29_000);
    client.send(new Uint8Array(65_536).fill(1));
  }
  bench.settle();
  expect(client.answers()).toMatchObject([{ errno: 0 }]);
});

describe("N9: an end with requests in flight", () => {
  const slow = (): NbdBench =>
    new NbdBench({
      backing: (clock) =>
        memoryDevice({ name: "m", clock, blockBytes: 512, blockCount: 4096, latencyMs: 50 }),
    });

  const begin = (bench: NbdBench): RawNbdClient => {
    const client = bench.client();
    client.request({ type: Write, offset: 100, data: new Uint8Array(20_000).fill(1), cookie: 1 });
    client.request({ type: Read, offset: 50_000, length: 20_000, cookie: 2 });
    bench.settle();
    expect(bench.server.status).toMatchObject({ requests: 2, buffers: 2 });
    return client;
  };

  test("N9: with a goodbye they are answered, and nothing behind it is read", () => {
    const bench = slow();
    const client = begin(bench);
    client.request({ type: NbdCommand.Disconnect });
    client.send(new Uint8Array(100).fill(0xee));
    bench.clock.advance(200);
    expect(client.answers().map(({ cookie, errno }) => [cookie, errno])).toEqual([
      [2, 0],
      [1, 0],
    ]);
    expectEnd(bench, client, "client-done");
  });

  test.each(["close", "reset"] as const)("N9: by a %s they settle, and nothing is left", (how) => {
    const bench = slow();
    const client = begin(bench);
    client.stream[how]();
    bench.settle();
    expect(bench.events.at(-1)).toMatchObject({ type: "disconnected", reason: "client-left" });
    expect(bench.server.status).toMatchObject({ connections: 0, requests: 2 });
    bench.clock.advance(200);
    expect(bench.server.status).toEqual({
      connections: 0,
      requests: 0,
      buffers: 0,
      bufferBytes: 0,
    });
    expect(bench.clock.armed).toBe(0);
  });

  test("N9: no flush is made of it", () => {
    const bench = new NbdBench({
      backing: (clock) => new FatedDevice(clock, (_request, nowMs) => ({ atMs: nowMs + 5 })),
    });
    const client = bench.client();
    client.request({ type: Write, data: new Uint8Array(512) });
    client.request({ type: NbdCommand.Disconnect });
    bench.clock.advance(100);
    const { seen } = bench.device as FatedDevice;
    expect(seen.map(({ op }) => op)).toEqual([1]);
  });
});

test("N11: of unaligned writes from two connections that overlap, every byte is one of theirs, and none is lost", () => {
  const bench = new NbdBench({
    backing: (clock) =>
      memoryDevice({ name: "m", clock, blockBytes: 4096, blockCount: 16, latencyMs: 3 }),
  });
  const clients = [bench.client(), bench.client()];
  // Neighbours within one block, again and again: each keeps what the other has written.
  for (let round = 0; round < 20; round++) {
    for (const [i, client] of clients.entries()) {
      const data = new Uint8Array(100).fill(round * 2 + i + 1);
      client.request({ type: Write, offset: 4000 + i * 100, data, cookie: round });
    }
    if (round % 3 === 0) bench.clock.advance(1);
  }
  // A whole block over both of them, in the middle of it.
  clients[0]!.request({
    type: Write,
    offset: 8192,
    data: new Uint8Array(4096).fill(99),
    cookie: 90,
  });
  clients[1]!.request({
    type: Write,
    offset: 8000,
    data: new Uint8Array(200).fill(98),
    cookie: 91,
  });
  bench.clock.advance(1000);
  for (const client of clients) {
    expect(client.answers().every(({ errno }) => errno === 0)).toBe(true);
  }
  const reader = clients[0]!;
  reader.request({ type: Read, offset: 4000, length: 200 });
  reader.request({ type: Read, offset: 8000, length: 4288, cookie: 1 });
  bench.clock.advance(10);
  const [first, second] = reader.answers();
  expect([...first!.data]).toEqual([
    ...new Uint8Array(100).fill(39),
    ...new Uint8Array(100).fill(40),
  ]);
  const block = second!.data;
  expect([...new Set(block.subarray(0, 192))]).toEqual([98]);
  expect([...new Set(block.subarray(200))]).toEqual([99]);
});

describe("N12: a path that is lost in the middle of a read", () => {
  const lost = (): NbdBench => {
    const error = new NvmeofError("NVME_ERR_NO_PATH", "no path came back in time", {
      status: Status.HostPathError,
      outcome: "unknown",
    });
    // A read of several pieces: the first succeeds, and the second does not.
    let count = 0;
    return new NbdBench({
      backing: (clock) =>
        new FatedDevice(clock, (_request, nowMs) => {
          count++;
          return count === 2 ? { atMs: nowMs + 1, error } : { atMs: nowMs + 1 };
        }),
    });
  };

  test("N12: with structured replies is an error chunk, and no data", () => {
    const bench = lost();
    const client = bench.client({ structured: true });
    client.request({ type: Read, length: 65_536 });
    bench.clock.advance(10);
    expect(client.answers()).toMatchObject([{ kind: "error", errno: EIO, isLast: true }]);
  });

  test("N12: with simple replies is an error without data, never wrong bytes", () => {
    const bench = lost();
    const client = bench.client();
    client.request({ type: Read, length: 65_536 });
    bench.clock.advance(10);
    expect(client.answers()).toMatchObject([{ kind: "simple", errno: EIO, length: 0 }]);
    expect(client.bytes).toHaveLength(0);
  });
});

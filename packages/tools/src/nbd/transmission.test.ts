// Requests as clients see them: data, zeroes, holes, permissions, errors; in simple and structured replies.

import { BlockOp, LocalDevice, memoryDevice } from "@nvmeof/bdev";
import type { BlockRequest, BlockSettle, LocalChannel } from "@nvmeof/bdev";
import { NvmeofError, Status } from "@nvmeof/codec";
import type { VirtualClock } from "@nvmeof/transport/testing";
import { describe, expect, test } from "vitest";
import { NbdBench } from "../testing/nbd-bench.ts";
import { type RawNbdClient, assembled } from "../testing/nbd-client.ts";
import { CommandFlag, NbdCommand, NbdErrno } from "./protocol.ts";

const { Read, Write, Flush, Trim, Cache, WriteZeroes, BlockStatus } = NbdCommand;
const { EINVAL, ENOSPC, EPERM, EOVERFLOW, ENOTSUP, EIO, ESHUTDOWN } = NbdErrno;

const SIZE = 4096 * 512;
const SMALL_SIZE = 512 * 512;
const CHUNK = 65_536;

const pattern = (length: number, seed = 1): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => ((i * 7 + seed) % 251) | 1);

/** Faster than `toEqual` where there are many. */
const same = (bytes: Uint8Array, expected: Uint8Array): void =>
  expect(Buffer.compare(bytes, expected)).toBe(0);

/** What a read has brought, in however many pieces. */
const read = (bench: NbdBench, client: RawNbdClient, offset: number, length: number) => {
  const answers = bench.ask(client, { type: Read, offset, length });
  const [first] = answers;
  const whole = first?.kind === "simple" ? [{ ...first, kind: "data" as const, offset }] : answers;
  return assembled(whole, offset, length);
};

describe.each([
  ["simple", false],
  ["structured", true],
])("%s replies", (_name, structured) => {
  test.each([
    ["a block", 512, 512],
    ["many blocks", 4096, 200 * 512],
    ["a byte", 1000, 1],
    ["bytes within a block", 700, 100],
    ["bytes over the end of a block", 500, 100],
    ["bytes and whole blocks", 511, 1026],
    ["the last byte", SMALL_SIZE - 1, 1],
    ["more than is copied into a reply", 8192, 100_000],
  ])(
    "%s that was written is read, and what lies around it is as it was",
    (_what, offset, length) => {
      const bench = new NbdBench({ device: { blockCount: 512 } });
      const client = bench.client({ structured });
      const around = pattern(SMALL_SIZE, 3);
      expect(bench.errno(client, { type: Write, data: around })).toBe(0);
      const data = pattern(length, 9);
      expect(bench.errno(client, { type: Write, offset, data })).toBe(0);
      same(read(bench, client, offset, length), data);
      around.set(data, offset);
      same(read(bench, client, 0, SMALL_SIZE), around);
    },
  );

  test.each([
    ["whole blocks", 1024, 2048],
    ["bytes within a block", 700, 100],
    ["bytes over the end of a block", 500, 100],
    ["bytes and whole blocks", 511, 1026],
    ["a whole block and bytes", 512, 700],
    ["bytes and a whole block", 600, 424 + 512],
  ])("%s are zeroed, with and without a hole", (_what, offset, length) => {
    for (const flags of [0, CommandFlag.NoHole, CommandFlag.Fua]) {
      const bench = new NbdBench();
      const client = bench.client({ structured });
      const expected = pattern(8192);
      bench.errno(client, { type: Write, data: expected });
      expect(bench.errno(client, { type: WriteZeroes, flags, offset, length })).toBe(0);
      expected.fill(0, offset, offset + length);
      same(read(bench, client, 0, 8192), expected);
    }
  });

  test.each([
    ["past the end", { type: Read, offset: SIZE - 1, length: 2 }, EINVAL],
    ["past the end", { type: Write, offset: SIZE - 1, data: pattern(2) }, ENOSPC],
    ["past the end", { type: WriteZeroes, offset: SIZE, length: 1 }, ENOSPC],
    ["past the end", { type: Trim, offset: SIZE - 512, length: 1024 }, EINVAL],
    ["past the end", { type: Cache, offset: SIZE, length: 1 }, EINVAL],
    ["far past the end", { type: Read, offset: 2n ** 64n - 1n, length: 1 }, EINVAL],
    ["far past the end", { type: Write, offset: 2n ** 53n, data: pattern(1) }, ENOSPC],
    ["a flush of a range", { type: Flush, length: 512 }, EINVAL],
    [
      "a flag of another command",
      { type: Write, flags: CommandFlag.NoHole, data: pattern(1) },
      EINVAL,
    ],
    ["a flag that does not exist", { type: Read, flags: 0x8000, length: 1 }, EINVAL],
    ["extents that nobody chose", { type: BlockStatus, length: 512 }, EINVAL],
  ])("%s is refused: %o", (_what, request, errno) => {
    const bench = new NbdBench();
    const client = bench.client({ structured });
    expect(bench.errno(client, { ...request, cookie: 5 })).toBe(errno);
    // What follows is understood.
    expect(bench.errno(client, { type: Read, length: 512 })).toBe(0);
    expect(bench.server.status).toMatchObject({ requests: 0, buffers: 0 });
  });

  test("nothing is a length too", () => {
    const bench = new NbdBench();
    const client = bench.client({ structured });
    for (const type of [Read, Write, Trim, Cache, WriteZeroes]) {
      expect(bench.errno(client, { type, offset: SIZE, length: 0 })).toBe(0);
    }
  });

  test("who may only read changes nothing, and is told EPERM", () => {
    const bench = new NbdBench({ export: { readOnly: true } });
    const client = bench.client({ structured });
    expect(bench.errno(client, { type: Write, data: pattern(512) })).toBe(EPERM);
    expect(bench.errno(client, { type: WriteZeroes, length: 512 })).toBe(EPERM);
    expect(bench.errno(client, { type: Trim, length: 512 })).toBe(EPERM);
    for (const type of [Read, Cache]) expect(bench.errno(client, { type, length: 512 })).toBe(0);
    expect(bench.errno(client, { type: Flush })).toBe(0);
    expect(bench.memory.allocatedBytes).toBe(0);
  });

  test("where bytes must be whole blocks, others are refused", () => {
    const bench = new NbdBench({ export: { unaligned: "error" } });
    const client = bench.client({ structured });
    expect(bench.errno(client, { type: Write, offset: 512, data: pattern(511) })).toBe(EINVAL);
    expect(bench.errno(client, { type: Read, offset: 1, length: 512 })).toBe(EINVAL);
    expect(bench.errno(client, { type: Write, offset: 512, data: pattern(512) })).toBe(0);
  });
});

test("replies come as requests are done, each with its own cookie", () => {
  const bench = new NbdBench({
    backing: (clock) =>
      memoryDevice({ name: "m", clock, blockBytes: 512, blockCount: 8, latencyMs: 5 }),
  });
  const client = bench.client();
  for (let cookie = 1; cookie <= 3; cookie++) client.request({ type: Read, length: 512, cookie });
  client.request({ type: Trim, length: 0, cookie: 4 });
  bench.settle();
  expect(client.answers().map(({ cookie }) => cookie)).toEqual([4]);
  bench.clock.advance(5);
  expect(client.answers().map(({ cookie }) => cookie)).toEqual([1, 2, 3]);
});

describe("holes", () => {
  test("extents are told with their status, clipped to what was asked for", () => {
    const bench = new NbdBench();
    const client = bench.client({ structured: true, allocation: true });
    bench.errno(client, { type: Write, offset: CHUNK * 2, data: pattern(CHUNK) });
    const ask = (offset: number, length: number, flags = 0) =>
      bench.ask(client, { type: BlockStatus, offset, length, flags })[0]!.extents;
    expect(ask(0, SIZE)).toEqual([CHUNK * 2, 3, CHUNK, 0, SIZE - CHUNK * 3, 3]);
    expect(ask(CHUNK + 5, CHUNK)).toEqual([CHUNK - 5, 3, 5, 0]);
    expect(ask(CHUNK + 5, CHUNK, CommandFlag.ReqOne)).toEqual([CHUNK - 5, 3]);
    expect(ask(CHUNK * 2 + 1, 10)).toEqual([10, 0]);
    expect(bench.errno(client, { type: BlockStatus, length: 0 })).toBe(EINVAL);
  });

  test("there are at most as many extents as the limit says, and always one", () => {
    const bench = new NbdBench({ limits: { extentsMax: 2 } });
    const client = bench.client({ structured: true, allocation: true });
    for (const offset of [0, 4 * CHUNK])
      bench.errno(client, { type: Write, offset, data: pattern(1) });
    const [answer] = bench.ask(client, { type: BlockStatus, length: SIZE });
    expect(answer?.extents).toEqual([CHUNK, 0, 3 * CHUNK, 3]);
  });

  test("a device that knows nothing of holes has none", () => {
    const bench = new NbdBench({ backing: (clock) => new FailingDevice(clock, () => undefined) });
    const client = bench.client({ structured: true, allocation: true });
    expect(bench.ask(client, { type: BlockStatus, offset: 5, length: 600 })[0]?.extents).toEqual([
      600, 0,
    ]);
  });

  test("a read of a hole sends no zeroes, and asks the device for none", () => {
    const bench = new NbdBench();
    const client = bench.client({ structured: true });
    const whole = bench.ask(client, { type: Read, offset: 1000, length: 100_000 });
    expect(whole).toMatchObject([{ kind: "hole", offset: 1000, length: 100_000, isLast: true }]);
    bench.errno(client, { type: Write, offset: CHUNK + 9, data: Uint8Array.of(5) });
    const parts = bench.ask(client, { type: Read, offset: 1000, length: 3 * CHUNK });
    expect(parts.map(({ kind, isLast }) => [kind, isLast])).toEqual([
      ["hole", false],
      ["data", false],
      ["hole", true],
    ]);
    const expected = new Uint8Array(3 * CHUNK);
    expected[CHUNK + 9 - 1000] = 5;
    same(assembled(parts, 1000, 3 * CHUNK), expected);
    // In one piece where the client wants it so.
    const flags = CommandFlag.Df;
    const one = bench.ask(client, { type: Read, flags, offset: 1000, length: 3 * CHUNK });
    expect(one).toMatchObject([{ kind: "data", length: 3 * CHUNK, isLast: true }]);
    const none = bench.ask(client, { type: Read, flags, offset: SIZE - 512, length: 512 });
    expect(none).toMatchObject([{ kind: "data", length: 512 }]);
  });

  test("trimmed blocks are a hole again; of bytes only the whole blocks are trimmed", () => {
    const bench = new NbdBench({ device: { blockBytes: 4096, blockCount: 512 } });
    const client = bench.client({ structured: true });
    bench.errno(client, { type: Write, data: pattern(2 * CHUNK) });
    expect(bench.memory.allocatedBytes).toBe(2 * CHUNK);
    expect(bench.errno(client, { type: Trim, offset: 1, length: 4096 })).toBe(0);
    same(read(bench, client, 0, 8192), pattern(8192));
    expect(bench.errno(client, { type: Trim, length: CHUNK, flags: CommandFlag.Fua })).toBe(0);
    expect(bench.memory.allocatedBytes).toBe(CHUNK);
  });
});

describe("flags of commands", () => {
  const seen = () => {
    const requests: BlockRequest[] = [];
    const bench = new NbdBench({
      backing: (clock) =>
        new FailingDevice(clock, (request) => {
          requests.push({ ...request });
          return undefined;
        }),
    });
    const client = bench.client({ structured: true });
    const ops = (): [number, boolean][] =>
      requests.splice(0).map(({ op, fua = false }) => [op, fua]);
    return { bench, client, ops };
  };

  test("FUA reaches the device with what writes, and is a flush behind a trim", () => {
    const { bench, client, ops } = seen();
    const flags = CommandFlag.Fua;
    bench.errno(client, { type: Write, flags, data: pattern(512) });
    expect(ops()).toEqual([[BlockOp.Write, true]]);
    bench.errno(client, { type: WriteZeroes, flags, length: 512 });
    expect(ops()).toEqual([[BlockOp.WriteZeroes, true]]);
    bench.errno(client, { type: Trim, flags, length: 512 });
    expect(ops()).toEqual([
      [BlockOp.Deallocate, false],
      [BlockOp.Flush, false],
    ]);
    bench.errno(client, { type: Write, flags, offset: 3, data: pattern(10) });
    expect(ops()).toEqual([
      [BlockOp.Read, false],
      [BlockOp.Write, true],
    ]);
    bench.errno(client, { type: Read, flags, length: 512 });
    bench.errno(client, { type: Flush, flags });
    bench.errno(client, { type: Cache, flags, length: 512 });
    expect(ops()).toEqual([
      [BlockOp.Read, false],
      [BlockOp.Flush, false],
      [BlockOp.Verify, false],
    ]);
  });

  test("without a hole zeroes are written as what they are", () => {
    const { bench, client, ops } = seen();
    const length = 300 * 1024;
    expect(bench.errno(client, { type: WriteZeroes, flags: CommandFlag.NoHole, length })).toBe(0);
    expect(ops()).toEqual([
      [BlockOp.Write, false],
      [BlockOp.Write, false],
    ]);
  });

  test("fast zeroes are those that the device makes by itself, and most of them whole blocks", () => {
    const zero = (bench: NbdBench, flags: number, length = 4096): number =>
      bench.errno(bench.client(), {
        type: WriteZeroes,
        flags: CommandFlag.FastZero | flags,
        length,
      });
    expect(zero(new NbdBench(), 0)).toBe(0);
    expect(zero(new NbdBench(), CommandFlag.NoHole)).toBe(ENOTSUP);
    expect(zero(new NbdBench(), 0, 600)).toBe(ENOTSUP);
    expect(zero(new NbdBench({ export: { fastZeroes: false } }), 0)).toBe(ENOTSUP);
  });

  test("a read that may not come in parts may be too long for it", () => {
    const limits = { requestBytesMax: CHUNK };
    const bench = new NbdBench({ limits });
    const client = bench.client({ structured: true });
    const length = CHUNK + 1;
    expect(bench.errno(client, { type: Read, flags: CommandFlag.Df, length })).toBe(EOVERFLOW);
    expect(bench.errno(client, { type: Read, length })).toBe(EINVAL);
    expect(bench.errno(client, { type: Read, flags: CommandFlag.Df, length: CHUNK })).toBe(0);
    // What moves no data may be as long as it likes.
    expect(bench.errno(client, { type: WriteZeroes, length: SIZE })).toBe(0);
    expect(bench.errno(client, { type: Trim, length: SIZE })).toBe(0);
  });

  test("a client without structured replies knows no fragments", () => {
    const bench = new NbdBench();
    const request = { type: Read, flags: CommandFlag.Df, length: 512 };
    expect(bench.errno(bench.client(), request)).toBe(EINVAL);
  });
});

/** A device whose requests fail as a test says; what it has is zeroes. */
class FailingDevice extends LocalDevice {
  readonly #fate: (request: BlockRequest) => NvmeofError | undefined;

  constructor(clock: VirtualClock, fate: (request: BlockRequest) => NvmeofError | undefined) {
    super({
      name: "failing",
      clock,
      blockBytes: 512,
      blockCount: 4096,
      limits: { transferBlocksMax: 4096, boundaryBlocks: 0, inflightMax: 64 },
      features: {
        readOnly: false,
        volatileCache: true,
        writeZeroes: true,
        deallocate: true,
        compare: false,
        verify: true,
      },
    });
    this.#fate = fate;
  }

  execute(channel: LocalChannel, request: BlockRequest, settle: BlockSettle): void {
    channel.finishLater(settle, this.#fate(request));
  }
}

const failure = (code: string, status: number): NvmeofError =>
  new NvmeofError(code, "it did not work", { status, outcome: "failed" });

describe("errors of the device", () => {
  test.each([
    ["NVME_ERR_CAPACITY", Status.CapacityExceeded, ENOSPC],
    ["NVME_ERR_STATUS", Status.NamespaceWriteProtected, EPERM],
    ["NVME_ERR_STATUS", Status.ReservationConflict, EPERM],
    ["NVME_ERR_STATUS", Status.AccessDenied, EPERM],
    ["NVME_ERR_STATUS", Status.InvalidField, EINVAL],
    ["NVME_ERR_OUT_OF_RANGE", Status.LbaOutOfRange, ENOSPC],
    ["NVME_ERR_MEDIA", Status.WriteFault, EIO],
    ["NVME_ERR_NO_PATH", Status.HostPathError, EIO],
    ["NVME_ERR_TIMEOUT", Status.HostAborted, EIO],
    ["NVME_ERR_CLOSED", Status.HostAborted, ESHUTDOWN],
    ["NVME_ERR_CONTROLLER_CLOSED", Status.HostAborted, ESHUTDOWN],
    ["NVME_ERR_NS_CHANGED", Status.HostAborted, ESHUTDOWN],
  ])("%s with status %i is error %i of a write", (code, status, errno) => {
    const error = failure(code, status);
    const bench = new NbdBench({ backing: (clock) => new FailingDevice(clock, () => error) });
    const client = bench.client();
    expect(bench.errno(client, { type: Write, offset: 512, data: pattern(512) })).toBe(errno);
    expect(bench.server.counters.failed).toBe(1);
    expect(bench.events.at(-1)).toMatchObject({
      type: "request-failed",
      exportName: "disk",
      command: "Write",
      offset: 512,
      length: 512,
      error,
    });
    expect(bench.server.status).toMatchObject({ requests: 0, buffers: 0 });
  });

  test("beyond the end of a device that has shrunk, a read is EINVAL and a write ENOSPC", () => {
    const bench = new NbdBench();
    const client = bench.client({ structured: true });
    bench.memory.resize(8);
    bench.settle();
    expect(bench.events.at(-1)).toEqual({
      type: "export-resized",
      exportName: "disk",
      sizeBytes: 4096,
    });
    expect(bench.errno(client, { type: Read, offset: 4096, length: 512 })).toBe(EINVAL);
    expect(bench.errno(client, { type: Write, offset: 4096, data: pattern(512) })).toBe(ENOSPC);
    expect(bench.errno(client, { type: Read, length: 512 })).toBe(0);
    // New clients see the new size.
    expect(bench.client().entered.sizeBytes).toBe(4096);
  });

  test("with structure an error says in words what went wrong, and no data comes", () => {
    const error = failure("NVME_ERR_MEDIA", Status.UnrecoveredReadError);
    const bench = new NbdBench({ backing: (clock) => new FailingDevice(clock, () => error) });
    const answers = bench.ask(bench.client({ structured: true }), { type: Read, length: 512 });
    expect(answers).toMatchObject([
      { kind: "error", errno: EIO, message: "it did not work", isLast: true },
    ]);
  });

  test.each([
    ["the first read", 1],
    ["the second read", 2],
    ["the write", 3],
  ])(
    "a write of parts of two blocks fails whole when %s fails, and gives its blocks free",
    (_what, nth) => {
      let count = 0;
      const error = failure("NVME_ERR_MEDIA", Status.WriteFault);
      const bench = new NbdBench({
        backing: (clock) => new FailingDevice(clock, () => (++count === nth ? error : undefined)),
      });
      const client = bench.client();
      const write = { type: Write, offset: 500, data: pattern(600) };
      expect(bench.errno(client, write)).toBe(EIO);
      expect(count).toBe(nth);
      expect(bench.errno(client, write)).toBe(0);
    },
  );
});

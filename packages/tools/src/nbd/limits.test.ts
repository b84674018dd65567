// Every bound of the server: its default, what it may be, and what happens to a client that meets it.

import { memoryDevice } from "@nvmeof/bdev";
import { expect, test } from "vitest";
import { NbdBench, type NbdBenchOptions } from "../testing/nbd-bench.ts";
import { type RawNbdClient, optionOf, requestOf } from "../testing/nbd-client.ts";
import { type NbdLimits, defaultNbdLimits, resolveNbdLimits } from "./limits.ts";
import { NbdCommand, NbdOption } from "./protocol.ts";

const { Read, Write, Flush } = NbdCommand;
const MIB = 2 ** 20;

test("limits that are not given are the defaults", () => {
  expect(resolveNbdLimits()).toEqual(defaultNbdLimits);
  expect(resolveNbdLimits({ connectionsMax: 3, idleTimeoutMs: undefined as never })).toEqual({
    ...defaultNbdLimits,
    connectionsMax: 3,
  });
});

test.each([
  [{ connectionsMax: 0 }, "connectionsMax must be a whole number, 1 to"],
  [{ inflightMax: 1.5 }, "inflightMax must be a whole number"],
  [{ requestBytesMax: 65_537 }, "requestBytesMax must be a multiple of 65536"],
  [{ requestBytesMax: 2 ** 32 }, "requestBytesMax must be a whole number, 65536 to 4294901760"],
  [{ optionBytesMax: 4096 }, "optionBytesMax must be"],
  [{ idleTimeoutMs: -1 }, "idleTimeoutMs must be a whole number, 0 to"],
  [{ requestBytesMax: 64 * MIB }, "connectionBufferBytesMax must be 134217728 or more"],
  [{ bufferBytesMax: MIB }, "bufferBytesMax must be at least connectionBufferBytesMax"],
])("%j is refused", (limits, message) => {
  expect(() => resolveNbdLimits(limits)).toThrow(RangeError);
  expect(() => resolveNbdLimits(limits)).toThrow(message);
});

const SMALL: Partial<NbdLimits> = {
  requestBytesMax: 64 * 1024,
  connectionBufferBytesMax: 256 * 1024,
  bufferBytesMax: 512 * 1024,
  idleBufferBytesMax: 0,
};

/** A server of little memory, with a device that takes its time. */
function small(limits: Partial<NbdLimits> = {}, more: NbdBenchOptions = {}): NbdBench {
  return new NbdBench({
    limits: { ...SMALL, ...limits },
    backing: (clock) =>
      memoryDevice({ name: "m", clock, blockBytes: 512, blockCount: 8192, latencyMs: 10 }),
    ...more,
  });
}

test("connectionsMax: more clients are closed unread, until one goes", () => {
  const bench = new NbdBench({ limits: { connectionsMax: 2 } });
  const [first] = [bench.client(), bench.client()];
  const third = bench.connect();
  expect(third.state).toBe("ended");
  expect(third.bytes).toHaveLength(0);
  expect(bench.events.at(-1)).toMatchObject({ type: "refused", limit: "connectionsMax" });
  expect(bench.server.counters).toMatchObject({ connections: 2, limits: { connectionsMax: 1 } });
  first!.stream.close();
  bench.settle();
  expect(bench.client().state).toBe("open");
});

test("exportsMax: no more exports than that", () => {
  const bench = new NbdBench({ limits: { exportsMax: 1 } });
  const { device } = bench;
  expect(() => bench.server.addExport({ name: "b", device })).toThrow("1 exports already");
});

test("optionsMax: a client that goes on asking is sent away", () => {
  const bench = new NbdBench({ limits: { optionsMax: 5 } });
  const client = bench.connect();
  client.hello();
  for (let i = 0; i < 6; i++) client.send(optionOf(NbdOption.List));
  bench.settle();
  expect(client.optionAnswers()).toHaveLength(10);
  expect(client.state).toBe("ended");
  expect(bench.events.at(-1)).toMatchObject({ reason: "limit", limit: "optionsMax" });
});

test("handshakeTimeoutMs: a client that does not choose an export is sent away", () => {
  const bench = new NbdBench();
  const silent = bench.connect();
  bench.clock.advance(5_000);
  const busy = bench.connect();
  busy.hello();
  bench.clock.advance(4_999);
  expect(silent.state).toBe("open");
  busy.send(optionOf(NbdOption.List));
  bench.clock.advance(2);
  expect([silent.state, busy.state]).toEqual(["ended", "open"]);
  // Options do not make it longer.
  bench.clock.advance(5_000);
  expect(busy.state).toBe("ended");
  expect(bench.server.counters.limits).toEqual({ handshakeTimeoutMs: 2 });
  expect(bench.clock.armed).toBe(0);
});

test("idleTimeoutMs: a client may be silent for ever, unless it is said otherwise", () => {
  const bench = new NbdBench();
  const client = bench.client();
  bench.clock.advance(30 * 86_400_000);
  expect(client.state).toBe("open");

  const strict = small({ idleTimeoutMs: 1_000 });
  const other = strict.client();
  strict.clock.advance(900);
  // What is under way is no silence.
  other.request({ type: Read, length: 512 });
  strict.clock.advance(900);
  expect(other.state).toBe("open");
  strict.clock.advance(200);
  expect(other.state).toBe("ended");
  expect(strict.events.at(-1)).toMatchObject({ reason: "limit", limit: "idleTimeoutMs" });
});

test("inflightMax: requests beyond it wait unread, and all are answered", () => {
  const bench = small({ inflightMax: 4 });
  const client = bench.client();
  for (let cookie = 0; cookie < 40; cookie++) client.request({ type: Flush, cookie });
  bench.settle();
  expect(bench.server.status.requests).toBe(4);
  bench.clock.advance(10);
  expect(bench.server.status.requests).toBe(4);
  bench.clock.advance(100);
  expect(client.answers().map(({ cookie }) => cookie)).toEqual(
    Array.from({ length: 40 }, (_, i) => i),
  );
  expect(bench.server.counters.limits.inflightMax).toBeGreaterThan(0);
});

/** Every reply of reads, by their cookies. */
const cookies = (client: RawNbdClient): number[] => client.answers().map(({ cookie }) => cookie);

test("connectionBufferBytesMax: a client that asks for more waits for its own", () => {
  const bench = small();
  const client = bench.client();
  for (let cookie = 0; cookie < 12; cookie++) {
    client.request({ type: Read, length: 65_536, cookie });
  }
  bench.settle();
  expect(bench.server.status).toMatchObject({ requests: 4, bufferBytes: 256 * 1024 });
  bench.clock.advance(100);
  expect(cookies(client)).toHaveLength(12);
  expect(bench.server.status.bufferBytes).toBe(0);
  expect(bench.server.counters.limits.connectionBufferBytesMax).toBeGreaterThan(0);
});

test("bufferBytesMax: all clients together have no more, and each gets its turn", () => {
  const bench = small({ connectionBufferBytesMax: 256 * 1024, bufferBytesMax: 256 * 1024 });
  const clients = [bench.client(), bench.client(), bench.client()];
  for (const client of clients) {
    for (let cookie = 0; cookie < 4; cookie++) {
      const data = new Uint8Array(65_536).fill(cookie + 1);
      client.request({ type: Write, offset: cookie * 65_536, data, cookie });
    }
  }
  bench.settle();
  expect(bench.server.status.bufferBytes).toBe(256 * 1024);
  bench.clock.advance(200);
  expect(clients.map((client) => cookies(client).length)).toEqual([4, 4, 4]);
});

test("a client that reads nothing of its replies is not read from, and lets others go on", () => {
  const bench = small({ outputBytesMax: 64 * 1024 }, { windowBytes: 4096 });
  const greedy = bench.client();
  const other = bench.client();
  greedy.stream.pause();
  for (let cookie = 0; cookie < 40; cookie++)
    greedy.request({ type: Read, length: 65_536, cookie });
  bench.clock.advance(100);
  // What it asked for fills what it may have, and no more.
  expect(bench.server.status).toMatchObject({ requests: 0, bufferBytes: 256 * 1024 });
  other.request({ type: Read, length: 65_536 });
  bench.clock.advance(20);
  expect(cookies(other)).toHaveLength(1);
  greedy.stream.resume();
  bench.clock.advance(2_000);
  expect(cookies(greedy)).toHaveLength(40);
  expect(bench.server.status.bufferBytes).toBe(0);
});

test("outputBytesMax: replies without data are bounded as well", () => {
  const bench = new NbdBench({ limits: { outputBytesMax: 1024 }, windowBytes: 1 });
  const client = bench.client();
  client.stream.pause();
  for (let cookie = 0; cookie < 1000; cookie++) client.send(requestOf({ type: Flush, cookie }));
  bench.clock.advance(100);
  expect(bench.server.counters.others).toBeLessThan(500);
  expect(bench.server.counters.limits.outputBytesMax).toBeGreaterThan(0);
  client.stream.resume();
  bench.clock.advance(100);
  expect(cookies(client)).toHaveLength(1000);
});

test("outputBytesMax: so are replies to options", () => {
  const bench = new NbdBench({ limits: { outputBytesMax: 1024 }, windowBytes: 1 });
  const client = bench.connect();
  client.hello();
  client.stream.pause();
  for (let i = 0; i < 200; i++) client.send(optionOf(NbdOption.List));
  bench.clock.advance(100);
  expect(bench.server.counters.limits.outputBytesMax).toBeGreaterThan(0);
  client.stream.resume();
  bench.clock.advance(100);
  expect(client.optionAnswers()).toHaveLength(400);
});

test("sendTimeoutMs: a client that takes nothing for too long is reset", () => {
  const bench = small({}, { windowBytes: 4096 });
  const client = bench.client();
  client.stream.pause();
  for (let cookie = 0; cookie < 20; cookie++)
    client.request({ type: Read, length: 65_536, cookie });
  bench.clock.advance(45_000);
  expect(bench.events.at(-1)).toMatchObject({ reason: "limit", limit: "sendTimeoutMs" });
  expect(bench.server.status).toEqual({ connections: 0, requests: 0, buffers: 0, bufferBytes: 0 });
  expect(bench.clock.armed).toBe(0);
});

// The proxy as a whole: the same seed gives the same faults, memory has bounds, and what it cannot read passes.
// Read first: proxy.ts; testing/chaos-lab.ts.

import { BlockOp } from "@nvmeof/bdev";
import { type ByteStream, type ByteStreamHandler, MemoryPort } from "@nvmeof/transport";
import { VirtualClock } from "@nvmeof/transport/testing";
import { expect, test } from "vitest";
import { CaptureDecoder } from "../capture/decoder.ts";
import type { CaptureEvent } from "../capture/events.ts";
import type { ChaosLimits } from "./limits.ts";
import type { ChaosEvent } from "./log.ts";
import { parseChaosPlan } from "./parse.ts";
import { ChaosProxy } from "./proxy.ts";
import { ChaosLab, reads, writes } from "./testing/chaos-lab.ts";

const storm = [
  { kind: "jitter", jitterMs: 3 },
  { kind: "slicer", averageBytes: 500, variationBytes: 400 },
  { kind: "hold-response", holdMs: 20, select: { queue: "io", probability: 0.2 } },
  { kind: "reorder", select: { queue: "io", pdu: "CapsuleResp", probability: 0.3 } },
  { kind: "status", sct: 0, sc: 0x82, select: { queue: "io", opcode: "read", probability: 0.2 } },
  { kind: "drop-pdu", select: { queue: "io", opcode: "write", probability: 0.02 } },
];

async function stormy(seed: number, chunkBytes?: () => number): Promise<ChaosLab> {
  const lab = new ChaosLab(storm, {
    seed,
    diskMs: 1,
    ...(chunkBytes === undefined ? {} : { chunkBytes }),
  });
  await lab.attach();
  for (let round = 0; round < 8; round++) {
    for (const { times } of [...(await lab.load(writes)), ...(await lab.load(reads))]) {
      expect(times).toBe(1);
    }
  }
  await lab.close();
  return lab;
}

test("the same seed, plan and traffic give the same events and the same bytes", async () => {
  const [one, again, other] = [await stormy(3), await stormy(3), await stormy(4)];
  expect(one.faults.length).toBeGreaterThan(20);
  expect(again.events).toEqual(one.events);
  // Millions of bytes: compared at once, and not one by one.
  expect(Buffer.compare(again.recording.bytes, one.recording.bytes)).toBe(0);
  expect(other.events).not.toEqual(one.events);
});

test("which PDUs are struck does not depend on how their bytes arrive", async () => {
  const struck = async (chunkBytes?: () => number) => {
    const faults = [{ kind: "delay-pdu", delayMs: 0, select: { queue: "io", probability: 0.3 } }];
    const lab = new ChaosLab(faults, {
      seed: 9,
      ...(chunkBytes === undefined ? {} : { chunkBytes }),
    });
    await lab.attach();
    for (let i = 0; i < 20; i++) await lab.load([[BlockOp.Write, i, 20]]);
    await lab.close();
    return lab.faults.map(({ pdu, cid, command }) => [pdu, cid, command]);
  };
  const whole = await struck();
  expect(whole.length).toBeGreaterThan(10);
  expect(await struck(() => 7)).toEqual(whole);
});

test("leaving out a fault does not move the others", async () => {
  const run = async (faults: unknown[]) => {
    const lab = new ChaosLab(faults, { seed: 5 });
    await lab.attach();
    for (let i = 0; i < 20; i++) await lab.load([[BlockOp.Read, i, 1]]);
    await lab.close();
    return lab.faults.filter(({ name }) => name === "a").map(({ command }) => command);
  };
  const select = { queue: "io", opcode: "read", pdu: "CapsuleCmd", probability: 0.4 };
  const a = { kind: "delay-pdu", name: "a", delayMs: 1, select };
  const b = { kind: "delay-pdu", name: "b", delayMs: 0, select: { ...select, probability: 0.5 } };
  const alone = await run([a]);
  expect(alone.length).toBeGreaterThan(3);
  expect(await run([a, b])).toEqual(alone);
});

test("selectors: queue, opcode, namespace, blocks, every, nth, count, for each connection", async () => {
  const strike = (name: string, select: object) => ({
    kind: "delay-pdu",
    name,
    delayMs: 0,
    select,
  });
  const read = { queue: 1, opcode: "read", pdu: "CapsuleCmd" };
  const lab = new ChaosLab([
    strike("blocks", { ...read, lba: { first: 3, last: 4 } }),
    strike("every", { ...read, every: 4 }),
    strike("nth", { ...read, nth: [2, 5] }),
    strike("count", { ...read, count: 3 }),
    strike("per", { pdu: "ICReq", count: 1, per: "connection" }),
    strike("nsid", { ...read, nsid: [2, 3] }),
    strike("connect", { queue: "admin", opcode: "connect", pdu: "CapsuleCmd" }),
    strike("identify", { queue: "io", opcode: "identify" }),
    strike("window", { ...read, afterMs: 60_000 }),
  ]);
  await lab.attach();
  for (let lba = 0; lba < 10; lba++) await lab.load([[BlockOp.Read, lba, 2]]);
  await lab.close();
  const named = (name: string) =>
    lab.faults.flatMap((fault) =>
      fault.name === name ? [/slba (\d+)/.exec(fault.command ?? "")?.[1] ?? fault.connection] : [],
    );
  expect(named("blocks")).toEqual(["2", "3", "4"]);
  expect(named("every")).toEqual(["3", "7"]);
  expect(named("nth")).toEqual(["1", "4"]);
  expect(named("count")).toEqual(["0", "1", "2"]);
  expect(named("per")).toEqual([1, 2]);
  expect(named("connect")).toHaveLength(1);
  for (const none of ["nsid", "identify", "window"]) expect(named(none)).toEqual([]);
});

/** Two streams with a proxy between, whose peers the test plays. */
class Wire {
  readonly clock = new VirtualClock();
  readonly events: ChaosEvent[] = [];
  readonly proxy: ChaosProxy;
  readonly heard = { host: 0, controller: 0 };
  readonly ended: string[] = [];
  host!: ByteStream;
  controller!: ByteStream;
  #drained = 0;

  constructor(faults: readonly unknown[], limits: Partial<ChaosLimits> = {}) {
    const { clock } = this;
    const behind = new MemoryPort("target", { clock });
    const front = new MemoryPort("proxy", { clock });
    behind.listen((stream) => {
      this.controller = stream;
      return this.#handler("controller");
    });
    const plan = parseChaosPlan({ version: 1, faults });
    this.proxy = new ChaosProxy({ plan, clock, listener: front, connector: behind, limits });
    this.proxy.observe((event) => void this.events.push(event));
    const options = { receiveBytes: 65_536, connectTimeoutMs: 1_000 };
    this.host = front.connect(options, this.#handler("host"));
    clock.settle();
  }

  #handler(side: "host" | "controller"): ByteStreamHandler {
    return {
      opened: () => {},
      received: (_buffer, start, end) => void (this.heard[side] += end - start),
      drained: () => void this.#drained++,
      ended: () => void this.ended.push(side),
    };
  }

  get drains(): number {
    return this.#drained;
  }
}

test("a peer that does not read costs no more than the bound, and all arrives when it does", () => {
  const bufferBytesMax = 100_000;
  const wire = new Wire([], { bufferBytesMax });
  wire.controller.pause();
  const piece = new Uint8Array(50_000);
  let written = 0;
  let most = 0;
  // A sender that waits for its drain, as all of ours do.
  for (let i = 0; i < 200; i++) {
    const before = wire.drains;
    wire.host.write([piece]);
    written += piece.length;
    wire.clock.advance(1);
    most = Math.max(most, wire.proxy.counters.heldBytes);
    if (wire.drains === before) break;
  }
  // The window of a stream, what the proxy may hold, and what was under way when it said so.
  expect(most).toBeGreaterThan(bufferBytesMax);
  expect(most).toBeLessThanOrEqual(bufferBytesMax + 256 * 1024 + 2 * piece.length);
  expect(written).toBeLessThan(2_000_000);
  wire.controller.resume();
  wire.clock.advance(10);
  expect(wire.heard.controller).toBe(written);
  expect(wire.proxy.counters.heldBytes).toBe(0);
});

test("faults hold back no more than the bound, and say so", async () => {
  const faults = [{ kind: "hold-response", holdMs: 100, select: { queue: "io", opcode: "write" } }];
  const lab = new ChaosLab(faults, { limits: { heldPdusMax: 2 } });
  await lab.attach();
  expect((await lab.load(writes)).map(({ error }) => error)).toEqual(writes.map(() => undefined));
  expect(lab.faults).toHaveLength(2);
  expect(lab.events.filter(({ type }) => type === "aside")).toMatchObject([{ why: "no-room" }]);
  await lab.close();
});

test("a PDU that is too long passes, and those behind it are struck again", async () => {
  const faults = [{ kind: "delay-pdu", delayMs: 1, select: { queue: "io", pdu: "C2HData" } }];
  const lab = new ChaosLab(faults, { limits: { pduBytesMax: 20_000 } });
  await lab.attach();
  await lab.load(writes);
  const settled = await lab.load(reads);
  expect(settled.filter(({ isWrong, error }) => isWrong || error !== undefined)).toEqual([]);
  expect(lab.events.find(({ type }) => type === "aside")).toMatchObject({ why: "oversized" });
  expect(lab.faults.map(({ command }) => command?.replace(/.*blocks /, ""))).toEqual(["1", "8"]);
  await lab.close();
});

const garbage = [
  ["a TLS ClientHello", "tls", Uint8Array.of(0x16, 3, 1, 2, 0, 1, 0, 1)],
  ["HTTP", "not-nvme", new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n")],
] as const;

test.each(garbage)(
  "%s passes as it is, and faults of bytes still befall it",
  (_what, why, first) => {
    const wire = new Wire([
      { kind: "drop-pdu" },
      { kind: "limit_data", bytes: 100, select: { direction: "downstream" } },
    ]);
    wire.host.write([first, new Uint8Array(1000)]);
    wire.clock.advance(1);
    expect(wire.heard.controller).toBe(first.length + 1000);
    wire.controller.write([new Uint8Array(300)]);
    wire.clock.advance(1);
    expect(wire.heard.host).toBe(100);
    expect(wire.ended.toSorted()).toEqual(["controller", "host"]);
    expect(wire.events.filter(({ type }) => type === "aside")).toMatchObject([{ why }]);
  },
);

test("who connects while the target is away is reset, and it is told", () => {
  const clock = new VirtualClock();
  const front = new MemoryPort("proxy", { clock });
  const connector = new MemoryPort("nobody", { clock });
  const plan = parseChaosPlan({ version: 1, faults: [] });
  const proxy = new ChaosProxy({ plan, clock, listener: front, connector });
  const events: string[] = [];
  proxy.observe(({ type }) => void events.push(type));
  let ended = 0;
  const handler = { opened() {}, received() {}, drained() {}, ended: () => void ended++ };
  front.connect({}, handler);
  clock.advance(10);
  expect([ended, events]).toEqual([1, ["opened", "unreachable", "closed"]]);
  expect(proxy.counters.open).toBe(0);
});

test("beyond the bound on connections nobody comes in", () => {
  const wire = new Wire([], { connectionsMax: 1 });
  expect(wire.proxy.counters).toMatchObject({ connections: 1, open: 1 });
  expect(() => new Wire([], { connectionsMax: 0 })).toThrow(RangeError);
  expect(() => new Wire([], { connectionMax: 1 } as never)).toThrow(/did you mean connectionsMax/);
});

test("close resets both sides, and nothing is left", () => {
  const wire = new Wire([{ kind: "latency", latencyMs: 1000 }]);
  wire.host.write([new Uint8Array(100)]);
  wire.clock.advance(1);
  wire.proxy.close();
  wire.clock.advance(1);
  expect(wire.ended.toSorted()).toEqual(["controller", "host"]);
  expect(wire.proxy.counters).toMatchObject({ open: 0, heldBytes: 0 });
  expect(wire.clock.armed).toBe(0);
});

test.each([
  ["dup-completion", {}, "controller", /CapsuleResp/],
  ["bad-ddgst", { direction: "downstream" }, "controller", /data digest/],
  ["r2t-zero", {}, "controller", /R2T/],
  ["extra-data", { direction: "upstream" }, "host", /H2CData/],
] as const)(
  "the trace of %s holds the violation, by whom it seems to be",
  async (kind, more, by, message) => {
    const select = { queue: "io", opcode: ["read", "write"], count: 1, ...more };
    const lab = new ChaosLab([{ kind, select }], { digests: true, diskMs: 1 });
    await lab.attach();
    await lab.load(writes);
    await lab.load(reads);
    await lab.close();
    const events: CaptureEvent[] = [];
    const decoder = new CaptureDecoder((event) => void events.push(event));
    decoder.write(lab.recording.bytes);
    decoder.end();
    expect(decoder.error).toBeUndefined();
    const verdicts = events.filter(
      (event) => event.type === "verdict" && event.severity === "violation",
    );
    expect(verdicts[0]).toMatchObject({ by, message: expect.stringMatching(message) });
    // Of the two recordings of each connection, only one has what the proxy has done.
    expect(new Set(verdicts.map(({ connection }) => connection)).size).toBe(1);
  },
);

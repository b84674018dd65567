// A host's side of captures played again to live targets: the same answers, and those that differ.
// Read first: replay.ts; ../../capture/testing/world.ts, where the captures come from.

import { memoryDevice } from "@nvmeof/bdev";
import { Target } from "@nvmeof/target";
import { type Connector, MemoryPort } from "@nvmeof/transport";
import { VirtualClock } from "@nvmeof/transport/testing";
import { beforeAll, expect, test } from "vitest";
import { NQN, type Shape, worldCapture, worldShapes } from "../../capture/testing/world.ts";
import { parseChaosPlan } from "../parse.ts";
import { ChaosProxy } from "../proxy.ts";
import type { ReplayDifference } from "./player.ts";
import { Replay, type ReplayCounters } from "./replay.ts";
import { type Script, ScriptReader, type ScriptOptions } from "./script.ts";

const both: Shape = { name: "both digests", headerDigest: true, dataDigest: true, ioQueues: 2 };
let capture: Uint8Array;
beforeAll(async () => void (capture = await worldCapture(both)));

function scriptOf(bytes: Uint8Array, options: ScriptOptions = {}): Script {
  const reader = new ScriptReader(options);
  for (let at = 0; at < bytes.length; at += 10_000) reader.write(bytes.subarray(at, at + 10_000));
  return reader.end();
}

const address = { trtype: "tcp", traddr: "192.0.2.2", trsvcid: "4420" };

/** A target as that of the captures, where a test does not say otherwise. */
class Live {
  readonly clock = new VirtualClock();
  readonly target: Target;
  readonly port: MemoryPort;
  readonly differences: ReplayDifference[] = [];
  ends = 0;

  constructor({ blockCount = 4096, pda = 0, nqn = NQN } = {}) {
    const { clock } = this;
    this.port = new MemoryPort("live", { clock, latencyMs: 0.25 });
    const device = memoryDevice({ name: "disk", clock, blockBytes: 512, blockCount });
    this.target = new Target({ clock });
    this.target.addSubsystem({ nqn, allowedHosts: "any", namespaces: [{ device }] });
    this.target.listen({ listener: this.port, portId: 1, address, pda });
  }

  /** Plays a script to its end. */
  play(script: Script, connector: Connector = this.port): ReplayCounters {
    const { clock } = this;
    const ends = this.ends;
    const replay = new Replay({
      script,
      clock,
      connector,
      differs: (difference) => void this.differences.push(difference),
      ended: () => void this.ends++,
    });
    expect(clock.runUntil(() => this.ends > ends, 60_000)).toBe(true);
    return replay.counters;
  }
}

test.each(worldShapes.map((shape) => [shape.name, shape] as const))(
  "%s: a target like that of the capture gives the same answers",
  async (_name, shape) => {
    const script = scriptOf(await worldCapture(shape));
    expect([script.error, script.skipped]).toEqual([undefined, []]);
    const live = new Live({ pda: shape.pda ?? 0 });
    const { sentPdus, answers, connections } = live.play(script);
    expect(live.differences).toEqual([]);
    expect(connections).toBe(2 + (shape.ioQueues ?? 1));
    const steps = script.connections.flatMap((each) => each.steps);
    expect(sentPdus).toBe(steps.filter(({ kind }) => kind === "send").length);
    expect(answers).toBe(steps.length - sentPdus);
    expect(sentPdus).toBeGreaterThan(30);
  },
);

test("it plays as often as one likes: controllers and transfer tags are those of the moment", () => {
  const script = scriptOf(capture);
  const live = new Live();
  for (let i = 0; i < 3; i++) live.play(script);
  expect([live.differences, live.ends]).toEqual([[], 3]);
});

test("a smaller namespace: the status that differs is told, and all else goes on", () => {
  const live = new Live({ blockCount: 600 });
  live.play(scriptOf(capture));
  const told = live.differences.map(({ subject, recorded, answered, isFinal }) => [
    subject.replace(/, CID \d+$/, ""),
    recorded,
    answered,
    isFinal,
  ]);
  const beyond = "LBA Out of Range (0/80h, DNR)";
  expect(told).toEqual([
    ["Write nsid 1 slba 500 blocks 900", "R2T for 460800 bytes at 0", beyond, false],
    ["Read nsid 1 slba 500 blocks 900", "success, 460800 bytes", beyond, false],
  ]);
  expect(live.ends).toBe(1);
});

test("another subsystem: Connect fails, and so does what follows", () => {
  const live = new Live({ nqn: "nqn.2026-01.dev.nvmeof:another" });
  live.play(scriptOf(capture));
  const connect = live.differences.find(({ subject }) => subject.startsWith("Connect"))!;
  expect([connect.recorded, connect.answered]).toEqual([
    "success",
    expect.stringMatching(/^Connect Invalid Parameters/),
  ]);
  expect(live.ends).toBe(1);
});

test("another alignment: nothing of that connection can be sent as it was", () => {
  const live = new Live({ pda: 31 });
  const { sentPdus } = live.play(scriptOf(capture, { connections: [1] }));
  expect(sentPdus).toBe(1);
  expect(live.differences).toMatchObject([{ subject: "ICResp", isFinal: true }]);
});

const strange = [
  [
    "an answer that never comes",
    { kind: "drop-pdu", select: { opcode: "identify", pdu: "CapsuleResp", nth: 1 } },
    { subject: /^Identify/, answered: undefined },
  ],
  [
    "a status in place of success",
    { kind: "status", sct: 0, sc: 6, select: { opcode: "read", nth: 2 } },
    { subject: /^Read/, answered: /^Internal Error/ },
  ],
  [
    "an R2T for something else",
    { kind: "r2t-overrun", select: { nth: 1 } },
    { subject: /^Write/, answered: /^R2T for \d+ bytes/, isFinal: true },
  ],
  [
    "a TermReq",
    { kind: "term-req", fes: 2, select: { queue: "io", opcode: "read", pdu: "C2HData", nth: 1 } },
    { subject: /^\w+ nsid/, answered: /^C2HTermReq, PDU Sequence Error$/, isFinal: true },
  ],
  [
    "the end",
    { kind: "limit_data", bytes: 1000, select: { connection: 2, direction: "downstream" } },
    { subject: /./, answered: /closed the connection|end of the connection/, isFinal: true },
  ],
  [
    "an answer more",
    { kind: "dup-completion", select: { queue: "io", opcode: "flush", nth: 1 } },
    { subject: /^CID/, recorded: undefined, answered: /^success/ },
  ],
] as const;

test.each(strange)("%s is told as what it is", (_what, fault, sees) => {
  const live = new Live();
  const { clock } = live;
  const front = new MemoryPort("front", { clock });
  const plan = parseChaosPlan({ version: 1, faults: [fault] });
  const proxy = new ChaosProxy({ plan, clock, listener: front, connector: live.port });
  live.play(scriptOf(capture), front);
  expect(proxy.counters.done[0]).toBeGreaterThan(0);
  const { subject, answered, ...rest } = sees;
  expect(live.differences[0]).toMatchObject({
    subject: expect.stringMatching(subject),
    answered: answered === undefined ? undefined : expect.stringMatching(answered),
    ...rest,
  });
});

test("it is known how many commands may change what the target holds", () => {
  // Four writes and a Write Zeroes.
  expect(scriptOf(capture).changes).toBe(5);
  expect(scriptOf(capture, { connections: [1] }).changes).toBe(0);
});

test("a target that is not there is a difference as well", () => {
  const live = new Live();
  live.play(scriptOf(capture, { connections: [2] }), new MemoryPort("nobody", live));
  expect(live.differences).toMatchObject(
    [{ connection: 2, answered: /nobody listens/, isFinal: true }].map((each) => ({
      ...each,
      answered: expect.stringMatching(each.answered),
    })),
  );
});

test("what cannot be played is named: TLS, bytes that are missing, too many of them", () => {
  expect(scriptOf(capture, { connections: [1], bytesMax: 100 }).skipped).toEqual([
    { number: 1, why: "more than 100 bytes are to be sent" },
  ]);
  const cut = scriptOf(capture.subarray(0, capture.length / 2));
  expect(cut.error?.code ?? "at a block's end").toMatch(/NVME_ERR_CAPTURE|end/);
  expect(scriptOf(new Uint8Array(100)).error?.code).toBe("NVME_ERR_CAPTURE");
});

// Peers over FC that break the rules, refuse, or fall silent: rows L1 to L12 of docs/bad-input.md.
// Read first: host-association.ts, controller-port.ts; @nvmeof/codec/fc information-unit.ts.

import {
  CmdIu,
  CreateAssociationAcc,
  CreateConnectionAcc,
  ErspIu,
  FcHeader,
  FcRctl,
  LsCommand,
  LsExplanation,
  LsReason,
  encodeLs,
  encodeLsReject,
  lsCommandOf,
} from "@nvmeof/codec/fc";
import { describe, expect, test } from "vitest";
import { pattern } from "../conformance/case.ts";
import { FcBench } from "../testing/fc-bench.ts";
import type { FrameOnTheWay } from "./fabric.ts";
import type { ReceivedLs } from "./port.ts";

const WRITE = 1;
const READ = 2;
const FLUSH = 0;
/** Where the payload of a frame begins. */
const PAYLOAD_AT = FcHeader.size;

const rCtlOf = ({ view }: FrameOnTheWay): number => FcHeader.rCtl.get(view);

/** A target that answers link services by hand. */
function raw(answer: (ls: ReceivedLs, bench: FcBench) => Uint8Array | undefined): FcBench {
  const bench = new FcBench();
  bench.targetPort.attach({
    fcpReceived: () => false,
    fcpAborted() {},
    opDone() {},
    hostGone() {},
    lsReceived: (ls) => {
      const answered = answer(ls, bench);
      if (answered !== undefined) bench.targetPort.answerLs(ls, answered);
    },
  });
  return bench;
}

const acc = (request: number, id: bigint): Uint8Array =>
  request === LsCommand.CreateAssociation
    ? encodeLs(CreateAssociationAcc, { request, associationId: id, connectionId: id })
    : encodeLs(CreateConnectionAcc, { request, connectionId: id });

describe("L1: a link service that is refused", () => {
  test.each(Object.entries(LsReason))("L1: CREATE_ASSOCIATION with %s", (_name, reason) => {
    const why = { reason, explanation: LsExplanation.None };
    const bench = raw((ls) => encodeLsReject(lsCommandOf(ls.request), why));
    const queue = bench.open(0);
    bench.clock.settle();
    expect(queue.events).toEqual(["lost"]);
    expect(queue.error).toMatchObject({ code: "NVME_ERR_FC_REJECTED", reason });
    expect(queue.error?.message).toContain("CREATE_ASSOCIATION");
    bench.clock.drain();
    expect(bench.host.associations).toEqual([]);
    expect(bench.clock.armed).toBe(0);
  });

  test.each(Object.entries(LsReason))("L1: CREATE_CONNECTION with %s", (_name, reason) => {
    const why = { reason, explanation: LsExplanation.QueueId };
    const bench = raw((ls) => {
      const command = lsCommandOf(ls.request);
      return command === LsCommand.CreateAssociation
        ? acc(command, 7n << 32n)
        : encodeLsReject(command, why);
    });
    const [admin, io] = [bench.open(0), bench.open(1)];
    bench.clock.settle();
    expect(io.error).toMatchObject({ code: "NVME_ERR_FC_REJECTED", reason });
    // Queues of one association end together.
    expect(admin.events).toEqual(["opened", "lost"]);
    bench.clock.drain();
    expect(bench.host.associations).toEqual([]);
  });

  const answers: readonly (readonly [what: string, bytes: Uint8Array])[] = [
    ["nothing", new Uint8Array(0)],
    ["zeroes", new Uint8Array(48)],
    ["one byte", new Uint8Array(1)],
    ["a reject that is cut", encodeLsReject(3, { reason: 1, explanation: 0 }).subarray(0, 8)],
    ["the ACC of another service", acc(LsCommand.CreateConnection, 1n)],
    ["an ACC that is cut", acc(LsCommand.CreateAssociation, 1n).subarray(0, 20)],
  ];
  test.each(answers)(
    "L1: an answer that is %s fails the attempt, and nothing more",
    (_what, bytes) => {
      const bench = raw(() => bytes);
      const queue = bench.open(0);
      bench.clock.drain();
      expect(queue.events).toEqual(["lost"]);
      expect(queue.error?.code).toMatch(
        /^NVME_ERR_(PROTOCOL|PARSE|CONNECTION_LOST|INITIALIZE_TIMEOUT)$/,
      );
      expect(bench.host.associations).toEqual([]);
    },
  );
});

test("L2: a link service that nobody answers fails in the time of the opening, and leaves nothing", () => {
  const bench = raw(() => undefined);
  const queue = bench.open(0, 4_000);
  bench.clock.runUntil(() => queue.error !== undefined);
  expect(bench.clock.nowMs()).toBeLessThanOrEqual(4_000);
  expect(queue.error).toMatchObject({ code: "NVME_ERR_INITIALIZE_TIMEOUT" });
  bench.clock.drain();
  expect(bench.host.associations).toEqual([]);
  expect(bench.clock.armed).toBe(0);
});

test("L5: a link service that is given up half way is aborted, and its late answer changes nothing", () => {
  const kept: { ls: ReceivedLs; bench: FcBench }[] = [];
  const bench = raw((ls, of) => void kept.push({ ls, bench: of }));
  const queue = bench.open(0);
  bench.clock.settle();
  queue.link.close("reset");
  bench.clock.settle();
  const [first] = kept;
  first!.bench.targetPort.answerLs(first!.ls, acc(LsCommand.CreateAssociation, 9n << 32n));
  bench.clock.drain();
  expect(queue.events).toEqual([]);
  expect(bench.host.associations).toEqual([]);
  expect(bench.clock.armed).toBe(0);
});

/** A command whose full response is changed on its way. */
function answeredBy(change: (view: DataView) => void, opc = FLUSH, data?: Uint8Array): FcBench {
  const bench = new FcBench();
  const [, io] = bench.associate();
  const end = bench.ends[1]!;
  end.answers = "never";
  bench.fateOf = (frame) => {
    if (rCtlOf(frame) === FcRctl.ExtendedResponse) change(frame.view);
    return "pass";
  };
  io!.submit(5, opc, data);
  bench.clock.settle();
  // An error is told in full.
  end.link.respond(0, 0x81, 0, 0);
  bench.clock.settle();
  return Object.assign(bench, { io });
}

describe("L6: a response that does not belong to its command", () => {
  const wrong: readonly (readonly [what: string, change: (view: DataView) => void])[] = [
    ["a transferred length that nothing has moved", (v) => ErspIu.transferredLength.set(v, 24, 8)],
    ["the CID of another command", (v) => v.setUint16(PAYLOAD_AT + 16 + 12, 6, true)],
    ["an ERSP result of 1", (v) => ErspIu.result.set(v, PAYLOAD_AT, 1)],
    ["an IU length of 7", (v) => ErspIu.iuLength.set(v, PAYLOAD_AT, 7)],
  ];
  test.each(wrong)("L6: %s ends the association", (_what, change) => {
    const bench = answeredBy(change) as FcBench & { io: ReturnType<FcBench["open"]> };
    expect(bench.io.completions).toEqual([]);
    expect(bench.io.error).toMatchObject({ code: "NVME_ERR_PROTOCOL" });
    bench.clock.drain();
    expect(bench.host.associations).toEqual([]);
  });

  test("L6: an RSN out of order is none: responses of two exchanges may overtake each other", () => {
    const change = (view: DataView): void => ErspIu.rsn.set(view, PAYLOAD_AT, 77);
    const bench = answeredBy(change) as FcBench & { io: ReturnType<FcBench["open"]> };
    expect(bench.io.completions).toEqual([[5, 0x81, 1]]);
    expect(bench.io.error).toBeUndefined();
  });

  test("L6: success for less data than was asked for is no success", () => {
    const bench = new FcBench();
    const [, io] = bench.associate();
    bench.ends[1]!.answers = "never";
    io!.submit(5, READ, new Uint8Array(4_096));
    bench.clock.settle();
    bench.ends[1]!.link.respond(0, 0, 0, 0, new Uint8Array(512));
    bench.clock.drain();
    // Either the two disagree, or the command has failed: it has not succeeded.
    const statuses = io!.completions.map(([, status]) => status);
    expect(statuses.includes(0)).toBe(false);
    expect(statuses.length + Number(io!.error !== undefined)).toBeGreaterThan(0);
  });
});

test("L7: a port that goes while an association is being made fails that attempt, and no other", () => {
  for (const at of [1, 2, 3, 4, 5, 6]) {
    const bench = new FcBench();
    let frames = 0;
    bench.onFrame = () => {
      if (++frames !== at) return;
      bench.clock.defer(() => bench.fabric.unplug(bench.targetPort.names.portName));
    };
    const queue = bench.open(0, 3_000);
    bench.clock.advance(10);
    bench.onFrame = () => {};
    bench.targetPort.attach(bench.controllers);
    bench.clock.runUntil(() => queue.error !== undefined || queue.isOpen);
    bench.clock.settle();
    expect(queue.events.filter((event) => event === "opened").length).toBeLessThanOrEqual(1);
    const [again] = bench.associate(0);
    bench.clock.runUntil(() => again!.isOpen);
    expect(again!.events).toEqual(["opened"]);
  }
});

describe("L8: a command that is none is not taken, and the connection goes on", () => {
  const wrong: readonly (readonly [what: string, change: (view: DataView) => void])[] = [
    ["another format", (v) => CmdIu.formatId.set(v, PAYLOAD_AT, 0xfc)],
    ["another FC identifier", (v) => CmdIu.fcId.set(v, PAYLOAD_AT, 0x08)],
    ["another length", (v) => CmdIu.iuLength.set(v, PAYLOAD_AT, 23)],
    ["both directions", (v) => v.setUint8(PAYLOAD_AT + 7, 3)],
    ["a connection that there is not", (v) => CmdIu.connectionId.set(v, PAYLOAD_AT, 0xffffn)],
    ["a connection of all ones", (v) => CmdIu.connectionId.set(v, PAYLOAD_AT, 2n ** 64n - 1n)],
  ];
  test.each(wrong)("L8: %s", (_what, change) => {
    const bench = new FcBench();
    const [, io] = bench.associate();
    let changed = 0;
    bench.fateOf = (frame) => {
      if (rCtlOf(frame) === FcRctl.Command && changed++ === 0) change(frame.view);
      return "pass";
    };
    io!.submit(0, WRITE, pattern(512));
    bench.clock.settle();
    expect(bench.ends[1]!.events).not.toContain("command 0");
    expect(io!.completions).toEqual([]);
    // The host's port was told that its command is over, and what follows that is its decision.
    bench.clock.drain();
    const [again] = bench.associate(0);
    expect(again!.events).toEqual(["opened"]);
  });
});

test("L9: data that comes after the response is not taken, and touches nobody's buffer", () => {
  const bench = new FcBench();
  const [, io] = bench.associate();
  const late: FrameOnTheWay[] = [];
  bench.fateOf = (frame) => {
    if (rCtlOf(frame) !== FcRctl.Data) return "pass";
    late.push({ ...frame, frame: frame.frame.slice() });
    return "pass";
  };
  const buffer = new Uint8Array(512);
  bench.ends[1]!.store.fill(0x33);
  io!.submit(0, READ, buffer);
  bench.clock.settle();
  expect(io!.completions.map(([cid, status]) => [cid, status])).toEqual([[0, 0]]);
  buffer.fill(0);
  bench.fateOf = () => "pass";
  for (const each of late) each.deliver();
  bench.clock.settle();
  expect(buffer.every((byte) => byte === 0)).toBe(true);
  io!.submit(1, READ, new Uint8Array(512));
  bench.clock.settle();
  expect(io!.completions).toHaveLength(2);
});

test("L11: a link that takes nothing more pushes back: what waits is bounded, and goes on in order", () => {
  const bench = new FcBench({}, { windowBytes: 4_096, latencyMs: 1 });
  bench.clock.advance(10);
  const queue = bench.open(0);
  bench.clock.advance(100);
  const io = bench.open(1);
  bench.clock.advance(100);
  expect([queue.isOpen, io.isOpen]).toEqual([true, true]);
  for (let cid = 0; cid < 32; cid++) io.submit(cid, cid % 2 === 0 ? WRITE : READ, pattern(16_384));
  bench.clock.runUntil(() => io.completions.length === 32);
  expect(io.completions.every(([, status]) => status === 0)).toBe(true);
  expect(io.error).toBeUndefined();
});

test("L12: a queue that there is already is refused, and the identifier of another one is not taken", () => {
  const bench = new FcBench();
  bench.associate();
  const twice = bench.open(1);
  bench.clock.settle();
  expect(twice.error).toMatchObject({ code: "NVME_ERR_FC_REJECTED" });

  // A target that gives one identifier to two queues, and to two associations.
  const one = raw((ls) => acc(lsCommandOf(ls.request), 7n << 32n));
  const queues = [one.open(0), one.open(1)];
  one.clock.settle();
  expect(queues.map(({ error }) => error?.code)).toEqual([
    "NVME_ERR_PROTOCOL",
    "NVME_ERR_PROTOCOL",
  ]);
  one.clock.drain();
  const [first, second] = [one.open(0), one.open(0)];
  one.clock.settle();
  expect(first.events).toEqual(["opened"]);
  expect(second.error).toMatchObject({ code: "NVME_ERR_PROTOCOL" });
});

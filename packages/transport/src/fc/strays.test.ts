// Frames that belong to nobody here, or to somebody else, and answers that a port cannot have meant.
// Read first: soft-port.ts; FC-FS-6 §12 "Exchange management"; bad-frames.test.ts for commands as such.

import { viewOf } from "@nvmeof/codec";
import {
  CreateAssociationLs,
  CreateConnectionLs,
  DisconnectAssociationLs,
  DisconnectConnectionLs,
  FcHeader,
  FcRctl,
  LsReason,
  LsReject,
  encodeLs,
} from "@nvmeof/codec/fc";
import { describe, expect, test } from "vitest";
import { pattern } from "../conformance/case.ts";
import { type BenchQueue, FcBench, hostNames } from "../testing/fc-bench.ts";
import { ElsCommand, elsAnswer, logo, plogi } from "./els.ts";
import type { Remote } from "./exchange.ts";
import type { FrameOnTheWay } from "./fabric.ts";
import { frameOf, routeTo, single } from "./frame.ts";

const WRITE = 1;
const READ = 2;
const rCtlOf = ({ view }: FrameOnTheWay): number => FcHeader.rCtl.get(view);

/** An I/O queue of an association, on a link that takes its time. */
function withQueue(bench: FcBench): BenchQueue {
  bench.clock.advance(10);
  bench.open(0);
  bench.clock.advance(100);
  const io = bench.open(1);
  bench.clock.advance(100);
  return io;
}

/** A bench with an I/O queue, and what changes the first frame of a kind. */
function changing(
  rCtl: number,
  change: (frame: FrameOnTheWay) => void,
): { bench: FcBench; io: BenchQueue } {
  const bench = new FcBench();
  const [, io] = bench.associate();
  let changed = 0;
  bench.fateOf = (frame) => {
    if (rCtlOf(frame) === rCtl && changed++ === 0) change(frame);
    return "pass";
  };
  return { bench, io: io! };
}

describe("a frame that cannot be of its exchange ends the association, and no command succeeds", () => {
  const wrong: readonly (readonly [what: string, opc: number, from: number, to: number])[] = [
    ["confirms a read", READ, FcRctl.Data, FcRctl.Confirm],
    ["asks for data of a read", READ, FcRctl.Data, FcRctl.XferRdy],
    ["is a response of 512 bytes", READ, FcRctl.Data, FcRctl.Response],
    ["is data of a write", WRITE, FcRctl.XferRdy, FcRctl.Data],
  ];
  test.each(wrong)("which %s", (_what, opc, from, to) => {
    const { bench, io } = changing(from, ({ view }) => FcHeader.rCtl.set(view, 0, to));
    io.submit(3, opc, pattern(512));
    bench.clock.drain();
    expect(io.completions).toEqual([]);
    expect(io.error).toMatchObject({ code: "NVME_ERR_PROTOCOL" });
    expect(bench.host.associations).toEqual([]);
  });

  test("which asks for data again, before what was asked for is sent", () => {
    const bench = new FcBench({}, { windowBytes: 4_096, latencyMs: 1 });
    const io = withQueue(bench);
    bench.fateOf = (frame) => {
      const copy = frame.frame.slice();
      if (rCtlOf(frame) === FcRctl.XferRdy) bench.clock.defer(() => bench.hostPort.received(copy));
      return "pass";
    };
    io.submit(3, WRITE, pattern(100_000));
    bench.clock.drain();
    expect(io.completions).toEqual([]);
    expect(io.error).toMatchObject({ code: "NVME_ERR_PROTOCOL" });
    expect(io.error?.message).toContain("another is outstanding");
  });

  test("which is data beyond what was asked for: the target gives the exchange up", () => {
    const { bench, io } = changing(FcRctl.Data, ({ view }) => {
      FcHeader.parameter.set(view, 0, 0x7fff_0000);
    });
    io.submit(3, WRITE, pattern(512));
    bench.clock.drain();
    expect(bench.ends[1]!.events).not.toContain("fetched");
    expect(io.completions).toEqual([]);
    expect(io.error).toBeDefined();
    expect(bench.clock.armed).toBe(0);
  });
});

test("an answer with the RX_ID of another exchange is dropped: the command is given up in its time", () => {
  const { bench, io } = changing(FcRctl.Data, ({ view }) => FcHeader.rxId.set(view, 0, 0x0123));
  const before = bench.hostPort.strayFrames;
  const buffer = new Uint8Array(8_192);
  bench.ends[1]!.store.fill(0x33);
  io.submit(3, READ, buffer);
  bench.clock.drain();
  // The first frame says which exchange it is: those that follow are the ones that do not fit.
  expect(bench.hostPort.strayFrames).toBeGreaterThan(before);
  expect(io.completions.filter(([, status]) => status === 0)).toEqual([]);
});

test("a target that has forgotten its host says so, and the host logs in again", () => {
  const bench = new FcBench();
  const [, io] = bench.associate();
  const host = bench.hostAtTarget() as Remote;
  const target = bench.targetAtHost() as Remote;
  const said = logo(host.portId, hostNames);
  const route = routeTo(host.portId, target.portId, 0xffff);
  bench.targetPort.received(frameOf(route, single(FcRctl.ElsRequest), said));
  bench.clock.settle();
  expect(bench.ends[1]!.events).toContain("lost");
  const before = bench.targetPort.strayFrames;
  io!.submit(3, READ, new Uint8Array(512));
  bench.clock.drain();
  expect(bench.targetPort.strayFrames).toBe(before + 1);
  expect(io!.error?.message).toContain("logged out");
  const [again] = bench.associate(0);
  expect(again!.events).toEqual(["opened"]);
});

test("a host that logs in anew has forgotten what was: its queues end at the target", () => {
  const bench = new FcBench();
  bench.associate();
  const host = bench.hostAtTarget() as Remote;
  const target = bench.targetAtHost() as Remote;
  const route = routeTo(host.portId, target.portId, 0x77);
  bench.targetPort.received(frameOf(route, single(FcRctl.ElsRequest), plogi(hostNames, "asks")));
  bench.clock.settle();
  expect(bench.ends.map(({ events }) => events.at(-1))).toEqual(["lost", "lost"]);
});

test("a port that refuses a login, or answers it with something else, is not there", () => {
  const answers = [elsAnswer(ElsCommand.Reject), elsAnswer(ElsCommand.Accept), new Uint8Array(4)];
  for (const answer of answers) {
    const bench = new FcBench();
    bench.fateOf = (frame) => {
      if (rCtlOf(frame) !== FcRctl.ElsReply) return "pass";
      const { view } = frame;
      const [sId, dId] = [FcHeader.sId.get(view), FcHeader.dId.get(view)];
      const back = { ...routeTo(sId, dId, FcHeader.oxId.get(view)), isResponder: true };
      const other = frameOf(back, single(FcRctl.ElsReply), answer);
      bench.clock.defer(() => bench.hostPort.received(other));
      return "kept";
    };
    const queue = bench.open(0, 3_000);
    bench.clock.drain();
    expect(queue.events).toEqual(["lost"]);
    expect(queue.error?.code).toMatch(/UNREACHABLE|INITIALIZE_TIMEOUT|CONNECT_TIMEOUT/);
  }
});

const nowhere = { associationId: 0xffff_0000n, connectionId: 0xffff_0001n };
const queue = { erspRatio: 8, sqsize: 32 };
const anAssociation = encodeLs(CreateAssociationLs, {
  ...queue,
  cntlid: 0xffff,
  hostnqn: "nqn.2026-01.dev.nvmeof:host",
  subnqn: "nqn.2026-01.dev.nvmeof:fc",
});
const aConnection = encodeLs(CreateConnectionLs, { ...nowhere, ...queue, qid: 1 });
const endOfAssociation = encodeLs(DisconnectAssociationLs, nowhere);
const endOfConnection = encodeLs(DisconnectConnectionLs, nowhere);

describe("a link service that cannot be served is rejected with the reason, and nothing ends", () => {
  const cases: readonly (readonly [
    to: "host" | "target",
    what: string,
    request: Uint8Array,
    reason: number,
  ])[] = [
    ["host", "zeroes", new Uint8Array(24), LsReason.InvalidLsCode],
    ["host", "an association of its own", anAssociation, LsReason.Unsupported],
    ["host", "the end of no association", endOfAssociation, LsReason.InvalidAssociation],
    ["host", "the end of no connection", endOfConnection, LsReason.InvalidConnection],
    ["target", "zeroes", new Uint8Array(24), LsReason.InvalidLsCode],
    ["target", "a connection of no association", aConnection, LsReason.InvalidAssociation],
    ["target", "the end of no association", endOfAssociation, LsReason.InvalidAssociation],
    ["target", "the end of no connection", endOfConnection, LsReason.InvalidAssociation],
  ];
  test.each(cases)("to a %s: %s", (to, _what, request, reason) => {
    const bench = new FcBench();
    const queues = bench.associate();
    const reasons: (number | undefined)[] = [];
    const done = (_status: number, response: Uint8Array | undefined): void => {
      reasons.push(response && LsReject.reason.get(viewOf(response)));
    };
    const call = { request, timeoutMs: 1_000, done };
    if (to === "host") bench.targetPort.callLs({ ...call, remote: bench.hostAtTarget() });
    else bench.hostPort.callLs({ ...call, remote: bench.targetAtHost() });
    bench.clock.drain();
    expect(reasons).toEqual([reason]);
    expect(queues.map(({ events }) => events)).toEqual([["opened"], ["opened"]]);
    queues[1]!.submit(1, READ, new Uint8Array(512));
    bench.clock.settle();
    expect(queues[1]!.completions.map(([cid, status]) => [cid, status])).toEqual([[1, 0]]);
  });
});

test("an answer that is given while the data of a write is still coming follows the data", () => {
  const bench = new FcBench();
  const [, io] = bench.associate();
  const end = bench.ends[1]!;
  end.answers = "never";
  const data = pattern(8_192);
  io!.submit(3, WRITE, data);
  bench.clock.settle();
  const tag = 0;
  end.link.fetch(tag, end.store.subarray(0, data.length));
  end.link.respond(tag, 0x81, 0, 0);
  bench.clock.drain();
  expect(io!.completions.map(([cid, status]) => [cid, status])).toEqual([[3, 0x81]]);
});

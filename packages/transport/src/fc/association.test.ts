// Associations end in one order, once, whatever ends them; and exchanges are done once, and later.
// Read first: host-association.ts; linux-nvme-recovery.md §1.7, whose rows these are, and §3.5.

import { DisconnectAssociationLs, FcHeader, FcRctl, LsCommand, encodeLs } from "@nvmeof/codec/fc";
import { expect, test } from "vitest";
import { FcBench } from "../testing/fc-bench.ts";
import { FcStatus } from "./port.ts";

const READ = 2;
const WRITE = 1;

/** What passed since `from`, by R_CTL: aborts and link services of the host only. */
const endingOf = (bench: FcBench, from: number): string[] =>
  bench.frames.slice(from).filter((frame) => frame === "toTarget 81" || frame === "toTarget 32");

test("R3: the association outlives every exchange that is aborted: aborts are counted, then it is disconnected", () => {
  const bench = new FcBench();
  const [admin, io] = bench.associate();
  for (const end of bench.ends) end.answers = "never";
  for (let cid = 0; cid < 5; cid++) io!.submit(cid, READ, new Uint8Array(512));
  admin!.submit(0, 0x18);
  bench.clock.settle();
  const [association] = bench.host.associations;
  // Answers to aborts are kept back: nothing may follow them as long as one is missing.
  const kept: (() => void)[] = [];
  bench.fateOf = ({ view, deliver }) => {
    if (FcHeader.rCtl.get(view) !== FcRctl.BaAcc) return "pass";
    kept.push(deliver);
    return "kept";
  };
  const from = bench.frames.length;
  for (const queue of [io!, admin!]) queue.link.close("reset");
  bench.clock.settle();
  expect(kept).toHaveLength(6);
  for (const [at, deliver] of kept.entries()) {
    expect(association!.abortsUnderWay).toBe(6 - at);
    expect(endingOf(bench, from)).toEqual(Array<string>(6).fill("toTarget 81"));
    deliver();
    bench.clock.settle();
  }
  expect(endingOf(bench, from).at(-1)).toBe("toTarget 32");
  expect(bench.host.associations).toEqual([]);
  expect(bench.controllers.associations).toBe(0);
  expect([...admin!.events, ...io!.events]).toEqual(["opened", "opened"]);
});

test("L10, R3: an abort that nobody answers ends by its own deadline, and its OX_ID rests", () => {
  const bench = new FcBench();
  const [admin, io] = bench.associate();
  bench.ends[1]!.answers = "never";
  io!.submit(0, READ, new Uint8Array(512));
  bench.clock.settle();
  bench.fateOf = () => "kept";
  const from = bench.frames.length;
  io!.link.close("reset");
  admin!.link.close("reset");
  bench.clock.runUntil(() => bench.host.associations.length === 0);
  // E_D_TOV for the abort, as much for the disconnect, and for the abort of that.
  expect(bench.clock.nowMs()).toBeLessThanOrEqual(6_000);
  expect(endingOf(bench, from)).toEqual(["toTarget 81", "toTarget 32", "toTarget 81"]);
  bench.clock.drain();
});

test("L4, R2: a loss is told in the port's callback, where closing, opening and submitting do no harm", () => {
  const bench = new FcBench();
  const [admin, io] = bench.associate();
  bench.ends[1]!.answers = "never";
  for (let cid = 0; cid < 3; cid++) io!.submit(cid, READ, new Uint8Array(512));
  bench.clock.settle();
  const again: ReturnType<FcBench["open"]>[] = [];
  io!.onLost = () => {
    io!.submit(9, READ, new Uint8Array(512));
    io!.link.close("reset");
    admin!.link.close("reset");
    again.push(bench.open(0));
    expect(again[0]!.events).toEqual([]);
  };
  bench.fabric.unplug(bench.hostPort.names.portName);
  bench.clock.settle();
  expect(io!.events).toEqual(["opened", "lost"]);
  expect(again[0]!.events).toEqual(["opened"]);
});

test("R4: a lost Connect ends with the time of the opening, in every state of it", () => {
  for (const lost of ["22", "32"]) {
    const bench = new FcBench();
    bench.fateOf = () => (bench.frames.at(-1) === `toTarget ${lost}` ? "kept" : "pass");
    const queue = bench.open(0, 3_000);
    bench.clock.runUntil(() => queue.error !== undefined);
    expect(bench.clock.nowMs()).toBeLessThanOrEqual(3_000);
    expect(queue.error).toMatchObject({ code: "NVME_ERR_INITIALIZE_TIMEOUT" });
    bench.fateOf = () => "pass";
    bench.clock.drain();
    const [next] = bench.associate(0);
    expect(next!.events).toEqual(["opened"]);
  }
});

test("R13: of two disconnects the newer replaces the older, which is answered as not possible", () => {
  const bench = new FcBench();
  const [, io] = bench.associate();
  const [association] = bench.host.associations;
  bench.ends[1]!.answers = "never";
  io!.submit(0, READ, new Uint8Array(512));
  bench.clock.settle();
  // Our abort stays unanswered for a while, and so does the first disconnect.
  const kept: (() => void)[] = [];
  bench.fateOf = ({ view, deliver }) => {
    if (FcHeader.rCtl.get(view) !== FcRctl.Abts) return "pass";
    kept.push(deliver);
    return "kept";
  };
  const request = encodeLs(DisconnectAssociationLs, { associationId: association!.id! });
  const answers: (number | undefined)[] = [];
  const remote = bench.hostAtTarget();
  for (let times = 0; times < 2; times++) {
    const sent = bench.targetPort.callLs({
      remote,
      request,
      timeoutMs: 20_000,
      done: (_status, response) => answers.push(response?.[0]),
    });
    expect(sent).toBe(true);
    bench.clock.settle();
  }
  expect(answers).toEqual([LsCommand.Reject]);
  expect(io!.events).toEqual(["opened", "lost"]);
  bench.fateOf = () => "pass";
  for (const deliver of kept) deliver();
  bench.clock.settle();
  expect(answers).toEqual([LsCommand.Reject, LsCommand.Accept]);
});

test("L3, R22: an error, a close and a disconnect of the target at once end an association once", () => {
  const bench = new FcBench();
  const [admin, io] = bench.associate();
  const [association] = bench.host.associations;
  const from = bench.frames.length;
  const { remote } = association!;
  bench.ends[0]!.link.close("reset");
  bench.ends[1]!.link.close("reset");
  association!.fail(new Error("an error of a command") as never);
  io!.link.close("reset");
  admin!.link.close("reset");
  association!.fail(new Error("another one") as never);
  bench.clock.settle();
  // One disconnect, and nothing that takes it back.
  expect(endingOf(bench, from)).toEqual(["toTarget 32"]);
  expect([admin!.events, io!.events]).toEqual([
    ["opened", "lost"],
    ["opened", "lost"],
  ]);
  expect(bench.host.associations).toEqual([]);
  expect(remote!.state).toBe("present");
});

test("R9: a write's buffer is the owner's again as soon as the queue is closed: nothing is sent from it", () => {
  const bench = new FcBench({}, { windowBytes: 8_192 });
  const [admin, io] = bench.associate();
  const data = new Uint8Array(400_000).fill(7);
  const frames: Uint8Array[] = [];
  bench.fateOf = ({ frame, view }) => {
    if (FcHeader.rCtl.get(view) === FcRctl.Data) frames.push(frame);
    return "pass";
  };
  // Only part of it fits into the window of the link; the rest waits for room.
  io!.submit(0, WRITE, data);
  const closing = { done: "no" };
  bench.onFrame = () => {
    if (frames.length !== 2 || closing.done === "yes") return;
    closing.done = "yes";
    // In a task of its own, as a host's would be.
    bench.clock.defer(() => {
      io!.link.close("reset");
      admin!.link.close("reset");
      data.fill(0xdd);
    });
  };
  bench.clock.settle();
  expect(closing.done).toBe("yes");
  expect(frames.length).toBeLessThan(100);
  const sent = frames.flatMap((frame) => [...frame.subarray(FcHeader.size)]);
  expect(new Set(sent)).toEqual(new Set([7]));
});

test("every request is done once and never inside the call that submitted or aborted it", () => {
  const bench = new FcBench();
  bench.associate();
  const remote = bench.targetAtHost();
  let calls: "inside" | "outside" = "outside";
  const done: [FcStatus, string][] = [];
  const request = new Uint8Array(48);
  const call = {
    remote,
    request,
    timeoutMs: 1_000,
    done: (status: FcStatus) => void done.push([status, calls]),
  };
  const inside = (task: () => void): void => {
    calls = "inside";
    task();
    calls = "outside";
  };
  inside(() => bench.hostPort.callLs(call));
  inside(() => bench.hostPort.abortLs(call));
  inside(() => bench.hostPort.abortLs(call));
  bench.clock.settle();
  expect(done).toEqual([[FcStatus.Aborted, "outside"]]);
  // A dropped one ends by its time, and by one abort.
  bench.fateOf = () => "kept";
  inside(() => bench.hostPort.callLs(call));
  bench.clock.drain();
  expect(done.slice(1)).toEqual([[FcStatus.TimedOut, "outside"]]);
});

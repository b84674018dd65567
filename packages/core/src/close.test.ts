// How a controller ends: every phase of a close, and its bounds. Fault matrix §3.1.

import {
  Cc,
  Cns,
  Csts,
  PropertySetCommand,
  Shn,
  Shst,
  decodeDwords,
  encodeDword,
  statusOf,
  Status,
} from "@nvmeof/codec";
import { describe, expect, test } from "vitest";
import { asyncEventCommand, identifyBuffer, identifyCommand } from "./admin.ts";
import type { CloseReport } from "./close.ts";
import { expectNothingLeft, live } from "./testing/hosts.ts";
import type { Ended, TestHost } from "./testing/test-host.ts";

/** T_des: a close without options is over by then. */
const BOUND_MS = 2_000;
/** Shares of the bound that draining and shutting down may take. */
const DRAIN_MS = 500;
const SHUTDOWN_MS = 1_000;

const identify = () => identifyCommand(Cns.ActiveNamespaces, identifyBuffer());

const closed = {
  code: "NVME_ERR_CONTROLLER_CLOSED",
  outcome: "unknown",
  status: Status.HostAborted | statusOf(0, 0, true),
};

const reads = (host: TestHost, count: number): Ended[] =>
  Array.from({ length: count }, (_, lba) => host.read(lba));

const settledOnce = (ended: readonly Ended[]): boolean => ended.every(({ count }) => count === 1);

describe("with a peer that answers", () => {
  test("an idle controller is shut down politely, in no time", () => {
    const host = live();
    const report = host.close();
    expect(report).toMatchObject({
      reason: undefined,
      abortedCommands: 0,
      shutdown: "complete",
      totalMs: 0,
      openHandles: [],
    });
    expect(host.states).toEqual(["connecting", "live", "closing", "closed"]);
    expect(host.peer.queueCount).toBe(0);
    expectNothingLeft(host);
  });

  test("the shutdown changes nothing of CC but the notice", () => {
    const host = live({ peer: { cap: { iocss: 1, mpsmin: 1 } } });
    host.close();
    const [enabled, notice] = host.peer
      .seenOf("set-cc")
      .map(({ sqe }) => decodeDwords(Cc, PropertySetCommand.value.get(sqe)));
    expect(notice).toEqual({ ...enabled, shn: Shn.Normal });
  });

  test("what is in flight is drained first, I/O and admin commands of users alike", () => {
    const host = live();
    host.peer.delay("read", 300);
    host.peer.delay("identify", 400);
    const ended = [...reads(host, 3), host.admin(identify())];
    host.clock.settle();
    const report = host.close();
    expect(ended.map(({ error }) => error)).toEqual([undefined, undefined, undefined, undefined]);
    expect(settledOnce(ended)).toBe(true);
    expect(report).toMatchObject({ abortedCommands: 0, shutdown: "complete", totalMs: 400 });
    expect(report.phasesMs).toMatchObject({ drain: 400, shutdown: 0 });
    expectNothingLeft(host);
  });

  test("an admin command alone is waited for, too", () => {
    const host = live();
    host.peer.delay("identify", 400);
    const ended = host.admin(identify());
    host.clock.settle();
    expect(host.close()).toMatchObject({ totalMs: 400, shutdown: "complete" });
    expect(ended).toMatchObject({ count: 1, error: undefined });
  });

  test("what is not answered in the time to drain is aborted, and then nobody is asked anything", () => {
    const host = live();
    host.peer.drop("read", 1);
    const [stuck, fine] = reads(host, 2);
    host.clock.settle();
    const report = host.close();
    expect(fine).toMatchObject({ count: 1, error: undefined });
    expect(stuck).toMatchObject({ count: 1, error: closed, atMs: DRAIN_MS });
    expect(report).toMatchObject({ abortedCommands: 1, shutdown: "not-told", totalMs: DRAIN_MS });
    expect(host.peer.seenOf("set-cc")).toHaveLength(1);
    expectNothingLeft(host);
  });

  test("an admin command that is not answered is aborted as well", () => {
    const host = live();
    host.peer.drop("identify");
    const ended = host.admin(identify());
    host.clock.settle();
    expect(host.close()).toMatchObject({ abortedCommands: 1, totalMs: DRAIN_MS });
    expect(ended).toMatchObject({ count: 1, error: closed });
    expectNothingLeft(host);
  });

  test("F18: a controller that never says that it has shut down is left after a bound", () => {
    const host = live();
    host.peer.on("get-csts", () => ({ dw0: encodeDword(Csts, { rdy: 1, shst: Shst.Occurring }) }));
    const report = host.close();
    expect(report.shutdown).toBe("unanswered");
    expect(report.totalMs).toBeLessThanOrEqual(SHUTDOWN_MS);
    expect(report.totalMs).toBeGreaterThan(SHUTDOWN_MS - 50);
    expectNothingLeft(host);
  });

  test.each([
    [250_000, 250],
    [1, 0.001],
    [5_000_000, SHUTDOWN_MS],
  ])("F18: one that says that it needs %i µs (RTD3E) is left after %d ms", (rtd3e, leftMs) => {
    const host = live({ peer: { identify: { rtd3e } } });
    host.peer.on("get-csts", () => ({ dw0: encodeDword(Csts, { rdy: 1, shst: Shst.Occurring }) }));
    const report = host.close({ boundMs: 60_000 });
    expect(report).toMatchObject({ shutdown: "unanswered" });
    expect(report.totalMs).toBeCloseTo(leftMs, 6);
    expectNothingLeft(host);
  });

  test("F18: one that is done when it said is not missed", () => {
    const host = live({ peer: { identify: { rtd3e: 250_000 } } });
    const noticedMs = host.clock.nowMs();
    host.peer.on("get-csts", (_command, usual) =>
      host.clock.nowMs() - noticedMs < 250
        ? { dw0: encodeDword(Csts, { rdy: 1, shst: Shst.Occurring }) }
        : usual(),
    );
    expect(host.close()).toMatchObject({ shutdown: "complete", totalMs: 250 });
  });

  test.each(["set-cc", "get-csts"] as const)("F18: a shutdown whose %s fails is over", (step) => {
    const host = live();
    host.peer.refuse(step, Status.InternalError);
    expect(host.close()).toMatchObject({ shutdown: "unanswered", totalMs: 0 });
    expectNothingLeft(host);
  });

  test("a controller that takes its time to shut down is waited for", () => {
    const host = live();
    let looks = 0;
    host.peer.on("get-csts", (_command, usual) =>
      looks++ < 20 ? { dw0: encodeDword(Csts, { rdy: 1, shst: Shst.Occurring }) } : usual(),
    );
    expect(host.close()).toMatchObject({ shutdown: "complete", totalMs: 200 });
  });
});

describe("with a peer that has vanished", () => {
  test("F1: reads in flight settle as closed, not to be retried, and nobody connects again", () => {
    const host = live({ host: { ioQueues: 2 } });
    host.peer.freeze();
    const ended = reads(host, 20);
    host.clock.advance(100);
    const report = host.close();
    expect(settledOnce(ended)).toBe(true);
    for (const { error } of ended) expect(error).toMatchObject(closed);
    expect(report.abortedCommands).toBe(20);
    expect(report.totalMs).toBeLessThanOrEqual(BOUND_MS);
    expectNothingLeft(host);
  });

  test("F1: where another path remains, they may be tried there", () => {
    const host = live();
    host.peer.freeze();
    const ended = host.read();
    host.close({ pathsRemain: true });
    expect(ended.error).toMatchObject({ ...closed, status: Status.HostAborted });
  });

  test("F2: whoever holds a handle is named, and waited for by nobody", () => {
    const host = live();
    host.controller.hold("disk of alice");
    const release = host.controller.hold("disk of bob");
    host.controller.hold("disk of carol");
    release();
    host.peer.freeze();
    host.read();
    const report = host.close();
    expect(report.openHandles).toEqual(["disk of alice", "disk of carol"]);
    expect(report.totalMs).toBeLessThanOrEqual(BOUND_MS);
    expectNothingLeft(host);
  });

  test("F3: one that vanishes during the drain is given up at the end of the drain", () => {
    const host = live();
    host.peer.delay("read", 400);
    const ended = reads(host, 4);
    host.clock.at(100, () => host.peer.freeze());
    const report = host.close();
    expect(settledOnce(ended)).toBe(true);
    for (const { error, atMs } of ended) {
      expect(error).toMatchObject(closed);
      expect(atMs).toBe(DRAIN_MS);
    }
    expect(report).toMatchObject({ abortedCommands: 4, totalMs: DRAIN_MS });
    expectNothingLeft(host);
  });

  test.each([
    ["all queues", undefined],
    ["the I/O queue", 1],
  ])("F3: one that drops %s during the drain is not waited for", (_name, qid) => {
    const host = live();
    host.peer.drop("read");
    const ended = reads(host, 4);
    host.clock.settle();
    host.clock.at(100, () => host.peer.kill(qid));
    const report = host.close();
    expect(settledOnce(ended)).toBe(true);
    for (const { error } of ended) expect(error).toMatchObject(closed);
    expect(report.totalMs).toBe(100);
    expectNothingLeft(host);
  });

  test.each(["set-cc", "get-csts"] as const)("one that vanishes at %s costs a bound", (step) => {
    const host = live();
    host.peer.drop(step);
    const report = host.close();
    expect(report).toMatchObject({ shutdown: "unanswered", totalMs: SHUTDOWN_MS });
    expectNothingLeft(host);
  });

  test.each(["set-cc", "get-csts"] as const)("one that drops us at %s costs nothing", (step) => {
    const host = live();
    host.peer.killOn(step);
    expect(host.close()).toMatchObject({ shutdown: "unanswered", totalMs: 0 });
    expectNothingLeft(host);
  });

  test("F4: no keep-alive is sent any more, and none is missed", () => {
    const host = live();
    host.peer.freeze();
    host.clock.advance(7_000);
    expect(host.peer.seenOf("keep-alive")).toHaveLength(1);
    host.close();
    expect(host.peer.seenOf("keep-alive")).toHaveLength(1);
    expect(host.states).toEqual(["connecting", "live", "closing", "closed"]);
    expectNothingLeft(host);
  });

  test("F14: a command and the Abort sent for it both end", () => {
    const host = live({ host: { onTimeout: "abort", ioTimeoutMs: 1_000 } });
    host.peer.drop("read");
    host.peer.drop("abort");
    const read = host.read();
    host.clock.advance(1_000);
    expect(host.peer.seenOf("abort")).toHaveLength(1);
    const report = host.close();
    expect(read).toMatchObject({ count: 1, error: { code: "NVME_ERR_TIMEOUT" } });
    expect(report.totalMs).toBeLessThanOrEqual(BOUND_MS);
    expectNothingLeft(host);
  });

  test("F15: the event request that is out ends without a word", () => {
    const host = live();
    host.peer.freeze();
    const report = host.close();
    expect(report.abortedCommands).toBe(0);
    expect(host.events.filter(({ type }) => type === "async-event")).toEqual([]);
    expectNothingLeft(host);
  });

  test("F16: admin commands of users end, those that wait for room as well", () => {
    const host = live();
    host.peer.freeze();
    const ended = Array.from({ length: 40 }, () => host.admin(identify()));
    host.clock.settle();
    const report = host.close();
    expect(settledOnce(ended)).toBe(true);
    for (const { error } of ended) expect(error?.code).toBe("NVME_ERR_CONTROLLER_CLOSED");
    expect(new Set(ended.map(({ error }) => error?.outcome))).toEqual(
      new Set(["unknown", "not-sent"]),
    );
    expect(report.abortedCommands).toBe(25);
    expectNothingLeft(host);
  });

  test("F23: a deadline that passes while it ends changes nothing", () => {
    const host = live({ host: { ioTimeoutMs: 1_000, adminTimeoutMs: 1_000 } });
    host.peer.freeze();
    const ended = [host.read(), host.admin(identify())];
    const report = host.close({ boundMs: 100_000 });
    expect(report.totalMs).toBe(25_000);
    expect(settledOnce(ended)).toBe(true);
    expect(host.events.filter(({ type }) => type === "timeout")).toEqual([]);
    expectNothingLeft(host);
  });

  test.each([0, 1, 100, 10_000])("a bound of %i ms is kept", (boundMs) => {
    for (const inflight of [0, 3]) {
      const host = live();
      host.peer.freeze();
      const ended = reads(host, inflight);
      const report = host.close({ boundMs });
      expect(report.totalMs).toBeLessThanOrEqual(boundMs);
      expect(settledOnce(ended)).toBe(true);
      expectNothingLeft(host);
    }
  });
});

test.each([-1, Number.NaN, Infinity])("%d is no bound", (boundMs) => {
  const host = live();
  expect(() => host.controller.close({ boundMs }, () => {})).toThrow(RangeError);
  expect(host.controller.closeRequested).toBe(false);
});

test("a request for events by a user, which never completes, does not keep a close from its bound", () => {
  const host = live({ peer: { identify: { aerl: 4 } } });
  const ended = host.admin(asyncEventCommand);
  host.clock.settle();
  expect(host.close()).toMatchObject({ abortedCommands: 1, totalMs: DRAIN_MS });
  expect(ended.count).toBe(1);
});

test("a caller that throws when its command is ended does not keep the close from its end", () => {
  const host = live();
  host.peer.freeze();
  host.read(0, () => {
    throw new Error("not ours");
  });
  const second = host.read();
  let report: CloseReport | undefined;
  host.controller.close({}, (given) => {
    report = given;
  });
  expect(() => host.clock.advance(BOUND_MS)).toThrow("not ours");
  host.clock.advance(BOUND_MS);
  expect(second.count).toBe(1);
  expect(report?.abortedCommands).toBe(2);
});

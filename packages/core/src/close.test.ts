// How a controller ends: every phase of a close, its bounds, and who is told what. Fault matrix §3.1.

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
import { VirtualClock } from "@nvmeof/transport/testing";
import { describe, expect, test } from "vitest";
import { asyncEventCommand, identifyBuffer, identifyCommand } from "./admin.ts";
import type { CloseReport } from "./close.ts";
import { bringUpSteps } from "./testing/index.ts";
import { type Ended, TestHost, type TestHostOptions } from "./testing/test-host.ts";

/** T_des: a close without options is over by then. */
const BOUND_MS = 2_000;
/** Shares of the bound that draining and shutting down may take. */
const DRAIN_MS = 500;
const SHUTDOWN_MS = 1_000;

const identify = () => identifyCommand(Cns.ActiveNamespaces, identifyBuffer());

function live(options: Omit<TestHostOptions, "clock"> = {}): TestHost {
  const host = new TestHost({ clock: new VirtualClock(), ...options });
  host.connect();
  return host;
}

/** Nothing is left: no queue, no timer, and nothing that could happen later. */
function expectNothingLeft(host: TestHost): void {
  expect(host.controller.state).toBe("closed");
  expect(host.controller.ioQueues).toEqual([]);
  const connections = host.peer.connectionCount;
  const events = host.events.length;
  expect(host.clock.armed).toBe(0);
  host.clock.advance(600_000);
  expect(host.peer.connectionCount).toBe(connections);
  expect(host.events).toHaveLength(events);
}

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

describe("in every other state", () => {
  test("a controller that was never started closes", () => {
    const host = new TestHost({ clock: new VirtualClock() });
    expect(host.close()).toMatchObject({ totalMs: 0, shutdown: "not-told" });
    expectNothingLeft(host);
  });

  test("F10: a close in the same turn as the start leaves no connection", () => {
    const host = new TestHost({ clock: new VirtualClock() });
    const started = host.start();
    host.close();
    expect(started).toMatchObject({ count: 1, error: { code: "NVME_ERR_CONTROLLER_CLOSED" } });
    expect(host.peer.queueCount).toBe(0);
    expectNothingLeft(host);
  });

  test.each(["tcp", ...bringUpSteps] as const)("F7, F8: recovering, at %s", (step) => {
    const host = live();
    const read = host.read();
    if (step !== "tcp") host.peer.drop(step);
    host.peer.kill();
    if (step === "tcp") host.peer.freeze();
    const reset = host.reset();
    host.clock.advance(100);
    expect(host.controller.state).toBe("recovering");
    expect(host.close().totalMs).toBe(0);
    expect(reset).toMatchObject({ count: 1, error: { code: "NVME_ERR_CONTROLLER_CLOSED" } });
    expect(read.count).toBe(1);
    expectNothingLeft(host);
  });

  test("F9: waiting for the next attempt", () => {
    const host = live();
    host.peer.refuseConnections();
    host.peer.kill();
    host.clock.advance(10);
    expect(host.controller.state).toBe("waiting");
    expect(host.close().totalMs).toBe(0);
    expectNothingLeft(host);
  });

  test("disabled", () => {
    const host = live();
    host.request((done) => host.controller.disable(done));
    host.clock.settle();
    expect(host.controller.state).toBe("disabled");
    expect(host.close().totalMs).toBe(0);
    expectNothingLeft(host);
  });
});

describe("whoever asks", () => {
  test("F11: all get the same report, however often and late they ask", () => {
    const host = live();
    host.peer.freeze();
    host.read();
    const reports: CloseReport[] = [];
    const ask = (): void => host.controller.close({}, (report) => reports.push(report));
    ask();
    ask();
    host.clock.advance(200);
    ask();
    host.clock.advance(BOUND_MS);
    expect(reports).toHaveLength(3);
    ask();
    expect(reports).toHaveLength(3);
    host.clock.settle();
    expect(reports).toHaveLength(4);
    expect(new Set(reports).size).toBe(1);
  });

  test("the options of the first count", () => {
    const host = live();
    host.peer.freeze();
    host.read();
    let report: CloseReport | undefined;
    host.controller.close({ boundMs: 400 }, (given) => {
      report = given;
    });
    host.controller.close({ boundMs: 100_000 }, () => {});
    host.clock.advance(400);
    expect(report?.totalMs).toBe(100);
  });

  test("one that throws when it is told keeps nobody else from being told", () => {
    const host = live();
    const reports: CloseReport[] = [];
    host.controller.close({}, () => {
      throw new Error("not ours");
    });
    host.controller.close({}, (report) => reports.push(report));
    host.clock.settle();
    expect(reports).toHaveLength(1);
    expect(() => host.clock.advance(0)).toThrow("not ours");
  });

  test("the door is shut at once: nothing new is taken from the call on", () => {
    const host = live();
    const [queue] = host.controller.ioQueues;
    host.controller.close({}, () => {});
    expect(host.controller.state).toBe("live");
    expect(host.controller.closeRequested).toBe(true);
    expect(host.controller.mayComeBack).toBe(false);
    expect(host.controller.ioQueues).toEqual([]);
    expect(queue!.hasRoom).toBe(false);
    const refused = host.admin(identify());
    expect(refused.count).toBe(0);
    host.clock.settle();
    expect(refused).toMatchObject({
      count: 1,
      error: { code: "NVME_ERR_CONTROLLER_CLOSED", outcome: "not-sent" },
    });
    expect(host.peer.seenOf("identify")).toEqual([]);
  });

  test("F12: from inside a completion, which returns first", () => {
    const host = live();
    const order: string[] = [];
    const last = host.read(0, () => {
      host.controller.close({}, () => order.push("closed"));
      order.push("completion returned");
    });
    host.clock.settle();
    expect(order).toEqual(["completion returned", "closed"]);
    expect(last.count).toBe(1);
    expectNothingLeft(host);
  });

  test.each(["live", "recovering", "waiting", "closing"] as const)(
    "F12: from inside an observer that is told of %s",
    (state) => {
      const host = new TestHost({ clock: new VirtualClock() });
      host.controller.observe((event) => {
        if (event.type === "state" && event.to === state) host.controller.close({}, () => {});
      });
      const started = host.start();
      host.clock.settle();
      host.peer.refuseConnections();
      host.peer.kill();
      host.clock.advance(5_000);
      if (state === "closing") host.close();
      expect(started.count).toBe(1);
      expectNothingLeft(host);
    },
  );

  test("F13: from inside the completion that a close causes, and what is sent there is refused", () => {
    const host = live();
    host.peer.freeze();
    const [queue] = host.controller.ioQueues;
    const late: Ended[] = [];
    let room: boolean | undefined;
    host.read(0, () => {
      room = queue!.hasRoom;
      late.push(host.admin(identify()));
      host.controller.close({}, () => {});
    });
    host.close();
    expect(room).toBe(false);
    expect(late).toMatchObject([{ count: 1, error: { code: "NVME_ERR_CONTROLLER_CLOSED" } }]);
    expectNothingLeft(host);
  });

  test.each(["reset", "disable", "enable"] as const)(
    "F5: %s afterwards is refused, and the close goes on",
    (what) => {
      const host = live();
      host.peer.freeze();
      host.read();
      host.controller.close({}, () => {});
      const during = host.request((done) => host.controller[what](done));
      host.clock.settle();
      expect(during).toMatchObject({ count: 1, error: { code: "NVME_ERR_CONTROLLER_CLOSED" } });
      host.clock.advance(BOUND_MS);
      const after = host.request((done) => host.controller[what](done));
      host.clock.settle();
      expect(after).toMatchObject({ count: 1, error: { code: "NVME_ERR_CONTROLLER_CLOSED" } });
      expectNothingLeft(host);
    },
  );

  test("F7: a reset that was asked for in the same turn is not begun", () => {
    const host = live();
    const reset = host.reset();
    const connections = host.peer.connectionCount;
    host.close();
    expect(reset).toMatchObject({ count: 1, error: { code: "NVME_ERR_CONTROLLER_CLOSED" } });
    expect(host.peer.connectionCount).toBe(connections);
    expect(host.states).toEqual(["connecting", "live", "closing", "closed"]);
  });

  test("F6: a loss that is noticed afterwards leads nowhere", () => {
    const host = live();
    host.peer.drop("read");
    host.read();
    host.clock.settle();
    host.controller.close({}, () => {});
    host.peer.kill();
    host.controller.lost(new Error("seen from outside") as never);
    host.clock.settle();
    expect(host.states).toEqual(["connecting", "live", "closing", "closed"]);
    expectNothingLeft(host);
  });
});

describe("the news", () => {
  test("comes before the first command is ended, so that work can move to other paths", () => {
    const host = live();
    host.peer.freeze();
    const order: string[] = [];
    host.controller.observe((event) => order.push(event.type));
    host.read(0, () => order.push("read"));
    host.controller.admin(identify(), () => order.push("admin"));
    host.close();
    expect(order).toEqual(["state", "closing", "read", "admin", "state"]);
  });

  test("gives a reason where nobody asked for the end", () => {
    const host = live({ host: { reconnect: { lossMs: 3_000, jitter: 0 } } });
    host.peer.refuseConnections();
    host.peer.kill();
    host.clock.advance(3_000);
    const reason = { code: "NVME_ERR_TIMEOUT", cause: { code: "NVME_ERR_UNREACHABLE" } };
    expect(host.events).toContainEqual({
      type: "closing",
      reason: expect.objectContaining({ code: "NVME_ERR_TIMEOUT" }) as unknown,
    });
    expect(host.close().reason).toMatchObject(reason);
  });

  test("gives none where somebody did, whatever had happened before", () => {
    const host = live();
    host.peer.refuseConnections();
    host.peer.kill();
    host.clock.advance(10);
    expect(host.controller.reason).toBeDefined();
    expect(host.close().reason).toBeUndefined();
    expect(host.events).toContainEqual({ type: "closing", reason: undefined });
  });
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

// A close may be asked for in any state, from anywhere, by anybody, and all are told. Fault matrix §3.1.

import { Cns } from "@nvmeof/codec";
import { describe, expect, test } from "vitest";
import { identifyBuffer, identifyCommand } from "./admin.ts";
import type { CloseReport } from "./close.ts";
import { bringUpSteps } from "./testing/index.ts";
import { expectNothingLeft, live, setup } from "./testing/hosts.ts";
import type { Ended } from "./testing/test-host.ts";

/** T_des: a close without options is over by then. */
const BOUND_MS = 2_000;

const identify = () => identifyCommand(Cns.ActiveNamespaces, identifyBuffer());

describe("in every other state", () => {
  test("a controller that was never started closes", () => {
    const host = setup();
    expect(host.close()).toMatchObject({ totalMs: 0, shutdown: "not-told" });
    expectNothingLeft(host);
  });

  test("F10: a close in the same turn as the start leaves no connection", () => {
    const host = setup();
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
      const host = setup();
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

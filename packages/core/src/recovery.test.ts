// Coming back: attempts, waits, fast-fail, loss timeout, other addresses. Fault matrix §3.3.

import { VirtualClock } from "@nvmeof/transport/testing";
import { describe, expect, test } from "vitest";
import { Controller } from "./controller.ts";
import { ScriptedController } from "./testing/index.ts";
import { live, lose, noJitter } from "./testing/hosts.ts";
import { TestHost } from "./testing/test-host.ts";

/** Attempts to connect, by when their Connect arrived. */
const attemptsAt = (host: TestHost): number[] =>
  host.peer.seenOf("connect").map(({ atMs }) => atMs);

/** What is told of the waits between attempts. */
const waits = (host: TestHost): number[] =>
  host.events.flatMap((event) => (event.type === "retry" ? [event.delayMs] : []));

describe("coming back", () => {
  test("F49: a target that restarts is found again within the delay", () => {
    const host = live();
    lose(host);
    host.clock.advance(500);
    host.peer.acceptConnections();
    host.clock.advance(1_500);
    expect(host.controller.state).toBe("live");
    expect(attemptsAt(host)).toEqual([0, 2_000]);
  });

  test("F54: waits double, and are told", () => {
    const host = live({ host: { reconnect: { ...noJitter, lossMs: -1 } } });
    lose(host);
    host.clock.advance(60_000);
    expect(waits(host).slice(0, 6)).toEqual([2_000, 4_000, 8_000, 10_000, 10_000, 10_000]);
  });

  test("F55: jitter keeps hosts apart, within its share", () => {
    const host = live({ host: { reconnect: { jitter: 0.2, lossMs: -1 } } });
    lose(host);
    host.clock.advance(60_000);
    const [first] = waits(host);
    expect(first).toBeGreaterThanOrEqual(1_600);
    expect(first).toBeLessThanOrEqual(2_400);
    expect(first).not.toBe(2_000);
  });

  test("F52: with fewer queues and other limits, those are the facts then", () => {
    const host = live({ host: { ioQueues: 4 } });
    expect(host.controller.ioQueues).toHaveLength(4);
    host.peer.facts = {
      ...host.peer.facts,
      ioQueues: 1,
      identify: { ...host.peer.facts.identify, mdts: 1, maxcmd: 16 },
    };
    host.peer.kill();
    host.clock.settle();
    expect(host.controller.ioQueues.map(({ depth }) => depth)).toEqual([15]);
    expect(host.controller.facts?.transferBytesMax).toBe(8_192);
  });

  test("F54: fast-fail is exact, and ends the waiting for commands, not for the controller", () => {
    const host = live({ host: { reconnect: { ...noJitter, fastFailMs: 5_000 } } });
    lose(host);
    host.clock.advance(4_999);
    expect(host.controller.mayComeBack).toBe(true);
    expect(host.events).not.toContainEqual({ type: "fast-fail" });
    host.clock.advance(1);
    expect(host.controller.mayComeBack).toBe(false);
    expect(host.events).toContainEqual({ type: "fast-fail" });
    host.peer.acceptConnections();
    host.clock.advance(10_000);
    expect(host.controller.state).toBe("live");
  });

  test("fast-fail of one outage does not shorten the next", () => {
    const host = live({ host: { reconnect: { ...noJitter, fastFailMs: 5_000 } } });
    lose(host);
    host.clock.advance(5_500);
    host.peer.acceptConnections();
    host.clock.advance(60_000);
    lose(host);
    host.clock.advance(4_999);
    expect(host.controller.mayComeBack).toBe(true);
  });

  test("F54: loss is exact, whatever is under way, and closes with a reason", () => {
    for (const during of ["waiting", "recovering"] as const) {
      const host = live({ host: { reconnect: { ...noJitter, lossMs: 20_000 } } });
      host.clock.advance(1_000);
      if (during === "waiting") host.peer.refuseConnections();
      else host.peer.freeze();
      host.peer.kill();
      host.clock.advance(19_999);
      expect(["waiting", "recovering"]).toContain(host.controller.state);
      host.clock.advance(1);
      expect(host.controller.state).toBe("closed");
      expect(host.controller.reason).toMatchObject({ code: "NVME_ERR_TIMEOUT", afterMs: 20_000 });
      expect(host.clock.armed).toBe(0);
    }
  });

  test("loss timers are cleared by success", () => {
    const host = live({ host: { reconnect: { ...noJitter, lossMs: 20_000 } } });
    lose(host);
    host.clock.advance(10_000);
    host.peer.acceptConnections();
    host.clock.advance(600_000);
    expect(host.controller.state).toBe("live");
  });

  test("by a policy without a delay there is one attempt, and then the controller is disabled", () => {
    const host = live({ host: { reconnect: { lossMs: 0 } } });
    const connections = host.peer.connectionCount;
    host.peer.killOn("connect");
    host.peer.kill();
    host.clock.advance(600_000);
    expect(host.peer.connectionCount).toBe(connections + 1);
    expect(host.controller.state).toBe("disabled");
    expect(host.clock.armed).toBe(0);
  });

  test("a permanent refusal ends it when it is repeated: the subsystem is gone", () => {
    const host = live();
    host.peer.facts = { ...host.peer.facts, subsystemNqn: "nqn.2024-01.org.example:other" };
    host.peer.kill();
    host.clock.advance(30_000);
    const attempts = ["recovering", "waiting", "recovering", "waiting", "recovering"];
    expect(host.states).toEqual(["connecting", "live", ...attempts, "closing", "closed"]);
    expect(host.close().reason).toMatchObject({ code: "NVME_ERR_CONNECT_REJECTED" });
  });

  test("a passing refusal does not", () => {
    const host = live();
    host.peer.refuse("connect", 0x181, 0, 1);
    host.peer.kill();
    host.clock.advance(2_000);
    expect(host.states).toEqual([
      "connecting",
      "live",
      "recovering",
      "waiting",
      "recovering",
      "live",
    ]);
  });

  test("F56: a controller that flaps is not connected to in a tight loop", () => {
    const host = live({ host: { reconnect: { ...noJitter, lossMs: -1 } } });
    // Each time it is live it drops us at once.
    host.peer.killOn("async-event");
    host.peer.kill();
    host.clock.advance(60_000);
    expect(host.peer.seenOf("connect").length).toBeLessThan(12);
    const lost = host.events.flatMap((event) => (event.type === "state" ? [event.cause] : []));
    expect(lost.slice(0, 4)).toEqual(["connected", "lost", "connected", "flapped"]);
    host.peer.usual("async-event");
    host.clock.advance(30_000);
    expect(host.controller.state).toBe("live");
  });

  test("several addresses are tried in turn, without a wait in between", () => {
    const clock = new VirtualClock();
    const other = new ScriptedController({ clock, name: "other" });
    const host = new TestHost({ clock });
    const controller = new Controller({
      ...host.peer.hostOptions(),
      transport: [host.peer.transport(), other.transport()],
    });
    controller.start(() => {});
    clock.settle();
    expect(controller.address.traddr).toBe("scripted");
    host.peer.refuseConnections();
    host.peer.kill();
    clock.settle();
    expect([controller.state, controller.address.traddr]).toEqual(["live", "other"]);
    host.peer.acceptConnections();
    clock.advance(20_000);
    other.refuseConnections();
    other.kill();
    clock.settle();
    expect([controller.state, controller.address.traddr]).toEqual(["live", "scripted"]);
  });
});

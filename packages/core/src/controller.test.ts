// One controller through losses, timeouts, resets and returns. Fault matrix §3.2 and §3.3.

import { AsyncEventType, Cns } from "@nvmeof/codec";
import type { Clock } from "@nvmeof/transport";
import { VirtualClock } from "@nvmeof/transport/testing";
import { describe, expect, test } from "vitest";
import { identifyBuffer, identifyCommand } from "./admin.ts";
import { Controller } from "./controller.ts";
import { KeepAliveError, NvmeStatusError, UnsupportedError } from "./errors.ts";
import { ScriptedController } from "./testing/index.ts";
import { TestHost, type TestHostOptions } from "./testing/test-host.ts";

const KATO = 10_000;
const noJitter = { jitter: 0 };

const setup = (options: Omit<TestHostOptions, "clock"> = {}): TestHost =>
  new TestHost({ clock: new VirtualClock(), ...options });

function live(options: Omit<TestHostOptions, "clock"> = {}): TestHost {
  const host = setup({ ...options, host: { reconnect: noJitter, ...options.host } });
  host.connect();
  return host;
}

const identify = () => identifyCommand(Cns.ActiveNamespaces, identifyBuffer());

/** Attempts to connect, by when their Connect arrived. */
const attemptsAt = (host: TestHost): number[] =>
  host.peer.seenOf("connect").map(({ atMs }) => atMs);

/** What is told of the waits between attempts. */
const waits = (host: TestHost): number[] =>
  host.events.flatMap((event) => (event.type === "retry" ? [event.delayMs] : []));

/** Lets the peer be gone: nobody listens, and what was connected is dropped. */
function lose(host: TestHost): void {
  host.peer.refuseConnections();
  host.peer.kill();
  host.clock.settle();
}

describe("connecting", () => {
  test("a controller is live when its bring-up has succeeded, and says so once", () => {
    const host = setup();
    const started = host.start();
    expect(host.controller.state).toBe("connecting");
    expect(host.controller.facts).toBeUndefined();
    host.clock.settle();
    expect(started).toMatchObject({ count: 1, error: undefined });
    expect(host.states).toEqual(["connecting", "live"]);
  });

  test("starting twice is one attempt, and both are told", () => {
    const host = setup();
    const started = [host.start(), host.start()];
    host.clock.settle();
    const late = host.start();
    host.clock.settle();
    expect([...started, late]).toMatchObject([{ count: 1 }, { count: 1 }, { count: 1 }]);
    expect(host.peer.seenOf("connect")).toHaveLength(1);
  });

  test("starting again in the turn in which the attempt failed does not begin a second one", () => {
    const host = setup();
    host.peer.killOn("get-vs");
    const first = host.start();
    let second: ReturnType<TestHost["start"]> | undefined;
    host.peer.on("get-cap", (_command, usual) => {
      host.clock.at(0, () => {
        second = host.start();
      });
      return usual();
    });
    host.clock.advance(10);
    expect(first).toMatchObject({ count: 1, error: { code: "NVME_ERR_CONNECTION_LOST" } });
    expect(second?.count).toBe(1);
    expect(host.peer.connectionCount).toBe(1);
  });

  test("a first attempt that fails is final: whoever connects wants to hear of it", () => {
    const host = setup();
    host.peer.refuseConnections();
    const started = host.start();
    host.clock.settle();
    expect(started).toMatchObject({ count: 1, error: { code: "NVME_ERR_UNREACHABLE" } });
    expect(host.states).toEqual(["connecting", "closing", "closed"]);
  });

  test("each address is tried once before that", () => {
    const clock = new VirtualClock();
    const dead = new ScriptedController({ clock, name: "dead" });
    dead.refuseConnections();
    const host = new TestHost({ clock });
    const transport = [dead.transport(), host.peer.transport()];
    const controller = new Controller({ ...host.peer.hostOptions(), transport });
    const ends: unknown[] = [];
    controller.start((error) => ends.push(error));
    clock.settle();
    expect(ends).toEqual([undefined]);
    expect(controller.address.traddr).toBe("scripted");

    host.peer.refuseConnections();
    const unlucky = new Controller({ ...host.peer.hostOptions(), transport });
    unlucky.start((error) => ends.push(error));
    clock.settle();
    expect(ends.at(-1)).toMatchObject({ code: "NVME_ERR_UNREACHABLE" });
    expect(unlucky.state).toBe("closed");
  });

  test("a reset while connecting joins the attempt", () => {
    const host = setup();
    host.peer.delay("identify-controller", 1_000);
    host.start();
    host.clock.settle();
    const reset = host.reset();
    host.clock.advance(1_000);
    expect(reset).toMatchObject({ count: 1, error: undefined });
    expect(host.peer.seenOf("connect")).toHaveLength(1);
  });

  test("disabling while connecting ends the attempt: who disables succeeds, who connects does not", () => {
    const host = setup();
    host.peer.drop("identify-controller");
    const started = host.start();
    host.clock.settle();
    const disabled = host.request((done) => host.controller.disable(done));
    host.clock.settle();
    expect(disabled).toMatchObject({ count: 1, error: undefined });
    expect(started).toMatchObject({ count: 1, error: { code: "NVME_ERR_STATE" } });
    expect(host.controller.state).toBe("disabled");
    expect(host.peer.queueCount).toBe(0);
  });
});

describe("a loss", () => {
  test("F30: a reset connection settles what was in flight, and we connect again at once", () => {
    const host = live();
    const read = host.read();
    host.peer.kill();
    host.clock.settle();
    expect(read).toMatchObject({
      count: 1,
      error: {
        code: "NVME_ERR_CONTROLLER_RESET",
        outcome: "unknown",
        cause: { code: "NVME_ERR_CONNECTION_LOST" },
      },
    });
    expect(host.states).toEqual(["connecting", "live", "recovering", "live"]);
    expect(host.controller.reason).toBeUndefined();
    expect(host.controller.facts?.cntlid).toBe(2);
  });

  test("F31: an orderly end of the connection by the peer is a loss like any other", () => {
    const host = live();
    const read = host.read();
    host.peer.drop("read");
    host.peer.kill(undefined, "orderly");
    host.clock.settle();
    expect(read).toMatchObject({ count: 1, error: { outcome: "unknown" } });
    expect(host.controller.state).toBe("live");
    expect(host.peer.seenOf("connect")).toHaveLength(2);
  });

  test.each([
    ["the admin queue", 0],
    ["one I/O queue of several", 2],
  ])("of %s takes down all queues, and every command on them", (_name, qid) => {
    const host = live({ host: { ioQueues: 3 } });
    host.peer.drop("read");
    host.peer.drop("identify");
    const ended = [host.read(), host.admin(identify())];
    host.clock.settle();
    host.peer.kill(qid);
    host.clock.settle();
    expect(ended).toMatchObject([
      { count: 1, error: { code: "NVME_ERR_CONTROLLER_RESET" } },
      { count: 1, error: { code: "NVME_ERR_CONTROLLER_RESET" } },
    ]);
    expect(host.peer.queueCount).toBe(4);
    expect(host.states).toEqual(["connecting", "live", "recovering", "live"]);
  });

  test("is told before the commands that it ends, so that work can move to other paths", () => {
    const host = live();
    const order: string[] = [];
    host.controller.observe((event) => {
      if (event.type === "state") order.push(event.to);
    });
    host.peer.drop("identify");
    host.controller.admin(identify(), () => order.push("identify ended"));
    host.clock.settle();
    host.controller.lost(new UnsupportedError("seen from outside"));
    host.clock.settle();
    expect(order).toEqual(["recovering", "identify ended", "live"]);
  });

  test("an event request that the loss takes along is no event", () => {
    const host = live();
    host.peer.kill();
    host.clock.settle();
    expect(host.events.filter(({ type }) => type === "async-event")).toEqual([]);
  });

  test("seen from outside is a loss, too, and its reason is kept until live again", () => {
    const host = live();
    host.peer.drop("connect");
    const reason = new UnsupportedError("the path monitor says so");
    host.controller.lost(reason);
    host.clock.settle();
    expect(host.controller.reason).toBe(reason);
    expect(host.events.at(-1)).toMatchObject({ from: "live", to: "recovering", reason });
  });

  test("noticed many times at once is one", () => {
    const host = live();
    for (let i = 0; i < 5; i++) host.controller.lost(new UnsupportedError(`loss ${i}`));
    host.peer.kill();
    host.clock.settle();
    expect(host.states).toEqual(["connecting", "live", "recovering", "live"]);
    expect(host.peer.seenOf("connect")).toHaveLength(2);
  });

  test("while it lasts commands are refused, not sent, and may wait for the controller", () => {
    const host = live();
    lose(host);
    expect(host.controller.ioQueues).toEqual([]);
    expect(host.controller.mayComeBack).toBe(true);
    const refused = host.admin(identify());
    expect(refused.count).toBe(0);
    host.clock.settle();
    expect(refused).toMatchObject({
      count: 1,
      error: { code: "NVME_ERR_NOT_CONNECTED", outcome: "not-sent" },
    });
    expect(refused.error?.cause).toBe(host.controller.reason);
  });
});

describe("a silent peer", () => {
  test("F32, F36: is found out by keep-alive when it is idle, within its time", () => {
    const host = live();
    host.clock.advance(3_000);
    host.peer.freeze();
    host.clock.advance(KATO);
    const recovering = host.events.find((event) => event.type === "state" && event.from === "live");
    expect(recovering).toMatchObject({
      to: "recovering",
      reason: expect.any(KeepAliveError) as unknown,
    });
    expect(host.peer.seenOf("keep-alive")).toHaveLength(1);
  });

  test("F33: is found out by keep-alive when it is busy, if that comes first", () => {
    const host = live();
    host.peer.freeze();
    const read = host.read();
    host.clock.advance(KATO);
    expect(read).toMatchObject({
      count: 1,
      atMs: KATO,
      error: { code: "NVME_ERR_CONTROLLER_RESET", cause: { code: "NVME_ERR_KEEP_ALIVE" } },
    });
  });

  test("F33: is found out by a command's deadline, if that comes first", () => {
    const host = live({ host: { ioTimeoutMs: 4_000 } });
    host.peer.freeze();
    const read = host.read();
    host.clock.advance(4_000);
    expect(read).toMatchObject({ count: 1, atMs: 4_000, error: { code: "NVME_ERR_TIMEOUT" } });
    expect(host.controller.state).toBe("recovering");
  });

  test("F38: that comes back within its time has done no harm", () => {
    const host = live();
    host.clock.advance(4_000);
    host.peer.freeze();
    const read = host.read();
    host.clock.advance(5_000);
    host.peer.thaw();
    host.clock.advance(60_000);
    expect(read).toMatchObject({ count: 1, error: undefined });
    expect(host.states).toEqual(["connecting", "live"]);
  });

  test("H53: one that refuses keep-alive is lost, with the status", () => {
    const host = live();
    host.peer.refuse("keep-alive", 0x06);
    host.clock.advance(KATO / 2);
    const [event] = host.events.filter((event) => event.type === "state" && event.from === "live");
    expect(event).toMatchObject({ reason: expect.any(NvmeStatusError) as unknown });
  });

  test("without keep-alive nobody is found out, and none is sent", () => {
    const host = live({ host: { keepAliveTimeoutMs: 0 } });
    host.peer.freeze();
    host.clock.advance(3_600_000);
    expect(host.controller.state).toBe("live");
    expect(host.peer.seenOf("keep-alive")).toEqual([]);
    host.peer.thaw();
    expect(host.close().shutdown).toBe("complete");
    expect(host.clock.armed).toBe(0);
  });

  test("F39: our own event loop standing still is not the peer's silence", () => {
    const virtual = new VirtualClock();
    let stalledUntilMs = 0;
    const clock: Clock = {
      nowMs: () => virtual.nowMs(),
      // A stall: no timer of ours comes before its end, and then they all do.
      at: (atMs, task) => virtual.at(Math.max(atMs, stalledUntilMs), task),
      defer: (task) => virtual.defer(task),
    };
    const host = new TestHost({ clock: virtual, host: { clock } });
    host.connect();
    virtual.advance(4_000);
    stalledUntilMs = 40_000;
    virtual.advance(1_000); // the probe is sent, and its answer lies unread
    host.peer.freeze();
    virtual.at(40_000, () => host.peer.thaw());
    virtual.advance(60_000);
    expect(host.states).toEqual(["connecting", "live"]);
  });
});

describe("a command that passes its deadline", () => {
  test("F21, F37: by `reset` its caller is settled, and the controller is torn down", () => {
    const host = live();
    host.peer.drop("read");
    const [stuck, other] = [host.read(), host.admin(identify())];
    host.clock.advance(30_000);
    expect(stuck).toMatchObject({
      count: 1,
      atMs: 30_000,
      error: { code: "NVME_ERR_TIMEOUT", outcome: "unknown", afterMs: 30_000 },
    });
    expect(other).toMatchObject({ count: 1, error: undefined });
    expect(host.events).toContainEqual({ type: "timeout", qid: 1, cid: 0, command: "Read" });
    expect(host.states).toEqual(["connecting", "live", "recovering", "live"]);
  });

  test("F22: many at once are one recovery, and each is settled once", () => {
    const host = live();
    host.peer.drop("read");
    const stuck = Array.from({ length: 10 }, () => host.read());
    host.clock.advance(30_000);
    expect(stuck.every(({ count }) => count === 1)).toBe(true);
    expect(host.states).toEqual(["connecting", "live", "recovering", "live"]);
  });

  test("F22: deadlines of commands that a recovery has ended say nothing", () => {
    const host = live();
    host.peer.drop("read");
    host.read();
    host.clock.advance(20_000);
    host.peer.kill();
    host.clock.advance(200_000);
    expect(host.events.filter(({ type }) => type === "timeout")).toEqual([]);
  });

  test("an admin command leads to a reset, whatever the action on I/O", () => {
    for (const onTimeout of ["reset", "abort"] as const) {
      const host = live({ host: { onTimeout } });
      host.peer.drop("identify", 1);
      const stuck = host.admin(identify());
      host.clock.advance(60_000);
      expect(stuck).toMatchObject({ count: 1, atMs: 60_000, error: { code: "NVME_ERR_TIMEOUT" } });
      expect(host.states).toEqual(["connecting", "live", "recovering", "live"]);
    }
  });

  test("its error says the time that it was given, not the usual one", () => {
    const host = live();
    host.peer.drop("identify", 1);
    const stuck = host.admin({ ...identify(), timeoutMs: 1_500 });
    host.clock.advance(1_500);
    expect(stuck.error).toMatchObject({ afterMs: 1_500 });
  });
});

describe("a reset", () => {
  test("tears down and connects again, and is told of success", () => {
    const host = live();
    const read = host.read();
    const reset = host.reset();
    expect(host.controller.state).toBe("live");
    host.clock.settle();
    expect(reset).toMatchObject({ count: 1, error: undefined });
    expect(read).toMatchObject({ count: 1, error: { code: "NVME_ERR_CONTROLLER_RESET" } });
    expect(host.peer.seenOf("connect")).toHaveLength(2);
  });

  test("F27, F28: a hundred at once are one, and all get its result", () => {
    const host = live();
    const resets = Array.from({ length: 100 }, () => host.reset());
    host.clock.settle();
    expect(resets.every(({ count, error }) => count === 1 && error === undefined)).toBe(true);
    expect(host.peer.seenOf("connect")).toHaveLength(2);
  });

  test("joins the recovery that is under way, and its failure", () => {
    const host = live();
    host.peer.drop("identify-controller");
    host.peer.kill();
    host.clock.advance(1_000);
    const reset = host.reset();
    host.clock.advance(4_000);
    expect(reset).toMatchObject({ count: 1, error: { code: "NVME_ERR_TIMEOUT" } });
    expect(host.controller.state).toBe("waiting");
  });

  test("while waiting does not wait", () => {
    const host = live();
    lose(host);
    host.clock.advance(10);
    host.peer.acceptConnections();
    const reset = host.reset();
    host.clock.settle();
    expect(reset).toMatchObject({ count: 1, error: undefined, atMs: 10 });
    expect(host.controller.state).toBe("live");
    host.clock.advance(5_000);
    expect(host.peer.seenOf("connect")).toHaveLength(2);
  });

  test("of one that throws when it is told harms nobody", () => {
    const host = live();
    host.controller.reset(() => {
      throw new Error("not ours");
    });
    const other = host.reset();
    host.clock.settle();
    expect(other).toMatchObject({ count: 1, error: undefined });
    expect(() => host.clock.advance(0)).toThrow("not ours");
    expect(host.controller.state).toBe("live");
  });
});

describe("a disabled controller", () => {
  function disabled(): TestHost {
    const host = live();
    host.request((done) => host.controller.disable(done));
    host.clock.settle();
    return host;
  }

  test("has no connection, and makes none by itself", () => {
    const host = disabled();
    expect(host.peer.queueCount).toBe(0);
    expect(host.clock.armed).toBe(0);
    host.clock.advance(600_000);
    expect(host.peer.seenOf("connect")).toHaveLength(1);
    expect([host.controller.state, host.controller.mayComeBack]).toEqual(["disabled", false]);
  });

  test("refuses a reset with a reason, and disabling it again is nothing", () => {
    const host = disabled();
    const reset = host.reset();
    const again = host.request((done) => host.controller.disable(done));
    host.clock.settle();
    expect(reset).toMatchObject({ count: 1, error: { code: "NVME_ERR_STATE" } });
    expect(again).toMatchObject({ count: 1, error: undefined });
  });

  test("connects again when it is enabled", () => {
    const host = disabled();
    const enabled = host.request((done) => host.controller.enable(done));
    host.clock.settle();
    expect(enabled).toMatchObject({ count: 1, error: undefined });
    expect(host.controller.state).toBe("live");
  });

  test.each(["recovering", "waiting"] as const)("may come to be so while %s", (state) => {
    const host = live();
    if (state === "recovering") host.peer.drop("get-cap");
    else host.peer.refuseConnections();
    host.peer.kill();
    host.clock.settle();
    expect(host.controller.state).toBe(state);
    const reset = state === "recovering" ? host.reset() : undefined;
    const done = host.request((tell) => host.controller.disable(tell));
    host.clock.settle();
    expect(done).toMatchObject({ count: 1, error: undefined });
    expect(reset?.error?.code).toBe(reset === undefined ? undefined : "NVME_ERR_STATE");
    expect([host.peer.queueCount, host.clock.armed]).toEqual([0, 0]);
  });

  test("enabling a live one is nothing", () => {
    const host = live();
    const enabled = host.request((done) => host.controller.enable(done));
    host.clock.settle();
    expect(enabled).toMatchObject({ count: 1, error: undefined });
    expect(host.states).toEqual(["connecting", "live"]);
  });
});

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

describe("events of the controller", () => {
  test("are told", () => {
    const host = live();
    host.peer.event({ aet: AsyncEventType.Notice, aei: 3, lid: 0x0c });
    host.clock.settle();
    expect(host.events.at(-1)).toEqual({
      type: "async-event",
      event: { aet: AsyncEventType.Notice, aei: 3, lid: 0x0c },
    });
  });

  test("H51: of reserved type are told as they are, and change nothing", () => {
    const host = live();
    host.peer.event({ aet: 5, aei: 0xee, lid: 0xff });
    host.clock.advance(100);
    expect(host.events.at(-1)).toMatchObject({ event: { aet: 5, aei: 0xee } });
    expect(host.controller.state).toBe("live");
  });

  test("a persistent internal error asks for a reset", () => {
    const host = live();
    host.peer.event({ aet: AsyncEventType.Error, aei: 3 });
    host.clock.settle();
    expect(host.states).toEqual(["connecting", "live", "recovering", "live"]);
  });
});

test("F109: observers that throw at everything change nothing", () => {
  const host = setup();
  host.controller.observe(() => {
    throw new Error("not ours");
  });
  const started = host.start();
  host.clock.settle();
  expect(started).toMatchObject({ count: 1, error: undefined });
  host.peer.kill();
  host.clock.settle();
  expect(() => host.clock.advance(0)).toThrow("not ours");
  expect(host.states).toEqual(["connecting", "live", "recovering", "live"]);
});

test("options that cannot be right are refused before anything is sent", () => {
  expect(() => setup({ host: { ioQueues: -1 } })).toThrow(RangeError);
});

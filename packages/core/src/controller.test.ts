// One controller and what is asked of it: connect, reset, disable, enable; and what it tells.

import { AsyncEventType } from "@nvmeof/codec";
import { VirtualClock } from "@nvmeof/transport/testing";
import { describe, expect, test } from "vitest";
import { Controller } from "./controller.ts";
import { ScriptedController } from "./testing/index.ts";
import { live, lose, setup } from "./testing/hosts.ts";
import { TestHost } from "./testing/test-host.ts";

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

// The state "fencing": a lost controller waits for its owner, and for nothing else, before it connects
// again. Read first: lifecycle.ts; options.ts `FencePort`.

import { VirtualClock } from "@nvmeof/transport/testing";
import { expect, test } from "vitest";
import type { ReconnectPolicy } from "./reconnect.ts";
import { TestHost } from "./testing/test-host.ts";

/** An owner that wants a fence, or does not, and ends it when it is told to. */
class Owner {
  wants = true;
  begun = 0;
  calledOff = 0;
  #done: (() => void)[] = [];
  readonly port = {
    wanted: (): boolean => this.wants,
    begin: (done: () => void): (() => void) => {
      this.begun++;
      this.#done.push(done);
      return () => this.calledOff++;
    },
  };
  /** The fence is over, for all that were ever begun. */
  end(): void {
    for (const done of this.#done) done();
  }
  endFirst(): void {
    this.#done[0]!();
  }
}

function live(reconnect: Partial<ReconnectPolicy> = {}) {
  const owner = new Owner();
  const host = new TestHost({
    clock: new VirtualClock(),
    host: { fence: owner.port, reconnect: { delayMs: 1_000, jitter: 0, ...reconnect } },
  });
  host.connect();
  return { owner, host };
}

function lost(reconnect: Partial<ReconnectPolicy> = {}) {
  const { owner, host } = live(reconnect);
  const read = host.read();
  host.peer.drop("read");
  host.peer.kill();
  host.clock.settle();
  return { owner, host, read };
}

test("a loss that leaves something in doubt is fenced before it is recovered from", () => {
  const { owner, host } = lost();
  expect(host.controller.state).toBe("fencing");
  expect(host.controller.mayComeBack).toBe(true);
  const connections = host.peer.connectionCount;
  host.clock.advance(5_000);
  expect(host.peer.connectionCount).toBe(connections);
  owner.end();
  host.clock.settle();
  expect(host.states).toEqual(["connecting", "live", "fencing", "recovering", "live"]);
  expect(owner.calledOff).toBe(0);
});

test("everything in flight is settled, and every connection gone, before the fence begins", () => {
  const { owner, host } = live();
  const settledAtBegin: number[] = [];
  host.peer.drop("read");
  const read = host.read();
  const { begin } = owner.port;
  Object.assign(owner.port, {
    begin: (done: () => void) => {
      settledAtBegin.push(read.count);
      return begin(done);
    },
  });
  host.peer.kill();
  host.clock.settle();
  expect(settledAtBegin).toEqual([1]);
  expect(host.peer.queueCount).toBe(0);
});

test("nothing in doubt: a loss is recovered from at once", () => {
  const { owner, host } = live();
  owner.wants = false;
  host.peer.kill();
  host.clock.settle();
  expect(host.states).toEqual(["connecting", "live", "recovering", "live"]);
  expect(owner.begun).toBe(0);
});

test("a reset is fenced as a loss is, and whoever asked for it hears of its end", () => {
  const { owner, host } = live();
  const asked = host.reset();
  host.clock.settle();
  expect(host.controller.state).toBe("fencing");
  const joined = host.reset();
  const enabled = host.request((done) => host.controller.enable(done));
  host.clock.settle();
  expect([asked.count, joined.count, enabled.count]).toEqual([0, 0, 0]);
  owner.end();
  host.clock.settle();
  expect([asked.count, joined.count, enabled.count]).toEqual([1, 1, 1]);
  expect([asked.error, joined.error, enabled.error]).toEqual([undefined, undefined, undefined]);
});

test("a close pre-empts the fence, which is called off", () => {
  const { owner, host } = lost();
  const report = host.close();
  expect(report.totalMs).toBe(0);
  expect(owner.calledOff).toBe(1);
  expect(host.states).toEqual(["connecting", "live", "fencing", "closing", "closed"]);
  expect(host.clock.armed).toBe(0);
  owner.end();
  host.clock.settle();
  expect(host.controller.state).toBe("closed");
});

test("disabled while fencing, it stays so when the fence ends", () => {
  const { owner, host } = lost();
  const asked = host.request((done) => host.controller.disable(done));
  host.clock.settle();
  expect([asked.count, owner.calledOff]).toEqual([1, 1]);
  owner.end();
  host.clock.advance(60_000);
  expect(host.controller.state).toBe("disabled");
});

test("the loss timeout runs through the fence, and ends it", () => {
  const { owner, host } = lost({ lossMs: 5_000 });
  host.clock.advance(4_999);
  expect(host.controller.state).toBe("fencing");
  host.clock.advance(1);
  expect(host.controller.state).toBe("closed");
  expect(owner.calledOff).toBe(1);
});

test("the end of an earlier fence does not end a later one", () => {
  const { owner, host } = lost();
  owner.end();
  host.clock.advance(20_000);
  expect(host.controller.state).toBe("live");
  host.peer.kill();
  host.clock.settle();
  expect([host.controller.state, owner.begun]).toEqual(["fencing", 2]);
  owner.endFirst();
  host.clock.settle();
  expect(host.controller.state).toBe("fencing");
});

test("lost again too soon, it waits as it would without a fence: its owner fences all the same", () => {
  const { owner, host } = lost();
  owner.end();
  host.clock.settle();
  host.peer.kill();
  host.clock.settle();
  expect(host.controller.state).toBe("waiting");
  expect(owner.begun).toBe(1);
});

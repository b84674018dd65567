// Keep-alive and event requests of a live controller: one of each at a time, and none afterwards.

import { AsyncEventType, Status, statusOf } from "@nvmeof/codec";
import { expect, test } from "vitest";
import { live, setup } from "./testing/hosts.ts";
import type { TestHost } from "./testing/test-host.ts";

const KATO = 10_000;

const probesAt = (host: TestHost): number[] =>
  host.peer.seenOf("keep-alive").map(({ atMs }) => atMs);

test("I18: a keep-alive is sent every half time, for as long as the controller is live", () => {
  const host = live();
  host.clock.advance(KATO * 2);
  expect(probesAt(host)).toEqual([5_000, 10_000, 15_000, 20_000]);
});

test("a keep-alive that is answered late is not joined by another one", () => {
  const host = live();
  host.peer.delay("keep-alive", 4_000);
  host.clock.advance(20_000);
  expect(probesAt(host)).toEqual([5_000, 10_000, 15_000, 20_000]);
  expect(host.controller.state).toBe("live");
});

test("I18: the controller counts from Connect: after a long bring-up the first one is sent at once", () => {
  const host = setup();
  host.peer.delay("identify-controller", 4_000, 1);
  host.peer.delay("set-number-of-queues", 4_000, 1);
  host.controller.start(() => {});
  host.clock.advance(8_001);
  expect(host.controller.state).toBe("live");
  expect(probesAt(host)).toEqual([8_000]);
  host.clock.advance(KATO);
  expect(probesAt(host)).toEqual([8_000, 13_000, 18_000]);
});

test("I18: none is sent while the controller is not live", () => {
  const host = live({ host: { reconnect: { lossMs: -1, jitter: 0 } } });
  host.clock.advance(6_000);
  host.peer.refuseConnections();
  host.peer.kill();
  host.clock.advance(600_000);
  expect(probesAt(host)).toEqual([5_000]);
  host.peer.acceptConnections();
  host.clock.advance(12_000);
  const back = host.peer.seenOf("async-event").at(-1)!.atMs;
  host.clock.advance(KATO);
  expect(probesAt(host).slice(1).at(0)! - back).toBe(KATO / 2);
});

test("each association has its own time: the probe of the last one says nothing of this one", () => {
  const host = live();
  host.peer.drop("keep-alive", 1);
  host.clock.advance(8_000);
  host.reset();
  host.clock.advance(KATO - 1);
  expect(host.states).toEqual(["connecting", "live", "recovering", "live"]);
});

const eventRequests = (host: TestHost): number => host.peer.seenOf("async-event").length;

test("one event request is out, and the next one follows when it has been told", () => {
  const host = live();
  expect(eventRequests(host)).toBe(1);
  host.clock.advance(1_000);
  expect(eventRequests(host)).toBe(1);
  host.peer.event({ aet: AsyncEventType.Notice, aei: 0, lid: 4 });
  host.clock.advance(1);
  expect(eventRequests(host)).toBe(2);
  expect(host.events.filter(({ type }) => type === "async-event")).toHaveLength(1);
});

test("F87, H51: a storm of events is met at the rate of a hundred a second", () => {
  const host = live();
  host.peer.on("async-event", () => ({ dw0: 0x0003_0002 }));
  host.peer.event({ aet: AsyncEventType.Notice, aei: 0, lid: 4 });
  const before = host.clock.nowMs();
  host.clock.advance(10_000);
  const rate = (eventRequests(host) * 1_000) / (host.clock.nowMs() - before);
  expect(rate).toBeLessThanOrEqual(101);
  expect(rate).toBeGreaterThan(90);
  expect(host.controller.state).toBe("live");
});

test.each([
  ["has no room for event requests", Status.AerLimitExceeded],
  ["does not know them", Status.InvalidOpcode | statusOf(0, 0, true)],
])("a controller that %s is not asked again", (_name, status) => {
  const host = setup();
  host.peer.refuse("async-event", status);
  host.connect();
  host.clock.advance(60_000);
  expect(eventRequests(host)).toBe(1);
  expect(host.states).toEqual(["connecting", "live"]);
});

test("the reset that an event leads to ends the requests of the old association", () => {
  const host = live();
  host.peer.event({ aet: AsyncEventType.Error, aei: 3 });
  host.clock.advance(1_000);
  expect(host.peer.seenOf("async-event").map(({ cntlid }) => cntlid)).toEqual([1, 2]);
});

test("a request that is about to follow an event does not follow the end", () => {
  const host = live();
  host.peer.event({ aet: AsyncEventType.Notice, aei: 0, lid: 4 });
  host.clock.settle();
  host.close();
  expect(host.clock.armed).toBe(0);
});

test("an observer may close the controller on an event, and nothing is asked any more", () => {
  const host = live();
  host.controller.observe(({ type }) => {
    if (type === "async-event") host.controller.close({}, () => {});
  });
  host.peer.event({ aet: AsyncEventType.Notice, aei: 0, lid: 4 });
  host.clock.advance(1_000);
  expect(host.controller.state).toBe("closed");
  expect(eventRequests(host)).toBe(1);
  expect(host.clock.armed).toBe(0);
});

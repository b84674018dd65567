// The timers of an outage: exact, cleared by success, and patient with one that flaps.

import { VirtualClock } from "@nvmeof/transport/testing";
import { expect, test } from "vitest";
import { Addresses } from "./addresses.ts";
import { Outage } from "./outage.ts";
import { resolveOptions } from "./options.ts";
import type { ReconnectPolicy } from "./reconnect.ts";
import { ScriptedController } from "./testing/index.ts";

const policy = { jitter: 0, delayMs: 2_000, fastFailMs: 10_000, lossMs: 60_000 };

function setup(given: Partial<ReconnectPolicy> = {}, addressCount = 1) {
  const clock = new VirtualClock();
  const peer = new ScriptedController({ clock });
  const options = resolveOptions({
    ...peer.hostOptions(),
    transport: Array.from({ length: addressCount }, () => peer.transport()),
    reconnect: { ...policy, ...given },
  });
  const told: string[] = [];
  const holds: (() => boolean)[] = [];
  const note = (what: string) => (still: () => boolean) => {
    told.push(`${what} at ${clock.nowMs()}`);
    holds.push(still);
  };
  const addresses = new Addresses(options.transports);
  const events = {
    delayElapsed: note("delay"),
    lossElapsed: note("loss"),
    fastFail: () => told.push(`fast-fail at ${clock.nowMs()}`),
  };
  const outage = new Outage(options, events, addresses);
  /** An attempt at the current address fails, and the next one's turn comes. */
  const fail = (isFirstConnect = false) => {
    const further = outage.failed(isFirstConnect);
    addresses.next();
    return further;
  };
  return { clock, outage, fail, told, holds };
}

test("F54: fast-fail and loss come at their times from the loss, exactly", () => {
  const { clock, outage, told } = setup();
  clock.advance(500);
  outage.start();
  clock.advance(9_999);
  expect([told, outage.patience]).toEqual([[], "wait"]);
  clock.drain();
  expect(told).toEqual(["fast-fail at 10500", "loss at 60500"]);
  expect(outage.patience).toBe("fail-fast");
});

test("success stops them, and the next outage begins with all its patience", () => {
  const { clock, outage, told } = setup();
  outage.start();
  clock.advance(15_000);
  outage.stop();
  expect([clock.armed, outage.patience]).toEqual([0, "wait"]);
  clock.advance(100_000);
  outage.start();
  clock.advance(9_999);
  expect(told).toEqual(["fast-fail at 10000"]);
});

test("a timer that elapsed says nothing any more when success came before its turn", () => {
  const { clock, outage, holds } = setup();
  outage.start();
  outage.armDelay();
  clock.advance(60_000);
  expect(holds.map((still) => still())).toEqual([true, true]);
  outage.stop();
  expect(holds.map((still) => still())).toEqual([false, false]);
});

test("for ever means no timer; no fast-fail means none", () => {
  const { clock, outage } = setup({ lossMs: -1, fastFailMs: 0 });
  outage.start();
  expect(clock.armed).toBe(0);
});

test("waits double with each failed attempt, up to the longest", () => {
  const { outage, fail } = setup();
  outage.start();
  const waits = Array.from({ length: 5 }, () => {
    fail();
    const { attempt, delayMs } = outage.armDelay();
    outage.disarmDelay();
    return [attempt, delayMs];
  });
  expect(waits).toEqual([
    [1, 2_000],
    [2, 4_000],
    [3, 8_000],
    [4, 10_000],
    [5, 10_000],
  ]);
});

test("there is no wait while an address is still untried", () => {
  const { outage, fail } = setup({}, 3);
  outage.start();
  const waits = Array.from({ length: 6 }, () => {
    fail();
    const { delayMs } = outage.armDelay();
    outage.disarmDelay();
    return delayMs;
  });
  expect(waits).toEqual([0, 0, 2_000, 0, 0, 4_000]);
});

test.each([
  ["the first connect tries each address once", true, policy, ["failed", "exhausted"]],
  ["a recovery goes on by its policy", false, policy, ["failed", "failed"]],
  [
    "a recovery without a delay tries each address once",
    false,
    { lossMs: 0, delayMs: 0, fastFailMs: 0 },
    ["failed", "exhausted"],
  ],
] as const)("%s", (_name, isFirstConnect, given, expected) => {
  const { fail } = setup(given, 2);
  expect([fail(isFirstConnect), fail(isFirstConnect)]).toEqual(expected);
});

test("a round that was broken off does not count in the next outage: each address has its turn", () => {
  const { outage, fail } = setup({ lossMs: 0, delayMs: 0, fastFailMs: 0 }, 2);
  outage.start();
  expect(fail()).toBe("failed");
  outage.stop();
  outage.start();
  expect([fail(), fail()]).toEqual(["failed", "exhausted"]);
});

test("a final refusal ends the first connect at once", () => {
  const { outage } = setup();
  expect(outage.failed(true, true)).toBe("refused");
});

test("after a loss a final refusal is believed when it comes for the third time in a row", () => {
  const { outage } = setup();
  outage.start();
  const said = [true, true, false, true, true, true].map((final) => outage.failed(false, final));
  expect(said).toEqual(["failed", "failed", "failed", "failed", "failed", "refused"]);
});

test("refusals of an outage that is over do not count in the next one", () => {
  const { outage } = setup();
  for (let time = 0; time < 3; time++) {
    outage.start();
    expect(outage.failed(false, true)).toBe("failed");
    expect(outage.failed(false, true)).toBe("failed");
    outage.live();
    outage.stop();
  }
});

test("F56: one that is lost again before it was live for 10 s flaps, and waits grow with each loss", () => {
  const { clock, outage } = setup();
  const flaps: boolean[] = [];
  const waits: number[] = [];
  outage.live();
  for (let loss = 0; loss < 4; loss++) {
    clock.advance(9_999);
    flaps.push(outage.flaps);
    outage.start();
    if (flaps.at(-1)) waits.push(outage.armDelay().delayMs);
    outage.stop();
    outage.live();
  }
  expect(flaps).toEqual([false, true, true, true]);
  expect(waits).toEqual([2_000, 4_000, 8_000]);
});

test("F56: what the waits had grown to is not forgotten by one that is live for less than 10 s", () => {
  for (const [liveMs, expected] of [
    [9_999, [10_000, 10_000]],
    [10_000, [2_000, 4_000]],
  ] as const) {
    const { clock, outage, fail } = setup();
    outage.live();
    clock.advance(20_000);
    outage.start();
    for (let round = 0; round < 4; round++) fail();
    outage.stop();
    outage.live();
    clock.advance(liveMs);
    outage.start();
    const waits = [0, 1].map(() => {
      fail();
      return outage.armDelay().delayMs;
    });
    expect(waits).toEqual(expected);
  }
});

test("F56: one that was live for 10 s has come back", () => {
  const { clock, outage } = setup();
  for (let loss = 0; loss < 3; loss++) {
    outage.start();
    outage.stop();
    outage.live();
    clock.advance(10_000);
    expect(outage.flaps).toBe(false);
  }
});

test("one that flaps has to wait even where the policy has no delay", () => {
  const { outage } = setup({ lossMs: 0, delayMs: 0, fastFailMs: 0 });
  outage.start();
  outage.stop();
  outage.live();
  outage.start();
  expect(outage.armDelay().delayMs).toBe(1_000);
});

test("what failed before somebody disabled a first connect counts for nothing in the next series", () => {
  const { outage } = setup();
  // The attempt is refused for good; that it was disabled meanwhile makes this stale news.
  outage.failed(true, true);
  outage.start();
  expect(outage.failed(false, true)).toBe("failed");
  expect(outage.armDelay()).toEqual({ attempt: 1, delayMs: 2_000 });
  expect(outage.failed(false, true)).toBe("failed");
  expect(outage.failed(false, true)).toBe("refused");
});

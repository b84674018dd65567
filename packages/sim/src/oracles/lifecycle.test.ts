// Tests of the oracle of controllers: the life of a good one, and one complaint for each thing that is wrong.

import type { Event, State } from "@nvmeof/core";
import { VirtualClock } from "@nvmeof/transport/testing";
import { expect, test } from "vitest";
import { LifecycleOracle } from "./lifecycle.ts";

const NAME = "host0/path0";

function setup({ addresses = 1, keepAliveTimeoutMs = 10_000 } = {}) {
  const clock = new VirtualClock();
  const complaints: string[] = [];
  const oracle = new LifecycleOracle(clock, (invariant) => void complaints.push(invariant));
  oracle.created(NAME, {
    closeBoundMs: 2_000,
    keepAliveTimeoutMs,
    reconnect: { delayMs: 1_000, delayMaxMs: 4_000, jitter: 0 },
    addresses,
    answerBoundMs: 5_000,
    fencingBoundMs: 3_000,
  });
  const move = (from: State, to: State, cause: Event): void =>
    oracle.told(NAME, { type: "state", from, to, cause, reason: undefined });
  const live = (): void => move("connecting", "live", "connected");
  const retry = (delayMs: number, attempt = 1): void =>
    oracle.told(NAME, { type: "retry", attempt, delayMs });
  const lose = (): void => {
    live();
    move("live", "recovering", "lost");
    move("recovering", "waiting", "failed");
  };
  const close = (from: State): void => {
    move(from, "closing", "close");
    move("closing", "closed", "ended");
  };
  return { clock, complaints, oracle, move, live, retry, lose, close };
}

test("a life along the edges, in time, is right", () => {
  const { clock, complaints, oracle, move, lose, retry, close } = setup();
  oracle.connecting(NAME);
  oracle.asked(1, NAME, "reset");
  lose();
  retry(1_000);
  clock.advance(1_000);
  move("waiting", "recovering", "delayElapsed");
  oracle.connecting(NAME);
  move("recovering", "live", "connected");
  oracle.answered(1);
  clock.advance(5_000);
  oracle.keepAlive(NAME);
  clock.advance(5_000);
  close("live");
  oracle.check();
  oracle.finish();
  expect([complaints, oracle.stateOf(NAME)]).toEqual([[], "closed"]);
});

test("I2: a controller tells something after it is closed", () => {
  const { complaints, close, retry } = setup();
  close("connecting");
  retry(1_000);
  expect(complaints).toEqual(["I2"]);
});

test("I12: a close takes longer than its bound, time that the host stood still left out", () => {
  const { clock, complaints, oracle, live, move } = setup();
  live();
  move("live", "closing", "close");
  oracle.stoodStill(NAME, 500);
  clock.advance(2_500);
  oracle.check();
  expect(complaints).toEqual([]);
  clock.advance(2);
  move("closing", "closed", "ended");
  expect(complaints).toEqual(["I12"]);
});

test("I12: something is not closed in the end", () => {
  const { complaints, oracle } = setup();
  oracle.finish();
  expect(complaints).toEqual(["I12"]);
});

test("I13: a transition that the table does not have", () => {
  const { complaints, move } = setup();
  move("connecting", "waiting", "failed");
  expect(complaints).toEqual(["I13"]);
});

test("I19: a transition was missed, or a controller tells that was never made", () => {
  const { complaints, oracle, move } = setup();
  move("live", "recovering", "lost");
  oracle.told("nobody", { type: "fast-fail" });
  expect(complaints).toEqual(["I19", "I19"]);
});

test.each(["live", "waiting", "closed"] as const)(
  "I14: a connection is opened while %s",
  (state) => {
    const { complaints, oracle, live, lose, close } = setup();
    if (state === "live") live();
    else if (state === "waiting") lose();
    else close("connecting");
    oracle.connecting(NAME);
    expect(complaints).toEqual(["I14"]);
  },
);

test("I15: the next attempt comes before the wait is over, unless somebody asks for it", () => {
  const early = setup();
  early.lose();
  early.retry(1_000);
  early.clock.advance(900);
  early.move("waiting", "recovering", "delayElapsed");
  expect(early.complaints).toEqual(["I15"]);
  const asked = setup();
  asked.lose();
  asked.retry(1_000);
  asked.move("waiting", "recovering", "reset");
  expect(asked.complaints).toEqual([]);
});

test("I15: a wait is shorter or longer than the policy has it, but for the next of several addresses", () => {
  const { complaints, lose, retry } = setup();
  lose();
  retry(900);
  retry(4_100);
  expect(complaints).toEqual(["I15", "I15"]);
  const several = setup({ addresses: 2 });
  several.lose();
  several.retry(0);
  expect(several.complaints).toEqual([]);
});

test("I17: a request is answered twice, late, or never", () => {
  const { clock, complaints, oracle, close } = setup();
  for (const id of [1, 2, 3]) oracle.asked(id, NAME, "reset");
  oracle.answered(1);
  oracle.answered(1);
  close("connecting");
  oracle.stoodStill(NAME, 1_000);
  clock.advance(6_001);
  oracle.check();
  expect(complaints).toEqual(["I17"]);
  clock.advance(1);
  oracle.answered(2);
  oracle.finish();
  expect(complaints).toEqual(["I17", "I17", "I17"]);
});

test("I18: a live controller sends no Keep Alive, and one that is not live sends it", () => {
  const { clock, complaints, oracle, live, move } = setup();
  live();
  clock.advance(10_001);
  oracle.check();
  expect(complaints).toEqual([]);
  clock.advance(1);
  oracle.check();
  expect(complaints).toEqual(["I18"]);
  move("live", "recovering", "lost");
  complaints.length = 0;
  oracle.keepAlive(NAME);
  expect(complaints).toEqual([]);
  clock.advance(1);
  oracle.keepAlive(NAME);
  expect(complaints).toEqual(["I18"]);
});

test("without KATO no Keep Alive is expected", () => {
  const { clock, complaints, oracle, live } = setup({ keepAliveTimeoutMs: 0 });
  live();
  clock.advance(100_000);
  oracle.check();
  expect(complaints).toEqual([]);
});

test("I15: a controller may fence for as long as others may be asked, and no longer", () => {
  const { clock, complaints, oracle, live, move } = setup();
  live();
  move("live", "fencing", "lostInDoubt");
  clock.advance(3_001);
  oracle.check();
  expect(complaints).toEqual([]);
  clock.advance(1);
  oracle.check();
  expect(complaints).toEqual(["I15"]);
});

test("I14: a controller that is fencing opens no connection", () => {
  const { complaints, oracle, live, move } = setup();
  live();
  move("live", "fencing", "resetInDoubt");
  oracle.connecting(NAME);
  expect(complaints).toEqual(["I14"]);
});

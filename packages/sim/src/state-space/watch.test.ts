// The watch complains of what a controller must not do; walk.test.ts has the rest, by broken tables.

import { expect, test } from "vitest";
import { play } from "./alphabet.ts";
import { CountingTable } from "./coverage.ts";
import { profiles } from "./profile.ts";
import { Subject } from "./subject.ts";

function live(): Subject {
  const subject = new Subject(profiles[0]!, new CountingTable());
  subject.start();
  play(subject, { first: "accept" });
  return subject;
}

test("a controller that behaves is not complained about, however it is ended", () => {
  for (const first of ["close", "disable", "drop-all", "timer"] as const) {
    const subject = live();
    play(subject, { first });
    subject.watch.end();
    expect(subject.watch.complaints).toEqual([]);
  }
});

test("I1: what settles twice, or never", () => {
  const { watch } = live();
  const twice = watch.asked("a read");
  twice();
  twice();
  watch.asked("a write");
  watch.end();
  expect(watch.complaints).toEqual([
    "I1: a read was settled 2 times (at 0 ms)",
    expect.stringMatching(/^I1: a read was settled 2 times/),
    expect.stringMatching(/^I1: a write was settled 0 times/),
  ]);
});

test("I2: a command that settles after the end", () => {
  const { watch } = live();
  const late = watch.asked("read");
  watch.end();
  late();
  expect(watch.complaints.at(-1)).toMatch(/^I2: read, asked for while live, settled after closed/);
});

test("I17: an answer that does not agree with the state", () => {
  const { watch } = live();
  watch.requested("reset")(watch.outsideLoss);
  watch.requested("disable")();
  watch.requested("enable")();
  expect(watch.complaints).toEqual([
    "I17: reset is answered with NVME_ERR_CONNECTION_LOST while live (at 0 ms)",
    "I17: disable is answered with success while live (at 0 ms)",
  ]);
});

test("I11: a timer or a link that is left", () => {
  const { watch, clock, peer } = live();
  peer
    .transport(0)
    .openQueue(
      { qid: 5, slots: 1, inCapsuleBytes: 0, timeoutMs: 9_000 },
      { opened: () => {}, completed: () => {}, lost: () => {} },
    );
  clock.at(100_000, () => {});
  watch.end();
  expect(watch.complaints).toEqual([
    expect.stringMatching(/^I11: 2 timers are armed after closed/),
    expect.stringMatching(/^I11: 1 links are open after closed/),
  ]);
});

test("an assertion that fails is a complaint", () => {
  const { watch } = live();
  watch.attempt(() => {
    throw new Error("connected cannot happen while live");
  });
  expect(watch.complaints).toEqual(["assertion: connected cannot happen while live (at 0 ms)"]);
});

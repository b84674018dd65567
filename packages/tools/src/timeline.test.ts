// A timeline counts from its beginning, tells as it goes, and is bounded.

import { VirtualClock } from "@nvmeof/transport/testing";
import { expect, test } from "vitest";
import { Timeline, type TimelineEntry } from "./timeline.ts";

test("moments are counted from the beginning and told as they come", () => {
  const clock = new VirtualClock();
  clock.advance(50);
  const told: TimelineEntry[] = [];
  const timeline = new Timeline(clock, (entry) => told.push(entry));
  clock.advance(5);
  timeline.note("something");
  expect(timeline.entries).toEqual([{ atMs: 5, what: "something" }]);
  expect(told).toEqual(timeline.entries);
});

test("whoever notes without end fills a bounded list", () => {
  const timeline = new Timeline(new VirtualClock());
  for (let i = 0; i < 2_000; i++) timeline.note("again");
  expect(timeline.entries).toHaveLength(1_000);
});

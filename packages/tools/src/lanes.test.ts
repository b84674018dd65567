// Lanes end together, whatever becomes of them.

import { expect, test } from "vitest";
import { runLanes } from "./lanes.ts";

test("every lane runs, by its number", async () => {
  const ran = new Set<number>();
  await runLanes(3, (lane) => Promise.resolve(void ran.add(lane)));
  expect(ran).toEqual(new Set([0, 1, 2]));
});

test("when one lane fails the others see it, and all have ended before the failure is told", async () => {
  const ended = new Set<number>();
  const lanes = runLanes(3, async (lane, failed) => {
    if (lane === 1) throw new Error("first");
    while (!failed()) await Promise.resolve();
    ended.add(lane);
  });
  await expect(lanes).rejects.toThrow("first");
  expect(ended).toEqual(new Set([0, 2]));
});

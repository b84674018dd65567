// Tests of the fence: longer with KATO, traffic, slow disks and timeouts; none where nobody watches.

import { expect, test } from "vitest";
import { type FenceFacts, Standstill, fenceOf, isRisked, unshaken } from "./fence.ts";

const facts: FenceFacts = {
  fencing: "timed",
  keepAliveTimeoutMs: 1_500,
  keepAliveGranularityMs: 1_000,
  trafficKeepAlive: false,
  ioTimeoutMs: 5_000,
  diskMs: 900,
};

test("it is twice KATO as the target rounds it, thrice with traffic, and what else may take time", () => {
  expect(fenceOf(facts)).toEqual({ lateMs: 10_000 + 4_000 + 900 + 100, success: "fenced" });
  expect(fenceOf({ ...facts, trafficKeepAlive: true }).lateMs).toBe(10_000 + 6_000 + 900 + 100);
});

test("without keep-alive there is no end of it", () => {
  expect(fenceOf({ ...facts, keepAliveTimeoutMs: 0 }).lateMs).toBe(Infinity);
});

test("who does without fencing takes the risk for writes that succeeded as well", () => {
  expect(fenceOf({ ...facts, fencing: "none" }).success).toBe("risked");
});

test("who does not wait where no quiesce time is promised takes the same risk, and only there", () => {
  const bold = { ...facts, withoutQuiesceTime: "retry" } as const;
  expect(fenceOf(bold).success).toBe("risked");
  expect(fenceOf({ ...bold, quiesceMs: 1 }).success).toBe("fenced");
});

test("a fence is shaken where something stood still, and time was all that released it", () => {
  const fence = fenceOf(facts);
  expect(isRisked(fence, unshaken(false))).toBe(false);
  expect(isRisked(fence, { ...unshaken(false), stood: "once" })).toBe(false);
  expect(isRisked(fence, { ...unshaken(false), waited: "once" })).toBe(false);
  expect(isRisked(fence, { stood: "once", waited: "once" })).toBe(true);
});

test("a volume stands still until the last reason for it is gone", () => {
  const still = new Standstill();
  still.begin(1);
  still.begin(1);
  still.end(1);
  expect([still.has(1), still.has(2)]).toEqual([true, false]);
  still.end(1);
  still.end(1);
  expect(still.has(1)).toBe(false);
});

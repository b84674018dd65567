// The resiliency triple by its vectors, and the back-off within its bounds.

import * as fc from "fast-check";
import { expect, test } from "vitest";
import { seededRandom } from "./random.ts";
import {
  checkReconnectPolicy,
  defaultReconnectPolicy,
  delayBefore,
  resiliencyFault,
} from "./reconnect.ts";

const INT32_MAX = 0x7fff_ffff;
const UINT32_MAX = 0xffff_ffff;

// spdk-bdev-nvme.md §4.2: (loss, delay, fast-fail).
test.each([
  [-2, 1, 0],
  [-1, 0, 0],
  [1, 0, 0],
  [1, 2, 0],
  [0, 1, 0],
  [0, 0, 1],
  [-1, 2, 1],
  [3, 2, 4],
  [3, 2, 1],
])("loss %i, delay %i, fast-fail %i cannot be meant", (loss, delay, fastFail) => {
  expect(resiliencyFault(loss, delay, fastFail)).toEqual(expect.any(String));
});

test.each([
  [0, 0, 0],
  [-1, 1, 0],
  [2, 2, 0],
  [2, 1, 0],
  [-1, 1, 1],
  [2, 1, 2],
  [2, 1, 1],
  [-1, UINT32_MAX, 0],
  [-1, UINT32_MAX, UINT32_MAX],
  [INT32_MAX, INT32_MAX, 0],
  [INT32_MAX, INT32_MAX, INT32_MAX],
  [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
])("loss %i, delay %i, fast-fail %i is a policy", (loss, delay, fastFail) => {
  expect(resiliencyFault(loss, delay, fastFail)).toBeUndefined();
});

test("the default is a policy, and holds for what is not given", () => {
  const { lossMs, delayMs, fastFailMs } = defaultReconnectPolicy;
  expect(resiliencyFault(lossMs, delayMs, fastFailMs)).toBeUndefined();
  expect(checkReconnectPolicy({})).toEqual(defaultReconnectPolicy);
  expect(checkReconnectPolicy({ jitter: 0 })).toEqual({ ...defaultReconnectPolicy, jitter: 0 });
});

test.each([
  ["never to reconnect", { lossMs: 0 }, { lossMs: 0, delayMs: 0, fastFailMs: 0 }],
  ["a short loss timeout", { lossMs: 500 }, { lossMs: 500, delayMs: 500, fastFailMs: 500 }],
  ["for ever", { lossMs: -1 }, { lossMs: -1, delayMs: 2_000, fastFailMs: 10_000 }],
  ["a long delay", { delayMs: 20_000 }, { lossMs: 60_000, delayMs: 20_000, fastFailMs: 20_000 }],
])("defaults give way to %s", (_name, given, policy) => {
  expect(checkReconnectPolicy(given)).toMatchObject(policy);
});

test("what was given is never changed, but refused with the values that contradict each other", () => {
  expect(() => checkReconnectPolicy({ lossMs: 5_000, delayMs: 2_000, fastFailMs: 1_000 })).toThrow(
    "shorter than the reconnect delay (lossMs 5000, delayMs 2000, fastFailMs 1000)",
  );
});

test.each([
  [{ lossMs: Number.NaN }, "lossMs is NaN"],
  [{ lossMs: -0.5 }, "-1 is for ever"],
  [{ delayMs: Infinity }, "delayMs is Infinity"],
  [{ delayMs: -1 }, "delayMs is -1"],
  [{ fastFailMs: Number.NaN }, "fastFailMs is NaN"],
  [{ delayMaxMs: Number.NaN }, "delayMaxMs is NaN"],
  [{ jitter: 1.1 }, "jitter is 1.1"],
  [{ jitter: -0.1 }, "jitter is -0.1"],
  [{ jitter: Number.NaN }, "jitter is NaN"],
])("%o is refused", (given, message) => {
  expect(() => checkReconnectPolicy(given)).toThrow(RangeError);
  expect(() => checkReconnectPolicy(given)).toThrow(message);
});

const noJitter = checkReconnectPolicy({ jitter: 0, lossMs: -1 });
const random = seededRandom(1);

test("each wait is twice the one before, up to the longest", () => {
  const waits = [1, 2, 3, 4, 5, 50, 5_000].map((attempt) => delayBefore(noJitter, attempt, random));
  expect(waits).toEqual([2_000, 4_000, 8_000, 10_000, 10_000, 10_000, 10_000]);
});

test("a delay beyond the longest wait is what was asked for", () => {
  const policy = checkReconnectPolicy({ jitter: 0, delayMs: 20_000, lossMs: -1 });
  expect(delayBefore(policy, 1, random)).toBe(20_000);
  expect(delayBefore(policy, 9, random)).toBe(20_000);
});

test("F55: jitter changes a wait by its share at most, either way, and does use it", () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 40 }), (seed, attempt) => {
      const policy = checkReconnectPolicy({ jitter: 0.2, lossMs: -1 });
      const plain = delayBefore(noJitter, attempt, random);
      const wait = delayBefore(policy, attempt, seededRandom(seed));
      expect(wait).toBeGreaterThanOrEqual(Math.floor(plain * 0.8));
      expect(wait).toBeLessThanOrEqual(Math.ceil(plain * 1.2));
    }),
    { seed: 1 },
  );
  const extreme = (next32: number) =>
    delayBefore(checkReconnectPolicy({ jitter: 0.2 }), 1, { next32: () => next32 });
  expect([extreme(0), extreme(UINT32_MAX)]).toEqual([1_600, 2_400]);
});

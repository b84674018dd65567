// What grows is called growing, whatever lies about; what does not is not.
// Read first: trend.ts.
import { seededRandom } from "@nvmeof/core";
import { expect, test } from "vitest";
import { VALUES_MIN, afterWarmUp, isGrowing, medianOf, trendOf } from "./trend.ts";

const bound = { share: 0.03, least: 100 };
const random = seededRandom(11);
/** Between -1 and 1. */
const noise = (): number => (random.next32() / 0xffff_ffff) * 2 - 1;
const curve = (length: number, at: (i: number) => number): Float64Array =>
  Float64Array.from({ length }, (_, i) => at(i));
const grows = (values: Float64Array): boolean => isGrowing(trendOf(values), bound);

test.each([
  ["a leak of 10 % under noise of 5 %", curve(100, (i) => 1e6 + 1_000 * i + 5e4 * noise())],
  ["steps", curve(60, (i) => 1e6 + 5e4 * Math.floor(i / 12))],
  ["a leak with wild outliers", curve(60, (i) => (i % 9 === 4 ? 9e6 : 1e6 + 2e3 * i))],
  ["one more at a time", curve(200, (i) => 100 + 10 * i)],
  ["thousands of values", curve(5_000, (i) => 1e6 + 20 * i + 5e4 * noise())],
])("%s grows", (_what, values) => {
  expect(grows(values)).toBe(true);
});

test.each([
  ["what stays", curve(50, () => 7)],
  ["noise", curve(200, () => 1e6 + 1e5 * noise())],
  ["a saw", curve(200, (i) => 1e6 + 1e4 * (i % 10))],
  ["what falls", curve(100, (i) => 1e6 - 2e3 * i)],
  ["one outlier at the end", curve(50, (i) => (i === 49 ? 1e9 : 1e6))],
  ["sure growth, but of nearly nothing", curve(100, (i) => 1e6 + i)],
  ["too few values", curve(VALUES_MIN - 1, (i) => 1e6 * (i + 1))],
  ["nothing", curve(0, () => 0)],
])("%s does not grow", (_what, values) => {
  expect(grows(values)).toBe(false);
});

test("the growth is what it is, whatever a fifth of the values say", () => {
  const { growth, median } = trendOf(
    curve(101, (i) => (i % 5 === 2 ? -1e9 * Math.abs(noise()) : 500 + 10 * i)),
  );
  expect(growth).toBeGreaterThan(900);
  expect(growth).toBeLessThan(1_100);
  expect(median).toBeGreaterThan(500);
});

test("chance is called growth in few runs", () => {
  let called = 0;
  for (let run = 0; run < 500; run++) {
    if (trendOf(curve(40, () => 1e6 * noise())).z > 3) called++;
  }
  expect(called).toBeLessThan(5);
});

test("a quarter at the beginning is left out: that is where caches fill", () => {
  expect(afterWarmUp(curve(8, (i) => i))[0]).toBe(2);
  expect(grows(afterWarmUp(curve(80, (i) => Math.min(i, 20) * 1e6)))).toBe(false);
});

test("a median is the middle, and of two the mean", () => {
  expect([[], [3], [9, 1], [5, 1, 9]].map((each) => medianOf(each))).toEqual([0, 3, 5, 5]);
});

// Numbers in narrow columns, and which columns stay where there is little room.

import { expect, test } from "vitest";
import { countText, fittingColumns, latencyText } from "./columns.ts";

test.each([
  [0, "0"],
  [0.4, "0.4"],
  [9.96, "10"],
  [999, "999"],
  [999.7, "1.00k"],
  [1_234, "1.23k"],
  [12_345, "12.3k"],
  [999_400, "999k"],
  [999_600, "1.00M"],
  [5e9, "5.00G"],
  [7.25e13, "72.5T"],
])("%d is %s", (value, text) => {
  expect(countText(value)).toBe(text);
});

test.each([
  [0, "0us"],
  [0.142, "142us"],
  [0.99951, "1.00ms"],
  [12.34, "12.3ms"],
  [999.4, "999ms"],
  [1_500, "1.50s"],
  [30_000, "30.0s"],
  [600_000, "600s"],
])("%d ms are %s", (ms, text) => {
  expect(latencyText(ms)).toBe(text);
});

test("a number of any size has room in its column", () => {
  for (let value = 0.001; value < 1e15; value *= 1.07) {
    expect(countText(value).length).toBeLessThanOrEqual(5);
  }
  for (let ms = 0.0001; ms < 1e8; ms *= 1.07) {
    expect(latencyText(ms).length).toBeLessThanOrEqual(6);
  }
});

const titles = (columns: number): string[] =>
  fittingColumns(columns).shown.map(({ title }) => title);

test("the columns are nvme-cli's, in its order, where there is room for all", () => {
  expect(titles(250).join(" ")).toBe(
    "State r_IOPS w_IOPS r_clat w_clat r_bw w_bw Util% Resets Reconnects Errors Retries " +
      "Failovers ANAState Requeue-IO Fail-IO Inflights",
  );
});

test("with 80 there are those that are looked at most, and a name of 20", () => {
  expect(titles(80)).toEqual([
    "State",
    "r_IOPS",
    "w_IOPS",
    "r_clat",
    "w_clat",
    "r_bw",
    "w_bw",
    "Errors",
  ]);
});

test("the line is never longer than the screen, and each column that goes stays away", () => {
  for (let columns = 250, before = titles(250); columns > 0; columns--) {
    const { shown, nameWidth } = fittingColumns(columns);
    const width = shown.reduce((sum, each) => sum + each.width + 1, nameWidth);
    if (shown.length > 0) expect(width).toBeLessThanOrEqual(columns);
    const now = titles(columns);
    expect(now.every((title) => before.includes(title))).toBe(true);
    before = now;
  }
});

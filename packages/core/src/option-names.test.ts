// Names that are not known are refused, with the one that was meant.
import { expect, test } from "vitest";
import { checkNames, nearestName } from "./option-names.ts";

const known = ["ioQueues", "queueEntries", "ioTimeoutMs", "keepAliveTimeoutMs"];

test.each([
  ["ioqueues", "ioQueues"],
  ["ioQueue", "ioQueues"],
  ["queueEntry", "queueEntries"],
  ["ioTimeout", "ioTimeoutMs"],
  ["keepAliveTimeout", "keepAliveTimeoutMs"],
  ["zzz", undefined],
  ["", undefined],
  ["x".repeat(100_000), undefined],
])("%.20s means %s", (wrong, meant) => {
  expect(nearestName(wrong, known)).toBe(meant);
});

test("known names pass, whatever their values; others do not", () => {
  checkNames({ ioQueues: undefined, ioTimeoutMs: "x" }, known, "option");
  expect(() => checkNames({ ioQueue: 1 }, known, "option")).toThrow(
    new TypeError('there is no option "ioQueue"; did you mean ioQueues?'),
  );
  expect(() => checkNames({ zzz: 1 }, known, "limit")).toThrow('there is no limit "zzz"');
});

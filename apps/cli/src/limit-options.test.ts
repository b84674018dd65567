// `--limit` takes every bound of a target, in its unit, and nothing else.

import { defaultLimits, limitFacts } from "@nvmeof/target";
import { expect, test } from "vitest";
import { limitsOf, parseLimit } from "./limit-options.ts";

test.each(Object.keys(limitFacts))("%s may be given its default", (name) => {
  const value = defaultLimits[name as keyof typeof defaultLimits];
  expect(parseLimit(`${name}=${value}`)).toEqual([name, value]);
});

test.each([
  ["connectTimeoutMs=2s", ["connectTimeoutMs", 2_000]],
  ["connect-timeout-ms=1.5m", ["connectTimeoutMs", 90_000]],
  ["bufferBytesMax=1G", ["bufferBytesMax", 2 ** 30]],
  ["controllers-per-host-max=0x10", ["controllersPerHostMax", 16]],
])("%s is %j", (text, limit) => {
  expect(parseLimit(text)).toEqual(limit);
});

test.each([
  ["", "is not NAME=VALUE", "connectionsMax=64"],
  ["connectionsMax=", "is not NAME=VALUE", ""],
  ["connectionMax=4", 'no limit "connectionMax"', "Did you mean connectionsMax?"],
  ["__proto__=4", 'no limit "__proto__"', "docs/limits.md"],
  ["constructor=4", 'no limit "constructor"', "docs/limits.md"],
  [`${"a".repeat(10_000)}=4`, "no limit", "docs/limits.md"],
  ["connectionsMax=2s", "is not a whole number", ""],
  ["connectTimeoutMs=64k", "is not a duration", ""],
])("%s is refused", (text, message, hint) => {
  const expected = { code: "NVME_ERR_USAGE", message: expect.stringContaining(message) };
  expect(() => parseLimit(text)).toThrow(expect.objectContaining(expected));
  if (hint === "") return;
  expect(() => parseLimit(text)).toThrow(
    expect.objectContaining({ hint: expect.stringContaining(hint) }),
  );
});

test("limits are checked together, and the last one of a name counts", () => {
  const given = [parseLimit("queueDepthMax=16"), parseLimit("queueDepthMax=32")];
  expect(limitsOf(given)).toEqual({ queueDepthMax: 32 });
  expect(limitsOf()).toEqual({});
  const impossible = [parseLimit("bufferBytesMax=1M"), parseLimit("connectionBufferBytesMax=2M")];
  expect(() => limitsOf(impossible)).toThrow("bufferBytesMax must be at least");
});

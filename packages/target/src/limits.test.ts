// Limits: what is not given is the default, and what cannot be is refused at once.
import { expect, test } from "vitest";
import { defaultLimits, resolveLimits } from "./limits.ts";

test("limits that are not given are the defaults", () => {
  expect(resolveLimits()).toEqual(defaultLimits);
  const given = { controllersMax: 3, lingerMs: undefined } as { controllersMax: number };
  expect(resolveLimits(given)).toEqual({ ...defaultLimits, controllersMax: 3 });
});

test.each([
  { controllersMax: 0 },
  { controllersMax: 65_520 },
  { queueDepthMax: 1 },
  { connectTimeoutMs: Number.NaN },
  { enableTimeoutMs: 1.5 },
  { inCapsuleBytes: 100 },
  { h2cDataBytesMax: 4_098 },
  { keepAliveGranularityMs: 150 },
  { transferBytesMax: 3 * 4096 },
  { transferBytesMax: 2048 },
  { connectionBufferBytesMax: 4096 },
  { bufferBytesMax: 1024 * 1024 },
])("%o cannot be", (given) => {
  expect(() => resolveLimits(given)).toThrow(RangeError);
});

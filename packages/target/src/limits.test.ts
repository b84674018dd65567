// Limits: what is not given is the default, and what cannot be is refused at once.
import { expect, test } from "vitest";
import { checkRetryDelays, defaultLimits, resolveLimits } from "./limits.ts";

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
  // MDTS counts in powers of two of 4 KiB, and its 0 means that there is no limit.
  { transferBytesMax: 4096 },
  { connectionBufferBytesMax: 4096 },
  { bufferBytesMax: 1024 * 1024 },
  { commandQuiesceTimeMs: 65_536 },
  { crossControllerResetsMax: 256 },
  { crossControllerResetEntriesMax: 512 },
  { crossControllerResetEntriesMax: 0 },
  { crossControllerResetTimeoutMs: 0 },
])("%o cannot be", (given) => {
  expect(() => resolveLimits(given)).toThrow(RangeError);
});

test("retry delays are up to three multiples of 100 ms", () => {
  expect(checkRetryDelays([100, 6_553_500, 2_000])).toEqual([100, 6_553_500, 2_000]);
  for (const cannot of [[0], [150], [6_553_600], [-100], [Number.NaN], [100, 100, 100, 100]]) {
    expect(() => checkRetryDelays(cannot)).toThrow(RangeError);
  }
});

// What a sample of memory counts.
// Read first: samples.ts.

import { expect, test } from "vitest";
import { memory } from "./samples.ts";

test("buffers that nobody has any more do not count, though another thread sweeps them", () => {
  const before = memory().buffers;
  for (let sample = 0; sample < 20; sample++) {
    let last: Uint8Array | undefined;
    for (let i = 0; i < 400; i++) last = new Uint8Array(64 * 1024).fill(i);
    expect(last?.length).toBe(64 * 1024);
    last = undefined;
    expect(memory().buffers - before).toBeLessThan(1);
  }
});

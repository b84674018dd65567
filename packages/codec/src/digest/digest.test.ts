// The fast digest gives what the plain one gives, for every length it takes and from any state.

import { describe, expect, test } from "vitest";
import { CRC32C_INITIAL, crc32cUpdate } from "../crc32c.ts";
import { crc32cModule } from "./crc32c-module.ts";
import { DIGEST_BLOCK_BYTES, digestWindow } from "./index.ts";
import { signed, unsigned } from "./wasm.ts";

const filled = (bytes: Uint8Array, seed: number): void => {
  let state = seed;
  for (let i = 0; i < bytes.length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    bytes[i] = state >>> 24;
  }
};

describe("the window", () => {
  const window = digestWindow()!;

  test("is there on this engine, and is one for all", () => {
    expect(window).toBeDefined();
    expect(digestWindow()).toBe(window);
  });

  test.each([1, 2, 3, 7, 8])("digests %i blocks as the plain routine does", (blocks) => {
    const count = blocks * DIGEST_BLOCK_BYTES;
    const view = new DataView(window.bytes.buffer, window.bytes.byteOffset, count);
    for (const running of [CRC32C_INITIAL, 0, 1, 0x12345678, -2]) {
      filled(window.bytes, blocks + running);
      expect(window.update(running, count)).toBe(crc32cUpdate(running, view, 0, count));
    }
  });

  test("sees every single bit", () => {
    const count = DIGEST_BLOCK_BYTES;
    const view = new DataView(window.bytes.buffer, window.bytes.byteOffset, count);
    for (let at = 0; at < count; at += 61) {
      window.bytes.fill(0);
      window.bytes[at] = 1 << (at & 7);
      expect(window.update(CRC32C_INITIAL, count)).toBe(
        crc32cUpdate(CRC32C_INITIAL, view, 0, count),
      );
    }
  });

  test("leaves a rest that is no block alone", () => {
    filled(window.bytes, 3);
    expect(window.update(77, DIGEST_BLOCK_BYTES - 1)).toBe(77);
  });
});

test("both modules are what an engine with the instructions takes", () => {
  const wasm = (globalThis as unknown as { WebAssembly: { validate(bytes: Uint8Array): boolean } })
    .WebAssembly;
  expect(wasm.validate(crc32cModule(false))).toBe(true);
  expect(crc32cModule(true).length).toBeGreaterThan(crc32cModule(false).length);
});

test.each([
  [0, [0]],
  [127, [0x7f]],
  [128, [0x80, 1]],
  [4096, [0x80, 0x20]],
])("%i without a sign", (value, bytes) => expect(unsigned(value)).toEqual(bytes));

test.each([
  [0, [0]],
  [-1, [0x7f]],
  [63, [0x3f]],
  [64, [0xc0, 0]],
  [-65, [0xbf, 0x7f]],
  [4096, [0x80, 0x20]],
])("%i with a sign", (value, bytes) => expect(signed(value)).toEqual(bytes));

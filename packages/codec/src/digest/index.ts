// CRC32C of data in blocks, faster than crc32c.ts where the engine has WebAssembly with SIMD.
// Read first: crc32c.ts, which every engine has and which takes the rest; NVMe/TCP 1.0 §3.3.1.1.

import { crc32cUpdate } from "../crc32c.ts";
import { BLOCK_BYTES, DATA_AT, HALVES_AT, ZEROES_AT, crc32cModule } from "./crc32c-module.ts";

/** Data is digested here in multiples of this many bytes. */
export const DIGEST_BLOCK_BYTES = BLOCK_BYTES;

/** A place for data, and the digest of what lies there. One serves all connections of a thread. */
export interface DigestWindow {
  /** Put data here, from 0 on: a multiple of {@link DIGEST_BLOCK_BYTES}. */
  readonly bytes: Uint8Array;
  /** Takes the first `count` bytes into a running digest, as `crc32cUpdate` does. */
  update(running: number, count: number): number;
}

/** What is used of WebAssembly, which the language's own types do not have. */
interface Wasm {
  validate(bytes: Uint8Array): boolean;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
}

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  run(at: number, count: number, running: number): number;
}

const WINDOW_BYTES = 32 * 1024;

/** CRC of one byte after a running CRC of 0: the usual table of 256. */
const byteTable = (): Int32Array => {
  const view = new DataView(new ArrayBuffer(1));
  return Int32Array.from({ length: 256 }, (_, byte) => {
    view.setUint8(0, byte);
    return crc32cUpdate(0, view, 0, 1);
  });
};

/** `table[k * 256 + b]`: what byte `k` of a CRC becomes, if it is `b`, when 256 zero bytes follow. */
function fillZeroes(table: Int32Array): void {
  const zeroes = new DataView(new ArrayBuffer(BLOCK_BYTES / 16));
  const ofBit = Int32Array.from({ length: 32 }, (_, bit) =>
    crc32cUpdate(1 << bit, zeroes, 0, zeroes.byteLength),
  );
  for (let byte = 0; byte < 4; byte++) {
    for (let value = 0; value < 256; value++) {
      for (let bit = 0; bit < 8; bit++) {
        if ((value >> bit) & 1) table[byte * 256 + value]! ^= ofBit[8 * byte + bit]!;
      }
    }
  }
}

/** Byte `n` of the table's entries 0 to 15, then of 0, 16 to 240: together they give all 256. */
function fillHalves(halves: Uint8Array): void {
  const table = byteTable();
  for (let byte = 0; byte < 4; byte++) {
    for (let half = 0; half < 16; half++) {
      halves[byte * 32 + half] = table[half]! >>> (8 * byte);
      halves[byte * 32 + 16 + half] = table[half << 4]! >>> (8 * byte);
    }
  }
}

function makeWindow(wasm: Wasm, code: Uint8Array): DigestWindow {
  const exports = new wasm.Instance(new wasm.Module(code)).exports as Exports;
  const { memory } = exports;
  fillZeroes(new Int32Array(memory.buffer, ZEROES_AT, 1024));
  fillHalves(new Uint8Array(memory.buffer, HALVES_AT, 128));
  return {
    bytes: new Uint8Array(memory.buffer, DATA_AT, WINDOW_BYTES),
    update: (running, count) => exports.run(DATA_AT, count, running),
  };
}

let window: DigestWindow | "none" | undefined;

function findWindow(): DigestWindow | "none" {
  const wasm = (globalThis as { readonly WebAssembly?: Wasm }).WebAssembly;
  if (wasm === undefined) return "none";
  for (const relaxed of [true, false]) {
    const code = crc32cModule(relaxed);
    try {
      if (wasm.validate(code)) return makeWindow(wasm, code);
    } catch {
      // A page whose policy forbids it, or a main thread that compiles small modules only.
    }
  }
  return "none";
}

/** The window of this thread; undefined where the engine has none, and `crc32cUpdate` does all. */
export function digestWindow(): DigestWindow | undefined {
  window ??= findWindow();
  return window === "none" ? undefined : window;
}

// Chance that repeats itself: the same seed gives the same choices, on every machine.

/** Values at which counts, lengths and offsets tend to go wrong. */
const EDGES: readonly number[] = [
  0, 1, 2, 3, 4, 7, 8, 15, 16, 23, 24, 31, 32, 63, 64, 71, 72, 73, 127, 128, 129, 255, 256, 511,
  512, 1023, 1024, 4095, 4096, 4097, 8191, 8192, 8193, 0x7fff, 0x8000, 0xfffe, 0xffff, 0x1_0000,
  0x7fff_ffff, 0x8000_0000, 0xffff_fffc, 0xffff_fffe, 0xffff_ffff,
];

/** A generator of 32-bit numbers (sfc32). */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number, stream = 0) {
    this.#a = seed >>> 0;
    this.#b = stream >>> 0;
    this.#c = 0x9e37_79b9;
    for (let turn = 0; turn < 12; turn++) this.next32();
  }

  next32(): number {
    const sum = (((this.#a + this.#b) >>> 0) + this.#counter) >>> 0;
    this.#counter = (this.#counter + 1) >>> 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) >>> 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) >>> 0;
    return sum;
  }

  /** 0 to `below` - 1. */
  below(below: number): number {
    return below <= 1 ? 0 : Math.floor((this.next32() / 0x1_0000_0000) * below);
  }

  /** `from` to `to`, both included. */
  between(from: number, to: number): number {
    return from + this.below(to - from + 1);
  }

  /** True once in `times`. */
  once(times: number): boolean {
    return this.below(times) === 0;
  }

  pick<T>(all: readonly T[]): T {
    return all[this.below(all.length)]!;
  }

  byte(): number {
    return this.next32() & 0xff;
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.byte());
  }

  /** A number that somebody may have got wrong. */
  edge(): number {
    const edge = this.pick(EDGES);
    return this.once(4) ? (edge + this.between(-2, 2)) >>> 0 : edge;
  }
}

/** A number for a text: what is derived from a name does not depend on an order. */
export function hashOf(bytes: Uint8Array | string): number {
  let hash = 0x811c_9dc5;
  const { length } = bytes;
  for (let at = 0; at < length; at++) {
    const byte = typeof bytes === "string" ? bytes.charCodeAt(at) : bytes[at]!;
    hash = Math.imul(hash ^ byte, 0x0100_0193) >>> 0;
  }
  return hash;
}

// What hosts and targets hold: never more than their caps, and nothing when all has ended.
// Read first: reliability-anchors.md I11, I20, I28, I40, I41.

import type { Complain } from "../violation.ts";
import { POISON } from "./register.ts";

/** Something that can be counted. */
export interface Gauge {
  /** Unique: "timers of host 0", "held requests of device 3". */
  readonly name: string;
  readonly read: () => number;
  /** Most of it, and which invariant says so. */
  readonly cap?: { readonly max: number; readonly invariant: "I40" | "I41" };
}

export class ResourceOracle {
  readonly #complain: Complain;
  readonly #gauges = new Map<string, Gauge>();
  readonly #base = new Map<string, number>();
  /** The largest number that each gauge has shown, for the figures of a run. */
  readonly peaks = new Map<string, number>();

  constructor(complain: Complain) {
    this.#complain = complain;
  }

  add(gauge: Gauge): void {
    this.#gauges.set(gauge.name, gauge);
    this.peaks.set(gauge.name, 0);
  }

  remove(name: string): void {
    this.#gauges.delete(name);
    this.#base.delete(name);
  }

  /** Looks at the caps; after any step. */
  check(): void {
    for (const { name, read, cap } of this.#gauges.values()) {
      const number = read();
      if (number > this.peaks.get(name)!) this.peaks.set(name, number);
      if (cap !== undefined && number > cap.max) {
        this.#complain(cap.invariant, `${number} ${name}, where ${cap.max} are the most`);
      }
    }
  }

  /** Remembers what there is now, for {@link ResourceOracle.backAtBase}. */
  setBase(): void {
    for (const { name, read } of this.#gauges.values()) this.#base.set(name, read());
  }

  /** I20: what was created since {@link ResourceOracle.setBase} is destroyed again. */
  backAtBase(): void {
    for (const [name, base] of this.#base) {
      const number = this.#gauges.get(name)!.read();
      if (number !== base) this.#complain("I20", `${number} ${name}, where there were ${base}`);
    }
  }

  /** I11: everything has ended, and nothing is left. */
  atRest(): void {
    for (const { name, read } of this.#gauges.values()) {
      const number = read();
      if (number !== 0) this.#complain("I11", `${number} ${name} left after everything has ended`);
    }
  }
}

/** Bytes before and after a buffer that nobody may touch. */
const GUARD_BYTES = 64;
const GUARD = 0xa5;
/** Buffers that are watched after their release; the oldest makes room. */
const RELEASED_MAX = 64;

/** I28: buffers between guards, which are watched for a while after their users have them back. */
export class GuardedBuffers {
  readonly #complain: Complain;
  readonly #released: Uint8Array[] = [];

  constructor(complain: Complain) {
    this.#complain = complain;
  }

  /** A buffer of so many bytes, for one request. */
  take(bytes: number): Uint8Array {
    const whole = new Uint8Array(bytes + 2 * GUARD_BYTES).fill(GUARD);
    return whole.subarray(GUARD_BYTES, GUARD_BYTES + bytes).fill(0);
  }

  /** The request of a buffer of `take` has settled: from now on nobody writes to it, or around it. */
  release(data: Uint8Array): void {
    data.fill(POISON);
    this.#released.push(data);
    if (this.#released.length > RELEASED_MAX) this.#look(this.#released.shift()!);
  }

  /** Looks at all that were released. */
  finish(): void {
    for (const data of this.#released.splice(0)) this.#look(data);
  }

  #look(data: Uint8Array): void {
    const whole = new Uint8Array(data.buffer);
    const end = GUARD_BYTES + data.length;
    // By words where that is possible: this is done for every request.
    if (data.length % 4 === 0 && isUntouched(new Uint32Array(data.buffer), end / 4)) return;
    for (let at = 0; at < whole.length; at++) {
      const isGuard = at < GUARD_BYTES || at >= end;
      if (whole[at] === (isGuard ? GUARD : POISON)) continue;
      const where = isGuard ? "outside a buffer" : "in a buffer that was released";
      this.#complain(
        "I28",
        `byte ${at - GUARD_BYTES} was changed ${where} of ${data.length} bytes`,
      );
      return;
    }
  }
}

const GUARD_WORD = GUARD * 0x01010101;
const POISON_WORD = POISON * 0x01010101;

function isUntouched(words: Uint32Array, end: number): boolean {
  const first = GUARD_BYTES / 4;
  for (let at = 0; at < first; at++) if (words[at] !== GUARD_WORD) return false;
  for (let at = first; at < end; at++) if (words[at] !== POISON_WORD) return false;
  for (let at = end; at < words.length; at++) if (words[at] !== GUARD_WORD) return false;
  return true;
}

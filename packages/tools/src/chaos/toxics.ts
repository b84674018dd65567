// Faults of bytes: when they arrive, in what pieces, how many, and whether.
// Read first: kinds.ts, the first rows; pipe.ts, which bytes wait in.

import type { Dice } from "./dice.ts";
import type { ByteFault } from "./plan.ts";

/** A fault of bytes that befalls a connection: its toxicity has been thrown already. */
export interface Toxic {
  readonly index: number;
  readonly fault: ByteFault;
  readonly dice: Dice;
  /** Whether it works now, in this direction. */
  readonly isOn: () => boolean;
  /** It has done something for the first time in this connection and direction. */
  readonly began: () => void;
}

/** Where pieces go. */
export interface ToxicSink {
  push(bytes: Uint8Array, dueMs: number): void;
  /** The connection is closed, after what was pushed. */
  close(): void;
}

/** What a toxic remembers of one direction. */
interface Memory {
  /** When the last byte so far has left, where bandwidth is limited. */
  freeAtMs: number;
  /** Bytes that have passed. */
  passedBytes: number;
}

/** Slices are no shorter than this share of the average, and no piece is cut into more than so many. */
const SLICES_MAX = 65_536;

/** All toxics of one direction of a connection. */
export class Toxics {
  readonly #toxics: readonly Toxic[];
  readonly #memory: readonly Memory[];
  readonly #sink: ToxicSink;
  #phase: "open" | "closed" = "open";

  constructor(toxics: readonly Toxic[], sink: ToxicSink) {
    this.#toxics = toxics;
    this.#memory = toxics.map(() => ({ freeAtMs: 0, passedBytes: 0 }));
    this.#sink = sink;
  }

  /** Bytes come, at `nowMs`, and are not to leave before `dueMs`. */
  push(bytes: Uint8Array, nowMs: number, dueMs: number): void {
    if (this.#phase === "closed" || this.#isSwallowed()) return;
    const slicer = this.#on("slicer");
    if (slicer === undefined) return this.#shape(bytes, nowMs, dueMs);
    this.#began(slicer);
    const { averageBytes, variationBytes, delayMs } = slicer.values;
    const least = Math.max(1, Math.ceil(bytes.length / SLICES_MAX));
    let laterMs = 0;
    for (let at = 0; at < bytes.length;) {
      const about = averageBytes - variationBytes + this.#below(slicer, 2 * variationBytes + 1);
      const end = Math.min(bytes.length, at + Math.max(least, about));
      this.#shape(bytes.subarray(at, end), nowMs, dueMs + laterMs);
      at = end;
      laterMs += delayMs;
    }
  }

  /** How much later the end of the connection is passed on, ms. */
  closeDelayMs(): number {
    const fault = this.#on("slow_close");
    if (fault === undefined) return 0;
    this.#began(fault);
    return fault.values.delayMs;
  }

  #isSwallowed(): boolean {
    const fault = this.#on("timeout");
    if (fault !== undefined) this.#began(fault);
    return fault !== undefined;
  }

  /** One piece through all that delays, and to the limit. */
  #shape(bytes: Uint8Array, nowMs: number, dueMs: number): void {
    let atMs = dueMs;
    let allowed = bytes.length;
    for (const [i, toxic] of this.#toxics.entries()) {
      const { fault, dice } = toxic;
      const memory = this.#memory[i]!;
      if (!toxic.isOn()) continue;
      if (fault.kind === "latency") {
        const { latencyMs, jitterMs } = fault.values;
        atMs = Math.max(nowMs, atMs + latencyMs + (2 * dice.share() - 1) * jitterMs);
      } else if (fault.kind === "jitter") atMs += dice.share() * fault.values.jitterMs;
      else if (fault.kind === "bandwidth") {
        const takesMs = (bytes.length / fault.values.bytesPerSecond) * 1000;
        memory.freeAtMs = Math.max(atMs, memory.freeAtMs) + takesMs;
        atMs = memory.freeAtMs;
      } else if (fault.kind === "limit_data") {
        allowed = Math.min(allowed, Math.max(0, fault.values.bytes - memory.passedBytes));
        memory.passedBytes += bytes.length;
        if (allowed === bytes.length) continue;
      } else continue;
      toxic.began();
    }
    this.#sink.push(allowed === bytes.length ? bytes : bytes.subarray(0, allowed), atMs);
    if (allowed === bytes.length || this.#phase === "closed") return;
    this.#phase = "closed";
    this.#sink.close();
  }

  #below(fault: ByteFault, limit: number): number {
    return this.#toxics.find((toxic) => toxic.fault === fault)!.dice.below(limit);
  }

  #began(fault: ByteFault): void {
    this.#toxics.find((toxic) => toxic.fault === fault)!.began();
  }

  #on<K extends ByteFault["kind"]>(kind: K): ByteFault<K> | undefined {
    const found = this.#toxics.find((toxic) => toxic.fault.kind === kind && toxic.isOn());
    return found?.fault as ByteFault<K> | undefined;
  }
}

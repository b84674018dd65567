// Which bytes of a stream a digest covers: the network harms these only, so that it can be found out.
// Read first: NVMe/TCP 1.0 §3.3.1 "PDU Structure"; it trusts the stream, which ../wire/ judges.

import type { Part } from "./slab.ts";

const HEADER_DIGEST = 1;
const DATA_DIGEST = 2;
const COMMON_BYTES = 8;

/** A run of bytes of a buffer: from `start` to before `end`. */
interface Run {
  readonly part: "header" | "payload";
  readonly start: number;
  readonly end: number;
}

/** Follows one direction of an NVMe/TCP connection. */
export class PduMap {
  readonly #common = new Uint8Array(COMMON_BYTES);
  /** Bytes of the PDU under way that have passed. */
  #passed = 0;
  #flags = 0;
  #headerBytes = 0;
  #dataAt = 0;
  #pduBytes = 0;

  /** Takes note of a piece. `runs` gets those that are covered, if it is given. */
  pass({ region: { bytes }, start, end }: Part, runs?: Run[]): void {
    for (let at = start; at < end;) {
      if (this.#passed < COMMON_BYTES) {
        this.#common[this.#passed++] = bytes[at++]!;
        if (this.#passed === COMMON_BYTES) this.#begin();
        // A header that begins in an earlier piece is harmed behind its common part only.
        const isWhole = this.#passed === COMMON_BYTES && at - start >= COMMON_BYTES;
        if (isWhole) this.#header(at - COMMON_BYTES, at, runs);
        continue;
      }
      const count = Math.min(this.#pduBytes - this.#passed, end - at);
      // A length that is none: whatever follows is nothing that we know.
      if (count <= 0) return;
      this.#cover(at, count, runs);
      this.#passed += count;
      at += count;
      if (this.#passed === this.#pduBytes) this.#passed = 0;
    }
  }

  #begin(): void {
    const common = this.#common;
    this.#flags = common[1]!;
    this.#headerBytes = common[2]! + ((this.#flags & HEADER_DIGEST) === 0 ? 0 : 4);
    const dataAt = common[3]!;
    this.#dataAt = dataAt === 0 ? Infinity : dataAt;
    this.#pduBytes = common[4]! + common[5]! * 2 ** 8 + common[6]! * 2 ** 16 + common[7]! * 2 ** 24;
  }

  #header(start: number, end: number, runs: Run[] | undefined): void {
    if ((this.#flags & HEADER_DIGEST) === 0) return;
    runs?.push({ part: "header", start, end });
  }

  #cover(at: number, count: number, runs: Run[] | undefined): void {
    if (runs === undefined) return;
    const from = this.#passed;
    const headerLeft = Math.min(this.#headerBytes - from, count);
    if (headerLeft > 0) this.#header(at, at + headerLeft, runs);
    const dataFrom = Math.max(this.#dataAt - from, 0);
    if (dataFrom < count && (this.#flags & DATA_DIGEST) !== 0) {
      runs.push({ part: "payload", start: at + dataFrom, end: at + count });
    }
  }
}

// PDUs that faults hold back: until a time, until others have passed, or until their order demands them.
// Read first: lane.ts; turn.ts for what a hold is.

import type { Clock, Timer } from "@nvmeof/transport";
import type { ChaosLimits } from "./limits.ts";
import type { Hold } from "./turn.ts";

interface Held {
  readonly cid: number;
  readonly pieces: readonly Uint8Array[];
  readonly bytes: number;
  /** PDUs of other commands that it still lets pass. */
  pdusLeft: number;
  readonly timer: Timer;
}

/** Those of one direction. */
export class HeldPdus {
  readonly #clock: Clock;
  readonly #limits: ChaosLimits;
  readonly #release: (pieces: readonly Uint8Array[]) => void;
  #held: Held[] = [];
  #bytes = 0;

  /** @param release gives on what is held no longer; also on a timer. */
  constructor(clock: Clock, limits: ChaosLimits, release: (pieces: readonly Uint8Array[]) => void) {
    this.#clock = clock;
    this.#limits = limits;
    this.#release = release;
  }

  get bytes(): number {
    return this.#bytes;
  }

  hasRoom(bytes: number): boolean {
    const { heldBytesMax, heldPdusMax } = this.#limits;
    return this.#bytes + bytes <= heldBytesMax && this.#held.length < heldPdusMax;
  }

  add(cid: number, pieces: readonly Uint8Array[], { forMs, afterPdus }: Hold): void {
    const bytes = pieces.reduce((sum, { length }) => sum + length, 0);
    const dueMs = this.#clock.nowMs() + forMs;
    const timer = this.#clock.at(dueMs, () => this.#give((each) => each === held));
    const held: Held = { cid, pieces, bytes, pdusLeft: afterPdus, timer };
    this.#held.push(held);
    this.#bytes += bytes;
  }

  /** A PDU is about to pass: those of its command go first. One of no command lets all go. */
  before(cid: number): void {
    if (this.#held.length > 0) this.#give((each) => cid < 0 || each.cid === cid);
  }

  /** A PDU of a command has passed: those go that have waited for enough. */
  passed(cid: number): void {
    if (this.#held.length === 0 || cid < 0) return;
    this.#give((each) => each.cid !== cid && --each.pdusLeft <= 0);
  }

  giveAll(): void {
    this.#give(() => true);
  }

  /** Nobody is there to have them. */
  dropAll(): void {
    for (const { timer } of this.#held) timer.cancel();
    this.#held = [];
    this.#bytes = 0;
  }

  #give(goes: (held: Held) => boolean): void {
    const going = this.#held.filter(goes);
    if (going.length === 0) return;
    this.#held = this.#held.filter((each) => !going.includes(each));
    for (const { pieces, bytes, timer } of going) {
      timer.cancel();
      this.#bytes -= bytes;
      this.#release(pieces);
    }
  }
}

// Reservation notifications of one controller: a log of which the host reads one page after another.
// Read first: Base 2.0 §5.16.1.24 "Reservation Notification", §5.27.1.26 for the mask.

import { encoded } from "@nvmeof/codec";
import { type ReservationEvent, ReservationNotification } from "@nvmeof/codec/management";

/** Notifications that wait to be read; the oldest is lost beyond, and its number with it. */
const NOTICES_MAX = 255;

interface Notice {
  readonly count: number;
  readonly event: ReservationEvent;
  readonly nsid: number;
}

/** The notifications of a controller. */
export class ReservationNotices {
  readonly #notices: Notice[] = [];
  /** Mask by namespace (Feature Identifier 82h); bit n is the event with number n. */
  readonly #masks = new Map<number, number>();
  #count = 0;

  /** Notifications that wait to be read. */
  get size(): number {
    return this.#notices.length;
  }

  mask(nsid: number): number {
    return this.#masks.get(nsid) ?? 0;
  }

  setMask(nsid: number, mask: number): void {
    this.#masks.set(nsid, mask);
  }

  /** Something happened to the host in a namespace. Returns whether it wants to know. */
  note(nsid: number, event: ReservationEvent): boolean {
    if ((this.mask(nsid) & (1 << event)) !== 0) return false;
    this.#count++;
    this.#notices.push({ count: this.#count, event, nsid });
    if (this.#notices.length > NOTICES_MAX) this.#notices.shift();
    return true;
  }

  /** The oldest notification; an empty page where there is none. */
  page(): Uint8Array {
    const [oldest] = this.#notices;
    if (oldest === undefined) return encoded(ReservationNotification, {});
    return encoded(ReservationNotification, {
      lpc: BigInt(oldest.count),
      rnlpt: oldest.event,
      nalp: this.#notices.length - 1,
      nsid: oldest.nsid,
    });
  }

  /** The host has read the oldest one. */
  wasRead(): void {
    this.#notices.shift();
  }

  /** The controller was reset. */
  clear(): void {
    this.#notices.length = 0;
    this.#masks.clear();
  }
}

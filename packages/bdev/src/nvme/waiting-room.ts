// Requests that cannot go now: each waits for room, for a path or for its time, and none is lost.
// Read first: multipath-channel.ts, its one user. Bounded by the channel's own limit of requests.

import type { QueuePair } from "@nvmeof/core";
import type { Clock, Timer } from "@nvmeof/transport";
import type { Slot } from "./multipath-channel.ts";

/** Holds slots in the order in which they came. */
export class WaitingRoom {
  readonly #clock: Clock;
  readonly #send: (slot: Slot) => void;
  /** For room in a queue, or for a path: they go when something changes. */
  #blocked: Slot[] = [];
  /** Until their moment, earliest first; then they are as any other. */
  #timed: Slot[] = [];
  #timer: Timer | undefined;
  #timerAtMs = Infinity;
  #kicked: "no" | "yes" = "no";
  #asked: "no" | "yes" = "no";

  constructor(clock: Clock, send: (slot: Slot) => void) {
    this.#clock = clock;
    this.#send = send;
  }

  get size(): number {
    return this.#blocked.length + this.#timed.length;
  }

  /** Whether new requests have to queue up behind those that wait. */
  get blocks(): boolean {
    return this.#blocked.length > 0;
  }

  /** Behind all that wait already. */
  add(slot: Slot): void {
    this.#blocked.push(slot);
  }

  /** Until `queue` has room. */
  forRoom(slot: Slot, queue: QueuePair): void {
    this.#blocked.push(slot);
    if (this.#asked === "yes") return;
    this.#asked = "yes";
    queue.whenRoom(() => {
      this.#asked = "no";
      this.roomCame();
    });
  }

  /** Until a path improves, or the last hope is gone: whoever knows calls `kick`. */
  forPath(slot: Slot): void {
    this.#blocked.push(slot);
  }

  /** Until `atMs`; a moment that has passed means after the current callback. */
  until(slot: Slot, atMs: number): void {
    slot.notBeforeMs = atMs;
    let at = this.#timed.length;
    while (at > 0 && this.#timed[at - 1]!.notBeforeMs > atMs) at--;
    this.#timed.splice(at, 0, slot);
    if (atMs <= this.#clock.nowMs()) this.kick();
    else this.#arm();
  }

  /** Something changed: everybody whose time has come is tried again, after the current callback. */
  kick(): void {
    if (this.#kicked === "yes" || this.size === 0) return;
    this.#kicked = "yes";
    this.#clock.defer(() => {
      this.#kicked = "no";
      this.#tryAll();
    });
  }

  /** A command has ended, so there is room for one of those that wait for it. */
  roomCame(): void {
    const first = this.#blocked.shift();
    if (first === undefined) return;
    const others = this.#blocked.length;
    this.#send(first);
    // Blocked again: it keeps its place, the first.
    if (this.#blocked.length > others) this.#blocked.unshift(this.#blocked.pop()!);
  }

  /** Gives all that wait to `end`: nobody waits any more. */
  flush(end: (slot: Slot) => void): void {
    this.#timer?.cancel();
    this.#timerAtMs = Infinity;
    const all = [...this.#blocked, ...this.#timed];
    this.#blocked = [];
    this.#timed = [];
    for (const slot of all) end(slot);
  }

  #tryAll(): void {
    const nowMs = this.#clock.nowMs();
    let due = 0;
    while (due < this.#timed.length && this.#timed[due]!.notBeforeMs <= nowMs) due++;
    // Retries are older than what waits for room: they go first.
    const ready = [...this.#timed.splice(0, due), ...this.#blocked];
    this.#blocked = [];
    for (const slot of ready) {
      // Once one is blocked again the rest keep their places behind it.
      if (this.#blocked.length > 0) this.#blocked.push(slot);
      else this.#send(slot);
    }
    this.#arm();
  }

  #arm(): void {
    const atMs = this.#timed[0]?.notBeforeMs ?? Infinity;
    if (atMs === this.#timerAtMs) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerAtMs = atMs;
    if (atMs === Infinity) return;
    this.#timer = this.#clock.at(atMs, () => {
      this.#timer = undefined;
      this.#timerAtMs = Infinity;
      this.#tryAll();
    });
  }
}

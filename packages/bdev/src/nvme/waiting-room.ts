// Requests that cannot go now: each waits for room, for a path or for its time, and none is lost.
// Read first: multipath-channel.ts, its one user. Bounded by the channel's own limit of requests.

import type { QueuePair } from "@nvmeof/core";
import type { Clock, Timer } from "@nvmeof/transport";
import type { Fence, FenceWaiter } from "./fence.ts";
import { type Slot, SlotPhase } from "./slot.ts";

/** What has room for commands, or will have. */
export type Room = Pick<QueuePair, "whenRoom">;

/** Who runs the room. */
export interface WaitingRoomOwner {
  /** Sends a slot, or puts it back here. */
  send(slot: Slot): void;
  /** Whether nothing can be sent, now or by waiting: then all are turned away. */
  readonly isHopeless: boolean;
  /** Ends a slot that has waited in vain. */
  turnAway(slot: Slot): void;
  /** Ends a slot that was held behind a fence which nobody can open. */
  unfenced(slot: Slot): void;
}

/** Whether a queue was asked to tell of room, and the task that it is given. */
interface Asked {
  readonly task: () => void;
  phase: "idle" | "waiting";
}

/** Holds slots in the order in which they came. */
export class WaitingRoom implements FenceWaiter {
  readonly #clock: Clock;
  readonly #owner: WaitingRoomOwner;
  readonly #patienceMs: number;
  /** For room in a queue, or for a path: they go when something changes. */
  #blocked: Slot[] = [];
  /** Until their moment, earliest first; then they are as any other. */
  #timed: Slot[] = [];
  /** Behind fences, in the order in which they came: they go when their fence is over. */
  #held: Slot[] = [];
  /** From when on the first of the blocked has found no path; Infinity while there is one. */
  #pathlessSinceMs = Infinity;
  #timer: Timer | undefined;
  #timerAtMs = Infinity;
  #kicked: "no" | "yes" = "no";
  /** Queues that were asked at any time; each has one task, used again and again. */
  readonly #asked = new WeakMap<Room, Asked>();

  /** @param patienceMs longest time without any path, after which all are turned away. */
  constructor(clock: Clock, owner: WaitingRoomOwner, patienceMs: number) {
    this.#clock = clock;
    this.#owner = owner;
    this.#patienceMs = patienceMs;
  }

  get size(): number {
    return this.#blocked.length + this.#timed.length + this.#held.length;
  }

  /** Whether new requests have to queue up behind those that wait. */
  get blocks(): boolean {
    return this.#blocked.length > 0;
  }

  /** Behind all that wait already. */
  add(slot: Slot): void {
    slot.phase = SlotPhase.Waiting;
    this.#blocked.push(slot);
  }

  /** Until one of `queues` has room, or is gone. */
  forRoom(slot: Slot, queues: readonly Room[]): void {
    this.add(slot);
    this.#pathlessSinceMs = Infinity;
    for (const queue of queues) this.#ask(queue);
  }

  /** Until a path improves, or the last hope is gone: whoever knows calls `kick`. */
  forPath(slot: Slot): void {
    this.add(slot);
    if (this.#pathlessSinceMs !== Infinity) return;
    this.#pathlessSinceMs = this.#clock.nowMs();
    this.#arm();
  }

  /** Until `fence` is over. Its time budget does not run out behind it: the fence has its own bound. */
  forFence(slot: Slot, fence: Fence): void {
    if (fence.hold(this) === "over") {
      this.#freed(slot, fence);
      return;
    }
    slot.phase = SlotPhase.Held;
    slot.fence = fence;
    this.#held.push(slot);
  }

  fenceOver(fence: Fence): void {
    const freed = this.#held.filter((slot) => slot.fence === fence);
    this.#held = this.#held.filter((slot) => slot.fence !== fence);
    for (const slot of freed) this.#freed(slot, fence);
  }

  /** Until `atMs`; a moment that has passed means after the current callback. */
  until(slot: Slot, atMs: number): void {
    slot.phase = SlotPhase.Waiting;
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

  /** Takes out a slot that is not to be sent any more. */
  remove(slot: Slot): void {
    this.#blocked = this.#blocked.filter((other) => other !== slot);
    this.#timed = this.#timed.filter((other) => other !== slot);
    this.#held = this.#held.filter((other) => other !== slot);
    slot.fence?.leave();
    // Who stands first now may wait for something else.
    this.kick();
    this.#arm();
  }

  /** Gives all that wait to `end`: nobody waits any more. */
  flush(end: (slot: Slot) => void): void {
    const all = [...this.#held, ...this.#timed, ...this.#blocked];
    this.#blocked = [];
    this.#timed = [];
    this.#held = [];
    this.#pathlessSinceMs = Infinity;
    this.#arm();
    for (const slot of all) {
      slot.fence?.leave();
      end(slot);
    }
  }

  #freed(slot: Slot, fence: Fence): void {
    slot.fence = undefined;
    if (fence.state.phase === "released") this.until(slot, this.#clock.nowMs());
    else this.#owner.unfenced(slot);
  }

  /** Behind all others who wait for room in `queue`, once. */
  #ask(queue: Room): void {
    let asked = this.#asked.get(queue);
    if (asked === undefined) {
      const made: Asked = { phase: "idle", task: () => this.#roomCame(queue, made) };
      this.#asked.set(queue, made);
      asked = made;
    }
    if (asked.phase === "waiting") return;
    asked.phase = "waiting";
    queue.whenRoom(asked.task);
  }

  /** There is room for one command, or the queue is gone: the first in line looks which. */
  #roomCame(queue: Room, asked: Asked): void {
    asked.phase = "idle";
    const first = this.#blocked.shift();
    if (first === undefined) return;
    const others = this.#blocked.length;
    this.#owner.send(first);
    // Blocked again: it keeps its place, the first.
    if (this.#blocked.length > others) this.#blocked.unshift(this.#blocked.pop()!);
    else if (others > 0) this.#ask(queue);
    this.#arm();
  }

  #tryAll(): void {
    if (this.#owner.isHopeless) {
      this.flush((slot) => this.#owner.turnAway(slot));
      return;
    }
    const nowMs = this.#clock.nowMs();
    const due = this.#timed.findIndex(({ notBeforeMs }) => notBeforeMs > nowMs);
    // Retries are older than what waits for room: they go first.
    const retries = this.#timed.splice(0, due === -1 ? this.#timed.length : due);
    const ready = [...retries, ...this.#blocked];
    const sinceMs = this.#pathlessSinceMs;
    this.#blocked = [];
    this.#pathlessSinceMs = Infinity;
    for (const slot of ready) {
      // Once one is blocked again the rest keep their places behind it.
      if (this.#blocked.length > 0) this.add(slot);
      else this.#owner.send(slot);
    }
    // Still without any path: that counts from when it began.
    if (this.#pathlessSinceMs !== Infinity) {
      this.#pathlessSinceMs = Math.min(this.#pathlessSinceMs, sinceMs);
    }
    if (nowMs >= this.#pathlessSinceMs + this.#patienceMs) {
      const all = this.#blocked;
      this.#blocked = [];
      for (const slot of all) this.#owner.turnAway(slot);
    }
    this.#arm();
  }

  #arm(): void {
    if (this.#blocked.length === 0) this.#pathlessSinceMs = Infinity;
    const dueMs = this.#timed[0]?.notBeforeMs ?? Infinity;
    const atMs = Math.min(dueMs, this.#pathlessSinceMs + this.#patienceMs);
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

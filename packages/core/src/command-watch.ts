// Those who watch the commands of a controller: for meters and traces, on the hot path.
// Read first: command-table.ts, which tells of ends; queue-pair.ts, which tells of beginnings.

import type { NvmeofError } from "@nvmeof/codec";

/**
 * Sees the commands of one queue. Called for each of them, so that it may neither allocate nor take its
 * time; what it throws is thrown again in a task of its own.
 */
export interface QueueWatcher {
  /** A command is about to be sent. `sqe` is valid during the call; `dataBytes` is what it may transfer. */
  started(cid: number, sqe: DataView, dataBytes: number): void;
  /**
   * Its caller is about to be settled, with `error` or with success. Once for each that was started; also
   * for one that was under way when the watching began, so that `started` was not seen.
   */
  ended(cid: number, error: NvmeofError | undefined): void;
}

/** Sees the commands of a controller, or of several. */
export interface CommandWatcher {
  /** What is to see those of a queue. CIDs are below `slots`; QID 0 is the admin queue. */
  queue(qid: number, slots: number): QueueWatcher;
}

/** A queue that can be watched. */
export interface WatchedQueue {
  readonly qid: number;
  /** Most commands in flight. */
  readonly depth: number;
  watcher: QueueWatcher | undefined;
}

/** Two or more as one. */
class Several implements QueueWatcher {
  readonly #watchers: readonly QueueWatcher[];

  constructor(watchers: readonly QueueWatcher[]) {
    this.#watchers = watchers;
  }

  started(cid: number, sqe: DataView, dataBytes: number): void {
    for (const watcher of this.#watchers) watcher.started(cid, sqe, dataBytes);
  }

  ended(cid: number, error: NvmeofError | undefined): void {
    for (const watcher of this.#watchers) watcher.ended(cid, error);
  }
}

/** The watchers of one controller, and what each has for each of its queues. */
export class CommandWatchers {
  readonly #watchers = new Set<CommandWatcher>();
  /** A queue that is gone is forgotten with all that watched it. */
  readonly #made = new WeakMap<WatchedQueue, Map<CommandWatcher, QueueWatcher>>();

  /** A queue was made. */
  attach(queue: WatchedQueue): void {
    if (this.#watchers.size > 0) this.#update(queue);
  }

  /** @param queues those that there are now. Returns how to end it. */
  add(watcher: CommandWatcher, queues: () => readonly WatchedQueue[]): () => void {
    this.#watchers.add(watcher);
    for (const queue of queues()) this.#update(queue);
    return () => {
      if (!this.#watchers.delete(watcher)) return;
      for (const queue of queues()) this.#update(queue);
    };
  }

  #update(queue: WatchedQueue): void {
    const before = this.#made.get(queue);
    const now = new Map<CommandWatcher, QueueWatcher>();
    for (const watcher of this.#watchers) {
      now.set(watcher, before?.get(watcher) ?? watcher.queue(queue.qid, queue.depth));
    }
    this.#made.set(queue, now);
    const all = [...now.values()];
    queue.watcher = all.length > 1 ? new Several(all) : all[0];
  }
}

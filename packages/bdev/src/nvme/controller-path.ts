// A controller as a way to namespaces: finds them, keeps what it knows of them true, and says so.
// Read first: steps.ts; Base 2.0 §5.2 "Asynchronous Event Request command", notices; DESIGN.md §4.

import {
  AsyncEventType,
  AsyncNoticeInfo,
  type AsyncEvent,
  type Decoded,
  type NvmeofError,
  dnrOf,
} from "@nvmeof/codec";
import {
  type Controller,
  type ControllerEvent,
  type NamespaceFacts,
  type QueuePair,
  type RunningSequence,
  type Sequence,
  runSequence,
} from "@nvmeof/core";
import type { Timer } from "@nvmeof/transport";
import { AbortList } from "./abort-list.ts";
import { AnaWatch } from "./ana-watch.ts";
import { ControllerCounters, type ControllerStatistics } from "./controller-statistics.ts";
import type { Fence } from "./fence.ts";
import { type FencedPath, type Fences, fenceTimeMs } from "./fences.ts";
import type { NamespacePath } from "./namespace-path.ts";
import { ResetSource } from "./reset-source.ts";
import { activeNamespaces, anaLog, changedNamespaces, namespaceOf, nvmLimits } from "./steps.ts";

/** What a controller path tells the group that it belongs to. */
export interface ControllerPathEvents {
  /** A namespace was found, or found again, on this connection. */
  found(path: ControllerPath, facts: NamespaceFacts): void;
  /** A namespace that was known is not there any more. */
  gone(path: ControllerPath, nsid: number): void;
  /** What the controller says of a namespace makes no sense; others are not concerned. */
  unreadable(path: ControllerPath, nsid: number, error: NvmeofError): void;
  /**
   * All namespaces of a new connection have been looked at, or `error` says why not. In that case
   * it is tried again.
   */
  scanned(path: ControllerPath, error: NvmeofError | undefined): void;
  /** The controller is on its way out; its paths are of no use from now on. */
  closing(path: ControllerPath, reason: NvmeofError | undefined): void;
}

/** Wait before a failed scan is tried again, ms; doubled each time, up to the maximum. */
const RETRY_MS = 1_000;
const RETRY_MAX_MS = 10_000;

/** Largest NVM commands without data, as the controller says. */
export interface NvmLimits {
  readonly zeroesBytesMax: number;
  readonly verifyBytesMax: number;
  readonly rangeBlocksMax: number;
}

/**
 * One controller of a group: its namespaces as paths, its ANA states, and its part in resets of
 * others.
 */
export class ControllerPath implements FencedPath {
  readonly controller: Controller;
  readonly ana: AnaWatch;
  /** The controller as one that resets others. */
  readonly source: ResetSource;
  /** Paths to namespaces, by NSID. */
  readonly namespaces = new Map<number, NamespacePath>();
  readonly #events: ControllerPathEvents;
  readonly #fences: Fences;
  readonly #aborts: AbortList;
  readonly #counters = new ControllerCounters();
  readonly #stopObserving: () => void;
  #scan: RunningSequence | undefined;
  /** NSIDs to look at after the scan under way; "all" for a scan of everything. */
  #next: "none" | "changed" | "all" = "none";
  /** The controller tells of no further change before its log of changed namespaces is read. */
  #changes: "told" | "read" = "read";
  #retry: Timer | undefined;
  #retryMs = RETRY_MS;
  /** Behind it wait requests that the current connection took, or the last one. */
  #fence: Fence | undefined;
  #nvm: NvmLimits | undefined;

  constructor(controller: Controller, events: ControllerPathEvents, fences: Fences) {
    this.controller = controller;
    this.#events = events;
    this.#fences = fences;
    this.source = new ResetSource(controller, () => fences.askAgain());
    this.#aborts = new AbortList(controller);
    this.ana = new AnaWatch(controller, () => {
      for (const path of this.namespaces.values()) path.anaRead();
    });
    this.#stopObserving = controller.observe((event) => this.#observe(event));
    if (controller.state === "live") this.#connected();
  }

  /** What the controller went through so far. */
  get statistics(): ControllerStatistics {
    return this.#counters.snapshot();
  }

  /** Whether the controller takes I/O commands now. */
  get accepts(): boolean {
    return this.controller.ioQueues.length > 0;
  }

  /** What may be hoped for from a controller that takes no commands now. */
  get prospect(): "may-come-back" | "given-up" | "ending" {
    const { controller } = this;
    if (controller.mayComeBack) return "may-come-back";
    const stays = controller.state !== "closing" && controller.state !== "closed";
    return stays && !controller.closeRequested ? "given-up" : "ending";
  }

  /** Behind it wait writes of which nobody knows whether this connection will do them yet. */
  get fence(): Fence {
    this.#fence ??= this.#fences.fence(this);
    return this.#fence;
  }

  /** Time after which the fence is over by itself, ms; undefined where there is no such time. */
  get fenceMs(): number | undefined {
    const timeMs = fenceTimeMs(this.controller);
    return timeMs === Infinity ? undefined : timeMs;
  }

  /** Whether what waits behind the fence has a chance to get out again. */
  get fenceHopes(): boolean {
    return this.#fences.hopes(this.fence, this);
  }

  /** Limits of commands without data; without word of the controller, those of a transfer. */
  get nvm(): NvmLimits {
    const { transferBytesMax } = this.controller.facts!;
    return (
      this.#nvm ?? {
        zeroesBytesMax: transferBytesMax,
        verifyBytesMax: transferBytesMax,
        rangeBlocksMax: Infinity,
      }
    );
  }

  /** Looks at all namespaces again: for those who have reason to doubt what is known. */
  rescan(): void {
    if (this.controller.state === "live") this.#wanted("all");
  }

  /** Gives up a command whose caller was settled. */
  abort(queue: QueuePair, cid: number): void {
    this.#aborts.add(queue, cid);
  }

  /** The path is taken out of its group. */
  release(): void {
    this.#disconnected();
    this.#stopObserving();
    for (const path of this.namespaces.values()) path.remove();
    this.namespaces.clear();
  }

  #observe(event: ControllerEvent): void {
    if (event.type === "state") this.#counters.changed(event);
    if (event.type === "async-event") this.#asyncEvent(event.event);
    else if (event.type === "fast-fail") this.#updateAll();
    else if (event.type === "closing") this.#events.closing(this, event.reason);
    else if (event.type === "state" && event.to !== "closing") {
      if (event.from === "live") this.#disconnected();
      if (event.to === "live") this.#connected();
      else this.#updateAll();
    }
  }

  #asyncEvent({ aet, aei }: Decoded<typeof AsyncEvent>): void {
    if (aet !== AsyncEventType.Notice) return;
    if (aei === AsyncNoticeInfo.NamespaceAttributeChanged) {
      this.#changes = "told";
      this.#wanted("changed");
    } else if (aei === AsyncNoticeInfo.AnaChange) this.ana.refresh();
    else if (aei === AsyncNoticeInfo.CcrCompleted) this.source.completed();
  }

  #connected(): void {
    this.#retryMs = RETRY_MS;
    this.#fence = undefined;
    this.#fences.connected(this);
    this.#wanted("all");
  }

  #disconnected(): void {
    this.source.stop();
    this.#scan?.cancel();
    this.#scan = undefined;
    this.#next = "none";
    this.#changes = "read";
    this.#retry?.cancel();
    this.#retry = undefined;
    this.#nvm = undefined;
    this.#aborts.clear();
    this.ana.stop();
    for (const path of this.namespaces.values()) path.disconnected();
  }

  /** What users decide by may have changed without any rank having changed. */
  #updateAll(): void {
    for (const path of this.namespaces.values()) path.user?.pathWorsened(path);
  }

  #wanted(what: "changed" | "all"): void {
    if (this.#scan !== undefined) {
      // An event during a scan: what the scan has seen may be older than it.
      if (this.#next !== "all") this.#next = what;
      return;
    }
    // A scan that failed is owed still: an event does not make it one of what has changed.
    const all = what === "all" || this.#retry !== undefined;
    this.#retry?.cancel();
    this.#retry = undefined;
    const sequence = all ? this.#scanAll() : this.#scanChanged();
    this.#scan = runSequence(this.controller.options.clock, sequence, (error) => {
      this.#scan = undefined;
      if (error !== undefined) {
        this.#events.scanned(this, error);
        this.#retryLater();
      } else if (this.#next !== "none") {
        const next = this.#next;
        this.#next = "none";
        this.#wanted(next);
      }
    });
  }

  #retryLater(): void {
    if (this.controller.state !== "live") return;
    const { clock } = this.controller.options;
    this.#retry = clock.at(clock.nowMs() + this.#retryMs, () => this.#wanted("all"));
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS);
  }

  /** ANA first: a path is not used before it is known whether it may be. */
  *#scanAll(): Sequence<void> {
    const unread = yield* this.#allowChanges();
    if (this.ana.reports) {
      try {
        this.ana.give(yield* anaLog(this.controller));
      } catch {
        this.ana.give(undefined);
      }
    }
    const nsids = yield* activeNamespaces(this.controller);
    const active = new Set(nsids);
    for (const nsid of this.namespaces.keys()) {
      if (!active.has(nsid)) this.#events.gone(this, nsid);
    }
    const failure = yield* this.#lookAt(nsids);
    yield* this.#readLimits();
    this.#events.scanned(this, undefined);
    if (failure !== undefined) throw failure;
    if (unread !== undefined) throw unread;
    this.#retryMs = RETRY_MS;
  }

  /**
   * Reads the log of changed namespaces if there was an event, before anything is looked at: what
   * changes after that brings another event. Whatever it says, all are looked at. Returns why the
   * controller may tell of nothing more, which is to be tried again.
   */
  *#allowChanges(): Sequence<NvmeofError | undefined> {
    if (this.#changes === "read") return undefined;
    try {
      yield* this.#readChanges();
    } catch (thrown) {
      const error = thrown as NvmeofError;
      if (error.code !== "NVME_ERR_STATUS") throw error;
      if (!dnrOf(error.status ?? 0)) return error;
      // It has no such log after all.
      this.#changes = "read";
    }
    return undefined;
  }

  *#readChanges(): Sequence<number[] | "overflow"> {
    // Before the answer: the next event may come right behind it.
    this.#changes = "read";
    try {
      return yield* changedNamespaces(this.controller);
    } catch (error) {
      this.#changes = "told";
      throw error;
    }
  }

  *#readLimits(): Sequence<void> {
    const limits = yield* nvmLimits(this.controller);
    if (limits === undefined) return;
    const { cap } = this.controller.facts!;
    const pageBytes = 2 ** (12 + ((cap.high >>> 16) & 0xf));
    const bytes = (power: number): number => (power === 0 ? Infinity : pageBytes * 2 ** power);
    this.#nvm = {
      zeroesBytesMax: bytes(limits.wzsl),
      verifyBytesMax: bytes(limits.vsl),
      rangeBlocksMax: limits.dmrsl || Infinity,
    };
    for (const path of this.namespaces.values()) path.limitsRead();
  }

  *#scanChanged(): Sequence<void> {
    const changed = yield* this.#readChanges();
    if (changed === "overflow") {
      yield* this.#scanAll();
      return;
    }
    const failure = yield* this.#lookAt(changed);
    if (failure !== undefined) throw failure;
  }

  /** What is wrong with one namespace is no reason to leave out the others. */
  *#lookAt(nsids: readonly number[]): Sequence<NvmeofError | undefined> {
    let failure: NvmeofError | undefined;
    for (const nsid of nsids) {
      try {
        const facts = yield* namespaceOf(this.controller, nsid);
        if (facts !== undefined) this.#events.found(this, facts);
        else if (this.namespaces.has(nsid)) this.#events.gone(this, nsid);
      } catch (thrown) {
        const error = thrown as NvmeofError;
        if (error.code === "NVME_ERR_PARSE") this.#events.unreadable(this, nsid, error);
        else if (error.code === "NVME_ERR_STATUS") failure = error;
        else throw error;
      }
    }
    return failure;
  }
}

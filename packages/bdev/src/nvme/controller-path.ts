// A controller as a way to namespaces: finds them, keeps what it knows of them true, and says so.
// Read first: steps.ts; Base 2.0 §5.2 "Asynchronous Event Request command", notices; DESIGN.md §4.

import {
  AsyncEventType,
  AsyncNoticeInfo,
  type AsyncEvent,
  type Decoded,
  type NvmeofError,
} from "@nvmeof/codec";
import {
  type Controller,
  type ControllerEvent,
  type NamespaceFacts,
  type RunningSequence,
  type Sequence,
  runSequence,
} from "@nvmeof/core";
import type { Timer } from "@nvmeof/transport";
import { AnaWatch } from "./ana-watch.ts";
import type { NamespacePath } from "./namespace-path.ts";
import { activeNamespaces, anaLog, changedNamespaces, namespaceOf } from "./steps.ts";

/** What a controller path tells the group that it belongs to. */
export interface ControllerPathEvents {
  /** A namespace was found, or found again, on this connection. */
  found(path: ControllerPath, facts: NamespaceFacts): void;
  /** A namespace that was known is not there any more. */
  gone(path: ControllerPath, nsid: number): void;
  /** All namespaces of a new connection have been looked at. */
  scanned(path: ControllerPath): void;
  /** The controller is on its way out; its paths are of no use from now on. */
  closing(path: ControllerPath, reason: NvmeofError | undefined): void;
}

/** Wait before a failed scan is tried again, ms; doubled each time, up to the maximum. */
const RETRY_MS = 1_000;
const RETRY_MAX_MS = 10_000;
/** Commands of a lost connection may still change data for this many keep-alive timeouts. */
const FENCE_KATO_FACTOR = 2;

export class ControllerPath {
  readonly controller: Controller;
  readonly ana: AnaWatch;
  /** Paths to namespaces, by NSID. */
  readonly namespaces = new Map<number, NamespacePath>();
  readonly #events: ControllerPathEvents;
  readonly #stopObserving: () => void;
  #scan: RunningSequence | undefined;
  /** NSIDs to look at after the scan under way; "all" for a scan of everything. */
  #next: "none" | "changed" | "all" = "none";
  #retry: Timer | undefined;
  #retryMs = RETRY_MS;
  #lostMs = -Infinity;

  constructor(controller: Controller, events: ControllerPathEvents) {
    this.controller = controller;
    this.#events = events;
    this.ana = new AnaWatch(controller, () => {
      for (const path of this.namespaces.values()) path.anaRead();
    });
    this.#stopObserving = controller.observe((event) => this.#observe(event));
    if (controller.state === "live") this.#connected();
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

  /**
   * From this moment on a command that the last connection took can no longer change data, by the
   * time bound of the specification: twice KATO, and the time that the controller needs to quiesce.
   */
  get fencedMs(): number {
    const { facts } = this.controller;
    if (facts === undefined) return -Infinity;
    return this.#lostMs + FENCE_KATO_FACTOR * facts.keepAliveTimeoutMs + facts.identify.cqt;
  }

  /** Looks at all namespaces again: for those who have reason to doubt what is known. */
  rescan(): void {
    this.#wanted("all");
  }

  /** The path is taken out of its group. */
  release(): void {
    this.#disconnected();
    this.#stopObserving();
    for (const path of this.namespaces.values()) path.remove();
    this.namespaces.clear();
  }

  #observe(event: ControllerEvent): void {
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
    if (aei === AsyncNoticeInfo.NamespaceAttributeChanged) this.#wanted("changed");
    else if (aei === AsyncNoticeInfo.AnaChange) this.ana.refresh();
  }

  #connected(): void {
    this.#retryMs = RETRY_MS;
    this.#wanted("all");
  }

  #disconnected(): void {
    this.#lostMs = this.controller.options.clock.nowMs();
    this.#scan?.cancel();
    this.#scan = undefined;
    this.#next = "none";
    this.#retry?.cancel();
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
    this.#retry?.cancel();
    const sequence = what === "all" ? this.#scanAll() : this.#scanChanged();
    this.#scan = runSequence(this.controller.options.clock, sequence, (error) => {
      this.#scan = undefined;
      if (error !== undefined) this.#retryLater();
      else if (this.#next !== "none") {
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
    for (const nsid of nsids) yield* this.#look(nsid);
    this.#events.scanned(this);
  }

  *#scanChanged(): Sequence<void> {
    const changed = yield* changedNamespaces(this.controller);
    if (changed === "overflow") yield* this.#scanAll();
    else for (const nsid of changed) yield* this.#look(nsid);
  }

  *#look(nsid: number): Sequence<void> {
    const facts = yield* namespaceOf(this.controller, nsid);
    if (facts !== undefined) this.#events.found(this, facts);
    else if (this.namespaces.has(nsid)) this.#events.gone(this, nsid);
  }
}

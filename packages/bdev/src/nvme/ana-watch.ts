// What a controller's ANA log says, kept current: read on events, on doubt, and again after a failure.
// Read first: Base 2.0 §8.1 "Asymmetric Namespace Access Reporting"; spdk-bdev-nvme.md §2.13.

import { type AnaLog, AnaState, Cmic } from "@nvmeof/codec";
import { type Controller, type RunningSequence, runSequence } from "@nvmeof/core";
import type { Timer } from "@nvmeof/transport";
import { anaLog } from "./steps.ts";

/** Wait before a failed read is tried again, ms; doubled each time, up to the maximum. */
const RETRY_MS = 1_000;
const RETRY_MAX_MS = 10_000;

const states: ReadonlySet<number> = new Set(Object.values(AnaState));

/** Reads the ANA log of one controller. */
export class AnaWatch {
  readonly #controller: Controller;
  readonly #changed: () => void;
  /** State of each group, from the last log that was read; empty before the first. */
  #groups = new Map<number, number>();
  #groupOfNsid = new Map<number, number>();
  /** Change count of the last log: an older one is not believed. */
  #chgcnt = 0n;
  /** Change count of a log that was not believed. */
  #distrusted: bigint | undefined;
  #reading: RunningSequence | undefined;
  /** Something happened during the read: what it gives may be older than that. */
  #again: "no" | "yes" = "no";
  #retry: Timer | undefined;
  #retryMs = RETRY_MS;

  /** @param changed called after each read that succeeded. */
  constructor(controller: Controller, changed: () => void) {
    this.#controller = controller;
    this.#changed = changed;
  }

  /** Whether the controller reports ANA at all. Without it every path is optimized. */
  get reports(): boolean {
    const facts = this.#controller.facts;
    return facts !== undefined && (facts.identify.cmic & Cmic.Ana) !== 0;
  }

  /** Time that a change of state may take, ms. */
  get transitionMs(): number {
    return (this.#controller.facts?.identify.anatt ?? 0) * 1000;
  }

  /** State of a namespace; undefined while it is not known. `group` is what Identify says. */
  stateOf(nsid: number, group: number): AnaState | undefined {
    if (!this.reports) return AnaState.Optimized;
    const state = this.#groups.get(this.#groupOfNsid.get(nsid) ?? group);
    return state as AnaState | undefined;
  }

  /** Reads the log, now or after the read that is under way. */
  refresh(): void {
    if (!this.reports || this.#controller.state !== "live") return;
    if (this.#reading !== undefined) {
      this.#again = "yes";
      return;
    }
    this.#retry?.cancel();
    this.#retry = undefined;
    this.#again = "no";
    const { clock } = this.#controller.options;
    this.#reading = runSequence(clock, anaLog(this.#controller), (_error, log) => {
      this.#reading = undefined;
      this.give(log);
    });
  }

  /** The connection is gone: what is known is no longer true, and nothing is read. */
  stop(): void {
    this.#reading?.cancel();
    this.#reading = undefined;
    this.#again = "no";
    this.#retry?.cancel();
    this.#retry = undefined;
    this.#forget();
    this.#chgcnt = 0n;
    this.#distrusted = undefined;
    this.#retryMs = RETRY_MS;
  }

  /** Takes a log that somebody else has read, or the news that it could not be read. */
  give(log: AnaLog | undefined): void {
    if (log === undefined) this.#failed();
    else this.#read(log);
  }

  #read(log: AnaLog): void {
    this.#retryMs = RETRY_MS;
    if (this.#isBelieved(log)) this.#take(log);
    else this.#again = "yes";
    // An event during the read, or a log from the past: read once more.
    if (this.#again === "yes") this.refresh();
    this.#changed();
  }

  /** A count that went backwards is of an old log, unless the controller insists on it. */
  #isBelieved(log: AnaLog): boolean {
    const stale = log.chgcnt < this.#chgcnt;
    const insists = this.#distrusted !== undefined && log.chgcnt >= this.#distrusted;
    this.#distrusted = stale && !insists ? log.chgcnt : undefined;
    return !stale || insists;
  }

  #take(log: AnaLog): void {
    this.#chgcnt = log.chgcnt;
    this.#forget();
    for (const group of log.groups) {
      // A reserved state gives no access, and is expected to end: so does a change.
      const state = states.has(group.state) ? group.state : AnaState.Change;
      this.#groups.set(group.anagrpid, state);
      for (const nsid of group.nsids) this.#groupOfNsid.set(nsid, group.anagrpid);
    }
  }

  #forget(): void {
    this.#groups.clear();
    this.#groupOfNsid.clear();
  }

  /** What was known may be true no longer: unknown, usable as a last resort, healed by reading again. */
  #failed(): void {
    const { clock } = this.#controller.options;
    this.#forget();
    this.#retry?.cancel();
    this.#retry = clock.at(clock.nowMs() + this.#retryMs, () => this.refresh());
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS);
    this.#changed();
  }
}

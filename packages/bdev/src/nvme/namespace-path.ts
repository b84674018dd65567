// One way to a namespace: a controller, an NSID, and how good the way is now.
// Read first: path-policy.ts for ranks; Base 2.0 §8.1.3 "Asymmetric Namespace Access States".

import { AnaState } from "@nvmeof/codec";
import type { NamespaceFacts, QueuePair } from "@nvmeof/core";
import type { Timer } from "@nvmeof/transport";
import { BlockOp } from "../block-device.ts";
import type { PathOutlook } from "./availability.ts";
import { COMMAND_BLOCKS_MAX, RANGE_BLOCKS_MAX } from "./command.ts";
import type { ControllerPath } from "./controller-path.ts";
import { type PathCandidate, Rank } from "./path-policy.ts";
import { publishAnaChange } from "./ana-change.ts";
import { PathCounters, type PathStatistics } from "./path-statistics.ts";

/** What the device that the path leads to wants to hear. */
export interface PathUser {
  /** The path became better: requests that wait may go. */
  pathImproved(path: NamespacePath): void;
  /** The path became worse: requests that wait may have to be failed. */
  pathWorsened(path: NamespacePath): void;
}

export class NamespacePath implements PathCandidate {
  readonly controllerPath: ControllerPath;
  readonly nsid: number;
  facts: NamespaceFacts;
  /** The device that the path is part of. */
  user: PathUser | undefined;
  /** Commands in flight on this path, of all channels. */
  inflight = 0;
  readonly counters: PathCounters;
  #rank: Rank = Rank.Unusable;
  /**
   * `verified`: this connection has said that the namespace is still the one that it was. Before
   * that nothing is sent: an NSID may lead to other data after a reconnect.
   */
  #identity: "unverified" | "verified" = "unverified";
  /** An ANA error contradicts what we hold the state to be: unusable until the log was read. */
  #ana: "trusted" | "doubted" = "trusted";
  /** Since when the ANA state gives no access, ms; Infinity while it does. */
  #unusableSinceMs = Infinity;
  #transition: { readonly atMs: number; readonly timer: Timer } | "over" | undefined;
  #state: AnaState | undefined;
  /** Most blocks of one command, by operation: what the connection allows. */
  #blocksMax: readonly number[] = [];

  constructor(controllerPath: ControllerPath, facts: NamespaceFacts) {
    this.controllerPath = controllerPath;
    this.nsid = facts.nsid;
    this.facts = facts;
    this.counters = new PathCounters(controllerPath.controller.options.clock);
    this.#limit();
  }

  get rank(): Rank {
    return this.#rank;
  }

  /** ANA state as last read; undefined while it is not known. */
  get anaState(): AnaState | undefined {
    return this.#state;
  }

  /** Most bytes of one transfer. */
  get transferBytesMax(): number {
    return this.controllerPath.controller.facts!.transferBytesMax;
  }

  get outlook(): PathOutlook {
    const connected = this.controllerPath.accepts;
    const lost = this.#state === AnaState.PersistentLoss || this.#transition === "over";
    const accessible = this.#state === undefined || this.#state <= AnaState.NonOptimized;
    return {
      controller: connected ? "here" : this.controllerPath.prospect,
      ana: connected && lost ? "for-good" : accessible ? "accessible" : "for-a-while",
    };
  }

  /** What the path has carried so far. */
  get statistics(): PathStatistics {
    return this.counters.snapshot();
  }

  /** The queue that serves `lane`; undefined when the path is not connected. */
  queue(lane: number): QueuePair | undefined {
    const queues = this.controllerPath.controller.ioQueues;
    return queues[lane % queues.length];
  }

  /** Most blocks that one command of this operation may be for. */
  blocksMax(op: BlockOp): number {
    return this.#blocksMax[op]!;
  }

  /** The namespace was found again, and is the same. */
  verified(facts: NamespaceFacts): void {
    this.facts = facts;
    this.#limit();
    this.#identity = "verified";
    this.update();
    // Of a group that the log did not have when it was read: nobody says so but the log itself.
    if (this.#state === undefined) this.controllerPath.ana.refresh();
  }

  /** The controller has said how large commands without data may be. */
  limitsRead(): void {
    this.#limit();
  }

  /** The connection is gone, and with it all that it said. */
  disconnected(): void {
    this.#identity = "unverified";
    this.#ana = "trusted";
    this.#turn(undefined);
    this.#endTransition();
    this.update();
  }

  /** A command came back with an ANA error: not used until the log says how it is. */
  doubt(): void {
    if (!this.controllerPath.ana.reports || this.#identity === "unverified") return;
    this.#ana = "doubted";
    this.update();
    this.controllerPath.ana.refresh();
  }

  /** The ANA log was read, or could not be read: then the path is a last resort again. */
  anaRead(): void {
    const before = this.#rank;
    this.#ana = "trusted";
    this.update();
    // As unusable as before, but for another reason perhaps: one that there is no use in waiting for.
    if (before === Rank.Unusable && this.#rank === before) this.user?.pathWorsened(this);
  }

  /** Looks at everything that decides the rank, and tells the user what became of it. */
  update(): void {
    const before = this.#rank;
    this.#rank = this.#judge();
    if (this.#rank > before) this.user?.pathImproved(this);
    else if (this.#rank < before) this.user?.pathWorsened(this);
  }

  remove(): void {
    this.user = undefined;
    this.#endTransition();
    this.#rank = Rank.Unusable;
  }

  #judge(): Rank {
    const { controller, ana } = this.controllerPath;
    if (controller.state !== "live" || this.#identity === "unverified") return Rank.Unusable;
    if (!this.controllerPath.accepts || this.#ana === "doubted") return Rank.Unusable;
    this.#turn(ana.stateOf(this.nsid, this.facts.identify.anagrpid));
    this.#watchTransition();
    if (this.#state === undefined) return Rank.Unknown;
    if (this.#state === AnaState.Optimized) return Rank.Optimized;
    return this.#state === AnaState.NonOptimized ? Rank.NonOptimized : Rank.Unusable;
  }

  /** Takes over the ANA state, and says so to those who listen by name. */
  #turn(to: AnaState | undefined): void {
    const from = this.#state;
    this.#state = to;
    if (from !== to) publishAnaChange(this, from, to);
  }

  /**
   * A change of state that takes longer than the controller promised is taken for a loss, and so is
   * a namespace that is inaccessible for longer than requests wait for a controller (fast-fail).
   */
  #watchTransition(): void {
    const state = this.#state;
    if (state !== AnaState.Inaccessible && state !== AnaState.Change) {
      this.#endTransition();
      return;
    }
    const { clock, reconnect } = this.controllerPath.controller.options;
    if (this.#unusableSinceMs === Infinity) this.#unusableSinceMs = clock.nowMs();
    const promisedMs = this.controllerPath.ana.transitionMs || Infinity;
    const patienceMs = reconnect.fastFailMs || Infinity;
    const isPromised = state === AnaState.Change && promisedMs !== Infinity;
    const limitMs = isPromised ? promisedMs : Math.min(promisedMs, patienceMs);
    // From one such state to another the time goes on: it began when access ended.
    const atMs = this.#unusableSinceMs + limitMs;
    if (this.#transition === "over" || atMs === this.#transition?.atMs) return;
    this.#transition?.timer.cancel();
    this.#transition = undefined;
    if (atMs === Infinity) return;
    const timer = clock.at(atMs, () => {
      this.#transition = "over";
      this.user?.pathWorsened(this);
    });
    this.#transition = { atMs, timer };
  }

  #endTransition(): void {
    if (this.#transition !== "over") this.#transition?.timer.cancel();
    this.#transition = undefined;
    this.#unusableSinceMs = Infinity;
  }

  #limit(): void {
    const { blockBytes } = this.facts.format;
    const { nvm } = this.controllerPath;
    const blocks = (bytes: number): number =>
      Math.min(Math.max(1, Math.floor(bytes / blockBytes)), COMMAND_BLOCKS_MAX);
    const transfer = blocks(this.transferBytesMax);
    const byOp: Record<BlockOp, number> = {
      [BlockOp.Read]: transfer,
      [BlockOp.Write]: transfer,
      [BlockOp.Flush]: Infinity,
      [BlockOp.WriteZeroes]: blocks(nvm.zeroesBytesMax),
      [BlockOp.Deallocate]: Math.min(nvm.rangeBlocksMax, RANGE_BLOCKS_MAX),
      [BlockOp.Compare]: transfer,
      [BlockOp.Verify]: blocks(nvm.verifyBytesMax),
    };
    this.#blocksMax = Object.values(byOp);
  }
}

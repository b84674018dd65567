// One way to a namespace: a controller, an NSID, and how good the way is now.
// Read first: path-policy.ts for ranks; Base 2.0 §8.1.3 "Asymmetric Namespace Access States".

import { AnaState } from "@nvmeof/codec";
import type { NamespaceFacts, QueuePair } from "@nvmeof/core";
import type { Timer } from "@nvmeof/transport";
import type { PathOutlook } from "./availability.ts";
import type { ControllerPath } from "./controller-path.ts";
import { type PathCandidate, Rank } from "./path-policy.ts";

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
  #rank: Rank = Rank.Unusable;
  /**
   * `verified`: this connection has said that the namespace is still the one that it was. Before
   * that nothing is sent: an NSID may lead to other data after a reconnect.
   */
  #identity: "unverified" | "verified" = "unverified";
  /** An ANA error contradicts what we hold the state to be: unusable until the log was read. */
  #ana: "trusted" | "doubted" = "trusted";
  #transition: Timer | undefined;
  #transitionOver: "no" | "yes" = "no";
  #state: AnaState | undefined;

  constructor(controllerPath: ControllerPath, facts: NamespaceFacts) {
    this.controllerPath = controllerPath;
    this.nsid = facts.nsid;
    this.facts = facts;
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
    const lost = this.#state === AnaState.PersistentLoss || this.#transitionOver === "yes";
    const accessible = this.#state === undefined || this.#state <= AnaState.NonOptimized;
    return {
      controller: connected ? "here" : this.controllerPath.prospect,
      ana: connected && lost ? "for-good" : accessible ? "accessible" : "for-a-while",
    };
  }

  /** The queue that serves `lane`; undefined when the path is not connected. */
  queue(lane: number): QueuePair | undefined {
    const queues = this.controllerPath.controller.ioQueues;
    return queues[lane % queues.length];
  }

  /** The namespace was found again, and is the same. */
  verified(facts: NamespaceFacts): void {
    this.facts = facts;
    this.#identity = "verified";
    this.update();
  }

  /** The connection is gone, and with it all that it said. */
  disconnected(): void {
    this.#identity = "unverified";
    this.#ana = "trusted";
    this.#state = undefined;
    this.#endTransition();
    this.update();
  }

  /** A command came back with an ANA error: not used until the log says how it is. */
  doubt(): void {
    if (!this.controllerPath.ana.reports) return;
    this.#ana = "doubted";
    this.update();
    this.controllerPath.ana.refresh();
  }

  /** The ANA log was read, or could not be read: then the path is a last resort again. */
  anaRead(): void {
    this.#ana = "trusted";
    this.update();
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
    this.#state = ana.stateOf(this.nsid, this.facts.identify.anagrpid);
    this.#watchTransition();
    if (this.#state === undefined) return Rank.Unknown;
    if (this.#state === AnaState.Optimized) return Rank.Optimized;
    return this.#state === AnaState.NonOptimized ? Rank.NonOptimized : Rank.Unusable;
  }

  /** A change of state that takes longer than the controller promised is taken for a loss. */
  #watchTransition(): void {
    const changes = this.#state === AnaState.Inaccessible || this.#state === AnaState.Change;
    if (!changes) {
      this.#endTransition();
      return;
    }
    const limitMs = this.controllerPath.ana.transitionMs;
    if (this.#transition !== undefined || this.#transitionOver === "yes" || limitMs === 0) return;
    const { clock } = this.controllerPath.controller.options;
    this.#transition = clock.at(clock.nowMs() + limitMs, () => {
      this.#transition = undefined;
      this.#transitionOver = "yes";
      this.user?.pathWorsened(this);
    });
  }

  #endTransition(): void {
    this.#transition?.cancel();
    this.#transition = undefined;
    this.#transitionOver = "no";
  }
}

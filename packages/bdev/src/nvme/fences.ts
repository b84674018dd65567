// Brings fences to their end: by Cross-Controller Reset through another controller of the group where
// one can do it, else by time. Read first: fence.ts, reset-source.ts; Base 2.3 §9.6 "Communication Loss
// Handling"; linux-nvme-recovery.md §2.6.

import { Ctratt } from "@nvmeof/codec";
import { type Controller, type RunningSequence, type Sequence, runSequence } from "@nvmeof/core";
import { Fence, type FenceRelease, type Incarnation } from "./fence.ts";
import type { ResetAnswer, ResetSource } from "./reset-source.ts";

/**
 * When a write of unknown outcome may be sent again.
 *
 * - `reset`: once another controller has reset the lost one; where none can, as `timed`.
 * - `timed`: once as much time has passed as the lost controller may take to end it.
 * - `none`: at once. Unsafe: the old write may come later, over newer data.
 */
export type Fencing = "reset" | "timed" | "none";

/** Bounds of fences. */
export interface FenceLimits {
  /**
   * Longest time that writes are held for, ms. Where a controller may take longer, only a reset
   * ends the fence; without one they fail, with an unknown outcome. Default 60 s.
   */
  readonly heldMaxMs: number;
  /** Longest wait for one source of a reset, ms. Default 30 s. */
  readonly resetMaxMs: number;
  /**
   * A controller whose CQT is 0 does not say how long it takes to end commands once it has noticed
   * that its host is gone. `wait` holds writes for the time in which it has to notice; `retry` does
   * not wait when no other controller could reset it. Default `wait`.
   */
  readonly withoutQuiesceTime: "wait" | "retry";
}

/** How long writes are held where nobody says otherwise. */
export const defaultFenceLimits: FenceLimits = {
  heldMaxMs: 60_000,
  resetMaxMs: 30_000,
  withoutQuiesceTime: "wait",
};

/** What a fence has come to. */
export interface FenceReport {
  /** CNTLID of the lost controller. */
  readonly cntlid: number;
  /** Requests that waited, at most at the same time. */
  readonly held: number;
  /** For how long, ms. */
  readonly heldMs: number;
  /** Undefined where it was given up, or nobody waited any longer. */
  readonly releasedBy: FenceRelease | undefined;
}

/** A controller of the group, as far as fences are concerned. */
export interface FencedPath {
  readonly controller: Controller;
  readonly source: ResetSource;
  /** Behind it wait requests of the current connection, or of the last one. */
  readonly fence: Fence;
}

/** Who the fences are for. */
export interface FencesOptions {
  readonly fencing: Fencing;
  readonly limits: FenceLimits;
  /** The controllers that may be asked. */
  readonly paths: () => Iterable<FencedPath>;
  /** A fence begins to hold requests. */
  readonly holding: (path: FencedPath, cntlid: number) => void;
  readonly over: (path: FencedPath, report: FenceReport) => void;
}

/** Unit of KAS, ms. */
const KAS_UNIT_MS = 100;
/**
 * Commands of a lost connection may still change data for this many keep-alive timeouts. Base 2.3
 * §9.6: where traffic keeps a controller alive, it notices the loss of its host later.
 */
const FENCE_FACTOR = 2;
const FENCE_FACTOR_TRAFFIC = 3;

/** A fence that holds requests, and what is done about it. */
interface Open {
  readonly path: FencedPath;
  /** Sources that have said no; one that connects again is asked again. */
  readonly tried: Set<FencedPath>;
  running: RunningSequence | undefined;
  /** `due`: sources will be asked when the current callback has returned. */
  asking: "due" | "running" | "done";
  /** Who waits until no source is being asked any more. */
  waiters: (() => void)[];
}

/**
 * Time that a controller may take to notice that its host is gone and to stop what it does for it,
 * ms: by the specification, a multiple of KATO as the controller rounds it, and CQT. Infinity where
 * there is no such bound, since it does not watch its host.
 */
export function fenceTimeMs({ facts }: Controller): number {
  if (facts === undefined) return Infinity;
  const keepAliveMs = roundedKeepAlive(facts);
  if (keepAliveMs === 0) return Infinity;
  const { ctratt, cqt } = facts.identify;
  const byTraffic = (ctratt & Ctratt.TrafficBasedKeepAlive) !== 0;
  return (byTraffic ? FENCE_FACTOR_TRAFFIC : FENCE_FACTOR) * keepAliveMs + cqt;
}

function roundedKeepAlive(facts: NonNullable<Controller["facts"]>): number {
  const unitMs = facts.identify.kas * KAS_UNIT_MS;
  return unitMs === 0 ? 0 : Math.ceil(facts.keepAliveTimeoutMs / unitMs) * unitMs;
}

export class Fences {
  readonly #options: FencesOptions;
  readonly #open = new Map<Fence, Open>();

  constructor(options: FencesOptions) {
    this.#options = options;
  }

  /** A fence for what the current connection of `path` took, or the last one. */
  fence(path: FencedPath): Fence {
    const { clock } = path.controller.options;
    const { facts } = path.controller;
    const { cntlid = 0, identify } = facts ?? {};
    const timeMs = fenceTimeMs(path.controller);
    return new Fence(
      clock,
      {
        incarnation: incarnationOf(path.controller),
        quiesceMs: identify?.cqt ?? 0,
        keepAliveMs: facts === undefined ? 0 : roundedKeepAlive(facts),
      },
      timeMs <= this.#options.limits.heldMaxMs ? timeMs : Infinity,
      {
        holding: (fence) => this.#holding(fence, path, cntlid),
        over: (fence, held, heldMs) => this.#over(fence, { cntlid, held, heldMs }),
      },
    );
  }

  /** Whether a request behind this fence has a chance to get out again. */
  hopes({ endsByTime, incarnation, state }: Fence, path: FencedPath): boolean {
    if (state.phase === "given-up") return false;
    if (state.phase === "released" || endsByTime) return true;
    return incarnation !== undefined && this.#hasSource(path);
  }

  /** Whether another controller could reset that of `path`, were it lost now. */
  canReset(path: FencedPath): boolean {
    return incarnationOf(path.controller) !== undefined && this.#hasSource(path);
  }

  /**
   * Calls `done`, not inside this call, once no source is being asked about what `path` has left
   * behind. The returned function calls that off.
   */
  whenAsked(path: FencedPath, done: () => void): () => void {
    const { clock } = path.controller.options;
    let isWanted: "yes" | "no" = "yes";
    const tell = (): void => clock.defer(() => isWanted === "yes" && done());
    const open = this.#open.get(path.fence);
    if (open === undefined || open.asking === "done") tell();
    else open.waiters.push(tell);
    return () => void (isWanted = "no");
  }

  /** A controller is live: it may be a source, and proof that another one has ended. */
  connected(path: FencedPath): void {
    const born = incarnationOf(path.controller);
    for (const [fence, open] of this.#open) {
      const lost = fence.incarnation;
      // An ID is used again only when nothing is left of the controller that had it.
      const isReborn =
        lost !== undefined && born?.cntlid === lost.cntlid && born.cirn !== lost.cirn;
      open.tried.delete(path);
      if (isReborn) fence.release("new-incarnation");
    }
    this.askAgain();
  }

  /** A source has room again: those who found none may ask it. */
  askAgain(): void {
    for (const [fence, open] of this.#open) {
      if (open.asking === "done") this.#askSoon(fence, open);
    }
  }

  #hasSource(path: FencedPath): boolean {
    if (this.#options.fencing !== "reset") return false;
    for (const other of this.#options.paths()) {
      if (other !== path && isSibling(other, path) && other.source.room > 0) return true;
    }
    return false;
  }

  #holding(fence: Fence, path: FencedPath, cntlid: number): void {
    const open: Open = { path, tried: new Set(), running: undefined, asking: "due", waiters: [] };
    this.#open.set(fence, open);
    this.#options.holding(path, cntlid);
    this.#askSoon(fence, open);
  }

  #over(fence: Fence, report: Omit<FenceReport, "releasedBy">): void {
    const open = this.#open.get(fence);
    if (open === undefined) return;
    this.#open.delete(fence);
    open.running?.cancel();
    this.#asked(open);
    const { state } = fence;
    this.#options.over(open.path, {
      ...report,
      releasedBy: state.phase === "released" ? state.by : undefined,
    });
  }

  /** Nobody is asked any more, for now. */
  #asked(open: Open): void {
    open.running = undefined;
    open.asking = "done";
    const { waiters } = open;
    open.waiters = [];
    for (const tell of waiters) tell();
  }

  /** Not inside the callback of a command that failed: who is asked first is chosen when all is known. */
  #askSoon(fence: Fence, open: Open): void {
    const { clock } = open.path.controller.options;
    open.asking = "due";
    clock.defer(() => {
      if (this.#open.get(fence) !== open || open.asking !== "due") return;
      open.asking = "running";
      const running = runSequence(clock, this.#askAll(fence, open), (_error, answer = "no") => {
        this.#asked(open);
        if (answer !== "no") fence.release(answer);
        else this.#nobodyCould(fence);
      });
      // Without a source it is over already.
      if ((open.asking as string) === "running") open.running = running;
    });
  }

  *#askAll(fence: Fence, open: Open): Sequence<ResetAnswer> {
    const { incarnation } = fence;
    if (incarnation === undefined) return "no";
    for (;;) {
      const source = this.#source(incarnation, open);
      if (source === undefined) return "no";
      open.tried.add(source);
      const answer = yield* source.source.reset(incarnation, this.#waitMs(fence, open));
      if (answer !== "no") return answer;
    }
  }

  /** Any live controller but the lost one: the one that has come in its place, by the same path, too. */
  #source(lost: Incarnation, { path, tried }: Open): FencedPath | undefined {
    if (this.#options.fencing !== "reset") return undefined;
    for (const other of this.#options.paths()) {
      if (tried.has(other) || !isSibling(other, path) || isOf(other, lost)) continue;
      if (other.source.room > 0) return other;
    }
    return undefined;
  }

  /** KATO or CQT, the longer: in that time a controller that can be reset has been. */
  #waitMs({ endsMs, keepAliveMs, quiesceMs }: Fence, { path }: Open): number {
    const remainingMs = endsMs - path.controller.options.clock.nowMs();
    const { resetMaxMs } = this.#options.limits;
    return Math.min(Math.max(keepAliveMs, quiesceMs) || resetMaxMs, remainingMs, resetMaxMs);
  }

  #nobodyCould(fence: Fence): void {
    const { withoutQuiesceTime } = this.#options.limits;
    if (fence.quiesceMs === 0 && withoutQuiesceTime === "retry") fence.release("accepted");
    else if (!fence.endsByTime) fence.giveUp();
  }
}

/** What the current connection of a controller is called, or the last one; undefined where it has no name. */
function incarnationOf({ facts }: Controller): Incarnation | undefined {
  if (facts === undefined || facts.identify.ciu === 0) return undefined;
  const { ciu, cirn } = facts.identify;
  return { cntlid: facts.cntlid, ciu, cirn };
}

/** Whether the controller of `path` is that incarnation. */
function isOf({ controller }: FencedPath, { cntlid, ciu, cirn }: Incarnation): boolean {
  const own = incarnationOf(controller);
  return own?.cntlid === cntlid && own.ciu === ciu && own.cirn === cirn;
}

/** Of one subsystem and one host; the group sees to the host. */
const isSibling = (one: FencedPath, other: FencedPath): boolean =>
  one.controller.options.subsystemNqn === other.controller.options.subsystemNqn;

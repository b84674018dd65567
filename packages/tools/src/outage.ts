// What happens under verified writes while ports go and come back: failover and reconnect.
// Read first: way.ts, verified-load.ts; DESIGN.md §4 on writes of unknown outcome, which are held.

import type { BlockDevice } from "@nvmeof/bdev";
import type { Random } from "@nvmeof/core";
import type { Clock } from "@nvmeof/transport";
import { Timeline, type TimelineEntry } from "./timeline.ts";
import { VerifiedLoad, type VerifiedLoadReport } from "./verified-load.ts";
import {
  type Way,
  countText,
  noteStates,
  pause,
  reached,
  secondsText,
  unlessAborted,
} from "./way.ts";

/** What both scenarios need. */
export interface OutageOptions {
  readonly device: BlockDevice;
  readonly clock: Clock;
  readonly random: Random;
  /** Writers side by side. Default 16. */
  readonly lanes?: number | undefined;
  readonly timeline?: Timeline | undefined;
  /** Rejects with its reason when it aborts. Whoever aborts also closes the device. */
  readonly signal?: AbortSignal | undefined;
}

/** What both scenarios find. */
export interface OutageReport extends VerifiedLoadReport {
  /** Writes of unknown outcome that were held until no old command could do harm. */
  readonly heldWrites: number;
  /** For how long such a write is held, ms; null where the target names no bound. */
  readonly fenceMs: number | null;
  readonly timeline: readonly TimelineEntry[];
}

/** Two ways or more, and how often one of them is taken away. */
export interface FailoverOptions extends OutageOptions {
  readonly ways: readonly Way[];
  /** Default 3. */
  readonly rounds?: number | undefined;
}

/** What came of paths that were taken away in turn. */
export interface FailoverReport extends OutageReport {
  /** Rounds that were gone through. */
  readonly rounds: number;
}

/** One way, and for how long it is taken away. */
export interface ReconnectOptions extends OutageOptions {
  readonly way: Way;
  /** Time without a port, ms. Default 3 s. */
  readonly outageMs?: number | undefined;
}

/** What came of the only path, taken away and given back. */
export interface ReconnectReport extends OutageReport {
  /** From the loss of the port until the controller was live again, ms. */
  readonly outageMs: number;
  /** Attempts to connect again, the last of which succeeded. */
  readonly attempts: number;
}

const ROUNDS = 3;
const OUTAGE_MS = 3_000;
/** What a lane does before it is looked at: twice this many answers. */
const WARM_UP_ANSWERS = 512;
/** After this, a write that was under way when the port went is one that is held, ms. */
const HELD_AFTER_MS = 100;
/** Between one round and the next, ms. */
const REST_MS = 250;

/** One run: the load, the ways, and what is noted of them. */
class Outage {
  readonly timeline: Timeline;
  readonly load: VerifiedLoad;
  heldWrites = 0;
  readonly #clock: Clock;
  readonly #signal: AbortSignal | undefined;
  readonly #stops: (() => void)[];

  constructor(options: OutageOptions, ways: readonly Way[]) {
    this.#clock = options.clock;
    this.#signal = options.signal;
    this.timeline = options.timeline ?? new Timeline(options.clock);
    this.load = new VerifiedLoad(options);
    this.#stops = ways.map((way) => noteStates(way, this.timeline));
  }

  async run(scenes: () => Promise<void>): Promise<VerifiedLoadReport> {
    this.load.start();
    try {
      await this.waitFor(this.load.answers(WARM_UP_ANSWERS));
      this.timeline.note(`${this.load.report.requests} verified reads and writes so far`);
      await scenes();
      await this.waitFor(this.load.answers(WARM_UP_ANSWERS));
    } finally {
      await this.load.stop();
      for (const stop of this.#stops) stop();
    }
    const { requests, errors, mismatches, longestStallMs } = this.load.report;
    const longest = `the longest took ${secondsText(longestStallMs)}`;
    const wrong = `${countText(errors, "error")}, ${mismatches} mismatches`;
    this.timeline.note(`${requests} verified reads and writes: ${wrong}; ${longest}`);
    return this.load.report;
  }

  waitFor<T>(work: Promise<T>): Promise<T> {
    return unlessAborted(this.#signal, work);
  }

  rest(ms: number): Promise<void> {
    return this.waitFor(pause(this.#clock, ms));
  }

  /** Takes a way away, and tells of the writes that wait for their fence. Gives the moment of the loss. */
  async drop(way: Way): Promise<number> {
    const fence = fenceText(way);
    this.timeline.note(`${way.name}: the target drops the port`);
    way.drop();
    await this.waitFor(reached(way, (state) => state !== "live"));
    // What was sent before the host noticed has an unknown outcome as well.
    const lostMs = this.#clock.nowMs();
    await this.rest(HELD_AFTER_MS);
    const held = this.load.writesPending(lostMs);
    this.heldWrites += held;
    if (held > 0) {
      const why = "the target may still carry out what it took";
      this.timeline.note(`${countText(held, "write")} of unknown outcome held${fence}: ${why}`);
    }
    return lostMs;
  }

  /** Waits until everything that was under way at that moment is done. */
  async settled(lostMs: number): Promise<void> {
    const pending = this.load.writesPending(lostMs);
    await this.waitFor(this.load.settled(lostMs));
    if (pending === 0) return;
    const afterMs = this.#clock.nowMs() - lostMs;
    this.timeline.note(
      `the writes that were held are done, ${secondsText(afterMs)} after the loss`,
    );
  }

  async restore(way: Way): Promise<void> {
    await this.waitFor(way.restore());
    this.timeline.note(`${way.name}: the target listens again`);
    await this.waitFor(reached(way, (state) => state === "live"));
  }
}

const fenceOf = ({ path }: Way): number | null => path.fenceMs ?? null;

/** " for 2.00 s (2 × KATO)": how long a write of unknown outcome is held; "" without a bound. */
function fenceText({ path }: Way): string {
  const katoMs = path.controller.facts?.keepAliveTimeoutMs ?? 0;
  if (path.fenceMs === undefined || katoMs === 0) return "";
  const factor = Number((path.fenceMs / katoMs).toFixed(1));
  return ` for ${secondsText(path.fenceMs)} (${factor} × KATO)`;
}

const carried = ({ path }: Way): number =>
  [...path.namespaces.values()].reduce((sum, { inflight }) => sum + inflight, 0);

/** The way that carries most now. */
const busiest = (ways: readonly Way[]): Way =>
  ways.reduce((best, way) => (carried(way) > carried(best) ? way : best));

/**
 * Writes and verifies, and takes away the way that carries it, again and again: the others carry on.
 * Errors are counted and reported. Rejects when a controller ends, and with the signal's reason.
 */
export async function runFailover(options: FailoverOptions): Promise<FailoverReport> {
  const { ways, rounds = ROUNDS } = options;
  if (ways.length < 2) throw new RangeError("a failover needs two ways or more");
  const fenceMs = fenceOf(ways[0]!);
  const outage = new Outage(options, ways);
  const { timeline, load } = outage;
  const report = await outage.run(async () => {
    for (let round = 1; round <= rounds; round++) {
      timeline.note(`round ${round} of ${rounds}`);
      const way = busiest(ways);
      const before = load.report.requests;
      const lostMs = await outage.drop(way);
      const onward = load.report.requests - before;
      timeline.note(`meanwhile the other path has answered ${onward} requests`);
      await outage.settled(lostMs);
      await outage.restore(way);
      await outage.rest(REST_MS);
    }
  });
  return { ...report, rounds, heldWrites: outage.heldWrites, fenceMs, timeline: timeline.entries };
}

/**
 * Writes and verifies, takes away the only way, and gives it back: requests wait, and go on.
 * Errors are counted and reported. Rejects when the controller ends, and with the signal's reason.
 */
export async function runReconnect(options: ReconnectOptions): Promise<ReconnectReport> {
  const { way, clock, outageMs: plannedMs = OUTAGE_MS } = options;
  const fenceMs = fenceOf(way);
  const outage = new Outage(options, [way]);
  const { timeline } = outage;
  let attempts = 0;
  let outageMs = 0;
  const stop = way.path.controller.observe((event) => {
    if (event.type === "state" && event.to === "recovering") attempts++;
  });
  try {
    const report = await outage.run(async () => {
      const lostMs = await outage.drop(way);
      timeline.note("there is no other path: requests wait for this one");
      await outage.rest(Math.max(0, lostMs + plannedMs - clock.nowMs()));
      await outage.restore(way);
      outageMs = clock.nowMs() - lostMs;
      timeline.note(
        `live again after ${secondsText(outageMs)} and ${countText(attempts, "attempt")}`,
      );
      await outage.settled(lostMs);
    });
    const { heldWrites } = outage;
    return { ...report, outageMs, attempts, heldWrites, fenceMs, timeline: timeline.entries };
  } finally {
    stop();
  }
}

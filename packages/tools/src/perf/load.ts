// The load: keeps requests in flight, each answer followed by the next request (closed loop), or starts
// them when they are due (open loop). No promise, closure, timer or other allocation per request.
// Read first: workload.ts for what is asked; @nvmeof/bdev's block-device.ts.
//
// In an open loop the latency of a request counts from when it was due. A device that stalls delays the
// requests behind it, and that delay is its own: leaving it out is "coordinated omission".

import {
  type BlockChannel,
  type BlockDevice,
  BlockOp,
  type BlockRequest,
  type BlockSettle,
} from "@nvmeof/bdev";
import type { NvmeofError } from "@nvmeof/codec";
import { type Random, seededRandom } from "@nvmeof/core";
import type { Clock, Timer } from "@nvmeof/transport";
import type { Content } from "./content.ts";
import { LaneRing } from "./lane-ring.ts";
import { Places } from "./places.ts";
import { Schedule } from "./schedule.ts";
import type { Tally } from "./tally.ts";
import { type DecidedWorkload, isRandom } from "./workload.ts";

/** Why a load ended. */
export type PerfEnd =
  /** The time was up, or the size was done. */
  | "time"
  | "size"
  /** There were too many errors, or the device was removed. */
  | "errors"
  | "removed"
  /** Its user ended it. */
  | "interrupted";

/**
 * One of several loads that run side by side. Each goes to places of its own chance, or begins at another
 * one; what is written at a place is the same for all.
 */
export interface LoadShare {
  /** From 0. */
  readonly index: number;
  readonly count: number;
}

export interface LoadOptions {
  readonly device: BlockDevice;
  readonly clock: Clock;
  readonly workload: DecidedWorkload;
  readonly tally: Tally;
  /** Fills and compares; undefined where content does not matter. */
  readonly content: Content | undefined;
  /**
   * Runs a task in one of the next turns of the event loop, sooner than a timer would. Without it, a
   * request of an open loop starts when the platform's timer comes.
   */
  readonly soon: ((task: () => void) => void) | undefined;
  /** Which of several loads on the device it is. Default: the only one. */
  readonly share?: LoadShare | undefined;
  /** Nothing is in flight any more. */
  readonly ended: (end: PerfEnd) => void;
}

const Phase = { Idle: 0, Running: 1, Draining: 2, Ended: 3 } as const;
type Phase = (typeof Phase)[keyof typeof Phase];

/** A lane whose request failed waits: a device that is gone refuses at once, again and again. */
const ERROR_PAUSE_MS = 10;
/** From the seed of one load to that of the next (2^32 by the golden ratio): small seeds stay apart. */
const SEED_STEP = 0x9e37_79b9;
/** What timers of a platform may be late by. What is due sooner is waited for in turns. */
const TIMER_SLACK_MS = 2;

/** One request after another: its request, its buffer and its settle are used again. */
class Lane {
  readonly channel: BlockChannel;
  readonly request: BlockRequest;
  readonly settle: BlockSettle;
  place = 0;
  /** When the request was started; in an open loop, when it was due. */
  startedMs = 0;
  /** What is read is to be compared. */
  check = false;

  constructor(
    channel: BlockChannel,
    blockCount: number,
    data: Uint8Array,
    settled: (lane: Lane, error: NvmeofError | undefined) => void,
  ) {
    this.channel = channel;
    this.request = { op: BlockOp.Read, lba: 0, blockCount, data };
    this.settle = (error) => settled(this, error);
  }
}

/** One load, from `start` to `ended`. */
export class PerfLoad {
  readonly #options: LoadOptions;
  readonly #clock: Clock;
  readonly #tally: Tally;
  readonly #content: Content | undefined;
  readonly #random: Random;
  readonly #places: Places;
  readonly #requestBlocks: number;
  readonly #readPercent: number;
  readonly #channels: BlockChannel[];
  readonly #lanes: Lane[];
  /** Lanes that wait: for a request to be due, and for the pause after an error to be over. */
  readonly #free: LaneRing<Lane>;
  readonly #paused: LaneRing<Lane>;
  #schedule: Schedule | undefined;
  #phase: Phase = Phase.Idle;
  #end: PerfEnd = "time";
  #inflight = 0;
  /** Requests that may still be started. */
  #left = Number.MAX_SAFE_INTEGER;
  #measureAtMs = Infinity;
  #endMs = Infinity;
  #unstarted = 0;
  #endTimer: Timer | undefined;
  #resumeTimer: Timer | undefined;
  #wakeTimer: Timer | undefined;
  #wakeup: "none" | "coming" = "none";
  #stopObserving: () => void = () => {};

  constructor(options: LoadOptions) {
    const { device, clock, workload, tally, content } = options;
    const { requestBytes, queueDepth, queues, rw } = workload;
    const { index, count } = options.share ?? { index: 0, count: 1 };
    const seed = (workload.seed + index * SEED_STEP) >>> 0;
    this.#options = options;
    this.#clock = clock;
    this.#tally = tally;
    this.#content = content;
    this.#random = seededRandom(seed);
    this.#requestBlocks = requestBytes / device.blockBytes;
    this.#readPercent = workload.readPercent;
    const places = Math.floor(device.blockCount / this.#requestBlocks);
    const first = Math.floor((places * index) / count);
    this.#places = new Places(places, isRandom(rw) ? seededRandom(~seed) : undefined, first);
    this.#channels = Array.from({ length: queues }, () => device.openChannel());
    this.#lanes = Array.from({ length: queues * queueDepth }, (_, i) => {
      const channel = this.#channels[i % queues]!;
      return new Lane(channel, this.#requestBlocks, this.#noise(requestBytes), this.#settled);
    });
    this.#free = new LaneRing(this.#lanes.length);
    this.#paused = new LaneRing(this.#lanes.length);
  }

  /** How late the latest start was, ms; and how many requests were due and never started. */
  get lateness(): { readonly latestMs: number; readonly unstarted: number } {
    return { latestMs: this.#schedule?.latestMs ?? 0, unstarted: this.#unstarted };
  }

  start(): void {
    if (this.#phase !== Phase.Idle) throw new Error("started twice");
    this.#phase = Phase.Running;
    const { device, workload } = this.#options;
    const { ratePerSecond, rampMs } = workload;
    const nowMs = this.#clock.nowMs();
    this.#stopObserving = device.observe((event) => {
      if (event.type === "removed") this.stop("removed");
    });
    if (ratePerSecond !== null) this.#schedule = new Schedule(ratePerSecond, nowMs);
    this.#measureAtMs = nowMs + rampMs;
    if (rampMs === 0) this.#measure(nowMs);
    else this.#endTimer = this.#clock.at(this.#measureAtMs, this.#rampOver);
    for (const lane of this.#lanes) this.#next(lane, nowMs);
  }

  /** Starts no more. `ended` is told when what is in flight has settled. The first reason counts. */
  stop(end: PerfEnd): void {
    if (this.#phase !== Phase.Running) return;
    this.#phase = Phase.Draining;
    this.#end = end;
    this.#unstarted =
      end === "size"
        ? 0
        : (this.#schedule?.unstarted(Math.min(this.#clock.nowMs(), this.#endMs)) ?? 0);
    this.#endTimer?.cancel();
    this.#resumeTimer?.cancel();
    this.#wakeTimer?.cancel();
    this.#checkEnded();
  }

  readonly #settled = (lane: Lane, error: NvmeofError | undefined): void => {
    const nowMs = this.#clock.nowMs();
    this.#inflight--;
    // Beside the timers: a device of this process may settle without ever letting one run.
    if (nowMs >= this.#measureAtMs) this.#measure(nowMs);
    if (error !== undefined) {
      this.#failed(lane, error, nowMs);
      return;
    }
    const { op } = lane.request;
    this.#tally.succeeded(op, nowMs - lane.startedMs, nowMs);
    if (this.#content !== undefined) {
      if (op === BlockOp.Write) this.#content.wrote(lane.place);
      else if (lane.check) this.#content.check(lane.request);
    }
    this.#next(lane, nowMs);
  };

  /** A lane has nothing in flight: the next request, if there is one. */
  #next(lane: Lane, nowMs: number): void {
    if (this.#phase !== Phase.Running) {
      this.#checkEnded();
    } else if (this.#schedule !== undefined) {
      this.#free.add(lane);
      if (nowMs >= this.#endMs) this.#timeIsUp();
      else this.#startDue(this.#schedule, nowMs);
    } else if (nowMs >= this.#endMs) {
      this.stop("time");
    } else {
      this.#submit(lane, nowMs);
      if (this.#left === 0) this.stop("size");
    }
  }

  #submit(lane: Lane, startedMs: number): void {
    const { request } = lane;
    const percent = this.#readPercent;
    const isRead = percent === 100 || (percent > 0 && this.#random.next32() % 100 < percent);
    const place = this.#places.next();
    request.op = isRead ? BlockOp.Read : BlockOp.Write;
    request.lba = place * this.#requestBlocks;
    lane.place = place;
    lane.startedMs = startedMs;
    if (this.#content !== undefined) lane.check = this.#content.prepare(request, place);
    this.#left--;
    this.#inflight++;
    lane.channel.submit(request, lane.settle);
  }

  /** Open loop: starts what is due before the end, as far as lanes are free. */
  #submitDue(schedule: Schedule, nowMs: number): void {
    while (this.#left > 0 && schedule.dueMs <= nowMs && schedule.dueMs < this.#endMs) {
      const lane = this.#free.take();
      // Whoever settles next goes on.
      if (lane === undefined) return;
      this.#submit(lane, schedule.take(nowMs));
    }
  }

  #startDue(schedule: Schedule, nowMs: number): void {
    this.#submitDue(schedule, nowMs);
    if (this.#left === 0) this.stop("size");
    else if (this.#free.size > 0) this.#wakeAt(schedule.dueMs, nowMs);
  }

  #wakeAt(dueMs: number, nowMs: number): void {
    if (this.#wakeup === "coming" || this.#phase !== Phase.Running) return;
    this.#wakeup = "coming";
    const { soon } = this.#options;
    if (soon === undefined) this.#wakeTimer = this.#clock.at(dueMs, this.#wake);
    else if (dueMs - nowMs <= TIMER_SLACK_MS) soon(this.#wake);
    else this.#wakeTimer = this.#clock.at(dueMs - TIMER_SLACK_MS, this.#wake);
  }

  readonly #wake = (): void => {
    this.#wakeup = "none";
    if (this.#phase === Phase.Running) this.#startDue(this.#schedule!, this.#clock.nowMs());
  };

  #failed(lane: Lane, error: NvmeofError, nowMs: number): void {
    if (this.#phase !== Phase.Running && this.#end === "interrupted") {
      // Ending it has ended the request.
      this.#tally.abandon();
      this.#checkEnded();
      return;
    }
    this.#tally.failed(lane.request.op, error, nowMs);
    if (this.#tally.errors >= this.#options.workload.errorsMax) this.stop("errors");
    if (this.#phase !== Phase.Running) {
      this.#checkEnded();
      return;
    }
    if (this.#paused.size === 0) {
      this.#resumeTimer = this.#clock.at(nowMs + ERROR_PAUSE_MS, this.#resume);
    }
    this.#paused.add(lane);
  }

  readonly #resume = (): void => {
    const nowMs = this.#clock.nowMs();
    // Only those that are there now: their next requests settle later.
    for (let left = this.#paused.size; left > 0; left--) {
      const lane = this.#paused.take();
      if (lane !== undefined && this.#phase === Phase.Running) this.#next(lane, nowMs);
    }
  };

  readonly #rampOver = (): void => this.#measure(this.#clock.nowMs());

  /** The time before measuring is over. */
  #measure(nowMs: number): void {
    if (this.#measureAtMs === Infinity || this.#phase !== Phase.Running) return;
    const { durationMs, sizeBytes, requestBytes } = this.#options.workload;
    this.#measureAtMs = Infinity;
    this.#tally.begin(nowMs);
    this.#schedule?.begin();
    if (sizeBytes !== null) this.#left = Math.ceil(sizeBytes / requestBytes);
    this.#endTimer?.cancel();
    if (durationMs === null) return;
    this.#endMs = nowMs + durationMs;
    this.#endTimer = this.#clock.at(this.#endMs, this.#timeIsUp);
  }

  readonly #timeIsUp = (): void => {
    if (this.#phase !== Phase.Running) return;
    // What was due before the end, and only waits for a timer, belongs to the load.
    if (this.#schedule !== undefined) this.#submitDue(this.#schedule, this.#clock.nowMs());
    this.stop("time");
  };

  #checkEnded(): void {
    if (this.#phase !== Phase.Draining || this.#inflight > 0) return;
    this.#phase = Phase.Ended;
    this.#stopObserving();
    for (const channel of this.#channels) channel.close();
    this.#options.ended(this.#end);
  }

  /** Data that no target can make small. */
  #noise(bytes: number): Uint8Array {
    const data = new Uint8Array(bytes);
    const words = new Uint32Array(data.buffer, 0, bytes >>> 2);
    for (let i = 0; i < words.length; i++) words[i] = this.#random.next32();
    return data;
  }
}

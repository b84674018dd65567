// A measurement by several threads, each with a device of its own: begun together, ended together, and
// merged into one result. Read first: crew-messages.ts; member.ts, what each of them does; merge.ts.

import { type MessageLink, WorkerError, errorOf } from "@nvmeof/bdev/nvme";
import type { NvmeofError } from "@nvmeof/codec";
import type { Clock, Timer } from "@nvmeof/transport";
import type { LatencyHistogram } from "../latency.ts";
import type { MemberFacts, PerfBoard, ToCrew, ToMember } from "./crew-messages.ts";
import { mergedResult } from "./merge.ts";
import type { MeterReading, PerfMeter } from "./meter.ts";
import type { PerfPart } from "./part.ts";
import type { PerfOutcome, PerfProgress } from "./run.ts";

/** A thread that measures, as the one that asks for it has it. */
export interface CrewMember {
  readonly name: string;
  readonly link: MessageLink;
  /** Why its thread has ended, where somebody knows. */
  readonly fault?: () => unknown;
}

/** Who measures together, and how it is merged. */
export interface CrewOptions {
  /** One or more. */
  readonly members: readonly CrewMember[];
  readonly board: PerfBoard;
  readonly clock: Clock;
  readonly histogram: () => LatencyHistogram;
  /** Of the whole process. */
  readonly meter?: PerfMeter | undefined;
  /** All have opened the device; what they say of it. */
  readonly ready?: ((facts: readonly MemberFacts[]) => void) | undefined;
  /** Called ten times a second. */
  readonly progress?: ((progress: PerfProgress) => void) | undefined;
  /** Ends it early; what was measured so far is the result. */
  readonly signal?: AbortSignal | undefined;
  /** Time for all to open the device, ms. Default 60 s. */
  readonly readyMs?: number | undefined;
  /** Time to tell what they have once somebody wants an end, ms. Default 1 s. */
  readonly finishMs?: number | undefined;
}

const PROGRESS_MS = 100;
const READY_MS = 60_000;
const FINISH_MS = 1_000;

/**
 * - `gathering`: not all have opened the device.
 * - `running`: they measure.
 * - `finishing`: they were told to end, and have a bounded time for it.
 * - `over`.
 */
type Phase = "gathering" | "running" | "finishing" | "over";

/** What has become of a member. */
interface Seat {
  readonly member: CrewMember;
  phase: "opening" | "ready" | "measured" | "over";
  facts: MemberFacts;
  part: PerfPart | undefined;
}

/**
 * Lets members measure. Rejects with the error of the first that cannot open the device, or when nobody
 * has measured anything; with the signal's reason where that aborts before all are there. A member that
 * fails later ends the others, and is the first error of what they have measured.
 */
export function runPerfCrew(options: CrewOptions): Promise<PerfOutcome> {
  return new Promise((resolve, reject) => new Crew(options, resolve, reject).start());
}

class Crew {
  readonly #options: CrewOptions;
  readonly #seats: readonly Seat[];
  readonly #resolve: (outcome: PerfOutcome) => void;
  readonly #reject: (error: unknown) => void;
  #phase: Phase = "gathering";
  #firstError: NvmeofError | undefined;
  #metering: "not yet" | "running" | "over" = "not yet";
  #reading: MeterReading | undefined;
  #bound: Timer | undefined;
  #ticker: Timer | undefined;

  constructor(
    options: CrewOptions,
    resolve: (outcome: PerfOutcome) => void,
    reject: (error: unknown) => void,
  ) {
    this.#options = options;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#seats = options.members.map((member) => ({
      member,
      phase: "opening",
      facts: {},
      part: undefined,
    }));
  }

  start(): void {
    const { signal, readyMs = READY_MS } = this.#options;
    this.#arm(readyMs, () => this.#late());
    for (const seat of this.#seats) {
      seat.member.link.receive({
        received: (message) => this.#received(seat, message as ToCrew),
        ended: () => this.#lost(seat),
      });
    }
    signal?.addEventListener("abort", this.#stop, { once: true });
    if (signal?.aborted === true) this.#stop();
  }

  #received(seat: Seat, message: ToCrew): void {
    if (seat.phase === "over" || this.#phase === "over") return;
    switch (message.type) {
      case "ready":
        seat.phase = "ready";
        seat.facts = message.facts;
        if (this.#phase === "gathering" && this.#all("ready")) this.#go();
        break;
      case "begun":
        this.#startMeter();
        break;
      case "measured":
        seat.phase = "measured";
        if (this.#all("measured", "over")) this.#stopMeter();
        break;
      case "part":
        seat.part = message.part;
        this.#firstError ??= message.firstError && errorOf(message.firstError);
        this.#ended(seat, message.part.end === "errors" || message.part.end === "removed");
        break;
      case "failed":
        this.#failed(seat, errorOf(message.error));
        break;
    }
  }

  #all(...phases: Seat["phase"][]): boolean {
    return this.#seats.every(({ phase }) => phases.includes(phase));
  }

  #lost(seat: Seat): void {
    if (seat.phase === "over") return;
    const { name, fault } = seat.member;
    const message = `${name} ended before it had told what it measured`;
    this.#failed(seat, new WorkerError("worker-gone", message, { cause: fault?.() }));
  }

  #failed(seat: Seat, error: NvmeofError): void {
    // Who fails once an end is wanted fails because of that.
    if (this.#phase !== "finishing") this.#firstError ??= error;
    this.#ended(seat, true);
  }

  #ended(seat: Seat, endsAll: boolean): void {
    seat.phase = "over";
    if (this.#phase === "gathering") this.#end();
    else if (this.#all("over")) this.#end();
    else if (endsAll) this.#finish();
  }

  #go(): void {
    const { ready, progress, clock } = this.#options;
    this.#phase = "running";
    this.#bound?.cancel();
    ready?.(this.#seats.map(({ facts }) => facts));
    this.#tellAll({ type: "go" });
    if (progress === undefined) return;
    const tick = (): void => {
      progress(this.#options.board.progress);
      this.#ticker = clock.at(clock.nowMs() + PROGRESS_MS, tick);
    };
    this.#ticker = clock.at(clock.nowMs() + PROGRESS_MS, tick);
  }

  readonly #stop = (): void => {
    if (this.#phase === "gathering") this.#end();
    else this.#finish();
  };

  #finish(): void {
    if (this.#phase !== "running") return;
    this.#phase = "finishing";
    this.#options.board.stop();
    this.#tellAll({ type: "stop" });
    this.#arm(this.#options.finishMs ?? FINISH_MS, () => this.#late());
  }

  /** Somebody has not done in time what was asked of it. */
  #late(): void {
    const isEarly = this.#phase === "gathering";
    const done: Seat["phase"][] = isEarly ? ["ready", "over"] : ["over"];
    const late = this.#seats.filter(({ phase }) => !done.includes(phase));
    const names = late.map(({ member }) => member.name).join(", ");
    const what = isEarly ? "open the device" : "tell what was measured";
    this.#firstError ??= new WorkerError("worker-stuck", `${names} did not ${what} in time`);
    this.#end();
  }

  #end(): void {
    const wasRunning = this.#phase !== "gathering";
    const { signal, histogram } = this.#options;
    this.#phase = "over";
    this.#bound?.cancel();
    this.#ticker?.cancel();
    signal?.removeEventListener("abort", this.#stop);
    this.#options.board.stop();
    this.#tellAll({ type: "stop" });
    for (const { member } of this.#seats) member.link.close();
    if (wasRunning) this.#stopMeter();
    const measured = this.#seats.filter(({ part }) => part !== undefined);
    if (measured.length === 0) {
      this.#reject(this.#firstError ?? signal?.reason);
      return;
    }
    const result = mergedResult(
      measured.map(({ part }) => part!),
      { histogram, reading: this.#reading, names: measured.map(({ member }) => member.name) },
    );
    this.#resolve({ result, firstError: this.#firstError });
  }

  /** From the first that measures to the last. */
  #startMeter(): void {
    if (this.#metering !== "not yet") return;
    this.#metering = "running";
    this.#options.meter?.start();
  }

  #stopMeter(): void {
    if (this.#metering !== "running") return;
    this.#metering = "over";
    this.#reading = this.#options.meter?.stop();
  }

  #arm(ms: number, task: () => void): void {
    const { clock } = this.#options;
    this.#bound?.cancel();
    this.#bound = clock.at(clock.nowMs() + ms, task);
  }

  #tellAll(message: ToMember): void {
    for (const { phase, member } of this.#seats) if (phase !== "over") member.link.post(message);
  }
}

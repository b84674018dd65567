// Controllers: only along the edges of the table, one attempt at a time and not too soon, every request
// answered, every close in time, keep-alive while live and only then.
// Read first: reliability-anchors.md I2, I12 to I15, I17 to I19; core/src/lifecycle.ts, the table.

import { type ControllerEvent, type ReconnectPolicy, type State, lifecycle } from "@nvmeof/core";
import type { Clock } from "@nvmeof/transport";
import type { Complain } from "../violation.ts";

/** What a controller has promised. */
export interface LifecyclePromises {
  /** Longest time from `closing` to `closed`, ms. */
  readonly closeBoundMs: number;
  /** KATO, ms; 0 for none. */
  readonly keepAliveTimeoutMs: number;
  readonly reconnect: Pick<ReconnectPolicy, "delayMs" | "delayMaxMs" | "jitter">;
  /** Addresses that it goes to in turn: it waits only when all have failed. */
  readonly addresses: number;
  /** Longest time in the state `fencing`, ms: other controllers are asked, each within a bound. */
  readonly fencingBoundMs: number;
  /** Longest time in which a request for reset, enable or disable is answered, ms. */
  readonly answerBoundMs: number;
}

interface Watched {
  readonly promises: LifecyclePromises;
  state: State;
  /** When it entered the state; moved on by the time for which its host stood still. */
  sinceMs: number;
  /** The last sign of keep-alive: when it went live, or sent one. */
  aliveMs: number;
  /** The wait that it has announced, and no attempt may cut short but one that was asked for. */
  wait: { readonly untilMs: number } | undefined;
}

interface Question {
  readonly name: string;
  readonly what: string;
  deadlineMs: number;
}

/** Clocks are read to the millisecond, and waits are rounded. */
const SLACK_MS = 1;
/** Longest wait of a controller that flaps, where the policy has none: core/src/outage.ts. */
const FLAP_DELAY_MS = 1_000;

/** States in which connections may be opened. */
const attempting: ReadonlySet<State> = new Set<State>(["connecting", "recovering"]);

/** Who is asked for an attempt does not have to wait. */
const hurries: ReadonlySet<string> = new Set(["reset", "enable"]);

export class LifecycleOracle {
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #complain: Complain;
  readonly #controllers = new Map<string, Watched>();
  readonly #questions = new Map<number, Question>();

  constructor(clock: Pick<Clock, "nowMs">, complain: Complain) {
    this.#clock = clock;
    this.#complain = complain;
  }

  /** A controller was made. @param name unique in the run. */
  created(name: string, promises: LifecyclePromises): void {
    const nowMs = this.#clock.nowMs();
    this.#controllers.set(name, {
      promises,
      state: "connecting",
      sinceMs: nowMs,
      aliveMs: nowMs,
      wait: undefined,
    });
  }

  /** State of a controller as its events tell it; undefined for one that was never made. */
  stateOf(name: string): State | undefined {
    return this.#controllers.get(name)?.state;
  }

  /** An observer of a controller was told something. */
  told(name: string, event: ControllerEvent): void {
    const watched = this.#controllers.get(name);
    if (watched === undefined) {
      this.#complain("I19", `${name} tells of ${event.type}, and was never made`);
      return;
    }
    if (watched.state === "closed") {
      this.#complain("I2", `${name} tells of ${event.type} after it is closed`);
    }
    if (event.type === "state") this.#moved(name, watched, event);
    else if (event.type === "retry") this.#willRetry(name, watched, event);
  }

  /** A controller opens a connection: the first of an attempt, or one of its queues. */
  connecting(name: string): void {
    const state = this.stateOf(name);
    if (state === undefined || attempting.has(state)) return;
    this.#complain("I14", `${name} opens a connection while it is ${state}`);
  }

  /** A controller sends Keep Alive. */
  keepAlive(name: string): void {
    const watched = this.#controllers.get(name);
    if (watched === undefined) return;
    const nowMs = this.#clock.nowMs();
    // What it sent in the moment in which it was lost is still under way.
    if (watched.state !== "live" && nowMs > watched.sinceMs) {
      this.#complain("I18", `${name} sends Keep Alive while it is ${watched.state}`);
    }
    this.#checkKeepAlive(name, watched);
    watched.aliveMs = nowMs;
  }

  /** Somebody asks for reset, enable, disable or an admin command. @param id unique in the run. */
  asked(id: number, name: string, what: string): void {
    const bound = this.#controllers.get(name)?.promises.answerBoundMs ?? Infinity;
    this.#questions.set(id, { name, what, deadlineMs: this.#clock.nowMs() + bound });
  }

  answered(id: number): void {
    const question = this.#questions.get(id);
    if (question === undefined) {
      this.#complain("I17", `request ${id} is answered again, or was never made`);
      return;
    }
    this.#questions.delete(id);
    this.#checkQuestion(question);
  }

  /** The host of a controller stood still for so long; its event loop goes on now. */
  stoodStill(name: string, ms: number): void {
    const watched = this.#controllers.get(name);
    if (watched === undefined) return;
    watched.sinceMs += ms;
    watched.aliveMs += ms;
    for (const question of this.#questions.values()) {
      if (question.name === name) question.deadlineMs += ms;
    }
  }

  /** Complains of what should have happened by now. */
  check(): void {
    for (const [name, watched] of this.#controllers) {
      this.#checkClose(name, watched);
      this.#checkFencing(name, watched);
      this.#checkKeepAlive(name, watched);
    }
    for (const question of this.#questions.values()) this.#checkQuestion(question);
  }

  /** Everything has ended: all is closed, and answered. */
  finish(): void {
    for (const [name, { state }] of this.#controllers) {
      if (state !== "closed") this.#complain("I12", `${name} is still ${state}`);
    }
    for (const { name, what } of this.#questions.values()) {
      this.#complain("I17", `${what} of ${name} was never answered`);
    }
  }

  #moved(name: string, watched: Watched, event: ControllerEvent & { type: "state" }): void {
    const { from, to, cause } = event;
    const nowMs = this.#clock.nowMs();
    if (from !== watched.state) {
      this.#complain("I19", `${name} goes from ${from} to ${to}, and was ${watched.state}`);
    }
    const cell = lifecycle[from][cause];
    if (typeof cell === "string" || cell.to !== to) {
      this.#complain("I13", `${name} goes from ${from} to ${to} by ${cause}: no edge of the table`);
    }
    this.#checkClose(name, watched);
    this.#checkFencing(name, watched);
    this.#checkKeepAlive(name, watched);
    const { wait } = watched;
    if (to === "recovering" && wait !== undefined && !hurries.has(cause)) {
      const earlyMs = wait.untilMs - nowMs;
      if (earlyMs > SLACK_MS) this.#complain("I15", `${name} tries again ${earlyMs} ms too early`);
    }
    if (to !== "waiting") watched.wait = undefined;
    watched.state = to;
    watched.sinceMs = nowMs;
    watched.aliveMs = nowMs;
  }

  #willRetry(name: string, watched: Watched, event: ControllerEvent & { type: "retry" }): void {
    const { delayMs, attempt } = event;
    const { reconnect, addresses } = watched.promises;
    const { delayMs: firstMs, delayMaxMs, jitter } = reconnect;
    const mostMs = Math.max(firstMs, delayMaxMs, FLAP_DELAY_MS) * (1 + jitter) + SLACK_MS;
    const leastMs = addresses > 1 ? 0 : firstMs * (1 - jitter) - SLACK_MS;
    const isWithin = delayMs >= leastMs && delayMs <= mostMs;
    if (!isWithin) {
      this.#complain("I15", `${name} waits ${delayMs} ms before attempt ${attempt + 1}`);
    }
    watched.wait = { untilMs: this.#clock.nowMs() + delayMs };
  }

  #checkClose(name: string, { state, sinceMs, promises }: Watched): void {
    if (state !== "closing") return;
    const tookMs = this.#clock.nowMs() - sinceMs;
    if (tookMs <= promises.closeBoundMs + SLACK_MS) return;
    this.#complain("I12", `${name} is closing for ${tookMs} ms`);
  }

  /** Whoever is asked to reset another controller answers or not: the recovery does not wait for ever. */
  #checkFencing(name: string, { state, sinceMs, promises }: Watched): void {
    if (state !== "fencing") return;
    const tookMs = this.#clock.nowMs() - sinceMs;
    if (tookMs <= promises.fencingBoundMs + SLACK_MS) return;
    this.#complain("I15", `${name} is fencing for ${tookMs} ms`);
  }

  /** It probes at half of KATO, and is lost when that is not answered by KATO. */
  #checkKeepAlive(name: string, { state, aliveMs, promises }: Watched): void {
    const { keepAliveTimeoutMs } = promises;
    if (state !== "live" || keepAliveTimeoutMs === 0) return;
    const silentMs = this.#clock.nowMs() - aliveMs;
    if (silentMs <= keepAliveTimeoutMs + SLACK_MS) return;
    this.#complain("I18", `${name} is live, and has sent no Keep Alive for ${silentMs} ms`);
  }

  #checkQuestion({ name, what, deadlineMs }: Question): void {
    const lateMs = this.#clock.nowMs() - deadlineMs;
    if (lateMs > SLACK_MS) {
      this.#complain("I17", `${what} of ${name} is not answered ${lateMs} ms past its bound`);
    }
  }
}

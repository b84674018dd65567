// What a controller authenticates with over its whole life, and authenticating again while it is live.
// Read first: auth/authenticate.ts for one exchange; Base 2.0 §8.13.5 "DH-HMAC-CHAP Protocol",
// "re-authentication".

import type { NvmeofError } from "@nvmeof/codec";
import type { Timer } from "@nvmeof/transport";
import type { Association } from "./association.ts";
import { type AuthContext, authenticate } from "./auth/authenticate.ts";
import { wantsProof } from "./auth/errors.ts";
import type { AuthResult } from "./auth/host-exchange.ts";
import { SequenceNumbers } from "./auth/sequence-numbers.ts";
import type { CommandSettle } from "./command-table.ts";
import { guarded } from "./guard.ts";
import type { ResolvedOptions } from "./options.ts";
import type { QueuePair } from "./queue-pair.ts";
import { type RunningSequence, type Sequence, runSequence } from "./sequence.ts";

/** Highest Transaction ID. */
const TID_MAX = 0xffff;

/** What the authenticator tells its controller. It decides nothing. */
export interface AuthenticatorEvents {
  told(qid: number, result: AuthResult): void;
  /** A live controller was not authenticated again: its queues are of no use any more. */
  failed(error: NvmeofError): void;
}

/** What asked for it gets. */
type Done = (error: NvmeofError | undefined) => void;

/** One exchange after another on the queues of a live controller: the admin queue first. */
function* everyQueue(context: AuthContext, association: Association): Sequence<void> {
  const known = association.authenticated;
  // A controller that never asked, and does now, means all of its queues.
  const wanted = (queue: QueuePair): boolean => known.size === 0 || known.has(queue.qid);
  for (const queue of association.queues.filter(wanted)) {
    const result = yield* authenticate(context, queue, (error) => {
      association.refusal = error;
    });
    known.set(queue.qid, result);
  }
}

export class Authenticator {
  readonly context: AuthContext;
  readonly #repeatMs: number;
  readonly #events: AuthenticatorEvents;
  /** Of the live controller; undefined where there is none. */
  #association: Association | undefined;
  #running: RunningSequence | undefined;
  #timer: Timer | undefined;
  #waiting: Done[] = [];
  #tid = 0;

  /** @returns undefined where the options have no secret. */
  static of(options: ResolvedOptions, events: AuthenticatorEvents): Authenticator | undefined {
    return options.authentication === undefined ? undefined : new Authenticator(options, events);
  }

  private constructor(options: ResolvedOptions, events: AuthenticatorEvents) {
    const { clock, hostNqn, subsystemNqn, fabricsTimeoutMs } = options;
    const authentication = options.authentication!;
    this.#events = events;
    this.#repeatMs = authentication.repeatMs;
    this.context = {
      clock,
      authentication,
      hostNqn,
      subsystemNqn,
      numbers: new SequenceNumbers(authentication.crypto),
      commandTimeoutMs: fabricsTimeoutMs,
      nextTid: () => {
        this.#tid = this.#tid === TID_MAX ? 1 : this.#tid + 1;
        return this.#tid;
      },
      told: (qid, result) => events.told(qid, result),
    };
  }

  /** The controller is live, and was authenticated as far as it wanted to be. */
  live(association: Association): void {
    this.#association = association;
    this.#arm();
  }

  /** The controller is live no more. Who waits gets `error`; nothing is told after this. */
  stop(error: NvmeofError): void {
    const why = this.#association?.refusal ?? error;
    this.#association = undefined;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#running?.cancel();
    this.#running = undefined;
    this.#settle(why);
  }

  /** Authenticates the live controller again. Joins what is under way. */
  again(done: Done = () => {}): void {
    const association = this.#association!;
    this.#waiting.push(done);
    if (this.#running !== undefined) return;
    this.#timer?.cancel();
    const { clock } = this.context;
    this.#running = runSequence(clock, everyQueue(this.context, association), (error) => {
      this.#running = undefined;
      if (error === undefined) this.#arm();
      this.#settle(error);
      if (error !== undefined) this.#events.failed(error);
    });
  }

  /**
   * What settles a command: where the controller has not carried it out because the host has to prove anew
   * who it is, it goes once more after that.
   */
  repeating(settle: CommandSettle, send: (settle: CommandSettle) => void): CommandSettle {
    return (error, dw0, dw1) => {
      if (!wantsProof(error) || error.dnr || this.#association === undefined) {
        settle(error, dw0, dw1);
        return;
      }
      this.again((failure) => {
        if (failure === undefined) send(settle);
        else settle(error, dw0, dw1);
      });
    };
  }

  #arm(): void {
    if (this.#repeatMs === 0) return;
    const { clock } = this.context;
    this.#timer = clock.at(clock.nowMs() + this.#repeatMs, () => this.again());
  }

  #settle(error: NvmeofError | undefined): void {
    for (const done of this.#waiting.splice(0)) guarded(this.context.clock, () => done(error));
  }
}

// A controller's demand that its host prove anew who it is: asked on the queues that are in use, with a
// time by which all of them must have been authenticated.
// Read first: auth-role.ts; Base 2.0 §8.13.5 "DH-HMAC-CHAP Protocol", "re-authentication".

import { type Gate, Deadline } from "../gate.ts";
import type { Clock } from "@nvmeof/transport";
import type { AuthRole } from "./auth-role.ts";

/** What a demand is made of. */
export interface AuthDemandOptions {
  readonly clock: Clock;
  readonly gate: Gate;
  readonly timeoutMs: number;
  /** Queues that are authenticated. */
  readonly roles: readonly AuthRole[];
  /** All of them were authenticated again, or are gone. */
  readonly met: () => void;
  /** The host was told, and has not done it in time. */
  readonly expired: () => void;
}

export class AuthDemand {
  readonly #options: AuthDemandOptions;
  /** QIDs. */
  readonly #open: Set<number>;
  readonly #deadline: Deadline;

  constructor(options: AuthDemandOptions) {
    const { clock, gate, roles, expired } = options;
    this.#options = options;
    this.#open = new Set(roles.map(({ qid }) => qid));
    this.#deadline = new Deadline(clock, gate, expired);
    // A command on the admin queue may be nobody's to repeat: it says so only where nothing else can.
    const io = roles.filter(({ qid }) => qid > 0);
    for (const role of io.length > 0 ? io : roles) role.ask();
  }

  /** The host was told, on some queue: its time runs from the first. */
  asked(): void {
    if (!this.#deadline.isSet) this.#deadline.set(this.#options.timeoutMs);
  }

  /** A queue was authenticated again, or is gone. */
  settled(qid: number): void {
    if (!this.#open.delete(qid) || this.#open.size > 0) return;
    this.end();
    this.#options.met();
  }

  /** Nobody is waited for. */
  end(): void {
    this.#deadline.clear();
  }
}

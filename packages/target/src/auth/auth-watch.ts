// Who has yet to prove who he is, and who has failed to: bounds for both, over all of a target.
// Read first: ../limits.ts for the bounds. Whoever has proven nothing must neither fill the target up, nor
// try secrets as fast as it can.

import { type AuthCrypto, SequenceNumbers } from "@nvmeof/core/auth";
import type { Clock } from "@nvmeof/transport";
import type { TargetLimits } from "../limits.ts";

/** A queue that waits for a proof. */
export interface Unproven {
  /** Others came, and this one has waited longest. */
  makeRoom(): void;
}

/** Failures are counted for so long, ms. */
const FAILURES_MS = 60_000;
/** Addresses whose failures are remembered; the one that failed first is forgotten first. */
const ADDRESSES_MAX = 1_024;

/** Without the TCP port, which is another for each connection. */
const addressOf = (remote: string): string => remote.replace(/:\d+$/, "");

export class AuthWatch {
  readonly crypto: AuthCrypto;
  /** Of all exchanges of the target. */
  readonly numbers: SequenceNumbers;
  readonly #clock: Clock;
  readonly #limits: TargetLimits;
  /** Oldest first. */
  readonly #unproven = new Set<Unproven>();
  /** When an address failed, by address. */
  readonly #failures = new Map<string, number[]>();

  constructor(clock: Clock, limits: TargetLimits, crypto: AuthCrypto) {
    this.#clock = clock;
    this.#limits = limits;
    this.crypto = crypto;
    this.numbers = new SequenceNumbers(crypto);
  }

  /** Queues that wait for a proof. */
  get unproven(): number {
    return this.#unproven.size;
  }

  /** One more waits. If there are too many, the one that has waited longest makes room. */
  begin(queue: Unproven): void {
    this.#unproven.add(queue);
    if (this.#unproven.size <= this.#limits.unauthenticatedMax) return;
    const [oldest] = this.#unproven;
    oldest?.makeRoom();
  }

  /** It has proven who it is, or is gone. */
  end(queue: Unproven): void {
    this.#unproven.delete(queue);
  }

  /** A host at this address has failed. */
  failed(remote: string): void {
    const address = addressOf(remote);
    const recent = this.#recent(address);
    this.#failures.delete(address);
    if (this.#failures.size >= ADDRESSES_MAX) {
      const [oldest] = this.#failures.keys();
      this.#failures.delete(oldest!);
    }
    recent.push(this.#clock.nowMs());
    this.#failures.set(address, recent);
  }

  /** Whether hosts at this address have failed too often of late. */
  isBarred(remote: string): boolean {
    return this.#recent(addressOf(remote)).length >= this.#limits.authenticationFailuresMax;
  }

  #recent(address: string): number[] {
    const sinceMs = this.#clock.nowMs() - FAILURES_MS;
    const times = this.#failures.get(address) ?? [];
    return times.filter((atMs) => atMs > sinceMs);
  }
}

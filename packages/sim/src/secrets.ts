// Secrets of a run, where it has any: every host has to prove who it is, to every subsystem.
// Read first: @nvmeof/core auth/options.ts; @nvmeof/target auth/allowed-hosts.ts; wire/proof.ts, the oracle.

import { DhchapKey } from "@nvmeof/codec/auth";
import type { Authentication } from "@nvmeof/core";
import type { AuthCrypto } from "@nvmeof/core/auth";
import type { AllowedHost } from "@nvmeof/target";
import type { SimRandom } from "./random.ts";
import type { Complain } from "./violation.ts";

/**
 * How the hosts of a run authenticate. It is no part of a plan: a plan is the same with secrets and without.
 */
export interface SecretsOptions {
  /** Hashes; chance comes from the seed, and there is no Diffie-Hellman, which brings chance of its own. */
  readonly crypto: Pick<AuthCrypto, "digest" | "hmac" | "equal">;
  /** Subsystems prove who they are, too. */
  readonly ways: "one" | "both";
  /** Hosts do it again after this time, ms; 0 for never. */
  readonly repeatMs: number;
  /** Targets ask for it again after this time, ms; 0 for never. */
  readonly demandMs: number;
}

const KEY_BYTES = 32;
/** Time for an exchange, ms: small beside the timeouts of a plan, so that these are what counts. */
const TIMEOUT_MS = 500;

export class Secrets {
  readonly options: SecretsOptions;
  readonly #random: SimRandom;
  readonly #keys = new Map<string, Uint8Array>();

  constructor(options: SecretsOptions, random: SimRandom) {
    this.options = options;
    this.#random = random;
  }

  /** For one process, whose chance is named by `purpose`. */
  cryptoOf(purpose: string): AuthCrypto {
    const random = this.#random.fork(`chance of ${purpose}`);
    return {
      ...this.options.crypto,
      random: (bytes) => bytesOf(random, bytes),
      dh: () => {
        throw new Error("a run has no Diffie-Hellman");
      },
    };
  }

  /** What a host proves itself with to one subsystem. */
  authenticationOf(hostNqn: string, subsystemNqn: string, purpose: string): Authentication {
    return {
      hostKey: this.#keyOf(hostNqn),
      controllerKey: this.#controllerKeyOf(subsystemNqn),
      crypto: this.cryptoOf(purpose),
      groups: ["null"],
      timeoutMs: TIMEOUT_MS,
      repeatMs: this.options.repeatMs,
    };
  }

  /** The hosts as a subsystem knows them. */
  allowedHosts(hostNqns: readonly string[], subsystemNqn: string): AllowedHost[] {
    const controllerKey = this.#controllerKeyOf(subsystemNqn);
    return hostNqns.map((nqn) => ({
      nqn,
      dhchap: { hostKey: this.#keyOf(nqn), controllerKey, groups: ["null"] },
    }));
  }

  /** I39: looks for a secret in bytes that go over the network. */
  look(complain: Complain, bytes: Uint8Array, start: number, end: number): void {
    for (const [owner, key] of this.#keys) {
      for (let at = start; at + KEY_BYTES <= end; at++) {
        if (bytes[at] === key[0] && isAt(bytes, at, key)) {
          complain("I39", `the secret of ${owner} goes over the network`);
        }
      }
    }
  }

  #controllerKeyOf(subsystemNqn: string): DhchapKey | undefined {
    return this.options.ways === "both" ? this.#keyOf(subsystemNqn) : undefined;
  }

  #keyOf(nqn: string): DhchapKey {
    let key = this.#keys.get(nqn);
    if (key === undefined) {
      key = bytesOf(this.#random.fork(`secret of ${nqn}`), KEY_BYTES);
      this.#keys.set(nqn, key);
    }
    return new DhchapKey(key);
  }
}

const bytesOf = (random: SimRandom, bytes: number): Uint8Array =>
  Uint8Array.from({ length: bytes }, () => random.next32() & 0xff);

const isAt = (bytes: Uint8Array, at: number, key: Uint8Array): boolean =>
  key.every((byte, i) => bytes[at + i] === byte);

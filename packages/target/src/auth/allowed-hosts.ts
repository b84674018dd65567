// Who may connect to a subsystem, and what of them is asked: names, and for those with a secret a proof.
// Read first: Base 2.0 §6.3 "Connect Command and Response", §8.13.5 "DH-HMAC-CHAP Protocol".

import { checkNqn } from "@nvmeof/codec";
import {
  type DhchapKey,
  type TlsKey,
  type TlsPsk,
  type TlsSecret,
  tlsSecret,
} from "@nvmeof/codec/auth";
import {
  type AuthAlgorithms,
  type AuthCrypto,
  type HostSecrets,
  resolveAlgorithms,
  usedKey,
} from "@nvmeof/core/auth";

/** What a target knows of a host, to have it prove who it is. */
export interface HostAuthentication extends AuthAlgorithms {
  /** The host's secret. */
  readonly hostKey: DhchapKey;
  /** The subsystem's own, as this host knows it. Default none: then it cannot prove who it is. */
  readonly controllerKey?: DhchapKey | undefined;
}

/** A host that may connect. */
export interface AllowedHost {
  readonly nqn: string;
  /** DH-HMAC-CHAP. Default none: then the host's NQN is its word, and no more. */
  readonly dhchap?: HostAuthentication | undefined;
  /** Its key at ports with TLS (`Target.tlsKeyFor`). Default none. */
  readonly tlsKey?: TlsSecret | undefined;
}

/** Who may connect: everybody, or those that are named. */
export type AllowedHosts = "any" | readonly (string | AllowedHost)[];

/**
 * - `free`: it may connect.
 * - `proof`: it may connect, and has to prove who it is.
 * - `refused`: it may not.
 */
export type Admission = "free" | "proof" | "refused";

interface Entry {
  readonly secrets: HostSecrets | undefined;
  readonly tlsKey: TlsKey | TlsPsk | undefined;
}

/** Bytes of the secret that nobody has. */
const DECOY_BYTES = 32;

/** The hosts of one subsystem. It does not change: another list takes its place. */
export class HostList {
  readonly #entries: ReadonlyMap<string, Entry> | undefined;
  /**
   * For hosts that are not listed, where listed ones have secrets: nobody has this one. So an unknown host
   * is answered as one with a wrong secret is, in the same time. [A20]
   */
  readonly #decoy: HostSecrets | undefined;

  /**
   * @param crypto needed where a host has a secret.
   * @throws NqnError; TlsKeyError; TypeError without `crypto`; RangeError for hashes or groups that there are not.
   */
  constructor(hosts: AllowedHosts, subsystemNqn: string, crypto: AuthCrypto | undefined) {
    if (hosts === "any") return;
    const entries = new Map<string, Entry>();
    for (const host of hosts) {
      const { nqn, dhchap, tlsKey } = typeof host === "string" ? { nqn: host } : host;
      checkNqn(nqn);
      const secrets = dhchap && secretsOf(dhchap, nqn, subsystemNqn, crypto);
      const key = tlsKey === undefined ? undefined : tlsSecret(tlsKey);
      entries.set(nqn, { secrets, tlsKey: key });
    }
    this.#entries = entries;
    const known = [...entries.values()].find(({ secrets }) => secrets !== undefined)?.secrets;
    if (known === undefined) return;
    this.#decoy = {
      // What is agreed upon must not tell either: as with the first of those who are known.
      ...known,
      hostKey: crypto!.random(DECOY_BYTES),
      controllerKey: known.controllerKey && crypto!.random(DECOY_BYTES),
    };
  }

  /** NQNs, or "any". */
  get names(): "any" | readonly string[] {
    return this.#entries === undefined ? "any" : [...this.#entries.keys()];
  }

  /** Whether some of them have to prove who they are. */
  get asksForProof(): boolean {
    return this.#decoy !== undefined;
  }

  /** Whether a host is one of them. */
  has(hostNqn: string): boolean {
    return this.#entries === undefined || this.#entries.has(hostNqn);
  }

  /** The key of a host for TLS, if it has one. */
  tlsKeyOf(hostNqn: string): TlsKey | TlsPsk | undefined {
    return this.#entries?.get(hostNqn)?.tlsKey;
  }

  /** What becomes of a host that says it is `hostNqn`. */
  admission(hostNqn: string): Admission {
    if (this.#entries === undefined) return "free";
    const entry = this.#entries.get(hostNqn);
    if (entry === undefined) return this.#decoy === undefined ? "refused" : "proof";
    return entry.secrets === undefined ? "free" : "proof";
  }

  /** What a host is to be measured by; undefined where no proof is asked of it. */
  secretsOf(hostNqn: string): HostSecrets | undefined {
    const entry = this.#entries?.get(hostNqn);
    return entry === undefined ? this.#decoy : entry.secrets;
  }
}

function secretsOf(
  { hostKey, controllerKey, ...algorithms }: HostAuthentication,
  hostNqn: string,
  subsystemNqn: string,
  crypto: AuthCrypto | undefined,
): HostSecrets {
  if (crypto === undefined) {
    throw new TypeError("hosts with secrets need authCrypto: that of @nvmeof/core/node");
  }
  return {
    // Made once: what a form of secret costs must not show in how long an answer takes.
    hostKey: usedKey(crypto, hostKey, hostNqn),
    controllerKey: controllerKey && usedKey(crypto, controllerKey, subsystemNqn),
    ...resolveAlgorithms(algorithms, "controller"),
  };
}

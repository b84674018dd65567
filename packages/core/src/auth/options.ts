// What a host authenticates with: secrets, what it accepts, how long and how often.
// Read first: Base 2.0 §8.13.5 "DH-HMAC-CHAP Protocol"; ../options.ts for the rest of the options.

import {
  type AuthHash,
  type AuthHashName,
  DhchapKey,
  type DhGroup,
  type DhGroupName,
  authHashNames,
  dhGroupNames,
} from "@nvmeof/codec/auth";
import type { AuthCrypto } from "./crypto.ts";

/** Which hashes and groups a side accepts; the controller chooses among those of both. */
export interface AuthAlgorithms {
  /** Hash functions, in order of preference. Default: all. */
  readonly hashes?: readonly AuthHashName[] | undefined;
  /** Diffie-Hellman groups, in order of preference. Default of a host: all, "null" for none last. */
  readonly groups?: readonly DhGroupName[] | undefined;
}

/** DH-HMAC-CHAP of a host. */
export interface Authentication extends AuthAlgorithms {
  /** The host's secret, which the target has, too. */
  readonly hostKey: DhchapKey;
  /**
   * The controller's secret. With it the controller has to prove who it is, on every controller that is
   * connected, whether it asks for authentication or not. Default none.
   */
  readonly controllerKey?: DhchapKey | undefined;
  /** Where hashes and chance come from: `dhchap` of `@nvmeof/core/node` brings those of Node. */
  readonly crypto: AuthCrypto;
  /** Time for one exchange, ms. Default 10 s. */
  readonly timeoutMs?: number | undefined;
  /** A live controller is authenticated again after this time, ms; 0 for never. Default 0. */
  readonly repeatMs?: number | undefined;
}

/** The same, complete. */
export interface ResolvedAuthentication {
  readonly hostKey: DhchapKey;
  readonly controllerKey: DhchapKey | undefined;
  readonly crypto: AuthCrypto;
  readonly hashes: readonly AuthHash[];
  readonly groups: readonly DhGroup[];
  readonly timeoutMs: number;
  readonly repeatMs: number;
}

/** All hashes, the strongest first: none costs anything worth mentioning. */
const ALL_HASHES: readonly AuthHashName[] = ["sha512", "sha384", "sha256"];

/** All groups. The larger ones cost milliseconds: those that are strong enough come first. */
const HOST_GROUPS: readonly DhGroupName[] = [
  "ffdhe3072",
  "ffdhe4096",
  "ffdhe6144",
  "ffdhe8192",
  "ffdhe2048",
  "null",
];

/** A controller does not do without a group unless it is told to. */
const CONTROLLER_GROUPS: readonly DhGroupName[] = HOST_GROUPS.filter((name) => name !== "null");

function idsOf<T extends number>(
  what: string,
  names: readonly string[],
  known: Readonly<Record<string, T>>,
): readonly T[] {
  if (names.length === 0) throw new RangeError(`no ${what} to authenticate with`);
  const ids = names.map((name) => {
    const id = Object.hasOwn(known, name) ? known[name] : undefined;
    if (id === undefined) {
      throw new RangeError(`${what} "${name}" is none of ${Object.keys(known).join(", ")}`);
    }
    return id;
  });
  return [...new Set(ids)];
}

/**
 * Hashes and groups as identifiers, in order of preference.
 *
 * @throws RangeError for names that there are not, or for none at all.
 */
export function resolveAlgorithms(
  { hashes, groups }: AuthAlgorithms,
  side: "host" | "controller",
): { readonly hashes: readonly AuthHash[]; readonly groups: readonly DhGroup[] } {
  const usualGroups = side === "host" ? HOST_GROUPS : CONTROLLER_GROUPS;
  return {
    hashes: idsOf<AuthHash>("hash", hashes ?? ALL_HASHES, authHashNames),
    groups: idsOf<DhGroup>("group", groups ?? usualGroups, dhGroupNames),
  };
}

/**
 * Checks and fills in the defaults.
 *
 * @throws RangeError or TypeError for what cannot be right.
 */
export function resolveAuthentication(given: Authentication): ResolvedAuthentication {
  const { hostKey, controllerKey, crypto, timeoutMs = 10_000, repeatMs = 0 } = given;
  for (const key of [hostKey, controllerKey ?? hostKey]) {
    if (!(key instanceof DhchapKey))
      throw new TypeError("a secret is a DhchapKey: DhchapKey.parse");
  }
  if (!(timeoutMs > 0)) throw new RangeError(`timeoutMs is ${timeoutMs}; it must be above 0`);
  // Less than an exchange may take would be one without an end.
  if (!(repeatMs === 0 || repeatMs >= 1_000)) {
    throw new RangeError(`repeatMs is ${repeatMs}; it must be 0, or 1000 and more`);
  }
  const algorithms = resolveAlgorithms(given, "host");
  return { hostKey, controllerKey, crypto, timeoutMs, repeatMs, ...algorithms };
}

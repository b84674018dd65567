// The finite field Diffie-Hellman groups: primes made by the rule of the RFC, and what a value must be.
// Read first: RFC 7919 §A "Supported Groups"; §5.1 on public values.

import { DhGroup, dhGroupBytes } from "./names.ts";

/** The generator of every group. */
export const FFDHE_GENERATOR = 2;

/** What the RFC adds to e, for the smallest p with which p and (p - 1) / 2 are prime. */
const additions: Readonly<Record<number, bigint>> = {
  [DhGroup.Ffdhe2048]: 560_316n,
  [DhGroup.Ffdhe3072]: 2_625_351n,
  [DhGroup.Ffdhe4096]: 5_736_041n,
  [DhGroup.Ffdhe6144]: 15_705_020n,
  [DhGroup.Ffdhe8192]: 10_965_728n,
};

/** The whole part of e × 2^`bits`: the series of 1 / n!, with bits to spare. */
function scaledE(bits: bigint): bigint {
  const spare = 64n;
  let sum = 0n;
  let term = 1n << (bits + spare);
  for (let n = 1n; term > 0n; n++) {
    sum += term;
    term /= n;
  }
  return sum >> spare;
}

/** p = 2^b - 2^(b-64) + {[2^(b-130) e] + X} 2^64 - 1. */
function makePrime(group: DhGroup): Uint8Array {
  const bytes = dhGroupBytes(group);
  const b = BigInt(8 * bytes);
  const middle = (scaledE(b - 130n) + additions[group]!) << 64n;
  const p = (1n << b) - (1n << (b - 64n)) + middle - 1n;
  const prime = new Uint8Array(bytes);
  const digits = p.toString(16);
  for (let at = 0; at < bytes; at++) {
    prime[at] = Number.parseInt(digits.slice(2 * at, 2 * at + 2), 16);
  }
  return prime;
}

const primes = new Map<DhGroup, Uint8Array>();

/**
 * The prime of a group, most significant byte first; made once. Not to be changed.
 *
 * @throws RangeError for the null group.
 */
export function ffdhePrime(group: DhGroup): Uint8Array {
  if (group === DhGroup.Null) throw new RangeError("the null group has no prime");
  const known = primes.get(group);
  if (known !== undefined) return known;
  const made = makePrime(group);
  primes.set(group, made);
  return made;
}

/**
 * Whether a public value of a peer may be used: as long as the prime, and 2 to p - 2. With 0, 1 and
 * p - 1 anybody would know the secret that comes of it.
 */
export function isDhPublicValue(group: DhGroup, value: Uint8Array): boolean {
  const prime = ffdhePrime(group);
  if (value.length !== prime.length) return false;
  const last = value.length - 1;
  let rest = 0;
  for (let at = 0; at < last; at++) rest |= value[at]!;
  if (rest === 0 && value[last]! < 2) return false;
  // p is odd: p - 1 differs in its last byte alone.
  for (let at = 0; at < last; at++) {
    if (value[at] !== prime[at]) return value[at]! < prime[at]!;
  }
  return value[last]! < prime[last]! - 1;
}

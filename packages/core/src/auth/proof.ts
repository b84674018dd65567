// What a side of DH-HMAC-CHAP computes to show that it has its secret: keys, challenges and responses.
// Read first: Base 2.0 §8.13.5.4 "DH-HMAC-CHAP_Reply Message", §8.13.5.5 "DH-HMAC-CHAP_Success1
// Message", §8.13.5.8 "DH-HMAC-CHAP Security Requirements".

import { type AuthHash, type DhchapKey, utf8Of } from "@nvmeof/codec/auth";
import type { AuthCrypto } from "./crypto.ts";

/** Names have passed `checkNqn`: they are UTF-8. */
const utf8 = (text: string): Uint8Array => utf8Of(text)!;

const ZERO = Uint8Array.of(0);
const TRANSFORM_LABEL = utf8("NVMe-over-Fabrics");
/** What tells the two directions apart, so that a response is of no use to the other side. */
const HOST_LABEL = utf8("HostHost");
const CONTROLLER_LABEL = utf8("Controller");

/**
 * The key that is used: the secret, or what its hash makes of it and of the name of who owns it. A host's
 * key belongs to the host NQN, a controller's key to the subsystem NQN.
 */
export function usedKey(crypto: AuthCrypto, key: DhchapKey, ownerNqn: string): Uint8Array {
  const secret = key.reveal();
  if (key.transform === 0) return secret;
  const used = crypto.hmac(key.transform, secret, [utf8(ownerNqn), TRANSFORM_LABEL]);
  secret.fill(0);
  return used;
}

/** What both responses of a transaction are made of. */
export interface Transaction {
  readonly hash: AuthHash;
  readonly tid: number;
  /** Secure channel concatenation (SC_C). */
  readonly scc: number;
  /** The secret of Diffie-Hellman; undefined with the null group. */
  readonly dhSecret: Uint8Array | undefined;
  readonly hostNqn: string;
  readonly subsystemNqn: string;
}

/** The challenge itself, or with Diffie-Hellman its HMAC, so that who has not taken part learns nothing. */
function augmented(crypto: AuthCrypto, of: Transaction, challenge: Uint8Array): Uint8Array {
  const { hash, dhSecret } = of;
  if (dhSecret === undefined) return challenge;
  const key = crypto.digest(hash, dhSecret);
  const made = crypto.hmac(hash, key, [challenge]);
  key.fill(0);
  return made;
}

function numbers(seqnum: number, tid: number, scc: number): Uint8Array {
  const bytes = new Uint8Array(7);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, seqnum, true);
  view.setUint16(4, tid, true);
  view.setUint8(6, scc);
  return bytes;
}

/** R1: the host's answer to challenge C1, with sequence number S1. */
export function hostResponse(
  crypto: AuthCrypto,
  of: Transaction,
  key: Uint8Array,
  challenge: Uint8Array,
  seqnum: number,
): Uint8Array {
  return crypto.hmac(of.hash, key, [
    augmented(crypto, of, challenge),
    numbers(seqnum, of.tid, of.scc),
    HOST_LABEL,
    utf8(of.hostNqn),
    ZERO,
    utf8(of.subsystemNqn),
  ]);
}

/** R2: the controller's answer to challenge C2, with sequence number S2. SC_C counts as 0 here. */
export function controllerResponse(
  crypto: AuthCrypto,
  of: Transaction,
  key: Uint8Array,
  challenge: Uint8Array,
  seqnum: number,
): Uint8Array {
  return crypto.hmac(of.hash, key, [
    augmented(crypto, of, challenge),
    numbers(seqnum, of.tid, 0),
    CONTROLLER_LABEL,
    utf8(of.subsystemNqn),
    ZERO,
    utf8(of.hostNqn),
  ]);
}

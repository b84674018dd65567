// DH-HMAC-CHAP as an option: secrets as text or as keys, and Node's cryptography.

import { DhchapKey } from "@nvmeof/codec/auth";
import type { Authentication } from "../auth/options.ts";
import { authCrypto } from "./auth-crypto.ts";

/** What {@link dhchap} takes. */
export interface DhchapOptions extends Omit<
  Authentication,
  "hostKey" | "controllerKey" | "crypto"
> {
  /** The host's secret: `DHHC-1:…`, or a key. */
  readonly hostKey: string | DhchapKey;
  /** The controller's: then it has to prove who it is, too. */
  readonly controllerKey?: string | DhchapKey | undefined;
}

const keyOf = (key: string | DhchapKey): DhchapKey =>
  typeof key === "string" ? DhchapKey.parse(key) : key;

/**
 * The option `authentication` of a controller. The texts are read here, and kept nowhere.
 *
 * @throws DhchapKeyError for a text that is no secret.
 */
export function dhchap({ hostKey, controllerKey, ...rest }: DhchapOptions): Authentication {
  return {
    ...rest,
    crypto: authCrypto,
    hostKey: keyOf(hostKey),
    ...(controllerKey === undefined ? {} : { controllerKey: keyOf(controllerKey) }),
  };
}

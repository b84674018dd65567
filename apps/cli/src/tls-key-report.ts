// What the verbs for TLS keys say of a key, and the line that they append to a key file.
// Read first: @nvmeof/codec/auth tls-psk.ts.

import { appendFile } from "node:fs/promises";
import { type TlsKey, type TlsPsk, deriveTlsPsk } from "@nvmeof/codec/auth";
import { nodeHmac } from "@nvmeof/transport/node";
import type { Context } from "./context.ts";
import { usage } from "./errors.ts";
import { fileError } from "./files.ts";
import { hostIdentity } from "./identity.ts";
import type { TlsKeyOptions } from "./tls-key-commands.ts";

/** What is derived of a key for one host and one subsystem; undefined where none is named. */
export async function derivedPsk(
  context: Context,
  key: TlsKey,
  options: TlsKeyOptions,
): Promise<TlsPsk | undefined> {
  const { subsysnqn: subsystemNqn, keyfile, identity: version, compatKey: compat } = options;
  if (subsystemNqn === undefined) {
    if (keyfile === undefined) return undefined;
    throw usage("Need to specify a subsystem NQN", "A derived key is for one subsystem: give -c.");
  }
  const { hostNqn } = await hostIdentity(
    { hostnqn: options.hostnqn },
    context.io.env,
    context.warn,
  );
  const psk = deriveTlsPsk(nodeHmac, key, { hostNqn, subsystemNqn }, { version, compat });
  if (keyfile !== undefined) await append(keyfile, psk);
  return psk;
}

/** A file that is not there yet can be read by its owner alone. */
async function append(file: string, psk: TlsPsk): Promise<void> {
  try {
    await appendFile(file, `${psk.revealLine()}\n`, { mode: 0o600 });
  } catch (error) {
    throw fileError("write", file, error);
  }
}

// `keys gen-dhchap-key`: a new DH-HMAC-CHAP secret, or one of bytes that are given. Its output is nvme-cli's.
// Read first: Base 2.0 §8.13.5.8 "DH-HMAC-CHAP Security Requirements", "Secret representation".

import { randomBytes } from "node:crypto";
import { hexBytes } from "@nvmeof/codec";
import { DhchapKey } from "@nvmeof/codec/auth";
import { usedKey } from "@nvmeof/core/auth";
import { authCrypto } from "@nvmeof/core/node";
import type { Context, Verb } from "../context.ts";
import type { GenDhchapKeyOptions } from "../dhchap-key-commands.ts";
import { usage } from "../errors.ts";
import { hostIdentity } from "../identity.ts";
import { secretText } from "../secrets.ts";

/** Bytes and name of a hash, by its number. */
const hashes = {
  1: { bytes: 32, name: "SHA(256)" },
  2: { bytes: 48, name: "SHA(384)" },
  3: { bytes: 64, name: "SHA(512)" },
} as const;

function lengthOf({ hmac, keyLength }: GenDhchapKeyOptions): number {
  if (hmac === 0) return keyLength ?? 32;
  const { bytes, name } = hashes[hmac];
  if (keyLength === undefined || keyLength === bytes) return bytes;
  throw usage(`Invalid key length ${keyLength} for ${name}`, `It is ${bytes}; leave out -l.`);
}

async function bytesOf(
  context: Context,
  file: string | undefined,
  wanted: number,
): Promise<Uint8Array> {
  if (file === undefined) return new Uint8Array(randomBytes(wanted));
  const { text, from } = (await secretText({ what: "secret", file, variable: "" }, context))!;
  const digits = text.trim();
  if (!/^([\da-f]{2})*$/i.test(digits)) {
    throw usage(
      `Invalid secret: ${from} does not hold pairs of hexadecimal digits, and nothing else`,
    );
  }
  const bytes = hexBytes(digits);
  if (bytes.length < wanted) throw usage(`Invalid key length (${bytes.length} bytes)`);
  if (bytes.length > wanted) context.warn("Skipping excess secret bytes");
  return bytes.slice(0, wanted);
}

/** With a hash, what is printed is made of the bytes and of the host NQN; on use that is done once more. */
async function keyOf(context: Context, options: GenDhchapKeyOptions): Promise<DhchapKey> {
  const { hmac, nqn } = options;
  const bytes = await bytesOf(context, options.secretFile, lengthOf(options));
  if (hmac === 0) return new DhchapKey(bytes);
  const { hostNqn } = await hostIdentity({ hostnqn: nqn }, context.io.env, context.warn);
  return new DhchapKey(usedKey(authCrypto, new DhchapKey(bytes, hmac), hostNqn), hmac);
}

export const run: Verb<GenDhchapKeyOptions> = async (context, options) => {
  const key = await keyOf(context, options);
  const text = key.revealText();
  return {
    data: { secret: text, hmac: key.transform, length: key.length },
    text: () => `${text}\n`,
  };
};

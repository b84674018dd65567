// `keys gen-tls-key`: a new TLS key, or one of bytes that are given. Its output is nvme-cli's.
// Read first: NVMe/TCP 1.0 §3.6.1.5 "PSK Interchange Format".

import { randomBytes } from "node:crypto";
import { hexBytes } from "@nvmeof/codec";
import { TlsKey } from "@nvmeof/codec/auth";
import type { Context, Verb } from "../context.ts";
import { usage } from "../errors.ts";
import { secretText } from "../secrets.ts";
import type { GenTlsKeyOptions } from "../tls-key-commands.ts";
import { derivedPsk } from "../tls-key-report.ts";

/** Bytes of a key, by its hash. */
const keyBytes = { 1: 32, 2: 48 } as const;

async function secretOf(context: Context, options: GenTlsKeyOptions): Promise<Uint8Array> {
  const { hmac, secretFile } = options;
  const wanted = keyBytes[hmac];
  if (secretFile === undefined) return new Uint8Array(randomBytes(wanted));
  const source = { what: "secret", file: secretFile, variable: "" };
  const { text, from } = (await secretText(source, context))!;
  const digits = text.trim();
  if (!/^([\da-f]{2})*$/i.test(digits)) {
    throw usage(
      `Invalid secret: ${from} does not hold pairs of hexadecimal digits, and nothing else`,
    );
  }
  const secret = hexBytes(digits);
  if (secret.length < wanted) throw usage(`Invalid key length (${secret.length} bytes)`);
  if (secret.length > wanted) context.warn("Skipping excess secret bytes");
  return secret.slice(0, wanted);
}

export const run: Verb<GenTlsKeyOptions> = async (context, options) => {
  const key = new TlsKey(await secretOf(context, options), options.hmac);
  const psk = await derivedPsk(context, key, options);
  const text = key.revealText();
  return {
    data: { key: text, hmac: key.hash, length: key.length, identity: psk?.identity ?? null },
    text: () => `${text}\n`,
  };
};

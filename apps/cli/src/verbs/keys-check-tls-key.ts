// `keys check-tls-key`: whether a TLS key is one, and what it is called. Its output is nvme-cli's.
// Read first: NVMe/TCP 1.0 §3.6.1.3 "TLS PSK and PSK Identity Derivation".

import { TlsKey, TlsKeyError } from "@nvmeof/codec/auth";
import type { Verb } from "../context.ts";
import { CliError, usage } from "../errors.ts";
import { secretText } from "../secrets.ts";
import type { TlsKeyOptions } from "../tls-key-commands.ts";
import { derivedPsk } from "../tls-key-report.ts";

export const run: Verb<TlsKeyOptions> = async (context, options, file = "-") => {
  const found = await secretText({ what: "TLS key", file, variable: "" }, context);
  const text = found?.text.trim() ?? "";
  if (text === "")
    throw usage("No key data", "Give a file with the key, or have it come by stdin.");
  const key = parseKey(text, found?.from ?? file);
  const psk = await derivedPsk(context, key, options);
  const { hash: hmac, length } = key;
  return {
    data: { valid: true, hmac, length, identity: psk?.identity ?? null },
    text: () => `${psk?.identity ?? `Configured PSK is valid (HMAC ${hmac}, length ${length})`}\n`,
  };
};

function parseKey(text: string, from: string): TlsKey {
  try {
    return TlsKey.parse(text);
  } catch (error) {
    if (!(error instanceof TlsKeyError)) throw error;
    const { message } = error;
    const hint = "`nvmeof keys gen-tls-key` makes a key: NVMeTLSkey-1:, two digits and base64.";
    throw new CliError("NVME_ERR_TLS_KEY", `${from}: ${message}`, { hint });
  }
}

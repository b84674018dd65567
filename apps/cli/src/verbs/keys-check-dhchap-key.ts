// `keys check-dhchap-key`: whether a DH-HMAC-CHAP secret is one. Its output is nvme-cli's.
// Read first: Base 2.0 §8.13.5.8 "DH-HMAC-CHAP Security Requirements", "Secret representation".

import { readKey } from "../authentication.ts";
import type { Verb } from "../context.ts";
import { usage } from "../errors.ts";
import { secretText } from "../secrets.ts";

export const run: Verb = async (context, _options, file = "-") => {
  const found = await secretText({ what: "secret", file, variable: "" }, context);
  if (found === undefined || found.text === "") {
    throw usage("Key not specified", "Give a file with the secret, or have it come by stdin.");
  }
  const { transform: hmac, length, checksum } = readKey(found);
  const crc = checksum.toString(16).padStart(8, "0");
  return {
    data: { valid: true, hmac, length, crc },
    text: () => `Key is valid (HMAC ${hmac}, length ${length}, CRC ${crc})\n`,
  };
};

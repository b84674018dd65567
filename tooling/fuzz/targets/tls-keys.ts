// TLS keys as people and files give them, and PSK identities as peers do.
// Read first: parser.ts; packages/codec/src/auth/tls-key.ts. What was no key may be one in all but a character:
// no refusal may repeat it.

import { isNvmeofError } from "@nvmeof/codec";
import { TlsKey, TlsPsk, parseTlsIdentity } from "@nvmeof/codec/auth";
// @boundaries-ignore what no package exports is tried as well
import { KeyFile } from "../../../apps/cli/src/key-file.ts";
import { Broken, type FuzzTarget } from "../fuzz-target.ts";
import type { Random } from "../random.ts";
import { type Choice, parsers } from "./parser.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Parts of the keys below that are secret. */
const secrets = ["VRLbtnN9AQb2", "qssNnpEmnA0Z"];

const text =
  (parse: (text: string) => unknown) =>
  (input: Uint8Array): unknown => {
    const given = decoder.decode(input.subarray(0, 8_192));
    try {
      return parse(given);
    } catch (error) {
      const said = isNvmeofError(error) ? `${error.message} ${error.hint}` : "";
      if (secrets.some((secret) => said.includes(secret))) throw new Broken(`it is told: ${said}`);
      throw error;
    }
  };

const some =
  (...all: readonly string[]) =>
  (random: Random): Uint8Array =>
    encoder.encode(random.pick(all));

const host = "nqn.2024-01.org.example:host";
const names = `${host} nqn.2024-01.org.example:disk1`;
const key = "NVMeTLSkey-1:01:VRLbtnN9AQb2WXW3c9+wEf/DRLz0QuLdbYvEhwtdWwNf9LrZ:";
const longKey =
  "NVMeTLSkey-1:02:VRLbtnN9AQb2WXW3c9+wEf/DRLz0QuLdbYvEhwtdWwP/w0S89ELi3W2LxIcLXVsDn8kXZQ==:";
const line = `NVMe0R01 ${names} NVMeTLSkey-0:01:qssNnpEmnA0ZLotF6vojJnxrEfDQKLQUB48/YMJw51KXCwUj:`;

function readKey(given: string): unknown {
  const read = TlsKey.parse(given);
  if (read.revealText() !== given)
    throw new Broken("a key is written in another way than it was read");
  return [read, read.hash, read.length];
}

function readLine(given: string): unknown {
  const read = TlsPsk.parseLine(given);
  if (String(read).includes("NVMeTLSkey") !== read.identity.includes("NVMeTLSkey")) {
    throw new Broken("a PSK shows itself");
  }
  return [read, read.hash];
}

function readFile(given: string): unknown {
  const keys = new KeyFile({ text: given, from: "fuzz" });
  return String(keys.keyFor({ hostNqn: host, subsystemNqn: "nqn.2024-01.org.example:disk1" }));
}

const choices: readonly Choice[] = [
  { valid: some(key, longKey, key.replace(":01:", ":00:")), decode: text(readKey) },
  { valid: some(line), decode: text(readLine) },
  {
    valid: some(`NVMe0R01 ${names}`, `NVMe1G02 ${names} c2hhMzg0`, "Client_identity"),
    decode: text(parseTlsIdentity),
  },
  { valid: some(`# all\n${key}\n${host} ${key}\n${line}\n`), decode: text(readFile) },
];

export const tlsKeys: FuzzTarget = parsers(
  "tls-keys",
  "TLS keys, key files and PSK identities, as text",
  choices,
  2_000,
);

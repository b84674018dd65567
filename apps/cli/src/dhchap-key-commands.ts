// Rows of the verbs for secrets of DH-HMAC-CHAP, in the words of nvme-cli.
// Read first: command.ts for a row; verbs/keys-gen-dhchap-key.ts, verbs/keys-check-dhchap-key.ts.

import { checkNqn } from "@nvmeof/codec";
import { Option } from "commander";
import type { CommandSpec } from "./command.ts";
import { usage } from "./errors.ts";
import { commonOptions, valued } from "./options.ts";
import { refusedSecret } from "./secrets.ts";
import { parseWhole } from "./units.ts";

export interface GenDhchapKeyOptions {
  /** 0 for none, 1 to 3 for SHA-256, SHA-384 and SHA-512. */
  readonly hmac: 0 | 1 | 2 | 3;
  readonly keyLength?: number;
  readonly nqn?: string;
  readonly secretFile?: string;
}

const number = (text: string): number => parseWhole(text, 0, Number.MAX_SAFE_INTEGER);

const hmac = (text: string): number => {
  const value = number(text);
  if (value <= 3) return value;
  const hint = "0 is none, 1 is SHA-256, 2 is SHA-384, 3 is SHA-512.";
  throw usage(`Invalid HMAC identifier ${value}`, hint);
};

const keyLength = (text: string): number => {
  const value = number(text);
  if (value === 32 || value === 48 || value === 64) return value;
  throw usage(`Invalid key length ${value}`, "It is 32, 48 or 64 bytes.");
};

const genDhchapKey: CommandSpec = {
  name: "keys gen-dhchap-key",
  aliases: ["gen-dhchap-key", "gen-kxchap-secret"],
  summary: "Make a DH-HMAC-CHAP secret, for a host or a controller",
  details: `
What it prints is the secret itself: keep it in a file that nobody else can read, on the host and on the
target. The output is that of \`nvme gen-dhchap-key\`.

With -m the secret says with which hash the key is made of it, and the bytes of --secret-file, or chance,
are transformed by that hash and the host NQN before they are printed, as nvme-cli does.`,
  examples: [
    "(umask 077; nvmeof keys gen-dhchap-key >host.secret)",
    "nvmeof keys gen-dhchap-key -m 1 -n nqn.2014-08.org.nvmexpress:uuid:… --secret-file bytes.hex",
  ],
  options: () => [
    valued("-m, --hmac <id>", "0 none, 1 SHA-256, 2 SHA-384, 3 SHA-512", hmac).default(0),
    valued("-l, --key-length <bytes>", "32, 48 or 64; with -m that of the hash", keyLength),
    valued("-n, --nqn <nqn>", "host NQN; default: yours, see show-hostnqn", checkNqn),
    new Option("--secret-file <file>", "take these bytes, in hexadecimal; - is stdin"),
    refusedSecret(
      new Option("-s, --secret <hex>"),
      "Write it into a file that only you can read, and give --secret-file FILE; - is stdin.",
    ),
    ...commonOptions(["normal", "json"]),
  ],
  formats: ["normal", "json"],
  timeoutMs: 60_000,
  schema: "gen-dhchap-key",
  load: () => import("./verbs/keys-gen-dhchap-key.ts"),
};

const checkDhchapKey: CommandSpec = {
  name: "keys check-dhchap-key",
  aliases: ["check-dhchap-key", "check-kxchap-secret"],
  args: [["[file]", "a file with the secret, - for stdin, which is the default"]],
  summary: "Check a DH-HMAC-CHAP secret",
  details: `
It says which hash the secret names, how long it is, and its checksum, as \`nvme check-dhchap-key\` does.`,
  examples: [
    "nvmeof keys check-dhchap-key host.secret",
    "nvmeof keys gen-dhchap-key | nvmeof keys check-dhchap-key",
  ],
  options: () => [
    refusedSecret(
      new Option("-k, --key <key>"),
      "Give the name of a file with the secret, or have it come by stdin.",
    ),
    ...commonOptions(["normal", "json"]),
  ],
  formats: ["normal", "json"],
  timeoutMs: 60_000,
  schema: "check-dhchap-key",
  load: () => import("./verbs/keys-check-dhchap-key.ts"),
};

/** The same under the names of nvme-cli 3.0. */
const renamed = (spec: CommandSpec, name: string): CommandSpec => ({
  ...spec,
  name,
  aliases: [],
  visibility: "hidden",
});

export const dhchapKeyCommands: readonly CommandSpec[] = [
  genDhchapKey,
  checkDhchapKey,
  renamed(genDhchapKey, "keys gen-kxchap-secret"),
  renamed(checkDhchapKey, "keys check-kxchap-secret"),
];

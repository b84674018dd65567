// Rows of the verbs for TLS keys, in the words of nvme-cli.
// Read first: command.ts for a row; verbs/keys-*.ts for the verbs.

import { checkNqn } from "@nvmeof/codec";
import { Option } from "commander";
import type { CommandSpec } from "./command.ts";
import { usage } from "./errors.ts";
import { commonOptions, valued } from "./options.ts";
import { refusedSecret } from "./secrets.ts";
import { parseWhole } from "./units.ts";

/** What both verbs take. */
export interface TlsKeyOptions {
  readonly hostnqn?: string;
  readonly subsysnqn?: string;
  readonly identity: 0 | 1;
  readonly keyfile?: string;
  /** --compat, which has another meaning elsewhere. */
  readonly compatKey?: boolean;
}

export interface GenTlsKeyOptions extends TlsKeyOptions {
  readonly hmac: 1 | 2;
  readonly secretFile?: string;
}

const version = (text: string): number => {
  const value = parseWhole(text, 0, Number.MAX_SAFE_INTEGER);
  if (value <= 1) return value;
  throw usage(`Invalid TLS identity version ${value}`, "0 is that of NVMe/TCP 1.0, 1 that of 2.0.");
};

const hmac = (text: string): number => {
  const value = parseWhole(text, 0, Number.MAX_SAFE_INTEGER);
  if (value === 1 || value === 2) return value;
  throw usage(`Invalid HMAC identifier ${value}`, "1 is SHA-256, 2 is SHA-384.");
};

const noKeyring = (flags: string): Option =>
  new Option(flags).hideHelp().argParser(() => {
    const hint = "With --keyfile it appends a line that `nvme tls-key --import` reads.";
    throw usage("there is no keyring here: keys are kept in files", hint);
  });

/** Named as in nvme-cli, where the word says something else than in our other verbs. */
function compatOption(): Option {
  const option = new Option("-C, --compat", "derive as nvme-cli before 3.0 does");
  return Object.assign(option, { attributeName: () => "compatKey" });
}

const derivationOptions = (): Option[] => [
  valued("-n, --hostnqn <nqn>", "host NQN; default: yours, see show-hostnqn", checkNqn),
  valued("-c, --subsysnqn <nqn>", "NQN of the subsystem that the key is for", checkNqn),
  valued("-I, --identity <version>", "version of the PSK identity: 0 or 1", version).default(0),
  compatOption(),
  new Option("-f, --keyfile <file>", "append identity and derived PSK, as nvme-cli does"),
  noKeyring("-i, --insert"),
  noKeyring("-k, --keyring <name>"),
  noKeyring("-t, --keytype <type>"),
];

const SECRET_WAY = "Write it into a file that only you can read, and give it there; - is stdin.";

const genTlsKey: CommandSpec = {
  name: "keys gen-tls-key",
  aliases: ["gen-tls-key"],
  summary: "Make a TLS key, in the PSK interchange format",
  details: `
What it prints is the secret itself: keep it in a file that nobody else can read, on the host and on the
target. The output is that of \`nvme gen-tls-key\`.

With -c it is also derived for one host and one subsystem, and -f appends the result to a key file.
Keys for SHA-384 (-m 2) can be made, and not be used by this program: Node cannot.`,
  examples: [
    "(umask 077; nvmeof keys gen-tls-key >tls.key)",
    "nvmeof keys gen-tls-key --secret-file secret.hex",
  ],
  options: () => [
    valued("-m, --hmac <id>", "1 is SHA-256, 2 is SHA-384", hmac).default(1),
    new Option("--secret-file <file>", "take these bytes, in hexadecimal; - is stdin"),
    refusedSecret(
      new Option("-s, --secret <hex>"),
      SECRET_WAY.replace("give it there", "give --secret-file FILE"),
    ),
    ...derivationOptions(),
    ...commonOptions(["normal", "json"]),
  ],
  formats: ["normal", "json"],
  timeoutMs: 60_000,
  schema: "gen-tls-key",
  load: () => import("./verbs/keys-gen-tls-key.ts"),
};

const checkTlsKey: CommandSpec = {
  name: "keys check-tls-key",
  aliases: ["check-tls-key"],
  args: [["[file]", "a file with the key, - for stdin, which is the default"]],
  summary: "Check a TLS key, and print the PSK identity that it has for a subsystem",
  details: `
It takes a key in the PSK interchange format. With -c it prints the identity, as \`nvme check-tls-key\` does,
and -f appends it with the derived PSK to a key file. Without -c it says whether the key is valid.`,
  examples: [
    "nvmeof keys check-tls-key tls.key",
    "nvmeof keys check-tls-key -c nqn.2024-01.com.example:disk1 -I 1 <tls.key",
  ],
  options: () => [
    refusedSecret(
      new Option("-d, --keydata <key>"),
      "Give the name of a file with the key, or have it come by stdin.",
    ),
    ...derivationOptions(),
    ...commonOptions(["normal", "json"]),
  ],
  formats: ["normal", "json"],
  timeoutMs: 60_000,
  schema: "check-tls-key",
  load: () => import("./verbs/keys-check-tls-key.ts"),
};

/** The same under the names of nvme-cli 3.0. */
const renamed = (spec: CommandSpec, ...names: string[]): CommandSpec[] =>
  names.map((name) => ({ ...spec, name, aliases: [], visibility: "hidden" }));

const tlsKey: CommandSpec = {
  name: "tls-key",
  visibility: "hidden",
  summary: "Keys of the kernel's keyring, which this program does not use",
  examples: ["nvmeof keys check-tls-key -c nqn.2024-01.com.example:disk1 -f keys tls.key"],
  options: () => [
    ...[
      "-i, --import",
      "-e, --export",
      "-r, --revoke <key>",
      "-k, --keyring <name>",
      "-t, --keytype <type>",
      "-f, --keyfile <file>",
    ].map((flags) => new Option(flags).hideHelp()),
    ...commonOptions(["normal", "json"]),
  ],
  formats: ["normal", "json"],
  timeoutMs: 60_000,
  schema: "tls-key",
  load: () => import("./verbs/keys-tls-key.ts"),
};

export const tlsKeyCommands: readonly CommandSpec[] = [
  genTlsKey,
  checkTlsKey,
  ...renamed(genTlsKey, "keys gen-tls", "keys gen-tls-psk"),
  ...renamed(checkTlsKey, "keys check-tls", "keys check-tls-psk"),
  tlsKey,
];

// Options of TLS: whether, with which key, and how it is called. Keys come from files, stdin or the environment.
// Read first: secrets.ts, key-file.ts; README.md "TLS".

import { parseTlsIdentity } from "@nvmeof/codec/auth";
import { TlsError } from "@nvmeof/transport";
import type { TlsOptions } from "@nvmeof/transport/node";
import { Option } from "commander";
import type { Context } from "./context.ts";
import { CliError, usage } from "./errors.ts";
import { KeyFile } from "./key-file.ts";
import { refusedSecret, secretText } from "./secrets.ts";

/** Where a key is when there is no file. */
export const TLS_KEY_VARIABLE = "NVMEOF_TLS_KEY";

const KEY_FILE = "--tls-key-file";
const BETTER = `Write the key into a file that only you can read, and give ${KEY_FILE} FILE; - is stdin.`;

/** What was said about TLS. */
export interface TlsCliOptions {
  readonly tls?: boolean;
  readonly tlsKeyFile?: string;
  readonly tlsKeyIdentity?: string;
  readonly tlsCompat?: boolean;
  readonly keyring?: string;
  readonly concat?: boolean;
  /** What `withTlsKeys` found. The error is that of a variable which somebody may not have meant. */
  readonly tlsKeys?: KeyFile | CliError;
}

/** The option of keys themselves, for hosts and for targets. */
export const tlsKeyOptions = (): Option[] => [
  new Option(
    `${KEY_FILE} <file>`,
    `TLS with the key in this file, - for stdin; else $${TLS_KEY_VARIABLE}`,
  ),
  new Option("--tls-compat", "derive keys as nvme-cli before 3.0 does"),
  ...["--tls-key", "--tls_key"].map((name) => refusedSecret(new Option(`${name} <key>`), BETTER)),
];

/** Options of verbs that connect. */
export const tlsOptions = (): Option[] => [
  new Option("--tls", "TLS 1.3 with a pre-shared key, and never without"),
  ...tlsKeyOptions(),
  new Option(
    "--tls-key-identity <identity>",
    "PSK identity, or 0 or 1 for its version (default: version 1)",
  ),
  new Option("--keyring <name>").hideHelp(),
  new Option("--concat").hideHelp(),
];

/** Reads the keys that the options name. What nvme-cli has and this has not is said. */
export async function withTlsKeys<Options extends TlsCliOptions>(
  options: Options,
  context: Context,
): Promise<Options> {
  if (options.concat === true) {
    const hint = "Set up a key on both sides, and use --tls.";
    throw usage("--concat, a TLS key that comes of authentication, is not supported", hint);
  }
  if (options.keyring !== undefined) {
    context.warn("--keyring is the kernel's; keys are taken from --tls-key-file");
  }
  const source = { what: "TLS key", file: options.tlsKeyFile, variable: TLS_KEY_VARIABLE };
  const found = await secretText(source, context);
  if (found === undefined) return options;
  try {
    return { ...options, tlsKeys: new KeyFile(found) };
  } catch (error) {
    if (options.tlsKeyFile !== undefined || !(error instanceof CliError)) throw error;
    return { ...options, tlsKeys: error };
  }
}

/** The keys that were found. @throws CliError where there are none, and they are needed. */
export function keysOf({ tlsKeys }: TlsCliOptions): KeyFile {
  if (tlsKeys === undefined) {
    const hint = `Give ${KEY_FILE} FILE, or set ${TLS_KEY_VARIABLE}; \`nvmeof keys gen-tls-key\` makes a key.`;
    throw usage("TLS needs a key, and there is none", hint);
  }
  if (tlsKeys instanceof CliError) throw tlsKeys;
  return tlsKeys;
}

/** Whether TLS is wanted: an option says so, or the address does. */
export const wantsTls = (options: TlsCliOptions, said: boolean | undefined): boolean =>
  options.tls ?? (options.tlsKeyFile === undefined ? said === true : true);

/** What the transport is asked for, for one subsystem. */
export function tlsOf(
  options: TlsCliOptions,
  names: { readonly hostNqn: string; readonly subsystemNqn: string },
): TlsOptions {
  const { tlsKeyIdentity: said, tlsCompat: compat } = options;
  const keys = keysOf(options);
  const version = said === "0" || said === "1" ? (Number(said) as 0 | 1) : undefined;
  const identity = version === undefined ? said : undefined;
  if (identity !== undefined && parseTlsIdentity(identity) === undefined) {
    const hint = "`nvmeof keys check-tls-key` prints that of a key; 0 and 1 are its versions.";
    throw usage("--tls-key-identity is no identity of NVMe/TCP", hint);
  }
  const key = keys.keyFor(names, identity);
  if (key === undefined) {
    const whom = `${names.hostNqn} and ${names.subsystemNqn}`;
    throw new TlsError("no-key", `${keys.from} has no TLS key for ${whom}`, {
      hint: "Which host you are says --hostnqn; `nvmeof show-hostnqn` shows your own name.",
    });
  }
  return { key, identityVersion: version, identity, compat };
}

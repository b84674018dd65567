// Files of nvme-cli that say whom to connect to: discovery.conf, a line of options for each discovery
// controller, and config.json, hosts with subsystems and ports. Read first: nvme-discover(1), nvme-connect-all(1).

import { dirname, join } from "node:path";
import { DISCOVERY_NQN } from "@nvmeof/codec";
import { nearestName } from "@nvmeof/core";
import { Command } from "commander";
import { CliError, errnoIn } from "./errors.ts";
import { readWholeFile } from "./files.ts";
import { identityFile } from "./identity.ts";
import type { Io } from "./io.ts";
import {
  type ConnectionOptions,
  type TargetOptions,
  connectionOptions,
  fabricsOptions,
  targetOptions,
} from "./options.ts";

/** A way that a file names. */
export interface ConfiguredWay {
  /** Where in the file it is: "line 3", "hosts[0].subsystems[1].ports[0]". */
  readonly place: string;
  readonly kind: "discovery" | "subsystem";
  readonly options: Partial<TargetOptions>;
}

/** What a file says, and what of it is not used. */
export interface Configuration {
  readonly file: string;
  readonly ways: readonly ConfiguredWay[];
  readonly warnings: readonly string[];
}

const CONFIG_BYTES_MAX = 1024 * 1024;
const WAYS_MAX = 4_096;

/** Where they are looked for when nobody names one. */
export const configFiles = (env: Io["env"]): readonly string[] => {
  const folder = dirname(identityFile(env));
  return [join(folder, "config.json"), join(folder, "discovery.conf")];
};

const refuse = (file: string, place: string, why: string, cause?: unknown): CliError =>
  new CliError("NVME_ERR_CONFIG", `${file}, ${place}: ${why}`, {
    hint: "`nvmeof config validate` looks at the whole file.",
    cause,
  });

/** Reads a file of either kind; JSON begins with a bracket. @throws CliError NVME_ERR_CONFIG */
export async function readConfig(file: string): Promise<Configuration> {
  const bytes = await readWholeFile(file, CONFIG_BYTES_MAX);
  const text = new TextDecoder().decode(bytes);
  const parsed = /^\s*[[{]/.test(text) ? parseJson(file, text) : parseLines(file, text);
  if (parsed.ways.length > WAYS_MAX) {
    throw refuse(file, "all of it", `more than ${WAYS_MAX} addresses`);
  }
  return parsed;
}

/** The first file of the user's own that there is; undefined when there is none. */
export async function ownConfig(env: Io["env"]): Promise<Configuration | undefined> {
  for (const file of configFiles(env)) {
    try {
      return await readConfig(file);
    } catch (error) {
      const isAbsent = error instanceof CliError && errnoIn(error.cause) === "ENOENT";
      if (!isAbsent) throw error;
    }
  }
  return undefined;
}

/** Words of a line, with quotes as a shell has them. */
const wordsOf = (line: string): string[] =>
  [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(([, a, b, c]) => a ?? b ?? c ?? "");

/** The options of one line, read as the options of `discover` are. */
function parseWords(words: readonly string[]): Partial<TargetOptions> {
  const command = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  for (const option of [...targetOptions(), ...connectionOptions(), ...fabricsOptions()]) {
    command.addOption(option);
  }
  command.parse([...words], { from: "user" });
  // Defaults are not what the file says.
  const given = Object.entries(command.opts()).filter(
    ([name]) => command.getOptionValueSource(name) === "cli",
  );
  return Object.fromEntries(given);
}

/** discovery.conf: a line for each discovery controller. */
export function parseLines(file: string, text: string): Configuration {
  const ways = text.split("\n").flatMap((raw, i): ConfiguredWay[] => {
    const line = raw.replace(/(^|\s)#.*$/, "").trim();
    if (line === "") return [];
    const place = `line ${i + 1}`;
    try {
      // An option without a value stands for its default there: "--host-traddr=".
      const words = wordsOf(line).filter((word) => !/^--[\w-]+=$/.test(word));
      const options = parseWords(words);
      if (options.traddr === undefined) throw new TypeError("there is no --traddr");
      return [{ place, kind: "discovery", options }];
    } catch (error) {
      throw refuse(file, place, (error as Error).message.replace(/^error: /, ""), error);
    }
  });
  return { file, ways, warnings: [] };
}

type Json = Readonly<Record<string, unknown>>;

/** Names of nvme-cli's JSON, and what they are on the command line. */
const portOptions: Readonly<Record<string, string>> = {
  transport: "--transport",
  traddr: "--traddr",
  trsvcid: "--trsvcid",
  host_traddr: "--host-traddr",
  nr_io_queues: "--nr-io-queues",
  queue_size: "--queue-size",
  keep_alive_tmo: "--keep-alive-tmo",
  reconnect_delay: "--reconnect-delay",
  ctrl_loss_tmo: "--ctrl-loss-tmo",
  fast_io_fail_tmo: "--fast-io-fail-tmo",
  nr_write_queues: "--nr-write-queues",
  nr_poll_queues: "--nr-poll-queues",
  tos: "--tos",
};
const portFlags: Readonly<Record<string, string>> = {
  hdr_digest: "--hdr-digest",
  data_digest: "--data-digest",
  disable_sqflow: "--disable-sqflow",
  duplicate_connect: "--duplicate-connect",
};
/** Known, and not ours to use: secrets do not belong into such a file. */
const ignored = new Set(
  "dhchap_key dhchap_ctrl_key tls tls_key keyring concat persistent discovery application hostsymname persistent_discovery_ctrl host_iface".split(
    " ",
  ),
);

/** The objects of a list; none where there is no list. @throws CliError where it is something else. */
function listOf(file: string, place: string, value: unknown): Json[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw refuse(file, place, "it is no list");
  for (const [i, each] of value.entries()) {
    if (typeof each === "object" && each !== null && !Array.isArray(each)) continue;
    throw refuse(file, `${place}[${i}]`, "it is no object");
  }
  return value as Json[];
}

/** Reads config.json: an array of hosts, or one of them. */
export function parseJson(file: string, text: string): Configuration {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw refuse(file, "all of it", `it is no JSON: ${(error as Error).message}`, error);
  }
  const ways: ConfiguredWay[] = [];
  const warnings: string[] = [];
  const hosts = listOf(file, "hosts", Array.isArray(parsed) ? parsed : [parsed]);
  for (const [h, host] of hosts.entries()) {
    const names = hostWords(file, `hosts[${h}]`, host);
    const inHost = `hosts[${h}].subsystems`;
    for (const [s, subsystem] of listOf(file, inHost, host["subsystems"]).entries()) {
      const nqn = subsystem["nqn"];
      const place = `${inHost}[${s}]`;
      if (typeof nqn !== "string") throw refuse(file, place, "it has no nqn");
      const ports = listOf(file, `${place}.ports`, subsystem["ports"]);
      for (const [p, port] of ports.entries()) {
        const where = `${place}.ports[${p}]`;
        const kind = nqn === DISCOVERY_NQN ? "discovery" : "subsystem";
        const words = [...names, ...(kind === "subsystem" ? ["--nqn", nqn] : [])];
        ways.push({ place: where, kind, options: portOf(file, where, port, words, warnings) });
      }
    }
  }
  return { file, ways, warnings };
}

const hostWords = (file: string, place: string, host: Json): string[] =>
  ["hostnqn", "hostid"].flatMap((name) => {
    const value = host[name];
    if (value === undefined) return [];
    if (typeof value !== "string") throw refuse(file, place, `${name} is no text`);
    return [`--${name}`, value];
  });

function portOf(
  file: string,
  place: string,
  port: Json,
  words: readonly string[],
  warnings: string[],
): Partial<ConnectionOptions> {
  const all = [...words];
  for (const [name, value] of Object.entries(port)) {
    const option = portOptions[name];
    const flag = portFlags[name];
    if (option !== undefined && value !== "") all.push(option, String(value));
    else if (flag !== undefined) all.push(...(value === true ? [flag] : []));
    else if (ignored.has(name)) warnings.push(`${place}: ${name} is not used`);
    else if (option === undefined) {
      const near = nearestName(name, [...Object.keys(portOptions), ...Object.keys(portFlags)]);
      const meant = near === undefined ? "" : `; did you mean ${near}?`;
      warnings.push(`${place}: ${name} is not known${meant}`);
    }
  }
  try {
    return parseWords(all);
  } catch (error) {
    throw refuse(file, place, (error as Error).message.replace(/^error: /, ""), error);
  }
}

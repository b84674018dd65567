// The options, in the words of nvme-cli: each once, with its parser, in groups that verbs share.
// Read first: README.md "Options". commands.ts says which verb takes which group.

import { checkNqn, NSID_ALL, uuidBytes } from "@nvmeof/codec";
import { Option } from "commander";
import type { TransportType } from "./address.ts";
import type { OutputFormat } from "./context.ts";
import { CliError, usage } from "./errors.ts";
import type { ProgressChoice } from "./progress.ts";
import type { ColorChoice } from "./style.ts";
import { parseDuration, parseSize, parseWhole } from "./units.ts";

/** Options of every verb. */
export interface CommonOptions {
  readonly outputFormat?: OutputFormat;
  readonly json?: boolean;
  readonly verbose?: number;
  readonly silent?: boolean;
  readonly color: ColorChoice;
  readonly timeout?: number;
}

/** Options on how to connect. */
export interface ConnectionOptions extends CommonOptions {
  readonly hostnqn?: string;
  readonly hostid?: string;
  readonly nrIoQueues: number;
  readonly queueSize: number;
  readonly keepAliveTmo: number;
  readonly connectTimeout?: number;
  readonly ioTimeout: number;
  readonly ctrlLossTmo: number;
  readonly retries: boolean;
  readonly hdrDigest?: boolean;
  readonly dataDigest?: boolean;
}

/** Options on whom to connect to. */
export interface TargetOptions extends ConnectionOptions {
  readonly transport?: TransportType;
  readonly traddr?: string;
  readonly trsvcid?: number;
  readonly nqn?: string;
}

/** The same, for verbs that take any number of addresses. */
export interface ManyTargetOptions extends Omit<TargetOptions, "traddr"> {
  readonly traddr?: readonly string[];
}

/** Options of verbs that work on one namespace. */
export interface NamespaceOptions extends TargetOptions {
  readonly namespaceId?: number;
}

/** Options of verbs that overwrite something. */
export interface ConsentOptions {
  readonly yes?: boolean;
}

/** Options of verbs that take a while. */
export interface ProgressOptions {
  readonly progress: ProgressChoice;
}

/** An option with a value; what is wrong with the value is told with the name of the option. */
export function valued(flags: string, text: string, parse: (value: string) => unknown): Option {
  const name = /--[\w-]+/.exec(flags)?.[0] ?? flags;
  return new Option(flags, text).argParser((value) => {
    try {
      return parse(value);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      const hint = error instanceof CliError ? error.hint : undefined;
      throw usage(`${name}: ${error.message}`, hint);
    }
  });
}

/** The same, given any number of times: the values in their order. */
export function repeated(flags: string, text: string, parse: (value: string) => unknown): Option {
  const one = valued(flags, text, parse);
  const values: unknown[] = [];
  const parseOne = one.parseArg!;
  return one.argParser((value: string) => {
    values.push(parseOne(value, undefined as never));
    return values;
  });
}

export const size = (value: string): number => parseSize(value);
export const duration = (value: string): number => parseDuration(value);
const seconds = (value: string): number => parseDuration(value, "s");
export const whole =
  (least: number, most: number) =>
  (value: string): number =>
    parseWhole(value, least, most);

const hostId = (value: string): string => {
  uuidBytes(value);
  return value.toLowerCase();
};

export const port = whole(1, 65_535);

const grouped = (heading: string, ...options: Option[]): Option[] =>
  options.map((option) => option.helpGroup(heading));

/** Every verb has these; `formats` are those that its result can be printed in. */
export const commonOptions = (formats: readonly OutputFormat[]): Option[] =>
  grouped(
    "Output:",
    new Option("-o, --output-format <format>", "how the result is printed").choices(formats),
    ...(formats.includes("json") ? [new Option("--json", "the same as -o json")] : []),
    new Option("-v, --verbose", "say more; repeat for still more").argParser(
      (_value: string, previous: number | undefined) => (previous ?? 0) + 1,
    ),
    new Option("--silent", "nothing on stderr but errors"),
    new Option("--color <when>", "auto, always or never")
      .choices(["auto", "always", "never"])
      .default("auto"),
    valued("--timeout <duration>", "end the whole command after this (500ms, 2s, 1m)", duration),
  );

/** How to connect. */
export const connectionOptions = (): Option[] =>
  grouped(
    "Connection:",
    valued("-q, --hostnqn <nqn>", "host NQN; default: yours, see show-hostnqn", checkNqn),
    valued("-I, --hostid <uuid>", "host ID; default: the one of the host NQN", hostId),
    valued("-i, --nr-io-queues <count>", "I/O queues", whole(1, 65_535)).default(1),
    valued("-Q, --queue-size <count>", "entries of each I/O queue", whole(2, 65_536)).default(64),
    valued(
      "-k, --keep-alive-tmo <duration>",
      "keep-alive timeout; a plain number is in seconds",
      seconds,
    ).default(10_000, "10s"),
    valued(
      "--connect-timeout <duration>",
      "for each step of connecting (default: 3s, then 5s)",
      duration,
    ),
    valued("--io-timeout <duration>", "for each read or write", duration).default(30_000, "30s"),
    valued(
      "-l, --ctrl-loss-tmo <duration>",
      "try to reconnect for so long; a plain number is in seconds",
      seconds,
    ).default(10_000, "10s"),
    new Option("--no-retries", "one attempt: neither reconnect nor repeat what failed"),
    new Option("-g, --hdr-digest", "a digest of each PDU header"),
    new Option("-G, --data-digest", "a digest of all data"),
  );

/** Whom to connect to, for those who do not write a URI. */
export const targetOptions = (addresses: "one" | "many" = "one"): Option[] =>
  grouped(
    "Target:",
    new Option("-t, --transport <type>", "tcp, or fc between software ports").choices([
      "tcp",
      "fc",
    ]),
    addresses === "one"
      ? new Option("-a, --traddr <address>", "host name or IP address")
      : repeated("-a, --traddr <address>", "host name or IP address; once for each path", String),
    valued("-s, --trsvcid <port>", "TCP port", port),
    valued("-n, --nqn <nqn>", "NQN of the subsystem", checkNqn),
  );

export const namespaceOption = (): Option[] =>
  grouped(
    "Target:",
    valued("-N, --namespace-id <nsid>", "namespace; default: the only one", whole(1, NSID_ALL - 1)),
  );

export const consentOption = (): Option[] => [new Option("--yes", "overwrite without asking")];

export const progressOption = (): Option[] =>
  grouped(
    "Output:",
    new Option("--progress <how>", "auto: a bar on a terminal; json: lines on stderr")
      .choices(["auto", "always", "never", "json"])
      .default("auto"),
  );

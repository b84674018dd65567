// The options, in the words of nvme-cli: each once, with its parser, in groups that verbs share.
// Read first: README.md "Options". commands.ts says which verb takes which group.

import { checkNqn, NSID_ALL, uuidBytes } from "@nvmeof/codec";
import { Option } from "commander";
import type { TransportType } from "./address.ts";
import { type AuthenticationOptions, authenticationOptions } from "./authentication.ts";
import type { OutputFormat } from "./context.ts";
import { CliError, usage } from "./errors.ts";
import type { ProgressChoice } from "./progress.ts";
import type { ColorChoice } from "./style.ts";
import { type TlsCliOptions, tlsOptions } from "./tls-options.ts";
import { type TraceOptions, traceOption } from "./trace-options.ts";
import { parseDuration, parseSize, parseWhole } from "./units.ts";

/** Options of every verb. */
export interface CommonOptions {
  readonly outputFormat?: OutputFormat;
  readonly json?: boolean;
  readonly verbose?: number;
  readonly silent?: boolean;
  readonly color: ColorChoice;
  readonly timeout?: number;
  readonly compat?: CompatName;
}

/** Options on how to connect. */
export interface ConnectionOptions
  extends CommonOptions, TlsCliOptions, AuthenticationOptions, FabricsOptions, TraceOptions {
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

/** Options of the verbs of fabrics: those that nvme-cli gives to the kernel. */
export interface FabricsOptions {
  readonly hostTraddr?: string;
  readonly hostIface?: string;
  readonly reconnectDelay?: number;
  readonly fastIoFailTmo?: number;
  readonly nrWriteQueues?: number;
  readonly nrPollQueues?: number;
  readonly tos?: number;
  readonly duplicateConnect?: boolean;
  readonly disableSqflow?: boolean;
  readonly idempotent?: boolean;
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
  try {
    uuidBytes(value);
  } catch (error) {
    const hint = "Leave it out for your own, see `nvmeof show-hostnqn -v`.";
    throw usage((error as Error).message, hint);
  }
  return value.toLowerCase();
};

export const port = whole(1, 65_535);

const grouped = (heading: string, ...options: Option[]): Option[] =>
  options.map((option) => option.helpGroup(heading));

/** Another program whose JSON can be had instead of ours. */
export const compatNames = ["nvme-cli"] as const;
export type CompatName = (typeof compatNames)[number];

/**
 * Every verb has these; `formats` are those that its result can be printed in, `compat` says whether it
 * knows the JSON of others.
 */
export const commonOptions = (formats: readonly OutputFormat[], compat = false): Option[] =>
  grouped(
    "Output:",
    ...(compat
      ? [new Option("--compat <tool>", "JSON as this tool has it").choices([...compatNames])]
      : []),
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
export const connectionOptions = (): Option[] => [
  ...grouped(
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
    ...tlsOptions(),
  ),
  ...authenticationOptions(),
  traceOption(),
];

/** What else nvme-cli can say of a connection. The last ones are the kernel's own affair. */
export const fabricsOptions = (): Option[] =>
  grouped(
    "Connection:",
    new Option("-w, --host-traddr <address>", "connect from this address of ours"),
    valued(
      "-c, --reconnect-delay <duration>",
      "wait before the second attempt to reconnect; a plain number is in seconds (default: 2s)",
      seconds,
    ),
    valued(
      "-F, --fast-io-fail-tmo <duration>",
      "what waits for a connection fails after this; a plain number is in seconds",
      seconds,
    ),
    new Option(
      "-d, --disable-sqflow",
      "queues without flow control, which is what we ask for anyway",
    ),
    new Option("-D, --duplicate-connect", "taken, and without meaning: each command connects anew"),
    new Option("--idempotent", "taken, and without meaning: each command connects anew"),
    new Option(
      "-f, --host-iface <name>",
      "not available: say --host-traddr with an address of it",
    ).argParser(() => {
      throw usage(
        "--host-iface: user space cannot bind to an interface by its name",
        "Give an address of that interface with --host-traddr.",
      );
    }),
    valued("-W, --nr-write-queues <count>", "of the kernel: no effect here", whole(0, 65_535)),
    valued("-P, --nr-poll-queues <count>", "of the kernel: no effect here", whole(0, 65_535)),
    valued("-T, --tos <number>", "of the kernel: no effect here", whole(-1, 255)),
  );

const nqnOrNsid = (value: string): string =>
  /^(0x[\da-f]+|\d+)$/i.test(value) ? String(whole(1, NSID_ALL)(value)) : checkNqn(value);

/**
 * Whom to connect to, for those who do not write a URI. With `nsid`, -n takes a namespace ID as well, as
 * in nvme-cli: no NQN looks like a number.
 */
export const targetOptions = (
  addresses: "one" | "many" = "one",
  nsid: "nqn-only" | "nsid" = "nqn-only",
): Option[] =>
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
    nsid === "nsid"
      ? valued("-n, --nqn <nqn>", "NQN of the subsystem; a number is a namespace ID", nqnOrNsid)
      : valued("-n, --nqn <nqn>", "NQN of the subsystem", checkNqn),
  );

export const namespaceOption = (): Option[] =>
  grouped(
    "Target:",
    valued("-N, --namespace-id <nsid>", "namespace; default: the only one", whole(1, NSID_ALL - 1)),
  );

/** Namespaces of commands that can be about all of them. */
export const anyNamespaceOption = (text: string): Option[] =>
  grouped("Target:", valued("-N, --namespace-id <nsid>", text, whole(0, NSID_ALL)));

export const rawOption = (): Option =>
  new Option("-b, --raw-binary", "the same as -o binary").helpGroup("Output:");

/** nvme-cli's word for what the bits of a field mean. */
export const humanOption = (): Option =>
  new Option("-H, --human-readable", "say what the bits of each field mean").helpGroup("Output:");

/** To see commands rather than to send them; `flags` where a verb of nvme-cli has a letter for it. */
export const dryRunOption = (flags = "--dry-run"): Option =>
  new Option(flags, "print the command instead of sending it");

export const consentOption = (): Option[] => [new Option("--yes", "overwrite without asking")];

export const progressOption = (): Option[] =>
  grouped(
    "Output:",
    new Option("--progress <how>", "auto: a bar on a terminal; json: lines on stderr")
      .choices(["auto", "always", "never", "json"])
      .default("auto"),
  );

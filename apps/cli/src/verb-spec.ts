// Rows for verbs that ask one controller something: what all of them have in common is said here once.
// Read first: command.ts for a row, options.ts for the groups of options.

import type { Option } from "commander";
import type { CommandSpec } from "./command.ts";
import type { OutputFormat, Verb } from "./context.ts";
import {
  commonOptions,
  connectionOptions,
  consentOption,
  dryRunOption,
  humanOption,
  namespaceOption,
  rawOption,
  targetOptions,
} from "./options.ts";

/** What is particular to a verb. */
export interface VerbRow {
  readonly name: string;
  /** Names of nvme-cli: of its second edition, and others that fingers know. */
  readonly aliases?: readonly string[];
  readonly summary: string;
  readonly details?: string;
  /** What stands behind the name in an example; default: the address alone. */
  readonly examples?: readonly string[];
  readonly own?: () => readonly Option[];
  /**
   * "namespace": it works on one, the only one by default. "any-namespace": its own options say on which.
   */
  readonly takes?: "controller" | "namespace" | "any-namespace";
  readonly formats?: readonly OutputFormat[];
  /** It has fields of which -H says what their bits mean. */
  readonly human?: boolean;
  /** It knows the JSON of nvme-cli. */
  readonly compat?: boolean;
  /** It asks before it overwrites something. */
  readonly consents?: boolean;
  /** It can be tried: --dry-run prints what it would send. */
  readonly tries?: boolean;
  /** Default: one minute; "none": it takes its time. */
  readonly time?: "minute" | "none";
  /** Default: its name. */
  readonly schema?: string;
  readonly load: () => Promise<{ readonly run: Verb<never> }>;
}

const MINUTE_MS = 60_000;
const uri = ["[uri]", "nvme+tcp://host[:port][/<subnqn>][?nsid=1], or @alias"] as const;
const subsystem = "nvme+tcp://127.0.0.1:4420/nqn.2024-01.com.example:disk1";

/** The row of a verb that asks one controller. */
export function verb(row: VerbRow): CommandSpec {
  const { name, takes = "controller", formats = ["normal", "json"] } = row;
  const address = takes === "controller" ? subsystem : `${subsystem}?nsid=1`;
  const options = (): Option[] => [
    ...(row.own?.() ?? []),
    ...(row.tries === true ? [dryRunOption()] : []),
    ...(row.consents === true ? consentOption() : []),
    ...commonOptions(formats, row.compat === true),
    ...(row.human === true ? [humanOption()] : []),
    ...(formats.includes("binary") ? [rawOption()] : []),
    ...targetOptions("one", takes === "controller" ? "nqn-only" : "nsid"),
    ...(takes === "namespace" ? namespaceOption() : []),
    ...connectionOptions(),
  ];
  return {
    name,
    ...(row.aliases === undefined ? {} : { aliases: row.aliases }),
    args: [uri],
    summary: row.summary,
    ...(row.details === undefined ? {} : { details: row.details }),
    examples: (row.examples ?? [""]).map((more) => `nvmeof ${name} ${address} ${more}`.trimEnd()),
    options,
    formats,
    compat: row.compat === true,
    timeoutMs: row.time === "none" ? undefined : MINUTE_MS,
    schema: row.schema ?? name.replace(" ", "-"),
    load: row.load,
  };
}

// The rows of the log family in the table of commands, with the names of nvme-cli.
// Read first: verb-spec.ts; logs/ says what is asked and shown.

import { Option } from "commander";
import type { CommandSpec } from "./command.ts";
import { anyNamespaceOption, size, valued, whole } from "./options.ts";
import { type VerbRow, verb } from "./verb-spec.ts";

const formats = ["normal", "json", "binary"] as const;

const raeOption = (): Option =>
  new Option("-r, --rae", "leave the event of this log unread (Retain Asynchronous Event)");
const entriesOption = (): Option =>
  valued("-e, --log-entries <count>", "no more than so many", whole(1, 65_535));
const domainOption = (): Option =>
  valued("-d, --domain-id <id>", "of this domain", whole(0, 65_535));

type Row = Omit<VerbRow, "load" | "formats" | "name"> & { readonly name: string };

const log = (row: Row): CommandSpec =>
  verb({
    ...row,
    name: `log ${row.name}`,
    formats,
    load: () => import("./verbs/log.ts").then(({ verbOf }) => verbOf(row.name)),
  });

/** `log …`, and what nvme-cli calls it. */
export const logCommands: readonly CommandSpec[] = [
  log({
    name: "smart",
    aliases: ["smart-log"],
    summary: "Print the SMART / Health log: temperature, wear, what was read and written",
    takes: "any-namespace",
    own: () => anyNamespaceOption("of this namespace; default: of the whole subsystem"),
    human: true,
    compat: true,
  }),
  log({
    name: "error",
    aliases: ["error-log"],
    summary: "Print the commands that failed, newest first",
    own: () => [entriesOption()],
    compat: true,
  }),
  log({ name: "fw", aliases: ["fw-log"], summary: "Print the firmware slots" }),
  log({
    name: "changed-ns-list",
    aliases: ["changed-ns-list-log", "changed-ns"],
    summary: "List the namespaces that have changed since the log was read last",
    details: `
Every controller has a log of its own. The controller of this command is new, so its log is empty unless
something changes while the command runs.`,
    own: () => [raeOption()],
  }),
  log({
    name: "effects",
    aliases: ["effects-log"],
    summary: "Print the commands that the controller takes, and what they change",
    own: () => [valued("-c, --csi <csi>", "of this command set", whole(0, 255))],
    human: true,
  }),
  log({
    name: "ana",
    aliases: ["ana-log"],
    summary: "Print the ANA groups: how well their namespaces can be reached by this path",
    own: () => [new Option("--groups", "groups without their namespaces")],
    compat: true,
  }),
  log({
    name: "supported-pages",
    aliases: ["supported-log-pages"],
    summary: "List the logs that there are",
    compat: true,
  }),
  log({
    name: "self-test",
    aliases: ["self-test-log"],
    summary: "Print the results of self-tests, and how far a running one is",
    own: () => [valued("-e, --dst-entries <count>", "no more than so many results", whole(1, 20))],
  }),
  log({
    name: "telemetry",
    aliases: ["telemetry-log"],
    summary: "Have the controller gather telemetry, and print it",
    details: `
The data is the vendor's. -o binary gives it as it is, head included; --output-file writes that to a file.`,
    examples: ["", "--output-file telemetry.bin"],
    own: () => [
      new Option("--output-file <file>", "write the log as it is into this file"),
      valued(
        "--host-generate <number>",
        "1: gather it now; 0: what was gathered last",
        whole(0, 1),
      ).default(1),
      new Option("-c, --controller-init", "what the controller has gathered by itself (LID 08h)"),
      valued("-d, --data-area <number>", "up to this data area", whole(1, 4)).default(3),
    ],
  }),
  log({
    name: "endurance",
    aliases: ["endurance-log"],
    summary: "Print the log of an endurance group",
    own: () => [valued("--group-id <id>", "of this group; default: 1", whole(0, 65_535))],
    compat: true,
  }),
  log({
    name: "fid-effects",
    aliases: ["fid-support-effects-log"],
    summary: "Print the features that can be set, and whose they are",
    human: true,
  }),
  log({
    name: "mi-cmd-effects",
    aliases: ["mi-cmd-support-effects-log"],
    summary: "Print the management interface commands that there are",
    human: true,
  }),
  log({
    name: "resv-notif",
    aliases: ["resv-notif-log"],
    summary: "Print the oldest notification on reservations that was not read",
    own: () => [raeOption()],
  }),
  log({
    name: "sanitize",
    aliases: ["sanitize-log"],
    summary: "Print how a sanitize operation stands",
    own: () => [raeOption()],
    human: true,
  }),
  log({
    name: "persistent-event",
    aliases: ["persistent-event-log"],
    summary: "Print the head of the log of persistent events, and its events as bytes",
    own: () => [
      valued("--action <number>", "0 read, 1 establish and read, 2 release", whole(0, 3)),
      valued("--log-len <bytes>", "how much of it; default: its head", size),
    ],
  }),
  log({
    name: "predictable-lat",
    aliases: ["predictable-lat-log"],
    summary: "Print the predictable latency of an NVM set",
    own: () => [valued("--nvmset-id <id>", "of this set; default: 1", whole(1, 65_535))],
  }),
  log({
    name: "pred-lat-event-agg",
    aliases: ["pred-lat-event-agg-log"],
    summary: "List the NVM sets that have something to tell of their latency",
    own: () => [entriesOption(), raeOption()],
  }),
  log({
    name: "endurance-event-agg",
    aliases: ["endurance-event-agg-log"],
    summary: "List the endurance groups that have something to tell",
    own: () => [entriesOption(), raeOption()],
  }),
  log({
    name: "lba-status",
    aliases: ["lba-status-log"],
    summary: "Print which blocks may be unreadable",
    own: () => [raeOption()],
  }),
  log({
    name: "boot-part",
    aliases: ["boot-part-log"],
    summary: "Print the head of the boot partition log",
    own: () => [valued("--lsp <number>", "boot partition: bit 0 of it", whole(0, 127))],
  }),
  log({
    name: "media-unit-stat",
    aliases: ["media-unit-stat-log"],
    summary: "Print the head of the log of media units",
    own: () => [domainOption()],
  }),
  log({
    name: "supported-cap-config",
    aliases: ["supported-cap-config-log"],
    summary: "Print the head of the log of capacity configurations",
    own: () => [domainOption()],
  }),
  log({
    name: "lost-host",
    aliases: ["lost-host-log"],
    summary: "Print the controllers that have lost their host",
    own: () => [raeOption()],
  }),
  log({
    name: "discovery",
    aliases: ["discovery-log"],
    summary: "Print the discovery log as one read gives it; discover reads it whole and unchanged",
  }),
  log({
    name: "host-discovery",
    aliases: ["host-discovery-log"],
    summary: "Print the log of hosts that a discovery controller knows",
  }),
  verb({
    name: "log ccr",
    aliases: ["log-ccr"],
    summary: "Print the Cross-Controller Reset log",
    details: `
Every controller has a log of its own: of the resets that came by it. The controller of this command is
new, so its log is empty unless the target says otherwise; status 8 tells that it has none at all.`,
    own: () => [
      new Option("--remove-completed", "remove the completed entries that are read (RMC)"),
    ],
    formats,
    load: () => import("./verbs/log-ccr.ts"),
  }),
  verb({
    name: "get-log",
    summary: "Read any log page, as bytes",
    details: `
To a terminal it prints a hex dump, to a pipe with -b the bytes themselves.`,
    examples: ["--log-id 2 --log-len 512", "--log-id 2 --log-len 512 -b >smart.bin"],
    takes: "any-namespace",
    own: () => [
      valued("--log-id <lid>", "which log", whole(0, 255)).makeOptionMandatory(),
      valued("--log-len <bytes>", "how much of it, a multiple of 4; default: 512", size).default(
        512,
      ),
      valued("--lpo <bytes>", "from this offset on", size).default(0),
      valued("--lsp <number>", "Log Specific Parameter", whole(0, 127)).default(0),
      valued("--lsi <number>", "Log Specific Identifier", whole(0, 65_535)).default(0),
      valued("-U, --uuid-index <index>", "index of the vendor's UUID", whole(0, 127)).default(0),
      valued("-y, --csi <csi>", "of this command set", whole(0, 255)).default(0),
      new Option("-O, --ot", "the offset is an index, and not bytes"),
      raeOption(),
      ...anyNamespaceOption("of this namespace; default: of all"),
    ],
    formats,
    load: () => import("./verbs/get-log.ts"),
  }),
];

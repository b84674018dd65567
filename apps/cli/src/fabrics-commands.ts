// The rows of fabrics in the table of commands: discover, connect, connect-all, and what looks at a subsystem.
// Read first: command.ts for a row; options.ts for the groups of options.

import { checkNqn } from "@nvmeof/codec";
import { Option } from "commander";
import type { CommandSpec } from "./command.ts";
import { controlOption } from "./control-options.ts";
import { metricsOptions } from "./metrics-options.ts";
import {
  commonOptions,
  connectionOptions,
  fabricsOptions,
  targetOptions,
  valued,
} from "./options.ts";

const MINUTE_MS = 60_000;
const uri = ["[uri]", "nvme+tcp://host[:port][/<subnqn>][?nsid=1], or @alias"] as const;
const uris = [
  "[uri...]",
  "nvme+tcp://host[:port][/<subnqn>], one for each path; or @alias",
] as const;
const discovery = ["[uri]", "nvme+tcp://host[:8009], the discovery controller; or @alias"] as const;
const subsystem = "nvme+tcp://127.0.0.1:4420/nqn.2024-01.com.example:disk1";

const says = (options: object, ...names: string[]): boolean =>
  names.some((name) => (options as Readonly<Record<string, unknown>>)[name] === true);

const configOption = (): Option =>
  new Option(
    "-J, --config <file>",
    "a config.json or discovery.conf of nvme-cli to take addresses from",
  );
const quietOption = (): Option =>
  new Option("--quiet", "taken, and without meaning: nothing can be connected already");
const holdOption = (): Option =>
  new Option("--hold", "stay connected, and print every change of state until Ctrl-C");

const discover: CommandSpec = {
  name: "discover",
  aliases: ["disc"],
  args: [discovery],
  summary: "Ask a discovery controller what subsystems there are, and where",
  details: `
Without an address it asks those of your discovery.conf or config.json, see config show. With --referrals it
asks those that it is referred to as well. With --watch it stays connected and prints the log again whenever
the controller tells that it has changed, until Ctrl-C.`,
  examples: [
    "nvmeof discover nvme+tcp://192.0.2.10",
    "nvmeof discover -t tcp -a 192.0.2.10 -s 8009 --json",
    "nvmeof discover nvme+tcp://192.0.2.10 --referrals",
  ],
  options: () => [
    new Option("--referrals", "ask those as well that it refers to"),
    new Option("--watch", "stay, and print the log whenever it changes, until Ctrl-C"),
    new Option("-p, --persistent", "the same as --watch"),
    new Option("-r, --raw <file>", "write the log as it is into this file"),
    configOption(),
    quietOption(),
    ...commonOptions(["normal", "json"], true),
    ...targetOptions(),
    ...connectionOptions(),
    ...fabricsOptions(),
  ],
  formats: ["normal", "json"],
  compat: true,
  timeoutMs: MINUTE_MS,
  endless: (options) => says(options, "watch", "persistent"),
  schema: "discover",
  load: () => import("./verbs/discover.ts"),
};

const connect: CommandSpec = {
  name: "connect",
  args: [uris],
  summary: "Connect to a subsystem, print what it is, and disconnect",
  details: `
Unlike \`nvme connect\` it leaves nothing behind: there is no device in /dev, and the connection is
closed again. It verifies that a host can connect: queues, digests and namespaces included.

With --hold it stays connected, by one path or many, and prints what happens to them until Ctrl-C,
which ends it with 0; with --json a line for each event.`,
  examples: [
    `nvmeof connect ${subsystem}`,
    `nvmeof connect ${subsystem} --hdr-digest --data-digest`,
    `nvmeof connect --hold ${subsystem} nvme+tcp://127.0.0.1:4421`,
  ],
  options: () => [
    holdOption(),
    controlOption(),
    ...commonOptions(["normal", "json"], true),
    ...targetOptions("many"),
    ...connectionOptions(),
    ...fabricsOptions(),
    ...metricsOptions(),
  ],
  formats: ["normal", "json"],
  compat: true,
  timeoutMs: MINUTE_MS,
  endless: (options) => says(options, "hold"),
  schema: "connect",
  load: () => import("./verbs/connect.ts"),
};

const connectAll: CommandSpec = {
  name: "connect-all",
  args: [discovery],
  summary: "Connect to all that a discovery controller knows, and list it",
  details: `
Referrals are followed. Without an address it takes your config.json or discovery.conf, see config show.
Like connect it leaves nothing behind; with --hold it stays, and prints what happens until Ctrl-C.`,
  examples: [
    "nvmeof connect-all nvme+tcp://192.0.2.10",
    "nvmeof connect-all -a 192.0.2.10 -s 8009 --json",
    "nvmeof connect-all --config config.json --hold",
  ],
  options: () => [
    holdOption(),
    controlOption(),
    configOption(),
    quietOption(),
    ...commonOptions(["normal", "json"], true),
    ...targetOptions(),
    ...connectionOptions(),
    ...fabricsOptions(),
    ...metricsOptions(),
  ],
  formats: ["normal", "json"],
  compat: true,
  timeoutMs: MINUTE_MS,
  endless: (options) => says(options, "hold"),
  schema: "connect-all",
  load: () => import("./verbs/connect-all.ts"),
};

const nothingLasts = `
No connection of ours lasts longer than its command, so there is nothing to disconnect: it is there for
scripts that were written for nvme-cli.`;

const disconnect: CommandSpec = {
  name: "disconnect",
  summary: "Nothing: connections end with their commands",
  details: nothingLasts,
  examples: ["nvmeof disconnect -n nqn.2024-01.com.example:disk1"],
  options: () => [
    valued("-n, --nqn <nqn>", "NQN of the subsystem", checkNqn),
    new Option("-d, --device <name>", "a device of the kernel, of which there is none"),
    ...commonOptions(["normal", "json"]),
  ],
  formats: ["normal", "json"],
  timeoutMs: MINUTE_MS,
  schema: "disconnect",
  load: () => import("./verbs/disconnect.ts").then((verbs) => verbs.disconnect),
};

const disconnectAll: CommandSpec = {
  ...disconnect,
  name: "disconnect-all",
  examples: ["nvmeof disconnect-all"],
  options: () => [
    new Option("-r, --transport <type>", "only those of this transport"),
    ...commonOptions(["normal", "json"]),
  ],
  schema: "disconnect-all",
  load: () => import("./verbs/disconnect.ts").then((verbs) => verbs.disconnectAll),
};

const list: CommandSpec = {
  name: "list",
  args: [uri],
  summary: "List the namespaces of a subsystem",
  examples: [`nvmeof list ${subsystem}`, `nvmeof list ${subsystem} --json`],
  options: () => [
    ...commonOptions(["normal", "json"], true),
    ...targetOptions(),
    ...connectionOptions(),
  ],
  formats: ["normal", "json"],
  compat: true,
  timeoutMs: MINUTE_MS,
  schema: "list",
  load: () => import("./verbs/list.ts"),
};

const listSubsys: CommandSpec = {
  name: "list-subsys",
  args: [uris],
  summary: "List subsystems, the paths to them, and the ANA state of each",
  details: `
It connects by every address given, looks, and disconnects: there are no connections that last. URIs
of several subsystems may be mixed. An address that cannot be reached is listed as such, and the exit
code is 11 then.`,
  examples: [
    `nvmeof list-subsys ${subsystem} nvme+tcp://127.0.0.1:4421`,
    `nvmeof list-subsys ${subsystem} --json`,
  ],
  options: () => [
    ...commonOptions(["normal", "json"], true),
    ...targetOptions("many"),
    ...connectionOptions(),
  ],
  formats: ["normal", "json"],
  compat: true,
  timeoutMs: MINUTE_MS,
  schema: "list-subsys",
  load: () => import("./verbs/list-subsys.ts"),
};

const showTopology: CommandSpec = {
  ...listSubsys,
  name: "show-topology",
  summary: "Show subsystems, their namespaces, and the paths to each, as a tree",
  examples: [`nvmeof show-topology ${subsystem} nvme+tcp://127.0.0.1:4421`],
  schema: "show-topology",
  load: () => import("./verbs/show-topology.ts"),
};

/** In the order of the help. */
export const fabricsCommands: readonly CommandSpec[] = [
  discover,
  connect,
  connectAll,
  disconnect,
  disconnectAll,
  list,
  listSubsys,
  showTopology,
];

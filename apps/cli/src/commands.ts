// The table of commands: parser, help and runner are made of it.
// Read first: command.ts for a row; options.ts for the groups of options.

import { Option } from "commander";
import type { CommandSpec } from "./command.ts";
import { scenarios } from "./scenarios.ts";
import { usage } from "./errors.ts";
import {
  commonOptions,
  connectionOptions,
  consentOption,
  duration,
  namespaceOption,
  progressOption,
  size,
  targetOptions,
  valued,
  whole,
} from "./options.ts";
import { serveOptions } from "./serve-options.ts";
import { perfCommands } from "./perf-commands.ts";
import { simCommands } from "./sim-commands.ts";

const uri = ["[uri]", "nvme+tcp://host[:port][/<subnqn>][?nsid=1]"] as const;
const uris = ["[uri...]", "nvme+tcp://host[:port][/<subnqn>], one for each path"] as const;
const subsystem = "nvme+tcp://127.0.0.1:4420/nqn.2024-01.com.example:disk1";
const minute = 60_000;

const discover: CommandSpec = {
  name: "discover",
  aliases: ["disc"],
  args: [["[uri]", "nvme+tcp://host[:8009], the discovery controller"]],
  summary: "Ask a discovery controller what subsystems there are, and where",
  examples: [
    "nvmeof discover nvme+tcp://192.0.2.10",
    "nvmeof discover -t tcp -a 192.0.2.10 -s 8009 --json",
  ],
  options: () => [...commonOptions(["normal", "json"]), ...targetOptions(), ...connectionOptions()],
  formats: ["normal", "json"],
  timeoutMs: minute,
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
    new Option("--hold", "stay connected, and print every change of state until Ctrl-C"),
    ...commonOptions(["normal", "json"]),
    ...targetOptions("many"),
    ...connectionOptions(),
  ],
  formats: ["normal", "json"],
  timeoutMs: minute,
  endless: (options) => "hold" in options && options.hold === true,
  schema: "connect",
  load: () => import("./verbs/connect.ts"),
};

const rawOption = (): Option =>
  new Option("-b, --raw-binary", "the same as -o binary").helpGroup("Output:");

const idCtrl: CommandSpec = {
  name: "id ctrl",
  aliases: ["id-ctrl"],
  args: [uri],
  summary: "Print the Identify Controller structure",
  details: `
Fields have the names of the specification. Counts that the structure holds 0's based (acl, aerl,
elpe, npss, awun, …) are printed as counts.`,
  examples: [`nvmeof id ctrl ${subsystem}`, `nvmeof id-ctrl ${subsystem} -o binary >ctrl.bin`],
  options: () => [
    ...commonOptions(["normal", "json", "binary"]),
    rawOption(),
    ...targetOptions(),
    ...connectionOptions(),
  ],
  formats: ["normal", "json", "binary"],
  timeoutMs: minute,
  schema: "id-ctrl",
  load: () => import("./verbs/id-ctrl.ts"),
};

const idNs: CommandSpec = {
  ...idCtrl,
  name: "id ns",
  aliases: ["id-ns"],
  summary: "Print the Identify Namespace structure and the namespace's identifiers",
  details: `
Fields have the names of the specification. Counts that the structure holds 0's based (nlbaf, nawun,
…) are printed as counts.`,
  examples: [`nvmeof id ns ${subsystem}?nsid=1`, `nvmeof id-ns ${subsystem} -N 1 --json`],
  options: () => [...idCtrl.options(), ...namespaceOption()],
  schema: "id-ns",
  load: () => import("./verbs/id-ns.ts"),
};

const logCcr: CommandSpec = {
  ...idCtrl,
  name: "log ccr",
  aliases: ["log-ccr"],
  summary: "Print the Cross-Controller Reset log",
  details: `
Every controller has a log of its own: of the resets that came by it. The controller of this command is
new, so its log is empty unless the target says otherwise; status 8 tells that it has none at all.`,
  examples: [`nvmeof log ccr ${subsystem}`, `nvmeof log ccr ${subsystem} --json`],
  options: () => [
    new Option("--remove-completed", "remove the completed entries that are read (RMC)"),
    ...idCtrl.options(),
  ],
  schema: "log-ccr",
  load: () => import("./verbs/log-ccr.ts"),
};

const list: CommandSpec = {
  name: "list",
  aliases: ["list-ns"],
  args: [uri],
  summary: "List the namespaces of a subsystem",
  examples: [`nvmeof list ${subsystem}`, `nvmeof list ${subsystem} --json`],
  options: () => [...commonOptions(["normal", "json"]), ...targetOptions(), ...connectionOptions()],
  formats: ["normal", "json"],
  timeoutMs: minute,
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
    ...commonOptions(["normal", "json"]),
    ...targetOptions("many"),
    ...connectionOptions(),
  ],
  formats: ["normal", "json"],
  timeoutMs: minute,
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

const rangeOptions = (): Option[] => [
  valued("--start-block <lba>", "first block", whole(0, Number.MAX_SAFE_INTEGER)).default(0),
  valued(
    "--blocks <count>",
    "number of blocks: 1 is one (nvme-cli's --block-count says 0 for one)",
    whole(1, Number.MAX_SAFE_INTEGER),
  ),
  valued("-z, --data-size <bytes>", "bytes, a multiple of the block size", size),
  new Option("--block-count <n>").hideHelp().argParser(refuseBlockCount),
];

function refuseBlockCount(): never {
  const hint = "Use --blocks, where 1 is one block.";
  throw usage("--block-count is 0's based in nvme-cli, which is easily got wrong", hint);
}

const read: CommandSpec = {
  name: "read",
  args: [uri],
  summary: "Read blocks of a namespace",
  details: `
To a terminal it prints a hex dump, to a pipe the bytes themselves. Without --blocks and --data-size
it reads one block. For more than 64 MiB use cp.`,
  examples: [
    `nvmeof read ${subsystem} -N 1 --start-block 0 --blocks 8 >blocks.bin`,
    `nvmeof read ${subsystem}?nsid=1 -z 4k -d block.bin`,
  ],
  options: () => [
    ...rangeOptions(),
    new Option("-d, --data <file>", "write the bytes to this file"),
    ...commonOptions(["normal", "json", "binary"]),
    ...targetOptions(),
    ...namespaceOption(),
    ...connectionOptions(),
  ],
  formats: ["normal", "json", "binary"],
  timeoutMs: minute,
  schema: "read",
  load: () => import("./verbs/read.ts"),
};

const write: CommandSpec = {
  name: "write",
  args: [uri],
  summary: "Write blocks of a namespace",
  details: `
The data comes from --data or from stdin, and is a whole number of blocks: nothing is written unless
all of it can be. For data of any length, and for more than 64 MiB, use cp.`,
  examples: [
    `nvmeof write ${subsystem} -N 1 --start-block 8 -d block.bin --yes`,
    `head -c 4096 /dev/urandom | nvmeof write ${subsystem}?nsid=1 --yes`,
  ],
  options: () => [
    ...rangeOptions(),
    new Option("-d, --data <file>", "read the bytes from this file; default: stdin"),
    ...consentOption(),
    ...commonOptions(["normal", "json"]),
    ...targetOptions(),
    ...namespaceOption(),
    ...connectionOptions(),
  ],
  formats: ["normal", "json"],
  timeoutMs: minute,
  schema: "write",
  load: () => import("./verbs/write.ts"),
};

const cp: CommandSpec = {
  name: "cp",
  args: [
    ["<source>", "a file, - for stdin, or nvme+tcp://host[:port]/<subnqn>?nsid=n"],
    ["<destination>", "a file, - for stdout, or nvme+tcp://host[:port]/<subnqn>?nsid=n"],
  ],
  summary: "Copy between files and namespaces, in either direction and of any length",
  details: `
A namespace is copied as a whole unless --offset and --count say otherwise. Data for a namespace that
begins or ends within a block leaves the rest of that block as it is: the block is read, changed and
written.
It takes as long as it takes, every single read and write being bounded by --io-timeout.`,
  examples: [
    `nvmeof cp disk.img ${subsystem}?nsid=1 --yes`,
    `nvmeof cp ${subsystem}?nsid=1 disk.img`,
    `nvmeof cp ${subsystem}?nsid=1 - --offset 1M --count 64k | sha256sum`,
  ],
  options: () => [
    valued("--offset <bytes>", "where in the namespace to begin (4096, 64k, 1M)", size).default(0),
    valued("--count <bytes>", "how many bytes to copy; default: all", size),
    ...consentOption(),
    ...progressOption(),
    ...commonOptions(["normal", "json"]),
    ...connectionOptions(),
  ],
  formats: ["normal", "json"],
  timeoutMs: undefined,
  schema: "cp",
  load: () => import("./verbs/cp.ts"),
};

const serve: CommandSpec = {
  name: "serve",
  summary: "Be a target: serve memory or files as the namespaces of a subsystem",
  details: `
--mem and --file become namespaces 1, 2, … in the order given. It serves until SIGINT or SIGTERM, and
then ends with 0. What was in memory is gone then.`,
  examples: [
    "nvmeof serve --mem 1G",
    "nvmeof serve --file disk.img --listen 127.0.0.1:0 --discovery-port 0 --ready-file ready.json",
    "nvmeof serve --mem 64M --listen 0.0.0.0:4420 --allow-host nqn.2014-08.org.nvmexpress:uuid:…",
  ],
  options: () => [...serveOptions(), ...commonOptions(["normal", "json"])],
  formats: ["normal", "json"],
  timeoutMs: undefined,
  schema: "serve",
  load: () => import("./verbs/serve.ts"),
};

const demo: CommandSpec = {
  name: "demo",
  summary: "See it work: a target and a host in this process, over loopback TCP",
  details: `
Starts a target, discovers it and connects; writes a namespace and verifies it; measures random reads
of 4 KiB; then freezes the target under outstanding reads and deletes the device, to show that every
read settles and that the close is bounded. It needs no network and touches no file of yours. Its exit
code is a self test.

With --scenario it plays one part: destruct, the last one above; failover, where one of two paths goes
and comes back under verified writes; reconnect, where the only path does; fencing, where a path falls
silent in the middle of writes that the target carries out late. Writes whose outcome is not known are
held until another controller has reset the lost one, or else for twice the keep-alive timeout, which
is 1 s here; --without-fencing shows what becomes of the data otherwise.`,
  examples: [
    "nvmeof demo",
    "nvmeof demo --seconds 1 --size 4M --json",
    "nvmeof demo --scenario failover --rounds 5",
    "nvmeof demo --scenario fencing --without-fencing",
  ],
  options: () => [
    new Option("--scenario <name>", "play one part alone").choices(scenarios),
    valued("--rounds <count>", "failover: how often a path goes", whole(1, 1000)).default(3),
    valued("--outage <duration>", "reconnect: time without a path", duration).default(3000, "3s"),
    new Option("--without-fencing", "fencing: send such writes again at once, which is unsafe"),
    valued("--size <bytes>", "size of the namespace", size).default(64 * 2 ** 20, "64M"),
    valued("--seconds <count>", "how long to measure", whole(1, 3600)).default(3),
    valued("--queue-depth <count>", "reads in flight", whole(1, 1023)).default(32),
    new Option("-g, --hdr-digest", "a digest of each PDU header"),
    new Option("-G, --data-digest", "a digest of all data"),
    ...progressOption(),
    ...commonOptions(["normal", "json"]),
  ],
  formats: ["normal", "json"],
  timeoutMs: 2 * minute,
  schema: "demo",
  load: () => import("./verbs/demo.ts"),
};

const genHostnqn: CommandSpec = {
  name: "gen-hostnqn",
  summary: "Make a new host NQN",
  examples: ["nvmeof gen-hostnqn"],
  options: () => commonOptions(["normal", "json"]),
  formats: ["normal", "json"],
  timeoutMs: minute,
  schema: "gen-hostnqn",
  load: () => import("./verbs/gen-hostnqn.ts"),
};

const showHostnqn: CommandSpec = {
  name: "show-hostnqn",
  summary: "Show your host NQN; -v: with host ID, and where they are kept",
  examples: ["nvmeof show-hostnqn -v"],
  options: () => commonOptions(["normal", "json"]),
  formats: ["normal", "json"],
  timeoutMs: minute,
  schema: "show-hostnqn",
  load: () => import("./verbs/show-hostnqn.ts"),
};

/** Every verb, in the order of the help. */
export const commands: readonly CommandSpec[] = [
  demo,
  serve,
  discover,
  connect,
  list,
  listSubsys,
  showTopology,
  idCtrl,
  idNs,
  logCcr,
  read,
  write,
  cp,
  genHostnqn,
  showHostnqn,
  ...perfCommands,
  ...simCommands,
];

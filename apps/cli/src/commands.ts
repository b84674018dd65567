// The table of commands: parser, help, completions, reference and runner are made of it.
// Read first: command.ts for a row; options.ts for the groups of options.

import { Option } from "commander";
import { type CommandSpec, inSection } from "./command.ts";
import { scenarios } from "./scenarios.ts";
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
import { chaosCommands } from "./chaos-commands.ts";
import { decodeCommands } from "./decode-commands.ts";
import { dhchapKeyCommands } from "./dhchap-key-commands.ts";
import { fabricsCommands } from "./fabrics-commands.ts";
import { featureCommands } from "./feature-commands.ts";
import { helpCommands } from "./help-commands.ts";
import { identifyCommands } from "./identify-commands.ts";
import { ioCommands, transferOptions } from "./io-commands.ts";
import { logCommands } from "./log-commands.ts";
import {
  controllerCommands,
  namespaceCommands,
  reservationCommands,
} from "./namespace-commands.ts";
import { nbdCommands } from "./nbd-commands.ts";
import { perfCommands } from "./perf-commands.ts";
import { serveOptions } from "./serve-options.ts";
import { simCommands } from "./sim-commands.ts";
import { tlsKeyCommands } from "./tls-key-commands.ts";
import { topCommands } from "./top-commands.ts";

const uri = ["[uri]", "nvme+tcp://host[:port][/<subnqn>][?nsid=1], or @alias"] as const;
const subsystem = "nvme+tcp://127.0.0.1:4420/nqn.2024-01.com.example:disk1";
const minute = 60_000;

/** What verbs of two words have in common, by the first. */
export const groups: Readonly<Record<string, string>> = {
  id: "Print an Identify structure",
  log: "Print a log page",
  feat: "Read or set a feature of the controller",
  ns: "Create, delete, attach and detach namespaces",
  resv: "Reservations: share a namespace among hosts, or keep it",
  keys: "Make and check keys for TLS and DH-HMAC-CHAP",
  chaos: "Faults on purpose between a host and a target; the same seed gives the same faults",
  perf: "Measure a namespace, and compare measurements",
  sim: "Simulate hosts, targets and a network that fails; the same seed gives the same run",
  alias: "Names for addresses: @lab stands for a URI",
  config: "Show and check the files of nvme-cli that name subsystems",
  utils: "What other programs want to know of this one",
};

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
    ...transferOptions(),
    new Option("-d, --data <file>", "write the bytes to this file"),
    ...commonOptions(["normal", "json", "binary"]),
    ...targetOptions("one", "nsid"),
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
    ...transferOptions(),
    new Option("-d, --data <file>", "read the bytes from this file; default: stdin"),
    ...consentOption(),
    ...commonOptions(["normal", "json"]),
    ...targetOptions("one", "nsid"),
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
then ends with 0. What was in memory is gone then.

Hosts may read, write and deallocate. --manage-namespaces and --erase let them do more to what is served.`,
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
  ...inSection("Begin", [demo, serve]),
  ...inSection("Fabrics", fabricsCommands),
  ...inSection("Identify and logs", [...identifyCommands, ...logCommands]),
  ...inSection("Features and properties", featureCommands),
  ...inSection("Data", [read, write, cp, ...ioCommands]),
  ...inSection("Namespaces and reservations", [...namespaceCommands, ...reservationCommands]),
  ...inSection("Controllers", controllerCommands),
  ...inSection("Identity and keys", [
    genHostnqn,
    showHostnqn,
    ...dhchapKeyCommands,
    ...tlsKeyCommands,
  ]),
  ...inSection("Tools", [
    ...decodeCommands,
    ...chaosCommands,
    ...nbdCommands,
    ...perfCommands,
    ...topCommands,
    ...simCommands,
  ]),
  ...inSection("Help", helpCommands),
];

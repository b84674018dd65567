// The rows of verbs that explain: doctor, explain, completion, utils, alias, config, version.
// Read first: command.ts for a row.

import { Option } from "commander";
import type { CommandSpec } from "./command.ts";
import { commonOptions } from "./options.ts";
import { verb } from "./verb-spec.ts";

const MINUTE_MS = 60_000;

type Row = Pick<CommandSpec, "name" | "summary" | "examples" | "load"> &
  Partial<Pick<CommandSpec, "args" | "details" | "visibility" | "aliases">> & {
    readonly own?: () => readonly Option[];
  };

/** A verb that connects to nobody. */
const local = ({ own, ...row }: Row): CommandSpec => ({
  ...row,
  options: () => [...(own?.() ?? []), ...commonOptions(["normal", "json"])],
  formats: ["normal", "json"],
  timeoutMs: MINUTE_MS,
  schema: row.name.replace(" ", "-"),
});

const shells = ["bash", "zsh", "fish", "powershell"];

/** doctor, explain, completion, utils, alias, config, version. */
export const helpCommands: readonly CommandSpec[] = [
  verb({
    name: "doctor",
    summary: "Walk the whole way to a subsystem, and say where it stops and why",
    details: `
Name, TCP, TLS, initialisation, Connect, authentication, ready, identify, queues, discovery, namespaces, a
read, keep-alive, disconnect: each with what it took and what was negotiated. What is wrong gives the exit code of the command
that would have met it; risks alone give 12 with --strict.`,
    takes: "namespace",
    own: () => [
      new Option("--strict", "end with 12 where there are risks"),
      new Option(
        "--bundle <file>",
        "write all of it there as JSON, for those who help: it names nobody",
      ),
    ],
    load: () => import("./verbs/doctor.ts"),
  }),
  local({
    name: "explain",
    args: [
      ["<what...>", "a status (2h/85h, 0x285, sct=2,sc=0x85), fes 3, exit 7, NVME_ERR_…, a term"],
    ],
    summary: "Explain a status, a fatal error, an exit code, an error code or an abbreviation",
    details: `
It looks into the tables that this command itself uses, and needs no network. A plain number is looked up
as whatever it can be.`,
    examples: [
      "nvmeof explain 0x285",
      "nvmeof explain sct=1,sc=0x82",
      "nvmeof explain fes 3",
      "nvmeof explain exit 7",
      "nvmeof explain NVME_ERR_CONNECT_REJECTED",
    ],
    load: () => import("./verbs/explain.ts"),
  }),
  local({
    name: "completion",
    args: [["<shell>", shells.join(", ")]],
    summary: "Print a script that completes commands and options in a shell",
    details: `
bash: nvmeof completion bash >~/.local/share/bash-completion/completions/nvmeof
zsh: nvmeof completion zsh >"\${fpath[1]}/_nvmeof"
fish: nvmeof completion fish >~/.config/fish/completions/nvmeof.fish
PowerShell: nvmeof completion powershell >>$PROFILE`,
    examples: ["nvmeof completion bash", "nvmeof completion fish"],
    load: () => import("./verbs/completion.ts"),
  }),
  local({
    name: "utils dump-command-metadata",
    summary: "Print all commands and options as JSON: what parser, help and documents are made of",
    examples: ["nvmeof utils dump-command-metadata"],
    load: () => import("./verbs/metadata.ts"),
  }),
  local({
    name: "alias set",
    args: [
      ["<name>", "what @name is to stand for"],
      ["<uri>", "nvme+tcp://host[:port][/<subnqn>][?nsid=1]"],
    ],
    summary: "Give an address a name: @lab then stands for it",
    examples: ["nvmeof alias set lab nvme+tcp://192.0.2.10/nqn.2024-01.com.example:disk1"],
    load: () => import("./verbs/alias.ts").then(({ set }) => set),
  }),
  local({
    name: "alias list",
    summary: "List the names of addresses",
    examples: ["nvmeof alias list"],
    load: () => import("./verbs/alias.ts").then(({ list }) => list),
  }),
  local({
    name: "alias remove",
    args: [["<name>", "which one"]],
    summary: "Forget the name of an address",
    examples: ["nvmeof alias remove lab"],
    load: () => import("./verbs/alias.ts").then(({ remove }) => remove),
  }),
  local({
    name: "config show",
    args: [["[file]", "a discovery.conf or config.json; default: yours"]],
    summary: "Show whom a file of nvme-cli says to connect to",
    details: `
discovery.conf has a line of options for each discovery controller; config.json has hosts with subsystems
and ports. Yours are looked for in $XDG_CONFIG_HOME/nvmeof, and are read by discover and connect-all when
no address is given.`,
    examples: ["nvmeof config show", "nvmeof config show /etc/nvme/discovery.conf"],
    load: () => import("./verbs/config.ts").then(({ show }) => show),
  }),
  local({
    name: "config validate",
    args: [["<file>", "a discovery.conf or config.json"]],
    summary: "Check a file of nvme-cli: 2 tells that it cannot be understood",
    examples: ["nvmeof config validate config.json"],
    own: () => [new Option("--strict", "what is not known, or not used, is an error as well")],
    load: () => import("./verbs/config.ts").then(({ validate }) => validate),
  }),
  local({
    name: "version",
    summary: "Print the version of the command, and of Node",
    examples: ["nvmeof version"],
    load: () => import("./verbs/version.ts"),
  }),
];

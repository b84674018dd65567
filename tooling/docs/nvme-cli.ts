// docs/nvme-cli.md: each command and option of nvme-cli beside ours: same, different and why, or not applicable.
// Read first: nvme-cli-options.ts for theirs; apps/cli/src/metadata.ts for ours. What is the same is found out;
// only reasons are written here, and a test sees to it that none is missing and none is left over.

import { format } from "prettier";
import { commands } from "../../apps/cli/src/commands.ts";
import { type CommandFacts, metadata } from "../../apps/cli/src/metadata.ts";
import { type TheirOption, nvmeCli } from "./nvme-cli-options.ts";

/** How something of theirs stands to ours. */
export interface Verdict {
  readonly kind: "same" | "different" | "not applicable";
  /** In other words where it is not the same. */
  readonly why: string;
}

const different = (why: string): Verdict => ({ kind: "different", why });
const none = (why: string): Verdict => ({ kind: "not applicable", why });

const protection = different(
  "not there: say it by `io-passthru`, in CDW14 and CDW15; metadata is not supported",
);
const directives = different("not there: say it by `io-passthru`, in CDW12 and CDW13");
const kernelDevice = none("there is no device of the kernel");
const secret = different(
  "refused, since everybody sees a command line: give a file, stdin or a variable",
);
const count = different("`--blocks`: 8 is eight blocks, where theirs is 0's based");
const counts = different("counts: 8 is eight blocks, where theirs are 0's based");
const milliseconds = different("long name only; `500ms`, `2s`; it bounds the whole command");
const ownLetter = (letter: string): Verdict =>
  different(`\`${letter}\`: the letter is taken by another option here`);

/** Options that are what they are in every command: by their long name. */
export const everywhere: Readonly<Record<string, Verdict>> = {
  "--namespace-id": different("`-N`; `-n` with a number is the same, with an NQN the subsystem"),
  "--vendor-specific": ownLetter("-V"),
  "--all": ownLetter("-A"),
  "--timeout": milliseconds,
  "--block-count": count,
  "--metadata-size": protection,
  "--metadata": protection,
  "--metadata-len": protection,
  "--ref-tag": protection,
  "--app-tag": protection,
  "--app-tag-mask": protection,
  "--storage-tag": protection,
  "--storage-tag-check": protection,
  "--prinfow": different("`--prinfo`"),
  "--prinfor": protection,
  "--expected-ref-tags": protection,
  "--expected-app-tags": protection,
  "--expected-app-tag-masks": protection,
  "--dir-type": directives,
  "--dir-spec": directives,
  "--dsm": directives,
  "--dhchap-secret": secret,
  "--dhchap-ctrl-secret": secret,
  "--secret": secret,
  "--key": secret,
  "--nvmset_id": different("`--nvmset-id`"),
  "--log_len": different("`--log-len`"),
  "--nr-write-queues": different("taken, with a warning: one kind of queue carries everything"),
  "--nr-poll-queues": different("taken, with a warning: there is nothing to poll"),
  "--tos": different("taken, with a warning: Node has no access to it"),
  "--host-iface": different("refused: `--host-traddr` with an address of that interface"),
  "--duplicate-connect": different("taken, and without meaning: each command connects anew"),
  "--quiet": different("long name only; taken, since nothing can be connected already"),
  "--device": kernelDevice,
  "--dump-config": none("nothing is kept; `config show` prints what a file says"),
};

/** Options that are something else in one command: "command --option". */
export const here: Readonly<Record<string, Verdict>> = {
  "show-topology --ranking": none("it is always by namespace; `list-subsys` is by controller"),
  "discover --persistent": different("stays and prints every change, until Ctrl-C"),
  "discover --force": none("a connection never outlives its command"),
  "connect-all --raw": different("`discover --raw`"),
  "connect-all --persistent": different("`--hold` keeps what was connected"),
  "connect-all --force": none("a connection never outlives its command"),
  "connect --config": different("`connect-all --config`"),
  "disconnect --nqn": different("taken; there is nothing that lasts"),
  "disconnect --device": different("taken; there is nothing that lasts"),
  "disconnect-all --transport": different("taken; there is nothing that lasts"),
  "id-uuid --human-readable": none("it has no bits to explain"),
  "create-ns --lbstm": protection,
  "get-log --aen": different("`--log-id`, which is a part of the result of the event"),
  "get-feature --sel": different("long name only; also by name: `--sel saved`"),
  "copy --blocks": counts,
  "copy --format": none("format 0 is what there is without protection information"),
  "resv-report --eds": different("always: over fabrics host identifiers have 128 bits; `--no-eds`"),
  "boot-part-log --output-file": different("`-o binary >file`"),
  "read --force": none("nothing is mounted"),
  "write --force": different("`--yes`, without which it asks"),
  "compare --force": none("nothing is mounted"),
};

/** Commands that are not here, and why. */
export const absent: Readonly<Record<string, Verdict>> = {
  config: different("`config show` and `config validate` read such files; none is written"),
  dim: different("not there"),
  "get-lba-status": different("not there: `admin-passthru --opcode 0x86`"),
  "fw-commit": none("a target in software has no firmware; `admin-passthru --opcode 0x10`"),
  "fw-download": none("a target in software has no firmware; `admin-passthru --opcode 0x11`"),
  "security-send": different("not there: `admin-passthru --opcode 0x81`"),
  "security-recv": different("not there: `admin-passthru --opcode 0x82`"),
  rpmb: none("of hardware"),
  "capacity-mgmt": different("not there: `admin-passthru --opcode 0x20`"),
  lockdown: different("not there: `admin-passthru --opcode 0x24`"),
  "virt-mgmt": none("of PCI Express"),
  "dir-receive": different("not there: `admin-passthru --opcode 0x1a`"),
  "dir-send": different("not there: `admin-passthru --opcode 0x19`"),
  "io-mgmt-recv": different("not there: `io-passthru --opcode 0x12`"),
  "io-mgmt-send": different("not there: `io-passthru --opcode 0x1d`"),
};

/** Commands that are here and do something else. */
export const changed: Readonly<Record<string, string>> = {
  connect: "connects, tells what is there, and disconnects; with `--hold` it stays",
  "connect-all": "the same for all that discovery knows, referrals included",
  disconnect: "nothing lasts, so nothing is done",
  "disconnect-all": "nothing lasts, so nothing is done",
  list: "the namespaces of the subsystem that is named, instead of this machine's",
  "list-subsys": "the subsystems behind the addresses that are given",
  "show-topology": "the subsystems behind the addresses that are given",
  "get-ns-id": "of an address, instead of a device",
  "ns-rescan": "tells what is attached: commands look by themselves",
  reset: "of the controller that the command has connected",
  "gen-tls-key": "a secret is not taken from the command line",
  "check-tls-key": "the key comes from a file or stdin",
  "gen-dhchap-key": "a secret is not taken from the command line",
  "check-dhchap-key": "the key comes from a file or stdin",
  compare: "10 tells that blocks differ; their exit code is 1 for everything",
  "telemetry-log": "prints it; `--output-file` writes it as theirs does",
};

const ours = metadata(commands);

/** Our command for one of theirs. */
export const ourCommand = (name: string): CommandFacts | undefined =>
  ours.find((facts) => facts.name === name || facts.aliases.includes(name));

/** "-n, --nqn=NAME" in its parts. */
export function parseTheirs(option: TheirOption): {
  readonly short: string | null;
  readonly long: string;
  readonly takesValue: boolean;
} {
  const [, short, long, value] = /^(?:(-\w), )?(--[\w-]+)(=.+)?$/.exec(option) ?? [];
  if (long === undefined) throw new TypeError(`"${option}" is no option`);
  return { short: short ?? null, long, takesValue: value !== undefined };
}

/** How one of their options stands to the table of commands; undefined where nobody has said. */
export function optionVerdict(command: string, option: TheirOption): Verdict | undefined {
  const { short, long, takesValue } = parseTheirs(option);
  const said = here[`${command} ${long}`] ?? everywhere[long];
  const facts = ourCommand(command);
  if (facts === undefined) return absent[command];
  if (said !== undefined) return said;
  const mine = facts.options.find((each) => each.long === long);
  if (mine === undefined || (mine.value !== null) !== takesValue) return undefined;
  if (mine.short === short) return { kind: "same", why: "" };
  // Options that are refused with a hint are not among the facts, and have letters all the same.
  const spec = commands.find((each) => each.name === facts.name);
  const taker = short === null ? undefined : spec?.options().find((each) => each.short === short);
  return mine.short === null && taker !== undefined
    ? different(`long name only: \`${short}\` is \`${taker.long ?? ""}\` here`)
    : undefined;
}

/** How a command stands to ours. */
export function commandVerdict(name: string): Verdict | undefined {
  const facts = ourCommand(name);
  if (name === "help")
    return different("`--help`, also behind each command; `nvmeof help COMMAND`");
  if (facts === undefined) return absent[name];
  const why = changed[name];
  return why === undefined ? { kind: "same", why: "" } : different(why);
}

const HEAD = `# nvme-cli

Each command and option of nvme-cli 2.3 beside ours. Printed by \`tooling/docs/nvme-cli.ts\`: do not edit.
\`npm run docs\` prints it again, and a test fails while it is stale. What is called the same is looked up in
the table of commands; why something is different is written by hand.

- **same**: the same name, the same letter, the same meaning.
- **different**: it is there under another name, or means something else; or it is not there, and the row says
  what to do instead.
- **not applicable**: it is of the kernel's host, or of hardware.

## What all commands have in common

- They name a controller by a URI, by \`-t -a -s -n\`, or by an alias (\`@lab\`), and not by \`/dev/nvme0\`. Hence
  \`-t\`, \`-a\`, \`-s\`, \`-n\`, \`-i\`, \`-l\`, \`-k\`, \`-c\`, \`-q\`, \`-g\` and \`-o\`, \`-v\` mean in every command what they mean
  in \`connect\` and in \`list\`, and options that have these letters in nvme-cli have their long name alone.
- The grouped names of nvme-cli 3.0 (\`id ctrl\`, \`log smart\`, \`ns create\`) are the names; those of 2.x
  (\`id-ctrl\`, \`smart-log\`, \`create-ns\`) are aliases, without a warning.
- \`--json\` prints our own JSON, with a schema and a version; \`--compat nvme-cli\` theirs, for \`list\`,
  \`list-subsys\`, \`show-topology\`, \`discover\`, \`connect\`, \`connect-all\`, \`id-ctrl\`, \`id-ns\`, \`list-ns\`,
  \`list-ctrl\`, \`smart-log\`, \`error-log\`, \`ana-log\`, \`supported-log-pages\`, \`endurance-log\` and
  \`resv-report\`.
- Whatever destroys data asks on a terminal, and wants \`--yes\` otherwise.
- Exit codes tell what went wrong: [commands.md](commands.md#exit-codes).
- Counts of blocks are counts, and never 0's based.
`;

const cell = (text: string): string => text.replaceAll("|", "\\|");
const row = (cells: readonly string[]): string => `| ${cells.map(cell).join(" | ")} |`;
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [row(head), row(head.map(() => "---")), ...rows.map(row)].join("\n");

const said = ({ kind, why }: Verdict): string => (why === "" ? kind : `${kind}: ${why}`);

function must<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`nobody has said how ${what} stands to ours`);
  return value;
}

function commandRows(name: string, options: readonly TheirOption[]): string[][] {
  const facts = ourCommand(name);
  const called = facts === undefined ? "" : `\`nvmeof ${facts.name}\``;
  const rows = options.map((option) => {
    const verdict = must(optionVerdict(name, option), `${name} ${option}`);
    return ["", `\`${option}\``, said(verdict)];
  });
  const head = [`\`${name}\``, called, said(must(commandVerdict(name), name))];
  return facts === undefined ? [head] : [head, ...rows];
}

/** The whole page. */
export function nvmeCliPage(): Promise<string> {
  const page = [
    HEAD,
    ...Object.entries(nvmeCli).flatMap(([family, theirs]) => [
      `## ${family}`,
      table(
        ["nvme-cli", "ours, or option", ""],
        Object.entries(theirs).flatMap(([name, options]) => commandRows(name, options)),
      ),
    ]),
  ].join("\n\n");
  return format(page, { parser: "markdown", printWidth: 100, proseWrap: "always" });
}

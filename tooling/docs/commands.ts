// docs/commands.md, printed from the table of commands: what each is called, takes and prints.
// Read first: apps/cli/src/metadata.ts.

import { format } from "prettier";
import type { CommandSpec } from "../../apps/cli/src/command.ts";
import { commands, groups } from "../../apps/cli/src/commands.ts";
import {
  type CommandFacts,
  type OptionFacts,
  commandFacts,
  metadata,
} from "../../apps/cli/src/metadata.ts";
import {
  commonOptions,
  connectionOptions,
  fabricsOptions,
  namespaceOption,
  targetOptions,
} from "../../apps/cli/src/options.ts";
import { exitMeanings } from "../../apps/cli/src/meanings.ts";
import { ExitCode, type ExitName } from "../../apps/cli/src/exit-code.ts";

const HEAD = `# Commands

Printed from the table of commands by \`tooling/docs/commands.ts\`: do not edit. \`npm run docs\` prints it
again, and a test fails while it is stale. \`nvmeof COMMAND --help\` says the same of one command, and
\`nvmeof utils dump-command-metadata\` says it to programs.

What nvme-cli has is compared with this in [nvme-cli.md](nvme-cli.md).
`;

/** Options of these facts, as the table of commands would have them. */
const factsOf = (options: ReturnType<CommandSpec["options"]>): readonly OptionFacts[] =>
  commandFacts({
    name: "",
    summary: "",
    examples: [],
    options: () => options,
    formats: [],
    timeoutMs: undefined,
    schema: "",
    load: () => Promise.reject(new Error("nobody runs it")),
  }).options;

/** Options that many commands have, described once. */
interface Shared {
  readonly title: string;
  readonly text: string;
  readonly options: readonly OptionFacts[];
}

const shared: readonly Shared[] = [
  {
    title: "Output",
    text: "Every command has these. Which formats there are stands with the command. Durations are written `500ms`, `2s` or `1m`.",
    options: factsOf(commonOptions(["normal", "json"])).filter(
      ({ long }) => long !== "--output-format",
    ),
  },
  {
    title: "Target",
    text: "Whom to connect to, where that is not said by a URI. Options beat the URI.",
    options: factsOf(targetOptions()),
  },
  {
    title: "Target with namespace",
    text: "The same, where `-n` can also be the namespace.",
    options: factsOf(targetOptions("one", "nsid")),
  },
  {
    title: "Targets",
    text: "The same, once for each path.",
    options: factsOf(targetOptions("many")),
  },
  { title: "Namespace", text: "", options: factsOf(namespaceOption()) },
  {
    title: "Connection",
    text: "How to connect.",
    options: factsOf(connectionOptions()),
  },
  {
    title: "Fabrics",
    text: "What else nvme-cli can say of a connection.",
    options: factsOf(fabricsOptions()),
  },
];

/** In the order of the first of each. */
function groupBy<T>(all: readonly T[], key: (each: T) => string): Map<string, T[]> {
  const found = new Map<string, T[]>();
  for (const each of all) found.set(key(each), [...(found.get(key(each)) ?? []), each]);
  return found;
}

const cell = (text: string): string => text.replaceAll("|", "\\|").replace(/\s*\n\s*/g, " ");
/** Text for people, in which angle brackets are no markup. */
const plain = (text: string): string => cell(text).replace(/<(?=\w)/g, "&lt;");
const row = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [row(head), row(head.map(() => "---")), ...rows.map(row)].join("\n");

/** "`-a`, `--traddr <address>`". */
function flagsText({ short, long, value }: OptionFacts): string {
  const full = `\`${long}${value === null ? "" : ` ${cell(value)}`}\``;
  return short === null ? full : `\`${short}\`, ${full}`;
}

function optionRow(option: OptionFacts): string[] {
  const { text, choices, default: usual, mandatory } = option;
  const more = [
    ...(choices === null ? [] : [`one of ${choices.map((each) => `\`${each}\``).join(", ")}`]),
    ...(usual === null ? [] : [`default: ${usual}`]),
    ...(mandatory ? ["has to be given"] : []),
  ];
  return [flagsText(option), plain(text) + (more.length === 0 ? "" : ` (${more.join("; ")})`)];
}

const optionTable = (options: readonly OptionFacts[]): string =>
  table(["option", "meaning"], options.map(optionRow));

const anchor = (title: string): string => title.toLowerCase().replaceAll(" ", "-");

/** The options of a command: its own in full, the others by the name of their set. */
function split(options: readonly OptionFacts[]): {
  readonly own: readonly OptionFacts[];
  readonly sets: readonly Shared[];
} {
  const key = (option: OptionFacts): string => JSON.stringify({ ...option, group: "" });
  const has = new Set(options.map(key));
  const sets = shared.filter((set) => set.options.every((option) => has.has(key(option))));
  const taken = new Set(sets.flatMap((set) => set.options.map(key)));
  const own = options.filter(
    (option) => !taken.has(key(option)) && option.long !== "--output-format",
  );
  return { own, sets };
}

/** Commands of one group that differ in their names alone are described together. */
function together(all: readonly CommandFacts[]): CommandFacts[][] {
  const key = (facts: CommandFacts): string => {
    const { args, options, details, formats, compat } = facts;
    const [group, verb] = facts.name.split(" ");
    return JSON.stringify([
      verb === undefined ? facts.name : group,
      args,
      options,
      details,
      formats,
      compat,
    ]);
  };
  return [...groupBy(all, key).values()];
}

const examplesOf = (all: readonly CommandFacts[]): string =>
  ["```console", ...all.flatMap(({ examples }) => examples.map((line) => `$ ${line}`)), "```"].join(
    "\n",
  );

function usageOf({ name, args }: CommandFacts): string {
  const names = args.map((each) => each.name).join(" ");
  return `nvmeof ${name}${names === "" ? "" : ` ${names}`} [options]`;
}

/** Lines of `details` are broken for a terminal: here they flow. */
const flowing = (details: string): string =>
  details
    .split("\n\n")
    .map((paragraph) => plain(paragraph))
    .join("\n\n");

/** As many verbs as a heading names. */
const NAMED_MAX = 8;

function section(all: readonly CommandFacts[]): string {
  const [first] = all;
  const { args, options, details, formats, compat } = first!;
  const { own, sets } = split(options);
  const others = sets.map(({ title }) => `[${title.toLowerCase()}](#${anchor(title)})`).join(", ");
  const called = ({ aliases }: CommandFacts): string =>
    aliases.map((alias) => `\`${alias}\``).join(", ");
  const isOne = all.length === 1;
  const verbs = all.map(({ name }) => name.split(" ")[1] ?? "");
  const [group] = first!.name.split(" ");
  return [
    isOne
      ? `### nvmeof ${first!.name}`
      : `### nvmeof ${group}${verbs.length <= NAMED_MAX ? `: ${verbs.join(", ")}` : " …"}`,
    ...(isOne
      ? [
          `${plain(first!.summary)}.`,
          ...(called(first!) === "" ? [] : [`Also called ${called(first!)}.`]),
          `    ${usageOf(first!)}`,
        ]
      : [
          table(
            ["command", "also called", "what it does"],
            all.map((each) => [`\`${each.name}\``, called(each), plain(each.summary)]),
          ),
        ]),
    flowing(details),
    args.map(({ name, text }) => `- \`${name}\`: ${plain(text)}`).join("\n"),
    own.length === 0 ? "" : optionTable(own),
    `Formats: ${formats.join(", ")}${compat ? "; with `--compat nvme-cli` the JSON of nvme-cli" : ""}.${others === "" ? "" : ` Also the options of ${others}.`}`,
    examplesOf(isOne ? all : all.slice(0, 2)),
  ]
    .filter((part) => part !== "")
    .join("\n\n");
}

function overview(all: readonly CommandFacts[]): string {
  const sections = groupBy(all, (facts) => facts.section);
  const words = (facts: readonly CommandFacts[]): string => {
    const found = new Map<string, string[]>();
    for (const { name } of facts) {
      const [group = "", verb] = name.split(" ");
      found.set(group, [...(found.get(group) ?? []), ...(verb === undefined ? [] : [verb])]);
    }
    return [...found]
      .map(([group, verbs]) =>
        verbs.length === 0 ? `\`${group}\`` : `\`${group}\` (${verbs.join(", ")})`,
      )
      .join(", ");
  };
  return [...sections].map(([name, facts]) => `- **${name}**: ${words(facts)}`).join("\n");
}

const exitTable = (): string =>
  table(
    ["code", "when"],
    Object.entries(ExitCode).map(([name, code]) => [
      String(code),
      plain(exitMeanings[name as ExitName]),
    ]),
  );

/** The whole page. */
export function commandPage(): Promise<string> {
  const all = metadata(commands);
  const page = [
    HEAD,
    overview(all),
    "## Exit codes",
    exitTable(),
    "## Shared options",
    ...shared.flatMap(({ title, text, options }) => [`### ${title}`, text, optionTable(options)]),
    ...[...groupBy(all, (facts) => facts.section)].flatMap(([name, facts]) => [
      `## ${name}`,
      ...[...groupBy(facts, ({ name: full }) => full.split(" ")[0]!)].flatMap(([group, its]) => [
        ...(groups[group] === undefined ? [] : [`${groups[group]}.`]),
        ...together(its).map(section),
      ]),
    ]),
  ].join("\n\n");
  return format(page, { parser: "markdown", printWidth: 100, proseWrap: "always" });
}

// The table of commands as plain data: what completions, the reference and `utils dump-command-metadata` are
// made of. Read first: command.ts.

import type { Option } from "commander";
import type { CommandSpec } from "./command.ts";

/** An option as others see it. */
export interface OptionFacts {
  /** "--traddr". */
  readonly long: string;
  /** "-a"; null where there is none. */
  readonly short: string | null;
  /** What it takes: "<address>"; null for a flag. */
  readonly value: string | null;
  readonly text: string;
  readonly choices: readonly string[] | null;
  /** As it is printed; null where there is none. */
  readonly default: string | null;
  readonly mandatory: boolean;
  readonly group: string;
}

/** A command as others see it. */
export interface CommandFacts {
  readonly name: string;
  readonly section: string;
  readonly aliases: readonly string[];
  readonly summary: string;
  readonly details: string;
  readonly args: readonly { readonly name: string; readonly text: string }[];
  readonly options: readonly OptionFacts[];
  readonly formats: readonly string[];
  readonly compat: boolean;
  readonly schema: string;
  readonly examples: readonly string[];
}

/** The value of an option, as its flags have it: "<address>", "[when]". */
const valueOf = ({ flags }: Option): string | null => /[<[][^\s>\]]+[>\]]/.exec(flags)?.[0] ?? null;

function defaultOf({ defaultValue, defaultValueDescription }: Option): string | null {
  if (defaultValueDescription !== undefined) return defaultValueDescription;
  const isPlain = ["string", "number", "boolean"].includes(typeof defaultValue);
  return isPlain ? `${defaultValue as string | number | boolean}` : null;
}

const optionFacts = (option: Option): OptionFacts => ({
  long: option.long ?? option.flags,
  short: option.short ?? null,
  value: valueOf(option),
  text: option.description,
  choices: option.argChoices ?? null,
  default: option.negate ? null : defaultOf(option),
  mandatory: option.mandatory,
  group: (option.helpGroupHeading ?? "Options:").replace(/:$/, ""),
});

/** What is known of a command. Options that are refused with a hint are not part of it. */
export const commandFacts = (spec: CommandSpec): CommandFacts => ({
  name: spec.name,
  section: spec.section ?? "Commands",
  aliases: spec.aliases ?? [],
  summary: spec.summary,
  details: (spec.details ?? "").trim(),
  args: (spec.args ?? []).map(([name, text]) => ({ name, text })),
  options: spec
    .options()
    .filter(({ hidden }) => !hidden)
    .map(optionFacts),
  formats: spec.formats,
  compat: spec.compat === true,
  schema: `nvmeof/${spec.schema}`,
  examples: spec.examples,
});

/** All commands that are for people. */
export const metadata = (specs: readonly CommandSpec[]): CommandFacts[] =>
  specs.filter(({ visibility }) => visibility !== "hidden").map(commandFacts);

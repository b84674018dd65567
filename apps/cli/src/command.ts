// A row of the table of commands: all that parser, help and runner know of a verb.

import { Argument, type Command, type Option } from "commander";
import type { OutputFormat, Verb } from "./context.ts";

export interface CommandSpec {
  /** Heading that it stands under in the help and in the reference. */
  readonly section?: string;
  /** "list", or "id ctrl" for a verb of a group. */
  readonly name: string;
  /** Other names, in the top level: "id-ctrl". */
  readonly aliases?: readonly string[];
  /** As commander has it: "[uri]", "<source>". */
  readonly args?: readonly (readonly [name: string, text: string])[];
  /** `hidden`: not for people, and not in the help. */
  readonly visibility?: "shown" | "hidden";
  readonly summary: string;
  /** Further paragraphs of the help, before the options. */
  readonly details?: string;
  readonly examples: readonly string[];
  readonly options: () => readonly Option[];
  readonly formats: readonly OutputFormat[];
  /** It knows the JSON of nvme-cli (--compat). */
  readonly compat?: boolean;
  /** After this the command is ended, unless --timeout says otherwise; undefined: it takes its time. */
  readonly timeoutMs: number | undefined;
  /** Whether it takes its time with these options, whatever `timeoutMs` is. */
  readonly endless?: (options: object) => boolean;
  /** Name of its schema in the envelope. */
  readonly schema: string;
  /** The verb itself, loaded when it is run. */
  readonly load: () => Promise<{ readonly run: Verb<never> }>;
}

/** The same rows under a heading. */
export const inSection = (section: string, specs: readonly CommandSpec[]): CommandSpec[] =>
  specs.map((spec) => ({ section, ...spec }));

/** Whether the argument at `index` is an address, for which an @alias may stand. */
export function isAddress({ args = [] }: CommandSpec, index: number): boolean {
  const [name = ""] = args[Math.min(index, args.length - 1)] ?? [];
  return /^[<[](uri|source|destination)\b/.test(name);
}

/** Adds the name of a verb alone: as much as the help of others needs, and no option is made for it. */
export function addName(parent: Command, name: string, spec: CommandSpec, hidden: boolean): void {
  const command = parent.command(name, { hidden }).summary(spec.summary);
  command.helpGroup(`${spec.section ?? "Commands"}:`);
}

/** Adds to `parent` what the row says. `run` is called with the options and arguments as parsed. */
export function addCommand(
  parent: Command,
  name: string,
  spec: CommandSpec,
  run: (options: object, args: string[]) => Promise<void>,
  hidden: boolean,
): void {
  const command = parent.command(name, { hidden }).summary(spec.summary);
  const { details = "" } = spec;
  command.description(
    details === "" ? `${spec.summary}.` : `${spec.summary}.\n\n${details.trim()}`,
  );
  for (const [argument, text] of spec.args ?? []) {
    command.addArgument(new Argument(argument, text));
  }
  for (const option of spec.options()) command.addOption(option);
  command.addHelpText(
    "after",
    `\nExamples:\n${spec.examples.map((line) => `  $ ${line}`).join("\n")}`,
  );
  command.action(async (...all: unknown[]) => {
    const given = all.slice(0, -2).flat();
    const args = given.filter((each): each is string => typeof each === "string");
    await run(command.opts(), args);
  });
}

// From arguments to an exit code: parses, runs the verb in its surroundings, prints what comes of it.
// Read first: commands.ts for the verbs; context.ts for their surroundings.

import { Command, CommanderError } from "commander";
import { expandAlias } from "./aliases.ts";
import { type CommandSpec, addCommand, addName, isAddress } from "./command.ts";
import { commands, groups } from "./commands.ts";
import type { Context, OutputFormat, Report } from "./context.ts";
import { Lifetime } from "./deadline.ts";
import { envelope, jsonText } from "./envelope.ts";
import { type CliError, describeError, errorText, usage } from "./errors.ts";
import { ExitCode } from "./exit-code.ts";
import type { Io } from "./io.ts";
import { Notes } from "./notes.ts";
import type { CommonOptions, ProgressOptions } from "./options.ts";
import { Output } from "./output.ts";
import { onSignals } from "./signals.ts";
import { StatusLine } from "./status-line.ts";
import { styleFor } from "./style.ts";
import { withTlsKeys } from "./tls-options.ts";
import { withTrace } from "./trace-options.ts";
import { version } from "./version.ts";

/** Runs `nvmeof <argv>`. Never rejects. */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  let exitCode: number = ExitCode.ok;
  const program = new Command("nvmeof")
    .description("NVMe over Fabrics in user space: host, target and tools.")
    .version(version, "-V, --version")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text),
      outputError: () => {},
    });
  const meant = commandMeant(argv);
  if (meant === undefined) addNames(program);
  else {
    const { spec, name } = meant;
    const run = async (options: object, args: string[]): Promise<void> => {
      exitCode = await runVerb(spec, options as CommonOptions, args, io);
    };
    const [group, verb] = name.split(" ");
    const parent = verb === undefined ? program : program.command(group!);
    addCommand(parent, verb ?? group!, spec, run, false);
  }
  try {
    await program.parseAsync(argv, { from: "user" });
    return exitCode;
  } catch (error) {
    return refused(error, argv, io);
  }
}

/** The verb that the arguments begin with: the only one whose options have to be known. */
export function commandMeant(
  argv: readonly string[],
): { readonly spec: CommandSpec; readonly name: string } | undefined {
  const [first = "", second = ""] = argv;
  for (const name of [`${first} ${second}`, first]) {
    const spec = commands.find((each) => each.name === name || each.aliases?.includes(name));
    if (spec !== undefined) return { spec, name };
  }
  return undefined;
}

/** All verbs by their names, for the help, and for those who have mistyped one. */
function addNames(program: Command): void {
  const parents = new Map<string, Command>();
  for (const spec of commands) {
    const [group, verb] = spec.name.split(" ");
    const hidden = spec.visibility === "hidden";
    if (verb === undefined) addName(program, group!, spec, hidden);
    else {
      const known = parents.get(group!);
      const parent = known ?? program.command(group!).description(groups[group!]!);
      if (known === undefined) parent.helpGroup(`${spec.section ?? "Commands"}:`);
      parents.set(group!, parent);
      addName(parent, verb, spec, hidden);
    }
    for (const alias of spec.aliases ?? []) addName(program, alias, spec, true);
  }
}

/** What the parser threw: help and version, which are no errors, or a command line that cannot be. */
function refused(thrown: unknown, argv: readonly string[], io: Io): number {
  let error = thrown;
  if (thrown instanceof CommanderError) {
    if (thrown.exitCode === 0) return ExitCode.ok;
    // The help was printed, since nothing else was asked for.
    if (thrown.code === "commander.help") return ExitCode.usage;
    error = misused(thrown.message, argv);
  }
  const described = describeError(error);
  if (
    argv.includes("--json") ||
    /(^|\s)(-o\s?|--output-format[\s=])(nd)?json/.test(argv.join(" "))
  ) {
    const people = io.stdout.isTTY === true;
    io.stdout.write(jsonText(envelope("usage", null, [], described), people));
  } else {
    io.stderr.write(errorText(described));
  }
  return described.exitCode;
}

/** What the parser says of a command line, in our words; with what to do instead. */
function misused(said: string, argv: readonly string[]): CliError {
  const [first = "", suggestion] = said.replace(/^error: /, "").split("\n");
  const name = commandMeant(argv)?.name;
  const help =
    name === undefined
      ? "`nvmeof --help` lists the commands."
      : `\`nvmeof ${name} --help\` has its arguments, options and examples.`;
  // "option '-t, --transport <type>' argument 'rdma' is invalid. Allowed choices are tcp, fc."
  const [, option, value, choices] =
    /^option '.*?(--[\w-]+).*' argument '(.*)' is invalid\. Allowed choices are (.*)\.$/s.exec(
      first,
    ) ?? [];
  if (option !== undefined) return usage(`${option}: "${value}" is not one of ${choices}`, help);
  return usage(first.replace(/\.$/, ""), suggestion?.replace(/^\((.*)\)$/, "$1") ?? help);
}

function formatOf(options: CommonOptions & { readonly rawBinary?: boolean }): OutputFormat {
  // What others read is in their hands; errors are for people then.
  if (options.compat !== undefined) return "normal";
  if (options.json === true) return "json";
  return options.rawBinary === true ? "binary" : (options.outputFormat ?? "normal");
}

const isJson = (format: OutputFormat): boolean => format === "json" || format === "ndjson";

/** A script that reads JSON finds warnings there. */
function noteLevel({ silent, verbose }: CommonOptions, format: OutputFormat): number {
  if (silent === true) return -1;
  return verbose ?? (isJson(format) ? -1 : 0);
}

/** The line that says what is waited for, for people at a terminal who want to see such. */
function statusLine(
  spec: CommandSpec,
  { silent, progress }: CommonOptions & Partial<ProgressOptions>,
  usualMs: number | undefined,
  deadlineMs: number | undefined,
  { stderr }: Io,
): StatusLine | undefined {
  if (stderr.isTTY !== true || silent === true || progress === "never") return undefined;
  // What has no end by itself tells what it does.
  const usual = usualMs === undefined ? undefined : spec.name;
  return new StatusLine({ stream: stderr, usual, deadlineMs });
}

async function runVerb(
  spec: CommandSpec,
  options: CommonOptions,
  args: string[],
  io: Io,
): Promise<number> {
  const usualMs = spec.endless?.(options) === true ? undefined : spec.timeoutMs;
  const deadlineMs = options.timeout ?? usualMs;
  const life = new Lifetime(deadlineMs);
  const status = statusLine(spec, options, usualMs, deadlineMs, io);
  const clear = (): void => status?.clear();
  const out = new Output(io.stdout, (error) => life.end(error), clear);
  const ignore = (): void => {};
  io.stderr.on("error", ignore); // whoever reads our stderr may go: there is nobody to tell
  const format = formatOf(options);
  const notes = new Notes(io.stderr, noteLevel(options, format), clear);
  const stopSignals = onSignals(io, (reason) => {
    notes.say("interrupted, closing; once more ends at once");
    life.end(reason);
  });
  const warnings: string[] = [];
  const context: Context = {
    io: { ...io, status },
    out,
    notes,
    style: styleFor(options.color, io.stdout, io.env),
    format,
    common: options,
    signal: life.signal,
    warn: (text) => {
      warnings.push(text);
      notes.say(`warning: ${text}`);
    },
    publish: (report) => print(report, spec, context, warnings),
    partial: null,
  };
  try {
    await life.run(async () => {
      const given = await Promise.all(
        args.map(async (each, i) => (isAddress(spec, i) ? expandAlias(each, io.env) : each)),
      );
      const { run } = await spec.load();
      const asked = await withTlsKeys<object>(options, context);
      const report = await withTrace(asked, context, (traced) =>
        run(context, traced as never, ...given),
      );
      if (report !== undefined) await context.publish(report);
    });
    return ExitCode.ok;
  } catch (error) {
    clear();
    return await failed(error, spec, context, warnings);
  } finally {
    status?.end();
    stopSignals();
    out.release();
    io.stderr.off("error", ignore);
    io.stderr.on("error", ignore);
  }
}

async function print(
  report: Report,
  spec: CommandSpec,
  { format, common, out, style, io }: Context,
  warnings: readonly string[],
): Promise<void> {
  if (common.compat !== undefined) {
    if (report.compat === undefined) throw usage("there is no --compat JSON of this result");
    await out.write(jsonText(report.compat(), true));
  } else if (format === "json") {
    const people = io.stdout.isTTY === true;
    await out.write(jsonText(envelope(spec.schema, report.data, warnings, null), people));
  } else if (format === "binary" && report.binary !== undefined) {
    if (io.stdout.isTTY === true) {
      throw usage("binary data is not for a terminal", "Redirect it into a file or a pipe.");
    }
    await out.write(report.binary);
  } else {
    await out.write(report.text(style));
  }
}

/** Tells of a failure, on stdout for scripts and on stderr for people. Gives the exit code. */
async function failed(
  thrown: unknown,
  spec: CommandSpec,
  { format, io, notes, partial }: Context,
  warnings: readonly string[],
): Promise<number> {
  const error = describeError(thrown);
  if (error.code === "NVME_ERR_OUTPUT_CLOSED") return ExitCode.ok;
  if (isJson(format)) {
    const people = io.stdout.isTTY === true && format === "json";
    const text = jsonText(envelope(spec.schema, partial, warnings, error), people);
    await new Promise<void>((resolve) => void io.stdout.write(text, () => resolve()));
  } else {
    io.stderr.write(errorText(error));
  }
  if (error.cause !== null) notes.detail(`cause: ${error.cause}`);
  if (thrown instanceof Error) notes.trace(thrown.stack ?? "");
  return error.exitCode;
}

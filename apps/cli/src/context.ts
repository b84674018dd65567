// What a verb is given, and what it gives back.

import type { Io } from "./io.ts";
import type { Notes } from "./notes.ts";
import type { CommonOptions } from "./options.ts";
import type { Output } from "./output.ts";
import type { Style } from "./style.ts";

/** How the result is printed; "ndjson": as a line for each event, which the verb writes by itself. */
export type OutputFormat = "normal" | "json" | "ndjson" | "binary";

/** What a verb has found: printed once, in the format that was asked for. */
export interface Report {
  /** `data` of the envelope. */
  readonly data: object;
  /** For people, with its last line end; "" where the verb has written all there is to read. */
  readonly text: (style: Style) => string;
  /** The exact payload, for verbs that have one. */
  readonly binary?: Uint8Array | undefined;
  /** The document that nvme-cli prints, for verbs that have `compat` in their row. */
  readonly compat?: (() => unknown) | undefined;
}

/** The surroundings of one run of a verb. */
export interface Context {
  readonly io: Io;
  readonly out: Output;
  readonly notes: Notes;
  readonly style: Style;
  readonly format: OutputFormat;
  readonly common: CommonOptions;
  /** Aborts at the deadline, on Ctrl-C and when stdout is gone; its reason is the error to end with. */
  readonly signal: AbortSignal;
  /** Warns: on stderr, and in the envelope. */
  readonly warn: (text: string) => void;
  /** Prints a report before the verb has ended; for one that goes on after its result is known. */
  readonly publish: (report: Report) => Promise<void>;
  /** What is known if the verb fails from here on: `data` beside the error. */
  partial: object | null;
}

/**
 * A verb: takes its options and arguments as the table in commands.ts declares them. Returns nothing
 * when it has published its report already.
 */
export type Verb<Options = CommonOptions> = (
  context: Context,
  options: Options,
  ...args: string[]
) => Promise<Report | undefined>;

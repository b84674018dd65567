// `decode`: a capture read, PDU by PDU, and judged.

import {
  type CaptureEvent,
  CaptureDecoder,
  type CaptureSummary,
  NVME_TCP_PORTS,
  type PduEvent,
  Summary,
} from "@nvmeof/tools/capture";
import { latencyHistogram } from "@nvmeof/tools/node";
import type { Context, Report, Verb } from "../context.ts";
import { type FilterOptions, filterOf } from "../decode/filter.ts";
import type { FindingKind } from "../decode/findings.ts";
import { HeldText } from "../decode/held-text.ts";
import { type CaptureInput, openCapture } from "../decode/input.ts";
import { many } from "../decode/many.ts";
import { printerOf } from "../decode/printer.ts";
import { summaryObject, summaryText } from "../decode/summary-text.ts";
import { eventEnvelope, jsonText } from "../envelope.ts";
import { CliError } from "../errors.ts";
import type { CommonOptions, ProgressOptions } from "../options.ts";
import { startProgress } from "../progress.ts";
import type { Style } from "../style.ts";
import { formatMs } from "../units.ts";

interface DecodeOptions extends CommonOptions, ProgressOptions, FilterOptions {
  readonly port?: readonly number[];
  readonly errors?: boolean;
  readonly summary?: boolean;
  readonly field?: readonly string[];
  readonly failOn?: readonly (readonly FindingKind[])[];
  readonly late: number;
}

/** After a Ctrl-C, whoever writes into our stdin has so long for its last words: it got one as well. */
const LAST_WORDS_MS = 500;

export const run: Verb<DecodeOptions> = async (context, options, path = "-") => {
  const input = await openCapture(path, context.io);
  const reading = new Reading(context, options);
  try {
    await reading.read(input);
  } finally {
    await input.close();
  }
  return reading.report();
};

/** One run over a capture. */
class Reading {
  readonly #context: Context;
  readonly #options: DecodeOptions;
  readonly #decoder: CaptureDecoder;
  readonly #summary = new Summary(latencyHistogram);
  readonly #found: Record<FindingKind, number> = { verdict: 0, warning: 0, error: 0, open: 0 };
  #connections = 0;
  readonly #held = new HeldText();

  constructor(context: Context, options: DecodeOptions) {
    this.#context = context;
    this.#options = options;
    const isMeant = filterOf(options);
    const print = printerOf({
      json: context.format === "json",
      verbose: (options.verbose ?? 0) > 0,
      errorsOnly: options.errors === true,
      fields: options.field,
      style: context.style,
    });
    const ports = [...NVME_TCP_PORTS, ...(options.port ?? [])];
    this.#decoder = new CaptureDecoder(
      (event) => {
        if (event.type === "connection") this.#connections++;
        if (!isMeant(event)) return;
        this.#count(event);
        if (options.summary !== true) this.#held.add(print(event));
      },
      { ports, lateMs: options.late },
    );
  }

  async read(input: CaptureInput): Promise<void> {
    const { io, signal } = this.#context;
    const { progress: choice, silent = false } = this.#options;
    const progress = await startProgress(io, {
      choice,
      silent,
      label: "decoding",
      totalBytes: input.bytes,
    });
    try {
      const chunks = input.chunks[Symbol.asyncIterator]();
      const over = endedBy(signal, input.isLive ? LAST_WORDS_MS : 0);
      for (;;) {
        const next = await Promise.race([chunks.next(), over]);
        if (next === undefined || next.done === true) break;
        this.#decoder.write(next.value);
        await this.#flush();
        progress.update(input.takenBytes());
      }
      this.#decoder.end();
      await this.#flush();
    } finally {
      progress.end();
    }
  }

  /** What is to be said at the end; and why the exit code is not 0, if so. */
  async report(): Promise<Report | undefined> {
    const { signal } = this.#context;
    const summary = this.#summary.result();
    this.#tellSkipped();
    const problem = this.#decoder.error ?? this.#findings();
    const report = await this.#lastWords(summary);
    if (problem === undefined && !signal.aborted) return report;
    // All that is known is told, then why it is no success.
    this.#context.partial = report?.data ?? null;
    if (report !== undefined && this.#context.format !== "json")
      await this.#context.publish(report);
    signal.throwIfAborted();
    throw problem;
  }

  /** The figures, as a report or as the last line. */
  async #lastWords(summary: CaptureSummary): Promise<Report | undefined> {
    const { format, out, notes } = this.#context;
    const { frames, durationMs, begins } = this.#decoder.facts;
    const at = begins === undefined ? null : new Date(begins.seconds * 1000).toISOString();
    const data = { frames, begins: at, durationMs, ...summaryObject(summary) };
    if (this.#options.summary === true) {
      const heading = `${many(frames, "frame")} in ${formatMs(durationMs)}`;
      return { data, text: (style: Style) => `${heading}\n\n${summaryText(summary, style)}` };
    }
    if (format === "json")
      await out.write(jsonText(eventEnvelope("decode", "summary", data), false));
    const { pdus, commands, errors, open, violations, warnings } = summary;
    if (frames === 0) return undefined;
    notes.say(
      `${many(frames, "frame")}, ${many(this.#connections, "connection")}, ${many(pdus, "PDU")}, ` +
        `${many(commands, "command")} answered, ${many(errors, "error")}, ${open} open, ` +
        `${many(violations, "violation")}, ${many(warnings, "warning")}`,
    );
    return undefined;
  }

  #count(event: CaptureEvent): void {
    this.#summary.add(event);
    if (event.type === "open") this.#found.open++;
    else if (event.type === "verdict") {
      this.#found[event.severity === "violation" ? "verdict" : "warning"]++;
    } else if (event.type === "pdu" && isFailed(event)) this.#found.error++;
  }

  #findings(): CliError | undefined {
    const kinds = new Set(this.#options.failOn?.flat());
    const found = [...kinds].filter((kind) => this.#found[kind] > 0);
    if (found.length === 0) return undefined;
    const what = found.map((kind) => `${kind}: ${this.#found[kind]}`).join(", ");
    return new CliError("NVME_ERR_FINDINGS", `the capture has what it must not have: ${what}`);
  }

  #tellSkipped(): void {
    const { skippedFrames, skippedBlocks, otherConnections, frames } = this.#decoder.facts;
    const tell = (what: string, at: string): void => this.#context.warn(`${what}, the first ${at}`);
    for (const { why, count, first, isUsual } of skippedFrames) {
      if (!isUsual) tell(`${many(count, "frame")} ${why}`, `in frame ${first}`);
    }
    for (const { why, count, first } of skippedBlocks) {
      tell(`${many(count, "block")} skipped: ${why}`, `at byte ${first}`);
    }
    if (this.#connections > 0 || frames === 0) return;
    const others =
      otherConnections === 0 ? "" : `, and ${many(otherConnections, "other TCP connection")}`;
    this.#context.warn(
      `no NVMe/TCP in ${many(frames, "frame")}${others}; --port names other ports`,
    );
  }

  /** Writes what is held; whoever reads slowly slows us down. */
  async #flush(): Promise<void> {
    for (const piece of this.#held.take()) await this.#context.out.write(piece);
  }
}

/** Resolves `afterMs` after the signal: then nobody waits for more. */
const endedBy = (signal: AbortSignal, afterMs: number): Promise<undefined> =>
  new Promise((resolve) => {
    const end = (): void => void setTimeout(resolve, afterMs, undefined);
    if (signal.aborted) end();
    else signal.addEventListener("abort", end, { once: true });
  });

const isFailed = ({ answers, command }: PduEvent): boolean =>
  answers && command?.answer !== undefined && command.answer.status !== 0;

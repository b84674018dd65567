// A capture in figures: per connection what passed, and latencies by opcode.
// Read first: events.ts; latency.ts of this package for histograms.

import type { LatencyHistogram, LatencySummary } from "../latency.ts";
import type { CaptureEvent } from "./events.ts";
import type { CapturedCommand } from "./nvme/command.ts";
import type { Connection } from "./nvme/connection.ts";
import type { RuleId, Severity } from "./nvme/rules.ts";

/** Commands of one opcode. */
export interface OpcodeFigures {
  /** "Read", "Identify". */
  readonly name: string;
  readonly commands: number;
  readonly errors: number;
  readonly bytes: number;
  /** From capsule to answer; `undefined` where no histogram was left for it. */
  readonly latency: LatencySummary | undefined;
}

/** What became of one connection. */
export interface ConnectionFigures {
  readonly connection: Connection;
  readonly opcodes: readonly OpcodeFigures[];
}

/** A rule that was broken, and how often. */
export interface RuleFigures {
  readonly rule: RuleId;
  readonly severity: Severity;
  readonly count: number;
  /** Frame of the first. */
  readonly frame: number;
}

/** A capture in figures. */
export interface CaptureSummary {
  readonly connections: readonly ConnectionFigures[];
  /** Connections beyond those that are listed. */
  readonly moreConnections: number;
  /** All connections together. */
  readonly opcodes: readonly OpcodeFigures[];
  readonly rules: readonly RuleFigures[];
  readonly pdus: number;
  readonly commands: number;
  readonly errors: number;
  readonly open: number;
  readonly violations: number;
  readonly warnings: number;
}

/** As much of a histogram as is needed. */
type Histogram = Pick<LatencyHistogram, "record" | "summary">;

/** Connections that are listed one by one. */
const CONNECTIONS_MAX = 10_000;
/** Histograms take memory: so many at most, for the whole capture, and for its connections together. */
const HISTOGRAMS_MAX = 128;

interface Figures {
  name: string;
  commands: number;
  errors: number;
  bytes: number;
  histogram: Histogram | undefined;
}

/** Takes events, and gives the figures of all that came. */
export class Summary {
  readonly #newHistogram: () => Histogram;
  readonly #connections = new Map<Connection, Map<string, Figures>>();
  readonly #all = new Map<string, Figures>();
  readonly #rules = new Map<RuleId, { severity: Severity; count: number; frame: number }>();
  #histograms = 0;
  #moreConnections = 0;
  #pdus = 0;
  #commands = 0;
  #errors = 0;
  #open = 0;
  #violations = 0;
  #warnings = 0;

  /** @param newHistogram makes an empty histogram, as `latencyHistogram` of `@nvmeof/tools/node` does. */
  constructor(newHistogram: () => Histogram) {
    this.#newHistogram = newHistogram;
  }

  add(event: CaptureEvent): void {
    switch (event.type) {
      case "connection":
        if (this.#connections.size < CONNECTIONS_MAX) {
          this.#connections.set(event.connection, new Map());
        } else this.#moreConnections++;
        return;
      case "pdu":
        this.#pdus++;
        if (event.answers) this.#answered(event.connection, event.command!);
        return;
      case "verdict": {
        const { rule, severity, frame } = event;
        if (severity === "violation") this.#violations++;
        else this.#warnings++;
        const known = this.#rules.get(rule);
        if (known === undefined) this.#rules.set(rule, { severity, count: 1, frame });
        else known.count++;
        return;
      }
      case "open":
        this.#open++;
        return;
      case "gap":
      case "resumed":
      case "end":
    }
  }

  result(): CaptureSummary {
    return {
      connections: [...this.#connections].map(([connection, opcodes]) => ({
        connection,
        opcodes: figuresOf(opcodes),
      })),
      moreConnections: this.#moreConnections,
      opcodes: figuresOf(this.#all),
      rules: [...this.#rules].map(([rule, figures]) => ({ rule, ...figures })),
      pdus: this.#pdus,
      commands: this.#commands,
      errors: this.#errors,
      open: this.#open,
      violations: this.#violations,
      warnings: this.#warnings,
    };
  }

  #answered(connection: Connection, command: CapturedCommand): void {
    this.#commands++;
    if (command.answer!.status !== 0) this.#errors++;
    this.#count(this.#all, command, this.#all.size < HISTOGRAMS_MAX);
    const own = this.#connections.get(connection);
    if (own !== undefined) this.#count(own, command, this.#histograms < HISTOGRAMS_MAX);
  }

  /** `hasRoom`: a histogram may be made. */
  #count(all: Map<string, Figures>, command: CapturedCommand, hasRoom: boolean): void {
    const { name, transferBytes } = command;
    const { status, latencyMs, isSure } = command.answer!;
    let figures = all.get(name);
    if (figures === undefined) {
      figures = { name, commands: 0, errors: 0, bytes: 0, histogram: undefined };
      if (hasRoom) figures.histogram = this.#newHistogram();
      if (hasRoom && all !== this.#all) this.#histograms++;
      all.set(name, figures);
    }
    figures.commands++;
    figures.bytes += transferBytes;
    if (status !== 0) figures.errors++;
    if (isSure) figures.histogram?.record(latencyMs);
  }
}

const figuresOf = (all: ReadonlyMap<string, Figures>): OpcodeFigures[] =>
  [...all.values()]
    .map(({ name, commands, errors, bytes, histogram }) => ({
      name,
      commands,
      errors,
      bytes,
      latency: histogram?.summary(),
    }))
    .sort((a, b) => b.commands - a.commands || (a.name < b.name ? -1 : 1));

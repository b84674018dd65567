// What a command waits for, on a terminal, where nothing else tells: one line that comes after a second and goes.
// Read first: progress.ts, which takes its place where there is more to show.

import type { Sink } from "./io.ts";

/** Whoever waits for less needs no line. */
export const STATUS_AFTER_MS = 1_000;

const REDRAW_MS = 250;

const CLEAR_LINE = "\r\u001b[K";

export interface StatusLineOptions {
  readonly stream: Sink;
  /** What is done while nobody says more: "list"; undefined where that tells of itself. */
  readonly usual: string | undefined;
  /** After this the command is ended, ms; undefined: it takes its time. */
  readonly deadlineMs: number | undefined;
  /** Calls back every so many ms until the result is called. Default: that of the system. */
  readonly every?: (ms: number, look: () => void) => () => void;
  /** Time, ms. Default: that of the system. */
  readonly nowMs?: () => number;
}

/** Who shows progress in the place of the line. */
export interface LineOwner {
  /** This is waited for; undefined: nothing but the work itself. */
  readonly note: (what: string | undefined) => void;
  /** Something is about to be written there. */
  readonly clear: () => void;
}

function systemEvery(ms: number, look: () => void): () => void {
  const timer = setInterval(look, ms);
  timer.unref();
  return () => clearInterval(timer);
}

/** The line, for one run of a verb. Harmless where there is no terminal: then nobody makes one. */
export class StatusLine {
  readonly #options: StatusLineOptions;
  readonly #nowMs: () => number;
  readonly #startMs: number;
  readonly #stop: () => void;
  #waitsFor: string | undefined;
  #sinceMs: number;
  /** The line as it stands there; "" for none. */
  #shown = "";
  #owner: LineOwner | undefined;

  constructor(options: StatusLineOptions) {
    const { every = systemEvery, nowMs = () => performance.now() } = options;
    this.#options = options;
    this.#nowMs = nowMs;
    this.#startMs = nowMs();
    this.#sinceMs = this.#startMs;
    this.#stop = every(REDRAW_MS, () => this.#look());
  }

  /** Says what is waited for from now on: "connecting to 192.0.2.10:4420"; undefined: the usual. */
  waitFor(what: string | undefined): void {
    if (what === this.#waitsFor) return;
    this.#waitsFor = what;
    this.#sinceMs = this.#nowMs();
    this.clear();
    this.#owner?.note(what);
  }

  /** Something is about to be written there. The line comes again when there is silence. */
  clear(): void {
    this.#owner?.clear();
    if (this.#shown === "") return;
    this.#shown = "";
    this.#options.stream.write(CLEAR_LINE);
  }

  /** Somebody else has the line from now on. Returns how to give it back. */
  give(owner: LineOwner): () => void {
    this.clear();
    this.#owner = owner;
    if (this.#waitsFor !== undefined) owner.note(this.#waitsFor);
    return () => {
      if (this.#owner === owner) this.#owner = undefined;
    };
  }

  /** The command has ended. */
  end(): void {
    this.#stop();
    this.clear();
  }

  #look(): void {
    const { stream, usual, deadlineMs } = this.#options;
    const what = this.#waitsFor ?? usual;
    const nowMs = this.#nowMs();
    if (what === undefined || this.#owner !== undefined) return;
    if (nowMs - this.#sinceMs < STATUS_AFTER_MS) return;
    const seconds = Math.floor((nowMs - this.#startMs) / 1_000);
    const most = deadlineMs === undefined ? "" : ` of at most ${Math.ceil(deadlineMs / 1_000)} s`;
    // One that is wrapped cannot be cleared.
    const line = `${what}  ${seconds} s${most}`.slice(0, (stream.columns ?? 80) - 1);
    if (line === this.#shown) return;
    this.#shown = line;
    stream.write(CLEAR_LINE + line);
  }
}

// Progress on stderr: a bar on a terminal, lines of JSON where they are asked for, else nothing.
// Only for work that takes longer than half a second, at most ten times a second.

import type { Io } from "./io.ts";
import { formatBytes, formatMs, formatRate } from "./units.ts";

export type ProgressChoice = "auto" | "always" | "never" | "json";

/** How far a piece of work is. */
export interface Progress {
  /** So many bytes, or whatever is counted, are done. */
  update(count: number): void;
  /** It is over, one way or the other; the line is cleared. */
  end(): void;
}

const nothing: Progress = { update: () => {}, end: () => {} };

const systemNowMs = (): number => performance.now();

const SHOW_AFTER_MS = 500;
const UPDATE_MS = 100;

export interface ProgressOptions {
  readonly choice: ProgressChoice;
  readonly silent: boolean;
  /** What is being done: "copying". */
  readonly label: string;
  /** undefined where nobody knows. */
  readonly totalBytes: number | undefined;
  /** What is counted. Default: bytes. */
  readonly unit?: string;
  /** What a person reads on a terminal, where there is no total. Default: count and rate of bytes. */
  readonly text?: (count: number, elapsedMs: number) => string;
  /** Time, ms. Default: that of the system. */
  readonly nowMs?: () => number;
}

/** Progress as asked for: on a terminal unless something else was said. */
export async function startProgress(io: Io, options: ProgressOptions): Promise<Progress> {
  const { choice, silent } = options;
  const bar = choice === "always" || (choice === "auto" && io.stderr.isTTY === true);
  if (choice === "json") return jsonLines(io, options);
  if (silent || !bar) return nothing;
  return options.totalBytes === undefined ? counter(io, options) : barOf(io, options);
}

/** Calls `show` when it is time for it again. */
function throttled(
  { nowMs = systemNowMs }: ProgressOptions,
  show: (bytes: number, elapsedMs: number) => void,
): (bytes: number) => void {
  const startMs = nowMs();
  let shownMs = -Infinity;
  return (bytes) => {
    const elapsedMs = nowMs() - startMs;
    if (elapsedMs < SHOW_AFTER_MS || elapsedMs < shownMs + UPDATE_MS) return;
    shownMs = elapsedMs;
    show(bytes, elapsedMs);
  };
}

function jsonLines(io: Io, options: ProgressOptions): Progress {
  const { label, totalBytes, unit = "bytes", nowMs = systemNowMs } = options;
  const startMs = nowMs();
  let last = 0;
  const line = (event: string, count: number): void => {
    const elapsedMs = Math.round(nowMs() - startMs);
    const total = unit === "bytes" ? { totalBytes: totalBytes ?? null } : {};
    const said = { event, label, [unit]: count, ...total, elapsedMs };
    io.stderr.write(`${JSON.stringify(said)}\n`);
  };
  const show = throttled(options, (bytes) => line("progress", bytes));
  return {
    update(bytes) {
      last = bytes;
      show(bytes);
    },
    end: () => line("end", last),
  };
}

const CLEAR_LINE = "\r\u001b[K";

/** What is waited for, behind how far it is. */
const noted = (note: string | undefined): string => (note === undefined ? "" : `  ${note}`);

function counter({ stderr, status }: Io, options: ProgressOptions): Progress {
  let shown = "";
  let last = "";
  const clear = (): void => {
    if (shown !== "") stderr.write(CLEAR_LINE);
    shown = "";
  };
  const note = (text: string | undefined): void => {
    if (last === "") return;
    shown = last + noted(text);
    stderr.write(CLEAR_LINE + shown);
  };
  const giveBack = status?.give({ note, clear });
  const bytesText = (bytes: number, elapsedMs: number): string =>
    `${options.label}  ${formatBytes(bytes)}  ${formatRate(bytes, elapsedMs)}`;
  const show = throttled(options, (count, elapsedMs) => {
    last = (options.text ?? bytesText)(count, elapsedMs);
    shown = last;
    stderr.write(CLEAR_LINE + shown);
  });
  return {
    update: show,
    end: () => {
      giveBack?.();
      clear();
    },
  };
}

async function barOf(io: Io, options: ProgressOptions): Promise<Progress> {
  const { label, totalBytes = 0 } = options;
  const { SingleBar } = await import("cli-progress");
  const bar = new SingleBar({
    stream: io.stderr,
    format: `${label}  [{bar}]  {percentage}%  {done}/{whole}  {rate}  eta {left}{note}`,
    barCompleteChar: "=",
    barIncompleteChar: " ",
    barsize: 24,
    fps: 10,
    clearOnComplete: true,
    hideCursor: true,
    linewrap: false,
    gracefulExit: false, // signals are ours
  });
  let started: "not yet" | "started" = "not yet";
  const note = (text: string | undefined): void => {
    if (started === "started") bar.update({ note: noted(text) });
  };
  const clear = (): void => {
    if (started === "started") io.stderr.write(CLEAR_LINE);
  };
  const giveBack = io.status?.give({ note, clear });
  const show = throttled(options, (bytes, elapsedMs) => {
    const payload = {
      done: formatBytes(bytes),
      whole: formatBytes(totalBytes),
      rate: formatRate(bytes, elapsedMs),
      note: "",
      left: bytes === 0 ? "?" : formatMs((elapsedMs / bytes) * (totalBytes - bytes)),
    };
    if (started === "not yet") {
      started = "started";
      bar.start(totalBytes, bytes, payload);
    } else bar.update(bytes, payload);
  });
  return {
    update: show,
    end: () => {
      giveBack?.();
      if (started === "started") bar.stop();
    },
  };
}

// The screen of `top` as lines: a pure function of what is known, what is looked at, and how large it is.
// Read first: view.ts, rows.ts and columns.ts, of which this is made.

import type { ControlSnapshot, ControllerView, ProcessRates, QueueView } from "@nvmeof/tools";
import type { Style } from "../style.ts";
import { formatBytes, formatMs } from "../units.ts";
import { GAP, type TopColumn, fittingColumns } from "./columns.ts";
import { type TopRow, placeName } from "./rows.ts";
import { clipped, fitted } from "./text.ts";
import { type ViewState, chosenAt, placeOf, shownRows } from "./view.ts";

export interface ScreenSize {
  readonly columns: number;
  readonly rows: number;
}

/** What is known; undefined before the first of it has come. */
export interface Known {
  readonly snapshot: ControlSnapshot;
  /** undefined while there is one snapshot alone. */
  readonly rates: ProcessRates | undefined;
  readonly intervalMs: number;
}

/** Lines that are there whatever is shown between them: three above, a head, and two below. */
const FIXED_LINES = 6;

/** Rows that a screen of this size has for what it is about. */
export const pageRowsOf = ({ rows }: ScreenSize): number => Math.max(1, rows - FIXED_LINES);

/** All lines, as many as the screen has rows, none longer than it is wide. */
export function screenLines(
  known: Known | undefined,
  state: ViewState,
  size: ScreenSize,
  style: Style,
): string[] {
  const body = pageRowsOf(size);
  const lines = linesOf(known, state, size, style);
  const fit = (each: readonly string[], count: number): string[] =>
    Array.from({ length: count }, (_, i) => each[i] ?? "");
  const all = [...fit(lines.head, 4), ...fit(lines.body, body), ...fit(lines.foot, 2)];
  return all.slice(0, Math.max(1, size.rows));
}

interface Parts {
  readonly head: readonly string[];
  readonly body: readonly string[];
  readonly foot: readonly string[];
}

function linesOf(
  known: Known | undefined,
  state: ViewState,
  size: ScreenSize,
  style: Style,
): Parts {
  const { columns } = size;
  const keys = style.dim(clipped(keysText(state), columns));
  if (known === undefined)
    return { head: ["nvmeof top"], body: ["connecting …"], foot: ["", keys] };
  const head = [
    style.bold(clipped(processText(known, state), columns)),
    clipped(loopText(known), columns),
    clipped(wayText(known, state), columns),
  ];
  if (state.mode === "help") {
    const body = helpLines.map((line) => clipped(line, columns));
    return { head, body, foot: ["", keys] };
  }
  if (state.tab === "queues") return { ...queueParts(known, size, style), head, foot: ["", keys] };
  if (known.rates === undefined) return { head, body: ["measuring …"], foot: ["", keys] };
  return tableParts(known, state, size, style, head, keys);
}

const processText = ({ snapshot, intervalMs }: Known, { isPaused }: ViewState): string => {
  const { pid, name, startedAt } = snapshot.process;
  const upMs = Date.parse(snapshot.at) - Date.parse(startedAt);
  const up = Number.isNaN(upMs) ? "" : `  up ${formatMs(Math.max(0, upMs))}`;
  const how = isPaused ? "PAUSED" : `every ${formatMs(intervalMs)}`;
  return `nvmeof top  ${pid} ${name}${up}  ${how}`;
};

function loopText({ snapshot, rates }: Known): string {
  const { eventLoop, resources, leftOut } = snapshot;
  const { delay } = eventLoop;
  const parts = [
    rates === undefined ? "" : `event loop ${rates.loopPercent.toFixed(0)}%`,
    delay === null ? "" : `delay p99 ${formatMs(delay.p99Ms)}, max ${formatMs(delay.maxMs)}`,
    rates === undefined ? "" : `CPU ${rates.cpuPercent.toFixed(0)}%`,
    `memory ${formatBytes(resources.rssBytes)}`,
    leftOut === 0 ? "" : `${leftOut} rows left out`,
  ];
  return parts.filter((text) => text !== "").join("  ");
}

function wayText({ rates }: Known, state: ViewState): string {
  if (state.mode === "help") return "Help";
  if (state.tab === "queues") return "Queues";
  const place = placeOf(state, rates);
  const way = state.way.slice(0, state.way.indexOf(place) + 1);
  const names = rates === undefined ? ["subsystems"] : way.map((each) => placeName(rates, each));
  const filter =
    state.mode === "filter" ? `  /${state.filter}_` : state.filter && `  /${state.filter}`;
  const sorted = state.sort === undefined ? "" : `  sorted by ${state.sort}`;
  return `${names.join(" > ")}${sorted}${filter}`;
}

const keysText = ({ mode, tab }: ViewState): string => {
  if (mode === "filter") return "type to filter   Enter keep it   Esc none";
  if (mode === "help") return "any key goes back";
  if (tab === "queues") return "Tab I/O   p pause   ? help   q quit";
  return "Enter open  Esc back  Tab queues  s sort  / filter  p pause  ? help  q quit";
};

function tableParts(
  { rates }: Known,
  state: ViewState,
  size: ScreenSize,
  style: Style,
  head: readonly string[],
  keys: string,
): Parts {
  const rows = shownRows(state, rates);
  const at = chosenAt(state, rows);
  const page = pageRowsOf(size);
  const first = Math.floor(at / page) * page;
  const { shown, nameWidth } = fittingColumns(size.columns);
  const titles = shown.map((column) => {
    const title = column.title === state.sort ? style.bold(padTitle(column)) : padTitle(column);
    return title;
  });
  const headLine = [fitted("  Name", nameWidth), ...titles].join(" ".repeat(GAP)).trimEnd();
  const body = rows.slice(first, first + page).map((row, i) => {
    const isChosen = first + i === at;
    const line = rowLine(row, isChosen, shown, nameWidth);
    return isChosen ? style.bold(line) : line;
  });
  const chosen = rows[at];
  const counted = rows.length > page ? `${at + 1} of ${rows.length}  ` : "";
  const none = state.filter === "" ? "nothing here" : `nothing matches "${state.filter}"`;
  const detail = chosen === undefined ? none : `${counted}${chosen.name}: ${chosen.detail}`;
  return { head: [...head, headLine], body, foot: [clipped(detail, size.columns), keys] };
}

const padTitle = ({ title, width, align }: TopColumn): string => fitted(title, width, align);

function rowLine(
  row: TopRow,
  isChosen: boolean,
  shown: readonly TopColumn[],
  nameWidth: number,
): string {
  // Nothing depends on weight alone.
  const name = fitted(`${isChosen ? "> " : "  "}${row.name}`, nameWidth);
  const cells = shown.map((column) => fitted(column.value(row), column.width, column.align));
  return [name, ...cells].join(" ".repeat(GAP)).trimEnd();
}

interface QueueRow {
  readonly controller: ControllerView;
  readonly queue: QueueView;
}

function queueParts({ snapshot }: Known, size: ScreenSize, style: Style): Pick<Parts, "body"> {
  const { eventLoop, subsystems } = snapshot;
  const { delay } = eventLoop;
  const loop =
    delay === null
      ? "event loop: nothing measured yet"
      : `event loop delay: mean ${formatMs(delay.meanMs)}, p50 ${formatMs(delay.p50Ms)}, ` +
        `p99 ${formatMs(delay.p99Ms)}, max ${formatMs(delay.maxMs)}`;
  const rows: QueueRow[] = subsystems.flatMap(({ controllers }) =>
    controllers.flatMap((controller) => controller.queues.map((queue) => ({ controller, queue }))),
  );
  const room = pageRowsOf(size) - 3;
  const shown = rows.slice(0, rows.length > room ? Math.max(0, room - 1) : room);
  const more = rows.length - shown.length;
  const nameWidth = Math.max(10, Math.min(40, size.columns - 40));
  const line = (name: string, ...cells: readonly string[]): string =>
    [fitted(name, nameWidth), ...cells.map((cell) => fitted(cell, 9, "right"))].join(" ");
  const body = [
    clipped(loop, size.columns),
    "",
    style.bold(clipped(line("Queues", "QID", "Depth", "Inflights", "Abandoned"), size.columns)),
    ...shown.map(({ controller, queue }) => {
      const { qid, depth, inflight, abandoned } = queue;
      const cells = [qid, depth, inflight, abandoned].map(String);
      return clipped(line(controller.address, ...cells), size.columns);
    }),
    ...(rows.length === 0 ? ["  no I/O queue of a host"] : []),
    ...(more > 0 ? [`  and ${more} more`] : []),
  ];
  return { body };
}

const helpLines: readonly string[] = [
  "up, down, PgUp, PgDn, Home, End   choose a row      Enter   open it      Esc   back",
  "Tab   event loop and queues       s   sort          /       filter       p   pause",
  "q or Ctrl-C   quit",
  "",
  "r_IOPS w_IOPS r_bw w_bw   by the second, in the last interval",
  "r_clat w_clat             average, from sending to completion, of commands that ended in it",
  "Util%                     share of the interval with a command in flight;",
  "                          of several paths that of the busiest",
  "Inflights                 now",
  "Resets Reconnects         since the beginning: resets; attempts to connect again",
  "Errors Retries            commands that ended with an error; of those, tried again here",
  "Failovers                 of those, tried again elsewhere, or later for want of a path",
  "Requeue-IO Fail-IO        requests to the namespace, by whatever path: that waited for one;",
  "                          that were given back with an error",
  "-                         nobody counts it",
  "Where the screen is narrow, columns are left out: Requeue-IO first, then Retries, Resets, …",
];

// What somebody looks at, and what keys make of it: one pure function.
// Read first: rows.ts for places, columns.ts for what is sorted by.

import type { ProcessRates } from "@nvmeof/tools";
import { topColumns } from "./columns.ts";
import type { Place, TopRow } from "./rows.ts";
import { rowsAt } from "./rows.ts";

export interface ViewState {
  /** The way to where one looks, from the top; never empty. */
  readonly way: readonly Place[];
  /** `id` of the row that is chosen; undefined, or one that is gone: the first. */
  readonly chosen: string | undefined;
  readonly tab: "io" | "queues";
  /** Title of the column that is sorted by; undefined: as they came. */
  readonly sort: string | undefined;
  readonly filter: string;
  readonly mode: "browse" | "filter" | "help";
  readonly isPaused: boolean;
}

export const firstView: ViewState = {
  way: [{ level: "subsystems" }],
  chosen: undefined,
  tab: "io",
  sort: undefined,
  filter: "",
  mode: "browse",
  isPaused: false,
};

/** A key as `node:readline` tells of it. */
export interface Key {
  /** "up", "pagedown", "return", "escape", "a". */
  readonly name: string;
  /** What it types; "" for keys that type nothing. */
  readonly text: string;
}

/** Longest text that rows are filtered by. */
const FILTER_MAX = 64;

const sortable: readonly (string | undefined)[] = [
  undefined,
  "r_IOPS",
  "w_IOPS",
  "r_clat",
  "w_clat",
  "r_bw",
  "w_bw",
  "Util%",
  "Errors",
  "Inflights",
];

/** The place that is looked at: the last of the way that is still there. */
export function placeOf({ way }: ViewState, rates: ProcessRates | undefined): Place {
  const there = way.findLast((each) => rates === undefined || rowsAt(rates, each) !== undefined);
  return there ?? { level: "subsystems" };
}

/** The rows that are shown, in their order. */
export function shownRows(state: ViewState, rates: ProcessRates | undefined): readonly TopRow[] {
  if (rates === undefined) return [];
  const wanted = state.filter.toLowerCase();
  const rows = (rowsAt(rates, placeOf(state, rates)) ?? []).filter((row) =>
    `${row.name} ${row.state} ${row.anaState} ${row.detail}`.toLowerCase().includes(wanted),
  );
  const order = topColumns.find(({ title }) => title === state.sort)?.order;
  if (order === undefined) return rows;
  const value = (row: TopRow): number => order(row) ?? -Infinity;
  return rows.toSorted((a, b) => (value(a) === value(b) ? 0 : value(b) - value(a)));
}

/** Where the row that is chosen stands among those that are shown. */
export const chosenAt = ({ chosen }: ViewState, rows: readonly TopRow[]): number =>
  Math.max(
    0,
    rows.findIndex(({ id }) => id === chosen),
  );

/** What a key makes of a view. `pageRows`: rows that fit on the screen. */
export function pressed(
  state: ViewState,
  key: Key,
  rates: ProcessRates | undefined,
  pageRows: number,
): ViewState | "quit" {
  if (state.mode === "filter") return typed(state, key);
  if (state.mode === "help") return { ...state, mode: "browse" };
  const rows = shownRows(state, rates);
  const at = chosenAt(state, rows);
  const choose = (to: number): ViewState => ({
    ...state,
    chosen: rows[Math.min(rows.length - 1, Math.max(0, to))]?.id,
  });
  switch (key.name) {
    case "q":
      return "quit";
    case "up":
    case "k":
      return choose(at - 1);
    case "down":
    case "j":
      return choose(at + 1);
    case "pageup":
      return choose(at - pageRows);
    case "pagedown":
      return choose(at + pageRows);
    case "home":
      return choose(0);
    case "end":
      return choose(rows.length - 1);
    case "return":
    case "enter":
    case "right":
      return opened(state, rows[at]);
    case "escape":
    case "left":
    case "backspace":
      return left(state, rates);
    case "tab":
      return { ...state, tab: state.tab === "io" ? "queues" : "io" };
    case "s":
      return { ...state, sort: sortable[(sortable.indexOf(state.sort) + 1) % sortable.length] };
    case "p":
      return { ...state, isPaused: !state.isPaused };
    default:
      if (key.text === "/") return { ...state, mode: "filter" };
      return key.text === "?" || key.name === "h" ? { ...state, mode: "help" } : state;
  }
}

function opened(state: ViewState, row: TopRow | undefined): ViewState {
  if (row?.opens === undefined || state.tab === "queues") return state;
  return { ...state, way: [...state.way, row.opens], chosen: undefined, filter: "" };
}

/** What was typed last goes first: the filter, the tab, and then the place. The row that led there is chosen. */
function left(state: ViewState, rates: ProcessRates | undefined): ViewState {
  if (state.filter !== "") return { ...state, filter: "" };
  if (state.tab === "queues") return { ...state, tab: "io" };
  const place = placeOf(state, rates);
  const way = state.way.slice(0, Math.max(1, state.way.indexOf(place)));
  return { ...state, way, chosen: originOf(place) };
}

function originOf(place: Place): string | undefined {
  switch (place.level) {
    case "controllers":
    case "namespaces":
      return place.subsystem;
    case "paths":
      return place.controller;
    case "namespace":
      return place.namespace;
    case "subsystems":
    default:
      return undefined;
  }
}

function typed(state: ViewState, { name, text }: Key): ViewState {
  switch (name) {
    case "return":
    case "enter":
      return { ...state, mode: "browse" };
    case "escape":
      return { ...state, mode: "browse", filter: "" };
    case "backspace":
      return { ...state, filter: state.filter.slice(0, -1) };
    default:
      return { ...state, filter: `${state.filter}${text}`.slice(0, FILTER_MAX) };
  }
}

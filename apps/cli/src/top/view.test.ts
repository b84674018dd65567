// What keys make of a view, one after another.

import { expect, test } from "vitest";
import { known } from "../testing/top-world.ts";
import { type Key, type ViewState, firstView, placeOf, pressed, shownRows } from "./view.ts";

const { rates } = known;

/** A key by its name, or by what it types. */
const key = (each: string): Key => ({ name: each, text: each.length === 1 ? each : "" });

function after(...keys: readonly string[]): ViewState | "quit" {
  let state: ViewState = firstView;
  for (const each of keys) {
    const next = pressed(state, key(each), rates, 10);
    if (next === "quit") return next;
    state = next;
  }
  return state;
}

function looking(...keys: readonly string[]) {
  const state = after(...keys);
  if (state === "quit") throw new Error("it has ended");
  const rows = shownRows(state, rates);
  return { state, place: placeOf(state, rates), names: rows.map(({ name }) => name) };
}

test.each<[string, readonly string[], object]>([
  ["it begins with the subsystems", [], { level: "subsystems" }],
  ["Enter opens the first", ["return"], { level: "controllers", subsystem: "h" }],
  ["down, Enter opens the second", ["down", "return"], { level: "controllers", subsystem: "t" }],
  ["down stays at the last", ["down", "down", "down", "return"], { subsystem: "t" }],
  ["up comes back", ["down", "up", "return"], { subsystem: "h" }],
  ["End, Home", ["end", "home", "return"], { subsystem: "h" }],
  ["a page down", ["pagedown", "return"], { subsystem: "t" }],
  ["a controller of a host has paths", ["return", "return"], { level: "paths", controller: "c1" }],
  ["of a target, namespaces", ["end", "return", "return"], { level: "namespaces", subsystem: "t" }],
  ["a path leads to its namespace", ["return", "return", "return"], { namespace: "n1" }],
  ["that is the end of the way", ["return", "return", "return", "return"], { namespace: "n1" }],
  ["Esc goes back", ["return", "return", "escape"], { level: "controllers" }],
  ["Esc at the top stays there", ["escape", "escape"], { level: "subsystems" }],
  ["the tab of queues opens nothing", ["tab", "return"], { level: "subsystems" }],
])("%s", (_what, keys, expected) => {
  expect(looking(...keys).place).toMatchObject(expected);
});

test("who comes back stands where he left", () => {
  const { state } = looking("down", "return", "escape");
  expect(state.chosen).toBe("t");
});

test("q quits, but not while it is typed", () => {
  expect(after("q")).toBe("quit");
  expect(looking("/", "q").state.filter).toBe("q");
  expect(looking("?", "q").state.mode).toBe("browse");
});

test("a filter keeps the rows that have its text, and Esc takes it away", () => {
  expect(looking("/", "D", "i", "s", "k", "1", "return").names).toEqual([
    "nqn.2024-01.com.example:disk1",
  ]);
  expect(looking("/", "x", "x").names).toEqual([]);
  expect(looking("/", "x", "x", "backspace", "backspace").names).toHaveLength(2);
  expect(looking("/", "x", "return", "escape").names).toHaveLength(2);
  expect(looking("/", "x", "escape").state).toMatchObject({ filter: "", mode: "browse" });
  const long = looking("/", ...Array.from("a".repeat(100))).state.filter;
  expect(long).toHaveLength(64);
});

test("s sorts by one column after another, the greatest first, and ends as it began", () => {
  expect(looking("s").names[0]).toContain("disk1"); // r_IOPS
  const byState = Array.from({ length: 10 }, () => "s");
  expect(looking(...byState).state.sort).toBeUndefined();
  expect(looking("return", "s", "s", "s").names).toEqual([
    "tcp 192.0.2.10 4420",
    "tcp 192.0.2.10 4421",
  ]);
});

test("what has nothing in the column stands last", () => {
  const state = { ...firstView, sort: "w_clat" };
  expect(shownRows(state, rates).map(({ id }) => id)).toEqual(["h", "t"]);
});

test("p pauses, and once more goes on", () => {
  expect(looking("p").state.isPaused).toBe(true);
  expect(looking("p", "p").state.isPaused).toBe(false);
});

test("a place that goes leaves one at the place before it", () => {
  const { state } = looking("return", "return");
  const gone = { ...rates!, subsystems: [{ ...rates!.subsystems[0]!, controllers: [] }] };
  expect(placeOf(state, gone)).toEqual({ level: "controllers", subsystem: "h" });
  expect(placeOf(state, { ...rates!, subsystems: [] })).toEqual({ level: "subsystems" });
  const back = pressed(state, key("escape"), gone, 10);
  expect(back).toMatchObject({ way: [{ level: "subsystems" }] });
});

test("keys without a meaning change nothing", () => {
  for (const each of ["f5", "x", "undefined", ""]) expect(after(each)).toEqual(firstView);
});

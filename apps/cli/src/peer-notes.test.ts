// What peers make us say stays bounded, and nothing is left out without a word.

import { expect, test } from "vitest";
import { PeerNotes } from "./peer-notes.ts";

function notes() {
  const said: string[] = [];
  const time = { nowMs: 0 };
  return {
    said,
    time,
    notes: new PeerNotes(
      (text) => said.push(text),
      () => time.nowMs,
    ),
  };
}

test("an address gets ten lines a second, and the rest is counted", () => {
  const { said, time, notes: peers } = notes();
  for (let i = 0; i < 1_000; i++) peers.note(`192.0.2.1:${i + 1}`, "no Connect in time");
  expect(said).toHaveLength(10);
  expect(said[0]).toBe("192.0.2.1:1: no Connect in time");
  peers.note("192.0.2.2:1", "connected");
  expect(said).toHaveLength(11);
  time.nowMs = 1_000;
  peers.note("192.0.2.1:5", "again");
  expect(said.slice(11)).toEqual(["990 more lines about peers left out", "192.0.2.1:5: again"]);
});

test("a flood from everywhere is bounded as well, in lines and in memory", () => {
  const { said, notes: peers } = notes();
  for (let i = 0; i < 20_000; i++) peers.note(`[2001:db8::${i.toString(16)}]:1`, "x");
  expect(said).toHaveLength(1_024 + 10);
  peers.flush();
  expect(said.at(-1)).toBe(`${20_000 - 1_034} more lines about peers left out`);
});

test("with nothing left out, nothing is said of it", () => {
  const { said, notes: peers } = notes();
  peers.note("192.0.2.1:1", "x");
  peers.flush();
  expect(said).toEqual(["192.0.2.1:1: x"]);
});

// Tests of the oracles of resources and of buffers: each finds what is too much, left, or touched.

import { expect, test } from "vitest";
import { GuardedBuffers, ResourceOracle } from "./resources.ts";

function setup() {
  const complaints: string[] = [];
  const held = { timers: 0, bytes: 0 };
  const oracle = new ResourceOracle(
    (invariant, message) => void complaints.push(`${invariant}: ${message}`),
  );
  oracle.add({ name: "timers", read: () => held.timers });
  oracle.add({
    name: "bytes",
    read: () => held.bytes,
    cap: { max: 100, invariant: "I40" },
  });
  return { complaints, held, oracle };
}

test("what stays within its cap, comes back to its base and ends at nothing is right", () => {
  const { complaints, held, oracle } = setup();
  held.timers = 3;
  oracle.setBase();
  held.bytes = 100;
  oracle.check();
  held.bytes = 0;
  oracle.backAtBase();
  held.timers = 0;
  oracle.atRest();
  expect(complaints).toEqual([]);
  expect(oracle.peaks.get("bytes")).toBe(100);
});

test("I40: more than the cap", () => {
  const { complaints, held, oracle } = setup();
  held.bytes = 101;
  oracle.check();
  expect(complaints).toEqual(["I40: 101 bytes, where 100 are the most"]);
});

test("I20: more, or less, than before", () => {
  const { complaints, held, oracle } = setup();
  oracle.setBase();
  held.timers = 1;
  oracle.backAtBase();
  expect(complaints).toEqual(["I20: 1 timers, where there were 0"]);
});

test("I11: something is left, unless it is not counted any more", () => {
  const { complaints, held, oracle } = setup();
  held.timers = 2;
  held.bytes = 1;
  oracle.remove("timers");
  oracle.atRest();
  expect(complaints).toEqual(["I11: 1 bytes left after everything has ended"]);
});

test("I28: bytes around a buffer, and in one that was released, are not touched", () => {
  const complaints: string[] = [];
  const buffers = new GuardedBuffers((invariant) => void complaints.push(invariant));
  const [right, before, after] = [buffers.take(16), buffers.take(16), buffers.take(16)];
  right.fill(1);
  new Uint8Array(before.buffer)[before.byteOffset - 1] = 0;
  for (const each of [right, before, after]) buffers.release(each);
  after[3] = 7;
  buffers.finish();
  expect(complaints).toEqual(["I28", "I28"]);
});

test("buffers are looked at when the oldest makes room, and not only in the end", () => {
  const complaints: string[] = [];
  const buffers = new GuardedBuffers((invariant) => void complaints.push(invariant));
  const first = buffers.take(16);
  buffers.release(first);
  first[0] = 1;
  for (let each = 0; each < 64; each++) buffers.release(buffers.take(1));
  expect(complaints).toEqual(["I28"]);
});

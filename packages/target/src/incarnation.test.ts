// Incarnations: how long anything of a controller may reach a device, and under which name.
import { seededRandom } from "@nvmeof/core";
import { expect, test } from "vitest";
import { type Incarnation, Incarnations } from "./incarnation.ts";

const host = { nqn: "nqn.2024-01.com.example:host", id: new Uint8Array(16) };

function registry(random = seededRandom(1)) {
  const told: string[] = [];
  const all = new Incarnations(random, ({ cntlid, state }) => told.push(`${cntlid} ${state}`));
  const findAgain = ({ cntlid, ciu, cirn }: Incarnation) => all.find(cntlid, ciu, cirn);
  return { all, told, findAgain };
}

test("one without requests is quiesced as it ends, and forgotten", () => {
  const { all, told, findAgain } = registry();
  const one = all.begin(1, host, undefined);
  expect([findAgain(one), all.has(1)]).toEqual([one, true]);
  one.end();
  expect(told).toEqual(["1 quiesced"]);
  expect([findAgain(one), all.has(1)]).toEqual([undefined, false]);
  one.end();
  expect(told).toHaveLength(1);
});

test("one with requests drains, and is told once, after the last of them", () => {
  const { all, told, findAgain } = registry();
  const one = all.begin(1, host, undefined);
  one.submitted();
  one.submitted();
  one.settled(false);
  one.submitted();
  one.end();
  expect([one.state, one.backendRequests]).toEqual(["draining", 2]);
  one.settled(false);
  expect([told, findAgain(one)]).toEqual([[], one]);
  one.settled(false);
  expect(told).toEqual(["1 quiesced"]);
});

test("requests that come to nothing while it lives end nothing, whatever became of them", () => {
  const { all, told } = registry();
  const one = all.begin(1, host, undefined);
  one.submitted();
  one.settled(true);
  expect([one.state, told]).toEqual(["live", []]);
  one.end();
  expect(told).toEqual(["1 quiesced"]);
});

test("a single request of unknown outcome makes it doubtful for good", () => {
  const { all, told, findAgain } = registry();
  const one = all.begin(1, host, undefined);
  for (let i = 0; i < 3; i++) one.submitted();
  one.end();
  one.settled(false);
  one.settled(true);
  one.settled(false);
  expect(told).toEqual(["1 doubtful"]);
  expect([findAgain(one), all.has(1)]).toEqual([one, true]);
});

test("doubtful ones are remembered up to a bound, the oldest is forgotten first", () => {
  const { all } = registry();
  const bound = 1_024;
  for (let cntlid = 1; cntlid <= bound + 1; cntlid++) {
    const one = all.begin(cntlid, host, undefined);
    one.submitted();
    one.end();
    one.settled(true);
  }
  expect([all.has(1), all.has(2), all.has(bound + 1)]).toEqual([false, true, true]);
});

test("several of one CNTLID are told apart", () => {
  const { all, findAgain } = registry();
  const first = all.begin(1, host, undefined);
  first.submitted();
  first.end();
  const second = all.begin(1, host, first);
  expect([findAgain(first), findAgain(second)]).toEqual([first, second]);
  expect(all.find(1, first.ciu, second.cirn)).toBeUndefined();
  first.settled(false);
  expect([findAgain(first), findAgain(second), all.has(1)]).toEqual([undefined, second, true]);
});

test("a CIU is never 0, and goes from 255 to 1", () => {
  const { all } = registry();
  let one = all.begin(1, host, undefined);
  const seen = new Set<number>();
  for (let i = 0; i < 600; i++) {
    const next = all.begin(1, host, one);
    expect(next.ciu).toBe(one.ciu === 255 ? 1 : one.ciu + 1);
    seen.add(next.ciu);
    one = next;
  }
  expect([seen.size, seen.has(0)]).toEqual([255, false]);
});

test("every first CIU is between 1 and 255, whatever chance says", () => {
  for (const word of [0, 1, 253, 254, 255, 256, 0xffff_ffff]) {
    const { ciu, cirn } = registry({ next32: () => word }).all.begin(1, host, undefined);
    expect(ciu).toBeGreaterThanOrEqual(1);
    expect(ciu).toBeLessThanOrEqual(255);
    expect(cirn).toBe((BigInt(word) << 32n) | BigInt(word));
  }
});

test("without chance they have no names, and are counted all the same", () => {
  const told: number[] = [];
  const all = new Incarnations(undefined, ({ cntlid }) => told.push(cntlid));
  const one = all.begin(1, host, undefined);
  expect([one.ciu, one.cirn]).toEqual([0, 0n]);
  one.submitted();
  one.end();
  expect(told).toEqual([]);
  one.settled(false);
  expect(told).toEqual([1]);
});

// The fuzzer finds what it is there for, makes it small, and does the same again for the same seed.
// Read first: targets/self-test.ts.
import { expect, test } from "vitest";
import { changed, joined } from "./bytes.ts";
import { check } from "./check.ts";
import { formatHex, parseHex } from "./corpus.ts";
import { minimise } from "./minimise.ts";
import { parseOptions } from "./options.ts";
import { Random } from "./random.ts";
import { targetsNamed } from "./registry.ts";
import { type FoundCase, TargetRun } from "./run-target.ts";

const CASES_MAX = 2_000;

async function findingOf(name: string, seed = 1): Promise<FoundCase | undefined> {
  const run = new TargetRun(targetsNamed([name])[0]!, seed);
  for (let at = 0; at < CASES_MAX; at++) {
    const found = await run.step();
    if (found !== undefined) return found;
  }
  return undefined;
}

test.each([
  ["self-throws", "threw", 1],
  ["self-broken", "broke", 1],
  ["self-chunked", "chunking", 2],
  ["self-changing", "changing", 1],
  ["self-slow", "slow", 1],
])("%s is found, as what it is, and made as small as it can be", async (name, kind, bytes) => {
  const found = await findingOf(name);
  expect(found?.finding.kind).toBe(kind);
  const [target] = targetsNamed([name]);
  const smallest = await minimise(target!, found!.input, found!.finding);
  expect(smallest.length).toBeLessThanOrEqual(bytes);
  await expect(check(target!, smallest)).rejects.toMatchObject({ kind });
});

// When memory is collected is not ours to say: a small input that held too much may pass the next time.
test("self-memory is found, as what it is, and made small", async () => {
  const found = await findingOf("self-memory");
  expect(found?.finding.kind).toBe("memory");
  const [target] = targetsNamed(["self-memory"]);
  expect((await minimise(target!, found!.input, found!.finding)).length).toBeLessThanOrEqual(16);
});

test("where nothing is wrong nothing is found", async () => {
  expect(await findingOf("self-fine")).toBeUndefined();
});

test("the same seed finds the same input in the same case, another one finds another", async () => {
  const [one, again, other] = [
    await findingOf("self-throws", 7),
    await findingOf("self-throws", 7),
    await findingOf("self-throws", 8),
  ];
  expect(again?.at).toBe(one?.at);
  expect(again?.input).toEqual(one?.input);
  expect(other?.input).not.toEqual(one?.input);
});

test("inputs that lead to a new place are what later ones are made of", async () => {
  let seen = 0;
  const target = {
    name: "steps",
    reads: "bytes that have to be right one after the other",
    quickCases: 0,
    make: (random: Random) => random.bytes(3),
    run: (input: Uint8Array) => {
      const right = ["n", "v", "m"].findIndex((letter, at) => input[at] !== letter.charCodeAt(0));
      seen = Math.max(seen, right === -1 ? 3 : right);
      return "abcd"[right === -1 ? 3 : right]!;
    },
  };
  const run = new TargetRun(target, 1);
  // By chance alone it would take 2^24.
  for (let at = 0; at < 60_000 && seen < 3; at++) await run.step();
  expect(seen).toBe(3);
});

test("chance is even, and edges are among what it gives", () => {
  const random = new Random(3);
  const counts = [0, 0, 0, 0];
  for (let i = 0; i < 4_000; i++) counts[random.below(4)]!++;
  for (const count of counts) expect(count).toBeGreaterThan(850);
  const edges = new Set(Array.from({ length: 2_000 }, () => random.edge()));
  for (const edge of [0, 0xffff_ffff, 4_096]) expect(edges.has(edge)).toBe(true);
});

test("an input is changed in a copy, and does not grow without end", () => {
  const random = new Random(5);
  const input = random.bytes(64);
  const before = input.slice();
  let grown: Uint8Array = input;
  for (let i = 0; i < 500; i++) {
    changed(input, random, input);
    grown = changed(joined(grown, grown), random, grown);
  }
  expect(input).toEqual(before);
  expect(grown.length).toBeLessThanOrEqual(65_536);
});

test("a file of the corpus says its bytes, and something about them", () => {
  const bytes = new Random(1).bytes(100);
  expect(parseHex(formatHex(bytes, "found\nsomewhere"))).toEqual(bytes);
  expect(parseHex("# only words\n")).toEqual(new Uint8Array(0));
  expect(() => parseHex("xy")).toThrow(TypeError);
});

test("the command line is read, and what it cannot mean is refused", () => {
  expect(parseOptions(["names", "--cases=5", "--seed", "0"])).toMatchObject({
    targets: ["names"],
    cases: 5,
    seed: 0,
    minutes: Infinity,
  });
  expect(parseOptions([])).toMatchObject({ targets: [], cases: Infinity, minutes: 1 });
  for (const wrong of [
    ["--cases"],
    ["--cases", "x"],
    ["--minutes", "-1"],
    ["--what"],
    ["--input", "f"],
  ]) {
    expect(() => parseOptions(wrong)).toThrow(TypeError);
  }
  expect(() => targetsNamed(["nothing"])).toThrow("there is no target nothing");
});

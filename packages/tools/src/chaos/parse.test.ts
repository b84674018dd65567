// Plans as they are written: what is taken, and what is refused with its place and what was meant.

import { describe, expect, test } from "vitest";
import { chaosExample, chaosExampleNames } from "./examples.ts";
import { planFromSeed } from "./from-seed.ts";
import { FAULTS_MAX, parseChaosPlan } from "./parse.ts";
import { PlanError } from "./plan-error.ts";

const plan = (...faults: unknown[]): unknown => ({ version: 1, faults });
const drop = (select: unknown): unknown => plan({ kind: "drop-pdu", select });

test("what is left out has its default", () => {
  const { seed, faults } = parseChaosPlan(plan({ kind: "early-completion" }));
  expect(seed).toBe(1);
  expect(faults).toEqual([
    {
      kind: "early-completion",
      name: "early-completion",
      values: { command: "pass" },
      select: {
        connections: [],
        queues: [],
        direction: undefined,
        afterMs: 0,
        untilMs: Infinity,
        pdus: [],
        opcodes: [],
        nsids: [],
        lba: undefined,
        nth: [],
        every: 1,
        count: Infinity,
        per: "run",
        probability: 1,
      },
    },
  ]);
});

test("one value stands for a list of one, and names are taken as people type them", () => {
  const select = { queue: [0, "io"], pdu: "c2hdata", opcode: ["Get Log Page", "read", "0x7f", 6] };
  const [fault] = parseChaosPlan(drop({ ...select, lba: { first: 9 }, nth: [1, 3] })).faults;
  expect(fault!.select).toMatchObject({
    queues: [0, "io"],
    pdus: ["C2HData"],
    opcodes: [
      { opcode: 2, queue: "admin" },
      { opcode: 2, queue: "io" },
      { opcode: 0x7f, queue: undefined },
      { opcode: 6, queue: undefined },
    ],
    lba: { first: 9, last: 9 },
    nth: [1, 3],
  });
});

test("a seed that is said beside the plan is the one that counts", () => {
  expect(parseChaosPlan({ version: 1, seed: 5, faults: [] }).seed).toBe(5);
  expect(parseChaosPlan({ version: 1, seed: 5, faults: [] }, 6).seed).toBe(6);
});

test.each(chaosExampleNames)("the example %s is a plan", (name) => {
  expect(parseChaosPlan(chaosExample(name)).faults.length).toBeGreaterThan(0);
});

test("what a seed makes is a plan, the same each time, and another for another seed", () => {
  const seeds = Array.from({ length: 300 }, (_, seed) => seed);
  for (const seed of seeds) expect(parseChaosPlan(planFromSeed(seed)).seed).toBe(seed);
  expect(planFromSeed(7)).toEqual(planFromSeed(7));
  const kinds = seeds.flatMap((seed) => planFromSeed(seed).faults.map(({ kind }) => kind));
  expect(new Set(kinds).size).toBe(31);
});

type Bad = readonly [what: string, plan: unknown, place: string, message: RegExp, hint?: string];

const bad: readonly Bad[] = [
  ["nothing", null, "plan", /must be an object/],
  ["a list", [], "plan", /must be an object/],
  ["no version", { faults: [] }, "version", /is nothing, and must be 1/],
  ["another version", { version: 2, faults: [] }, "version", /is 2, and must be 1/],
  ["no faults", { version: 1 }, "faults", /is nothing, and must be a list/],
  [
    "a key that is unknown",
    { version: 1, fault: [] },
    "plan",
    /"fault" is not/,
    "Did you mean faults?",
  ],
  ["a bad seed", { version: 1, seed: -1, faults: [] }, "seed", /is -1, and must be a whole number/],
  [
    "too many faults",
    plan(...Array.from({ length: FAULTS_MAX + 1 }, () => ({ kind: "down" }))),
    "faults",
    /1001 entries; 1000 may be/,
  ],
  ["no kind", plan({}), "faults[0].kind", /is missing/],
  ["a fault that is none", plan("down"), "faults[0].kind", /is missing/],
  [
    "an unknown kind",
    plan({ kind: "drop-pdus" }),
    "faults[0].kind",
    /"drop-pdus"/,
    "Did you mean drop-pdu?",
  ],
  ["a value of another kind", plan({ kind: "down", latencyMs: 1 }), "faults[0]", /"latencyMs"/],
  [
    "a near name",
    plan({ kind: "latency", latency: 1 }),
    "faults[0]",
    /"latency"/,
    "Did you mean latencyMs?",
  ],
  [
    "Toxiproxy's rate",
    plan({ kind: "bandwidth", rate: 1 }),
    "faults[0]",
    /"rate"/,
    "It is called bytesPerSecond.",
  ],
  [
    "Toxiproxy's stream",
    plan({ kind: "down", stream: "upstream" }),
    "faults[0]",
    /"stream"/,
    "It is called select.direction.",
  ],
  [
    "a value that is missing",
    plan({ kind: "latency" }),
    "faults[0].latencyMs",
    /is missing; it must be a time/,
  ],
  ["a time before now", plan({ kind: "latency", latencyMs: -1 }), "faults[0].latencyMs", /is -1/],
  ["a number as text", plan({ kind: "latency", latencyMs: "1" }), "faults[0].latencyMs", /is "1"/],
  [
    "a word that is none",
    plan({ kind: "truncate", ends: "end" }),
    "faults[0].ends",
    /"close", "reset", "silence"/,
  ],
  [
    "a yes that is none",
    plan({ kind: "status", sct: 0, sc: 0, dnr: 1 }),
    "faults[0].dnr",
    /must be true or false/,
  ],
  ["a status beyond its bits", plan({ kind: "status", sct: 8, sc: 0 }), "faults[0].sct", /is 8/],
  ["a toxicity beyond all", plan({ kind: "down", toxicity: 2 }), "faults[0].toxicity", /0 to 1/],
  ["an empty name", plan({ kind: "down", name: "" }), "faults[0].name", /at most 64/],
  [
    "a selector of PDUs for bytes",
    plan({ kind: "down", select: { opcode: "read" } }),
    "faults[0].select.opcode",
    /down works on bytes/,
  ],
  [
    "an unknown selector",
    drop({ opcodes: 1 }),
    "faults[0].select",
    /"opcodes"/,
    "Did you mean opcode?",
  ],
  [
    "no opcode",
    plan({ kind: "down" }, { kind: "drop-pdu", select: { opcode: ["read", "reed"] } }),
    "faults[1].select.opcode[1]",
    /"reed" is no opcode/,
    "Did you mean read?",
  ],
  ["an opcode beyond a byte", drop({ opcode: 256 }), "faults[0].select.opcode", /256 is no opcode/],
  [
    "an unknown PDU",
    drop({ pdu: "C2Hdata " }),
    "faults[0].select.pdu",
    /no PDU "C2Hdata "/,
    "Did you mean C2HData?",
  ],
  [
    "a PDU that the kind does not act on",
    plan({ kind: "r2t-zero", select: { pdu: "C2HData" } }),
    "faults[0].select.pdu",
    /acts on R2T, and not on C2HData/,
  ],
  ["an unknown queue", drop({ queue: "i/o" }), "faults[0].select.queue", /"admin", "io"/],
  ["NSID 0", drop({ nsid: 0 }), "faults[0].select.nsid", /is 0/],
  [
    "an end before the beginning",
    drop({ afterMs: 5, untilMs: 5 }),
    "faults[0].select.untilMs",
    /must be after afterMs/,
  ],
  [
    "blocks backwards",
    drop({ lba: { first: 9, last: 8 } }),
    "faults[0].select.lba.last",
    /must not be before 9/,
  ],
  [
    "blocks without a first",
    drop({ lba: { last: 8 } }),
    "faults[0].select.lba.first",
    /is missing/,
  ],
  ["the zeroth", drop({ nth: [1, 0] }), "faults[0].select.nth[1]", /is 0/],
  [
    "a probability beyond all",
    drop({ probability: 1.5 }),
    "faults[0].select.probability",
    /0 to 1/,
  ],
  [
    "a direction that is none",
    drop({ direction: "toHost" }),
    "faults[0].select.direction",
    /"upstream", "downstream"/,
  ],
];

describe("refused", () => {
  test.each(bad)("%s", (...row) => {
    const [_what, written, place, message, hint] = row as unknown as Bad;
    let error: unknown;
    try {
      parseChaosPlan(written);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(PlanError);
    const { code, place: found, message: said, hint: helps } = error as PlanError;
    expect([code, found]).toEqual(["NVME_ERR_PLAN", place]);
    expect(said).toMatch(message);
    if (hint !== undefined) expect(helps).toBe(hint);
  });
});

// Tests of the claim rules: what each kind allows next to what, as a table.

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Claim,
  type ClaimKind,
  type ClaimParty,
  claimRefusal,
  claimRules,
  openRefusal,
} from "./claims.ts";

const kinds = Object.keys(claimRules) as ClaimKind[];
const claimOf = (kind: ClaimKind, key?: string): Claim => ({ kind, key });
const reader: ClaimParty = { holder: "reader", writes: false, claim: undefined };
const writer: ClaimParty = { holder: "writer", writes: true, claim: undefined };
const holderOf = (kind: ClaimKind, key?: string): ClaimParty => ({
  holder: "holder",
  writes: claimRules[kind].writes,
  claim: claimOf(kind, key),
});

describe("opening", () => {
  test("for writing is fine next to readers and writers", () => {
    expect(openRefusal([])).toBeUndefined();
    expect(openRefusal([reader, writer])).toBeUndefined();
  });

  test.each(kinds)("for writing is refused next to a %s claim, with its holder named", (kind) => {
    expect(openRefusal([reader, holderOf(kind)])).toBe(`holder holds a ${kind} claim`);
  });
});

describe("claiming", () => {
  test.each(kinds)("%s is fine alone and next to readers", (kind) => {
    expect(claimRefusal(reader, claimOf(kind), [])).toBeUndefined();
    expect(claimRefusal(reader, claimOf(kind), [reader, reader])).toBeUndefined();
  });

  test.each([
    ["exclusive-write", undefined],
    ["read-many-write-one", "writer has it open for writing"],
    ["read-many-write-none", "writer has it open for writing"],
    ["read-many-write-shared", "writer has it open for writing"],
  ] as const)("%s next to a writer without a claim: %s", (kind, refusal) => {
    expect(claimRefusal(reader, claimOf(kind), [writer])).toBe(refusal);
  });

  test.each([
    ["exclusive-write", undefined],
    ["read-many-write-one", undefined],
    ["read-many-write-none", "it is open for writing itself"],
    ["read-many-write-shared", undefined],
  ] as const)("%s by a writer: %s", (kind, refusal) => {
    expect(claimRefusal(writer, claimOf(kind), [])).toBe(refusal);
  });

  test("next to another claim is fine for those that are shared, of the same kind", () => {
    const fine = kinds.flatMap((held) =>
      kinds.filter((asked) => !claimRefusal(reader, claimOf(asked), [holderOf(held)])),
    );
    expect(fine).toEqual(["read-many-write-none", "read-many-write-shared"]);
  });

  test("shared writing needs the same key", () => {
    const held = holderOf("read-many-write-shared", "a");
    expect(claimRefusal(reader, claimOf("read-many-write-shared", "a"), [held])).toBeUndefined();
    expect(claimRefusal(reader, claimOf("read-many-write-shared", "b"), [held])).toBe(
      "holder shares it under another key",
    );
    expect(claimRefusal(reader, claimOf("read-many-write-shared"), [held])).toBeDefined();
  });

  test.each(kinds)("twice is refused, %s held", (kind) => {
    for (const asked of kinds) {
      expect(claimRefusal(holderOf(kind), claimOf(asked), [])).toBe(
        `it holds a ${kind} claim already`,
      );
    }
  });
});

test("whatever is claimed in whatever order, no promise to a holder is broken", () => {
  const step = fc.oneof(
    fc.record({ type: fc.constant("open" as const), write: fc.boolean() }),
    fc.record({
      type: fc.constant("claim" as const),
      who: fc.nat(5),
      kind: fc.constantFrom(...kinds),
      key: fc.constantFrom("a", "b"),
    }),
    fc.record({ type: fc.constant("close" as const), who: fc.nat(5) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      let parties: { holder: string; writes: boolean; claim: Claim | undefined }[] = [];
      for (const step of steps) {
        if (step.type === "open") {
          if (step.write && openRefusal(parties) !== undefined) continue;
          parties.push({ holder: "x", writes: step.write, claim: undefined });
          continue;
        }
        const party = parties[step.who];
        if (party === undefined) continue;
        const others = parties.filter((each) => each !== party);
        if (step.type === "close") {
          parties = others;
          continue;
        }
        const claim = claimOf(step.kind, step.key);
        if (claimRefusal(party, claim, others) !== undefined) continue;
        party.claim = claim;
        if (claimRules[claim.kind].writes) party.writes = true;
      }
      const held = parties.flatMap(({ claim }) => (claim ? [claim] : []));
      expect(new Set(held.map(({ kind }) => kind)).size).toBeLessThanOrEqual(1);
      const writers = parties.filter(({ writes }) => writes);
      switch (held[0]?.kind) {
        case "read-many-write-one":
          expect(writers).toHaveLength(1);
          expect(writers[0]?.claim).toBeDefined();
          break;
        case "read-many-write-none":
          expect(writers).toEqual([]);
          break;
        case "read-many-write-shared":
          expect(new Set(writers.map(({ claim }) => claim?.key)).size).toBe(1);
          break;
        case "exclusive-write":
          expect(held).toHaveLength(1);
          break;
        case undefined:
          break;
      }
    }),
  );
});

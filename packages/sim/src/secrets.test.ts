// Runs in which every host has to prove who it is: the same worlds, faults and invariants, and I39.

import { authCrypto } from "@nvmeof/core/node";
import { describe, expect, test } from "vitest";
import { planOf } from "./plan-of.ts";
import type { Plan } from "./plan.ts";
import { SimRandom } from "./random.ts";
import { run } from "./run.ts";
import { Secrets, type SecretsOptions } from "./secrets.ts";
import { failureText, formatEvent } from "./verdict.ts";

/** For a machine that has much else to do; a seed takes some 100 ms. */
const TIMEOUT_MS = 120_000;

const secrets = (more: Partial<SecretsOptions> = {}): SecretsOptions => ({
  crypto: authCrypto,
  ways: "one",
  repeatMs: 0,
  demandMs: 0,
  ...more,
});

const kinds = [
  { what: "one way", of: secrets() },
  { what: "both ways, again by the hosts", of: secrets({ ways: "both", repeatMs: 1_500 }) },
  { what: "both ways, again where targets ask", of: secrets({ ways: "both", demandMs: 2_000 }) },
];

/** A plan whose users have what is refused sent again. */
function patient(plan: Plan): Plan {
  const hosts = plan.hosts.map(({ id, groups }) => ({
    id,
    groups: groups.map((group) => ({ ...group, retry: { ...group.retry, samePathMax: 3 } })),
  }));
  return { ...plan, hosts };
}

describe.each(kinds)("$what", ({ of }) => {
  test.each([0, 8, 16, 24])(
    "seeds from %i on: every invariant holds",
    async (first) => {
      for (let seed = first; seed < first + 8; seed++) {
        const verdict = await run(patient(planOf(seed)), { secrets: of });
        expect(failureText(verdict)).toBe("");
      }
    },
    TIMEOUT_MS,
  );

  test("I45: the same seed gives the same events, and no secret is in them", async () => {
    const first = await run(planOf(3), { secrets: of, keep: "all" });
    const again = await run(planOf(3), { secrets: of, keep: "all" });
    expect(again.hash).toBe(first.hash);
    const proofs = first.events.filter(({ what }) => what === "authenticated");
    expect(proofs.length).toBeGreaterThan(10);
    const text = first.events.map(formatEvent).join("\n");
    const known = new Secrets(of, new SimRandom(3));
    const nqns = [...new Set(text.match(/nqn\.[\w.:-]+/g))];
    expect(nqns.length).toBeGreaterThan(1);
    for (const nqn of nqns) {
      const { hostKey } = known.authenticationOf(nqn, nqn, "a test");
      expect(text).not.toContain(hostKey.revealText());
      expect(text).not.toContain(Buffer.from(hostKey.reveal()).toString("hex"));
    }
  });
});

test("that nobody has secrets changes nothing of a run", async () => {
  const without = await run(planOf(7));
  expect((await run(planOf(7), { secrets: undefined })).hash).toBe(without.hash);
});

test("I39: a secret that goes over the network is found, wherever it lies", () => {
  const known = new Secrets(secrets(), new SimRandom(1));
  const { hostKey } = known.authenticationOf("a host", "a subsystem", "a test");
  const seen: string[] = [];
  const bytes = new Uint8Array(100);
  known.look((invariant) => seen.push(invariant), bytes, 0, 100);
  expect(seen).toEqual([]);
  bytes.set(hostKey.reveal(), 33);
  known.look((invariant) => seen.push(invariant), bytes, 0, 100);
  expect(seen).toEqual(["I39"]);
});

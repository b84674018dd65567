// Runs in which every host has to prove who it is: the same worlds, faults and invariants, and I39.

import { authCrypto } from "@nvmeof/core/node";
import { test } from "vitest";
import { planOf } from "./plan-of.ts";
import { run } from "./run.ts";
import type { SecretsOptions } from "./secrets.ts";
import { failureText, mergeFigures, noFigures } from "./verdict.ts";

/** For a machine that has much else to do. */
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

test.each(kinds)(
  "seeds 0 to 39, $what: every invariant holds",
  async ({ of }) => {
    const N = Number(process.env["D_SEEDS"] ?? 40);
    let sum = noFigures;
    for (let seed = 0; seed < N; seed++) {
      const verdict = await run(planOf(seed), { secrets: of });
      const failure = failureText(verdict);
      if (failure !== "") console.log(seed, verdict.violation);
      sum = mergeFigures(sum, verdict.figures);
    }
    console.log(sum);
  },
  TIMEOUT_MS * 10,
);

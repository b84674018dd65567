// What a worker authenticates with is what the main thread does, and it can be copied.

import { DhchapKey } from "@nvmeof/codec/auth";
import { resolveAuthentication } from "@nvmeof/core/auth";
import { dhchap } from "@nvmeof/core/node";
import { expect, test } from "vitest";
import { authenticationRecipe } from "./authentication-recipe.ts";
import { strangeIn } from "./plain-data.ts";

const key = (byte: number): string => new DhchapKey(new Uint8Array(32).fill(byte)).revealText();

test("secrets, algorithms and times are the same in another thread", () => {
  const given = { hostKey: key(1), controllerKey: key(2), timeoutMs: 5_000, repeatMs: 60_000 };
  const algorithms = { hashes: ["sha384", "sha256"], groups: ["ffdhe4096", "null"] } as const;
  const here = resolveAuthentication(dhchap({ ...given, ...algorithms }));
  const recipe = authenticationRecipe({ authentication: here })!;
  expect(strangeIn(recipe, "recipe")).toBeUndefined();
  const there = resolveAuthentication(dhchap(structuredClone(recipe)));
  expect([there.hostKey.revealText(), there.controllerKey?.revealText()]).toEqual([key(1), key(2)]);
  const { hashes, groups, timeoutMs, repeatMs } = here;
  expect(there).toMatchObject({ hashes, groups, timeoutMs, repeatMs });
});

test("who has no controller's secret has none there; who does not authenticate does not", () => {
  const here = resolveAuthentication(dhchap({ hostKey: key(1) }));
  const there = dhchap(authenticationRecipe({ authentication: here })!);
  expect(there.controllerKey).toBeUndefined();
  expect(authenticationRecipe({ authentication: undefined })).toBeUndefined();
});

// docs/chaos.md is what the tables print; `npm run docs` prints it again.
import { expect, test } from "vitest";
import { faultKinds } from "../../packages/tools/src/chaos/kinds.ts";
import { defaultChaosLimits } from "../../packages/tools/src/chaos/limits.ts";
import { parseChaosPlan } from "../../packages/tools/src/chaos/parse.ts";
import { chaosPage } from "./chaos.ts";

test("docs/chaos.md is what the tables say", async () => {
  await expect(await chaosPage()).toMatchFileSnapshot("../../docs/chaos.md");
});

test("every fault and every limit is in it", async () => {
  const page = await chaosPage();
  for (const kind of Object.keys(faultKinds)) expect(page).toContain(`| \`${kind}\` `);
  for (const limit of Object.keys(defaultChaosLimits)) expect(page).toContain(`| \`${limit}\` `);
});

test("the plan that it shows is one", async () => {
  const [, shown = ""] = /```json\n(.*?)```/s.exec(await chaosPage()) ?? [];
  expect(parseChaosPlan(JSON.parse(shown)).faults).toHaveLength(3);
});

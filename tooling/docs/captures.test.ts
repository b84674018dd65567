// docs/captures.md is what the table of rules prints; `npm run docs` prints it again.
import { expect, test } from "vitest";
import { rules } from "../../packages/tools/src/capture/nvme/rules.ts";
import { captures } from "./captures.ts";

test("docs/captures.md is what the table says", async () => {
  await expect(await captures()).toMatchFileSnapshot("../../docs/captures.md");
});

test("every rule is in it", async () => {
  const page = await captures();
  for (const rule of Object.keys(rules)) expect(page).toContain(`\`${rule}\``);
});

// docs/commands.md is what the table of commands prints; `npm run docs` prints it again.
import { expect, test } from "vitest";
import { commands } from "../../apps/cli/src/commands.ts";
import { metadata } from "../../apps/cli/src/metadata.ts";
import { commandPage } from "./commands.ts";

test("docs/commands.md is what the table of commands says", async () => {
  await expect(await commandPage()).toMatchFileSnapshot("../../docs/commands.md");
});

test("every command, alias and option is in it", async () => {
  const page = await commandPage();
  for (const { name, aliases, options } of metadata(commands)) {
    for (const word of [...name.split(" ").slice(-1), ...aliases]) expect(page).toContain(word);
    // Its values stand with each command, as "Formats".
    const named = options.filter(({ long }) => long !== "--output-format");
    for (const { long } of named) expect(page).toContain(`\`${long}`);
  }
});

// docs/state-machines.md is what the tables print; `npm run docs` prints it again.
import { expect, test } from "vitest";
import { events, states } from "../../packages/core/src/lifecycle.ts";
import { stateMachines } from "./state-machines.ts";

test("docs/state-machines.md is what the tables say", async () => {
  await expect(await stateMachines()).toMatchFileSnapshot("../../docs/state-machines.md");
});

test("every state and every event is in it", async () => {
  const page = await stateMachines();
  for (const name of [...states, ...events]) expect(page).toContain(name);
  expect(page.split("\n").filter((line) => line.startsWith("|")).length).toBeGreaterThan(
    events.length + 20,
  );
});

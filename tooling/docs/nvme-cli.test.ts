// docs/nvme-cli.md: no row is empty, and what it calls the same is so in the table of commands.
import { expect, test } from "vitest";
import { commandFacts } from "../../apps/cli/src/metadata.ts";
import { commands } from "../../apps/cli/src/commands.ts";
import { nvmeCli } from "./nvme-cli-options.ts";
import {
  absent,
  changed,
  commandVerdict,
  everywhere,
  here,
  nvmeCliPage,
  optionVerdict,
  ourCommand,
  parseTheirs,
} from "./nvme-cli.ts";

const theirs = Object.values(nvmeCli).flatMap((family) => Object.entries(family));
const theirOptions = theirs.flatMap(([command, options]) =>
  options.map((option) => [command, option] as const),
);

test("docs/nvme-cli.md is what the tables say", async () => {
  await expect(await nvmeCliPage()).toMatchFileSnapshot("../../docs/nvme-cli.md");
});

test("every command and every option of nvme-cli has a verdict", () => {
  const empty = [
    ...theirs.map(([name]) => name).filter((name) => commandVerdict(name) === undefined),
    ...theirOptions
      .filter(([command, option]) => optionVerdict(command, option) === undefined)
      .map((each) => each.join(" ")),
  ];
  expect(empty).toEqual([]);
  for (const [command, option] of theirOptions) {
    const { kind, why } = optionVerdict(command, option)!;
    expect(`${command} ${option} ${kind} ${why}`).toMatch(kind === "same" ? /same $/ : / \S+ \S/);
  }
});

test("the same is the same: name, letter, and whether it takes a value", () => {
  const same = theirOptions.filter(([...each]) => optionVerdict(...each)?.kind === "same");
  expect(same.length).toBeGreaterThan(150);
  for (const [command, option] of same) {
    const { short, long, takesValue } = parseTheirs(option);
    const spec = commands.find(
      ({ name, aliases = [] }) => name === command || aliases.includes(command),
    )!;
    const mine = commandFacts(spec).options.find((each) => each.long === long);
    expect([command, mine?.long, mine?.short, mine?.value !== null]).toEqual([
      command,
      long,
      short,
      takesValue,
    ]);
  }
});

test("no reason is left over", () => {
  const asked = new Set<string>();
  for (const [command, option] of theirOptions) {
    const { long } = parseTheirs(option);
    if (ourCommand(command) === undefined) continue;
    asked.add(`${command} ${long}` in here ? `${command} ${long}` : long);
  }
  const reasons = [...Object.keys(here), ...Object.keys(everywhere)];
  expect(reasons.filter((each) => !asked.has(each))).toEqual([]);
  const names = new Set(theirs.map(([name]) => name));
  const all = [...Object.keys(absent), ...Object.keys(changed)];
  expect(all.filter((name) => !names.has(name))).toEqual([]);
  expect(Object.keys(absent).filter((name) => ourCommand(name) !== undefined)).toEqual([]);
  expect(Object.keys(changed).filter((name) => ourCommand(name) === undefined)).toEqual([]);
});

test("the commands that it says have --compat have it, and no others", async () => {
  const page = (await nvmeCliPage()).replace(/\s+/g, " ");
  const [, listed = ""] = /`--compat nvme-cli` theirs, for (.*?)\. -/.exec(page) ?? [];
  const named = [...listed.matchAll(/`([\w-]+)`/g)].map(([, name]) => name!);
  const having = commands
    .filter(({ compat }) => compat === true)
    .map(({ name, aliases }) => aliases?.[0] ?? name);
  expect(named.toSorted()).toEqual(
    having.map((name) => (name === "disc" ? "discover" : name)).toSorted(),
  );
});

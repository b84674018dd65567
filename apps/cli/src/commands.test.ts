// The table of commands: what holds for every row. The command line itself is tested in main.test.ts.

import { featureTable } from "@nvmeof/codec/management";
import { Command } from "commander";
import { expect, test } from "vitest";
import { addCommand, isAddress } from "./command.ts";
import { commands, groups } from "./commands.ts";
import { featureKeys } from "./feature-commands.ts";
import { commandFacts } from "./metadata.ts";

const visible = commands.filter(({ visibility }) => visibility !== "hidden");

test.each(commands.map((spec) => [spec.name, spec] as const))(
  "%s has options that do not get in each other's way",
  (_name, spec) => {
    // The parser throws where two options have one name.
    const parser = new Command();
    addCommand(parser, "verb", spec, () => Promise.resolve(), false);
    const keys = parser.commands[0]!.options.map((option) => option.attributeName());
    const isNegated = (key: string): boolean =>
      parser.commands[0]!.options.some(({ long }) => long === `--no-${key}`);
    const repeated = keys.filter((key, i) => keys.indexOf(key) !== i && !isNegated(key));
    expect(repeated).toEqual([]);
  },
);

test("no name is that of two commands, and none begins another", () => {
  const names = commands.flatMap(({ name, aliases = [] }) => [name, ...aliases]);
  expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
  for (const group of Object.keys(groups)) expect(names).not.toContain(group);
});

test("each group has a name for itself and verbs", () => {
  const used = new Set(
    visible.flatMap(({ name }) => (name.includes(" ") ? name.split(" ")[0] : [])),
  );
  expect(Object.keys(groups).toSorted()).toEqual([...used].toSorted());
});

test("each command stands under a heading, and each option says what it is for", () => {
  for (const spec of visible) {
    const facts = commandFacts(spec);
    expect([spec.name, spec.section]).toEqual([spec.name, expect.any(String)]);
    for (const { long, text } of facts.options) {
      expect(`${spec.name} ${long}: ${text}`).toMatch(/: \S/);
    }
    for (const { text } of facts.args) expect(text).toMatch(/\S/);
  }
});

test("--compat is there where the row says so, and nowhere else", () => {
  for (const spec of visible) {
    const compat = commandFacts(spec).options.find(({ long }) => long === "--compat");
    // The verbs for keys have an option of nvme-cli that is called the same.
    if (spec.name.startsWith("keys ")) continue;
    expect([spec.name, compat !== undefined]).toEqual([spec.name, spec.compat === true]);
  }
});

test("feat has the features of the codec, by the same names", () => {
  const known = Object.fromEntries(featureTable.map(({ key, title }) => [key, title]));
  expect(featureKeys).toEqual(known);
});

test("what takes an address in its text takes an @alias, and nothing else does", () => {
  for (const spec of visible) {
    for (const [i, [, text]] of (spec.args ?? []).entries()) {
      expect([spec.name, i, isAddress(spec, i)]).toEqual([
        spec.name,
        i,
        text.includes("nvme+tcp:"),
      ]);
    }
  }
});

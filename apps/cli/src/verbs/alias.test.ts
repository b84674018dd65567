// `alias …`, and @name wherever an address can stand.

import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { failure, freshPath, nvmeof, nvmeofJson } from "../testing/run.ts";
import { type TestTarget, testTarget } from "../testing/target.ts";

let target: TestTarget;
beforeAll(async () => {
  target = await testTarget([{}, {}]);
});
afterAll(() => target.served.close());

/** A user of the test's own. */
const home = (): { env: { XDG_CONFIG_HOME: string } } => ({
  env: { XDG_CONFIG_HOME: dirname(freshPath("home")) },
});
const fileOf = ({ env }: ReturnType<typeof home>): string =>
  join(env.XDG_CONFIG_HOME, "nvmeof", "aliases.json");

test("a name stands for its address in every verb", async () => {
  const mine = home();
  expect(await nvmeof(["alias", "list"], mine)).toMatchObject({ stdout: "no names\n" });
  const set = await nvmeof(["alias", "set", "lab", target.uri], mine);
  expect(set).toMatchObject({ exitCode: 0, stderr: `@lab stands for ${target.uri}\n` });
  const found = await nvmeofJson(["list", "@lab"], mine);
  expect(found.data).toMatchObject({ namespaces: [{ nsid: 1 }, { nsid: 2 }] });
  const one = await nvmeofJson(["id", "ns", "@lab?nsid=2"], mine);
  expect(one).toMatchObject({ exitCode: 0, data: { nsid: 2 } });
});

test("names are listed in order, replaced, and removed", async () => {
  const mine = home();
  for (const name of ["b", "@a", "b"]) await nvmeof(["alias", "set", name, target.uri], mine);
  const { data } = await nvmeofJson(["alias", "list"], mine);
  expect(data).toEqual({
    aliases: [
      { name: "a", uri: target.uri },
      { name: "b", uri: target.uri },
    ],
  });
  expect(await nvmeof(["alias", "remove", "a"], mine)).toMatchObject({ exitCode: 0 });
  expect(JSON.parse(readFileSync(fileOf(mine), "utf8"))).toEqual({ b: target.uri });
});

test("a name that nobody has set is told, with those that there are", async () => {
  const mine = home();
  expect(await failure(["list", "@lab"], mine)).toMatchObject({
    code: "NVME_ERR_ALIAS",
    exitCode: 3,
    hint: "`nvmeof alias set` makes one.",
  });
  await nvmeof(["alias", "set", "rack", target.uri], mine);
  expect(await failure(["list", "@lab"], mine)).toMatchObject({ hint: "There are @rack." });
  for (const name of ["lab", "constructor"]) {
    expect(await failure(["alias", "remove", name], mine)).toMatchObject({ exitCode: 3 });
    expect(await failure(["list", `@${name}`], mine)).toMatchObject({ exitCode: 3 });
  }
});

test.each([
  ["a name with a space", ["a b", "nvme+tcp://h"]],
  ["no name", ["@", "nvme+tcp://h"]],
  ["no address", ["lab", "nonsense://h"]],
  ["a secret", ["lab", "nvme+tcp://user:secret@h"]],
])("%s is refused, and nothing is kept", async (_what, args) => {
  const mine = home();
  const error = await failure(["alias", "set", ...args], mine);
  expect(error.exitCode).toBe(2);
  expect(JSON.stringify(error)).not.toContain("secret@");
  expect((await nvmeofJson(["alias", "list"], mine)).data).toEqual({ aliases: [] });
});

test("a file that cannot be understood is told, and left alone", async () => {
  const mine = home();
  await nvmeof(["alias", "set", "lab", target.uri], mine);
  for (const text of ["{", "[]", '{"lab":7}', '{"la b":"nvme+tcp://h"}', '{"lab":"h:x:y"}']) {
    writeFileSync(fileOf(mine), text);
    const error = await failure(["alias", "set", "other", target.uri], mine);
    expect(error).toMatchObject({ code: "NVME_ERR_CONFIG", hint: "Correct it, or remove it." });
    expect(readFileSync(fileOf(mine), "utf8")).toBe(text);
  }
});

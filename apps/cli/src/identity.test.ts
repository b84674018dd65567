// A user's host keeps its names; names of others bring their own host ID.

import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { expect, test } from "vitest";
import { hostIdFor, hostIdentity, identityFile, userIdentity } from "./identity.ts";
import { freshPath } from "./testing/run.ts";

const home = (): Record<string, string> => ({ XDG_CONFIG_HOME: freshPath("config") });
const silent = (): void => {};

test("the pair is made on first use, kept for its owner only, and then the same", async () => {
  const env = home();
  const first = await userIdentity(env, silent);
  expect(first.hostNqn).toBe(`nqn.2014-08.org.nvmexpress:uuid:${first.hostId}`);
  expect(statSync(identityFile(env)).mode & 0o077).toBe(0);
  expect(await userIdentity(env, silent)).toEqual(first);
});

test("when many begin at the same time, all get the same pair", async () => {
  const env = home();
  const all = await Promise.all(Array.from({ length: 8 }, () => userIdentity(env, silent)));
  expect(new Set(all.map(({ hostId }) => hostId)).size).toBe(1);
});

test("the file is where people look for it", () => {
  expect(identityFile({ XDG_CONFIG_HOME: "/x" })).toBe("/x/nvmeof/host.json");
  expect(identityFile({ HOME: "/h", XDG_CONFIG_HOME: "" })).toBe("/h/.config/nvmeof/host.json");
});

test("a file that makes no sense is an error that names it, and stays as it is", async () => {
  const env = home();
  mkdirSync(dirname(identityFile(env)), { recursive: true });
  for (const wrong of ["{", "{}", `{"hostNqn":"nqn.x","hostId":"7"}`]) {
    writeFileSync(identityFile(env), wrong);
    await expect(userIdentity(env, silent)).rejects.toMatchObject({ code: "NVME_ERR_IDENTITY" });
    expect(readFileSync(identityFile(env), "utf8")).toBe(wrong);
  }
});

test("where nothing can be kept, the pair is for one run, with a warning", async () => {
  const file = freshPath("not-a-folder");
  writeFileSync(file, "");
  chmodSync(file, 0o600);
  const warnings: string[] = [];
  const env = { XDG_CONFIG_HOME: file };
  const { hostNqn } = await userIdentity(env, (text) => void warnings.push(text));
  expect(hostNqn).toContain("uuid:");
  expect(warnings).toHaveLength(1);
});

test("a host NQN brings a host ID that goes with it, the same every time", async () => {
  const uuid = "01234567-89ab-4def-8123-456789abcdef";
  expect(await hostIdFor(`nqn.2014-08.org.nvmexpress:uuid:${uuid.toUpperCase()}`)).toBe(uuid);
  const made = await hostIdFor("nqn.2024-01.com.example:host");
  expect(made).toMatch(/^[\da-f]{8}-[\da-f]{4}-8[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
  expect(await hostIdFor("nqn.2024-01.com.example:host")).toBe(made);
  expect(await hostIdFor("nqn.2024-01.com.example:host2")).not.toBe(made);
});

test("options beat the file: each alone, and both together", async () => {
  const env = home();
  const hostid = "01234567-89ab-4def-8123-456789abcdef";
  const hostnqn = "nqn.2024-01.com.example:host";
  expect(await hostIdentity({ hostnqn, hostid }, env, silent)).toEqual({
    hostNqn: hostnqn,
    hostId: hostid,
  });
  expect((await hostIdentity({ hostnqn }, env, silent)).hostNqn).toBe(hostnqn);
  expect((await hostIdentity({ hostid }, env, silent)).hostNqn).toContain(hostid);
  expect(() => statSync(identityFile(env))).toThrow("ENOENT");
});

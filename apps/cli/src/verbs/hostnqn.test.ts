// gen-hostnqn makes names, show-hostnqn shows one's own.

import { expect, test } from "vitest";
import { freshPath, nvmeof, nvmeofJson } from "../testing/run.ts";

const pattern = /^nqn\.2014-08\.org\.nvmexpress:uuid:[\da-f-]{36}\n$/;

test("gen-hostnqn makes another name every time", async () => {
  const [one, other] = [await nvmeof(["gen-hostnqn"]), await nvmeof(["gen-hostnqn"])];
  expect(one.stdout).toMatch(pattern);
  expect(one.stdout).not.toBe(other.stdout);
});

test("show-hostnqn shows the same name every time, and with -v where it is kept", async () => {
  const env = { XDG_CONFIG_HOME: freshPath("config") };
  const one = await nvmeof(["show-hostnqn"], { env });
  expect(one.stdout).toMatch(pattern);
  const all = await nvmeof(["show-hostnqn", "-v"], { env });
  expect(all.stdout).toContain(`hostnqn : ${one.stdout}`);
  expect(all.stdout).toContain(`kept in : ${env.XDG_CONFIG_HOME}/nvmeof/host.json`);
  const { data } = await nvmeofJson(["show-hostnqn"], { env });
  expect(data).toMatchObject({ hostnqn: one.stdout.trim() });
});

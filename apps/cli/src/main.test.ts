// The command line itself: help, version, what cannot be understood; and how errors are told.

import { expect, test } from "vitest";
import { commands } from "./commands.ts";
import { nvmeof, nvmeofJson } from "./testing/run.ts";
import { version } from "./version.ts";

test("the version and the help go to stdout, with exit code 0", async () => {
  expect(await nvmeof(["--version"])).toMatchObject({ exitCode: 0, stdout: `${version}\n` });
  const help = await nvmeof(["--help"]);
  expect(help).toMatchObject({ exitCode: 0, stderr: "" });
  for (const { name, visibility } of commands) {
    if (visibility !== "hidden") expect(help.stdout).toContain(`\n  ${name.split(" ")[0]}`);
  }
});

test.each(commands.map(({ name, examples }) => [name, examples] as const))(
  "`%s --help` shows its options and examples that start with the name",
  async (name, examples) => {
    const { stdout, exitCode } = await nvmeof([...name.split(" "), "--help"]);
    expect(exitCode).toBe(0);
    expect(stdout).toContain("--timeout <duration>");
    for (const example of examples) expect(stdout).toContain(`  $ ${example}`);
    expect(stdout).toContain("--json");
  },
);

test("connect says first that it leaves nothing behind", async () => {
  const { stdout } = await nvmeof(["connect", "--help"]);
  expect(stdout.split("\n").slice(0, 6).join("\n")).toContain("it leaves nothing behind");
});

test("nothing to do shows the help on stderr, as a wrong use", async () => {
  for (const args of [[], ["id"]]) {
    const { exitCode, stdout, stderr } = await nvmeof(args);
    expect([exitCode, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(/^Usage: nvmeof/);
  }
});

test.each([
  [["lst"], "unknown command 'lst'", "Did you mean list?"],
  [["list", "--jsn"], "unknown option '--jsn'", "Did you mean --json?"],
  [["list", "-t", "rdma"], '--transport: "rdma" is not one of tcp, fc', "nvmeof list --help"],
  [["list", "nvme+tcp://h"], "which subsystem?", "nvmeof discover"],
  [["list"], "Neither an address nor -a was given", "nvme+tcp://host:port"],
  [["list", "a", "b"], "too many arguments", ""],
  [["discover", "nvme+tcp://h/nqn.2024-01.x:y"], "discover asks a discovery controller", "NQN"],
  [["list", "--timeout", "soon"], '--timeout: "soon" is not a duration', "500ms"],
  [["list", "-q", "a\u0007b"], "--hostnqn: the name holds a control character", ""],
  [["list", "-I", "7"], "--hostid: the UUID is not one", ""],
  [["list", "-s", "0"], '--trsvcid: "0" is not a whole number from 1 to 65535', ""],
  [["list", "-Q", "1"], '--queue-size: "1" is not a whole number from 2 to 65536', ""],
])("nvmeof %j says what is wrong", async (args, message, hint) => {
  const { exitCode, stdout, stderr } = await nvmeof(args);
  expect([exitCode, stdout]).toEqual([2, ""]);
  expect(stderr).toMatch(/^nvmeof: .* \(NVME_ERR_\w+\)\n/);
  expect(stderr).toContain(message);
  expect(stderr).toContain(hint);
});

test.each([["--json"], ["-o", "json"], ["--output-format=json"]])(
  "with %s a command line that cannot be understood is told as JSON",
  async (...how) => {
    const { exitCode, stdout, stderr } = await nvmeof(["list", "--frob", ...how]);
    expect([exitCode, stderr]).toEqual([2, ""]);
    expect(JSON.parse(stdout)).toMatchObject({
      schema: "nvmeof/usage",
      data: null,
      error: { code: "NVME_ERR_USAGE", exitCode: 2 },
    });
  },
);

test("an error is one document with --json, and with -v its cause is told to people", async () => {
  const args = ["connect", "nvme+tcp://127.0.0.1:1/nqn.2024-01.x:y"];
  const { schema, data, error } = await nvmeofJson(args);
  expect([schema, data]).toEqual(["nvmeof/connect", null]);
  expect(error).toMatchObject({ cause: "connect ECONNREFUSED 127.0.0.1:1" });
  const { stderr } = await nvmeof([...args, "-v"]);
  expect(stderr).toContain("cause: connect ECONNREFUSED 127.0.0.1:1\n");
});

test("a person reads JSON on several lines", async () => {
  const { stdout } = await nvmeof(["gen-hostnqn", "--json"], { tty: true });
  expect(stdout.split("\n").length).toBeGreaterThan(5);
});

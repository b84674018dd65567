// --dry-run: every verb that has it, through a relay that keeps what arrives at the target.

import { NSSR_RESET } from "@nvmeof/codec";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { commands } from "./commands.ts";
import { deviceProvider } from "./device-provider.ts";
import { type CommandTap, commandTap } from "./testing/command-tap.ts";
import { nvmeof, nvmeofJson } from "./testing/run.ts";
import { type TestTarget, testTarget } from "./testing/target.ts";

const MIB = 2 ** 20;
const BLOCK = Buffer.alloc(512);

let target: TestTarget;
let tap: CommandTap;
beforeEach(async () => {
  const provider = deviceProvider({ manageNamespaces: 4 * MIB, erase: "none" });
  target = await testTarget([{}], { provider, erase: "all" });
  tap = await commandTap(target.port);
});
afterEach(async () => {
  await tap[Symbol.asyncDispose]();
  await target.served.close();
});

type Fields = Readonly<Record<string, number | string>>;
const names = ["cdw10", "cdw11", "cdw12", "cdw13", "cdw14", "cdw15"];

/** Whether a command that has arrived is the one that was printed: CID and data pointer aside. */
const isSame =
  (fields: Fields) =>
  (sqe: DataView): boolean =>
    sqe.getUint8(0) === fields["opcode"] &&
    sqe.getUint32(4, true) === fields["nsid"] &&
    names.every((name, i) => sqe.getUint32(40 + 4 * i, true) === fields[name]);

interface Row {
  readonly verb: string;
  readonly args: readonly string[];
  /** Of the first command, as it is printed. */
  readonly command: string;
  readonly fields: Fields;
  readonly printed?: number;
}

const row = (verb: string, args: string, command: string, fields: Fields, printed = 1): Row => ({
  verb,
  args: args === "" ? [] : args.split(" "),
  command,
  fields,
  printed,
});

const rows: readonly Row[] = [
  row("read", "--blocks 2", "Read", { opcode: 2, nsid: 1, cdw12: 1 }),
  row("write", "", "Write", { opcode: 1, nsid: 1 }),
  row("compare", "", "Compare", { opcode: 5, nsid: 1 }),
  row("flush", "", "Flush", { opcode: 0, nsid: 1 }),
  row("dsm", "--ad --slbs 0 --blocks 8", "Dataset Management", { opcode: 9, cdw11: 4 }),
  row("write-zeroes", "--start-block 3", "Write Zeroes", { opcode: 8, cdw10: 3 }),
  row("write-uncor", "", "Write Uncorrectable", { opcode: 4 }),
  row("verify", "", "Verify", { opcode: 0xc }),
  row("copy", "--sdlba 8 --slbs 0 --blocks 8", "Copy", { opcode: 0x19, cdw10: 8 }),
  row("admin-passthru", "--opcode 0x18", "Keep Alive", { opcode: 0x18 }),
  row("io-passthru", "--opcode 0 -N 1", "Flush", { opcode: 0, nsid: 1 }),
  row("feat write-protect", "--value 1", "Set Features", { opcode: 9, nsid: 1, cdw10: 0x84 }),
  row("set-feature", "-f 4 --value 0x150", "Set Features", { opcode: 9, cdw10: 4, cdw11: 0x150 }),
  row("set-property", "--offset 0x14 --value 0x460000", "Property Set", {
    opcode: 0x7f,
    cdw11: 0x14,
    cdw12: 0x46_0000,
  }),
  row("ns create", "--nsze 64", "Namespace Management", { opcode: 0xd, cdw10: 0, data_len: 4096 }),
  row(
    "ns create",
    "--nsze 64 --attach",
    "Namespace Management",
    { opcode: 0xd, cdw10: 0, data_len: 4096 },
    2,
  ),
  row("ns delete", "-N 1", "Namespace Management", { opcode: 0xd, nsid: 1, cdw10: 1 }),
  row("ns attach", "-N 1", "Namespace Attachment", { opcode: 0x15, nsid: 1, cdw10: 0 }),
  row("ns detach", "-N 1", "Namespace Attachment", { opcode: 0x15, nsid: 1, cdw10: 1 }),
  row("format", "--ses 1", "Format NVM", { opcode: 0x80, nsid: 1, cdw10: 0x200 }),
  row("sanitize", "--sanact start-block-erase --wait", "Sanitize", { opcode: 0x84, cdw10: 2 }),
  row("resv register", "--nrkey 0xab", "Reservation Register", { opcode: 0xd, data_len: 16 }),
  row("resv acquire", "--crkey 1 --rtype 1 --racqa 1", "Reservation Acquire", {
    opcode: 0x11,
    cdw10: 0x101,
  }),
  row("resv release", "--crkey 1 --rrela 1", "Reservation Release", { opcode: 0x15, cdw10: 1 }),
  row("subsystem-reset", "", "Property Set", { opcode: 0x7f, cdw11: 0x20, cdw12: NSSR_RESET }),
];
const title = ({ verb, args }: Row): string => [verb, ...args].join(" ");

const argv = ({ verb, args }: Row): string[] => [...verb.split(" "), tap.uri, ...args];

describe.each(rows.map((each) => [title(each), each] as const))("%s", (_title, each) => {
  test("with --dry-run says what it would send, asks nobody, and does not send it", async () => {
    const { exitCode, data } = await nvmeofJson([...argv(each), "--dry-run"], { stdin: BLOCK });
    const { dryRun } = data as { dryRun: readonly Fields[] };
    expect(exitCode).toBe(0);
    expect(dryRun).toHaveLength(each.printed ?? 1);
    expect(dryRun[0]).toMatchObject({ ...each.fields, command: each.command });
    expect(tap.commands.length).toBeGreaterThan(0); // it has looked at the controller
    for (const fields of dryRun) expect(tap.commands.filter(isSame(fields))).toEqual([]);
  });

  test("prints opcode and fields for people", async () => {
    const { exitCode, stdout } = await nvmeof([...argv(each), "--dry-run"], { stdin: BLOCK });
    const opcode = (each.fields["opcode"] as number).toString(16).padStart(2, "0");
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(new RegExp(`^command +: ${each.command}\nopcode +: ${opcode}\n`));
    expect(stdout).toMatch(/^cdw10 +: [\da-f]{8}$/m);
  });
});

test.each(
  [
    row("set-feature", "-f 4 --value 0x150", "", {}),
    row("ns create", "--nsze 64", "", {}),
    row("ns detach", "-N 1", "", {}),
    row("format", "--ses 1", "", {}),
    row("resv register", "--nrkey 0xab", "", {}),
  ].map((each) => [title(each), each] as const),
)("%s without it sends just what was printed", async (_title, each) => {
  const { data } = await nvmeofJson([...argv(each), "--dry-run"]);
  const [fields] = (data as { dryRun: readonly Fields[] }).dryRun;
  const consent = /^(ns|resv)/.test(each.verb) && each.verb !== "resv register" ? [] : ["--yes"];
  expect((await nvmeof([...argv(each), ...consent])).exitCode).toBe(0);
  expect(tap.commands.filter(isSame(fields!))).toHaveLength(1);
});

describe("reset", () => {
  const connects = (): number =>
    tap.commands.filter((sqe) => sqe.getUint8(0) === 0x7f && sqe.getUint8(4) === 1).length;

  test("with --dry-run says with what it would begin anew, and leaves the controller alone", async () => {
    const { exitCode, data } = await nvmeofJson(["reset", tap.uri, "--dry-run", "-k", "7"]);
    const kato = { cdw12: 7000 };
    expect([exitCode, data]).toMatchObject([
      0,
      { dryRun: [{ command: "Connect", opcode: 0x7f, ...kato }] },
    ]);
    expect(connects()).toBe(1);
  });

  test("without it connects once more", async () => {
    expect((await nvmeof(["reset", tap.uri])).exitCode).toBe(0);
    expect(connects()).toBe(2);
  });
});

test("the data of a command are printed where they are its parameters", async () => {
  const uri = tap.uri;
  const key = await nvmeof(["resv", "register", uri, "--nrkey", "0x1122334455667788", "--dry-run"]);
  expect(key.stdout).toContain("00000000  00 00 00 00 00 00 00 00  88 77 66 55 44 33 22 11");
  const block = await nvmeof(["write", uri, "--dry-run"], { stdin: BLOCK });
  expect(block.stdout).not.toContain("00000000  ");
});

test("ns create --attach says that the second command waits for the first", async () => {
  const { stderr } = await nvmeof([
    "ns",
    "create",
    tap.uri,
    "--nsze",
    "1",
    "--attach",
    "--dry-run",
  ]);
  expect(stderr).toContain("would have the NSID that the first one gives");
});

test("to try to read a feature is refused: there is nothing to be afraid of", async () => {
  const { exitCode, stderr } = await nvmeof(["feat", "write-protect", tap.uri, "--dry-run"]);
  expect([exitCode, stderr]).toEqual([2, expect.stringContaining("--value")]);
});

test("no verb that has --dry-run is missing from the table above", () => {
  const having = commands.filter((spec) => spec.options().some(({ long }) => long === "--dry-run"));
  const known = new Set([...rows.map(({ verb }) => verb), "reset"]);
  const missing = having.filter(({ name }) => !known.has(name) && !name.startsWith("feat "));
  expect(missing.map(({ name }) => name)).toEqual([]);
  expect(having.length).toBeGreaterThan(50); // every feature has it
});

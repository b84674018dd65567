// Secrets of DH-HMAC-CHAP as nvme-cli makes and checks them, from files and stdin, and never from argv.
// Outputs in quotes are those of nvme-cli 2.13.

import { writeFileSync } from "node:fs";
import { DhchapKey } from "@nvmeof/codec/auth";
import { expect, test } from "vitest";
import { failure, freshPath, nvmeof, nvmeofJson } from "../testing/run.ts";

const NQN = "nqn.2014-08.org.nvmexpress:uuid:6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
const counting = (length: number): string =>
  Buffer.from(Uint8Array.from({ length }, (_, i) => i)).toString("hex");

// nvme gen-dhchap-key -m M -l L -n NQN -s 000102…
const made: readonly (readonly [hmac: string, length: number, text: string])[] = [
  ["0", 32, "DHHC-1:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:"],
  ["0", 48, "DHHC-1:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vcSEgBQ==:"],
  ["1", 32, "DHHC-1:01:Q1vYMxhfnjFJeTFsT02bGaB8dpfB+sojKinuW09iqU93fC5k:"],
  ["2", 48, "DHHC-1:02:+ajbigWzBhVP5OxA3NpzT+3RCwsaVE8Xwg8Jcpr7hKHfXQgFRSKewgiIM95c6Bb2qLx2AA==:"],
  [
    "3",
    64,
    "DHHC-1:03:r8HWxKQQDG8mYkQTyDcrk3Cn9TnnRPm5wMC+2XSAeD1MeE3Q/KN+q3bnKA2fLGwHg0Tp38SZVnR0p8Up+qcsDLA6Zn4=:",
  ],
];

test.each(made)(
  "gen-dhchap-key -m %s of %d bytes prints what nvme-cli does",
  async (hmac, length, text) => {
    const args = ["keys", "gen-dhchap-key", "-m", hmac, "-l", String(length), "-n", NQN];
    const stdin = `${counting(length)}\n`;
    const run = await nvmeof([...args, "--secret-file", "-"], { stdin });
    expect(run).toMatchObject({ exitCode: 0, stdout: `${text}\n`, stderr: "" });
    const file = freshPath("secret.hex");
    writeFileSync(file, counting(length), { mode: 0o600 });
    expect((await nvmeof([...args, "--secret-file", file])).stdout).toBe(`${text}\n`);
  },
);

test("without bytes it takes chance, with the usual length, under any of its names", async () => {
  const texts: string[] = [];
  for (const name of [["keys", "gen-dhchap-key"], ["gen-dhchap-key"], ["gen-kxchap-secret"]]) {
    const { stdout, exitCode } = await nvmeof([...name, "-n", NQN]);
    expect(exitCode).toBe(0);
    texts.push(stdout.trimEnd());
  }
  expect(new Set(texts).size).toBe(3);
  for (const text of texts) expect(DhchapKey.parse(text).length).toBe(32);
  const { data } = await nvmeofJson(["keys", "gen-dhchap-key", "-m", "2", "-n", NQN]);
  expect(data).toMatchObject({ hmac: 2, length: 48 });
  const { secret } = data as { secret: string };
  expect(DhchapKey.parse(secret)).toMatchObject({ transform: 2, length: 48 });
});

test("the host NQN is the user's own where none is given", async () => {
  const { stdout: own } = await nvmeof(["show-hostnqn"]);
  const args = ["keys", "gen-dhchap-key", "-m", "1", "--secret-file", "-"];
  const stdin = counting(32);
  const implied = await nvmeof(args, { stdin });
  const said = await nvmeof([...args, "-n", own.trim()], { stdin });
  expect(implied.stdout).toBe(said.stdout);
});

test.each([
  [["-m", "4"], "", "Invalid HMAC identifier 4"],
  [["-m", "1", "-l", "48"], "", "Invalid key length 48 for SHA(256)"],
  [["-l", "33"], "", "Invalid key length 33"],
  [["--secret-file", "-"], "00", "Invalid key length (1 bytes)"],
  [["--secret-file", "-"], "zz", "Invalid secret"],
])("gen-dhchap-key %j is refused", async (args, stdin, message) => {
  const error = await failure(["keys", "gen-dhchap-key", "-n", NQN, ...args], { stdin });
  expect(error).toMatchObject({ code: "NVME_ERR_USAGE", exitCode: 2 });
  expect(error.message).toContain(message);
});

test("more bytes than are needed are left out, with a warning", async () => {
  const args = ["keys", "gen-dhchap-key", "-n", NQN, "--secret-file", "-"];
  const { stdout, stderr } = await nvmeof(args, { stdin: counting(40) });
  expect([stdout.trim(), stderr]).toEqual([made[0]![2], "warning: Skipping excess secret bytes\n"]);
});

test.each([
  [made[0]![2], "Key is valid (HMAC 0, length 32, CRC 91267e8a)"],
  [made[2]![2], "Key is valid (HMAC 1, length 32, CRC 642e7c77)"],
  [made[4]![2], "Key is valid (HMAC 3, length 64, CRC 7e663ab0)"],
])("check-dhchap-key of %s", async (text, said) => {
  const run = await nvmeof(["keys", "check-dhchap-key"], { stdin: `${text}\n` });
  expect(run).toMatchObject({ exitCode: 0, stdout: `${said}\n`, stderr: "" });
  const file = freshPath("secret");
  writeFileSync(file, text, { mode: 0o600 });
  expect((await nvmeof(["check-dhchap-key", file])).stdout).toBe(`${said}\n`);
  const { data } = await nvmeofJson(["check-kxchap-secret", file]);
  expect(data).toMatchObject({ valid: true });
});

test.each([
  ["a changed character", made[0]![2].replace("AAEC", "BAEC"), "CRC-32"],
  ["another hash", made[0]![2].replace(":00:", ":02:"), "hash"],
  ["a hash that there is not", made[0]![2].replace(":00:", ":07:"), "two digits"],
  ["nonsense", "nonsense", "DHHC-1:"],
  ["two lines", `${made[0]![2]}\n\n`, "white space"],
])("check-dhchap-key of %s fails, and says nothing of it [A12]", async (_what, text, said) => {
  const error = await failure(["keys", "check-dhchap-key"], { stdin: text });
  expect(error).toMatchObject({ code: "NVME_ERR_AUTH_KEY", exitCode: 2 });
  expect(error.message).toContain(said);
  const { stdout, stderr } = await nvmeof(["keys", "check-dhchap-key", "-vvv"], { stdin: text });
  if (text.length > 20) expect(stdout + stderr).not.toContain(text.slice(12, 40));
});

test("nothing is no secret", async () => {
  const error = await failure(["keys", "check-dhchap-key"]);
  expect(error).toMatchObject({ code: "NVME_ERR_USAGE", message: "Key not specified" });
});

test("a file that others can read is warned of", async () => {
  const file = freshPath("open.secret");
  writeFileSync(file, made[0]![2], { mode: 0o644 });
  const { stderr, exitCode } = await nvmeof(["keys", "check-dhchap-key", file]);
  expect(exitCode).toBe(0);
  if (process.platform !== "win32") expect(stderr).toContain(`chmod 600 ${file}`);
});

test.each([
  ["keys", "gen-dhchap-key", "-s", counting(32)],
  ["keys", "gen-dhchap-key", `--secret=${counting(32)}`],
  ["keys", "check-dhchap-key", "-k", made[0]![2]],
  ["keys", "check-dhchap-key", `--key=${made[0]![2]}`],
])("C1: a secret on the command line is refused, and not said again: %s %s %s", async (...args) => {
  const error = await failure(args);
  expect(error).toMatchObject({ code: "NVME_ERR_USAGE", exitCode: 2 });
  const secret = args.at(-1)!.replace(/^--[a-z]+=/, "");
  expect(JSON.stringify(error)).not.toContain(secret);
  const { stdout, stderr } = await nvmeof([...args, "-vvv"]);
  expect(stdout + stderr).not.toContain(secret);
});

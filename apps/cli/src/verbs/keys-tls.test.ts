// Keys of TLS are made and checked as nvme-cli does it, to the byte, and never taken from an argument.

import { readFileSync, statSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { freshPath, nvmeof, nvmeofJson } from "../testing/run.ts";

// What nvme-cli 2.13 with libnvme 1.13 printed for the bytes 0 to 31, and 0 to 47.
const hex32 = Array.from({ length: 32 }, (_, i) => i.toString(16).padStart(2, "0")).join("");
const hex48 = Array.from({ length: 48 }, (_, i) => i.toString(16).padStart(2, "0")).join("");
const key32 = "NVMeTLSkey-1:01:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:";
const key48 =
  "NVMeTLSkey-1:02:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vcSEgBQ==:";
const host = "nqn.2014-08.org.nvmexpress:uuid:5c1b3d52-6a0f-4c53-9d3e-0c7f8f5d2b11";
const disk = "nqn.2024-01.com.example:disk1";
const named = ["-n", host, "-c", disk];

function file(text: string): string {
  const path = freshPath("secret");
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

test.each([
  [hex32, [], key32, ""],
  [hex48, ["-m", "2"], key48, ""],
  [`${hex32}${hex32}\n`, [], key32, "warning: Skipping excess secret bytes\n"],
])("gen-tls-key of %s %j prints what nvme-cli prints", async (hex, more, key, said) => {
  const args = ["gen-tls-key", "--secret-file", file(hex), ...more];
  expect(await nvmeof(args)).toMatchObject({ exitCode: 0, stdout: `${key}\n`, stderr: said });
  // The same by stdin, and under the new name.
  const piped = ["keys", "gen-tls-key", "--secret-file", "-", ...more];
  expect((await nvmeof(piped, { stdin: hex })).stdout).toBe(`${key}\n`);
});

test("gen-tls-key makes another key every time, of the length that was asked for", async () => {
  const [one, other] = [await nvmeof(["gen-tls-key"]), await nvmeof(["gen-tls-key"])];
  expect(one.stdout).toMatch(/^NVMeTLSkey-1:01:[\w+/]{48}:\n$/);
  expect(one.stdout).not.toBe(other.stdout);
  const { stdout } = await nvmeof(["gen-tls-key", "--hmac", "2"]);
  expect(stdout).toMatch(/^NVMeTLSkey-1:02:[\w+/]{70}==:\n$/);
});

test.each([
  [["gen-tls-key", "-m", "0"], "", "Invalid HMAC identifier 0"],
  [["gen-tls-key", "-m", "3"], "", "Invalid HMAC identifier 3"],
  [["gen-tls-key", "-I", "2"], "", "Invalid TLS identity version 2"],
  [["gen-tls-key", "--secret-file", "-"], "0011", "Invalid key length (2 bytes)"],
  [["gen-tls-key", "--secret-file", "-"], "zz", "Invalid secret"],
  [["check-tls-key"], "", "No key data"],
  [["check-tls-key", "-I", "2"], key32, "Invalid TLS identity version 2"],
  [["check-tls-key", "-f", "keys"], key32, "Need to specify a subsystem NQN"],
  [["check-tls-key"], key32.slice(0, -1), "the colon at its end is missing"],
  [["check-tls-key"], key32.replace("AAEC", "ABEC"), "its checksum (CRC-32) is wrong"],
  [["check-tls-key"], "NVMeTLSkey-1:03:AAAA:", "are not 00, 01 or 02"],
  [["gen-tls-key", "--insert"], "", "there is no keyring here"],
  [["tls-key", "--export"], "", "the kernel's keyring, which nvmeof does not use"],
])("%j is refused, in the words of nvme-cli where it has them", async (args, stdin, message) => {
  const { exitCode, stderr, stdout } = await nvmeof(args, { stdin });
  expect([exitCode, stdout]).toEqual([2, ""]);
  expect(stderr).toContain(message);
  expect(stderr).not.toMatch(/AAECAwQF|ABECAwQF/);
});

test.each([
  [["-I", "0"], key32, `NVMe0R01 ${host} ${disk}`],
  [[], key32, `NVMe0R01 ${host} ${disk}`],
  [["-I", "0"], key48, `NVMe0R02 ${host} ${disk}`],
  [
    ["-I", "1", "-C"],
    key32,
    `NVMe1R01 ${host} ${disk} SflR9398+z0W9Nu4OrNjiPEnATL9+UFPxcxhS6KbdEA=`,
  ],
  [
    ["-I", "1", "--compat"],
    key48,
    `NVMe1R02 ${host} ${disk} lkx0svhHQu44IcWw1OfwIff4JPrM3igzYLCWkJ8TJ2BQvNfe5e6Z2iFUSxAScIDV`,
  ],
  // Without a transform both ways are one.
  [
    ["-I", "1"],
    key32.replace(":01:", ":00:"),
    `NVMe1R01 ${host} ${disk} sPFM5xtZMJ/UKrUnITol7J0J4nqhP/gDCjOWSpu8X0g=`,
  ],
])("check-tls-key %j prints the identity that nvme-cli prints", async (more, key, identity) => {
  const args = [...named, ...more];
  const fromFile = await nvmeof(["keys", "check-tls-key", file(`${key}\n`), ...args]);
  expect(fromFile).toMatchObject({ exitCode: 0, stdout: `${identity}\n`, stderr: "" });
  const { stdout } = await nvmeof(["check-tls-key", ...args], { stdin: key });
  expect(stdout).toBe(`${identity}\n`);
});

test("check-tls-key without a subsystem says that the key is one, as nvme-cli 3.0 does", async () => {
  const { stdout } = await nvmeof(["keys", "check-tls-psk"], { stdin: key48 });
  expect(stdout).toBe("Configured PSK is valid (HMAC 2, length 48)\n");
  const { data } = await nvmeofJson(["check-tls-key"], { stdin: key32 });
  expect(data).toEqual({ valid: true, hmac: 1, length: 32, identity: null });
});

test("-f appends what nvme-cli exports, to a file that only its owner can read", async () => {
  const keys = freshPath("keys");
  for (const version of ["0", "1"]) {
    const { exitCode } = await nvmeof(
      ["check-tls-key", ...named, "-I", version, "-C", "-f", keys],
      {
        stdin: key32,
      },
    );
    expect(exitCode).toBe(0);
  }
  // `nvme tls-key --export` after `check-tls-key --insert` of the same.
  expect(readFileSync(keys, "utf8")).toBe(
    `NVMe0R01 ${host} ${disk} NVMeTLSkey-0:01:qssNnpEmnA0ZLotF6vojJnxrEfDQKLQUB48/YMJw51KXCwUj:\n` +
      `NVMe1R01 ${host} ${disk} SflR9398+z0W9Nu4OrNjiPEnATL9+UFPxcxhS6KbdEA= ` +
      "NVMeTLSkey-1:01:vT+h0wblfkoXnRw63+bi+9YYZxdcv7Xmo12NowY3Sz48pIHJ:\n",
  );
  if (process.platform !== "win32") expect(statSync(keys).mode & 0o777).toBe(0o600);
});

test.each([
  [["gen-tls-key", "--secret", hex32]],
  [["keys", "gen-tls-key", "-s", hex32]],
  [["check-tls-key", "--keydata", key32]],
  [["connect", "nvme+tcp://127.0.0.1", "--tls-key", key32]],
  [["connect", "nvme+tcp://127.0.0.1", `--tls_key=${key32}`]],
  [["connect", `nvme+tcp://127.0.0.1/${disk}?tls-key=${key32}`]],
  [["serve", "--mem", "1M", "--tls-key", key32]],
])("%j is refused, and the secret not repeated", async (args) => {
  const quiet = await nvmeof(args);
  const loud = await nvmeofJson([...args, "-vvv"]);
  expect([quiet.exitCode, loud.exitCode]).toEqual([2, 2]);
  expect(quiet.stderr).toMatch(/show a secret|is a secret/);
  for (const text of [quiet.stdout, quiet.stderr, JSON.stringify(loud)]) {
    expect(text).not.toMatch(/AAECAwQF|00010203/);
  }
});

test("a key in an unlikely place is not repeated either", async () => {
  for (const args of [
    ["gen-tls-key", key32],
    ["connect", key32],
    ["connect", "nvme+tcp://127.0.0.1", "--nqn", `${key32}\n`],
    ["check-tls-key", key32],
    [key32],
  ]) {
    const { exitCode, stderr, stdout } = await nvmeof(args);
    expect(exitCode).not.toBe(0);
    expect(`${stdout}${stderr}`, args.join(" ")).not.toContain("AAECAwQF");
  }
});

test.skipIf(process.platform === "win32")("whoever else can read a key is warned of", async () => {
  const open = freshPath("open.key");
  writeFileSync(open, key32, { mode: 0o644 });
  const { exitCode, stderr } = await nvmeof(["check-tls-key", open]);
  expect(exitCode).toBe(0);
  expect(stderr).toBe(`warning: others can read the TLS key in ${open}: chmod 600 ${open}\n`);
});

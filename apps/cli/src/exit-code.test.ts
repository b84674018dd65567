// Every error code that the packages can give has an exit code, and the exit codes are distinct.

import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { NvmeofError } from "@nvmeof/codec";
import { AbortedError, ConnectRejectedError, NvmeStatusError, TimeoutError } from "@nvmeof/core";
import { TransportError } from "@nvmeof/transport";
import { expect, test } from "vitest";
import { CliError, describeError, exitOf, noteCircumstances } from "./errors.ts";
import { ExitCode, verdictOf, verdicts } from "./exit-code.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));

/** Codes that stand in sources as they are. Those made of a failure's name are in the types. */
function codesInSources(): Set<string> {
  const codes = new Set<string>();
  for (const group of ["packages", "apps"]) {
    for (const name of readdirSync(join(root, group))) {
      const src = join(root, group, name, "src");
      for (const file of readdirSync(src, { recursive: true, encoding: "utf8" })) {
        if (!file.endsWith(".ts") || file.endsWith(".test.ts")) continue;
        const text = readFileSync(join(src, file), "utf8");
        for (const [code] of text.matchAll(/NVME_ERR_[A-Z]+(_[A-Z]+)*/g)) codes.add(code);
      }
    }
  }
  return codes;
}

test("every code that a source names has an exit code", () => {
  const codes = codesInSources();
  expect(codes.size).toBeGreaterThan(40);
  expect([...codes].filter((code) => !(code in verdicts))).toEqual([]);
});

test("exit codes differ from each other, and are those that were promised", () => {
  const values = Object.values(ExitCode);
  expect(new Set(values).size).toBe(values.length);
  expect(ExitCode).toEqual({
    ok: 0,
    failed: 1,
    usage: 2,
    notFound: 3,
    unreachable: 4,
    rejected: 5,
    auth: 6,
    timeout: 7,
    nvmeStatus: 8,
    protocol: 9,
    dataMismatch: 10,
    partial: 11,
    threshold: 12,
    resource: 13,
    lost: 14,
    internal: 70,
    sigint: 130,
    sigterm: 143,
  });
});

test("a code of a newer package is a failure, and not a bug", () => {
  expect(verdictOf("NVME_ERR_OF_TOMORROW")).toEqual({ exit: "failed", retryable: false });
  expect(exitOf(new NvmeofError("NVME_ERR_OF_TOMORROW", "something new"))).toBe("failed");
});

test("whatever else is thrown is a bug of ours", () => {
  expect(exitOf(new TypeError("x is undefined"))).toBe("internal");
  expect(exitOf("a string")).toBe("internal");
  expect(describeError(undefined)).toMatchObject({ code: "NVME_ERR_INTERNAL", exitCode: 70 });
});

test("a command that ended with its connection gives the exit code of what ended that", () => {
  const timeout = new TimeoutError("Read", 300);
  const reset = new AbortedError("controller-reset", "unknown", false, { cause: timeout });
  const noPath = new AbortedError("no-path", "unknown", false, { cause: reset });
  expect(exitOf(noPath)).toBe("timeout");
  expect(describeError(noPath)).toMatchObject({ code: "NVME_ERR_TIMEOUT", exitCode: 7 });
  expect(exitOf(new AbortedError("controller-reset", "unknown", false))).toBe("lost");
});

test("a connection lost before there was a controller was never there", () => {
  const peer = { address: "192.0.2.10", port: 4420, subnqn: null };
  const early = new TransportError("connection-lost", "the peer closed the connection");
  noteCircumstances(early, { peer, wasLive: false });
  expect(describeError(early)).toMatchObject({ exitCode: 4, peer });
  const late = new TransportError("connection-lost", "the peer closed the connection");
  noteCircumstances(late, { peer, wasLive: true });
  expect(describeError(late)).toMatchObject({ exitCode: 14, peer });
});

test("a status says by itself whether to retry, and is named", () => {
  const busy = describeError(new NvmeStatusError("Read", 0x082));
  expect(busy).toMatchObject({
    retryable: true,
    exitCode: 8,
    nvme: { sct: 0, sc: 0x82, name: "Namespace Not Ready", dnr: false },
  });
  expect(describeError(new NvmeStatusError("Read", 0x4080)).retryable).toBe(false);
});

test("a refused Connect names the field that the target objects to", () => {
  // Connect Invalid Parameters, DNR; IATTR 1, IPO 256: SUBNQN.
  const refused = new ConnectRejectedError(0, 0x4182, 0x1_0100);
  expect(describeError(refused)).toMatchObject({
    code: "NVME_ERR_CONNECT_REJECTED",
    exitCode: 5,
    retryable: false,
    nvme: { sct: 1, sc: 0x82, name: "Connect Invalid Parameters", dnr: true, field: "SUBNQN" },
  });
});

test("a file that is not there is not found; one that cannot be read is a failure", () => {
  const gone = Object.assign(new Error("no such file"), { code: "ENOENT" });
  expect(exitOf(new NvmeofError("NVME_ERR_FILE", "x", { cause: gone }))).toBe("notFound");
  expect(exitOf(new NvmeofError("NVME_ERR_FILE", "x"))).toBe("failed");
  expect(exitOf(new CliError("NVME_ERR_FILE_NOT_FOUND", "x"))).toBe("notFound");
});

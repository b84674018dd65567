// read and write: whole blocks, checked before anything is sent.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { Readable } from "node:stream";
import { afterAll, beforeAll, expect, test } from "vitest";
import { failure, freshPath, nvmeof, nvmeofJson } from "../testing/run.ts";
import { type TestTarget, testTarget } from "../testing/target.ts";

let target: TestTarget;
beforeAll(async () => {
  target = await testTarget([{}, { blockBytes: 4096, blockCount: 16 }, { readOnly: true }]);
});
afterAll(() => target.served.close());

const content = (bytes: number): Buffer =>
  Buffer.from(Uint8Array.from({ length: bytes }, (_, i) => (i * 7) & 0xff));

test("what is written is read back, from a pipe to a pipe", async () => {
  const data = content(8 * 512);
  const at = ["--start-block", "100"];
  const wrote = await nvmeof(["write", target.namespace(1), ...at, "--yes"], { stdin: data });
  expect(wrote).toMatchObject({ exitCode: 0, stdout: "" });
  expect(wrote.stderr).toBe("4096 bytes written to namespace 1\n");
  const read = await nvmeof(["read", target.namespace(1), ...at, "--blocks", "8"]);
  expect(read.bytes.equals(data)).toBe(true);
  expect(read.stderr).toBe("");
});

test("files do as well, and sizes in bytes", async () => {
  const [source, copy] = [freshPath("source"), freshPath("copy")];
  writeFileSync(source, content(8192));
  const wrote = await nvmeofJson(["write", target.uri, "-N", "2", "-d", source, "--yes"]);
  expect(wrote.data).toEqual({ nsid: 2, startBlock: 0, blocks: 2, blockBytes: 4096, bytes: 8192 });
  const read = await nvmeofJson(["read", target.uri, "-N", "2", "-z", "8k", "-d", copy]);
  expect(read.data).toMatchObject({ blocks: 2, bytes: 8192, file: copy });
  expect(readFileSync(copy).equals(content(8192))).toBe(true);
});

test("a part of the input is written where --data-size or --blocks says so", async () => {
  const at = ["--start-block", "200", "--yes"];
  const stdin = content(2048);
  const { data } = await nvmeofJson(["write", target.namespace(1), ...at, "-z", "512"], { stdin });
  expect(data).toMatchObject({ blocks: 1, bytes: 512 });
});

test("a person gets a hex dump, a script base64", async () => {
  await nvmeof(["write", target.namespace(1), "--yes"], { stdin: content(512) });
  const seen = await nvmeof(["read", target.namespace(1)], { tty: true });
  expect(seen.stdout).toMatch(/^00000000 {2}00 07 0e 15/);
  const { data } = await nvmeofJson(["read", target.namespace(1)]);
  expect(data).toMatchObject({ encoding: "base64", content: content(512).toString("base64") });
});

test("a size that is no whole number of blocks is refused, with the block size", async () => {
  const read = await failure(["read", target.namespace(2), "-z", "512"]);
  expect(read).toMatchObject({ code: "NVME_ERR_UNALIGNED", exitCode: 2, nvme: null });
  expect(read.message).toContain("no whole number of blocks of 4096");
  expect(read.hint).toContain("multiple of 4096");
  const write = await failure(["write", target.namespace(2), "--yes"], { stdin: content(5000) });
  expect(write).toMatchObject({ code: "NVME_ERR_UNALIGNED", exitCode: 2 });
});

test.each([
  [["--start-block", "2048"]],
  [["--start-block", "2040", "--blocks", "9"]],
  [["--blocks", "2049"]],
  [["--start-block", "9007199254740991"]],
])("reading past the end with %j is refused, with the size of the namespace", async (range) => {
  const error = await failure(["read", target.namespace(1), ...range]);
  expect(error).toMatchObject({ code: "NVME_ERR_OUT_OF_RANGE", exitCode: 2 });
  expect(error.hint).toContain("2048 blocks of 512 bytes, 0 to 2047");
});

test("writing asks for consent, and without it nothing is written", async () => {
  const stdin = content(512);
  const refused = await failure(["write", target.namespace(1), "--start-block", "7"], { stdin });
  expect(refused).toMatchObject({ code: "NVME_ERR_CONFIRMATION", exitCode: 2 });
  const { bytes } = await nvmeof(["read", target.namespace(1), "--start-block", "7"]);
  expect(bytes.equals(Buffer.alloc(512))).toBe(true);
});

test("a person is asked, and only yes means yes", async () => {
  const source = freshPath("source");
  writeFileSync(source, content(512));
  const answering = (answer: string) => {
    const stdin = Object.assign(Readable.from([Buffer.from(answer)]), { isTTY: true });
    return nvmeof(["write", target.namespace(1), "-d", source], { stdin, tty: true });
  };
  const no = await answering("no\n");
  expect(no.exitCode).toBe(2);
  expect(no.stderr).toContain("this overwrites 1 block of namespace 1 from 0 on. Go on? [y/N]");
  expect((await answering("yes\n")).exitCode).toBe(0);
});

test("a namespace that is write protected says so", async () => {
  const error = await failure(["write", target.namespace(3), "--yes"], { stdin: content(512) });
  expect(error).toMatchObject({ code: "NVME_ERR_READ_ONLY", exitCode: 8 });
});

test("a namespace that is not there, and one that was not named, are told", async () => {
  const gone = await failure(["read", target.namespace(9)]);
  expect(gone).toMatchObject({ code: "NVME_ERR_NO_NAMESPACE", exitCode: 3 });
  const which = await failure(["read", target.uri]);
  expect(which).toMatchObject({ code: "NVME_ERR_USAGE", exitCode: 2 });
  expect(which.message).toBe("which namespace? There are 1, 2, 3");
});

test.each([
  [["--blocks", "2", "-z", "512"], "--blocks says 2 blocks, --data-size says 1"],
  [["--block-count", "0"], "--block-count is 0's based in nvme-cli"],
  [["-z", "many"], '--data-size: "many" is not a size'],
  [["--start-block", "-1"], "--start-block"],
])("%j is refused", async (options, message) => {
  const error = await failure(["read", target.namespace(1), ...options]);
  expect(error).toMatchObject({ code: "NVME_ERR_USAGE", exitCode: 2 });
  expect(error.message).toContain(message);
});

test("files that are not there, or cannot be written, are told by name", async () => {
  const gone = await failure(["write", target.namespace(1), "-d", "/no/such/file", "--yes"]);
  expect(gone).toMatchObject({ code: "NVME_ERR_FILE_NOT_FOUND", exitCode: 3 });
  expect(gone.message).toContain("cannot read /no/such/file: there is no such file");
  const folder = freshPath("");
  const isFolder = await failure(["read", target.namespace(1), "-d", folder]);
  expect(isFolder).toMatchObject({ code: "NVME_ERR_FILE", exitCode: 1 });
  expect(existsSync(folder)).toBe(true);
});

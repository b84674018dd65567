// cp: files, pipes and namespaces, any length, in either direction.

import { randomFillSync } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { Readable } from "node:stream";
import { afterAll, beforeEach, expect, test } from "vitest";
import { Kept, failure, freshPath, nvmeof, nvmeofJson, start } from "../testing/run.ts";
import { type TestTarget, testTarget } from "../testing/target.ts";

const MIB = 2 ** 20;
const targets: TestTarget[] = [];
let target: TestTarget;
beforeEach(async () => {
  // 3 MiB and a bit: several pieces, and a last one that is short.
  target = await testTarget([{ blockCount: 6145 }, { blockBytes: 4096, blockCount: 512 }]);
  targets.push(target);
});
afterAll(() => Promise.all(targets.map(({ served }) => served.close())));

const random = (bytes: number): Buffer => randomFillSync(Buffer.alloc(bytes));
const wholeBytes = 6145 * 512;

function fileOf(data: Uint8Array): string {
  const path = freshPath("file");
  writeFileSync(path, data);
  return path;
}

/** What a namespace holds. */
async function held(nsid: number): Promise<Buffer> {
  const { bytes } = await nvmeof(["cp", target.namespace(nsid), "-"]);
  return bytes;
}

test("a file goes into a namespace and comes back whole, with and without digests", async () => {
  for (const digests of [[], ["-g", "-G"]]) {
    const data = random(wholeBytes);
    const [source, copy] = [fileOf(data), freshPath("copy")];
    const there = await nvmeofJson(["cp", source, target.namespace(1), "--yes", ...digests]);
    expect(there.error).toBeNull();
    expect(there.data).toMatchObject({ bytes: wholeBytes, offset: 0, source });
    const back = await nvmeof(["cp", target.namespace(1), copy, ...digests]);
    expect(back).toMatchObject({ exitCode: 0, stdout: "" });
    expect(back.stderr).toMatch(/^3\.15 MB in .*, .* MB\/s\n$/);
    expect(readFileSync(copy).equals(data)).toBe(true);
  }
});

test.each([0, 1, 511, 512, 513, 4097, MIB + 3])(
  "%d bytes into a namespace leave the rest of the last block as it was",
  async (bytes) => {
    const before = random(2 * MIB);
    await nvmeof(["cp", "-", target.namespace(2), "--yes"], { stdin: before });
    const data = random(bytes);
    const { exitCode } = await nvmeof(["cp", fileOf(data), target.namespace(2), "--yes"]);
    expect(exitCode).toBe(0);
    expect((await held(2)).equals(Buffer.concat([data, before.subarray(bytes)]))).toBe(true);
  },
);

test("a pipe of unknown length does as well as a file", async () => {
  const pieces = Array.from({ length: 40 }, (_, i) => random(50_000 + i));
  const stdin = Readable.from(pieces);
  const { exitCode } = await nvmeof(["cp", "-", target.namespace(1), "--yes"], { stdin });
  expect(exitCode).toBe(0);
  const data = Buffer.concat(pieces);
  expect((await held(1)).subarray(0, data.length).equals(data)).toBe(true);
});

test("--offset and --count choose a part, to the byte at both ends", async () => {
  const data = random(wholeBytes);
  await nvmeof(["cp", "-", target.namespace(1), "--yes"], { stdin: data });
  const part = ["--offset", "1M", "--count", "1000001"];
  const { bytes } = await nvmeof(["cp", target.namespace(1), "-", ...part]);
  expect(bytes.equals(data.subarray(MIB, MIB + 1_000_001))).toBe(true);
  const over = random(5000);
  const into = ["--offset", "100", "--count", "700", "--yes"];
  await nvmeof(["cp", "-", target.namespace(1), ...into], { stdin: over });
  const now = [data.subarray(0, 100), over.subarray(0, 700), data.subarray(800)];
  expect((await held(1)).equals(Buffer.concat(now))).toBe(true);
});

test("a namespace can be copied into another, of another block size", async () => {
  const data = random(2 * MIB);
  await nvmeof(["cp", "-", target.namespace(1), "--yes"], { stdin: data });
  const ends = [target.namespace(1), target.namespace(2)];
  const { exitCode } = await nvmeof(["cp", ...ends, "--count", "2M", "--yes"]);
  expect(exitCode).toBe(0);
  expect((await held(2)).equals(data)).toBe(true);
});

test("pieces that meet within a block do not spoil each other's part of it", async () => {
  const data = random(2 * MIB + 77);
  const at = ["--offset", "333", "--yes"];
  const { exitCode } = await nvmeof(["cp", fileOf(data), target.namespace(1), ...at]);
  expect(exitCode).toBe(0);
  expect((await held(1)).subarray(333, 333 + data.length).equals(data)).toBe(true);
});

test("a file that does not fit is refused before anything is written", async () => {
  const source = fileOf(random(wholeBytes + 1));
  const error = await failure(["cp", source, target.namespace(1), "--yes"]);
  expect(error).toMatchObject({ code: "NVME_ERR_OUT_OF_RANGE", exitCode: 2 });
  expect((await held(1)).equals(Buffer.alloc(wholeBytes))).toBe(true);
});

test("a pipe that goes on beyond the end of the namespace is refused there", async () => {
  const stdin = Readable.from([random(wholeBytes), random(1)]);
  const error = await failure(["cp", "-", target.namespace(1), "--yes"], { stdin });
  expect(error).toMatchObject({ code: "NVME_ERR_OUT_OF_RANGE", exitCode: 2 });
  expect(error.message).toContain("the input is more than fits");
});

test.each([
  [["a", "b"], "NVME_ERR_USAGE", "neither end is a namespace"],
  [["a"], "NVME_ERR_USAGE", "missing required argument 'destination'"],
  [["NS", "-"], "NVME_ERR_USAGE", "both the data and the JSON"],
  [["NS", "NS"], "NVME_ERR_USAGE", "both ends are the same"],
  [["/no/such/file", "NS"], "NVME_ERR_FILE_NOT_FOUND", "cannot open /no/such/file"],
  [["/", "NS"], "NVME_ERR_FILE", "it is a directory"],
  [["NS", "/"], "NVME_ERR_FILE", "it is a directory"],
  [["NS", "x", "--offset", "1G"], "NVME_ERR_OUT_OF_RANGE", "is beyond"],
  [["-", "NS"], "NVME_ERR_CONFIRMATION", "nobody agreed"],
])("cp %j is refused: %s", async (ends, code, message) => {
  const args = ends.map((end) => (end === "NS" ? target.namespace(1) : end));
  const error = await failure(["cp", ...args]);
  expect(error.code).toBe(code);
  expect(error.message).toContain(message);
});

test("progress as JSON stands on stderr, one object a line", async () => {
  const source = fileOf(random(wholeBytes));
  const args = ["cp", source, target.namespace(1), "--yes", "--progress", "json", "--silent"];
  const { stderr, stdout } = await nvmeof(args);
  const last = JSON.parse(stderr.trim().split("\n").at(-1) ?? "") as object;
  expect(last).toMatchObject({ event: "end", label: "writing", bytes: wholeBytes });
  expect(stdout).toBe("");
});

test("when the reader of a pipe goes, cp ends without a word", async () => {
  const closed = Object.assign(new Error("write EPIPE"), { code: "EPIPE" });
  const stdout = new Kept();
  stdout._write = (_chunk, _encoding, done: (error?: Error) => void) => done(closed);
  const run = start(["cp", target.namespace(1), "-"], { stdout });
  expect(await run.ended).toBe(0);
  expect(run.stderr.text).toBe("");
});

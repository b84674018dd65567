// The block commands that are sent as they are, the passthru commands, and what read and write have of
// nvme-cli's options: against a target in this process, over TCP.

import { writeFileSync } from "node:fs";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { failure, freshPath, nvmeof, nvmeofJson } from "../testing/run.ts";
import { type TestTarget, testTarget } from "../testing/target.ts";

const BLOCK = 512;
/** Two commands of 1 MiB, which is the most that the target takes. */
const BLOCKS = 4096;

let target: TestTarget;
let uri: string;
beforeAll(async () => {
  target = await testTarget([{ blockCount: BLOCKS }]);
  uri = target.namespace(1);
});
afterAll(() => target.served.close());

/** Block n is full of n. */
const content = Buffer.from(Array.from({ length: 16 * BLOCK }, (_, i) => Math.floor(i / BLOCK)));

beforeEach(async () => {
  await nvmeof(["write", uri, "--yes"], { stdin: content });
});

const blocks = async (lba: number, count: number): Promise<Buffer> => {
  const args = ["read", uri, "--start-block", String(lba), "--blocks", String(count)];
  return (await nvmeof(args)).bytes;
};
/** What the first byte of each block is. */
const marks = async (lba: number, count: number): Promise<number[]> => {
  const bytes = await blocks(lba, count);
  return Array.from({ length: count }, (_, i) => bytes[i * BLOCK]!);
};
const data = async (...args: string[]): Promise<unknown> => (await nvmeofJson(args)).data;

describe("compare", () => {
  test("says that blocks are the same", async () => {
    const same = await nvmeof(["compare", uri], { stdin: content });
    expect(same).toMatchObject({ exitCode: 0, stdout: "", stderr: "16 blocks are the same\n" });
    const part = await nvmeofJson(["compare", uri, "--start-block", "3", "--blocks", "2"], {
      stdin: content.subarray(3 * BLOCK, 5 * BLOCK),
    });
    expect(part).toMatchObject({ exitCode: 0, data: { startBlock: 3, blocks: 2 } });
  });

  test("ends with 10 where they differ", async () => {
    const error = await failure(["compare", uri, "--start-block", "1"], { stdin: content });
    expect(error).toMatchObject({
      code: "NVME_ERR_MISMATCH",
      message: "namespace 1: 16 blocks from 1 on differ from the data",
      exitCode: 10,
    });
  });

  test("compares more than one command can, and says which part differs", async () => {
    const file = freshPath("data");
    const whole = Buffer.concat([content, Buffer.alloc((BLOCKS - 16) * BLOCK)]);
    writeFileSync(file, whole);
    expect(await data("compare", uri, "-d", file)).toMatchObject({ blocks: BLOCKS, commands: 2 });
    writeFileSync(file, whole.fill(1, whole.length - BLOCK));
    const error = await failure(["compare", uri, "-d", file]);
    expect(error.message).toBe("namespace 1: 2048 blocks from 2048 on differ from the data");
  });

  test("refuses what does not fit", async () => {
    const short = await failure(["compare", uri, "--blocks", "2"], { stdin: Buffer.alloc(BLOCK) });
    expect(short).toMatchObject({ exitCode: 2 });
    const beyond = ["compare", uri, "--start-block", String(BLOCKS - 1)];
    expect(await failure(beyond, { stdin: Buffer.alloc(2 * BLOCK) })).toMatchObject({
      code: "NVME_ERR_OUT_OF_RANGE",
    });
  });
});

describe("what changes blocks", () => {
  test("write-zeroes", async () => {
    const args = ["write-zeroes", uri, "--start-block", "2", "--blocks", "3"];
    expect(await failure(args)).toMatchObject({ code: "NVME_ERR_CONFIRMATION" });
    expect(await marks(0, 6)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(await data(...args, "--yes")).toMatchObject({ nsid: 1, commands: 1 });
    expect(await marks(0, 6)).toEqual([0, 1, 0, 0, 0, 5]);
    expect((await nvmeof([...args, "--deac", "--yes"])).exitCode).toBe(0);
  });

  test("dsm deallocates ranges, and without --ad leaves them", async () => {
    const args = ["dsm", uri, "--slbs", "1,5", "--blocks", "2,1", "--yes"];
    expect(await data(...args, "--idw")).toMatchObject({ commands: 1 });
    expect(await marks(0, 7)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    const { stderr } = await nvmeof([...args, "--ad"]);
    expect(stderr).toBe("3 blocks in 2 ranges\n");
    expect(await marks(0, 7)).toEqual([0, 0, 0, 3, 4, 0, 6]);
  });

  test("copy takes ranges one after another", async () => {
    const args = ["copy", uri, "--sdlba", "100", "--slbs", "8,2", "--blocks", "2,3"];
    expect(await failure(args)).toMatchObject({ code: "NVME_ERR_CONFIRMATION" });
    expect((await nvmeof([...args, "--yes"])).stderr).toBe("5 blocks are copied\n");
    expect(await marks(100, 5)).toEqual([8, 9, 2, 3, 4]);
    const json = await nvmeofJson([...args, "--yes"]);
    expect(json).toMatchObject({ exitCode: 0, schema: "nvmeof/copy" });
  });

  test.each([
    [["dsm", "--ad", "--slbs", "1,5", "--blocks", "2"], { exitCode: 2 }],
    [["dsm", "--ad", "--slbs", "1", "--blocks", "0"], { exitCode: 2 }],
    [["dsm", "--ad", "--slbs", String(BLOCKS), "--blocks", "1"], { exitCode: 2 }],
    [["copy", "--sdlba", "0", "--slbs", "1,2", "--blocks", "1"], { exitCode: 2 }],
    [["copy", "--sdlba", String(BLOCKS - 1), "--slbs", "1", "--blocks", "2"], { exitCode: 2 }],
    [["write-zeroes", "--start-block", "9e9"], { exitCode: 2 }],
    [
      ["write-zeroes", "--block-count", "7"],
      { exitCode: 2, hint: "Use --blocks, where 1 is one block." },
    ],
    // Our target has no such command, and says so.
    [["write-uncor", "--start-block", "0"], { exitCode: 8, nvme: { sct: 0, sc: 1 } }],
  ])("%j is refused", async ([name = "", ...args], expected) => {
    expect(await failure([name, uri, ...args, "--yes"])).toMatchObject(expected);
  });
});

test("flush and verify change nothing", async () => {
  expect((await nvmeof(["flush", uri])).stderr).toBe("namespace 1 is flushed\n");
  expect(await data("flush", uri)).toMatchObject({ nsid: 1, commands: 1 });
  const whole = ["verify", uri, "--blocks", String(BLOCKS)];
  expect((await nvmeof(whole)).stderr).toBe(`${BLOCKS} blocks can be read\n`);
  expect(await marks(0, 3)).toEqual([0, 1, 2]);
});

describe("to see a command", () => {
  test("--dry-run prints it, and sends nothing", async () => {
    const { stdout } = await nvmeof(["write-zeroes", uri, "--start-block", "5", "--dry-run"]);
    expect(stdout).toMatch(/^opcode {7}: 08$/m);
    expect(stdout).toMatch(/^cdw10 {8}: 00000005$/m);
    expect(await marks(5, 1)).toEqual([5]);
    const flags = ["--force-unit-access", "--limited-retry", "--prinfo", "3"];
    const read = await nvmeofJson(["read", uri, "--dry-run", ...flags]);
    expect(read.data).toMatchObject({
      dryRun: [{ opcode: 2, cdw12: 0xcc00_0000, data_len: BLOCK }],
    });
    const write = await nvmeofJson(["write", uri, "--dry-run"], { stdin: Buffer.alloc(BLOCK) });
    expect(write.data).toMatchObject({ dryRun: [{ opcode: 1, data_len: BLOCK }] });
    expect(await marks(1, 1)).toEqual([1]);
  });

  test("--show-command prints it on stderr, --latency what it took", async () => {
    const flushed = await nvmeof(["flush", uri, "--show-command", "--latency"]);
    expect(flushed.stderr).toMatch(/^opcode {7}: 00$/m);
    expect(flushed.stdout).toMatch(/^latency: \d+ us\n$/);
    const read = await nvmeofJson(["read", uri, "--latency"]);
    expect(read.data).toMatchObject({ latencyMs: expect.any(Number) as number });
  });

  test("flags are sent, and read and write do what they do without them", async () => {
    const written = await nvmeof(["write", uri, "--force-unit-access", "--yes"], {
      stdin: Buffer.alloc(BLOCK, 77),
    });
    expect(written.exitCode).toBe(0);
    const { bytes } = await nvmeof(["read", uri, "--limited-retry"]);
    expect(bytes).toEqual(Buffer.alloc(BLOCK, 77));
  });
});

describe("passthru", () => {
  test("an admin command with data from the controller", async () => {
    const args = ["--opcode", "6", "--cdw10", "1", "--data-len", "4096", "--read"];
    const { stdout } = await nvmeof(["admin-passthru", target.uri, ...args]);
    expect(stdout).toMatch(/^result: 0x00000000\n00000000 {2}/);
    const { bytes } = await nvmeof(["admin-passthru", target.uri, ...args, "-b"]);
    const same = await nvmeof(["id-ctrl", target.uri, "-b"]);
    // What follows is of the controller, and each command has its own.
    expect(bytes.subarray(0, 78)).toEqual(same.bytes.subarray(0, 78));
    expect(bytes).toHaveLength(4096);
  });

  test("an I/O command in both directions, through a file", async () => {
    const file = freshPath("block");
    writeFileSync(file, Buffer.alloc(BLOCK, 0x5a));
    const at = ["--cdw10", "40", "--data-len", String(BLOCK), "-n", "1"];
    const write = ["io-passthru", target.uri, "--opcode", "1", "--input-file", file, "-w", ...at];
    expect(await failure(write)).toMatchObject({ code: "NVME_ERR_CONFIRMATION" });
    expect((await nvmeof([...write, "--yes"])).exitCode).toBe(0);
    expect(await blocks(40, 1)).toEqual(Buffer.alloc(BLOCK, 0x5a));
    const read = ["io-passthru", target.uri, "--opcode", "2", "-r", ...at];
    expect((await nvmeof([...read, "-b"])).bytes).toEqual(Buffer.alloc(BLOCK, 0x5a));
  });

  test("the status of the controller is the answer", async () => {
    const args = ["io-passthru", target.uri, "--opcode", "0x7e", "-n", "1", "--yes"];
    expect(await failure(args)).toMatchObject({ exitCode: 8, nvme: { sct: 0, sc: 1 } });
    expect(await failure(["admin-passthru", target.uri])).toMatchObject({ exitCode: 2 });
  });

  test("--dry-run prints the dwords", async () => {
    const args = ["--opcode", "0xc0", "--cdw2", "1", "--cdw15", "0xf", "--dry-run"];
    const { data: shown } = await nvmeofJson(["admin-passthru", target.uri, ...args]);
    expect(shown).toMatchObject({ dryRun: [{ opcode: 0xc0, cdw2: 1, cdw15: 15 }] });
  });
});

// Tests of file devices: over real files, and over a disk that does less than it was asked, or fails.

import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Status } from "@nvmeof/codec";
import { afterAll, describe, expect, test } from "vitest";
import {
  type BlockChannel,
  type BlockDevice,
  BlockOp,
  type BlockRequest,
} from "../block-device.ts";
import { type BlockDeviceHarness, blockDeviceConformance } from "../conformance/index.ts";
import type { BlockError } from "../errors.ts";
import { FileDevice, openFileDevice } from "./file.ts";
import type { FileIo } from "./file-task.ts";
import { FileDeviceError } from "./index.ts";

const folder = fs.mkdtempSync(join(tmpdir(), "nvmeof-file-"));
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

let files = 0;
const freshPath = (): string => join(folder, `disk-${files++}.img`);

/** Gives way to the file system. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** How a request ended, as a value. */
async function settled(
  channel: BlockChannel,
  op: BlockOp,
  lba: number,
  blockCount: number,
  data?: Uint8Array,
  fua = false,
): Promise<BlockError | undefined> {
  const request: BlockRequest = { op, lba, blockCount, data, fua };
  return new Promise((resolve) => {
    channel.submit(request, (error) => resolve(error as BlockError | undefined));
  });
}

const bytes = (count: number, seed = 0): Uint8Array =>
  Uint8Array.from({ length: count }, (_, i) => (i * 31 + seed * 7 + (i >> 9)) & 0xff);

const fileHarness = (sizeBytes: number, blockBytes: number): BlockDeviceHarness => ({
  make: () => openFileDevice(freshPath(), { blockBytes, sizeBytes }),
  turn,
});

blockDeviceConformance("file", fileHarness(1 << 20, 512), test);
blockDeviceConformance("file, 4 KiB blocks", fileHarness(1 << 20, 4096), test);
blockDeviceConformance(
  "file, read-only",
  {
    async make() {
      const path = freshPath();
      fs.writeFileSync(path, bytes(65_536));
      return openFileDevice(path, { readOnly: true });
    },
    turn,
  },
  test,
);

describe("opening", () => {
  const refused = async (promise: Promise<BlockDevice>): Promise<FileDeviceError> => {
    const error: unknown = await promise.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(FileDeviceError);
    return error as FileDeviceError;
  };

  test("a new file gets the size asked for and takes no room", async () => {
    const path = freshPath();
    const device = await openFileDevice(path, { sizeBytes: 1 << 30, blockBytes: 4096 });
    expect(device).toMatchObject({ name: path, blockBytes: 4096, blockCount: 262_144 });
    await device.close();
    const { size, blocks } = fs.statSync(path);
    expect(size).toBe(1 << 30);
    expect(blocks * 512).toBeLessThan(65_536);
  });

  test("an existing file keeps its size and its data", async () => {
    const path = freshPath();
    fs.writeFileSync(path, bytes(4096));
    const device = await openFileDevice(path, { name: "disk", sizeBytes: 4096 });
    expect(device).toMatchObject({ name: "disk", blockCount: 8 });
    const data = new Uint8Array(4096);
    expect(await settled(device.openChannel(), BlockOp.Read, 0, 8, data)).toBeUndefined();
    expect(data).toEqual(bytes(4096));
    await device.close();
  });

  test("an existing file of another size is refused and left alone", async () => {
    const path = freshPath();
    fs.writeFileSync(path, bytes(4096));
    const error = await refused(openFileDevice(path, { sizeBytes: 8192 }));
    expect(error.message).toContain("exists with 4096 bytes, not 8192");
    expect(fs.readFileSync(path)).toHaveLength(4096);
  });

  test("a file that is not a whole number of blocks is refused and left alone", async () => {
    const path = freshPath();
    fs.writeFileSync(path, bytes(1000));
    const error = await refused(openFileDevice(path));
    expect(error.message).toContain("1000 bytes: 488 more than a multiple of 512");
    expect(error).toMatchObject({
      code: "NVME_ERR_FILE",
      hint: expect.stringContaining("truncate"),
    });
    expect(fs.readFileSync(path)).toHaveLength(1000);
  });

  test("an empty file is refused, since no device has no blocks", async () => {
    const path = freshPath();
    fs.writeFileSync(path, "");
    expect((await refused(openFileDevice(path))).message).toContain("is empty");
  });

  test("a missing file is refused without a size, and when it may not be written", async () => {
    const path = freshPath();
    expect((await refused(openFileDevice(path))).hint).toBe("Give sizeBytes to create it.");
    await refused(openFileDevice(path, { readOnly: true, sizeBytes: 4096 }));
    expect(fs.existsSync(path)).toBe(false);
  });

  test("a directory is refused, for writing and for reading", async () => {
    for (const readOnly of [false, true]) {
      const error = await refused(openFileDevice(folder, { readOnly }));
      expect(error.message).toBe(`${folder} is a directory`);
    }
  });

  test.runIf(process.platform !== "win32")("a pipe is refused without waiting for it", async () => {
    const path = freshPath();
    execFileSync("mkfifo", [path]);
    const error = await refused(openFileDevice(path, { readOnly: true }));
    expect(error.message).toContain("not a regular file");
  });

  test("sizes that no device can have are refused, and leave no file behind", async () => {
    const path = freshPath();
    await expect(openFileDevice(path, { sizeBytes: 1000 })).rejects.toThrow(RangeError);
    await expect(openFileDevice(path, { sizeBytes: 300, blockBytes: 100 })).rejects.toThrow(
      RangeError,
    );
    await expect(openFileDevice(path, { sizeBytes: 0 })).rejects.toThrow(RangeError);
    expect(fs.existsSync(path)).toBe(false);
  });
});

describe("a real file", () => {
  test("holds what was written when the device is closed", async () => {
    const path = freshPath();
    const device = await openFileDevice(path, { sizeBytes: 65_536 });
    const channel = device.openChannel();
    expect(await settled(channel, BlockOp.Write, 3, 2, bytes(1024, 1), true)).toBeUndefined();
    expect(await settled(channel, BlockOp.Flush, 0, 0)).toBeUndefined();
    await device.close();
    const file = fs.readFileSync(path);
    expect(file.subarray(1536, 2560)).toEqual(Buffer.from(bytes(1024, 1)));
    expect(file.subarray(2560).every((byte) => byte === 0)).toBe(true);
  });

  test("is zeroed over many pieces, and its holes stay holes", async () => {
    const path = freshPath();
    const sizeBytes = 8 << 20;
    const device = await openFileDevice(path, { sizeBytes });
    const channel = device.openChannel();
    await settled(channel, BlockOp.Write, 1000, 16, bytes(8192).fill(0xff));
    const blockCount = sizeBytes / 512;
    expect(await settled(channel, BlockOp.WriteZeroes, 1, blockCount - 1)).toBeUndefined();
    const data = bytes(8192);
    await settled(channel, BlockOp.Read, 1000, 16, data);
    expect(data.every((byte) => byte === 0)).toBe(true);
    expect(await settled(channel, BlockOp.Deallocate, 0, blockCount)).toBeUndefined();
    expect(await settled(channel, BlockOp.Verify, 0, blockCount)).toBeUndefined();
    await device.close();
    expect(fs.statSync(path).blocks * 512).toBeLessThan(1 << 20);
  });

  test("that somebody shortened fails with a media error, and no zeroes are made up", async () => {
    const path = freshPath();
    const device = await openFileDevice(path, { sizeBytes: 65_536 });
    const channel = device.openChannel();
    fs.truncateSync(path, 1024);
    for (const op of [BlockOp.Read, BlockOp.Compare, BlockOp.Verify, BlockOp.WriteZeroes]) {
      const error = await settled(channel, op, 1, 2, bytes(1024));
      expect(error).toMatchObject({ code: "NVME_ERR_MEDIA", outcome: "failed" });
      expect(error?.message).toContain("ends before byte 1536");
    }
    await device.close();
  });

  test("keeps 128 requests in flight apart", async () => {
    const device = await openFileDevice(freshPath(), { sizeBytes: 1 << 20 });
    const channel = device.openChannel();
    const lbas = Array.from({ length: 128 }, (_, i) => i * 8);
    const write = (lba: number) => settled(channel, BlockOp.Write, lba, 8, bytes(4096, lba));
    expect((await Promise.all(lbas.map(write))).every((error) => error === undefined)).toBe(true);
    const compare = (lba: number) => settled(channel, BlockOp.Compare, lba, 8, bytes(4096, lba));
    expect((await Promise.all(lbas.map(compare))).every((error) => error === undefined)).toBe(true);
    await device.close();
  });
});

/** A disk in memory that moves at most `stepBytes` at once and fails as told. */
class ReluctantDisk implements FileIo {
  readonly bytes: Uint8Array;
  readonly calls: string[] = [];
  stepBytes = 100;
  failures: Record<string, string | undefined> = {};

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
  }

  #error(call: string): Error | null {
    this.calls.push(call);
    const code = this.failures[call];
    return code === undefined ? null : Object.assign(new Error(`${code}: no`), { code });
  }

  read: FileIo["read"] = (_fd, into, at, count, position, done) => {
    const error = this.#error("read");
    const moved = Math.min(count, this.stepBytes, this.bytes.length - position);
    if (error === null) into.set(this.bytes.subarray(position, position + moved), at);
    queueMicrotask(() => done(error, moved));
  };

  write: FileIo["write"] = (_fd, from, at, count, position, done) => {
    const error = this.#error("write");
    const moved = Math.min(count, this.stepBytes);
    if (error === null) this.bytes.set(from.subarray(at, at + moved), position);
    queueMicrotask(() => done(error, moved));
  };

  fdatasync: FileIo["fdatasync"] = (_fd, done) => {
    const error = this.#error("fdatasync");
    queueMicrotask(() => done(error));
  };

  close: FileIo["close"] = (_fd, done) => {
    const error = this.#error("close");
    queueMicrotask(() => done(error));
  };
}

describe("a disk that is not as it should be", () => {
  const open = (disk = new ReluctantDisk(65_536)) => {
    const device = new FileDevice("disk", -1, disk, disk.bytes.length, {});
    return { disk, device, channel: device.openChannel() };
  };

  test("moves a little at a time, and all of it is moved", async () => {
    const { channel, disk } = open();
    expect(await settled(channel, BlockOp.Write, 1, 3, bytes(1536))).toBeUndefined();
    expect(disk.bytes.subarray(512, 2048)).toEqual(bytes(1536));
    const data = new Uint8Array(1536);
    expect(await settled(channel, BlockOp.Read, 1, 3, data)).toBeUndefined();
    expect(data).toEqual(bytes(1536));
    expect(await settled(channel, BlockOp.Compare, 1, 3, bytes(1536))).toBeUndefined();
    expect((await settled(channel, BlockOp.Compare, 2, 3, bytes(1536)))?.status).toBe(
      Status.CompareFailure,
    );
    expect(await settled(channel, BlockOp.WriteZeroes, 2, 1, undefined)).toBeUndefined();
    const zeroed = bytes(1536).fill(0, 512, 1024);
    expect(disk.bytes.subarray(512, 2048)).toEqual(zeroed);
  });

  test("syncs before a write through the cache settles, and not otherwise", async () => {
    const { channel, disk } = open();
    await settled(channel, BlockOp.Write, 0, 1, bytes(512));
    await settled(channel, BlockOp.WriteZeroes, 0, 1);
    await settled(channel, BlockOp.Deallocate, 0, 1);
    expect(disk.calls).not.toContain("fdatasync");
    await settled(channel, BlockOp.Write, 0, 1, bytes(512), true);
    expect(disk.calls.at(-1)).toBe("fdatasync");
    await settled(channel, BlockOp.WriteZeroes, 0, 1, undefined, true);
    expect(disk.calls.filter((call) => call === "fdatasync")).toHaveLength(2);
  });

  const failures: [call: string, code: string, op: BlockOp, name: string, status: number][] = [
    ["write", "ENOSPC", BlockOp.Write, "NVME_ERR_CAPACITY", Status.CapacityExceeded],
    ["write", "EDQUOT", BlockOp.Write, "NVME_ERR_CAPACITY", Status.CapacityExceeded],
    ["write", "EROFS", BlockOp.Write, "NVME_ERR_READ_ONLY", Status.NamespaceWriteProtected],
    ["write", "EACCES", BlockOp.Write, "NVME_ERR_READ_ONLY", Status.NamespaceWriteProtected],
    ["write", "EIO", BlockOp.Write, "NVME_ERR_MEDIA", Status.WriteFault],
    ["write", "EIO", BlockOp.WriteZeroes, "NVME_ERR_MEDIA", Status.WriteFault],
    ["read", "EIO", BlockOp.Read, "NVME_ERR_MEDIA", Status.UnrecoveredReadError],
    ["read", "EIO", BlockOp.Compare, "NVME_ERR_MEDIA", Status.UnrecoveredReadError],
    ["read", "EIO", BlockOp.Verify, "NVME_ERR_MEDIA", Status.UnrecoveredReadError],
    ["read", "EIO", BlockOp.Deallocate, "NVME_ERR_MEDIA", Status.WriteFault],
    ["fdatasync", "EIO", BlockOp.Flush, "NVME_ERR_MEDIA", Status.WriteFault],
    ["fdatasync", "ENOSPC", BlockOp.Flush, "NVME_ERR_CAPACITY", Status.CapacityExceeded],
  ];
  test.each(failures)("F110: %s fails with %s", async (call, code, op, name, status) => {
    const { channel, disk } = open();
    disk.bytes.fill(1);
    disk.failures = { [call]: code };
    const error = await settled(channel, op, 0, 1, bytes(512).fill(1));
    expect(error).toMatchObject({ code: name, status, outcome: "failed" });
    expect(error?.cause).toMatchObject({ code });
    expect(channel.inflight).toBe(0);
    // The task is used again, and nothing of the failure sticks to it.
    disk.failures = {};
    expect(await settled(channel, BlockOp.Read, 0, 1, bytes(512))).toBeUndefined();
  });

  test("a write that moves nothing fails, and does not go on for ever", async () => {
    const { channel, disk } = open();
    disk.bytes.fill(1);
    disk.stepBytes = 0;
    expect((await settled(channel, BlockOp.Write, 0, 1, bytes(512)))?.code).toBe("NVME_ERR_MEDIA");
    disk.stepBytes = 512;
    const read = disk.read;
    disk.read = (...args) => {
      read(...args);
      disk.stepBytes = 0;
    };
    const error = await settled(channel, BlockOp.WriteZeroes, 0, 1);
    expect(error?.code).toBe("NVME_ERR_MEDIA");
  });

  test("F110: a sync that failed once fails for good: what it owed may be gone", async () => {
    const { channel, disk, device } = open();
    disk.failures = { fdatasync: "EIO" };
    expect((await settled(channel, BlockOp.Flush, 0, 0))?.code).toBe("NVME_ERR_MEDIA");
    disk.failures = {};
    expect((await settled(channel, BlockOp.Flush, 0, 0))?.code).toBe("NVME_ERR_MEDIA");
    expect((await settled(channel, BlockOp.Write, 0, 1, bytes(512), true))?.status).toBe(
      Status.WriteFault,
    );
    await expect(device.close()).rejects.toThrow("disk was not closed");
    expect(disk.calls.at(-1)).toBe("close");
  });

  test("a device that cannot be closed says so, and once only", async () => {
    const { disk, device } = open();
    disk.failures = { close: "EIO" };
    await expect(device.close()).rejects.toThrow(FileDeviceError);
    await expect(device.close()).rejects.toThrow(FileDeviceError);
    expect(disk.calls).toEqual(["fdatasync", "close"]);
  });
});

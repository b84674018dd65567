// Conformance: what happens to the blocks.
// Read first: harness.ts.

import { Status } from "@nvmeof/codec";
import { BlockOp, type BlockRequest } from "../block-device.ts";
import {
  type BlockDeviceCase,
  type Subject,
  blockDeviceCase,
  check,
  sameBytes,
  succeeded,
} from "./harness.ts";

const canWrite = (subject: Subject): boolean => !subject.device.features.readOnly;

/** Where the cases work: a multiple of every sensible boundary would be too far in. */
const BASE = 8;

/** Writes known guards around `blockCount` blocks at BASE, runs `act`, and checks the guards. */
async function between(
  subject: Subject,
  blockCount: number,
  act: () => Promise<void>,
): Promise<void> {
  const before = subject.pattern(1, 1);
  const after = subject.pattern(2, 1);
  await subject.write(BASE - 1, before);
  await subject.write(BASE + blockCount, after);
  await act();
  sameBytes(await subject.read(BASE - 1, 1), before, "the block before");
  sameBytes(await subject.read(BASE + blockCount, 1), after, "the block after");
}

const writeCases: readonly BlockDeviceCase[] = [
  blockDeviceCase("reads what was written, and leaves the neighbours alone", async (subject) => {
    if (!canWrite(subject)) return;
    for (const wanted of [1, 2, 3, 8]) {
      const blockCount = subject.transferBlocks(wanted);
      await between(subject, blockCount, async () => {
        const data = subject.pattern(wanted, blockCount);
        await subject.write(BASE, data);
        sameBytes(await subject.read(BASE, blockCount), data, `${blockCount} blocks`);
      });
    }
  }),
  blockDeviceCase("does not change the data of a write", async (subject) => {
    if (!canWrite(subject)) return;
    const data = subject.pattern(9, 1);
    await subject.write(BASE, data);
    sameBytes(data, subject.pattern(9, 1), "the buffer that was written");
  }),
  blockDeviceCase("reads and writes through views into larger buffers", async (subject) => {
    if (!canWrite(subject)) return;
    const { blockBytes } = subject.device;
    // An odd offset: nothing may assume aligned memory.
    const whole = new Uint8Array(blockBytes + 16).fill(0x77);
    whole.set(subject.pattern(3, 1), 5);
    await subject.write(BASE, whole.subarray(5, 5 + blockBytes));
    const into = new Uint8Array(blockBytes + 16).fill(0x77);
    const view = into.subarray(5, 5 + blockBytes);
    await subject.do(subject.request(BlockOp.Read, BASE, 1, view));
    sameBytes(into, whole, "the view and what lies around it");
  }),
  blockDeviceCase("reads and writes the first block and the last", async (subject) => {
    if (!canWrite(subject)) return;
    const last = subject.device.blockCount - 1;
    await subject.write(0, subject.pattern(4, 1));
    await subject.write(last, subject.pattern(5, 1));
    sameBytes(await subject.read(0, 1), subject.pattern(4, 1), "the first block");
    sameBytes(await subject.read(last, 1), subject.pattern(5, 1), "the last block");
  }),
  blockDeviceCase("shows one channel what another has written", async (subject) => {
    if (!canWrite(subject)) return;
    const other = subject.device.openChannel();
    await subject.write(BASE, subject.pattern(6, 1));
    const data = subject.dirty(1);
    await subject.do(subject.request(BlockOp.Read, BASE, 1, data), other);
    sameBytes(data, subject.pattern(6, 1), "the block");
    other.close();
  }),
  blockDeviceCase("keeps many requests in flight apart", async (subject) => {
    if (!canWrite(subject)) return;
    const depth = Math.min(32, subject.device.limits.inflightMax);
    const lbas = Array.from({ length: depth }, (_, i) => (i * 37) % 64);
    const writes = lbas.map((lba) =>
      subject.submit(subject.request(BlockOp.Write, lba, 1, subject.pattern(lba, 1))),
    );
    await subject.settle(writes);
    const reads = lbas.map((lba) =>
      subject.submit(subject.request(BlockOp.Read, lba, 1, subject.dirty(1))),
    );
    await subject.settle(reads);
    for (const attempt of [...writes, ...reads]) succeeded(attempt);
    for (const { request } of reads) {
      sameBytes(request.data!, subject.pattern(request.lba, 1), `block ${request.lba}`);
    }
  }),
];

const otherCases: readonly BlockDeviceCase[] = [
  blockDeviceCase("reads zeroes where zeroes were written, and only there", async (subject) => {
    if (!canWrite(subject) || !subject.device.features.writeZeroes) return;
    const blockCount = subject.transferBlocks(4);
    await between(subject, blockCount, async () => {
      await subject.write(BASE, subject.pattern(7, blockCount));
      await subject.do(subject.request(BlockOp.WriteZeroes, BASE, blockCount));
      const zeroes = new Uint8Array(blockCount * subject.device.blockBytes);
      sameBytes(await subject.read(BASE, blockCount), zeroes, "the zeroed blocks");
    });
  }),
  blockDeviceCase("deallocates blocks, and only those", async (subject) => {
    if (!canWrite(subject) || !subject.device.features.deallocate) return;
    const blockCount = subject.transferBlocks(4);
    await between(subject, blockCount, async () => {
      await subject.write(BASE, subject.pattern(7, blockCount));
      await subject.do(subject.request(BlockOp.Deallocate, BASE, blockCount));
      await subject.write(BASE, subject.pattern(8, blockCount));
      const got = await subject.read(BASE, blockCount);
      sameBytes(got, subject.pattern(8, blockCount), "blocks written after they were deallocated");
    });
  }),
  blockDeviceCase(
    "says that blocks are not allocated only if they read as zeroes",
    async (subject) => {
      const { device } = subject;
      if (!canWrite(subject) || device.extentAt === undefined) return;
      const blockCount = subject.transferBlocks(4);
      const data = subject.pattern(10, blockCount);
      await subject.write(BASE, data);
      for (let lba = BASE; lba < BASE + blockCount;) {
        const left = BASE + blockCount - lba;
        const extent = device.extentAt(lba, left);
        check(extent.blockCount >= 1 && extent.blockCount <= left, "an extent within the range");
        check(extent.isAllocated, "what was written is allocated");
        lba += extent.blockCount;
      }
      const last = device.blockCount - 1;
      if (device.extentAt(last, 1).isAllocated) return;
      const zeroes = new Uint8Array(device.blockBytes);
      sameBytes(await subject.read(last, 1), zeroes, "a block that is not allocated");
    },
  ),
  blockDeviceCase("has at hand what requests read and write", async (subject) => {
    const { atHand, blockBytes, blockCount } = subject.device;
    if (!canWrite(subject) || atHand === undefined) return;
    const whole = new Uint8Array(2 * blockBytes + 16).fill(0x77);
    await subject.write(BASE, subject.pattern(11, 2));
    check(atHand.has(BASE, 2), "blocks at hand");
    atHand.read(BASE, 2, whole, 5);
    sameBytes(whole.subarray(5, 5 + 2 * blockBytes), subject.pattern(11, 2), "blocks at hand");
    check(whole[4] === 0x77 && whole[5 + 2 * blockBytes] === 0x77, "no byte beside its place");
    await between(subject, 1, async () => {
      check(atHand.write(BASE, 1, whole, 5), "written at hand");
      sameBytes(await subject.read(BASE, 1), whole.subarray(5, 5 + blockBytes), "what was written");
    });
    check(!atHand.has(blockCount, 1), "none beyond the end");
    check(!atHand.write(blockCount, 1, whole, 0), "nothing written beyond the end");
  }),
  blockDeviceCase("compares, and says where data differs", async (subject) => {
    if (!canWrite(subject) || !subject.device.features.compare) return;
    const blockCount = subject.transferBlocks(2);
    const data = subject.pattern(8, blockCount);
    await subject.write(BASE, data);
    await subject.do(subject.request(BlockOp.Compare, BASE, blockCount, data));
    const other = data.slice();
    other[other.length - 1]! ^= 1;
    const differs = subject.request(BlockOp.Compare, BASE, blockCount, other);
    await subject.refused(differs, Status.CompareFailure);
    sameBytes(await subject.read(BASE, blockCount), data, "the blocks that were compared");
  }),
  blockDeviceCase("flushes, and writes through its cache", async (subject) => {
    await subject.do(subject.request(BlockOp.Flush, 0, 0));
    if (!canWrite(subject)) return;
    const data = subject.pattern(9, 1);
    const write: BlockRequest = { op: BlockOp.Write, lba: BASE, blockCount: 1, data, fua: true };
    await subject.do(write);
    await subject.do(subject.request(BlockOp.Flush, 0, 0));
    sameBytes(await subject.read(BASE, 1), data, "the block");
  }),
  blockDeviceCase("verifies blocks without data", async (subject) => {
    if (!subject.device.features.verify) return;
    await subject.do(subject.request(BlockOp.Verify, 0, subject.device.blockCount > 8 ? 8 : 1));
  }),
  blockDeviceCase("gives request and data back when it settles", async (subject) => {
    if (!canWrite(subject)) return;
    const data = subject.pattern(0, 1);
    const request = subject.request(BlockOp.Write, 0, 1, data);
    const rounds = 50;
    const errors: unknown[] = [];
    let done = 0;
    // The same request and buffer over and over, each time submitted from within the settle before.
    const again = (): void => {
      if (attempt.error !== undefined) errors.push(attempt.error);
      done++;
      if (done >= rounds) return;
      request.lba = done;
      data.set(subject.pattern(done, 1));
      subject.channel.submit(request, attempt.settle);
    };
    const attempt = subject.submit(request);
    attempt.onSettled = again;
    await subject.until(() => done >= rounds, `${rounds} writes in a row`);
    check(errors.length === 0, `a write failed: ${String(errors[0])}`);
    for (const lba of [0, 1, rounds - 1]) {
      sameBytes(await subject.read(lba, 1), subject.pattern(lba, 1), `block ${lba}`);
    }
  }),
];

export const dataCases: readonly BlockDeviceCase[] = [...writeCases, ...otherCases];

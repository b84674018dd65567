// Conformance: what a device must refuse, and that refusing harms nothing.
// Read first: harness.ts.

import { Status } from "@nvmeof/codec";
import { BlockOp } from "../block-device.ts";
import { changesBlocks, movesData } from "../request-check.ts";
import {
  type BlockDeviceCase,
  type Subject,
  blockDeviceCase,
  check,
  failed,
  sameBytes,
  succeeded,
} from "./harness.ts";

/** The operations that a device does and that name blocks. */
function rangeOps(subject: Subject): BlockOp[] {
  const { readOnly, writeZeroes, deallocate, compare, verify } = subject.device.features;
  const ops: BlockOp[] = [BlockOp.Read, BlockOp.Write];
  if (writeZeroes) ops.push(BlockOp.WriteZeroes);
  if (deallocate) ops.push(BlockOp.Deallocate);
  if (compare) ops.push(BlockOp.Compare);
  if (verify) ops.push(BlockOp.Verify);
  return ops.filter((op) => !readOnly || !changesBlocks(op));
}

export const refusalCases: readonly BlockDeviceCase[] = [
  blockDeviceCase(
    "refuses what lies beyond its end, however large the numbers",
    async (subject) => {
      const { blockCount } = subject.device;
      const beyond: [lba: number, blockCount: number][] = [
        [blockCount, 1],
        [blockCount - 1, 2],
        [Number.MAX_SAFE_INTEGER, 1],
        [Number.MAX_SAFE_INTEGER - 1, 2],
        [2 ** 53, 1],
        [2 ** 32, 2],
        [-1, 1],
        [0.5, 1],
        [Number.NaN, 1],
      ];
      for (const op of rangeOps(subject)) {
        for (const [lba, count] of beyond) {
          const fits = Math.min(count, subject.transferBlocks(count));
          if (fits < count && movesData(op)) continue;
          const data = movesData(op) ? subject.dirty(count) : undefined;
          await subject.refused(subject.request(op, lba, count, data), Status.LbaOutOfRange);
        }
      }
    },
  ),
  blockDeviceCase("refuses counts whose sum with the address overflows", async (subject) => {
    for (const op of rangeOps(subject).filter((op) => !movesData(op))) {
      for (const lba of [0, 1, subject.device.blockCount - 1]) {
        const request = subject.request(op, lba, Number.MAX_SAFE_INTEGER);
        await subject.refused(request, Status.LbaOutOfRange);
      }
    }
  }),
  blockDeviceCase("refuses a range of no blocks", async (subject) => {
    for (const op of rangeOps(subject)) {
      const data = movesData(op) ? new Uint8Array(0) : undefined;
      await subject.refused(subject.request(op, 0, 0, data), Status.InvalidField);
    }
  }),
  blockDeviceCase("refuses data that is not the size of the blocks", async (subject) => {
    const { blockBytes } = subject.device;
    for (const op of rangeOps(subject).filter((op) => movesData(op))) {
      await subject.refused(subject.request(op, 0, 1), Status.InvalidField);
      for (const bytes of [0, blockBytes - 1, blockBytes + 1, 2 * blockBytes]) {
        const request = subject.request(op, 0, 1, new Uint8Array(bytes));
        await subject.refused(request, Status.InvalidField);
      }
    }
  }),
  blockDeviceCase("refuses transfers over its limit", async (subject) => {
    const { limits, blockCount } = subject.device;
    const tooMany = limits.transferBlocksMax + 1;
    // Nobody has to hold that much data for this; a device that small cannot be asked.
    if (tooMany > blockCount || tooMany * subject.device.blockBytes > 2 ** 26) return;
    const request = subject.request(BlockOp.Read, 0, tooMany, subject.dirty(tooMany));
    await subject.refused(request, Status.InvalidField);
  }),
  blockDeviceCase("refuses transfers across its boundary, and takes those up to it", async (s) => {
    const { boundaryBlocks } = s.device.limits;
    if (boundaryBlocks === 0 || boundaryBlocks >= s.device.blockCount) return;
    if (s.device.limits.transferBlocksMax > 1) {
      const across = s.request(BlockOp.Read, boundaryBlocks - 1, 2, s.dirty(2));
      await s.refused(across, Status.InvalidField);
    }
    await s.read(boundaryBlocks - 1, 1);
    await s.read(boundaryBlocks, 1);
  }),
  blockDeviceCase("refuses operations that it does not have", async (subject) => {
    const { features } = subject.device;
    const request = (op: number) =>
      subject.request(op as BlockOp, 0, 1, movesData(op as BlockOp) ? subject.dirty(1) : undefined);
    for (const op of [7, 255, -1]) await subject.refused(request(op), Status.InvalidOpcode);
    if (!features.compare) await subject.refused(request(BlockOp.Compare), Status.InvalidOpcode);
    if (!features.verify) await subject.refused(request(BlockOp.Verify), Status.InvalidOpcode);
    if (features.readOnly) return;
    if (!features.writeZeroes) {
      await subject.refused(request(BlockOp.WriteZeroes), Status.InvalidOpcode);
    }
    if (!features.deallocate) {
      await subject.refused(request(BlockOp.Deallocate), Status.InvalidOpcode);
    }
  }),
  blockDeviceCase("refuses to change blocks when it is read-only", async (subject) => {
    if (!subject.device.features.readOnly) return;
    const before = await subject.read(0, 1);
    for (const op of [BlockOp.Write, BlockOp.WriteZeroes, BlockOp.Deallocate]) {
      const data = movesData(op) ? subject.dirty(1) : undefined;
      await subject.refused(subject.request(op, 0, 1, data), Status.NamespaceWriteProtected);
    }
    sameBytes(await subject.read(0, 1), before, "a block of a read-only device");
  }),
  blockDeviceCase("changes nothing by what it refuses", async (subject) => {
    if (subject.device.features.readOnly) return;
    const last = subject.device.blockCount - 1;
    await subject.write(last, subject.pattern(1, 1));
    const straddles = subject.request(BlockOp.Write, last, 2, subject.dirty(2));
    if (subject.transferBlocks(2) === 2) await subject.refused(straddles, Status.LbaOutOfRange);
    const short = subject.request(BlockOp.Write, last, 1, subject.dirty(1).subarray(1));
    await subject.refused(short, Status.InvalidField);
    sameBytes(await subject.read(last, 1), subject.pattern(1, 1), "the last block");
  }),
  blockDeviceCase("takes as many requests as it says, refuses more, and recovers", async (s) => {
    const { inflightMax } = s.device.limits;
    if (inflightMax > 65_536) return;
    const data = s.dirty(1);
    const attempts = Array.from({ length: inflightMax }, () =>
      s.submit(s.request(BlockOp.Read, 0, 1, data)),
    );
    check(s.channel.inflight === inflightMax, `inflight is ${s.channel.inflight}`);
    const onTop = s.submit(s.request(BlockOp.Read, 0, 1, s.dirty(1)));
    await s.settle([...attempts, onTop]);
    for (const attempt of attempts) succeeded(attempt);
    failed(onTop, Status.CommandInterrupted);
    check(onTop.error?.outcome === "not-sent", "what found no room was not sent");
    check(s.channel.inflight === 0, `inflight is ${s.channel.inflight} with all settled`);
    await s.read(0, 1);
  }),
];

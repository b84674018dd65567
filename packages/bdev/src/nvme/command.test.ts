// Block requests as NVM commands: every operation, whole and in part.
// Read first: command.ts; NVM Command Set 1.0 §3.2.

import { DataDirection, DsmCommand, DsmRange, NvmOpcode, RwCommand, viewOf } from "@nvmeof/codec";
import { expect, test } from "vitest";
import { BlockOp, type BlockRequest } from "../block-device.ts";
import { dataOf, directionOfRequest, fillCommand, opcodeOf } from "./command.ts";

const sqeOf = (request: BlockRequest, lba = request.lba, blocks = request.blockCount): DataView => {
  const sqe = viewOf(new Uint8Array(64));
  fillCommand(sqe, request, lba, blocks);
  return sqe;
};

const request = (op: BlockOp, more: Partial<BlockRequest> = {}): BlockRequest => ({
  op,
  lba: 0x1_2345_6789,
  blockCount: 16,
  data: undefined,
  ...more,
});

test("each operation has an opcode and a direction", () => {
  expect(Object.values(BlockOp).map((op) => [opcodeOf[op], directionOfRequest(op)])).toEqual([
    [NvmOpcode.Read, DataDirection.ToHost],
    [NvmOpcode.Write, DataDirection.ToController],
    [NvmOpcode.Flush, DataDirection.None],
    [NvmOpcode.WriteZeroes, DataDirection.None],
    [NvmOpcode.DatasetManagement, DataDirection.ToController],
    [NvmOpcode.Compare, DataDirection.ToController],
    [NvmOpcode.Verify, DataDirection.None],
  ]);
});

test("a range is said in full, beyond 32 bits, and up to 65,536 blocks", () => {
  for (const op of [
    BlockOp.Read,
    BlockOp.Write,
    BlockOp.WriteZeroes,
    BlockOp.Compare,
    BlockOp.Verify,
  ]) {
    const sqe = sqeOf(request(op, { blockCount: 65_536 }));
    expect(RwCommand.slba.get(sqe, 0)).toBe(0x1_2345_6789);
    expect(RwCommand.nlb.get(sqe, 0)).toBe(65_536);
    expect(RwCommand.fua.get(sqe, 0)).toBe(0);
  }
  expect(RwCommand.fua.get(sqeOf(request(BlockOp.Write, { fua: true })), 0)).toBe(1);
});

test("a flush has no range, and a deallocation has it in its data", () => {
  const flush = sqeOf(request(BlockOp.Flush, { blockCount: 0 }), 5, 9);
  expect(new Uint8Array(flush.buffer).every((byte) => byte === 0)).toBe(true);
  const deallocate = request(BlockOp.Deallocate, { blockCount: 70_000 });
  const sqe = sqeOf(deallocate);
  expect([DsmCommand.nr.get(sqe, 0), DsmCommand.ad.get(sqe, 0)]).toEqual([1, 1]);
  const range = viewOf(dataOf(deallocate, 7, 70_000, 512)!);
  expect([DsmRange.slba.get(range, 0), DsmRange.nlb.get(range, 0)]).toEqual([7, 70_000]);
});

test("a part of a request says its part, and moves the data of that part only", () => {
  const data = Uint8Array.from({ length: 16 * 512 }, (_, at) => at >> 9);
  const write = request(BlockOp.Write, { data });
  const sqe = sqeOf(write, write.lba + 4, 8);
  expect(RwCommand.slba.get(sqe, 0)).toBe(write.lba + 4);
  expect(RwCommand.nlb.get(sqe, 0)).toBe(8);
  const part = dataOf(write, write.lba + 4, 8, 512)!;
  expect([part.length, part[0], part.at(-1)]).toEqual([8 * 512, 4, 11]);
  // The whole is passed on as it is: its owner's own array, for the sake of the hot path.
  expect(dataOf(write, write.lba, 16, 512)).toBe(data);
  expect(dataOf(request(BlockOp.WriteZeroes), 0, 4, 512)).toBeUndefined();
});

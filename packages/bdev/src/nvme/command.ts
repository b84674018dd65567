// A block request as an NVM command: the SQE that says it.
// Read first: NVM Command Set 1.0 §3.2 "NVM Command Set Commands".

import {
  DataDirection,
  DsmCommand,
  DsmRange,
  NvmOpcode,
  RwCommand,
  WriteZeroesCommand,
  encoded,
} from "@nvmeof/codec";
import { BlockOp, type BlockRequest } from "../block-device.ts";

/** Most blocks of a command: NLB has 16 bits. */
export const COMMAND_BLOCKS_MAX = 65_536;
/** Most blocks of a range of Dataset Management: its length has 32 bits. */
export const RANGE_BLOCKS_MAX = 0xffff_ffff;

/** Opcode of each block operation, by its number. */
export const opcodeOf: Readonly<Record<BlockOp, number>> = {
  [BlockOp.Read]: NvmOpcode.Read,
  [BlockOp.Write]: NvmOpcode.Write,
  [BlockOp.Flush]: NvmOpcode.Flush,
  [BlockOp.WriteZeroes]: NvmOpcode.WriteZeroes,
  [BlockOp.Deallocate]: NvmOpcode.DatasetManagement,
  [BlockOp.Compare]: NvmOpcode.Compare,
  [BlockOp.Verify]: NvmOpcode.Verify,
};

/** Where the data of each block operation goes, by its number. */
const directions: readonly DataDirection[] = [
  DataDirection.ToHost,
  DataDirection.ToController,
  DataDirection.None,
  DataDirection.None,
  DataDirection.ToController,
  DataDirection.ToController,
  DataDirection.None,
];

export const directionOfRequest = (op: BlockOp): DataDirection => directions[op]!;

/**
 * Fills in what is particular to `request`; opcode and NSID are there already. A command may stand for
 * a part of the request: `blockCount` blocks at `lba`.
 */
export function fillCommand(
  sqe: DataView,
  request: BlockRequest,
  lba: number,
  blockCount: number,
): void {
  const { op } = request;
  if (op === BlockOp.Flush) return;
  if (op === BlockOp.Deallocate) {
    DsmCommand.nr.set(sqe, 0, 1);
    DsmCommand.ad.set(sqe, 0, 1);
    return;
  }
  RwCommand.slba.set(sqe, 0, lba);
  RwCommand.nlb.set(sqe, 0, blockCount);
  if (request.fua === true) RwCommand.fua.set(sqe, 0, 1);
  // The blocks read as zeroes afterwards either way; deallocating them is cheaper for the target.
  if (op === BlockOp.WriteZeroes) WriteZeroesCommand.deac.set(sqe, 0, 1);
}

/** What the command moves: the request's data, or the range list of a Dataset Management. */
export function dataOf(
  request: BlockRequest,
  lba: number,
  blockCount: number,
  blockBytes: number,
): Uint8Array | undefined {
  const { data, op } = request;
  if (op === BlockOp.Deallocate) return encoded(DsmRange, { slba: lba, nlb: blockCount });
  if (data === undefined || blockCount === request.blockCount) return data;
  const from = (lba - request.lba) * blockBytes;
  return data.subarray(from, from + blockCount * blockBytes);
}

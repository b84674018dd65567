// What a request must look like: the one check that every block device makes before it does anything.
// Read first: block-device.ts; NVM Command Set 1.0 §3.2 for the statuses.

import { Status, statusOf, sctOf, scOf } from "@nvmeof/codec";
import { type BlockDevice, BlockOp, type BlockRequest } from "./block-device.ts";
import { BlockError } from "./errors.ts";

/** What the check has to know of a device. */
export type RequestTarget = Pick<
  BlockDevice,
  "name" | "blockBytes" | "blockCount" | "limits" | "features"
>;

/** Host Aborted Command with Do Not Retry: this handle will refuse the same request again. */
const CLOSED_STATUS = statusOf(sctOf(Status.HostAborted), scOf(Status.HostAborted), true);

/** The reason of refusals by a channel whose user closed it. */
export const CHANNEL_CLOSED = "its user closed the channel";

/** Name of an operation, for messages and statistics; "operation 9" where it is unknown. */
export function blockOpName(op: number): string {
  for (const [name, value] of Object.entries(BlockOp)) if (value === op) return name;
  return `operation ${op}`;
}

/** Whether an operation moves `data`: Read, Write and Compare do. */
export const movesData = (op: BlockOp): boolean =>
  op === BlockOp.Read || op === BlockOp.Write || op === BlockOp.Compare;

/** Whether an operation changes what blocks hold: Write, WriteZeroes and Deallocate do. */
export const changesBlocks = (op: BlockOp): boolean =>
  op === BlockOp.Write || op === BlockOp.WriteZeroes || op === BlockOp.Deallocate;

/**
 * The reason to refuse a request, or `undefined` if it may be done. Pure, and free of allocation
 * unless it refuses. Nothing of a refused request was done: its outcome is `not-sent`.
 *
 * `inflight` is the number of requests that the channel has not settled, this one not counted;
 * `closed` says why the channel takes none, if so. Fields that an operation does not use are not
 * looked at. The order of the checks is: closed, room, operation, size, range.
 */
export function checkRequest(
  request: BlockRequest,
  device: RequestTarget,
  inflight: number,
  closed: string | undefined,
): BlockError | undefined {
  if (closed !== undefined) return closedError(device.name, closed);
  if (inflight >= device.limits.inflightMax) {
    return refuse("queue-full", Status.CommandInterrupted, request, device, "too many in flight");
  }
  return (
    checkOperation(request, device) ??
    (request.op === BlockOp.Flush ? undefined : checkRange(request, device)) ??
    (movesData(request.op) ? checkData(request, device) : undefined)
  );
}

/** The error of a request to a channel or device that is closed. */
export const closedError = (name: string, reason: string): BlockError =>
  new BlockError("closed", CLOSED_STATUS, "not-sent", `${name} is closed: ${reason}`);

function checkOperation(request: BlockRequest, device: RequestTarget): BlockError | undefined {
  const { features } = device;
  const { op } = request;
  if (features.readOnly && changesBlocks(op)) {
    return refuse("read-only", Status.NamespaceWriteProtected, request, device, "it is read-only");
  }
  switch (op) {
    case BlockOp.Read:
    case BlockOp.Write:
    case BlockOp.Flush:
      return undefined;
    case BlockOp.WriteZeroes:
      return features.writeZeroes ? undefined : unsupported(request, device);
    case BlockOp.Deallocate:
      return features.deallocate ? undefined : unsupported(request, device);
    case BlockOp.Compare:
      return features.compare ? undefined : unsupported(request, device);
    case BlockOp.Verify:
      return features.verify ? undefined : unsupported(request, device);
    default:
      return unsupported(request, device);
  }
}

function checkRange(request: BlockRequest, device: RequestTarget): BlockError | undefined {
  const { lba, blockCount } = request;
  if (!Number.isSafeInteger(blockCount) || blockCount < 1) {
    return invalid(request, device, "the number of blocks must be 1 or more");
  }
  // Never the sum of both: it may not be exact.
  const isWithin =
    Number.isSafeInteger(lba) &&
    lba >= 0 &&
    blockCount <= device.blockCount &&
    lba <= device.blockCount - blockCount;
  if (isWithin) return undefined;
  const end = `it has ${device.blockCount} blocks`;
  return refuse("out-of-range", Status.LbaOutOfRange, request, device, end);
}

function checkData(request: BlockRequest, device: RequestTarget): BlockError | undefined {
  const { lba, blockCount, data } = request;
  const { transferBlocksMax, boundaryBlocks } = device.limits;
  if (blockCount > transferBlocksMax) {
    return invalid(request, device, `at most ${transferBlocksMax} blocks in one request`);
  }
  if (data === undefined || data.length !== blockCount * device.blockBytes) {
    const bytes = `${data?.length ?? "no"} bytes of data`;
    return invalid(request, device, `${bytes} for blocks of ${device.blockBytes}`);
  }
  // Modulo and not bits: neither is an LBA limited to 32 bits nor a boundary to powers of two.
  if (boundaryBlocks > 0 && (lba % boundaryBlocks) + blockCount > boundaryBlocks) {
    return invalid(request, device, `it crosses a multiple of ${boundaryBlocks} blocks`);
  }
  return undefined;
}

const invalid = (request: BlockRequest, device: RequestTarget, why: string): BlockError =>
  refuse("invalid-request", Status.InvalidField, request, device, why);

const unsupported = (request: BlockRequest, device: RequestTarget): BlockError =>
  refuse("invalid-request", Status.InvalidOpcode, request, device, "not supported");

function refuse(
  failure: ConstructorParameters<typeof BlockError>[0],
  status: number,
  request: BlockRequest,
  device: RequestTarget,
  why: string,
): BlockError {
  return new BlockError(failure, status, "not-sent", `${describe(request, device)}: ${why}`);
}

/** "Write of 8 blocks at 96 to mem0", for messages. */
function describe(request: BlockRequest, device: RequestTarget): string {
  const name = blockOpName(request.op);
  if (request.op === BlockOp.Flush) return `${name} of ${device.name}`;
  const blocks = request.blockCount === 1 ? "1 block" : `${request.blockCount} blocks`;
  return `${name} of ${blocks} at ${request.lba} of ${device.name}`;
}

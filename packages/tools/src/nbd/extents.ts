// Holes: what BLOCK_STATUS tells of them, and reads that need not send them.
// Read first: the NBD protocol, "base:allocation" and NBD_REPLY_TYPE_OFFSET_HOLE.

import { COPY_BYTES_MAX, type SendQueue } from "@nvmeof/transport";
import type { NbdExport } from "./export.ts";
import { CommandFlag, ExtentFlag } from "./protocol.ts";
import { replySimply, sendData, sendHole } from "./replies.ts";
import type { NbdRequest } from "./request.ts";

/** A read is cut into at most so many chunks; the rest is sent as data. */
const CHUNKS_MAX = 64;

/** Where the extent that byte `at` lies in ends, at most `end`, and whether it is allocated. */
function extentAt(to: NbdExport, at: number, end: number) {
  const { blockBytes, device } = to;
  const lba = Math.floor(at / blockBytes);
  const blockCount = Math.min(Math.ceil(end / blockBytes), device.blockCount) - lba;
  // Not known, or beyond the end of a device that has shrunk.
  if (device.extentAt === undefined || blockCount < 1) return { end, isAllocated: true };
  const extent = device.extentAt(lba, blockCount);
  return {
    end: Math.min(end, (lba + extent.blockCount) * blockBytes),
    isAllocated: extent.isAllocated,
  };
}

/**
 * Lengths and flags of the extents of a range, in turn; `extentsMax` of them at most. What a device does
 * not know of it is taken to be allocated.
 */
export function extentsOf(
  to: NbdExport,
  offset: number,
  length: number,
  extentsMax: number,
): number[] {
  const found: number[] = [];
  const end = offset + length;
  for (let at = offset; at < end && found.length < extentsMax * 2;) {
    const extent = extentAt(to, at, end);
    found.push(extent.end - at, extent.isAllocated ? 0 : ExtentFlag.Hole | ExtentFlag.Zero);
    at = extent.end;
  }
  return found;
}

/** Whether nothing of what a read asks for is allocated. */
export function isHole(to: NbdExport, { offset, length }: NbdRequest): boolean {
  const extent = extentAt(to, offset, offset + length);
  return !extent.isAllocated && extent.end === offset + length;
}

/**
 * Sends what was read. Whether it lies in the request's buffer until it is out; otherwise the buffer is
 * free at once.
 */
export function sendRead(
  out: SendQueue,
  request: NbdRequest,
  to: NbdExport,
  structured: boolean,
): boolean {
  const { headBytes, length, offset } = request;
  const data = request.data!.subarray(headBytes, headBytes + length);
  if (!structured) {
    replySimply(out, request, 0);
    out.append(data);
    return length > COPY_BYTES_MAX;
  }
  if (to.device.extentAt === undefined || request.has(CommandFlag.Df)) {
    sendData(out, request, offset, data, true);
    return length > COPY_BYTES_MAX;
  }
  return sendChunks(out, request, to, data);
}

function sendChunks(out: SendQueue, request: NbdRequest, to: NbdExport, data: Uint8Array): boolean {
  const start = request.offset;
  const end = start + data.length;
  let isLent = false;
  let chunks = 0;
  for (let at = start; at < end;) {
    const extent = ++chunks < CHUNKS_MAX ? extentAt(to, at, end) : { end, isAllocated: true };
    const isLast = extent.end === end;
    if (extent.isAllocated) {
      sendData(out, request, at, data.subarray(at - start, extent.end - start), isLast);
      isLent ||= extent.end - at > COPY_BYTES_MAX;
    } else sendHole(out, request, at, extent.end - at, isLast);
    at = extent.end;
  }
  return isLent;
}

// When a response must be an ERSP, and how the two kinds are written and read.
// Read first: FC-NVMe-2 §8.3 "NVMe_ERSP IU"; linux-nvme-recovery.md §3.4.

import { Cqe, OPC_FABRICS, Sqe, cqeStatus } from "@nvmeof/codec";
import { ERSP_CQE_OFFSET, ErspIu, ErspResult, RSP_IU_BYTES } from "@nvmeof/codec/fc";

/** From this share of the queue on, the host needs the SQ head pointer. */
const FULL_SHARE = 0.9;

/** What decides which of the two it is. */
export interface ResponseFacts {
  /** The command. */
  readonly sqe: DataView;
  readonly status: number;
  readonly dw0: number;
  readonly dw1: number;
  /** Bytes that the command was to move, and that were moved. */
  readonly transferBytes: number;
  readonly movedBytes: number;
  /** Number of this response on its connection, from 1. */
  readonly count: number;
  readonly erspRatio: number;
  /** Commands in flight, this one included, and entries of the queue. */
  readonly inflight: number;
  readonly entries: number;
}

/** Whether the short response would keep something from the host that it must know. */
export function needsErsp(facts: ResponseFacts): boolean {
  if (facts.status !== 0 || facts.dw0 !== 0 || facts.dw1 !== 0) return true;
  if (facts.movedBytes !== facts.transferBytes) return true;
  if (facts.count % facts.erspRatio === 0) return true;
  if (Sqe.opc.get(facts.sqe) === OPC_FABRICS || Sqe.fuse.get(facts.sqe) !== 0) return true;
  return facts.inflight >= facts.entries * FULL_SHARE;
}

/** What an ERSP says, beside what its command said. */
export interface ErspValues {
  readonly rsn: number;
  readonly movedBytes: number;
  readonly cid: number;
  readonly sqhd: number;
  readonly status: number;
  readonly dw0: number;
  readonly dw1: number;
}

/** Writes an ERSP. Returns its length. */
export function writeErsp(out: Uint8Array, values: ErspValues): number {
  const view = new DataView(out.buffer, out.byteOffset, out.byteLength);
  out.fill(0);
  ErspIu.result.set(view, 0, ErspResult.Success);
  ErspIu.iuLength.set(view, 0, ErspIu.size / 4);
  ErspIu.rsn.set(view, 0, values.rsn);
  ErspIu.transferredLength.set(view, 0, values.movedBytes);
  const cqe = ERSP_CQE_OFFSET;
  Cqe.dw0.set(view, cqe, values.dw0);
  Cqe.dw1.set(view, cqe, values.dw1);
  Cqe.sqhd.set(view, cqe, values.sqhd);
  Cqe.cid.set(view, cqe, values.cid);
  cqeStatus.set(view, cqe, values.status);
  return ErspIu.size;
}

/** Writes an RSP, which says success and nothing else. Returns its length. */
export function writeRsp(out: Uint8Array): number {
  out.fill(0);
  return RSP_IU_BYTES;
}

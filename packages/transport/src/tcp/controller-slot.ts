// The state of one command on the controller's end: its SQE, its data, and what is still to come.
// Read first: controller-session.ts, its one user, and controller-rules.ts, which judges PDUs by it.

import { Sqe } from "@nvmeof/codec";
import { NO_DATA, NO_REGION, Region } from "../copy.ts";

/** The command in one slot. One object per slot for good: none is made per command. */
export class ControllerSlot {
  /** The slot's own copy of the SQE: the command outlives its PDU. */
  readonly sqe = new DataView(new ArrayBuffer(Sqe.size));
  readonly sqeRegion = new Region(new Uint8Array(this.sqe.buffer));
  outstanding = false;
  cid = 0;
  transferBytes = 0;
  /** In-capsule data; the buffer is made when the first such command comes, and kept. */
  capsule: Region = NO_REGION;
  /** It as it was last cut, to be cut no more for another of the same length. */
  capsuleData: Uint8Array = NO_DATA;
  capsuleBytes = 0;
  /** While the command is given on: where its in-capsule data was received, if it is not copied yet. */
  arrivedIn: Region | undefined;
  arrivedAt = 0;
  /** An R2T is out and not all of its data is here. */
  fetching = false;
  /** Bytes that the R2T asks for. */
  fetchBytes = 0;
  movedBytes = 0;
  corrupt = false;
  region: Region = NO_REGION;
  fetchByMs = Infinity;
  /** The command was answered before its data was here: the answer waits for it. */
  answer: { readonly status: number; readonly dw0: number; readonly dw1: number } | undefined;
}

// A request under way: where it is, what it has been through, and what is left of it.
// Read first: multipath-channel.ts, whose slots these are; waiting-room.ts, where some of them wait.

import { NvmeofError, type Outcome } from "@nvmeof/codec";
import { NO_CID, type QueuePair } from "@nvmeof/core";
import { BlockOp, type BlockRequest, type BlockSettle } from "../block-device.ts";
import { changesBlocks } from "../request-check.ts";
import type { Fence } from "./fence.ts";
import type { NamespacePath } from "./namespace-path.ts";

/** Where a slot is. Integers: they are written for every request. */
export const SlotPhase = {
  /** It holds no request. */
  Idle: 0,
  /** For a path, for room or for its time. */
  Waiting: 1,
  /** A controller has it. */
  Sent: 2,
  /** A controller has it, and its caller does not want it any more. */
  Aborting: 3,
  /** Behind a fence: it was sent, and nobody knows whether it will be done yet. */
  Held: 4,
} as const;
export type SlotPhase = (typeof SlotPhase)[keyof typeof SlotPhase];

const NO_REQUEST: BlockRequest = { op: BlockOp.Flush, lba: 0, blockCount: 0, data: undefined };
const nobody: BlockSettle = () => {};

/** How much is known of a request that failed; the larger, the less. */
const doubt: Readonly<Record<Outcome, number>> = { "not-sent": 0, failed: 1, unknown: 2 };

/** Slots are used again, so that a steady load makes no garbage. */
export class Slot {
  request: BlockRequest = NO_REQUEST;
  settle: BlockSettle = nobody;
  phase: SlotPhase = SlotPhase.Idle;
  /** The path that it is on, or was last on. */
  path: NamespacePath | undefined;
  /** Where on the path, while it is sent. */
  queue: QueuePair | undefined;
  cid: number = NO_CID;
  /** A path that has just failed it. */
  avoid: NamespacePath | undefined;
  /** A path that it is to be tried on again. */
  keep: NamespacePath | undefined;
  /** Blocks that are done, and that are under way: one command may not hold all of them. */
  doneBlocks = 0;
  sentBlocks = 0;
  /** When the command that is under way was sent, ms of the clock. */
  sentMs = -Infinity;
  samePath = 0;
  switches = 0;
  /** When it first failed; the time budget runs from there, so that success costs no clock. */
  firstFailureMs = Infinity;
  /** Of all attempts the least certain: once unknown, it stays so. */
  outcome: Outcome = "not-sent";
  error: NvmeofError | undefined;
  /** What it is held behind. */
  fence: Fence | undefined;
  /** Not before this moment, ms of the clock. */
  notBeforeMs = -Infinity;
  readonly done: (error: NvmeofError | undefined) => void;

  constructor(finished: (slot: Slot, error: NvmeofError | undefined) => void) {
    this.done = (error) => finished(this, error);
  }

  begin(request: BlockRequest, settle: BlockSettle): void {
    this.request = request;
    this.settle = settle;
    this.doneBlocks = 0;
    if (this.firstFailureMs === Infinity) return;
    this.samePath = 0;
    this.switches = 0;
    this.firstFailureMs = Infinity;
    this.notBeforeMs = -Infinity;
    this.outcome = "not-sent";
  }

  /** Its caller gets request and data back: nothing here may hold on to them. */
  end(): BlockSettle {
    const { settle } = this;
    this.phase = SlotPhase.Idle;
    this.request = NO_REQUEST;
    this.settle = nobody;
    this.path = undefined;
    this.queue = undefined;
    this.avoid = undefined;
    this.keep = undefined;
    this.error = undefined;
    this.fence = undefined;
    return settle;
  }

  /** What is known of the whole request when its last attempt ends with `outcome`. */
  outcomeWith(outcome: Outcome): Outcome {
    const partly = this.doneBlocks > 0 && changesBlocks(this.request.op);
    const least = partly && outcome === "not-sent" ? "failed" : outcome;
    return doubt[this.outcome] > doubt[least] ? this.outcome : least;
  }

  /** `error`, with an outcome that is true for the request and not only for its last attempt. */
  judged(error: NvmeofError): NvmeofError {
    const outcome = this.outcomeWith(error.outcome ?? "unknown");
    if (outcome === error.outcome) return error;
    const { code, message, hint, phase, status } = error;
    return new NvmeofError(code, message, { hint, phase, status, outcome, cause: error });
  }
}

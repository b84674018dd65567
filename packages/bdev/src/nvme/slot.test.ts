// What a slot remembers of a request, what it forgets, and what it says of its outcome.
// Read first: slot.ts.

import { NvmeofError, type Outcome } from "@nvmeof/codec";
import { expect, test } from "vitest";
import { BlockOp, type BlockRequest } from "../block-device.ts";
import { Slot, SlotPhase } from "./slot.ts";

const request = (op: BlockOp): BlockRequest => ({
  op,
  lba: 0,
  blockCount: 8,
  data: op === BlockOp.Read || op === BlockOp.Write ? new Uint8Array(4096) : undefined,
});

const slotOf = (op: BlockOp): Slot => {
  const slot = new Slot(() => {});
  slot.begin(request(op), () => {});
  return slot;
};

test("the outcome of a request is the least certain of all its attempts, in any order", () => {
  const outcomes: Outcome[] = ["not-sent", "failed", "unknown"];
  for (const [at, first] of outcomes.entries()) {
    for (const [then, second] of outcomes.entries()) {
      const slot = slotOf(BlockOp.Write);
      slot.outcome = slot.outcomeWith(first);
      expect(slot.outcomeWith(second)).toBe(outcomes[Math.max(at, then)]);
    }
  }
});

test("a request that is partly done was sent, if that can be seen", () => {
  const write = slotOf(BlockOp.Write);
  write.doneBlocks = 4;
  expect(write.outcomeWith("not-sent")).toBe("failed");
  const read = slotOf(BlockOp.Read);
  read.doneBlocks = 4;
  expect(read.outcomeWith("not-sent")).toBe("not-sent");
});

test("an error that says too much is replaced by one that is true, with the first as its cause", () => {
  const slot = slotOf(BlockOp.Write);
  slot.outcome = "unknown";
  const error = new NvmeofError("NVME_ERR_STATUS", "no", { outcome: "failed", status: 0x302 });
  const judged = slot.judged(error);
  expect(judged).toMatchObject({ code: "NVME_ERR_STATUS", outcome: "unknown", status: 0x302 });
  expect(judged.cause).toBe(error);
  slot.outcome = "not-sent";
  expect(slot.judged(error)).toBe(error);
});

test("a slot that has ended holds on to nothing of its caller, and begins as new", () => {
  const slot = slotOf(BlockOp.Write);
  const first = slot.request;
  slot.firstFailureMs = 5;
  slot.samePath = 3;
  slot.switches = 4;
  slot.outcome = "unknown";
  slot.notBeforeMs = 99;
  slot.doneBlocks = 2;
  slot.error = new NvmeofError("NVME_ERR_STATUS", "no");
  slot.end();
  expect(slot.phase).toBe(SlotPhase.Idle);
  expect(slot.request).not.toBe(first);
  expect(slot.request.data).toBeUndefined();
  slot.begin(first, () => {});
  expect(slot).toMatchObject({
    request: first,
    samePath: 0,
    switches: 0,
    outcome: "not-sent",
    firstFailureMs: Infinity,
    notBeforeMs: -Infinity,
    doneBlocks: 0,
    error: undefined,
    avoid: undefined,
    keep: undefined,
  });
});

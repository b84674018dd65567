// Tests of the one check of requests: every reason to refuse, and the edges between yes and no.

import { Status, codeOf, dnrOf } from "@nvmeof/codec";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BlockOp, type BlockRequest } from "./block-device.ts";
import {
  type RequestTarget,
  blockOpName,
  changesBlocks,
  checkRequest,
  movesData,
} from "./request-check.ts";

const all = {
  readOnly: false,
  volatileCache: false,
  writeZeroes: true,
  deallocate: true,
  compare: true,
  verify: true,
};

const device: RequestTarget = {
  name: "mem0",
  blockBytes: 512,
  blockCount: 100,
  limits: { transferBlocksMax: 16, boundaryBlocks: 0, inflightMax: 4 },
  features: all,
};

const request = (
  op: number,
  lba = 0,
  blockCount = 1,
  data: Uint8Array | undefined = movesData(op as BlockOp)
    ? new Uint8Array(Math.min(100, Math.max(0, Math.floor(blockCount) || 0)) * 512)
    : undefined,
): BlockRequest => ({ op: op as BlockOp, lba, blockCount, data });

const check = (asked: BlockRequest, target = device, inflight = 0, closed?: string) =>
  checkRequest(asked, target, inflight, closed);

const ops = Object.values(BlockOp);

test("every operation within the limits may be done", () => {
  for (const op of ops) expect(check(request(op, 0, 1))).toBeUndefined();
  for (const op of ops) expect(check(request(op, 84, 16))).toBeUndefined();
  expect(check(request(BlockOp.Flush, 0, 0))).toBeUndefined();
});

test("operations have names, and know whether they move data or change blocks", () => {
  expect(ops.map(blockOpName)).toEqual(Object.keys(BlockOp));
  expect(blockOpName(9)).toBe("operation 9");
  expect(ops.filter(movesData).map(blockOpName)).toEqual(["Read", "Write", "Compare"]);
  expect(ops.filter(changesBlocks).map(blockOpName)).toEqual([
    "Write",
    "WriteZeroes",
    "Deallocate",
  ]);
});

describe("refused", () => {
  test.each([
    ["beyond the end", 100, 1],
    ["across the end", 99, 2],
    ["far beyond", Number.MAX_SAFE_INTEGER, 1],
    ["inexact", 2 ** 53 + 2, 1],
    ["negative", -1, 1],
    ["a fraction", 1.5, 1],
    ["not a number", Number.NaN, 1],
    ["infinite", Number.POSITIVE_INFINITY, 1],
  ])("a range %s", (_name, lba, blockCount) => {
    for (const op of ops.filter((each) => each !== BlockOp.Flush)) {
      const error = check(request(op, lba, blockCount));
      expect(error).toMatchObject({
        code: "NVME_ERR_OUT_OF_RANGE",
        status: Status.LbaOutOfRange,
        outcome: "not-sent",
      });
    }
  });

  test.each([0, -1, 1.5, Number.NaN, 2 ** 53])("%s blocks", (blockCount) => {
    const error = check(request(BlockOp.Read, 0, blockCount));
    expect(error).toMatchObject({
      code: "NVME_ERR_INVALID_REQUEST",
      status: Status.InvalidField,
    });
  });

  test("all of the address space at once, from any block", () => {
    for (const lba of [0, 1, 99, 100]) {
      const error = check(request(BlockOp.Verify, lba, Number.MAX_SAFE_INTEGER));
      expect(error?.status).toBe(Status.LbaOutOfRange);
    }
  });

  test("data of another size than the blocks", () => {
    for (const op of [BlockOp.Read, BlockOp.Write, BlockOp.Compare]) {
      for (const bytes of [0, 511, 513, 1024]) {
        const error = check(request(op, 0, 1, new Uint8Array(bytes)));
        expect(error?.status).toBe(Status.InvalidField);
        expect(error?.message).toContain(`${bytes} bytes of data for blocks of 512`);
      }
      const missing: BlockRequest = { op, lba: 0, blockCount: 1, data: undefined };
      expect(check(missing)?.message).toContain("no bytes of data");
    }
  });

  test("more blocks than a transfer may have; other operations have no such limit", () => {
    expect(check(request(BlockOp.Read, 0, 17))?.message).toContain("at most 16 blocks");
    expect(check(request(BlockOp.WriteZeroes, 0, 100))).toBeUndefined();
    expect(check(request(BlockOp.Verify, 0, 100))).toBeUndefined();
  });

  test("a transfer across the boundary; other operations may cross it", () => {
    const limits = { ...device.limits, boundaryBlocks: 8 };
    const target = { ...device, limits };
    expect(check(request(BlockOp.Read, 0, 8), target)).toBeUndefined();
    expect(check(request(BlockOp.Read, 8, 8), target)).toBeUndefined();
    expect(check(request(BlockOp.Read, 7, 1), target)).toBeUndefined();
    const error = check(request(BlockOp.Write, 7, 2), target);
    expect(error?.status).toBe(Status.InvalidField);
    expect(error?.message).toBe(
      "Write of 2 blocks at 7 of mem0: it crosses a multiple of 8 blocks",
    );
    expect(check(request(BlockOp.Deallocate, 7, 2), target)).toBeUndefined();
  });

  test("changes to a read-only device", () => {
    const target = { ...device, features: { ...all, readOnly: true } };
    for (const op of ops) {
      const error = check(request(op), target);
      if (!changesBlocks(op)) expect(error).toBeUndefined();
      else {
        expect(error).toMatchObject({
          code: "NVME_ERR_READ_ONLY",
          status: Status.NamespaceWriteProtected,
          outcome: "not-sent",
        });
      }
    }
  });

  test.each([
    ["writeZeroes", BlockOp.WriteZeroes],
    ["deallocate", BlockOp.Deallocate],
    ["compare", BlockOp.Compare],
    ["verify", BlockOp.Verify],
  ])("what needs the feature %s, without it", (feature, op) => {
    const target = { ...device, features: { ...all, [feature]: false } };
    expect(check(request(op), target)?.status).toBe(Status.InvalidOpcode);
    for (const other of ops.filter((each) => each !== op)) {
      expect(check(request(other), target)).toBeUndefined();
    }
  });

  test("operations that nobody knows", () => {
    for (const op of [-1, 7, 1000, Number.NaN]) {
      expect(check(request(op))?.status).toBe(Status.InvalidOpcode);
    }
  });

  test("the request after as many as may be in flight, for now", () => {
    expect(check(request(BlockOp.Read), device, 3)).toBeUndefined();
    const error = check(request(BlockOp.Read), device, 4);
    expect(error).toMatchObject({
      code: "NVME_ERR_QUEUE_FULL",
      status: Status.CommandInterrupted,
      outcome: "not-sent",
    });
    expect(dnrOf(error!.status)).toBe(false);
  });

  test("everything when closed, for good, whatever else is wrong with it", () => {
    const error = check(request(99, -1, -1), device, 10, "unplugged");
    expect(error).toMatchObject({ code: "NVME_ERR_CLOSED", outcome: "not-sent" });
    expect(error?.message).toBe("mem0 is closed: unplugged");
    expect(codeOf(error!.status)).toBe(Status.HostAborted);
    expect(dnrOf(error!.status)).toBe(true);
  });
});

test("a transfer is taken exactly when all of it exists and crosses nothing", () => {
  const small = fc.integer({ min: -2, max: 110 });
  const number = fc.oneof(small, fc.maxSafeInteger());
  fc.assert(
    fc.property(number, number, fc.integer({ min: 0, max: 12 }), (lba, blockCount, boundary) => {
      const limits = { ...device.limits, boundaryBlocks: boundary };
      const data = new Uint8Array(blockCount > 0 && blockCount <= 110 ? blockCount * 512 : 0);
      const error = check(request(BlockOp.Read, lba, blockCount, data), { ...device, limits });
      const isWithin =
        blockCount >= 1 && blockCount <= 16 && lba >= 0 && lba <= 99 && lba + blockCount <= 100;
      const isWhole =
        boundary === 0 ||
        Math.floor(lba / boundary) === Math.floor((lba + blockCount - 1) / boundary);
      expect(error === undefined).toBe(isWithin && isWhole);
    }),
  );
});

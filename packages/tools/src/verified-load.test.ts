// The load that an outage is judged by: it sees a write that was forgotten, and an error.

import { type BlockDevice, BlockError, BlockOp, memoryDevice } from "@nvmeof/bdev";
import { Status } from "@nvmeof/codec";
import { seededRandom } from "@nvmeof/core";
import { systemClock as clock } from "@nvmeof/transport/node";
import { expect, test } from "vitest";
import { VerifiedLoad } from "./verified-load.ts";

/** A disk whose write number `at` is forgotten, or fails. */
function faulty(at: number, fault: "forgotten" | "failed"): BlockDevice {
  const inner = memoryDevice({ name: "m", clock, blockBytes: 512, blockCount: 4096 });
  let writes = 0;
  return {
    ...inner,
    blockCount: inner.blockCount,
    openChannel() {
      const channel = inner.openChannel();
      return {
        get inflight() {
          return channel.inflight;
        },
        submit(request, settle) {
          const isFaulty = request.op === BlockOp.Write && ++writes === at;
          const error = new BlockError("closed", Status.HostAborted, "failed", "no medium");
          if (!isFaulty) channel.submit(request, settle);
          else clock.defer(() => settle(fault === "failed" ? error : undefined));
        },
        close: () => channel.close(),
      };
    },
  };
}

const random = seededRandom(3);

test("a disk that keeps what it is given has no mismatch", async () => {
  const device = faulty(Infinity, "failed");
  const load = new VerifiedLoad({ device, clock, random });
  load.start();
  await load.answers(500);
  const report = await load.stop();
  expect(report).toMatchObject({ errors: 0, mismatches: 0, firstError: undefined });
  expect(report.requests).toBeGreaterThanOrEqual(500);
});

test("a write that was forgotten is seen by every read of its blocks", async () => {
  const load = new VerifiedLoad({ device: faulty(40, "forgotten"), clock, random });
  load.start();
  await load.answers(500);
  const { errors, mismatches } = await load.stop();
  expect(errors).toBe(0);
  expect(mismatches).toBeGreaterThan(0);
  expect(mismatches % 8).toBe(0);
});

test("an error is counted, and ends the lane that it hit", async () => {
  const device = faulty(1, "failed");
  const load = new VerifiedLoad({ device, clock, random, lanes: 1 });
  load.start();
  // Nobody is left to answer: that ends the wait.
  await load.answers(1_000);
  const report = await load.stop();
  expect(report).toMatchObject({ requests: 1, errors: 1, mismatches: 0 });
  expect(report.firstError?.message).toBe("no medium");
});

test("a disk that is too small for its writers is refused", () => {
  const device = memoryDevice({ name: "m", clock, blockBytes: 512, blockCount: 64 });
  expect(() => new VerifiedLoad({ device, clock, random })).toThrow(RangeError);
});

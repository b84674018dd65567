// Tests of statistics, in virtual time.

import { NvmeofError, Status, statusOf } from "@nvmeof/codec";
import { VirtualClock } from "@nvmeof/transport/testing";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type BlockChannel, BlockOp } from "./block-device.ts";
import { HeldDevice, blockDeviceConformance } from "./conformance/index.ts";
import { BlockError } from "./errors.ts";
import { memoryDevice } from "./memory.ts";
import { BlockCounters, type BlockOpName, measuring } from "./statistics.ts";

const clockOfSuite = new VirtualClock();
blockDeviceConformance(
  "measuring",
  {
    make: () =>
      Promise.resolve(
        measuring(
          memoryDevice({ name: "mem", clock: clockOfSuite, blockBytes: 512, blockCount: 64 }),
          clockOfSuite,
        ),
      ),
    turn: () => clockOfSuite.settle(),
  },
  test,
);

function setup() {
  const clock = new VirtualClock();
  const below = new HeldDevice({ clock });
  const device = measuring(below, clock);
  const submit = (channel: BlockChannel, op: BlockOp, blockCount: number): void => {
    const data = op === BlockOp.Read || op === BlockOp.Write ? blockCount * 512 : undefined;
    channel.submit(
      { op, lba: 0, blockCount, data: data === undefined ? data : new Uint8Array(data) },
      () => undefined,
    );
  };
  return { clock, below, device, submit };
}

const nothing = { count: 0, errors: 0, blockCount: 0, latencySumMs: 0, latencyMaxMs: 0 };

describe("a measured device", () => {
  test("begins with zeroes for every operation and no status", () => {
    const { device } = setup();
    const { operations, statuses } = device.statistics();
    expect(Object.keys(operations)).toEqual(Object.keys(BlockOp));
    for (const each of Object.values(operations)) expect(each).toEqual(nothing);
    expect(statuses).toEqual([]);
  });

  test("counts requests, blocks and the time from submitting to settling", () => {
    const { clock, below, device, submit } = setup();
    const channel = device.openChannel();
    submit(channel, BlockOp.Read, 8);
    clock.advance(3);
    submit(channel, BlockOp.Read, 2);
    clock.advance(4);
    expect(device.statistics().operations.Read).toEqual(nothing);
    below.settleAll();
    expect(channel.statistics().operations.Read).toEqual({
      count: 2,
      errors: 0,
      blockCount: 10,
      latencySumMs: 11,
      latencyMaxMs: 7,
    });
    expect(channel.statistics().operations.Write).toEqual(nothing);
  });

  test("keeps channels apart, and what closed channels did in the sum", () => {
    const { below, device, submit } = setup();
    const [one, two] = [device.openChannel(), device.openChannel()];
    submit(one, BlockOp.Write, 3);
    submit(two, BlockOp.Write, 4);
    submit(two, BlockOp.Flush, 0);
    below.settleAll();
    one.close();
    expect(one.statistics().operations.Write).toMatchObject({ count: 1, blockCount: 3 });
    expect(two.statistics().operations.Write).toMatchObject({ count: 1, blockCount: 4 });
    expect(two.statistics().operations.Flush).toMatchObject({ count: 1, blockCount: 0 });
    expect(device.statistics().operations.Write).toMatchObject({ count: 2, blockCount: 7 });
  });

  test("counts errors by status, the frequent first, and their blocks not at all", () => {
    const { clock, below, device, submit } = setup();
    const channel = device.openChannel();
    const busy = new BlockError("media", Status.WriteFault, "failed", "broken");
    const sameForGood = new BlockError("media", statusOf(2, 0x80, true), "failed", "broken");
    for (const error of [busy, sameForGood, new NvmeofError("NVME_ERR_X", "no status")]) {
      submit(channel, BlockOp.Write, 8);
      below.settleNext(error);
    }
    submit(channel, BlockOp.Read, 5000);
    clock.settle();
    const { operations, statuses } = device.statistics();
    expect(operations.Write).toMatchObject({ count: 3, errors: 3, blockCount: 0 });
    expect(operations.Read).toMatchObject({ count: 1, errors: 1 });
    expect(statuses).toEqual([
      { status: Status.WriteFault, name: "Write Fault", count: 2 },
      { status: -1, name: "no status", count: 1 },
      { status: Status.LbaOutOfRange, name: "LBA Out of Range", count: 1 },
    ]);
  });

  test("gives a snapshot, which later requests do not change", () => {
    const { below, device, submit } = setup();
    const channel = device.openChannel();
    const before = device.statistics();
    submit(channel, BlockOp.Verify, 1);
    below.settleAll();
    expect(before.operations.Verify.count).toBe(0);
    expect(device.statistics().operations.Verify.count).toBe(1);
  });

  test("does not fall over operations that nobody knows", () => {
    const { clock, device, submit } = setup();
    submit(device.openChannel(), 99 as BlockOp, 1);
    clock.settle();
    for (const each of Object.values(device.statistics().operations)) expect(each).toEqual(nothing);
  });
});

test("counters say what a list of all requests would", () => {
  const request = fc.record({
    op: fc.constantFrom(...Object.values(BlockOp)),
    blockCount: fc.nat(100),
    latencyMs: fc.nat(1000),
    fails: fc.boolean(),
  });
  const error = new BlockError("media", Status.WriteFault, "failed", "broken");
  fc.assert(
    fc.property(fc.array(request), (requests) => {
      const counters = new BlockCounters();
      for (const { op, blockCount, latencyMs, fails } of requests) {
        counters.count(op, blockCount, latencyMs, fails ? error : undefined);
      }
      const { operations } = counters.snapshot();
      for (const name of Object.keys(BlockOp) as BlockOpName[]) {
        const of = requests.filter(({ op }) => op === BlockOp[name]);
        const sum = (values: number[]): number => values.reduce((a, b) => a + b, 0);
        expect(operations[name]).toEqual({
          count: of.length,
          errors: of.filter(({ fails }) => fails).length,
          blockCount: sum(of.filter(({ fails }) => !fails).map((each) => each.blockCount)),
          latencySumMs: sum(of.map(({ latencyMs }) => latencyMs)),
          latencyMaxMs: Math.max(0, ...of.map(({ latencyMs }) => latencyMs)),
        });
      }
    }),
  );
});

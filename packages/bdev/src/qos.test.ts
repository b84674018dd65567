// Tests of rate limits, in virtual time.

import { Status } from "@nvmeof/codec";
import { VirtualClock } from "@nvmeof/transport/testing";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type BlockChannel, BlockOp } from "./block-device.ts";
import { HeldDevice, blockDeviceConformance } from "./conformance/index.ts";
import type { BlockError } from "./errors.ts";
import { memoryDevice } from "./memory.ts";
import { limiting } from "./qos.ts";
import { type RateLimits, RateLimiter } from "./rate-limiter.ts";

const MIB = 1024 * 1024;

const suiteClock = new VirtualClock();
const limited = (limits: RateLimits) => () =>
  Promise.resolve(
    limiting(
      memoryDevice({ name: "mem", clock: suiteClock, blockBytes: 512, blockCount: 256 }),
      limits,
      suiteClock,
    ),
  );
const turn = (): void => suiteClock.advance(1);
blockDeviceConformance("not limited", { make: limited({}), turn }, test);
blockDeviceConformance("limited", { make: limited({ iosPerSecond: 2000 }), turn }, test);

/** A device of no latency behind limits, and when each request settled. */
function setup(limits: RateLimits, blockBytes = 4096) {
  const clock = new VirtualClock();
  const memory = memoryDevice({ name: "mem", clock, blockBytes, blockCount: 4096 });
  const device = limiting(memory, limits, clock);
  const settledMs: Record<string, number> = {};
  const errors: Record<string, BlockError | undefined> = {};
  const submit = (
    channel: BlockChannel,
    name: string,
    op: BlockOp = BlockOp.Read,
    blockCount = 1,
  ): void => {
    const moves = op === BlockOp.Read || op === BlockOp.Write || op === BlockOp.Compare;
    const data = moves ? new Uint8Array(blockCount * blockBytes) : undefined;
    channel.submit({ op, lba: 0, blockCount, data }, (error) => {
      settledMs[name] = clock.nowMs();
      errors[name] = error as BlockError | undefined;
    });
  };
  return { clock, memory, device, settledMs, errors, submit };
}

describe("limits", () => {
  test.each([
    [{ iosPerSecond: 999 }],
    [{ iosPerSecond: 0 }],
    [{ iosPerSecond: Number.NaN }],
    [{ iosPerSecond: Number.POSITIVE_INFINITY }],
    [{ bytesPerSecond: MIB - 1 }],
    [{ readBytesPerSecond: 1 }],
    [{ writeBytesPerSecond: -1 }],
  ] satisfies [RateLimits][])("below their minimum are refused: %o", (limits) => {
    expect(() => setup(limits)).toThrow(RangeError);
    const { device } = setup({});
    expect(() => device.setLimits(limits)).toThrow(RangeError);
  });

  test("that are not there do not limit", () => {
    const { clock, device, settledMs, submit } = setup({});
    const channel = device.openChannel();
    for (let i = 0; i < 500; i++) submit(channel, `r${i}`);
    clock.settle();
    expect(Object.keys(settledMs)).toHaveLength(500);
    expect(clock.armed).toBe(0);
  });
});

describe("requests a second", () => {
  test("are done slice by slice, in order", () => {
    const { clock, device, settledMs, submit } = setup({ iosPerSecond: 2000 });
    const channel = device.openChannel();
    for (let i = 0; i < 7; i++) submit(channel, `r${i}`);
    expect(channel.inflight).toBe(7);
    clock.advance(10);
    expect(settledMs).toEqual({ r0: 0, r1: 0, r2: 1, r3: 1, r4: 2, r5: 2, r6: 3 });
    expect(channel.inflight).toBe(0);
    expect(clock.armed).toBe(0);
  });

  test("that were not used are not saved up", () => {
    const { clock, device, settledMs, submit } = setup({ iosPerSecond: 1000 });
    const channel = device.openChannel();
    clock.advance(500);
    for (let i = 0; i < 3; i++) submit(channel, `r${i}`);
    clock.advance(10);
    expect(settledMs).toEqual({ r0: 500, r1: 501, r2: 502 });
  });

  test("that are no whole number a slice even out", () => {
    const { clock, device, settledMs, submit } = setup({ iosPerSecond: 1500 });
    const channel = device.openChannel();
    for (let i = 0; i < 600; i++) submit(channel, `r${i}`);
    clock.advance(1000);
    expect(Math.max(...Object.values(settledMs))).toBeGreaterThan(395);
    expect(Math.max(...Object.values(settledMs))).toBeLessThan(405);
  });

  test("count reads, writes and compares; other operations do not wait", () => {
    const { clock, device, settledMs, submit } = setup({ iosPerSecond: 1000 });
    const channel = device.openChannel();
    submit(channel, "write", BlockOp.Write);
    submit(channel, "read", BlockOp.Read);
    submit(channel, "compare", BlockOp.Compare);
    submit(channel, "flush", BlockOp.Flush, 0);
    submit(channel, "zeroes", BlockOp.WriteZeroes, 4096);
    submit(channel, "verify", BlockOp.Verify, 4096);
    submit(channel, "deallocate", BlockOp.Deallocate, 4096);
    clock.advance(10);
    expect(settledMs).toEqual({
      write: 0,
      flush: 0,
      zeroes: 0,
      verify: 0,
      deallocate: 0,
      read: 1,
      compare: 2,
    });
  });
});

describe("bytes a second", () => {
  // 1 MiB a second is 1048.576 bytes a slice: a block of 4 KiB takes a little less than four slices.
  test("may be overdrawn by one request, which those after it pay for", () => {
    const { clock, device, settledMs, submit } = setup({ bytesPerSecond: MIB });
    const channel = device.openChannel();
    submit(channel, "first", BlockOp.Read, 256);
    submit(channel, "second", BlockOp.Write);
    submit(channel, "third", BlockOp.Read);
    clock.advance(2000);
    expect(settledMs["first"]).toBe(0);
    expect(settledMs["second"]).toBe(1000);
    expect(settledMs["third"]).toBe(1003);
    expect(clock.armed).toBe(0);
  });

  test("a long wait takes one timer, and does not save up other limits", () => {
    const { clock, device, settledMs, submit } = setup({ bytesPerSecond: MIB, iosPerSecond: 1000 });
    const channel = device.openChannel();
    submit(channel, "large", BlockOp.Read, 1024);
    for (let i = 0; i < 4; i++) submit(channel, `r${i}`);
    expect(clock.armed).toBe(1);
    clock.advance(10_000);
    expect(settledMs).toMatchObject({ large: 0, r0: 4000, r1: 4003, r2: 4007 });
  });

  test("are counted apart for reading and writing where that is asked for", () => {
    const { clock, device, settledMs, submit } = setup({
      readBytesPerSecond: MIB,
      writeBytesPerSecond: 4 * MIB,
    });
    const reads = device.openChannel();
    const writes = device.openChannel();
    const compares = device.openChannel();
    for (let i = 0; i < 3; i++) {
      submit(reads, `read${i}`, BlockOp.Read);
      submit(writes, `write${i}`, BlockOp.Write);
    }
    submit(compares, "compare", BlockOp.Compare);
    clock.advance(100);
    // Neither kind waits for the other, and a compare takes its turn with the reads.
    expect(settledMs).toEqual({
      write0: 0,
      write1: 0,
      write2: 1,
      read0: 0,
      read1: 3,
      compare: 7,
      read2: 11,
    });
  });

  test("refused requests pay nothing", () => {
    const { clock, device, errors, settledMs, submit } = setup({ bytesPerSecond: MIB });
    const channel = device.openChannel();
    submit(channel, "beyond", BlockOp.Read, 4097);
    submit(channel, "good", BlockOp.Read);
    clock.advance(5);
    expect(errors["beyond"]?.status).toBe(Status.LbaOutOfRange);
    expect(settledMs).toEqual({ beyond: 0, good: 0 });
  });
});

describe("channels", () => {
  test("take turns, however much one of them asks for", () => {
    const { clock, device, settledMs, submit } = setup({ iosPerSecond: 1000 });
    const [greedy, modest] = [device.openChannel(), device.openChannel()];
    for (let i = 0; i < 50; i++) submit(greedy, `g${i}`);
    submit(modest, "m0");
    submit(modest, "m1");
    clock.advance(100);
    expect(settledMs).toMatchObject({ g0: 0, g1: 1, m0: 2, g2: 3, m1: 4, g3: 5 });
    expect(settledMs["g49"]).toBe(51);
  });

  test("that close have what they submitted done, at the rate that is allowed", () => {
    const { clock, device, settledMs, errors, submit } = setup({ iosPerSecond: 1000 });
    const channel = device.openChannel();
    for (let i = 0; i < 3; i++) submit(channel, `r${i}`);
    channel.close();
    submit(channel, "late");
    clock.advance(10);
    expect(settledMs).toEqual({ r0: 0, late: 0, r1: 1, r2: 2 });
    expect(errors["late"]?.code).toBe("NVME_ERR_CLOSED");
    expect(errors["r2"]).toBeUndefined();
  });
});

describe("the end", () => {
  test("of the device does not wait for the limits", async () => {
    const { clock, device, settledMs, errors, submit } = setup({ bytesPerSecond: MIB });
    const channel = device.openChannel();
    submit(channel, "large", BlockOp.Read, 2048);
    submit(channel, "behind");
    const closed = device.close();
    clock.settle();
    await closed;
    expect(settledMs).toEqual({ large: 0, behind: 0 });
    expect(errors["behind"]).toBeUndefined();
    expect(clock.armed).toBe(0);
  });

  test("of the device behind refuses at once what waits", async () => {
    const { clock, memory, device, settledMs, errors, submit } = setup({ bytesPerSecond: MIB });
    const channel = device.openChannel();
    submit(channel, "large", BlockOp.Read, 2048);
    submit(channel, "behind");
    const closed = memory.close("unplugged");
    clock.settle();
    await closed;
    expect(settledMs).toEqual({ large: 0, behind: 0 });
    expect(errors["behind"]?.message).toContain("unplugged");
    expect(clock.armed).toBe(0);
  });
});

test("limits can be changed and lifted while requests wait", () => {
  const { clock, device, settledMs, submit } = setup({ iosPerSecond: 1000 });
  const channel = device.openChannel();
  for (let i = 0; i < 20; i++) submit(channel, `r${i}`);
  clock.advance(2.5);
  expect(Object.keys(settledMs)).toHaveLength(3);
  device.setLimits({ iosPerSecond: 4000 });
  clock.settle();
  expect(Object.keys(settledMs)).toHaveLength(7);
  device.setLimits({});
  clock.settle();
  expect(Object.keys(settledMs)).toHaveLength(20);
  expect(clock.armed).toBe(0);
});

test("a request waits as often as it takes, whatever the device does with it", () => {
  const clock = new VirtualClock();
  const below = new HeldDevice({ clock });
  const channel = limiting(below, { iosPerSecond: 1000 }, clock).openChannel();
  let settled = 0;
  const request = { op: BlockOp.Read, lba: 0, blockCount: 1, data: new Uint8Array(512) };
  const again = (): void => {
    settled++;
    if (settled < 5) channel.submit(request, again);
  };
  channel.submit(request, again);
  for (let i = 0; i < 4; i++) {
    below.settleAll();
    expect(settled).toBe(i + 1);
    clock.advance(1);
  }
  below.settleAll();
  expect(settled).toBe(5);
  expect(channel.inflight).toBe(0);
});

describe("the limiter", () => {
  test("makes up for a timer that came late, but not without bound", () => {
    const limiter = new RateLimiter({ iosPerSecond: 1000 }, 0);
    const admitted = (): number => {
      let count = 0;
      while (limiter.admit(BlockOp.Read, 512)) count++;
      return count;
    };
    expect(admitted()).toBe(1);
    limiter.advance(5, 4);
    expect(admitted()).toBe(5);
    limiter.advance(5.9, 0);
    expect(admitted()).toBe(0);
    limiter.advance(10_000, 9000);
    expect(admitted()).toBe(101);
  });

  test("never lets more pass than the rate and one request on top", () => {
    const step = fc.record({ waitMs: fc.integer({ min: 0, max: 5 }), bytes: fc.nat(8192) });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1 }), (steps) => {
        const limiter = new RateLimiter({ bytesPerSecond: MIB }, 0);
        let nowMs = 0;
        let done = 0;
        let largest = 0;
        for (const { waitMs, bytes } of steps) {
          nowMs += waitMs;
          limiter.advance(nowMs);
          expect(limiter.readyMs(BlockOp.Read)).toBeGreaterThanOrEqual(nowMs - 1);
          if (!limiter.admit(BlockOp.Read, bytes)) continue;
          done += bytes;
          largest = Math.max(largest, bytes);
          expect(done).toBeLessThanOrEqual(((nowMs + 1) * MIB) / 1000 + largest);
        }
      }),
    );
  });

  test("says when it is ready, and is ready then", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10 * MIB }), (bytes) => {
        const limiter = new RateLimiter({ bytesPerSecond: MIB }, 0);
        limiter.admit(BlockOp.Write, bytes);
        const readyMs = limiter.readyMs(BlockOp.Write);
        if (readyMs >= 1) {
          limiter.advance(readyMs - 1);
          expect(limiter.admit(BlockOp.Write, 1)).toBe(false);
        }
        limiter.advance(readyMs);
        expect(limiter.admit(BlockOp.Write, 1)).toBe(true);
      }),
    );
  });
});

// The simulated disk keeps the contract of block devices, whatever it does; and does what it is told to.

import { type BlockDevice, BlockOp, type BlockRequest } from "@nvmeof/bdev";
import { type BlockDeviceHarness, blockDeviceConformance } from "@nvmeof/bdev/conformance";
import { Status, crdOf } from "@nvmeof/codec";
import { VirtualClock } from "@nvmeof/transport/testing";
import { describe, expect, test } from "vitest";
import { SimRandom } from "../random.ts";
import { SimDisk, type SimDiskOptions, volumeIdentity, volumeOf } from "./disk.ts";
import { writeStamp } from "./stamp.ts";

const BLOCK_BYTES = 512;

function setup(options: Partial<SimDiskOptions> = {}) {
  const clock = new VirtualClock();
  const complaints: string[] = [];
  const disk = new SimDisk({
    name: "disk0",
    clock,
    random: new SimRandom(7),
    blockBytes: BLOCK_BYTES,
    blockCount: 64,
    volume: 3,
    complain: (invariant, message) => complaints.push(`${invariant}: ${message}`),
    ...options,
  });
  const channel = disk.openChannel();
  const settled: { readonly code: string; readonly status: number; readonly atMs: number }[] = [];
  const submit = (
    op: BlockOp,
    lba: number,
    blockCount: number,
    data?: Uint8Array,
  ): BlockRequest => {
    const request = { op, lba, blockCount, data };
    channel.submit(request, (error) => {
      const { code, status } = error ?? { code: "none", status: 0 };
      settled.push({ code, status: status ?? 0, atMs: clock.nowMs() });
    });
    return request;
  };
  const write = (lba: number, number: number, volume = 3): BlockRequest =>
    submit(BlockOp.Write, lba, 1, stamped(volume, number, lba));
  const holds = (lba: number): Uint8Array => {
    const into = new Uint8Array(BLOCK_BYTES);
    disk.peek(lba, into);
    return into;
  };
  return { clock, disk, channel, complaints, settled, submit, write, holds };
}

function stamped(volume: number, write: number, lba: number): Uint8Array {
  const data = new Uint8Array(BLOCK_BYTES);
  writeStamp(data, 0, BLOCK_BYTES, { volume, write, lba });
  return data;
}

function harness(options: Partial<SimDiskOptions>): BlockDeviceHarness {
  const clock = new VirtualClock();
  return {
    make: () =>
      Promise.resolve(
        new SimDisk({
          name: "disk0",
          clock,
          random: new SimRandom(1),
          blockBytes: BLOCK_BYTES,
          blockCount: 256,
          volume: 1,
          data: "any",
          complain: (_invariant, message) => {
            throw new Error(message);
          },
          ...options,
        }),
      ),
    turn: () => clock.advance(1),
    resize: (device: BlockDevice, blockCount) => (device as SimDisk).resize(blockCount),
  };
}

blockDeviceConformance("simulated disk", harness({}), test);
blockDeviceConformance("simulated disk with a cache", harness({ cache: "volatile" }), test);
blockDeviceConformance("slow disk", harness({ pace: { slowOneIn: 1, delayMaxMs: 20 } }), test);

describe("time", () => {
  test("without a pace no timer is armed, and all settles after the current callback", () => {
    const { clock, settled, write } = setup();
    write(0, 1);
    expect([clock.armed, settled.length]).toEqual([0, 0]);
    clock.settle();
    expect(settled).toHaveLength(1);
  });

  test("slow requests settle within the longest delay, and some are carried out before and some after", () => {
    const { clock, disk, settled, write, holds } = setup({
      pace: { slowOneIn: 1, delayMaxMs: 50 },
    });
    for (let lba = 0; lba < 32; lba++) write(lba, lba + 1);
    const early = Array.from({ length: 32 }, (_, lba) => holds(lba)[8 + 3]).filter(Boolean);
    expect(early.length).toBeGreaterThan(4);
    expect(early.length).toBeLessThan(28);
    clock.advance(50);
    expect(settled).toHaveLength(32);
    expect(holds(31)).toEqual(stamped(3, 32, 31));
    expect(disk.figures.slow).toBe(32);
  });

  test("a slow write is carried out although its channel was closed meanwhile", () => {
    const { clock, channel, write, holds } = setup({ pace: { slowOneIn: 1, delayMaxMs: 50 } });
    write(1, 9);
    channel.close();
    clock.advance(50);
    expect(holds(1)).toEqual(stamped(3, 9, 1));
  });

  test("a frozen disk does nothing until it thaws, what was slow included", () => {
    const { clock, disk, settled, write } = setup({ pace: { slowOneIn: 2, delayMaxMs: 50 } });
    for (let lba = 0; lba < 8; lba++) write(lba, lba + 1);
    disk.freeze();
    write(9, 20);
    clock.settle();
    const before = settled.length;
    clock.advance(1000);
    expect(settled).toHaveLength(before);
    expect(disk.inflight).toBe(9 - before);
    disk.thaw();
    clock.settle();
    expect(settled).toHaveLength(9);
  });
});

describe("errors", () => {
  test("as many requests fail as were planned, and then none", () => {
    const { clock, disk, settled, submit } = setup();
    disk.fail({ count: 2, error: "media" });
    for (let i = 0; i < 3; i++) submit(BlockOp.Read, 0, 1, new Uint8Array(BLOCK_BYTES));
    clock.settle();
    expect(settled.map(({ status }) => status)).toEqual([
      Status.UnrecoveredReadError,
      Status.UnrecoveredReadError,
      0,
    ]);
  });

  test("a busy disk asks for a delay, and has done nothing", () => {
    const { clock, disk, settled, write, holds } = setup();
    disk.fail({ count: 1, error: "busy", crd: 2 });
    write(0, 1);
    clock.settle();
    expect(crdOf(settled[0]!.status)).toBe(2);
    expect(holds(0)).toEqual(new Uint8Array(BLOCK_BYTES));
  });
});

describe("crash", () => {
  test("what was under way fails, was done or not, and each settles once", () => {
    const { clock, disk, settled, write, holds } = setup({
      pace: { slowOneIn: 1, delayMaxMs: 50 },
    });
    for (let lba = 0; lba < 32; lba++) write(lba, lba + 1);
    disk.crash();
    clock.advance(100);
    expect(settled.map(({ code }) => code)).toEqual(
      Array.from({ length: 32 }, () => "NVME_ERR_MEDIA"),
    );
    const done = Array.from({ length: 32 }, (_, lba) => holds(lba)[8 + 3]).filter(Boolean);
    expect(done.length).toBeGreaterThan(4);
    expect(done.length).toBeLessThan(32);
  });

  test("the cache is lost in part, and what was flushed is kept", () => {
    const { clock, disk, submit, write, holds } = setup({ cache: "volatile" });
    for (let lba = 0; lba < 16; lba++) write(lba, lba + 1);
    submit(BlockOp.Flush, 0, 0);
    for (let lba = 16; lba < 32; lba++) write(lba, lba + 1);
    clock.settle();
    disk.crash();
    const kept = Array.from({ length: 32 }, (_, lba) => holds(lba)[8 + 3]).map(Boolean);
    expect(kept.slice(0, 16)).not.toContain(false);
    expect(new Set(kept.slice(16))).toEqual(new Set([true, false]));
    expect(disk.figures.lostBlocks).toBe(kept.filter((each) => !each).length);
  });
});

describe("what comes in", () => {
  test("a write for another volume is I29, for another block I24, and a torn one I7", () => {
    const { complaints, submit, write } = setup();
    write(0, 1, 4);
    submit(BlockOp.Write, 5, 1, stamped(3, 2, 6));
    submit(BlockOp.Write, 5, 1, new Uint8Array(BLOCK_BYTES).fill(9));
    submit(BlockOp.Write, 5, 1, new Uint8Array(BLOCK_BYTES));
    expect(complaints.map((each) => each.split(":")[0])).toEqual(["I29", "I24", "I7"]);
  });

  test("each part of a write is told when it comes and when it is over", () => {
    const told: string[] = [];
    const { clock, write } = setup({
      pace: { slowOneIn: 1, delayMaxMs: 5 },
      events: {
        writeArrived: (number, lba, way) => told.push(`${number} at ${lba} by ${way}`),
        writeEnded: (number, lba, way, error) => told.push(`${number} over, ${error?.code} ${way}`),
      },
    });
    write(7, 41);
    clock.advance(5);
    expect(told).toEqual(["41 at 7 by 1", "41 over, undefined 1"]);
  });
});

test("what is cut off by a resize is zeroes when the disk grows again", () => {
  const { clock, disk, settled, write, holds } = setup({ pace: { slowOneIn: 1, delayMaxMs: 5 } });
  write(40, 1);
  disk.resize(32);
  clock.advance(5);
  expect(settled[0]!.code).toMatch(/none|OUT_OF_RANGE/);
  disk.resize(64);
  expect(holds(40)).toEqual(new Uint8Array(BLOCK_BYTES));
});

test("the identity says the volume, and other identities say none", () => {
  expect(volumeOf(setup({ volume: 513 }).disk.identity)).toBe(513);
  expect(volumeOf(volumeIdentity(1))).toBe(1);
  expect(volumeOf({})).toBeUndefined();
  expect(volumeOf({ uuid: "00000000-0000-4000-8000-000000000001" })).toBeUndefined();
});

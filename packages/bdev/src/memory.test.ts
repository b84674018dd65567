// Tests of what a memory device has beyond the contract; conformance/ has the rest.

import { Status } from "@nvmeof/codec";
import { VirtualClock } from "@nvmeof/transport/testing";
import { describe, expect, test } from "vitest";
import { type BlockDeviceEvent, BlockOp, type BlockRequest } from "./block-device.ts";
import type { BlockError } from "./errors.ts";
import { type MemoryDeviceOptions, memoryDevice } from "./memory.ts";

const CHUNK = 65_536;

function setup(options: Partial<MemoryDeviceOptions> = {}) {
  const clock = new VirtualClock();
  const device = memoryDevice({
    name: "mem0",
    clock,
    blockBytes: 512,
    blockCount: 4096,
    ...options,
  });
  const channel = device.openChannel();
  const settled: (BlockError | undefined)[] = [];
  const submit = (op: BlockOp, lba: number, blockCount: number, fill?: number): BlockRequest => {
    const moves = op === BlockOp.Read || op === BlockOp.Write || op === BlockOp.Compare;
    const data = moves ? new Uint8Array(blockCount * 512).fill(fill ?? 0xee) : undefined;
    const request = { op, lba, blockCount, data };
    channel.submit(request, (error) => settled.push(error as BlockError | undefined));
    return request;
  };
  const run = (op: BlockOp, lba: number, blockCount: number, fill?: number) => {
    const request = submit(op, lba, blockCount, fill);
    clock.settle();
    return { error: settled.pop(), data: request.data };
  };
  return { clock, device, channel, settled, submit, run };
}

describe("blocks at hand", () => {
  test("are those of requests, in any part of a buffer", () => {
    const { device, run } = setup();
    const { atHand } = device;
    run(BlockOp.Write, 7, 1, 0x11);
    const bytes = new Uint8Array(1536).fill(0xee);
    expect(atHand?.has(7, 1)).toBe(true);
    atHand?.read(7, 1, bytes, 512);
    expect([bytes[511], bytes[512], bytes[1023], bytes[1024]]).toEqual([0xee, 0x11, 0x11, 0xee]);
    expect(atHand?.write(9, 1, bytes, 512)).toBe(true);
    expect(run(BlockOp.Read, 9, 1).data).toEqual(new Uint8Array(512).fill(0x11));
  });

  test("are none where a request would be refused", () => {
    const { device } = setup({ readOnly: true });
    const { atHand } = device;
    expect(atHand?.has(4095, 1)).toBe(true);
    expect(atHand?.has(4095, 2)).toBe(false);
    expect(atHand?.write(0, 1, new Uint8Array(512), 0)).toBe(false);
    void device.close();
    expect(atHand?.has(0, 1)).toBe(false);
  });

  test("are none of a device that takes its time", () => {
    expect(setup({ latencyMs: 1 }).device.atHand).toBeUndefined();
  });
});

describe("size", () => {
  test.each([
    ["blockBytes", { blockBytes: 511 }],
    ["blockBytes", { blockBytes: 256 }],
    ["blockBytes", { blockBytes: 131_072 }],
    ["blockBytes", { blockBytes: 768 }],
    ["blockBytes", { blockBytes: 512.5 }],
    ["blockCount", { blockCount: 0 }],
    ["blockCount", { blockCount: -1 }],
    ["blockCount", { blockCount: 1.5 }],
    ["blockCount", { blockCount: 2 ** 45 }],
  ])("a bad %s is refused: %o", (name, options) => {
    expect(() => setup(options)).toThrow(RangeError);
    expect(() => setup(options)).toThrow(name);
  });

  test("a device of petabytes takes room for what is written, and gives it back", () => {
    const blockCount = 2 ** 43;
    const { device, run } = setup({ blockCount });
    expect(run(BlockOp.Write, blockCount - 1, 1).error).toBeUndefined();
    expect(run(BlockOp.Write, 0, 1).error).toBeUndefined();
    expect(device.allocatedBytes).toBe(2 * CHUNK);
    expect(run(BlockOp.WriteZeroes, 0, blockCount).error).toBeUndefined();
    expect(device.allocatedBytes).toBe(0);
    expect(run(BlockOp.Verify, 0, blockCount).error).toBeUndefined();
    expect(run(BlockOp.Read, 0, 1).data).toEqual(new Uint8Array(512));
  });

  test("what a peer writes stays below the cap, and the error says so", () => {
    const { device, run } = setup({ memoryBytesMax: 2 * CHUNK });
    expect(run(BlockOp.Write, 0, 256).error).toBeUndefined();
    const { error } = run(BlockOp.Write, 256, 1);
    expect(error).toMatchObject({
      code: "NVME_ERR_CAPACITY",
      status: Status.CapacityExceeded,
      outcome: "failed",
    });
    expect(device.allocatedBytes).toBe(2 * CHUNK);
    // Blocks that have room already can still be written, and deallocating makes room.
    expect(run(BlockOp.Write, 10, 1).error).toBeUndefined();
    expect(run(BlockOp.Deallocate, 0, 128).error).toBeUndefined();
    expect(run(BlockOp.Write, 256, 1).error).toBeUndefined();
  });
});

describe("resizing", () => {
  test("is told with the new size, even when sizes follow quickly", () => {
    const { clock, device } = setup();
    const events: BlockDeviceEvent[] = [];
    device.observe((event) => events.push(event));
    device.resize(8192);
    device.resize(8192);
    device.resize(64);
    expect(events).toEqual([]);
    clock.settle();
    expect(events).toEqual([
      { type: "resized", blockCount: 8192 },
      { type: "resized", blockCount: 64 },
    ]);
  });

  test("frees what it cuts off", () => {
    const { device, run } = setup();
    run(BlockOp.Write, 0, 256, 1);
    device.resize(100);
    expect(device.allocatedBytes).toBe(CHUNK);
    device.resize(4096);
    expect(run(BlockOp.Read, 99, 1).data?.[511]).toBe(1);
    expect(run(BlockOp.Read, 100, 1).data).toEqual(new Uint8Array(512));
  });

  test("to a bad size is refused and changes nothing", () => {
    const { device, run } = setup();
    run(BlockOp.Write, 4095, 1, 1);
    for (const blockCount of [0, -1, 1.5])
      expect(() => device.resize(blockCount)).toThrow(RangeError);
    expect(device.blockCount).toBe(4096);
    expect(run(BlockOp.Read, 4095, 1).data?.[0]).toBe(1);
  });

  test("does nothing once the device is closed", () => {
    const { clock, device } = setup();
    const events: BlockDeviceEvent[] = [];
    device.observe((event) => events.push(event));
    void device.close("unplugged");
    device.resize(10);
    clock.settle();
    expect(events).toEqual([{ type: "removed", reason: "unplugged" }]);
    expect(device.blockCount).toBe(4096);
  });
});

describe("latency", () => {
  test("is the time from submitting to settling", () => {
    const { clock, channel, settled, submit } = setup({ latencyMs: 5 });
    submit(BlockOp.Read, 0, 1);
    clock.advance(2);
    submit(BlockOp.Read, 0, 1);
    expect(channel.inflight).toBe(2);
    clock.advance(2.9);
    expect(settled).toHaveLength(0);
    clock.advance(0.2);
    expect(settled).toHaveLength(1);
    clock.advance(2);
    expect(settled).toHaveLength(2);
    expect(channel.inflight).toBe(0);
    expect(clock.armed).toBe(0);
  });

  test("does not delay refusals", () => {
    const { clock, settled, submit } = setup({ latencyMs: 5 });
    submit(BlockOp.Read, 4096, 1);
    clock.settle();
    expect(settled[0]?.status).toBe(Status.LbaOutOfRange);
  });

  test("is waited for by close", async () => {
    const { clock, device, settled, submit } = setup({ latencyMs: 5 });
    submit(BlockOp.Write, 0, 1);
    let closed = false;
    const close = device.close().then(() => (closed = true));
    clock.advance(4);
    await Promise.resolve();
    expect(closed).toBe(false);
    clock.advance(1);
    await close;
    expect(settled).toEqual([undefined]);
  });
});

test("what a settle throws surfaces on its own, and the device goes on", () => {
  for (const latencyMs of [0, 5]) {
    const { clock, channel, run } = setup({ latencyMs });
    channel.submit({ op: BlockOp.Flush, lba: 0, blockCount: 0, data: undefined }, () => {
      throw new Error("in the caller's code");
    });
    expect(() => clock.advance(10)).toThrow("in the caller's code");
    expect(channel.inflight).toBe(0);
    if (latencyMs === 0) expect(run(BlockOp.Read, 0, 1).error).toBeUndefined();
  }
});

test("the reason of a close is told and repeated in every refusal", async () => {
  const { clock, device, channel, settled, submit } = setup();
  const reasons: string[] = [];
  device.observe((event) => event.type === "removed" && reasons.push(event.reason));
  const close = device.close("the namespace was deleted");
  submit(BlockOp.Read, 0, 1);
  const late = device.openChannel();
  late.submit({ op: BlockOp.Flush, lba: 0, blockCount: 0, data: undefined }, (error) =>
    settled.push(error as BlockError),
  );
  clock.settle();
  await close;
  expect(reasons).toEqual(["the namespace was deleted"]);
  expect(settled.map((error) => error?.message)).toEqual([
    "mem0 is closed: the namespace was deleted",
    "mem0 is closed: the namespace was deleted",
  ]);
  expect([channel.inflight, late.inflight]).toEqual([0, 0]);
});

test("extents are told as blocks: what was written is allocated, in chunks", () => {
  const { device, run } = setup();
  const perChunk = CHUNK / 512;
  run(BlockOp.Write, perChunk + 3, 1, 1);
  expect(device.extentAt?.(1, 4095)).toEqual({ blockCount: perChunk - 1, isAllocated: false });
  expect(device.extentAt?.(perChunk, 4096 - perChunk)).toEqual({
    blockCount: perChunk,
    isAllocated: true,
  });
  run(BlockOp.Deallocate, perChunk, perChunk);
  expect(device.extentAt?.(0, 4096)).toEqual({ blockCount: 4096, isAllocated: false });
});

test("features and identity are as given", () => {
  const identity = { uuid: "12345678-1234-1234-1234-123456789abc" };
  const { device } = setup({ identity, volatileCache: true, readOnly: true });
  expect(device.identity).toEqual(identity);
  expect(device.features).toMatchObject({ volatileCache: true, readOnly: true });
  expect(setup().device.features).toMatchObject({ volatileCache: false, readOnly: false });
  expect(setup({ limits: { inflightMax: 2 } }).device.limits).toEqual({
    transferBlocksMax: 32_768,
    boundaryBlocks: 0,
    inflightMax: 2,
  });
});

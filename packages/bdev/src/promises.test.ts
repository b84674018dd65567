// Tests of the promise edge: calls, signals, byte access, disposal.

import { Status, codeOf } from "@nvmeof/codec";
import { systemClock } from "@nvmeof/transport/node";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BlockOp } from "./block-device.ts";
import { HeldDevice } from "./conformance/index.ts";
import { BlockError } from "./errors.ts";
import { type MemoryDeviceOptions, memoryDevice } from "./memory.ts";
import { type DiskOptions, openDisk } from "./promises.ts";

// The system's clock defers to microtasks: no time passes in these tests.
const clock = systemClock;

const memory = (options: Partial<MemoryDeviceOptions> = {}) =>
  memoryDevice({ name: "mem", clock, blockBytes: 512, blockCount: 256, ...options });

function setupHeld(options: DiskOptions = {}, inflightMax = 2) {
  const limits = { transferBlocksMax: 8, boundaryBlocks: 0, inflightMax };
  const device = new HeldDevice({ clock, limits });
  const disk = openDisk(device, options);
  return { device, disk, channel: disk.openChannel() };
}

const bytes = (count: number, seed = 0): Uint8Array =>
  Uint8Array.from({ length: count }, (_, i) => (i * 13 + (i >> 9) + seed) & 0xff);

/** What a promise has come to so far. */
function watch(promise: Promise<unknown>) {
  const state: { now: "pending" | "resolved" | "rejected"; reason?: unknown } = { now: "pending" };
  promise.then(
    () => (state.now = "resolved"),
    (reason: unknown) => Object.assign(state, { now: "rejected", reason }),
  );
  return state;
}

/** Lets all microtasks run. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const failure = new BlockError("media", Status.WriteFault, "failed", "broken");

describe("calls", () => {
  test("do what they say", async () => {
    const disk = openDisk(memory());
    await disk.write(3, bytes(1024), { fua: true });
    expect(await disk.read(3, 2)).toEqual(bytes(1024));
    await disk.compare(3, bytes(1024));
    await disk.writeZeroes(3, 1, { fua: true });
    expect(await disk.read(3, 1)).toEqual(new Uint8Array(512));
    await disk.deallocate(4, 1);
    await disk.flush();
    await disk.verify(0, 256);
    expect(disk).toMatchObject({
      name: "mem",
      blockBytes: 512,
      blockCount: 256,
      sizeBytes: 131_072,
    });
    expect(disk.features.compare).toBe(true);
    expect(disk.identity).toEqual({});
  });

  test("read into the buffer they are given", async () => {
    const disk = openDisk(memory());
    const channel = disk.openChannel();
    await channel.write(0, bytes(512));
    const whole = new Uint8Array(1024);
    const into = whole.subarray(512);
    expect(await channel.read(0, into)).toBe(into);
    expect(whole).toEqual(Uint8Array.of(...new Uint8Array(512), ...bytes(512)));
  });

  test("take any size, whatever the device takes", async () => {
    const limits = { transferBlocksMax: 3, boundaryBlocks: 8, inflightMax: 2 };
    const disk = openDisk(memory({ limits }));
    await disk.write(1, bytes(200 * 512));
    expect(Buffer.compare(await disk.read(1, 200), bytes(200 * 512))).toBe(0);
  });

  test("reject with what the device says", async () => {
    const disk = openDisk(memory());
    await disk.write(0, bytes(512));
    await expect(disk.compare(0, bytes(512, 1))).rejects.toMatchObject({
      code: "NVME_ERR_COMPARE_FAILURE",
      status: Status.CompareFailure,
      outcome: "failed",
    });
    await expect(disk.read(256, 1)).rejects.toMatchObject({ status: Status.LbaOutOfRange });
    await expect(disk.verify(0, 257)).rejects.toMatchObject({ outcome: "not-sent" });
    const readOnly = openDisk(memory({ readOnly: true }));
    await expect(readOnly.write(0, bytes(512))).rejects.toMatchObject({
      code: "NVME_ERR_READ_ONLY",
    });
  });

  test("throw at once for what cannot be right", async () => {
    const disk = openDisk(memory());
    for (const data of [new Uint8Array(0), new Uint8Array(511), new Uint8Array(513)]) {
      expect(() => disk.write(0, data)).toThrow(RangeError);
      expect(() => disk.read(0, data)).toThrow(RangeError);
      expect(() => disk.compare(0, data)).toThrow(RangeError);
    }
    for (const blockCount of [0, -1, 1.5, 257]) {
      expect(() => disk.read(0, blockCount)).toThrow(RangeError);
    }
    expect(() => disk.write(0, "text" as never)).toThrow(TypeError);
    for (const [offset, length] of [
      [-1, 1],
      [131_072, 1],
      [0.5, 1],
      [131_071, 2],
    ] as const) {
      expect(() => disk.readBytes(offset, length)).toThrow(RangeError);
      expect(() => disk.writeBytes(offset, new Uint8Array(length))).toThrow(RangeError);
    }
    expect(() => disk.readBytes(0, -1)).toThrow(RangeError);
  });

  test("go out in order, as many at a time as the device takes", async () => {
    const { device, channel } = setupHeld();
    const calls = [0, 1, 2, 3].map((lba) => watch(channel.read(lba, 1)));
    expect(device.held.map(({ request }) => request.lba)).toEqual([0, 1]);
    expect(channel.inflight).toBe(4);
    device.settleNext();
    expect(device.held.map(({ request }) => request.lba)).toEqual([1, 2]);
    device.settleNext(failure);
    device.settleAll();
    await turn();
    expect(calls.map(({ now }) => now)).toEqual(["resolved", "rejected", "resolved", "resolved"]);
    expect(calls[1]?.reason).toBe(failure);
  });

  test("beyond what may wait are refused, and nothing else is", async () => {
    const { device, channel } = setupHeld({ queueMax: 3 });
    const calls = Array.from({ length: 7 }, (_, lba) => watch(channel.read(lba, 1)));
    await turn();
    expect(calls.map(({ now }) => now).filter((now) => now === "rejected")).toHaveLength(2);
    expect(calls[5]?.reason).toMatchObject({
      code: "NVME_ERR_QUEUE_FULL",
      outcome: "not-sent",
      hint: expect.stringContaining("queueMax"),
    });
    device.settleAll();
    await turn();
    expect(calls.map(({ now }) => now).filter((now) => now === "resolved")).toHaveLength(5);
  });

  test("on channels of their own do not wait for each other", () => {
    const { device, disk, channel } = setupHeld();
    for (const lba of [0, 1, 2]) void channel.read(lba, 1);
    void disk.openChannel().read(10, 1);
    void disk.read(20, 1);
    expect(device.held.map(({ request }) => request.lba)).toEqual([0, 1, 10, 20]);
  });
});

describe("signals", () => {
  test("aborted before the call submit nothing", async () => {
    const { device, channel } = setupHeld();
    const signal = AbortSignal.abort(new Error("too late"));
    await expect(channel.read(0, 1, { signal })).rejects.toThrow("too late");
    await expect(channel.writeBytes(1, bytes(3), { signal })).rejects.toThrow("too late");
    expect(device.held).toEqual([]);
    expect(channel.inflight).toBe(0);
  });

  test("aborted while a call waits submit nothing, and those behind go on", async () => {
    const { device, channel } = setupHeld({}, 1);
    const controller = new AbortController();
    const first = watch(channel.read(0, 1));
    const second = watch(channel.read(1, 1, { signal: controller.signal }));
    const third = watch(channel.read(2, 1));
    controller.abort("no longer needed");
    await turn();
    expect(second).toEqual({ now: "rejected", reason: "no longer needed" });
    device.settleNext();
    expect(device.held.map(({ request }) => request.lba)).toEqual([2]);
    device.settleAll();
    await turn();
    expect([first.now, third.now]).toEqual(["resolved", "resolved"]);
  });

  test("aborted in flight end the wait at once, and the buffer stays in use", async () => {
    const { device, channel } = setupHeld();
    const controller = new AbortController();
    const block = bytes(512);
    const write = watch(channel.write(0, block, { signal: controller.signal }));
    controller.abort();
    const released = watch(channel.bufferReleased(block));
    await turn();
    expect(write.now).toBe("rejected");
    expect(write.reason).toBe(controller.signal.reason);
    expect(released.now).toBe("pending");
    expect(channel.inflight).toBe(1);
    device.settleNext(failure);
    await turn();
    expect(released.now).toBe("resolved");
    expect(channel.inflight).toBe(0);
  });

  test("aborted after the end change nothing, and are let go of", async () => {
    const { device, channel } = setupHeld();
    const controller = new AbortController();
    const { signal } = controller;
    let listeners = 0;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>) => (listeners++, add(...args));
    signal.removeEventListener = (...args: Parameters<typeof remove>) => (
      listeners--,
      remove(...args)
    );
    for (let i = 0; i < 100; i++) {
      const read = channel.read(0, 1, { signal });
      expect(listeners).toBe(1);
      device.settleAll();
      await read;
    }
    expect(listeners).toBe(0);
    controller.abort();
    expect(device.held).toEqual([]);
  });

  test("are listened to once, however many calls they are given to", async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning);
    process.on("warning", onWarning);
    const { device, disk, channel } = setupHeld();
    const controller = new AbortController();
    const { signal } = controller;
    const calls = Array.from({ length: 50 }, (_, i) => [
      watch(channel.read(i, 1, { signal })),
      watch(disk.writeBytes(i, bytes(1), { signal })),
    ]).flat();
    await turn();
    controller.abort();
    await turn();
    expect(calls.every(({ now }) => now === "rejected")).toBe(true);
    device.settleAll();
    await disk.close();
    process.off("warning", onWarning);
    expect(warnings).toEqual([]);
  });

  test("a buffer is free when nobody uses it, and in use by every view of it", async () => {
    const { device, channel } = setupHeld();
    const whole = new Uint8Array(2048);
    await channel.bufferReleased(whole);
    void channel.read(0, whole.subarray(512, 1024));
    const views = [whole, whole.subarray(0, 512), whole.subarray(1023), whole.subarray(1024)];
    const states = views.map((view) => watch(channel.bufferReleased(view)));
    await turn();
    expect(states.map(({ now }) => now)).toEqual(["pending", "resolved", "pending", "resolved"]);
    device.settleAll();
    await turn();
    expect(states.every(({ now }) => now === "resolved")).toBe(true);
  });
});

describe("bytes", () => {
  test("are read and written wherever they lie, and the rest stays", async () => {
    const disk = openDisk(memory());
    const model = bytes(4096, 7);
    await disk.write(0, model);
    for (const [offset, length] of [
      [0, 0],
      [0, 1],
      [511, 2],
      [500, 1100],
      [512, 512],
      [1, 4000],
    ] as const) {
      const data = bytes(length, offset);
      model.set(data, offset);
      await disk.writeBytes(offset, data, { fua: true });
      expect(await disk.readBytes(offset, length)).toEqual(data);
    }
    expect(await disk.read(0, 8)).toEqual(model);
    const into = new Uint8Array(100);
    expect(await disk.readBytes(1000, into)).toBe(into);
    expect(into).toEqual(model.subarray(1000, 1100));
  });

  test("written at the same time to one block are all there", async () => {
    const disk = openDisk(memory());
    const other = disk.openChannel();
    const expected = bytes(1024, 3);
    await Promise.all(
      Array.from({ length: 64 }, (_, i) => {
        const channel = i % 2 === 0 ? disk : other;
        return channel.writeBytes(i * 16, expected.subarray(i * 16, i * 16 + 16));
      }),
    );
    expect(await disk.read(0, 2)).toEqual(expected);
  });

  test("are not written where reading failed, and the lock goes on", async () => {
    const { device, channel } = setupHeld({}, 8);
    const write = watch(channel.writeBytes(500, bytes(1000)));
    await turn();
    expect(device.held.map(({ request }) => [request.op, request.lba])).toEqual([
      [BlockOp.Read, 0],
      [BlockOp.Read, 2],
    ]);
    device.settleNext(failure);
    await turn();
    expect(write.now).toBe("pending");
    device.settleAll();
    await turn();
    expect(write).toEqual({ now: "rejected", reason: failure });
    const next = watch(channel.writeBytes(0, bytes(1)));
    await turn();
    expect(device.held.map(({ request }) => request.op)).toEqual([BlockOp.Read]);
    device.settleAll();
    await turn();
    device.settleAll();
    await turn();
    expect(next.now).toBe("resolved");
  });

  test("aborted in flight keep their blocks locked until the requests are over", async () => {
    const { device, channel } = setupHeld({}, 8);
    const controller = new AbortController();
    const first = watch(channel.writeBytes(1, bytes(1), { signal: controller.signal }));
    await turn();
    const second = watch(channel.writeBytes(2, bytes(1)));
    controller.abort();
    await turn();
    expect(first.now).toBe("rejected");
    expect(device.held).toHaveLength(1);
    device.settleAll();
    await turn();
    // Only now the second reads the block.
    expect(device.held.map(({ request }) => request.op)).toEqual([BlockOp.Read]);
    device.settleAll();
    await turn();
    device.settleAll();
    await turn();
    expect(second.now).toBe("resolved");
  });

  test("aborted while they wait for a lock give way", async () => {
    const { device, channel } = setupHeld({}, 8);
    const controller = new AbortController();
    const first = watch(channel.writeBytes(1, bytes(1)));
    await turn();
    const second = watch(channel.writeBytes(2, bytes(1), { signal: controller.signal }));
    const third = watch(channel.writeBytes(3, bytes(1)));
    await turn();
    controller.abort("given up");
    await turn();
    expect(second).toEqual({ now: "rejected", reason: "given up" });
    for (let i = 0; i < 4; i++) {
      device.settleAll();
      await turn();
    }
    expect([first.now, third.now]).toEqual(["resolved", "resolved"]);
  });

  test("beyond what may wait for a lock are refused", async () => {
    const { device, channel } = setupHeld({ queueMax: 2 }, 8);
    const writes = [0, 1, 2].map((offset) => watch(channel.writeBytes(offset, bytes(1))));
    await turn();
    expect(writes.map(({ now }) => now)).toEqual(["pending", "pending", "rejected"]);
    expect(writes[2]?.reason).toMatchObject({ code: "NVME_ERR_QUEUE_FULL" });
    for (let i = 0; i < 4; i++) {
      device.settleAll();
      await turn();
    }
    expect(writes.map(({ now }) => now)).toEqual(["resolved", "resolved", "rejected"]);
  });

  test("are those of an array, whatever the order", async () => {
    const write = fc.record({ offset: fc.nat(4000), length: fc.nat(1500) });
    await fc.assert(
      fc.asyncProperty(fc.array(write, { maxLength: 12 }), async (writes) => {
        const limits = { transferBlocksMax: 2, boundaryBlocks: 0, inflightMax: 3 };
        const disk = openDisk(memory({ limits }));
        const model = new Uint8Array(6000);
        // Made at the same time: they overlap, and take effect in the order they were made.
        await Promise.all(
          writes.map(({ offset, length }, i) => {
            const data = new Uint8Array(length).fill(i + 1);
            model.set(data, offset);
            return disk.writeBytes(offset, data);
          }),
        );
        expect(Buffer.compare(await disk.readBytes(0, 6000), model)).toBe(0);
      }),
    );
  });
});

describe("the end", () => {
  test("of a channel waits for its calls, those that wait and those that were aborted", async () => {
    const { device, channel } = setupHeld({}, 1);
    const controller = new AbortController();
    const aborted = watch(channel.write(0, bytes(512), { signal: controller.signal }));
    const waits = watch(channel.read(1, 1));
    controller.abort();
    const closed = watch(channel.close());
    expect(channel.close()).toBe(channel.close());
    await expect(channel.read(2, 1)).rejects.toMatchObject({ code: "NVME_ERR_CLOSED" });
    await turn();
    expect([aborted.now, waits.now, closed.now]).toEqual(["rejected", "pending", "pending"]);
    device.settleNext();
    await turn();
    expect(closed.now).toBe("pending");
    device.settleNext();
    await turn();
    expect([waits.now, closed.now]).toEqual(["resolved", "resolved"]);
  });

  test("of a channel lets a byte write finish that had only begun", async () => {
    const disk = openDisk(memory());
    const channel = disk.openChannel();
    const write = channel.writeBytes(100, bytes(1000));
    const waits = channel.writeBytes(200, bytes(10));
    await channel.close();
    await Promise.all([write, waits]);
    const expected = bytes(1000);
    expected.set(bytes(10), 100);
    expect(await disk.readBytes(100, 1000)).toEqual(expected);
    await expect(channel.writeBytes(0, bytes(1))).rejects.toMatchObject({
      code: "NVME_ERR_CLOSED",
    });
  });

  test("of a disk closes its channels and leaves the device to its owner", async () => {
    const device = memory();
    const disk = openDisk(device);
    const channel = disk.openChannel();
    await disk.read(0, 1);
    await disk.close();
    await disk.close();
    for (const call of [channel.read(0, 1), disk.read(0, 1), disk.openChannel().flush()]) {
      await expect(call).rejects.toMatchObject({ code: "NVME_ERR_CLOSED" });
    }
    const again = openDisk(device);
    await again.read(0, 1);
  });

  test("of a disk that owns its device closes the device", async () => {
    const device = memory();
    const events: string[] = [];
    const disk = openDisk(device, { closeDevice: true });
    disk.observe((event) => events.push(event.type));
    await disk[Symbol.asyncDispose]();
    expect(events).toEqual(["removed"]);
  });

  test("of the device rejects what waits and what comes", async () => {
    const { device, channel } = setupHeld({}, 1);
    const calls = [channel.read(0, 1), channel.read(1, 1)].map(watch);
    const closed = device.close("unplugged");
    device.settleNext();
    await closed;
    await turn();
    expect(calls.map(({ now }) => now)).toEqual(["resolved", "rejected"]);
    const error = (await channel.read(2, 1).catch((reason: unknown) => reason)) as BlockError;
    expect(codeOf(error.status)).toBe(Status.HostAborted);
    expect(error.message).toContain("unplugged");
    await channel.close();
  });

  test("of a channel that is closed again and again leaves nothing behind", async () => {
    const disk = openDisk(memory());
    for (let i = 0; i < 100; i++) {
      const channel = disk.openChannel();
      await channel.read(i, 1);
      await channel.close();
    }
  });
});

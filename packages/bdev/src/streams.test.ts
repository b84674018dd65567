// Tests of the streams: order, bounds, ends, and ends that come early.

import { Readable } from "node:stream";
import { Status } from "@nvmeof/codec";
import { systemClock } from "@nvmeof/transport/node";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BlockOp } from "./block-device.ts";
import { HeldDevice } from "./conformance/index.ts";
import { BlockError } from "./errors.ts";
import { memoryDevice } from "./memory.ts";
import { type Disk, openDisk } from "./promises.ts";
import { readable, writable } from "./streams.ts";

// The system's clock defers to microtasks: no time passes in these tests.
const clock = systemClock;

const memoryDisk = (blockCount = 64): Disk =>
  openDisk(memoryDevice({ name: "mem", clock, blockBytes: 512, blockCount }));

function setupHeld() {
  const device = new HeldDevice({ clock, blockCount: 64 });
  const ranges = (): number[][] =>
    device.held.map(({ request }) => [request.op, request.lba, request.blockCount]);
  return { device, disk: openDisk(device), ranges };
}

const bytes = (count: number, seed = 0): Uint8Array =>
  Uint8Array.from({ length: count }, (_, i) => (i * 13 + (i >> 9) + seed) & 0xff);

/** Lets all microtasks run. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function collect(stream: ReadableStream<Uint8Array>): Promise<Uint8Array[]> {
  const chunks: Uint8Array[] = [];
  const reader = stream.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    chunks.push(next.value);
  }
  return chunks;
}

const reasonOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "no error",
    (reason: unknown) => reason,
  );

const failure = new BlockError("media", Status.WriteFault, "failed", "broken");

describe("a readable", () => {
  test("is the whole disk, in chunks, in order", async () => {
    const disk = memoryDisk();
    await disk.write(0, bytes(64 * 512));
    const chunks = await collect(readable(disk, { chunkBlocks: 10 }));
    expect(chunks.map(({ length }) => length / 512)).toEqual([10, 10, 10, 10, 10, 10, 4]);
    expect(Buffer.concat(chunks).equals(bytes(64 * 512))).toBe(true);
    await disk.close();
  });

  test("may be a part of it, or nothing", async () => {
    const disk = memoryDisk();
    await disk.write(0, bytes(64 * 512));
    const part = await collect(readable(disk, { lba: 3, blockCount: 5 }));
    expect(Buffer.concat(part).equals(bytes(64 * 512).subarray(3 * 512, 8 * 512))).toBe(true);
    expect(await collect(readable(disk, { lba: 60 }))).toHaveLength(1);
    expect(await collect(readable(disk, { lba: 64 }))).toEqual([]);
    expect(await collect(readable(disk, { blockCount: 0 }))).toEqual([]);
  });

  test.each([
    { lba: -1 },
    { lba: 65 },
    { lba: 1.5 },
    { lba: 60, blockCount: 5 },
    { blockCount: 65 },
    { blockCount: -1 },
    { chunkBlocks: 0 },
    { readAhead: 0 },
  ])("is refused for %o", (options) => {
    expect(() => readable(memoryDisk(), options)).toThrow(RangeError);
  });

  test("reads ahead as far as it was told, and only when somebody reads", async () => {
    const { device, disk, ranges } = setupHeld();
    const reader = readable(disk, { chunkBlocks: 4, readAhead: 3 }).getReader();
    await turn();
    expect(ranges()).toEqual([]);
    const first = reader.read();
    await turn();
    expect(ranges()).toEqual([
      [0, 0, 4],
      [0, 4, 4],
      [0, 8, 4],
    ]);
    device.settleNext();
    await first;
    await turn();
    // One was taken out, so one more is requested; the reader has not come back.
    expect(ranges()).toEqual([
      [0, 4, 4],
      [0, 8, 4],
      [0, 12, 4],
    ]);
    const cancelled = reader.cancel();
    device.settleAll();
    await cancelled;
  });

  test("keeps the order when the disk does not", async () => {
    const { device, disk } = setupHeld();
    const chunks = collect(readable(disk, { blockCount: 3, chunkBlocks: 1 }));
    await turn();
    for (const held of device.held.splice(0).reverse()) {
      held.request.data?.fill(held.request.lba + 1);
      held.settle();
    }
    expect((await chunks).map(([byte]) => byte)).toEqual([1, 2, 3]);
  });

  test("that is cancelled ends when nothing is in flight", async () => {
    const { device, disk } = setupHeld();
    const reader = readable(disk, { chunkBlocks: 1 }).getReader();
    const read = reader.read();
    await turn();
    let ended = false;
    const cancelled = reader.cancel("enough").then(() => (ended = true));
    await turn();
    expect(ended).toBe(false);
    device.settleAll();
    await cancelled;
    expect(await read).toEqual({ done: true, value: undefined });
    expect(device.held).toEqual([]);
    await disk.close();
  });

  test("fails with the first error, and asks for no more", async () => {
    const { device, disk } = setupHeld();
    const chunks = reasonOf(collect(readable(disk, { chunkBlocks: 1, readAhead: 2 })));
    await turn();
    device.settleNext();
    await turn();
    device.settleNext(failure);
    expect(await chunks).toBe(failure);
    expect(device.held).toHaveLength(1);
    device.settleAll();
    await disk.close();
  });

  test("ends with its signal, whether somebody reads or not", async () => {
    const { device, disk } = setupHeld();
    const controller = new AbortController();
    const { signal } = controller;
    const reading = readable(disk, { signal }).getReader();
    const idle = readable(disk, { signal }).getReader();
    const read = reasonOf(reading.read());
    await turn();
    controller.abort("stop");
    expect(await read).toBe("stop");
    expect(await reasonOf(idle.read())).toBe("stop");
    expect(await reasonOf(readable(disk, { signal }).getReader().read())).toBe("stop");
    device.settleAll();
    await disk.close();
  });

  test("is a Node stream where one is wanted", async () => {
    const disk = memoryDisk();
    await disk.write(0, bytes(64 * 512));
    const chunks: Buffer[] = [];
    for await (const chunk of Readable.fromWeb(readable(disk))) {
      chunks.push(chunk as Buffer);
    }
    expect(Buffer.concat(chunks).equals(bytes(64 * 512))).toBe(true);
  });
});

describe("a writable", () => {
  test("takes chunks of any size, and leaves what lies behind them", async () => {
    const disk = memoryDisk();
    await disk.write(0, bytes(64 * 512, 9));
    const writer = writable(disk, { lba: 2, chunkBlocks: 3 }).getWriter();
    const data = bytes(5000);
    for (const [start, end] of [
      [0, 1],
      [1, 1],
      [1, 2000],
      [2000, 5000],
    ]) {
      await writer.write(data.subarray(start, end));
    }
    await writer.close();
    const expected = bytes(64 * 512, 9);
    expected.set(data, 1024);
    expect(Buffer.compare(await disk.read(0, 64), expected)).toBe(0);
    await disk.close();
  });

  test("flushes before it is closed, unless told otherwise", async () => {
    for (const flush of [true, false]) {
      const { device, disk } = setupHeld();
      const writer = writable(disk, { chunkBlocks: 1, flush }).getWriter();
      void writer.write(bytes(512));
      const closed = writer.close();
      await turn();
      expect(device.held.map(({ request }) => request.op)).toEqual([BlockOp.Write]);
      device.settleNext();
      await turn();
      expect(device.held.map(({ request }) => request.op)).toEqual(flush ? [BlockOp.Flush] : []);
      device.settleAll();
      await closed;
    }
  });

  test("copies: its producer may use a buffer again at once", async () => {
    const { device, disk } = setupHeld();
    const writer = writable(disk, { chunkBlocks: 1 }).getWriter();
    const chunk = bytes(512);
    await writer.write(chunk);
    chunk.fill(0);
    await turn();
    expect(device.held[0]?.request.data).toEqual(bytes(512));
    const closed = writer.close();
    await turn();
    device.settleAll();
    await turn();
    device.settleAll();
    await closed;
  });

  test("writes behind as far as it was told, and pushes back then", async () => {
    const { device, disk, ranges } = setupHeld();
    const writer = writable(disk, { chunkBlocks: 1, writeBehind: 2 }).getWriter();
    let taken = 0;
    const writes = [0, 1, 2, 3].map((i) => writer.write(bytes(512, i)).then(() => taken++));
    await turn();
    expect(ranges()).toEqual([
      [1, 0, 1],
      [1, 1, 1],
    ]);
    expect(taken).toBe(2);
    device.settleNext();
    await turn();
    expect(taken).toBe(3);
    while (device.held.length > 0) {
      device.settleAll();
      await turn();
    }
    await Promise.all(writes);
    const closed = writer.close();
    await turn();
    device.settleAll();
    await closed;
  });

  test("fails with the first error, also while its producer is idle", async () => {
    const { device, disk } = setupHeld();
    const writer = writable(disk, { chunkBlocks: 1 }).getWriter();
    const closed = reasonOf(writer.closed);
    await writer.write(bytes(512));
    await turn();
    device.settleNext(failure);
    expect(await closed).toBe(failure);
    expect(await reasonOf(writer.write(bytes(512)))).toBe(failure);
    expect(device.held).toEqual([]);
    await disk.close();
  });

  test("fails at its close with the error of the last chunk, and does not flush", async () => {
    const { device, disk } = setupHeld();
    const writer = writable(disk, { chunkBlocks: 2 }).getWriter();
    void writer.write(bytes(512));
    void reasonOf(writer.closed);
    const closed = reasonOf(writer.close());
    await turn();
    device.settleNext(failure);
    expect(await closed).toBe(failure);
    expect(device.held).toEqual([]);
    await disk.close();
  });

  test.each([1, 2, 3])("refuses more than its range, after what fits, chunks of %i", async (n) => {
    const disk = memoryDisk();
    const writer = writable(disk, { lba: 62, chunkBlocks: n }).getWriter();
    void reasonOf(writer.closed);
    expect(await reasonOf(writer.write(bytes(1025)))).toBeInstanceOf(RangeError);
    expect(await disk.read(62, 2)).toEqual(bytes(1024));
    await disk.close();
  });

  test.each([{ lba: 65 }, { writeBehind: 0 }, { chunkBlocks: 1.5 }])(
    "is refused for %o",
    (options) => {
      expect(() => writable(memoryDisk(), options)).toThrow(RangeError);
    },
  );

  test("refuses what is no bytes", async () => {
    const writer = writable(memoryDisk()).getWriter();
    void reasonOf(writer.closed);
    expect(await reasonOf(writer.write("text" as never))).toBeInstanceOf(TypeError);
  });

  test("that is aborted ends when nothing is in flight, and writes no more", async () => {
    const { device, disk } = setupHeld();
    const writer = writable(disk, { chunkBlocks: 1 }).getWriter();
    void reasonOf(writer.closed);
    await writer.write(bytes(512));
    await writer.write(bytes(100));
    let ended = false;
    const aborted = writer.abort("enough").then(() => (ended = true));
    await turn();
    expect(ended).toBe(false);
    device.settleAll();
    await aborted;
    expect(device.held).toEqual([]);
    await disk.close();
  });

  test("ends with its signal", async () => {
    const { device, disk } = setupHeld();
    const controller = new AbortController();
    const { signal } = controller;
    const writer = writable(disk, { chunkBlocks: 1, signal }).getWriter();
    await writer.write(bytes(512));
    controller.abort("stop");
    expect(await reasonOf(writer.closed)).toBe("stop");
    device.settleAll();
    await disk.close();
    const late = writable(disk, { signal }).getWriter();
    expect(await reasonOf(late.closed)).toBe("stop");
  });
});

test("one disk is copied to another by piping, and an abort stops both ends", async () => {
  const [from, to] = [memoryDisk(), memoryDisk()];
  await from.write(0, bytes(64 * 512));
  await readable(from, { chunkBlocks: 5 }).pipeTo(writable(to, { chunkBlocks: 7 }));
  expect(Buffer.compare(await to.read(0, 64), bytes(64 * 512))).toBe(0);
  const { device, disk } = setupHeld();
  const controller = new AbortController();
  const piped = readable(disk).pipeTo(writable(to), { signal: controller.signal });
  await turn();
  controller.abort("stop");
  device.settleAll();
  expect(await reasonOf(piped)).toBe("stop");
  for (const each of [from, to, disk]) await each.close();
});

test("whatever the sizes, what is written is what is read", async () => {
  const size = fc.integer({ min: 1, max: 9 });
  const chunks = fc.array(fc.nat(2000), { maxLength: 15 });
  await fc.assert(
    fc.asyncProperty(chunks, size, size, size, size, async (lengths, a, b, c, d) => {
      const disk = memoryDisk();
      const model = new Uint8Array(64 * 512);
      const writer = writable(disk, { lba: 1, chunkBlocks: a, writeBehind: b }).getWriter();
      let at = 512;
      for (const [i, length] of lengths.entries()) {
        const data = bytes(length, i);
        model.set(data, at);
        at += length;
        await writer.write(data);
      }
      await writer.close();
      const read = await collect(readable(disk, { chunkBlocks: c, readAhead: d }));
      expect(Buffer.concat(read).equals(model)).toBe(true);
      await disk.close();
    }),
  );
});

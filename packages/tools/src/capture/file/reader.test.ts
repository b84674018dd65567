// Capture files in every shape that they come in, and damaged ones: rows P1 to P3, P8.

import { describe, expect, test } from "vitest";
import {
  block,
  interfaceBlock,
  option,
  type Order,
  packetBlock,
  pcapFile,
  sectionBlock,
} from "../testing/files.ts";
import { joined } from "../testing/recording.ts";
import { worldCapture, worldShapes } from "../testing/world.ts";
import { CaptureReader } from "./reader.ts";

const orders: readonly Order[] = ["little", "big"];
const frame = (fill: number, length = 60): Uint8Array => new Uint8Array(length).fill(fill);

interface Read {
  readonly frames: {
    readonly number: number;
    readonly seconds: number;
    readonly nanoseconds: number;
    readonly linkType: number;
    readonly bytes: readonly number[];
    readonly wireBytes: number;
  }[];
  readonly skipped: string[];
  readonly error: string | undefined;
}

function read(file: Uint8Array, chunkBytes = Infinity): Read {
  const frames: Read["frames"] = [];
  const skipped: string[] = [];
  const reader = new CaptureReader({
    frame: ({ bytes, start, end, number, seconds, nanoseconds, linkType, wireBytes }) => {
      const some = Array.from(bytes.subarray(start, end));
      frames.push({ number, seconds, nanoseconds, linkType, wireBytes, bytes: some });
    },
    blockSkipped: (_offset, why) => void skipped.push(why),
  });
  for (let at = 0; at < file.length; at += chunkBytes) {
    reader.write(file.subarray(at, Math.min(file.length, at + chunkBytes)));
  }
  reader.end();
  return { frames, skipped, error: reader.error?.message };
}

describe.each(orders)("%s-endian", (order) => {
  test.each(["us", "ns"] as const)("pcap with fractions in %s", (unit) => {
    const frames = [
      { bytes: frame(1), seconds: 5, nanoseconds: 123_000 },
      { bytes: frame(2, 100), seconds: 6, captured: 40 },
    ];
    const { frames: got, error } = read(pcapFile(frames, { order, unit, linkType: 113 }));
    expect(error).toBeUndefined();
    expect(got).toMatchObject([
      { number: 1, seconds: 5, nanoseconds: 123_000, linkType: 113, wireBytes: 60 },
      { number: 2, seconds: 6, wireBytes: 100 },
    ]);
    expect(got.map(({ bytes }) => bytes.length)).toEqual([60, 40]);
  });

  test("pcapng with interfaces of their own times, sections, and blocks of no interest", () => {
    const ns = option(9, [9], order);
    const binary = option(9, [0x80 | 10], order);
    const offset = option(
      14,
      order === "little" ? [100, 0, 0, 0, 0, 0, 0, 0] : [0, 0, 0, 0, 0, 0, 0, 100],
      order,
    );
    const end = option(0, [], order);
    const simple = joined([
      Uint8Array.from(order === "little" ? [60, 0, 0, 0] : [0, 0, 0, 60]),
      frame(5),
    ]);
    const file = joined([
      sectionBlock(order),
      interfaceBlock(1, order),
      interfaceBlock(101, order, [ns, offset, end]),
      interfaceBlock(276, order, [binary, end]),
      block(4, frame(9, 16), order), // names
      packetBlock(frame(1), order, { id: 0, units: 5_000_001n }),
      packetBlock(frame(2), order, { id: 1, units: 7_000_000_003n, wireBytes: 1500 }),
      packetBlock(frame(3), order, { id: 2, units: 3072n }),
      block(3, simple, order),
      sectionBlock(order),
      interfaceBlock(113, order),
      packetBlock(frame(4), order, { id: 0, units: 1_000_000n }),
    ]);
    const { frames, skipped, error } = read(file);
    expect([skipped, error]).toEqual([[], undefined]);
    expect(frames).toMatchObject([
      { number: 1, linkType: 1, seconds: 5, nanoseconds: 1_000 },
      { number: 2, linkType: 101, seconds: 107, nanoseconds: 3, wireBytes: 1500 },
      { number: 3, linkType: 276, seconds: 3, nanoseconds: 0 },
      { number: 4, linkType: 1, wireBytes: 60 },
      { number: 5, linkType: 113, seconds: 1 },
    ]);
  });
});

test("sections of both byte orders in one file", () => {
  const part = (order: Order): Uint8Array[] => [
    sectionBlock(order),
    interfaceBlock(1, order),
    packetBlock(frame(1), order, { units: 2_000_000n }),
  ];
  const { frames, error } = read(joined([...part("little"), ...part("big")]));
  expect(error).toBeUndefined();
  expect(frames.map(({ seconds }) => seconds)).toEqual([2, 2]);
});

test("the obsolete packet block, which names its interface with 16 bits", () => {
  const body = joined([
    Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 64, 66, 15, 0, 60, 0, 0, 0, 60, 0, 0, 0),
    frame(7),
  ]);
  const { frames } = read(joined([sectionBlock(), interfaceBlock(), block(2, body)]));
  expect(frames).toMatchObject([{ seconds: 1, linkType: 1, wireBytes: 60 }]);
});

test("P1: what is no capture says so, with its first bytes", () => {
  expect(read(new TextEncoder().encode("hello, world")).error).toBe(
    "byte 0 of the capture: it begins with 68656c6ch, which is neither pcap nor pcapng",
  );
  expect(read(new Uint8Array(0)).error).toContain("the file is empty");
  expect(read(Uint8Array.of(0xd4, 0xc3)).error).toContain("ends in its header");
});

test.each([
  ["pcap", pcapFile([{ bytes: frame(1) }, { bytes: frame(2) }])],
  [
    "pcapng",
    joined([sectionBlock(), interfaceBlock(), packetBlock(frame(1)), packetBlock(frame(2))]),
  ],
])("P1: a %s that is cut at any byte gives what came before, and where it ends", (_name, file) => {
  const whole = read(file);
  expect(whole.error).toBeUndefined();
  for (let length = 0; length < file.length; length++) {
    const { frames, error } = read(file.subarray(0, length));
    expect(frames).toEqual(whole.frames.slice(0, frames.length));
    // Between two records or blocks a file may well end.
    if (error !== undefined) expect(error).toMatch(/^byte \d+ of the capture: /);
    else expect(length).toBeGreaterThan(23);
  }
});

const begun = [sectionBlock(), interfaceBlock(), packetBlock(frame(1))];

test.each([
  ["of length 0", block(6, frame(2), "little", { first: 0 }), "a block of 0 bytes"],
  ["of no multiple of 4", block(6, frame(2), "little", { first: 33 }), "a block of 33 bytes"],
  ["whose lengths differ", block(6, frame(2), "little", { last: 64 }), "says 64 at its end"],
  ["beyond the file", block(6, frame(2), "little", { first: 4096 }), "in the middle of a block"],
  ["of 4 GiB", block(6, frame(2), "little", { first: 0xffff_fff0 }), "which is damage"],
  [
    "of 4 GiB, unknown",
    block(99, frame(2), "little", { first: 0xffff_fff0 }),
    "in the middle of a block",
  ],
])("P2: a block %s ends the reading, with its offset", (_name, bad, message) => {
  const { frames, error } = read(joined([...begun, bad, packetBlock(frame(3))]));
  expect(frames).toHaveLength(1);
  expect(error).toContain(message);
  const offset = Number(/^byte (\d+)/.exec(error!)![1]);
  expect(offset).toBeGreaterThanOrEqual(joined(begun).length);
});

test("P2: a pcap frame of 4 GiB ends the reading", () => {
  const file = pcapFile([{ bytes: frame(1) }, { bytes: frame(2) }]);
  new DataView(file.buffer).setUint32(24 + 16 + 60 + 8, 0xffff_ffff, true);
  expect(read(file)).toMatchObject({
    frames: [{ number: 1 }],
    error: expect.stringContaining("damage"),
  });
});

test.each([
  [
    "P3: a frame of an interface that is not described",
    packetBlock(frame(2), "little", { id: 7 }),
    "interface 7",
  ],
  ["P3: a packet block that is too short", block(6, frame(0, 8)), "too short"],
  [
    "P3: a frame longer than its block",
    block(6, Uint8Array.from([...Array<number>(12).fill(0), 255, 1, 0, 0, 255, 1, 0, 0])),
    "shorter",
  ],
])("%s is skipped, and what follows is read", (_name, bad, why) => {
  const { frames, skipped, error } = read(joined([...begun, bad, packetBlock(frame(3))]));
  expect(error).toBeUndefined();
  expect(skipped).toEqual([expect.stringContaining(why)]);
  // It counts as a frame, so that numbers are those of other programs.
  expect(frames.map(({ number }) => number)).toEqual([1, 3]);
});

test("P3: a time resolution of 0 means seconds, and one of 127 makes the interface useless", () => {
  const of = (resolution: number): Uint8Array =>
    joined([
      sectionBlock(),
      interfaceBlock(1, "little", [option(9, [resolution], "little")]),
      packetBlock(frame(1), "little", { units: 77n }),
    ]);
  expect(read(of(0)).frames).toMatchObject([{ seconds: 77, nanoseconds: 0 }]);
  for (const resolution of [127, 255]) {
    const { frames, skipped, error } = read(of(resolution));
    expect([frames, error]).toEqual([[], undefined]);
    expect(skipped[0]).toContain("time resolution");
  }
});

test("P3: options that do not end are read as far as they go", () => {
  const endless = Uint8Array.of(2, 0, 200, 0);
  const file = joined([
    sectionBlock(),
    interfaceBlock(1, "little", [endless]),
    packetBlock(frame(1)),
  ]);
  const { frames, skipped, error } = read(file);
  expect([frames.length, error]).toEqual([1, undefined]);
  expect(skipped).toEqual(["the options of an interface do not end"]);
});

test("a file in pieces of any length is the same file", async () => {
  const file = await worldCapture(worldShapes[0]!);
  const whole = read(file);
  expect(whole.frames.length).toBeGreaterThan(50);
  for (const chunkBytes of [1, 3, 17, 4096]) expect(read(file, chunkBytes)).toEqual(whole);
});

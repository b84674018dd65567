// Tests of splitting: the pure part against its definition, the channel against a device that waits.

import { type NvmeofError, Status } from "@nvmeof/codec";
import { VirtualClock } from "@nvmeof/transport/testing";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type BlockLimits, BlockOp, type BlockRequest } from "./block-device.ts";
import { HeldDevice, blockDeviceConformance } from "./conformance/index.ts";
import { BlockError } from "./errors.ts";
import { memoryDevice } from "./memory.ts";
import { type SplittingOptions, firstPieceBlocks, splitting } from "./split.ts";

const limitsOf = (transferBlocksMax: number, boundaryBlocks: number, inflightMax = 64) => ({
  transferBlocksMax,
  boundaryBlocks,
  inflightMax,
});

describe("the pieces of a transfer", () => {
  const pieces = (lba: number, blockCount: number, limits: BlockLimits): [number, number][] => {
    const all: [number, number][] = [];
    for (let done = 0; done < blockCount;) {
      const count = firstPieceBlocks(lba + done, blockCount - done, limits);
      all.push([lba + done, count]);
      done += count;
    }
    return all;
  };

  test.each([
    ["fits", 0, 8, 8, 0, [[0, 8]]],
    [
      "is too large",
      1,
      20,
      8,
      0,
      [
        [1, 8],
        [9, 8],
        [17, 4],
      ],
    ],
    [
      "crosses a boundary",
      6,
      4,
      8,
      8,
      [
        [6, 2],
        [8, 2],
      ],
    ],
    ["ends at a boundary", 4, 4, 8, 8, [[4, 4]]],
    [
      "is cut by both",
      6,
      16,
      4,
      8,
      [
        [6, 2],
        [8, 4],
        [12, 4],
        [16, 4],
        [20, 2],
      ],
    ],
    [
      "meets a boundary that is no power of two",
      5,
      7,
      100,
      6,
      [
        [5, 1],
        [6, 6],
      ],
    ],
    [
      "lies far out",
      2 ** 45 - 1,
      2,
      8,
      8,
      [
        [2 ** 45 - 1, 1],
        [2 ** 45, 1],
      ],
    ],
  ])("that %s", (_name, lba, blockCount, most, boundary, expected) => {
    expect(pieces(lba, blockCount, limitsOf(most, boundary))).toEqual(expected);
  });

  test("cover it without gap or overlap, within the limits, and no fewer would do", () => {
    const lba = fc.oneof(
      fc.nat(200),
      fc.maxSafeInteger().map((n) => Math.max(0, n - 200)),
    );
    const blockCount = fc.integer({ min: 1, max: 200 });
    const most = fc.integer({ min: 1, max: 40 });
    const boundary = fc.nat(40);
    fc.assert(
      fc.property(lba, blockCount, most, boundary, (lba, blockCount, most, boundary) => {
        let next = lba;
        for (const [at, count] of pieces(lba, blockCount, limitsOf(most, boundary))) {
          expect(at).toBe(next);
          expect(count).toBeGreaterThanOrEqual(1);
          next += count;
          const isLast = next === lba + blockCount;
          const reachesBoundary = boundary > 0 && next % boundary === 0;
          expect(isLast || reachesBoundary || count === most).toBe(true);
          expect(count).toBeLessThanOrEqual(most);
          if (boundary > 0) expect((at % boundary) + count).toBeLessThanOrEqual(boundary);
        }
        expect(next).toBe(lba + blockCount);
      }),
    );
  });
});

for (const limits of [limitsOf(3, 4, 2), limitsOf(1, 0, 1), limitsOf(64, 0)]) {
  const clock = new VirtualClock();
  blockDeviceConformance(
    `splitting for ${limits.transferBlocksMax}, ${limits.boundaryBlocks}, ${limits.inflightMax}`,
    {
      async make() {
        const memory = memoryDevice({
          name: "mem",
          clock,
          blockBytes: 512,
          blockCount: 64,
          limits,
        });
        return splitting(memory, { clock, transferBlocksMax: 16, inflightMax: 40 });
      },
      turn: () => clock.settle(),
    },
    test,
  );
}

interface Recorded {
  readonly name: string;
  readonly error: NvmeofError | undefined;
}

function setup(limits = limitsOf(4, 0), options: Partial<SplittingOptions> = {}) {
  const clock = new VirtualClock();
  const below = new HeldDevice({ clock, limits });
  const device = splitting(below, { clock, ...options });
  const channel = device.openChannel();
  const settled: Recorded[] = [];
  const submit = (name: string, request: BlockRequest): BlockRequest => {
    channel.submit(request, (error) => settled.push({ name, error }));
    return request;
  };
  const write = (name: string, lba: number, blockCount: number, fua?: boolean): BlockRequest => {
    const data = new Uint8Array(blockCount * 512).map((_, i) => lba + Math.floor(i / 512));
    return submit(name, { op: BlockOp.Write, lba, blockCount, data, ...(fua && { fua }) });
  };
  const flush = (name: string): BlockRequest =>
    submit(name, { op: BlockOp.Flush, lba: 0, blockCount: 0, data: undefined });
  const ranges = (): number[][] =>
    below.held.map(({ request }) => [request.lba, request.blockCount]);
  const names = (): string[] => settled.map(({ name }) => name);
  return { clock, below, device, channel, settled, submit, write, flush, ranges, names };
}

const failure = (outcome: "failed" | "unknown" | "not-sent") =>
  new BlockError("media", Status.WriteFault, outcome, outcome);

describe("a request in pieces", () => {
  test("goes on as it is when it fits, the object itself", () => {
    const { below, write } = setup();
    const request = write("whole", 0, 4);
    expect(below.held[0]?.request).toBe(request);
  });

  test("has the data and the force of the whole in each piece", () => {
    const { below, write } = setup();
    write("split", 1, 10, true);
    expect(below.held.map(({ request }) => request.fua)).toEqual([true, true, true]);
    for (const { request } of below.held) {
      const blocks = Array.from({ length: request.blockCount }, (_, i) => request.data![i * 512]);
      expect(blocks).toEqual(blocks.map((_, i) => request.lba + i));
    }
  });

  test("settles when the last piece has, in whatever order they do", () => {
    const { below, channel, write, names } = setup();
    write("split", 0, 12);
    const [first, second, third] = below.held.splice(0);
    third?.settle();
    first?.settle();
    expect(names()).toEqual([]);
    expect(channel.inflight).toBe(1);
    second?.settle();
    expect(names()).toEqual(["split"]);
    expect(channel.inflight).toBe(0);
  });

  test("fits the limits as they are when it is submitted, whatever they were before", () => {
    const clock = new VirtualClock();
    const below = new HeldDevice({ clock, limits: limitsOf(8, 0) });
    let limits = limitsOf(8, 0);
    Object.defineProperty(below, "limits", { get: () => limits });
    const channel = splitting(below, { clock }).openChannel();
    const read = (): void => {
      const data = new Uint8Array(8 * 512);
      channel.submit({ op: BlockOp.Read, lba: 0, blockCount: 8, data }, () => {});
    };
    read();
    limits = limitsOf(3, 0);
    read();
    limits = limitsOf(8, 4);
    read();
    const counts = below.held.map(({ request }) => request.blockCount);
    expect(counts).toEqual([8, 3, 3, 2, 4, 4]);
  });

  test("keeps within the depth of the device, in order of submission", () => {
    const { below, write, flush, ranges, names } = setup(limitsOf(4, 0, 2));
    write("a", 0, 10);
    write("b", 20, 6);
    flush("c");
    expect(ranges()).toEqual([
      [0, 4],
      [4, 4],
    ]);
    below.settleNext();
    expect(ranges()).toEqual([
      [4, 4],
      [8, 2],
    ]);
    below.settleNext();
    expect(ranges()).toEqual([
      [8, 2],
      [20, 4],
    ]);
    below.settleNext();
    expect(names()).toEqual(["a"]);
    expect(ranges()).toEqual([
      [20, 4],
      [24, 2],
    ]);
    below.settleNext();
    expect(ranges()).toEqual([
      [24, 2],
      [0, 0],
    ]);
    below.settleAll();
    expect(names()).toEqual(["a", "b", "c"]);
  });

  test("leaves operations without data whole, however large", () => {
    const { below, submit } = setup();
    submit("z", { op: BlockOp.WriteZeroes, lba: 0, blockCount: 4096, data: undefined });
    expect(below.held.map(({ request }) => request.blockCount)).toEqual([4096]);
  });

  test("may be submitted from the settle before, again and again", () => {
    const { below, channel } = setup(limitsOf(4, 0, 2));
    const request = { op: BlockOp.Write, lba: 0, blockCount: 9, data: new Uint8Array(9 * 512) };
    let rounds = 0;
    const again = (): void => {
      rounds++;
      if (rounds < 20) channel.submit(request, again);
    };
    channel.submit(request, again);
    below.settleAll();
    expect(rounds).toBe(20);
    expect(channel.inflight).toBe(0);
  });
});

describe("an error", () => {
  test("stops the pieces that were not submitted, and waits for those that were", () => {
    const { below, write, ranges, names, settled } = setup(limitsOf(4, 0, 2));
    write("a", 0, 40);
    write("b", 100, 1);
    const error = failure("failed");
    below.settleNext(error);
    // What comes next is the next request's.
    expect(ranges()).toEqual([
      [4, 4],
      [100, 1],
    ]);
    expect(names()).toEqual([]);
    below.settleNext();
    expect(settled).toEqual([{ name: "a", error }]);
    below.settleAll();
    expect(names()).toEqual(["a", "b"]);
  });

  test("is the first of several", () => {
    const { below, write, settled } = setup();
    write("a", 0, 12);
    const [first, second, third] = below.held.splice(0);
    const error = failure("failed");
    third?.settle(error);
    first?.settle(failure("failed"));
    second?.settle();
    expect(settled[0]?.error).toBe(error);
  });

  test("of one request does not stick to the next", () => {
    const { below, write, settled } = setup();
    write("a", 0, 8);
    below.settleAll(failure("unknown"));
    write("b", 0, 8);
    below.settleAll();
    expect(settled.map(({ error }) => error?.outcome)).toEqual(["unknown", undefined]);
  });

  test.each([
    ["unknown", ["failed", "unknown", "ok"], "unknown"],
    ["unknown", ["not-sent", "unknown", "ok"], "unknown"],
    ["failed", ["not-sent", "ok", "ok"], "failed"],
    ["failed", ["not-sent", "failed", "not-sent"], "failed"],
    ["not-sent", ["not-sent", "not-sent", "not-sent"], "not-sent"],
  ] as const)("says %s for a write whose pieces are %j", (_name, outcomes, expected) => {
    const { below, write, settled } = setup();
    write("a", 0, 12);
    const errors = outcomes.map((each) => (each === "ok" ? undefined : failure(each)));
    below.held.splice(0).forEach((each, i) => each.settle(errors[i]));
    expect(settled[0]?.error).toMatchObject({
      code: "NVME_ERR_MEDIA",
      status: Status.WriteFault,
      outcome: expected,
    });
  });

  test("of a read is not-sent though other pieces were read", () => {
    const { below, submit, settled } = setup();
    submit("r", { op: BlockOp.Read, lba: 0, blockCount: 8, data: new Uint8Array(4096) });
    below.settleNext(failure("not-sent"));
    below.settleNext();
    expect(settled[0]?.error?.outcome).toBe("not-sent");
  });
});

describe("refusals", () => {
  test("come before any piece is submitted", () => {
    const { clock, below, submit, settled } = setup(limitsOf(4, 0), { inflightMax: 1 });
    submit("end", { op: BlockOp.Write, lba: 4090, blockCount: 8, data: new Uint8Array(4096) });
    submit("full", { op: BlockOp.Write, lba: 0, blockCount: 8, data: new Uint8Array(4095) });
    clock.settle();
    submit("data", { op: BlockOp.Write, lba: 0, blockCount: 8, data: new Uint8Array(4095) });
    clock.settle();
    expect(below.held).toEqual([]);
    expect(settled.map(({ name, error }) => [name, error?.status])).toEqual([
      ["end", Status.LbaOutOfRange],
      ["full", Status.CommandInterrupted],
      ["data", Status.InvalidField],
    ]);
  });

  test("of the device below reach the user, with the rest given up", async () => {
    const { clock, below, write, settled } = setup(limitsOf(4, 0, 1));
    write("a", 0, 12);
    const closed = below.close("unplugged");
    below.settleNext();
    clock.settle();
    await closed;
    expect(settled[0]?.error).toMatchObject({ code: "NVME_ERR_CLOSED", outcome: "failed" });
  });
});

test("a closed channel submits what it took, then closes the one below", () => {
  const { clock, below, channel, write, names } = setup(limitsOf(4, 0, 1));
  write("a", 0, 12);
  channel.close();
  write("b", 0, 1);
  clock.settle();
  expect(names()).toEqual(["b"]);
  below.settleAll();
  expect(names()).toEqual(["b", "a"]);
  expect(channel.inflight).toBe(0);
});

test("a settle that throws does not stop the requests behind it", () => {
  const { clock, below, channel, write, names } = setup(limitsOf(4, 0, 1));
  const data = new Uint8Array(512);
  channel.submit({ op: BlockOp.Write, lba: 0, blockCount: 1, data }, () => {
    throw new Error("in the caller's code");
  });
  write("b", 0, 8);
  below.settleAll();
  expect(names()).toEqual(["b"]);
  expect(() => clock.settle()).toThrow("in the caller's code");
});

test("what is written through it is what a memory holds", () => {
  const clock = new VirtualClock();
  const step = fc.record({ lba: fc.nat(55), blockCount: fc.integer({ min: 1, max: 8 }) });
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 20 }),
      fc.integer({ min: 1, max: 5 }),
      fc.nat(5),
      fc.integer({ min: 1, max: 3 }),
      (steps, most, boundary, depth) => {
        const limits = limitsOf(most, boundary, depth);
        const memory = memoryDevice({
          name: "mem",
          clock,
          blockBytes: 512,
          blockCount: 64,
          limits,
        });
        const channel = splitting(memory, { clock }).openChannel();
        const model = new Uint8Array(64 * 512);
        const settle = (error: NvmeofError | undefined): void => expect(error).toBeUndefined();
        for (const [i, { lba, blockCount }] of steps.entries()) {
          const data = new Uint8Array(blockCount * 512).fill(i + 1);
          model.set(data, lba * 512);
          channel.submit({ op: BlockOp.Write, lba, blockCount, data }, settle);
        }
        const data = new Uint8Array(64 * 512);
        channel.submit({ op: BlockOp.Read, lba: 0, blockCount: 64, data }, settle);
        clock.settle();
        expect(channel.inflight).toBe(0);
        expect(Buffer.compare(data, model)).toBe(0);
      },
    ),
  );
});

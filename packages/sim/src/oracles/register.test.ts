// The register oracle over a real disk: silent whatever a legal disk does, and loud for each lie.

import { BlockOp, type BlockRequest } from "@nvmeof/bdev";
import { NvmeofError, type Outcome, Status } from "@nvmeof/codec";
import { VirtualClock } from "@nvmeof/transport/testing";
import { describe, expect, test } from "vitest";
import { SimRandom } from "../random.ts";
import { SimDisk, type SimDiskOptions } from "../storage/disk.ts";
import { writeStamp } from "../storage/stamp.ts";
import type { Fence } from "./fence.ts";
import { POISON, RegisterOracle } from "./register.ts";

const BLOCK_BYTES = 512;
const VOLUME = 3;

function setup(
  options: Partial<SimDiskOptions> = {},
  fence: Fence = { lateMs: 100, success: "fenced" },
) {
  const clock = new VirtualClock();
  const complaints: string[] = [];
  const complain = (invariant: string, message: string): void =>
    void complaints.push(`${invariant}: ${message}`);
  const oracle = new RegisterOracle(clock, complain);
  const disk = new SimDisk({
    name: "disk",
    clock,
    random: new SimRandom(5),
    blockBytes: BLOCK_BYTES,
    blockCount: 16,
    volume: VOLUME,
    complain,
    ...options,
  });
  oracle.addVolume(disk);
  let ids = 0;
  const begin = (op: BlockOp, lba: number, blockCount = 1, fua = false) => {
    const moves = op === BlockOp.Read || op === BlockOp.Write || op === BlockOp.Compare;
    const data = moves ? new Uint8Array(blockCount * BLOCK_BYTES) : undefined;
    const request: BlockRequest = { op, lba, blockCount, data, fua };
    const id = ++ids;
    oracle.submitted(id, VOLUME, request, fence);
    return { id, request };
  };
  type Begun = ReturnType<typeof begin>;
  const end = ({ id }: Begun, outcome?: Outcome, status?: number): void =>
    oracle.settled(id, outcome && new NvmeofError("NVME_ERR_TEST", "as told", { outcome, status }));
  const write = (lba: number, outcome?: Outcome, fua = false): number => {
    const begun = begin(BlockOp.Write, lba, 1, fua);
    end(begun, outcome);
    return begun.id;
  };
  /** A read that ends with what write `number` wrote; 0 for zeroes. */
  const shows = (begun: Begun, number: number, lba = begun.request.lba, volume = VOLUME): void => {
    begun.request.data!.fill(0);
    if (number !== 0) {
      writeStamp(begun.request.data!, 0, BLOCK_BYTES, { volume, write: number, lba });
    }
    end(begun);
  };
  const read = (lba: number, number: number): void => shows(begin(BlockOp.Read, lba), number);
  const flush = (): void => end(begin(BlockOp.Flush, 0, 0));
  const numbers = (): string[] => complaints.map((each) => each.split(":")[0]!);
  return { clock, disk, oracle, complaints, numbers, begin, end, write, read, shows, flush };
}

describe("what is legal", () => {
  test("a read beside a write shows the old value or the new one", () => {
    const { begin, end, write, read, shows, numbers } = setup();
    const old = write(0);
    const reads = [begin(BlockOp.Read, 0), begin(BlockOp.Read, 0)];
    const next = begin(BlockOp.Write, 0);
    shows(reads[0]!, next.id);
    shows(reads[1]!, old);
    end(next);
    read(0, next.id);
    expect(numbers()).toEqual([]);
  });

  test("writes that overlap may end in any order", () => {
    const { begin, end, read, numbers } = setup();
    const both = [begin(BlockOp.Write, 0), begin(BlockOp.Write, 0)];
    end(both[0]!);
    end(both[1]!);
    read(0, both[0]!.id);
    read(0, both[0]!.id);
    expect(numbers()).toEqual([]);
  });

  test("a write of unknown outcome may come late, over newer data, until it is fenced", () => {
    const { clock, write, read, numbers } = setup();
    const unknown = write(0, "unknown");
    const newer = write(0);
    read(0, newer);
    clock.advance(100);
    read(0, unknown);
    expect(numbers()).toEqual([]);
  });

  test("the time in which a target stood still does not count", () => {
    const { clock, oracle, write, read, numbers } = setup();
    const unknown = write(0, "unknown");
    clock.advance(90);
    oracle.stoodStill(VOLUME, 50);
    write(0);
    clock.advance(50);
    read(0, unknown);
    expect(numbers()).toEqual([]);
  });

  test("a target that stood still may do late what was sent before, and only that", () => {
    const { clock, oracle, begin, end, write, read, numbers } = setup();
    const before = begin(BlockOp.Write, 0);
    oracle.standsStill(VOLUME);
    oracle.fencedByTime([before.id]);
    end(before);
    read(0, write(0));
    read(0, before.id);
    expect(numbers()).toEqual([]);
    oracle.stoodStill(VOLUME, 10);
    clock.advance(111);
    const first = write(0);
    write(0);
    read(0, first);
    expect(numbers()).toEqual(["I21"]);
  });

  test("however long it stood still, nothing comes late where no fence was left to time", () => {
    const { oracle, begin, end, write, read, numbers } = setup();
    const before = begin(BlockOp.Write, 0);
    oracle.standsStill(VOLUME);
    end(before);
    read(0, write(0));
    read(0, before.id);
    expect(numbers()).toEqual(["I22"]);
  });

  test("without fencing a copy of a write that succeeded may come late", () => {
    const { write, read, numbers } = setup({}, { lateMs: 100, success: "risked" });
    const first = write(0);
    const second = write(0);
    read(0, second);
    read(0, first);
    expect(numbers()).toEqual([]);
  });

  test("a write that failed may have been done", () => {
    const { write, read, numbers } = setup();
    read(0, write(0, "failed"));
    read(1, 0);
    expect(numbers()).toEqual([]);
  });

  test("a crash may bring back what was not flushed over", () => {
    const { oracle, write, read, flush, numbers } = setup({ cache: "volatile" });
    const flushed = write(0);
    flush();
    read(0, write(0));
    oracle.crashed(VOLUME);
    read(0, flushed);
    expect(numbers()).toEqual([]);
  });

  test("what was cut off is zeroes", () => {
    const { oracle, write, read, numbers } = setup();
    write(9);
    oracle.resized(VOLUME, 8);
    read(9, 0);
    expect(numbers()).toEqual([]);
  });

  test("a settling that comes twice, or for nothing, is another oracle's affair", () => {
    const { oracle, begin, end, numbers } = setup();
    const begun = begin(BlockOp.Write, 0);
    end(begun);
    end(begun, "not-sent");
    oracle.settled(99, undefined);
    expect([numbers(), oracle.open]).toEqual([[], 0]);
  });
});

describe("what is not", () => {
  test("I21: a read shows a value that a later write has replaced", () => {
    const { write, read, complaints } = setup();
    const old = write(0);
    const next = write(0);
    read(0, old);
    expect(complaints).toEqual([
      `I21: block 0 of volume 3 was read as write ${old} of block 0 of volume 3: overwritten; it may hold ${next}`,
    ]);
  });

  test("I21: a write that succeeded is not there at all", () => {
    const { write, read, numbers } = setup();
    write(0);
    read(0, 0);
    expect(numbers()).toEqual(["I21"]);
  });

  test("I21: a Compare fails although the blocks hold just that", () => {
    const { begin, end, write, numbers } = setup();
    write(0);
    const compare = begin(BlockOp.Compare, 0);
    end(compare, "failed", Status.CompareFailure);
    expect(numbers()).toEqual(["I21"]);
  });

  test("I22: a value comes back after a read has shown a later one", () => {
    const { clock, write, read, numbers } = setup();
    const first = write(0);
    const unknown = write(0, "unknown");
    read(0, unknown);
    clock.advance(101);
    read(0, first);
    expect(numbers()).toEqual(["I22"]);
  });

  test("I22: a write of unknown outcome takes effect after its fence", () => {
    const { clock, write, read, numbers } = setup();
    const unknown = write(0, "unknown");
    clock.advance(101);
    const newer = write(0);
    read(0, newer);
    read(0, unknown);
    expect(numbers()).toEqual(["I22"]);
  });

  test("I24: a block shows what was meant for another, or what nobody wrote", () => {
    const { begin, shows, write, read, numbers } = setup();
    const other = write(1);
    shows(begin(BlockOp.Read, 0), other, 1);
    read(0, 77);
    expect(numbers()).toEqual(["I24", "I24"]);
  });

  test("I25 and I26: a crash takes what was flushed, or forced", () => {
    const { oracle, write, read, flush, numbers } = setup({ cache: "volatile" });
    const old = [write(0), write(1)];
    write(0);
    flush();
    write(1, undefined, true);
    oracle.crashed(VOLUME);
    read(0, old[0]!);
    read(1, old[1]!);
    expect(numbers()).toEqual(["I25", "I26"]);
  });

  test("I29: a read shows data of another volume", () => {
    const { begin, shows, numbers } = setup();
    shows(begin(BlockOp.Read, 0), 5, 0, 4);
    expect(numbers()).toEqual(["I29"]);
  });

  test("I9: what was never sent is read, before that is told or after", () => {
    const { begin, end, write, read, numbers } = setup();
    const before = begin(BlockOp.Write, 0);
    read(0, before.id);
    end(before, "not-sent");
    read(1, write(1, "not-sent"));
    expect(numbers()).toEqual(["I9", "I9"]);
  });

  test("I6: a read succeeds and has not filled its buffer", () => {
    const { begin, end, numbers } = setup();
    const started = begin(BlockOp.Read, 0);
    expect(started.request.data![0]).toBe(POISON);
    end(started);
    expect(numbers()).toEqual(["I6"]);
  });

  test("I7: the data of a write is used after it has settled", () => {
    const { clock, disk, begin, end, numbers } = setup();
    const write = begin(BlockOp.Write, 0);
    end(write, "unknown");
    disk.openChannel().submit(write.request, () => {});
    clock.settle();
    expect(numbers()).toEqual(["I7"]);
  });

  test("an audit finds a block that nobody wrote", () => {
    const { clock, disk, oracle, numbers } = setup({ data: "any" });
    const data = new Uint8Array(BLOCK_BYTES);
    writeStamp(data, 0, BLOCK_BYTES, { volume: VOLUME, write: 9, lba: 7 });
    disk.openChannel().submit({ op: BlockOp.Write, lba: 7, blockCount: 1, data }, () => {});
    clock.settle();
    oracle.audit(disk);
    expect(numbers()).toEqual(["I24"]);
  });
});

/** Users on a disk, by a seed: everything that a legal disk can do. */
function load(
  seed: number,
  lie: "none" | "flush" | "late copy" | "lost write" | "swapped",
): string[] {
  const random = new SimRandom(seed);
  const cache = random.pick(["none", "volatile"] as const);
  const { clock, disk, oracle, begin, complaints } = setup({
    random: random.fork("disk"),
    pace: { slowOneIn: 2, delayMaxMs: 60 },
    cache: lie === "flush" ? "volatile" : cache,
  });
  const channel = disk.openChannel();
  const ops = [0, 0, 0, 1, 1, 1, 1, 2, 3, 4, 5] as BlockOp[];
  const user = (left: number): void => {
    if (left === 0) return;
    const op = random.pick(ops);
    const lba = random.below(6);
    const blocks = op === BlockOp.Flush ? 0 : 1 + random.below(2);
    const begun = begin(op, op === BlockOp.Flush ? 0 : lba, blocks, random.oneIn(6));
    const { request } = begun;
    const copy = lie === "late copy" && op === BlockOp.Write && random.oneIn(4);
    const late = { ...request, data: request.data?.slice() };
    const skips =
      (lie === "flush" && op === BlockOp.Flush) ||
      (lie === "lost write" && op === BlockOp.Write && random.oneIn(6));
    if (lie === "swapped" && op === BlockOp.Read) request.lba = 5 - (request.lba % 5);
    const settle = (error: NvmeofError | undefined): void => {
      oracle.settled(begun.id, error);
      if (copy) clock.at(clock.nowMs() + 150, () => channel.submit(late, () => {}));
      clock.at(clock.nowMs() + random.below(40), () => user(left - 1));
    };
    if (skips) clock.defer(() => settle(undefined));
    else channel.submit(request, settle);
  };
  for (let each = 0; each < 4; each++) user(40);
  const fault = (): void => {
    const what = random.below(4);
    if (what === 0) {
      disk.crash();
      oracle.crashed(VOLUME);
    } else if (what === 1) disk.fail({ count: 2, error: random.pick(["media", "busy"] as const) });
    else if (what === 2) {
      disk.freeze();
      clock.at(clock.nowMs() + 20, () => disk.thaw());
    } else {
      const blockCount = random.pick([8, 16]);
      disk.resize(blockCount);
      oracle.resized(VOLUME, blockCount);
    }
    if (clock.nowMs() < 1_500) clock.at(clock.nowMs() + random.below(300), fault);
  };
  clock.at(100, fault);
  clock.drain();
  oracle.audit(disk);
  return complaints;
}

describe("over many seeds", () => {
  const seeds = Array.from({ length: 200 }, (_, at) => at);

  test("a disk that is slow, fails, freezes, crashes and changes its size is never complained of", () => {
    for (const seed of seeds) expect(load(seed, "none"), `seed ${seed}`).toEqual([]);
  });

  test.each([
    ["flush", /^I25/, 0.1],
    ["late copy", /^I2[12]/, 0.5],
    ["lost write", /^I2[12]/, 0.9],
    ["swapped", /^I24|^I21|^I6/, 0.95],
  ] as const)("a disk with the lie '%s' is found out", (lie, pattern, share) => {
    const found = seeds.filter((seed) => load(seed, lie).some((each) => pattern.test(each)));
    expect(found.length / seeds.length).toBeGreaterThan(share);
  });
});

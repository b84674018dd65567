// What programs do to the API that they should not: rows V1 to V5 of docs/bad-input.md.
// Read first: bdev/src/disk-channel.ts for calls, core/src/options.ts for options.

import { type Disk, openDisk } from "@nvmeof/bdev";
import { NvmeGroup, connect } from "@nvmeof/bdev/nvme";
import { type ControllerOptions, openController } from "@nvmeof/core";
import { Target } from "@nvmeof/target";
import { describe, expect, test } from "vitest";
import { expectCleanEnd, expectNothingLeft } from "./expectations.ts";
import { BLOCK_BYTES, World, type WorldOptions } from "./world.ts";

async function opened(options: WorldOptions = {}) {
  const world = new World(options);
  const path = await world.attach();
  const disk = openDisk(world.device());
  return { world, disk, path };
}

/** What a call comes to: thrown at once, or rejected. */
async function refusalOf(call: () => Promise<unknown>): Promise<{ when: string; error: unknown }> {
  let promise: Promise<unknown>;
  try {
    promise = call();
  } catch (error) {
    return { when: "at once", error };
  }
  return promise.then(
    () => ({ when: "never", error: undefined }),
    (error: unknown) => ({ when: "later", error }),
  );
}

const block = (blocks = 1): Uint8Array => new Uint8Array(blocks * BLOCK_BYTES);

describe("V1: buffers that cannot be", () => {
  const detached = (): Uint8Array => {
    const bytes = block();
    structuredClone(bytes.buffer, { transfer: [bytes.buffer as ArrayBuffer] });
    return bytes;
  };
  const cases: readonly (readonly [what: string, make: () => unknown])[] = [
    ["detached", detached],
    ["empty", () => new Uint8Array(0)],
    ["half a block", () => new Uint8Array(BLOCK_BYTES / 2)],
    ["not bytes", () => new Uint16Array(BLOCK_BYTES / 2)],
    ["no buffer", () => "x".repeat(BLOCK_BYTES)],
    ["nothing", () => undefined],
  ];
  test.each(cases)("V1: %s", async (_what, make) => {
    const { world, disk } = await opened();
    for (const call of [
      () => disk.write(0, make() as Uint8Array),
      () => disk.read(0, make() as Uint8Array),
      () => disk.compare(0, make() as Uint8Array),
    ]) {
      const { when, error } = await refusalOf(call);
      expect(when).toBe("at once");
      expect(error instanceof TypeError || error instanceof RangeError, String(error)).toBe(true);
    }
    await expectCleanEnd(world);
  });

  test("V1: a part of a larger buffer, at an odd place, and shared memory, are as good as others", async () => {
    const { world, disk } = await opened();
    const shared = new Uint8Array(new SharedArrayBuffer(3 * BLOCK_BYTES));
    for (const whole of [new Uint8Array(3 * BLOCK_BYTES), shared]) {
      const part = whole.subarray(7, 7 + BLOCK_BYTES).fill(0x5c);
      await world.run(disk.write(3, part));
      part.fill(0);
      await world.run(disk.read(3, part));
      expect(part.every((byte) => byte === 0x5c)).toBe(true);
      expect(whole[6]).toBe(0);
      expect(whole[7 + BLOCK_BYTES]).toBe(0);
    }
    await expectCleanEnd(world);
  });
});

describe("V2: places and counts that cannot be", () => {
  const lbas = [-1, 1.5, Number.NaN, Infinity, 2 ** 53, "0", null];
  test.each(lbas)("V2: LBA %s", async (lba) => {
    const { world, disk } = await opened();
    for (const call of [
      () => world.run<unknown>(disk.read(lba as number, block())),
      () => world.run<unknown>(disk.write(lba as number, block())),
      () => world.run<unknown>(disk.writeZeroes(lba as number, 1)),
      () => world.run<unknown>(disk.readBytes(lba as number, 16)),
    ]) {
      const { when, error } = await refusalOf(call);
      expect(when).not.toBe("never");
      expect(error).toSatisfy(
        (each) =>
          each instanceof TypeError ||
          each instanceof RangeError ||
          (each as { outcome?: string }).outcome === "not-sent",
      );
    }
    await expectCleanEnd(world);
  });

  test.each([0, -1, 1.5, Number.NaN, 2 ** 53])("V2: %s blocks", async (count) => {
    const { world, disk } = await opened();
    const { when, error } = await refusalOf(() => world.run(disk.writeZeroes(0, count)));
    expect([when, error]).not.toEqual(["never", undefined]);
    await expectCleanEnd(world);
  });

  test("V2: beyond the end, by one block or by a sum that is not exact", async () => {
    const { world, disk } = await opened();
    for (const [lba, blocks] of [
      [4_095, 2],
      [4_096, 1],
      [Number.MAX_SAFE_INTEGER, 1],
      [Number.MAX_SAFE_INTEGER - 1, 3],
    ] as const) {
      const { error } = await refusalOf(() => world.run(disk.read(lba, block(blocks))));
      expect(error).toMatchObject({ code: "NVME_ERR_OUT_OF_RANGE", outcome: "not-sent" });
    }
    await expectCleanEnd(world);
  });
});

describe("V3: signals", () => {
  test("V3: one that has aborted already sends nothing", async () => {
    const { world, disk } = await opened();
    const before = world.port.answers;
    const reason = new Error("changed my mind");
    const call = disk.write(0, block(), { signal: AbortSignal.abort(reason) });
    await expect(world.run(call)).rejects.toBe(reason);
    await world.pass(1_000);
    expect(world.port.answers).toBe(before);
    await expectCleanEnd(world);
  });

  test("V3: one that aborts in the turn of the answer changes nothing that was answered", async () => {
    const { world, disk } = await opened();
    const abort = new AbortController();
    const ends: string[] = [];
    const read = disk.read(0, block(), { signal: abort.signal }).then(
      () => ends.push("read"),
      () => ends.push("aborted"),
    );
    await world.run(read);
    abort.abort();
    await world.idle();
    expect(ends).toEqual(["read"]);
    await expectCleanEnd(world);
  });

  test("V3: one that aborts a connect leaves nothing behind, and its reason is the error", async () => {
    const world = new World();
    const reason = new Error("enough");
    const abort = new AbortController();
    world.port.ignore();
    const opening = openController({ ...world.controllerOptions(), signal: abort.signal });
    const failed = expect(world.run(opening)).rejects.toBe(reason);
    abort.abort(reason);
    await failed;
    expectNothingLeft(world);
    const early = openController({ ...world.controllerOptions(), signal: abort.signal });
    await expect(early).rejects.toBe(reason);
    expect(world.port.attempts).toBe(1);
  });
});

describe("V4: options", () => {
  const boom = new Error("a getter of the caller");
  const throwing = (world: World): ControllerOptions =>
    Object.defineProperty({ ...world.controllerOptions() }, "ioQueues", {
      enumerable: true,
      get: () => {
        throw boom;
      },
    });

  test("V4: a getter that throws does so before anything has happened", async () => {
    const world = new World();
    await expect(openController(throwing(world))).rejects.toBe(boom);
    await expect(world.group.attach(throwing(world))).rejects.toBe(boom);
    expect(world.port.attempts).toBe(0);
    expectNothingLeft(world);
  });

  test("V4: frozen options are read, and not written", async () => {
    const world = new World();
    const options = Object.freeze({ ...world.controllerOptions() });
    const handle = await world.run(openController(options));
    await world.run(handle.close());
    const { clock } = world;
    const frozen = Object.freeze({ clock, limits: Object.freeze({ connectionsMax: 1 }) });
    expect(new Target(frozen).limits.connectionsMax).toBe(1);
  });

  const unknown: readonly (readonly [what: string, name: string, meant: string])[] = [
    ["a name without its unit", "keepAliveTimeout", "keepAliveTimeoutMs"],
    ["another spelling", "ioqueues", "ioQueues"],
    ["a name that nothing is like", "wibble", ""],
    ["a part of every object", "toString", ""],
  ];
  test.each(unknown)(
    "V4: %s is refused, with the one that was meant",
    async (_what, name, meant) => {
      const world = new World();
      const options = { ...world.controllerOptions(), [name]: 1 };
      const expected = expect.objectContaining({
        message: expect.stringContaining(
          meant === "" ? `no option "${name}"` : `did you mean ${meant}?`,
        ) as string,
      }) as Error;
      for (const call of [
        () => openController(options),
        () => new NvmeGroup({ name: "nvme0" }).attach(options),
        () => connect(options),
      ]) {
        const { error } = await refusalOf(call);
        expect(error).toBeInstanceOf(TypeError);
        expect(error).toEqual(expected);
      }
      expect(world.port.attempts).toBe(0);
    },
  );

  test("V4: a limit of a target that there is not is refused, with the one that was meant", () => {
    const { clock } = new World();
    const limits = { connectionMax: 4 } as object;
    expect(() => new Target({ clock, limits })).toThrow(
      new TypeError('there is no limit "connectionMax"; did you mean connectionsMax?'),
    );
  });

  test.each([
    { ioQueues: -1 },
    { ioQueues: 1.5 },
    { queueEntries: 1 },
    { ioTimeoutMs: Number.NaN },
    { ioTimeoutMs: -1 },
    { keepAliveTimeoutMs: 2 ** 32 },
    { hostNqn: "" },
    { hostId: "7" },
    { onTimeout: "panic" as "none" },
    { transport: [] },
  ])("V4: %o cannot be", async (wrong) => {
    const world = new World();
    const options = { ...world.controllerOptions(), ...wrong } as ControllerOptions;
    const { error } = await refusalOf(() => openController(options));
    expect(error).toSatisfy(
      (each) =>
        each instanceof TypeError ||
        each instanceof RangeError ||
        (each as { code?: string }).code === "NVME_ERR_NQN" ||
        (each as { code?: string }).code === "NVME_ERR_PARSE",
    );
    expect(world.port.attempts).toBe(0);
  });
});

/** Does something with the errors that callbacks threw, which are thrown again in tasks of their own. */
async function collected(world: World, work: () => Promise<unknown>): Promise<unknown[]> {
  const thrown: unknown[] = [];
  const result = work();
  for (let turn = 0; turn < 20; turn++) {
    await world.idle().catch((error: unknown) => thrown.push(error));
  }
  await result;
  return thrown;
}

describe("V5: callbacks of the user", () => {
  test("V5: one that throws in its completion harms neither the others nor the controller", async () => {
    const { world, path } = await opened();
    const channel = world.device().openChannel();
    const boom = new Error("a bug of the user");
    let settled = 0;
    const thrown = await collected(world, () => {
      for (let lba = 0; lba < 8; lba++) {
        channel.submit({ op: 0, lba, blockCount: 1, data: block() }, () => {
          settled++;
          if (lba % 2 === 0) throw boom;
        });
      }
      return Promise.resolve();
    });
    expect(settled).toBe(8);
    expect(thrown).toEqual([boom, boom, boom, boom]);
    expect(path.controller.state).toBe("live");
    await expectCleanEnd(world);
  });

  test("V5: an observer that gives a promise which never settles keeps nobody waiting", async () => {
    const { world, disk } = await opened();
    // A function that gives a promise is still one that takes an event.
    disk.observe((() => new Promise(() => {})) as () => void);
    world.group.observe((() => new Promise(() => {})) as () => void);
    await world.run(disk.read(0, block()));
    await expectCleanEnd(world);
  });

  test("V5: one that calls back in, deep, in its completion, is no recursion", async () => {
    const { world } = await opened();
    const channel = world.device().openChannel();
    let count = 0;
    const again = (): void => {
      if (count++ < 5_000) channel.submit({ op: 0, lba: 0, blockCount: 1, data: block() }, again);
    };
    again();
    await world.runUntil(() => count > 5_000);
    await expectCleanEnd(world);
  });
});

test("V1: a disk that is closed refuses calls, and says so", async () => {
  const { world, disk }: { world: World; disk: Disk } = await opened();
  await world.run(disk.close());
  await expect(disk.read(0, block())).rejects.toMatchObject({ code: "NVME_ERR_CLOSED" });
  await expectCleanEnd(world);
});

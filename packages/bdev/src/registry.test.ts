// Tests of the registry and its handles: names, rights, events and ends.

import { Status, codeOf } from "@nvmeof/codec";
import { VirtualClock } from "@nvmeof/transport/testing";
import { describe, expect, test } from "vitest";
import { type BlockChannel, type BlockDeviceEvent, BlockOp } from "./block-device.ts";
import { HeldDevice, blockDeviceConformance } from "./conformance/index.ts";
import type { BlockError } from "./errors.ts";
import { type MemoryDevice, memoryDevice } from "./memory.ts";
import { BlockRegistry, RegistryError, type RegistryEvent } from "./registry.ts";

const suiteClock = new VirtualClock();
for (const write of [true, false]) {
  let memory: MemoryDevice;
  blockDeviceConformance(
    write ? "a handle for writing" : "a handle for reading",
    {
      make: () => {
        const registry = new BlockRegistry({ clock: suiteClock });
        memory = memoryDevice({ name: "mem", clock: suiteClock, blockBytes: 512, blockCount: 128 });
        registry.register(memory);
        return Promise.resolve(registry.open("mem", { write }));
      },
      turn: () => suiteClock.settle(),
      resize: (_device, blockCount) => memory.resize(blockCount),
    },
    test,
  );
}

function setup() {
  const clock = new VirtualClock();
  const registry = new BlockRegistry({ clock });
  const device = memoryDevice({ name: "mem", clock, blockBytes: 512, blockCount: 128 });
  registry.register(device);
  return { clock, registry, device };
}

/** Like setup, with requests that wait. */
function setupHeld() {
  const clock = new VirtualClock();
  const registry = new BlockRegistry({ clock });
  const device = new HeldDevice({ name: "mem", clock });
  registry.register(device);
  return { clock, registry, device };
}

/** Submits; the status is filled in when it settles, 0 for success. */
function submit(channel: BlockChannel, op: BlockOp, blockCount = 1): { status?: number } {
  const settled: { status?: number } = {};
  const data = op === BlockOp.Read || op === BlockOp.Write ? blockCount * 512 : undefined;
  channel.submit(
    { op, lba: 0, blockCount, data: data === undefined ? data : new Uint8Array(data) },
    (error) => (settled.status = codeOf((error as BlockError | undefined)?.status ?? 0)),
  );
  return settled;
}

const codeFrom = (act: () => unknown): string => {
  try {
    act();
  } catch (error) {
    expect(error).toBeInstanceOf(RegistryError);
    return (error as RegistryError).code;
  }
  return "none";
};

describe("names", () => {
  test("are taken once, and free again when the device has left", async () => {
    const { clock, registry, device } = setup();
    const other = memoryDevice({ name: "mem", clock, blockBytes: 512, blockCount: 1 });
    expect(codeFrom(() => registry.register(other))).toBe("NVME_ERR_NAME_IN_USE");
    const unregistered = registry.unregister("mem");
    registry.register(other);
    clock.settle();
    await unregistered;
    expect(registry.find("mem")?.device).toBe(other);
    // The device that left does not take its successor with it.
    const closed = device.close();
    clock.settle();
    await closed;
    expect(registry.find("mem")?.device).toBe(other);
  });

  test("that nobody has are said to be missing", () => {
    const { registry } = setup();
    expect(codeFrom(() => registry.open("disk"))).toBe("NVME_ERR_NO_DEVICE");
    expect(codeFrom(() => void registry.unregister("disk"))).toBe("NVME_ERR_NO_DEVICE");
    expect(registry.find("disk")).toBeUndefined();
  });

  test("and handles are listed", () => {
    const { registry, device } = setup();
    registry.open("mem", { holder: "backup" });
    const target = registry.open("mem", { holder: "target" });
    target.makeClaim("read-many-write-one");
    const [listed] = registry.list();
    expect(listed).toMatchObject({ name: "mem", device });
    expect(listed?.handles).toEqual([
      { holder: "backup", writes: false, claim: undefined },
      { holder: "target", writes: true, claim: { kind: "read-many-write-one", key: undefined } },
    ]);
  });

  test("come and go with events", () => {
    const { clock, registry } = setup();
    clock.settle();
    const events: RegistryEvent[] = [];
    const stop = registry.observe((event) => events.push(event));
    const other = memoryDevice({ name: "other", clock, blockBytes: 512, blockCount: 1 });
    registry.register(other);
    void registry.unregister("mem", "no longer needed");
    void other.close("unplugged");
    clock.settle();
    expect(events).toEqual([
      { type: "registered", name: "other" },
      { type: "unregistered", name: "mem", reason: "no longer needed" },
      { type: "unregistered", name: "other", reason: "unplugged" },
    ]);
    stop();
    registry.register(memoryDevice({ name: "third", clock, blockBytes: 512, blockCount: 1 }));
    clock.settle();
    expect(events).toHaveLength(3);
  });
});

describe("writing", () => {
  test("is refused through a handle for reading, and nothing else is", () => {
    const { clock, registry } = setup();
    const handle = registry.open("mem");
    expect(handle.features.readOnly).toBe(true);
    const channel = handle.openChannel();
    const refused = [BlockOp.Write, BlockOp.WriteZeroes, BlockOp.Deallocate].map((op) =>
      submit(channel, op),
    );
    const taken = [BlockOp.Read, BlockOp.Flush, BlockOp.Verify].map((op) => submit(channel, op));
    expect(channel.inflight).toBe(6);
    clock.settle();
    expect(refused).toEqual(refused.map(() => ({ status: Status.NamespaceWriteProtected })));
    expect(taken).toEqual(taken.map(() => ({ status: 0 })));
    expect(channel.inflight).toBe(0);
  });

  test("begins with a claim for writing and ends with it, on channels that are open", () => {
    const { clock, registry } = setup();
    const handle = registry.open("mem");
    const channel = handle.openChannel();
    const write = (): number | undefined => {
      const settled = submit(channel, BlockOp.Write);
      clock.settle();
      return settled.status;
    };
    expect(write()).toBe(Status.NamespaceWriteProtected);
    handle.makeClaim("read-many-write-one");
    expect(handle).toMatchObject({ writes: true, features: { readOnly: false } });
    expect(write()).toBe(0);
    handle.releaseClaim();
    expect(handle).toMatchObject({ writes: false, claim: undefined });
    expect(write()).toBe(Status.NamespaceWriteProtected);
  });

  test("stays with a handle that was opened for it when its claim goes", () => {
    const { registry } = setup();
    const handle = registry.open("mem", { write: true });
    handle.makeClaim("read-many-write-one");
    handle.releaseClaim();
    expect(handle.writes).toBe(true);
  });

  test("is refused at opening for a device that is read-only, claims included", () => {
    const { clock, registry } = setup();
    registry.register(
      memoryDevice({ name: "rom", clock, blockBytes: 512, blockCount: 1, readOnly: true }),
    );
    expect(codeFrom(() => registry.open("rom", { write: true }))).toBe("NVME_ERR_READ_ONLY");
    const handle = registry.open("rom");
    expect(codeFrom(() => handle.makeClaim("read-many-write-one"))).toBe("NVME_ERR_READ_ONLY");
    handle.makeClaim("read-many-write-none");
    expect(handle.writes).toBe(false);
  });
});

describe("claims", () => {
  test("keep others from writing, and say who holds them", () => {
    const { registry } = setup();
    registry.open("mem", { holder: "target" }).makeClaim("read-many-write-one");
    expect(() => registry.open("mem", { write: true })).toThrow(
      "mem may not be opened for writing: target holds a read-many-write-one claim",
    );
    const reader = registry.open("mem");
    expect(() => reader.makeClaim("read-many-write-none")).toThrow(
      "mem cannot be claimed: target holds a read-many-write-one claim",
    );
  });

  test("are shared by those who know the key", () => {
    const { registry } = setup();
    const handles = [1, 2, 3].map(() => registry.open("mem"));
    handles[0]?.makeClaim("read-many-write-shared", "cluster");
    handles[1]?.makeClaim("read-many-write-shared", "cluster");
    expect(codeFrom(() => handles[2]?.makeClaim("read-many-write-shared", "x"))).toBe(
      "NVME_ERR_CLAIMED",
    );
    expect(handles.map((each) => each.writes)).toEqual([true, true, false]);
  });

  test("end with the handle, but not before its writes have settled", async () => {
    const { clock, registry, device } = setupHeld();
    const first = registry.open("mem", { holder: "first" });
    first.makeClaim("read-many-write-one");
    const write = submit(first.openChannel(), BlockOp.Write);
    const second = registry.open("mem");
    const closed = first.close();
    clock.settle();
    expect(codeFrom(() => second.makeClaim("read-many-write-one"))).toBe("NVME_ERR_CLAIMED");
    device.settleAll();
    clock.settle();
    await closed;
    expect(write.status).toBe(0);
    second.makeClaim("read-many-write-one");
    expect(registry.find("mem")?.handles).toHaveLength(1);
  });

  test("that are released protect the writes in flight until they have settled", () => {
    const { registry, device } = setupHeld();
    const first = registry.open("mem");
    const second = registry.open("mem");
    first.makeClaim("exclusive-write");
    const channel = first.openChannel();
    submit(channel, BlockOp.Write);
    submit(channel, BlockOp.Write);
    first.releaseClaim();
    expect(first.writes).toBe(false);
    device.settleNext();
    expect(codeFrom(() => second.makeClaim("exclusive-write"))).toBe("NVME_ERR_CLAIMED");
    device.settleNext();
    second.makeClaim("exclusive-write");
    expect(second.writes).toBe(true);
  });

  test("cannot be made by a handle that is closed", () => {
    const { clock, registry } = setup();
    const handle = registry.open("mem");
    void handle.close();
    clock.settle();
    expect(codeFrom(() => handle.makeClaim("read-many-write-one"))).toBe("NVME_ERR_CLOSED");
    registry.open("mem", { write: true });
  });
});

describe("hot removal", () => {
  test("reaches every handle, open or not used, with its reason", async () => {
    const { clock, registry, device } = setup();
    const handles = [registry.open("mem"), registry.open("mem", { write: true })] as const;
    const events: BlockDeviceEvent[] = [];
    for (const handle of handles) handle.observe((event) => events.push(event));
    const channel = handles[0].openChannel();
    const closed = device.close("unplugged");
    clock.settle();
    await closed;
    expect(events).toEqual(handles.map(() => ({ type: "removed", reason: "unplugged" })));
    const late = submit(channel, BlockOp.Read);
    const later = submit(handles[1].openChannel(), BlockOp.Write);
    clock.settle();
    expect([late.status, later.status]).toEqual([Status.HostAborted, Status.HostAborted]);
    expect(codeFrom(() => registry.open("mem"))).toBe("NVME_ERR_NO_DEVICE");
  });

  test("settles what is in flight, and pins nothing if no handle is ever closed", async () => {
    const { clock, registry, device } = setupHeld();
    const handle = registry.open("mem", { write: true });
    const write = submit(handle.openChannel(), BlockOp.Write);
    let ended = false;
    const unregistered = registry.unregister("mem").then(() => (ended = true));
    clock.settle();
    await Promise.resolve();
    expect(ended).toBe(false);
    device.settleAll();
    clock.settle();
    await unregistered;
    expect(write.status).toBe(0);
    await handle.close();
  });

  test("by unregistering leaves the device to its owner", async () => {
    const { clock, registry, device } = setup();
    const handle = registry.open("mem");
    const unregistered = registry.unregister("mem");
    clock.settle();
    await unregistered;
    const own = submit(device.openChannel(), BlockOp.Read);
    const handles = submit(handle.openChannel(), BlockOp.Read);
    clock.settle();
    expect([own.status, handles.status]).toEqual([0, Status.HostAborted]);
  });

  test("is told once, however many ways a handle ends", () => {
    const { clock, registry, device } = setup();
    const handle = registry.open("mem");
    const events: BlockDeviceEvent[] = [];
    handle.observe((event) => events.push(event));
    void handle.close();
    void registry.unregister("mem");
    void device.close();
    clock.settle();
    expect(events).toEqual([{ type: "removed", reason: "its user closed the handle" }]);
  });
});

test("resizing reaches every handle until it ends", () => {
  const { clock, registry, device } = setup();
  const [first, second] = [registry.open("mem"), registry.open("mem")];
  const events: [string, BlockDeviceEvent][] = [];
  first.observe((event) => events.push(["first", event]));
  second.observe((event) => events.push(["second", event]));
  device.resize(256);
  clock.settle();
  void first.close();
  device.resize(64);
  clock.settle();
  expect(events.filter(([, { type }]) => type === "resized")).toEqual([
    ["first", { type: "resized", blockCount: 256 }],
    ["second", { type: "resized", blockCount: 256 }],
    ["second", { type: "resized", blockCount: 64 }],
  ]);
  expect(second.blockCount).toBe(64);
});

test("statistics are kept for each channel, each handle and the device", async () => {
  const { clock, registry } = setup();
  const [one, two] = [registry.open("mem", { write: true }), registry.open("mem")];
  const channels = [one.openChannel(), one.openChannel(), two.openChannel()] as const;
  submit(channels[0], BlockOp.Write, 4);
  submit(channels[1], BlockOp.Write, 8);
  submit(channels[2], BlockOp.Write, 16);
  clock.settle();
  const counts = [channels[0], one, two].map((each) => each.statistics().operations.Write);
  expect(counts).toMatchObject([
    { count: 1, blockCount: 4 },
    { count: 2, blockCount: 12 },
    { count: 1, errors: 1, blockCount: 0 },
  ]);
  const closed = one.close();
  clock.settle();
  await closed;
  expect(registry.find("mem")?.statistics.operations.Write).toMatchObject({ count: 3, errors: 1 });
  expect(two.statistics().statuses).toMatchObject([{ status: Status.NamespaceWriteProtected }]);
});

test("closing a handle ends its channels and no other's", async () => {
  const { clock, registry } = setup();
  const [one, two] = [registry.open("mem"), registry.open("mem")];
  const [first, second] = [one.openChannel(), two.openChannel()];
  const before = submit(first, BlockOp.Read);
  const closed = one.close();
  const after = submit(first, BlockOp.Read);
  const others = submit(second, BlockOp.Read);
  clock.settle();
  await closed;
  expect([before.status, after.status, others.status]).toEqual([0, Status.HostAborted, 0]);
  expect(registry.find("mem")?.handles).toHaveLength(1);
});

test("a closed registry has no devices and takes none", async () => {
  const { clock, registry } = setup();
  const handle = registry.open("mem");
  const closed = registry.close();
  clock.settle();
  await closed;
  await registry.close();
  expect(registry.list()).toEqual([]);
  const other = memoryDevice({ name: "other", clock, blockBytes: 512, blockCount: 1 });
  expect(codeFrom(() => registry.register(other))).toBe("NVME_ERR_CLOSED");
  const late = submit(handle.openChannel(), BlockOp.Read);
  clock.settle();
  expect(late.status).toBe(Status.HostAborted);
});

// I/O over a whole target in memory: what is written is read, and what must not be is refused.
// Ids in brackets are rows of the table of bad input.
import {
  type BlockDevice,
  type MemoryDevice,
  type MemoryDeviceOptions,
  BlockOp,
  memoryDevice,
} from "@nvmeof/bdev";
import {
  AdminOpcode,
  AnaState,
  Cc,
  DisconnectCommand,
  DsmCommand,
  DsmRange,
  Fctype,
  Fid,
  HostBehaviorSupport,
  NvmOpcode,
  type NvmeofError,
  OPC_FABRICS,
  Property,
  SetFeaturesCommand,
  Shn,
  Sqe,
  Status,
  crdOf,
  encode,
  encodeDword,
  encoded,
  viewOf,
} from "@nvmeof/codec";
import { VirtualClock } from "@nvmeof/transport/testing";
import { expect, test } from "vitest";
import type { TargetOptions } from "./index.ts";
import { HeldDevice, type HeldDeviceOptions } from "./testing/held-device.ts";
import {
  ENABLED,
  World,
  ioSqe,
  pattern,
  propertySet,
  readSqe,
  writeSqe,
} from "./testing/raw-host.ts";

interface Options extends Omit<TargetOptions, "clock"> {
  readonly device?: Partial<MemoryDeviceOptions>;
  readonly readOnly?: boolean;
}

function served({ device: given, readOnly, ...options }: Options = {}) {
  const clock = new VirtualClock();
  const device: MemoryDevice = memoryDevice({
    name: "m",
    clock,
    blockBytes: 512,
    blockCount: 8192,
    ...given,
  });
  const world = new World(clock, { namespaces: [{ device, readOnly }] }, options);
  const controller = world.connect();
  return { world, clock, device, controller, io: controller.openIo() };
}

function held(
  options: Partial<HeldDeviceOptions> = {},
  limits: TargetOptions["limits"] = {},
  target: Omit<TargetOptions, "clock"> = {},
) {
  const clock = new VirtualClock();
  const device = new HeldDevice({ clock, ...options });
  const world = new World(clock, { namespaces: [{ device }] }, { limits, ...target });
  const controller = world.connect();
  return { world, clock, device, controller, io: controller.openIo() };
}

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

test.each([1, 8, 16, 17, 256, 2048])("%d blocks are written and read back", (blocks) => {
  const { io, world } = served();
  const written = pattern(blocks * 512);
  expect(io.run(writeSqe(5, blocks), written)).toMatchObject({ code: 0 });
  const read = new Uint8Array(blocks * 512);
  expect(io.run(readSqe(5, blocks), read)).toMatchObject({ code: 0 });
  expect(same(read, written)).toBe(true);
  expect(world.target.status).toMatchObject({ backendRequests: 0, buffers: 0, bufferBytes: 0 });
});

test("blocks at hand are read and written without a request, what is large with one", () => {
  const clock = new VirtualClock();
  const memory = memoryDevice({ name: "m", clock, blockBytes: 512, blockCount: 64 });
  const { name, blockBytes, blockCount, limits, features, identity, atHand } = memory;
  const ops: BlockOp[] = [];
  const device: BlockDevice = {
    name,
    blockBytes,
    blockCount,
    limits,
    features,
    identity,
    atHand,
    observe: (observer) => memory.observe(observer),
    close: () => memory.close(),
    openChannel: () => {
      const channel = memory.openChannel();
      const submit: typeof channel.submit = (request, settle) => {
        ops.push(request.op);
        channel.submit(request, settle);
      };
      return { submit, inflight: 0, close: () => channel.close() };
    },
  };
  const io = new World(clock, { namespaces: [{ device }] }).connect().openIo();
  const read = new Uint8Array(4096);
  expect(io.run(writeSqe(5, 8), pattern(4096)).code).toBe(0);
  expect(io.run(readSqe(5, 8), read).code).toBe(0);
  expect(same(read, pattern(4096))).toBe(true);
  expect(ops).toEqual([]);
  expect(io.run(readSqe(0, 32), new Uint8Array(32 * 512)).code).toBe(0);
  expect(ops).toEqual([BlockOp.Read]);
});

test("commands of one queue are in the device at the same time, and end in any order", () => {
  const { io, device, clock } = held();
  device.store.set(pattern(4096));
  const buffers = [0, 1, 2].map(() => new Uint8Array(512));
  const cids = buffers.map((buffer, i) => io.send(readSqe(i, 1), buffer));
  clock.settle();
  expect(device.held).toBe(3);
  device.settleAll();
  clock.settle();
  expect(cids.map((cid) => io.answers.get(cid)?.code)).toEqual([0, 0, 0]);
  expect(
    buffers.map((buffer, i) => same(buffer, device.store.subarray(i * 512, i * 512 + 512))),
  ).toEqual([true, true, true]);
});

test("a device that takes small pieces within boundaries is given those, and all of them", () => {
  const { io, device } = held({ limits: { transferBlocksMax: 8, boundaryBlocks: 5 } });
  device.settling = "now";
  const written = pattern(20 * 512);
  expect(io.run(writeSqe(3, 20), written).code).toBe(0);
  expect(device.seen.map(({ lba, blockCount }) => [lba, blockCount])).toEqual([
    [3, 2],
    [5, 5],
    [10, 5],
    [15, 5],
    [20, 3],
  ]);
  const read = new Uint8Array(20 * 512);
  expect(io.run(readSqe(3, 20), read).code).toBe(0);
  expect(same(read, written)).toBe(true);
});

test("a device that takes two requests at once gets no third, and none is lost", () => {
  const { io, device, clock } = held({ limits: { inflightMax: 2 } });
  const cids = [0, 1, 2, 3, 4].map((lba) => io.send(writeSqe(lba, 1), pattern(512, lba)));
  clock.settle();
  expect(device.held).toBe(2);
  for (let turn = 0; turn < 3; turn++) {
    device.settleAll();
    clock.settle();
  }
  expect(cids.map((cid) => io.answers.get(cid)?.code)).toEqual([0, 0, 0, 0, 0]);
  expect(device.seen).toHaveLength(5);
});

test("[F107] commands beyond a connection's buffers wait for one, in order", () => {
  const { io, device, clock, world } = held(
    { blockCount: 8192 },
    { connectionBufferBytesMax: 1024 * 1024 },
  );
  const read = (): number => io.send(readSqe(0, 1024), new Uint8Array(1024 * 512));
  const cids = [read(), read(), read(), read(), read()];
  clock.settle();
  expect(device.held).toBe(2);
  expect(world.target.status.bufferBytes).toBe(1024 * 1024);
  for (let turn = 0; turn < 3; turn++) {
    device.settleAll();
    clock.settle();
  }
  expect(cids.map((cid) => io.answers.get(cid)?.code)).toEqual([0, 0, 0, 0, 0]);
  expect(world.target.status).toMatchObject({ buffers: 0, bufferBytes: 0 });
});

test("FUA reaches the device, and without a write cache every write is as if it had it", () => {
  const { io, device, controller } = held();
  device.settling = "now";
  io.run(writeSqe(0, 1), pattern(512));
  io.run(ioSqe(NvmOpcode.Write, 1, 1, { fua: 1 }), pattern(512));
  const wceOff = encoded(Sqe, { opc: 0x09, cdw10: 6, cdw11: 0 });
  expect(controller.admin.run(wceOff).code).toBe(0);
  io.run(writeSqe(2, 1), pattern(512));
  expect(device.seen.map(({ fua }) => fua)).toEqual([false, true, true]);
});

test("Flush goes to a device with a volatile cache, and is nothing to one without", () => {
  const cached = held();
  cached.device.settling = "now";
  expect(cached.io.run(encoded(Sqe, { opc: NvmOpcode.Flush, nsid: 1 })).code).toBe(0);
  expect(cached.device.seen.map(({ op }) => op)).toEqual([BlockOp.Flush]);
  const plain = held({ features: { volatileCache: false } });
  expect(plain.io.run(encoded(Sqe, { opc: NvmOpcode.Flush, nsid: 1 })).code).toBe(0);
  expect(plain.device.seen).toEqual([]);
});

test("Write Zeroes clears, by way of writes where the device has no command for it", () => {
  for (const writeZeroes of [true, false]) {
    const { io, device } = held({ features: { writeZeroes } });
    device.settling = "now";
    device.store.fill(0xff);
    expect(io.run(ioSqe(NvmOpcode.WriteZeroes, 2, 600)).code).toBe(0);
    expect(device.store.findIndex((byte) => byte === 0)).toBe(2 * 512);
    expect(device.store.lastIndexOf(0)).toBe(602 * 512 - 1);
    expect(device.seen.at(0)?.op).toBe(writeZeroes ? BlockOp.WriteZeroes : BlockOp.Write);
  }
});

test("Verify reads without data", () => {
  const { io, device } = held();
  device.settling = "now";
  expect(io.run(ioSqe(NvmOpcode.Verify, 0, 16)).code).toBe(0);
  expect(device.seen).toMatchObject([{ op: BlockOp.Verify, lba: 0, blockCount: 16 }]);
});

const dsm = (ranges: readonly (readonly [slba: number, nlb: number])[], nr = ranges.length) => {
  const data = new Uint8Array(ranges.length * DsmRange.size);
  for (const [i, [slba, nlb]] of ranges.entries()) {
    encode(DsmRange, viewOf(data), i * DsmRange.size, { slba, nlb });
  }
  const sqe = encoded(DsmCommand, { opc: NvmOpcode.DatasetManagement, nsid: 1, nr, ad: 1 });
  return [sqe, data] as const;
};

test("Dataset Management deallocates range by range, and leaves out empty ones", () => {
  const { io, device } = held();
  device.settling = "now";
  expect(io.run(...dsm([[5, 3], [9, 0], [100, 24]])).code).toBe(0); // prettier-ignore
  expect(device.seen).toMatchObject([
    { op: BlockOp.Deallocate, lba: 5, blockCount: 3 },
    { op: BlockOp.Deallocate, lba: 100, blockCount: 24 },
  ]);
});

test("a host may give Dataset Management more room than it fills, as Linux does", () => {
  const { io, device } = held();
  device.settling = "now";
  const [sqe, data] = dsm([[5, 3]]);
  const room = new Uint8Array(4096);
  room.set(data);
  expect(io.run(sqe, room).code).toBe(0);
  expect(device.seen).toHaveLength(1);
});

test("[T71] a transfer that is not the length of its blocks is refused", () => {
  const { io, device } = served();
  for (const bytes of [0, 512, 1536, 8192]) {
    const data = bytes === 0 ? undefined : new Uint8Array(bytes);
    expect(io.run(readSqe(0, 2), data).status).toBe(Status.SglDataLengthInvalid | 0x4000);
    expect(io.run(writeSqe(0, 2), data).status).toBe(Status.SglDataLengthInvalid | 0x4000);
  }
  expect(device.allocatedBytes).toBe(0);
});

test("[T72] a transfer beyond MDTS is refused", () => {
  const { io } = served({ limits: { transferBytesMax: 8192 } });
  expect(io.run(readSqe(0, 17), new Uint8Array(17 * 512)).code).toBe(Status.InvalidField);
  expect(io.run(readSqe(0, 16), new Uint8Array(8192)).code).toBe(0);
});

test("[T73] an opcode that is reserved, the vendor's, or of the admin queue is refused", () => {
  const { io } = served();
  for (const opc of [0x06, 0x0a, 0x18, 0x7e, 0xc1, NvmOpcode.WriteUncorrectable]) {
    expect(io.run(encoded(Sqe, { opc, nsid: 1 })).code).toBe(Status.InvalidOpcode);
  }
});

test("[T74] Property commands and unknown Fabrics commands on an I/O queue are refused", () => {
  const { io } = served();
  expect(io.run(propertySet(Property.Cc, 0)).code).toBe(Status.InvalidOpcode);
  const sqe = encoded(DisconnectCommand, { opc: OPC_FABRICS, fctype: 0x44 });
  expect(io.run(sqe).code).toBe(Status.InvalidOpcode);
});

test.each([0, 2, 1024, 1025, 0xffff_fffe, 0xffff_ffff])("[T75] NSID %d is refused", (nsid) => {
  const { io } = served();
  for (const opc of [NvmOpcode.Read, NvmOpcode.Write, NvmOpcode.Compare]) {
    const { status } = io.run(ioSqe(opc, 0, 1, { nsid }), new Uint8Array(512));
    expect(status).toBe(Status.InvalidNamespace | 0x4000);
  }
});

test.each([
  [8192, 1],
  [8191, 2],
  [0x1_0000_0000, 1],
  [Number.MAX_SAFE_INTEGER, 1],
  [2 ** 63, 2],
  [0xffff_ffff * 0x1_0000_0000, 8],
])("[T76] blocks from %d on, %d of them, are out of range", (lba, count) => {
  const { io, device } = served();
  const data = new Uint8Array(count * 512);
  const refused = { status: Status.LbaOutOfRange | 0x4000, dw0: 0, dw1: 0 };
  expect(io.run(readSqe(lba, count), data)).toMatchObject(refused);
  expect(io.run(writeSqe(lba, count), data)).toMatchObject(refused);
  expect(io.run(ioSqe(NvmOpcode.WriteZeroes, lba, count))).toMatchObject(refused);
  expect(io.run(ioSqe(NvmOpcode.Verify, lba, count))).toMatchObject(refused);
  expect(device.allocatedBytes).toBe(0);
});

test("[T77] 65,536 blocks of a small namespace are refused without an allocation", () => {
  const { io, world } = served();
  expect(io.run(ioSqe(NvmOpcode.Read, 0, 65_536)).code).toBe(Status.InvalidField);
  expect(io.run(ioSqe(NvmOpcode.WriteZeroes, 0, 65_536)).code).toBe(Status.LbaOutOfRange);
  expect(world.target.status.bufferBytes).toBe(0);
});

test("[T80] fused commands are refused, both of them, since we announce none", () => {
  const { io } = served();
  for (const fuse of [1, 2]) {
    const sqe = ioSqe(NvmOpcode.Compare, 0, 1, { fuse });
    expect(io.run(sqe, new Uint8Array(512)).code).toBe(Status.InvalidField);
  }
});

test("[T81] Compare says whether the blocks hold the data", () => {
  const { io } = served();
  io.run(writeSqe(4, 2), pattern(1024));
  expect(io.run(ioSqe(NvmOpcode.Compare, 4, 2), pattern(1024)).code).toBe(0);
  expect(io.run(ioSqe(NvmOpcode.Compare, 4, 2), pattern(1024, 8)).code).toBe(Status.CompareFailure);
  expect(io.run(ioSqe(NvmOpcode.Compare, 4, 2)).code).toBe(Status.InvalidField);
});

test("[T82] Dataset Management: too few ranges, one out of range, none, 256 that overlap", () => {
  const { io, device } = held();
  device.settling = "now";
  const [sqe, data] = dsm([[0, 1], [1, 1]], 3); // prettier-ignore
  expect(io.run(sqe, data).code).toBe(Status.InvalidField);
  // Nothing of a command with a bad range is done, whatever came before it.
  expect(io.run(...dsm([[0, 1], [1020, 5]])).code).toBe(Status.LbaOutOfRange); // prettier-ignore
  expect(io.run(...dsm([[2 ** 63, 0xffff_ffff]])).code).toBe(Status.LbaOutOfRange);
  expect(device.seen).toEqual([]);
  expect(io.run(...dsm([[0, 0]])).code).toBe(0);
  const many = Array.from({ length: 256 }, (_, i) => [i, 700] as const);
  expect(io.run(...dsm(many)).code).toBe(0);
  expect(device.seen).toHaveLength(256);
});

test("[T83] Write Zeroes of more than MDTS is one request to the device", () => {
  const { io, device } = held({ blockCount: 65_536 });
  device.settling = "now";
  expect(io.run(ioSqe(NvmOpcode.WriteZeroes, 0, 65_536)).code).toBe(0);
  expect(device.seen).toMatchObject([{ op: BlockOp.WriteZeroes, lba: 0, blockCount: 65_536 }]);
});

test("[T85] a read-only namespace refuses what changes blocks, and nothing else", () => {
  const { io } = served({ readOnly: true });
  const block = new Uint8Array(512);
  const refused = Status.NamespaceWriteProtected | 0x4000;
  expect(io.run(writeSqe(0, 1), block).status).toBe(refused);
  expect(io.run(ioSqe(NvmOpcode.WriteZeroes, 0, 1)).status).toBe(refused);
  expect(io.run(...dsm([[0, 1]])).status).toBe(refused);
  expect(io.run(readSqe(0, 1), block).code).toBe(0);
  expect(io.run(ioSqe(NvmOpcode.Compare, 0, 1), new Uint8Array(512)).code).toBe(0);
});

test.each([
  [AnaState.Optimized, 0],
  [AnaState.NonOptimized, 0],
  [AnaState.Inaccessible, Status.AnaInaccessible],
  [AnaState.PersistentLoss, Status.AnaPersistentLoss],
  [AnaState.Change, Status.AnaTransition],
])("[T86] in ANA state %d I/O is answered with %d, retry allowed", (state, status) => {
  const { io, world } = served();
  world.subsystem.setAnaState({ group: 1, state });
  expect(io.run(readSqe(0, 1), new Uint8Array(512)).status).toBe(status);
  expect(io.run(encoded(Sqe, { opc: NvmOpcode.Flush, nsid: 1 })).status).toBe(status);
});

test("[T90] metadata, and protection information done by us, are refused", () => {
  const { io } = served();
  const block = new Uint8Array(512);
  const withMetadata = ioSqe(NvmOpcode.Read, 0, 1, { mptr: 0x1000n });
  expect(io.run(withMetadata, block).code).toBe(Status.InvalidField);
  const withPract = ioSqe(NvmOpcode.Read, 0, 1, { prinfo: 8 });
  expect(io.run(withPract, block).code).toBe(Status.InvalidField);
});

test("[T97] I/O after a shutdown is refused; with CC.EN 0 its queues are gone", () => {
  const { io, controller } = served();
  const shutdown = ENABLED | encodeDword(Cc, { shn: Shn.Normal });
  expect(controller.setCc(shutdown).code).toBe(0);
  const { status } = io.run(readSqe(0, 1), new Uint8Array(512));
  expect(status).toBe(Status.CommandSequenceError | 0x4000);
  expect(controller.setCc(0).code).toBe(0);
  expect(io.lost).toBeDefined();
});

test("[T98] a command that fails has zeroes for a result", () => {
  const { io } = served();
  io.run(writeSqe(0, 1), pattern(512));
  for (const sqe of [
    readSqe(9000, 1),
    ioSqe(0x55, 0, 1),
    ioSqe(NvmOpcode.Read, 0, 1, { fuse: 1 }),
  ]) {
    const answer = io.run(sqe, new Uint8Array(512));
    expect(answer).toMatchObject({ dw0: 0, dw1: 0 });
    expect(answer.code).not.toBe(0);
  }
});

const disconnect = (recfmt = 0): Uint8Array =>
  encoded(DisconnectCommand, { opc: OPC_FABRICS, fctype: Fctype.Disconnect, recfmt });

test("[T100] Disconnect of a queue with I/O is answered after it, and ends the queue", () => {
  const { io, device, clock, world } = held();
  const write = io.send(writeSqe(0, 1), pattern(512));
  const last = io.send(disconnect());
  const late = io.send(writeSqe(1, 1), pattern(512));
  clock.settle();
  expect(io.answers.get(late)?.code).toBe(Status.SqDeleted);
  expect(io.answers.has(last)).toBe(false);
  device.settleAll();
  clock.settle();
  expect([io.answers.get(write)?.code, io.answers.get(last)?.code]).toEqual([0, 0]);
  clock.advance(5_000);
  expect(io.lost).toBeDefined();
  expect(world.target.status).toMatchObject({ connections: 1, controllers: 1 });
});

test("[T100] Disconnect with another record format is refused, and on an admin queue too", () => {
  const { io, controller } = served();
  expect(io.run(disconnect(1)).code).toBe(Status.ConnectIncompatibleFormat);
  expect(controller.admin.run(disconnect()).code).toBe(Status.DisconnectInvalidQueueType);
});

test("an I/O queue that is gone takes no other with it, and its QID can be used again", () => {
  const { io, controller } = served();
  const second = controller.openIo(2);
  io.close();
  expect(second.run(readSqe(0, 1), new Uint8Array(512)).code).toBe(0);
  expect(controller.openIo(1).run(readSqe(0, 1), new Uint8Array(512)).code).toBe(0);
});

test("[F103] an error of a device is the host's answer, and one without a status is internal", () => {
  const { io, device, clock } = held();
  const failWith = (status: number | undefined): number | undefined => {
    const cid = io.send(readSqe(0, 1), new Uint8Array(512));
    clock.settle();
    device.settleAll({ status } as NvmeofError);
    clock.settle();
    return io.answers.get(cid)?.code;
  };
  expect(failWith(Status.UnrecoveredReadError)).toBe(Status.UnrecoveredReadError);
  expect(failWith(Status.CapacityExceeded)).toBe(Status.CapacityExceeded);
  expect(failWith(undefined)).toBe(Status.InternalError);
  // What only a host may say is said otherwise: a device may be a host of another target.
  expect(failWith(Status.HostPathError)).toBe(Status.InternalPathError);
  expect(failWith(Status.HostAborted)).toBe(Status.InternalPathError);
});

test("[F85] a device's delay (CRD) is told to a host that knows of it, where it stands for a time", () => {
  const { io, device, clock, controller } = held({}, {}, { retryDelaysMs: [500, 1_000] });
  const delayOf = (crd: number): number => {
    const cid = io.send(readSqe(0, 1), new Uint8Array(512));
    clock.settle();
    device.settleAll({ status: Status.InternalError | (crd << 11) } as NvmeofError);
    clock.settle();
    expect(io.answers.get(cid)?.code).toBe(Status.InternalError);
    return crdOf(io.answers.get(cid)!.status);
  };
  const delays = (): number[] => [0, 1, 2, 3].map(delayOf);
  expect(delays()).toEqual([0, 0, 0, 0]);
  const behavior = (acre: number): void => {
    const sqe = encoded(SetFeaturesCommand, {
      opc: AdminOpcode.SetFeatures,
      fid: Fid.HostBehaviorSupport,
    });
    controller.admin.run(sqe, encoded(HostBehaviorSupport, { acre }));
  };
  behavior(1);
  expect(delays()).toEqual([0, 1, 2, 0]);
  behavior(0);
  expect(delays()).toEqual([0, 0, 0, 0]);
});

test("[F103] a device that settles twice, or throws, harms its own request only", () => {
  const { io, device, clock, world } = held();
  const first = io.send(readSqe(0, 1), new Uint8Array(512));
  clock.settle();
  device.settleTwice();
  clock.settle();
  expect(io.answers.get(first)?.code).toBe(0);
  device.execute = () => {
    throw new Error("a fault of the device");
  };
  expect(io.run(readSqe(0, 1), new Uint8Array(512)).code).toBe(Status.InternalError);
  expect(world.target.status).toMatchObject({ backendRequests: 0, buffers: 0 });
});

test("[F101] a namespace removed with I/O in flight: that is answered, what follows is refused", () => {
  const { io, device, clock, world } = held();
  const read = io.send(readSqe(0, 1), new Uint8Array(512));
  clock.settle();
  expect(world.subsystem.removeNamespace(1)).toBe(true);
  expect(io.run(readSqe(0, 1), new Uint8Array(512)).code).toBe(Status.InvalidNamespace);
  device.settleAll();
  clock.settle();
  expect(io.answers.get(read)?.code).toBe(0);
});

test("[F101] a command that waits for room when its namespace is removed is refused", () => {
  const { io, device, clock, world } = held({ limits: { inflightMax: 1 } });
  const [first, second] = [io.send(writeSqe(0, 1), pattern(512)), io.send(writeSqe(1, 1), pattern(512))]; // prettier-ignore
  clock.settle();
  world.subsystem.removeNamespace(1);
  device.settleAll();
  clock.settle();
  expect(io.answers.get(first)?.code).toBe(0);
  expect(io.answers.get(second)?.code).toBe(Status.InvalidNamespace);
  expect(device.seen).toHaveLength(1);
});

test("a namespace that comes back under its NSID with another device is that device's", () => {
  const { io, world, clock } = served();
  io.run(writeSqe(0, 1), pattern(512));
  world.subsystem.removeNamespace(1);
  const device = memoryDevice({ name: "other", clock, blockBytes: 4096, blockCount: 4 });
  world.subsystem.addNamespace({ device, nsid: 1 });
  const read = new Uint8Array(4096).fill(1);
  expect(io.run(readSqe(3, 1), read).code).toBe(0);
  expect(read.every((byte) => byte === 0)).toBe(true);
});

test("a device that closes takes its namespace with it; one that grows is read to its new end", async () => {
  const { io, device, world, clock } = served();
  device.resize(8200);
  clock.settle();
  expect(io.run(readSqe(8199, 1), new Uint8Array(512)).code).toBe(0);
  await world.resolved(device.close());
  expect(io.run(readSqe(0, 1), new Uint8Array(512)).code).toBe(Status.InvalidNamespace);
  expect(world.subsystem.namespaces).toEqual([]);
});

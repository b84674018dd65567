// The admin queue, row by row of the table of bad input, and properties.
import { memoryDevice } from "@nvmeof/bdev";
import {
  AbortCommand,
  AdminOpcode,
  Cap,
  Cc,
  Csts,
  Fctype,
  GetLogPageCommand,
  IdentifyCommand,
  NvmOpcode,
  OPC_FABRICS,
  Property,
  PropertyGetCommand,
  Shn,
  Shst,
  Sqe,
  Status,
  decodeDwords,
  encodeDword,
  encoded,
} from "@nvmeof/codec";
import { VirtualClock } from "@nvmeof/transport/testing";
import { expect, test } from "vitest";
import { HeldDevice } from "./testing/held-device.ts";
import {
  ENABLED,
  type RawController,
  World,
  propertyGet,
  propertySet,
  readSqe,
} from "./testing/raw-host.ts";

function connected() {
  const clock = new VirtualClock();
  const device = memoryDevice({ name: "m", clock, blockBytes: 512, blockCount: 64 });
  const world = new World(clock, { namespaces: [{ device }] });
  const controller = world.connect();
  return { world, clock, controller, admin: controller.admin };
}

const cstsOf = (controller: RawController) =>
  decodeDwords(Csts, controller.admin.run(propertyGet(Property.Csts)).dw0);

const final = (status: number): number => status | 0x4000;

test.each([0x03, 0x0b, 0xc0, 0xff, NvmOpcode.Compare, AdminOpcode.NamespaceManagement])(
  "[T73] admin opcode %d is refused",
  (opc) => {
    const { admin } = connected();
    expect(admin.run(encoded(Sqe, { opc }))).toMatchObject({
      status: final(Status.InvalidOpcode),
      dw0: 0,
      dw1: 0,
    });
  },
);

test("[T74] an unknown Fabrics command is refused, and so is one for authentication", () => {
  const { admin } = connected();
  for (const fctype of [0x10, 0xc0, Fctype.AuthenticationReceive]) {
    const sqe = encoded(PropertyGetCommand, { opc: OPC_FABRICS, fctype });
    expect(admin.run(sqe).code).toBe(Status.InvalidOpcode);
  }
});

const abort = (sqid: number, abortedCid: number): Uint8Array =>
  encoded(AbortCommand, { opc: AdminOpcode.Abort, sqid, abortedCid });

test("[T88] [F99] Abort of what is not there, of another queue, of itself: done, not aborted", () => {
  const { admin, controller } = connected();
  controller.openIo();
  for (const [sqid, cid] of [
    [0, 9],
    [1, 3],
    [7, 0],
    [0xffff, 0xffff],
  ] as const) {
    // prettier-ignore
    expect(admin.run(abort(sqid, cid))).toMatchObject({ code: 0, dw0: 1 });
  }
  for (let i = 0; i < 1_000; i++) expect(admin.run(abort(0, i % 32)).dw0).toBe(1);
});

test("Abort ends an event request, and a command that its device does not have yet", () => {
  const clock = new VirtualClock();
  const device = new HeldDevice({ clock, limits: { inflightMax: 1 } });
  const world = new World(clock, { namespaces: [{ device }] });
  const controller = world.connect();
  const event = controller.awaitEvent();
  expect(controller.admin.run(abort(0, event))).toMatchObject({ code: 0, dw0: 0 });
  expect(controller.admin.answers.get(event)?.code).toBe(Status.AbortRequested);
  const io = controller.openIo();
  const send = (lba: number): number => io.send(readSqe(lba, 1), new Uint8Array(512));
  const [first, second] = [send(0), send(1)];
  clock.settle();
  expect(controller.admin.run(abort(1, first)).dw0).toBe(1);
  expect(controller.admin.run(abort(1, second)).dw0).toBe(0);
  clock.settle();
  expect(io.answers.get(second)?.code).toBe(Status.AbortRequested);
  device.settleAll();
  clock.settle();
  expect(io.answers.get(first)?.code).toBe(0);
  expect(world.target.status).toMatchObject({ backendRequests: 0, buffers: 0 });
});

test("[T89] one Asynchronous Event Request more than the limit is refused", () => {
  const { admin, controller } = connected();
  for (let i = 0; i < 4; i++) controller.awaitEvent();
  const { status } = admin.run(encoded(Sqe, { opc: AdminOpcode.AsyncEventRequest }));
  expect(status).toBe(final(Status.AerLimitExceeded));
});

test("[T95] commands that make and delete queues are refused", () => {
  const { admin } = connected();
  const { CreateIoSq, CreateIoCq, DeleteIoSq, DeleteIoCq, DoorbellBufferConfig } = AdminOpcode;
  for (const opc of [CreateIoSq, CreateIoCq, DeleteIoSq, DeleteIoCq, DoorbellBufferConfig]) {
    expect(admin.run(encoded(Sqe, { opc })).code).toBe(Status.InvalidOpcode);
  }
});

test("[T96] properties that are unknown, misaligned, of another size or read-only are refused", () => {
  const { admin, controller } = connected();
  const bad: [number, number][] = [
    [0x0c, 0],
    [0x1000, 0],
    [0x15, 0],
    [0xffff_ffff, 1],
    [Property.Cap, 0],
    [Property.Cc, 1],
    [Property.Cc, 2],
    [Property.Nssr, 0],
  ];
  for (const [ofst, attrib] of bad) {
    expect(admin.run(propertyGet(ofst, attrib))).toMatchObject({
      status: final(Status.InvalidField),
      dw0: 0,
      dw1: 0,
    });
    expect(admin.run(propertySet(ofst, 1, attrib)).status).toBe(final(Status.InvalidField));
  }
  for (const [ofst, attrib] of [
    [Property.Cap, 1],
    [Property.Vs, 0],
    [Property.Csts, 0],
  ] as const) {
    // prettier-ignore
    expect(admin.run(propertySet(ofst, 1, attrib)).code).toBe(Status.InvalidField);
  }
  expect(cstsOf(controller)).toMatchObject({ rdy: 1, cfs: 0 });
});

test("[T96] CC with what we cannot do is refused, and is no fatal status", () => {
  const { controller } = connected();
  controller.setCc(0);
  const good = { en: 1, iosqes: 6, iocqes: 4 };
  const bad = [{ mps: 1 }, { ams: 1 }, { css: 3 }, { css: 7 }, { iosqes: 5 }, { iocqes: 5 }];
  for (const each of bad) {
    expect(controller.setCc(encodeDword(Cc, { ...good, ...each })).code).toBe(Status.InvalidField);
    expect(cstsOf(controller)).toMatchObject({ rdy: 0, cfs: 0 });
  }
  expect(controller.setCc(encodeDword(Cc, { ...good, css: 6 })).code).toBe(0);
  expect(cstsOf(controller)).toMatchObject({ rdy: 1, cfs: 0 });
});

test("[T96] CC.EN may be toggled 1,000 times", () => {
  const { controller } = connected();
  for (let i = 0; i < 1_000; i++) {
    expect(controller.setCc(i % 2 === 0 ? 0 : ENABLED).code).toBe(0);
    expect(cstsOf(controller)).toMatchObject({ rdy: i % 2, cfs: 0 });
  }
});

test("[T97] before CC.EN there are Fabrics commands only", () => {
  const { controller, admin } = connected();
  controller.setCc(0);
  for (const opc of [AdminOpcode.KeepAlive, AdminOpcode.AsyncEventRequest, AdminOpcode.Abort]) {
    expect(admin.run(encoded(Sqe, { opc })).status).toBe(final(Status.CommandSequenceError));
  }
  const identify = controller.read(IdentifyCommand, { opc: AdminOpcode.Identify, cns: 1 });
  expect(identify.status).toBe(final(Status.CommandSequenceError));
  expect(admin.run(propertyGet(Property.Vs))).toMatchObject({ code: 0, dw0: 0x2_0000 });
});

test("[T99] Keep Alive may come without a timeout, and as often as a host likes", () => {
  const { admin } = connected();
  const keepAlive = encoded(Sqe, { opc: AdminOpcode.KeepAlive });
  for (let i = 0; i < 1_000; i++) expect(admin.run(keepAlive).code).toBe(0);
});

test("CAP says what the limits are", () => {
  const { admin } = connected();
  const { dw0, dw1 } = admin.run(propertyGet(Property.Cap, 1));
  const cap = decodeDwords(Cap, dw0, dw1);
  expect(cap).toMatchObject({ mqes: 128, cqr: 1, ncss: 1, iocss: 1, crwms: 1, mpsmin: 0 });
  expect(cap.to).toBeGreaterThan(0);
  expect(admin.run(propertyGet(Property.Crto)).code).toBe(0);
});

test("[F100] a shutdown is complete when the I/O in flight is; a reset ends all of it", () => {
  const clock = new VirtualClock();
  const device = new HeldDevice({ clock });
  const world = new World(clock, { namespaces: [{ device }] });
  const controller = world.connect();
  const io = controller.openIo();
  const read = io.send(readSqe(0, 1), new Uint8Array(512));
  clock.settle();
  controller.setCc(ENABLED | encodeDword(Cc, { shn: Shn.Normal }));
  expect(cstsOf(controller)).toMatchObject({ shst: Shst.Occurring });
  device.settleAll();
  clock.settle();
  expect(io.answers.get(read)?.code).toBe(0);
  expect(cstsOf(controller)).toMatchObject({ shst: Shst.Complete });
  const event = controller.awaitEvent();
  expect(controller.admin.answers.get(event)?.code).toBe(Status.CommandSequenceError);
  controller.setCc(0);
  expect(io.lost).toBeDefined();
  expect(cstsOf(controller)).toMatchObject({ rdy: 0, shst: Shst.Normal, cfs: 0 });
});

test("[F100] CC.EN 0 ends I/O in flight, whose late end goes nowhere, and event requests", () => {
  const clock = new VirtualClock();
  const device = new HeldDevice({ clock });
  const world = new World(clock, { namespaces: [{ device }] });
  const controller = world.connect();
  const io = controller.openIo();
  const read = io.send(readSqe(0, 1), new Uint8Array(512));
  const event = controller.awaitEvent();
  controller.setCc(0);
  expect(io.lost).toBeDefined();
  expect(controller.admin.answers.get(event)?.code).toBe(Status.AbortRequested);
  device.settleAll();
  clock.settle();
  expect(io.answers.has(read)).toBe(false);
  expect(world.target.status).toMatchObject({ connections: 1, backendRequests: 0, buffers: 0 });
  // The controller can be used again.
  expect(controller.enable().code).toBe(0);
  controller.openIo();
});

test("[T91] [T70] Get Log Page of a length that is not that of its data is refused", () => {
  const { controller } = connected();
  const asked = { opc: AdminOpcode.GetLogPage, lid: 2, nsid: 0xffff_ffff };
  for (const numd of [1, 127, 129, 2 ** 18]) {
    const { status } = controller.read(GetLogPageCommand, { ...asked, numd }, 512);
    expect(status).toBe(final(Status.SglDataLengthInvalid));
  }
  const huge = controller.read(GetLogPageCommand, { ...asked, numd: 2 ** 32 }, 512);
  expect(huge.status).toBe(final(Status.InvalidField));
  expect(controller.read(GetLogPageCommand, { ...asked, numd: 128 }, 512).code).toBe(0);
});

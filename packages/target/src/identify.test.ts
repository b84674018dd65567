// Identify: what a host learns of a controller and its namespaces.
import { memoryDevice } from "@nvmeof/bdev";
import {
  AdminOpcode,
  Cns,
  ControllerType,
  DISCOVERY_NQN,
  IdentifyCommand,
  IdentifyController,
  IdentifyControllerNvm,
  IdentifyNamespace,
  IdentifyNamespaceIndependent,
  Oncs,
  Status,
  currentLbaFormat,
  decode,
  decodeCommandSets,
  decodeControllerList,
  decodeNamespaceDescriptors,
  decodeNsidList,
  hexText,
  uuidText,
  viewOf,
} from "@nvmeof/codec";
import { VirtualClock } from "@nvmeof/transport/testing";
import { expect, test } from "vitest";
import { HeldDevice } from "./testing/held-device.ts";
import { SUBSYSTEM_NQN, World } from "./testing/raw-host.ts";

const UUID = "12345678-9abc-4def-8123-456789abcdef";

function connected() {
  const clock = new VirtualClock();
  const disk = memoryDevice({
    name: "disk",
    clock,
    blockBytes: 4096,
    blockCount: 1000,
    identity: { uuid: UUID, nguid: new Uint8Array(16).fill(0xab) },
  });
  const plain = new HeldDevice({ clock, features: { compare: false, verify: false } });
  const world = new World(clock, {
    serial: "S1",
    namespaces: [{ device: disk, eui64: new Uint8Array(8).fill(1) }],
  });
  world.subsystem.addNamespace({ device: plain, nsid: 7, anaGroup: 3, readOnly: true });
  const controller = world.connect();
  const identify = (cns: number, nsid = 0, more: { csi?: number; cntid?: number } = {}) =>
    controller.read(IdentifyCommand, { opc: AdminOpcode.Identify, cns, nsid, ...more });
  return { world, controller, identify };
}

test("a controller says who it is and what it takes", () => {
  const { identify, controller } = connected();
  const { data } = identify(Cns.Controller);
  expect(decode(IdentifyController, viewOf(data))).toMatchObject({
    sn: "S1",
    mn: "nvmeof",
    subnqn: SUBSYSTEM_NQN,
    cntlid: controller.cntlid,
    cntrltype: ControllerType.Io,
    mdts: 8,
    aerl: 4,
    acl: 4,
    elpe: 64,
    kas: 10,
    cmic: 0xb,
    ver: 0x2_0000,
    sqes: 0x66,
    cqes: 0x44,
    nn: 1024,
    mnan: 1024,
    maxcmd: 128,
    ioccsz: 516,
    iorcsz: 1,
    icdoff: 0,
    ofcs: 1,
    anatt: 10,
    anagrpmax: 128,
    nanagrpid: 128,
    fuses: 0,
  });
});

test("retry delays are told in units of 100 ms, and those that there are not as 0", () => {
  const world = new World(new VirtualClock(), {}, { retryDelaysMs: [100, 2_000] });
  const asked = { opc: AdminOpcode.Identify, cns: Cns.Controller };
  const { data } = world.connect().read(IdentifyCommand, asked);
  const delays = { crdt1: 1, crdt2: 20, crdt3: 0 };
  expect(decode(IdentifyController, viewOf(data))).toMatchObject(delays);
});

test("optional commands are those that some namespace takes", () => {
  const { identify, world } = connected();
  const oncs = (): number => IdentifyController.oncs.get(viewOf(identify(Cns.Controller).data));
  const always =
    Oncs.WriteZeroes | Oncs.DatasetManagement | Oncs.Reservations | Oncs.Timestamp | Oncs.Copy;
  expect(oncs()).toBe(always | Oncs.Compare | Oncs.Verify);
  world.subsystem.removeNamespace(1);
  expect(oncs()).toBe(always);
});

test("a namespace says its size, block, ANA group and identifiers", () => {
  const { identify } = connected();
  const view = viewOf(identify(Cns.Namespace, 1).data);
  expect(decode(IdentifyNamespace, view)).toMatchObject({
    nsze: 1000n,
    ncap: 1000n,
    nuse: 1000n,
    nlbaf: 1,
    nmic: 1,
    anagrpid: 1,
    nsattr: 0,
    nvmcap: 4_096_000n,
  });
  expect(currentLbaFormat(view).blockBytes).toBe(4096);
  expect(hexText(IdentifyNamespace.nguid.get(view))).toBe("ab".repeat(16));
  const other = viewOf(identify(Cns.Namespace, 7).data);
  expect(decode(IdentifyNamespace, other)).toMatchObject({ anagrpid: 3, nsattr: 1, nsze: 1024n });
  expect(currentLbaFormat(other).blockBytes).toBe(512);
});

test("identifiers are those given, those of the device, or a UUID that stays the same", () => {
  const { identify } = connected();
  const first = decodeNamespaceDescriptors(identify(Cns.NamespaceDescriptors, 1).data);
  expect(uuidText(first.uuid!)).toBe(UUID);
  expect(hexText(first.eui64!)).toBe("01".repeat(8));
  expect(first.csi).toBe(0);
  const derived = () =>
    decodeNamespaceDescriptors(connected().identify(Cns.NamespaceDescriptors, 7).data);
  expect(derived()).toEqual(derived());
  expect(uuidText(derived().uuid!)).toMatch(/^[\da-f]{8}-[\da-f]{4}-8[\da-f]{3}-[89ab]/);
  expect(derived().nguid).toBeUndefined();
});

test("lists of namespaces begin above the NSID that is given", () => {
  const { identify } = connected();
  for (const cns of [
    Cns.ActiveNamespaces,
    Cns.AllocatedNamespaces,
    Cns.CommandSetActiveNamespaces,
  ]) {
    expect(decodeNsidList(identify(cns).data)).toEqual([1, 7]);
    expect(decodeNsidList(identify(cns, 1).data)).toEqual([7]);
    expect(decodeNsidList(identify(cns, 7).data)).toEqual([]);
    expect(identify(cns, 0xffff_fffe).code).toBe(Status.InvalidNamespace);
  }
});

test("what is independent of the command set, and what is not, can be asked for", () => {
  const { identify, controller } = connected();
  const independent = viewOf(identify(Cns.IndependentNamespace, 7).data);
  expect(decode(IdentifyNamespaceIndependent, independent)).toMatchObject({
    anagrpid: 3,
    nrdy: 1,
    nmic: 1,
    nsattr: 1,
  });
  expect(identify(Cns.CommandSetNamespace, 1).code).toBe(0);
  expect(identify(Cns.CommandSetNamespace, 1, { csi: 2 }).code).toBe(Status.InvalidField);
  const nvm = viewOf(identify(Cns.CommandSetController).data);
  expect(decode(IdentifyControllerNvm, nvm)).toMatchObject({ wzsl: 0, vsl: 0 });
  expect(decodeCommandSets(identify(Cns.CommandSets).data)).toEqual([1n]);
  expect(decodeControllerList(identify(Cns.Controllers).data)).toEqual([controller.cntlid]);
  expect(decodeControllerList(identify(Cns.NamespaceControllers, 1).data)).toHaveLength(1);
  const above = identify(Cns.Controllers, 0, { cntid: controller.cntlid + 1 });
  expect(decodeControllerList(above.data)).toEqual([]);
});

test("[T75] a namespace that is not there is all zeroes, one that cannot be is refused", () => {
  const { identify } = connected();
  expect(identify(Cns.Namespace, 2)).toMatchObject({ code: 0 });
  expect(identify(Cns.Namespace, 2).data.every((byte) => byte === 0)).toBe(true);
  for (const nsid of [0, 1025, 0xffff_ffff]) {
    expect(identify(Cns.Namespace, nsid).code).toBe(Status.InvalidNamespace);
  }
  expect(identify(Cns.NamespaceDescriptors, 2).code).toBe(Status.InvalidNamespace);
});

test("[T93] structures that are reserved are refused, and a short buffer gets what fits", () => {
  const { identify, controller } = connected();
  for (const cns of [0x04, 0x17, 0x7f, 0xff]) {
    expect(identify(cns).status).toBe(Status.InvalidField | 0x4000);
  }
  const asked = { opc: AdminOpcode.Identify, cns: Cns.Controller };
  const short = controller.read(IdentifyCommand, asked, 100);
  expect(short.code).toBe(0);
  expect(IdentifyController.sn.get(viewOf(short.data))).toBe("S1");
  expect(controller.read(IdentifyCommand, asked, 8192).code).toBe(Status.SglDataLengthInvalid);
  expect(controller.admin.run(new Uint8Array(64).fill(0x06, 0, 1).fill(1, 40, 41)).code).toBe(0);
});

test("a discovery controller is one, and has no namespaces", () => {
  const { world } = connected();
  const controller = world.connect({ subsystemNqn: DISCOVERY_NQN });
  const identify = (cns: number) =>
    controller.read(IdentifyCommand, { opc: AdminOpcode.Identify, cns });
  const fields = decode(IdentifyController, viewOf(identify(Cns.Controller).data));
  expect(fields).toMatchObject({
    cntrltype: ControllerType.Discovery,
    subnqn: DISCOVERY_NQN,
    nn: 0,
    oncs: 0,
    ioccsz: 0,
  });
  expect(identify(Cns.ActiveNamespaces).code).toBe(Status.InvalidField);
});

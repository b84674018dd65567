// Set Features and Get Features: what is kept, what is refused, and what a reset brings back.
import { memoryDevice } from "@nvmeof/bdev";
import {
  AdminOpcode,
  AsyncEventBit,
  FeatureSelect,
  Fid,
  GetFeaturesCommand,
  HostBehaviorSupport,
  SetFeaturesCommand,
  Status,
  encoded,
} from "@nvmeof/codec";
import { VirtualClock } from "@nvmeof/transport/testing";
import { expect, test } from "vitest";
import type { TargetLimits } from "./limits.ts";
import { type RawController, World } from "./testing/raw-host.ts";

function connected(volatileCache = false, limits: Partial<TargetLimits> = {}) {
  const clock = new VirtualClock();
  const size = { blockBytes: 512, blockCount: 64 };
  const device = memoryDevice({ name: "m", clock, volatileCache, ...size });
  const world = new World(clock, { namespaces: [{ device }] }, { limits });
  const controller = world.connect({ keepAliveTimeoutMs: 5_000, hostId: 9 });
  return { clock, world, controller };
}

const set = (
  { admin }: RawController,
  fid: number,
  cdw11: number,
  more: { sv?: number; data?: Uint8Array } = {},
) => {
  const { sv = 0, data } = more;
  const sqe = encoded(SetFeaturesCommand, { opc: AdminOpcode.SetFeatures, fid, cdw11, sv });
  return admin.run(sqe, data);
};

const get = ({ admin }: RawController, fid: number, sel = 0, cdw11 = 0, data?: Uint8Array) =>
  admin.run(encoded(GetFeaturesCommand, { opc: AdminOpcode.GetFeatures, fid, sel, cdw11 }), data);

test.each([
  ["arbitration", Fid.Arbitration, 0x0102_0003],
  ["power management", Fid.PowerManagement, 0x20],
  ["a temperature threshold", Fid.TemperatureThreshold, 330],
  ["error recovery", Fid.ErrorRecovery, 10],
  ["write atomicity", Fid.WriteAtomicity, 1],
  ["asynchronous events", Fid.AsyncEventConfiguration, AsyncEventBit.AnaChange | 0x1f],
])("%s is kept until the controller is reset", (_what, fid, value) => {
  const { controller } = connected();
  const before = get(controller, fid).dw0;
  expect(set(controller, fid, value).code).toBe(0);
  expect(get(controller, fid)).toMatchObject({ code: 0, dw0: value });
  expect(get(controller, fid, FeatureSelect.Default)).toMatchObject({ code: 0, dw0: before });
  expect(get(controller, fid, FeatureSelect.Capabilities)).toMatchObject({ code: 0, dw0: 4 });
  controller.setCc(0);
  controller.enable();
  expect(get(controller, fid).dw0).toBe(before);
});

test("a host gets the queues it asks for, up to the limit, before it has any", () => {
  const { controller } = connected();
  expect(get(controller, Fid.NumberOfQueues).dw0).toBe(0x7e_007e);
  expect(set(controller, Fid.NumberOfQueues, 0x3_0007).dw0).toBe(0x3_0003);
  expect(get(controller, Fid.NumberOfQueues).dw0).toBe(0x3_0003);
  expect(set(controller, Fid.NumberOfQueues, 0x7fff_7fff).dw0).toBe(0x7e_007e);
  controller.openIo();
  expect(set(controller, Fid.NumberOfQueues, 0).code).toBe(Status.CommandSequenceError);
});

test.each([
  ["one address", { connectionsPerAddressMax: 4 }, 3],
  ["all of them", { connectionsMax: 3, connectionsPerAddressMax: 64 }, 2],
  ["a single queue, which nobody can do without", { connectionsPerAddressMax: 1 }, 1],
  ["a bound that is less", { ioQueuesMax: 2, connectionsPerAddressMax: 4 }, 2],
])("no more queues are granted than there may be connections: %s", (_what, limits, granted) => {
  const { controller } = connected(false, limits);
  const dword = ((granted - 1) << 16) | (granted - 1);
  expect(set(controller, Fid.NumberOfQueues, 0x1f3_01f3).dw0).toBe(dword);
  expect(get(controller, Fid.NumberOfQueues, FeatureSelect.Default).dw0).toBe(dword);
});

test("[T94] features and values that cannot be are refused", () => {
  const { controller } = connected();
  const refused = { status: Status.InvalidField | 0x4000, dw0: 0, dw1: 0 };
  for (const fid of [0x00, 0x08, 0x09, 0x0c, 0x78, 0xc0, 0xff]) {
    expect(set(controller, fid, 0)).toMatchObject(refused);
    expect(get(controller, fid)).toMatchObject(refused);
  }
  expect(set(controller, Fid.NumberOfQueues, 0xffff_ffff)).toMatchObject(refused);
  expect(set(controller, Fid.NumberOfQueues, 0xffff)).toMatchObject(refused);
  expect(set(controller, Fid.PowerManagement, 1)).toMatchObject(refused);
  expect(set(controller, Fid.ErrorRecovery, 0x1_0000)).toMatchObject(refused);
  expect(set(controller, Fid.AsyncEventConfiguration, AsyncEventBit.DiscoveryLog)).toMatchObject(
    refused,
  );
  expect(get(controller, Fid.Arbitration, 5)).toMatchObject(refused);
});

test("[T94] a Keep Alive Timeout is rounded up, off with 0, and refused beyond the limit", () => {
  const { controller } = connected();
  expect(get(controller, Fid.KeepAliveTimer).dw0).toBe(5_000);
  expect(set(controller, Fid.KeepAliveTimer, 1).dw0).toBe(1_000);
  expect(set(controller, Fid.KeepAliveTimer, 1_001).dw0).toBe(2_000);
  expect(set(controller, Fid.KeepAliveTimer, 0)).toMatchObject({ code: 0, dw0: 0 });
  expect(set(controller, Fid.KeepAliveTimer, 0xffff_ffff).code).toBe(Status.KeepAliveInvalid);
  expect(get(controller, Fid.KeepAliveTimer).dw0).toBe(0);
});

test("nothing can be saved", () => {
  const { controller } = connected();
  const { status } = set(controller, Fid.Arbitration, 0, { sv: 1 });
  expect(status).toBe(Status.FeatureNotSaveable | 0x4000);
});

test("the volatile write cache is a feature where there is one", () => {
  const without = connected().controller;
  expect(get(without, Fid.VolatileWriteCache).code).toBe(Status.InvalidField);
  expect(set(without, Fid.VolatileWriteCache, 0).code).toBe(Status.InvalidField);
  const { controller } = connected(true);
  expect(get(controller, Fid.VolatileWriteCache).dw0).toBe(1);
  expect(set(controller, Fid.VolatileWriteCache, 0).code).toBe(0);
  expect(get(controller, Fid.VolatileWriteCache).dw0).toBe(0);
  expect(set(controller, Fid.VolatileWriteCache, 2).code).toBe(Status.InvalidField);
});

test("Host Behavior Support is kept whole", () => {
  const { controller } = connected();
  const data = encoded(HostBehaviorSupport, { acre: 1, lbafee: 1 });
  expect(set(controller, Fid.HostBehaviorSupport, 0, { data }).code).toBe(0);
  const read = new Uint8Array(512);
  expect(get(controller, Fid.HostBehaviorSupport, 0, 0, read).code).toBe(0);
  expect(read).toEqual(data);
  const short = { data: new Uint8Array(511) };
  const { code } = set(controller, Fid.HostBehaviorSupport, 0, short);
  expect(code).toBe(Status.SglDataLengthInvalid);
});

test("the Host Identifier is that of Connect, and cannot be set", () => {
  const { controller } = connected();
  const read = new Uint8Array(16);
  expect(get(controller, Fid.HostIdentifier, 0, 1, read).code).toBe(0);
  expect(read).toEqual(new Uint8Array(16).fill(9));
  expect(get(controller, Fid.HostIdentifier, 0, 0, read).code).toBe(Status.InvalidField);
  expect(set(controller, Fid.HostIdentifier, 1).code).toBe(Status.CommandSequenceError);
});

// Admin and Fabrics commands as the bytes that they are, and sending them.

import {
  AbortCommand,
  AdminOpcode,
  Cns,
  DataDirection,
  Fctype,
  FeatureSelect,
  Fid,
  GetFeaturesCommand,
  GetLogPageCommand,
  IdentifyCommand,
  Lid,
  NSID_ALL,
  Property,
  PropertyGetCommand,
  PropertySetCommand,
  SetFeaturesCommand,
  Sqe,
} from "@nvmeof/codec";
import { VirtualClock } from "@nvmeof/transport/testing";
import { expect, test } from "vitest";
import {
  type AdminCommand,
  abortCommand,
  asyncEventCommand,
  getFeatureCommand,
  identifyBuffer,
  identifyCommand,
  keepAliveCommand,
  logPageCommand,
  propertyGetCommand,
  propertySetCommand,
  rawCommand,
  setFeatureCommand,
} from "./admin.ts";
import { TestHost } from "./testing/test-host.ts";

/** The SQE of a command, as a queue would build it. */
function sqeOf(command: AdminCommand): DataView {
  const sqe = new DataView(new ArrayBuffer(Sqe.size));
  Sqe.opc.set(sqe, 0, command.opcode);
  Sqe.nsid.set(sqe, 0, command.nsid ?? 0);
  command.fill?.(sqe);
  return sqe;
}

test("Identify names its structure, and reads 4,096 bytes", () => {
  const data = identifyBuffer();
  const command = identifyCommand(Cns.Namespace, data, { nsid: 7, csi: 2, cntid: 9 });
  const sqe = sqeOf(command);
  expect(Sqe.opc.get(sqe)).toBe(AdminOpcode.Identify);
  expect(Sqe.nsid.get(sqe)).toBe(7);
  expect(IdentifyCommand.cns.get(sqe)).toBe(Cns.Namespace);
  expect(IdentifyCommand.csi.get(sqe)).toBe(2);
  expect(IdentifyCommand.cntid.get(sqe)).toBe(9);
  expect(command).toMatchObject({ direction: DataDirection.ToHost, data });
  expect(data).toHaveLength(4096);
});

test("Get Log Page asks for as many dwords as it has room for, from an offset", () => {
  const sqe = sqeOf(
    logPageCommand(
      { lid: Lid.Ana, offset: 0x1_0000_0004, lsp: 1, rae: true },
      new Uint8Array(0x4_0000),
    ),
  );
  expect(Sqe.nsid.get(sqe)).toBe(NSID_ALL);
  expect(GetLogPageCommand.lid.get(sqe)).toBe(Lid.Ana);
  expect(GetLogPageCommand.numd.get(sqe)).toBe(0x1_0000);
  expect(GetLogPageCommand.lpo.get(sqe)).toBe(0x1_0000_0004);
  expect(GetLogPageCommand.lsp.get(sqe)).toBe(1);
  expect(GetLogPageCommand.rae.get(sqe)).toBe(1);
});

test("Set Features and Get Features name their feature, its value, and data where there is any", () => {
  const data = new Uint8Array(512);
  const set = setFeatureCommand(Fid.HostBehaviorSupport, 5, data);
  expect(SetFeaturesCommand.fid.get(sqeOf(set))).toBe(Fid.HostBehaviorSupport);
  expect(SetFeaturesCommand.cdw11.get(sqeOf(set))).toBe(5);
  expect(set).toMatchObject({ direction: DataDirection.ToController, data });
  expect(setFeatureCommand(Fid.NumberOfQueues, 1)).not.toHaveProperty("direction");

  const get = getFeatureCommand(Fid.Timestamp, { select: FeatureSelect.Default, nsid: 3, data });
  expect(GetFeaturesCommand.fid.get(sqeOf(get))).toBe(Fid.Timestamp);
  expect(GetFeaturesCommand.sel.get(sqeOf(get))).toBe(FeatureSelect.Default);
  expect(Sqe.nsid.get(sqeOf(get))).toBe(3);
  expect(get).toMatchObject({ direction: DataDirection.ToHost, data });
  expect(getFeatureCommand(Fid.NumberOfQueues)).not.toHaveProperty("data");
});

test.each([
  ["CAP", Property.Cap, 1],
  ["CSTS", Property.Csts, 0],
])("Property Get of %s asks for its size", (_name, offset, attrib) => {
  const sqe = sqeOf(propertyGetCommand(offset));
  expect(PropertyGetCommand.fctype.get(sqe)).toBe(Fctype.PropertyGet);
  expect(PropertyGetCommand.ofst.get(sqe)).toBe(offset);
  expect(PropertyGetCommand.attrib.get(sqe)).toBe(attrib);
});

test("Property Set carries its value", () => {
  const sqe = sqeOf(propertySetCommand(Property.Cc, 0x0046_0001));
  expect(PropertySetCommand.fctype.get(sqe)).toBe(Fctype.PropertySet);
  expect(PropertySetCommand.ofst.get(sqe)).toBe(Property.Cc);
  expect(PropertySetCommand.value.get(sqe)).toBe(0x0046_0001);
});

test("Abort names the command that it is to stop", () => {
  const sqe = sqeOf(abortCommand(3, 0x1234));
  expect(AbortCommand.sqid.get(sqe)).toBe(3);
  expect(AbortCommand.abortedCid.get(sqe)).toBe(0x1234);
});

test("an event request never expires; a keep-alive has the time that it is given", () => {
  expect(asyncEventCommand.timeoutMs).toBe(Infinity);
  expect(keepAliveCommand(500)).toMatchObject({ opcode: AdminOpcode.KeepAlive, timeoutMs: 500 });
});

test("passthrough sends all 64 bytes as they are", () => {
  const bytes = Uint8Array.from({ length: 64 }, (_, at) => at + 1);
  const sqe = sqeOf(rawCommand(bytes, DataDirection.None));
  expect(new Uint8Array(sqe.buffer)).toEqual(bytes);
});

test("commands arrive at the controller as they were built", () => {
  const host = new TestHost({ clock: new VirtualClock() });
  host.connect();
  const ended = host.admin(getFeatureCommand(Fid.NumberOfQueues, { cdw11: 0x1234_5678 }));
  host.clock.settle();
  const { sqe } = host.peer.seenOf("get-features").at(0)!;
  expect(GetFeaturesCommand.fid.get(sqe)).toBe(Fid.NumberOfQueues);
  expect(GetFeaturesCommand.cdw11.get(sqe)).toBe(0x1234_5678);
  expect(ended).toMatchObject({ count: 1, error: undefined });
});

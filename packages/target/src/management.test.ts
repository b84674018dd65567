// Namespaces that hosts make, attach, erase and test; the logs and features that go with it.

import { BlockError, type MemoryDevice, memoryDevice } from "@nvmeof/bdev";
import {
  AdminOpcode,
  AsyncEventBit,
  CommandEffects,
  Cns,
  Fid,
  GetFeaturesCommand,
  GetLogPageCommand,
  IdentifyCommand,
  IdentifyController,
  IdentifyNamespace,
  Lid,
  NSID_ALL,
  NvmOpcode,
  Oacs,
  SetFeaturesCommand,
  Sqe,
  Status,
  Timestamp,
  commandEffectsOffset,
  decode,
  decodeControllerList,
  decodeNsidList,
  encodeControllerList,
  encoded,
  lbaFormat,
  viewOf,
} from "@nvmeof/codec";
import {
  DeviceSelfTestCommand,
  EnduranceGroupLog,
  FeatureEffects,
  FormatNvmCommand,
  NamespaceAttachmentCommand,
  NamespaceManagementCommand,
  SanitizeCommand,
  SanitizeLog,
  SanitizeState,
  SelfTestOutcome,
  TelemetryHeader,
  decodeSelfTestLog,
} from "@nvmeof/codec/management";
import { VirtualClock } from "@nvmeof/transport/testing";
import { describe, expect, test } from "vitest";
import type { DeviceProvider } from "./namespace-management.ts";
import type { SubsystemOptions } from "./subsystem.ts";
import { HeldDevice } from "./testing/held-device.ts";
import {
  type RawController,
  World,
  ioSqe,
  pattern,
  readSqe,
  writeSqe,
} from "./testing/raw-host.ts";

const MIB = 1024 * 1024;

/** A subsystem with one namespace of its owner, and devices of memory for those of hosts. */
function managed(options: Partial<SubsystemOptions> = {}) {
  const clock = new VirtualClock();
  const removed: string[] = [];
  const provider: DeviceProvider = {
    capacityBytes: 8 * MIB,
    blockBytes: [512, 4096],
    create: ({ nsid, ...size }) => memoryDevice({ name: `made ${nsid}`, clock, ...size }),
    remove: (device) => void removed.push(device.name),
  };
  const device: MemoryDevice = memoryDevice({
    name: "own",
    clock,
    blockBytes: 512,
    blockCount: 8192,
  });
  const world = new World(clock, { namespaces: [{ device }], provider, erase: "all", ...options });
  const [a, b] = [1, 2].map((id) =>
    world.connect({ hostId: id, hostNqn: `nqn.2024-01.com.example:host${id}` }),
  );
  return { clock, world, device, removed, a: a!, b: b! };
}

const create = (
  { admin }: RawController,
  fields: Parameters<typeof encoded<typeof IdentifyNamespace>>[1] = {},
) =>
  admin.run(
    encoded(NamespaceManagementCommand, { opc: AdminOpcode.NamespaceManagement }),
    encoded(IdentifyNamespace, { nsze: 2048n, ncap: 2048n, nmic: 1, ...fields }),
  );
const remove = ({ admin }: RawController, nsid: number) =>
  admin.run(
    encoded(NamespaceManagementCommand, { opc: AdminOpcode.NamespaceManagement, nsid, sel: 1 }),
  ).code;
const attach = ({ admin }: RawController, nsid: number, cntlids: readonly number[], sel = 0) =>
  admin.run(
    encoded(NamespaceAttachmentCommand, { opc: AdminOpcode.NamespaceAttachment, nsid, sel }),
    encodeControllerList(cntlids),
  ).code;
const identify = (controller: RawController, cns: number, nsid = 0) =>
  controller.read(IdentifyCommand, { opc: AdminOpcode.Identify, cns, nsid }).data;
const log = (controller: RawController, lid: number, bytes: number, more = {}) =>
  controller.read(
    GetLogPageCommand,
    { opc: AdminOpcode.GetLogPage, lid, numd: bytes / 4, nsid: NSID_ALL, ...more },
    bytes,
  ).data;
const active = (controller: RawController): number[] =>
  decodeNsidList(identify(controller, Cns.ActiveNamespaces));

describe("namespace management", () => {
  test("a namespace is made, attached, written, detached and deleted", () => {
    const { world, a, b, removed, clock } = managed();
    expect(create(a)).toMatchObject({ code: 0, dw0: 2 });
    expect(active(a)).toEqual([1]);
    expect(decodeNsidList(identify(a, Cns.AllocatedNamespaces))).toEqual([1, 2]);
    const io = a.openIo();
    expect(io.run(ioSqe(NvmOpcode.Read, 0, 1, { nsid: 2 }), new Uint8Array(512)).code).toBe(
      Status.InvalidNamespace,
    );
    expect(attach(a, 2, [a.cntlid])).toBe(0);
    expect([active(a), active(b)]).toEqual([[1, 2], [1]]);
    expect(decodeControllerList(identify(a, Cns.NamespaceControllers, 2))).toEqual([a.cntlid]);
    expect(io.run(ioSqe(NvmOpcode.Write, 0, 1, { nsid: 2 }), pattern(512)).code).toBe(0);
    // A later controller of the same host begins alike.
    const again = world.connect({ hostId: 1, hostNqn: "nqn.2024-01.com.example:host1" });
    expect(active(again)).toEqual([1, 2]);
    expect(attach(a, 2, [a.cntlid], 1)).toBe(0);
    expect(io.run(ioSqe(NvmOpcode.Read, 0, 1, { nsid: 2 }), new Uint8Array(512)).code).toBe(
      Status.InvalidNamespace,
    );
    expect([active(a), active(again)]).toEqual([[1], [1, 2]]);
    expect(remove(a, 2)).toBe(0);
    clock.settle();
    expect([active(again), removed]).toEqual([[1], ["made 2"]]);
  });

  test("controllers that are concerned hear of it, and others do not", () => {
    const { a, b } = managed();
    for (const { admin } of [a, b]) {
      admin.run(
        encoded(SetFeaturesCommand, {
          opc: AdminOpcode.SetFeatures,
          fid: Fid.AsyncEventConfiguration,
          cdw11: AsyncEventBit.NamespaceAttribute,
        }),
      );
    }
    const [inA, inB] = [a.awaitEvent(), b.awaitEvent()];
    create(a);
    attach(a, 2, [b.cntlid]);
    expect([a.admin.answers.has(inA), b.admin.answers.has(inB)]).toEqual([false, true]);
  });

  test("the capacity is that of the provider, and hosts are told how much is left", () => {
    const { a } = managed();
    const facts = () => decode(IdentifyController, viewOf(identify(a, Cns.Controller)));
    expect(facts()).toMatchObject({ tnvmcap: BigInt(8 * MIB), unvmcap: BigInt(8 * MIB) });
    expect(facts().oacs & Oacs.NamespaceManagement).not.toBe(0);
    expect(create(a, { fidxl: 1, nsze: 1024n, ncap: 1024n }).code).toBe(0);
    expect(facts().unvmcap).toBe(BigInt(4 * MIB));
    expect(create(a, { nsze: 8193n, ncap: 8193n }).code).toBe(Status.NamespaceInsufficientCapacity);
    expect(lbaFormat(viewOf(identify(a, Cns.AllocatedNamespace, 2)), 0).lbads).toBe(12);
  });

  test.each([
    ["no size", { nsze: 0n, ncap: 0n }, Status.InvalidField],
    ["less capacity than size", { ncap: 1n }, Status.ThinProvisioningNotSupported],
    ["more capacity than size", { ncap: 4096n }, Status.InvalidField],
    ["a format that is not offered", { fidxl: 2 }, Status.InvalidFormat],
    ["protection information", { dps: 1 }, Status.InvalidFormat],
    ["an ANA group that is not there", { anagrpid: 129 }, Status.AnaGroupIdInvalid],
    ["an NVM set", { nvmsetid: 1 }, Status.InvalidField],
  ])("a namespace of %s is not made", (_what, fields, status) => {
    expect(create(managed().a, fields).code).toBe(status);
  });

  test("the formats to choose from are told under the NSID of all namespaces", () => {
    const { a } = managed();
    const data = viewOf(identify(a, Cns.Namespace, NSID_ALL));
    expect(IdentifyNamespace.nlbaf.get(data)).toBe(2);
    expect([lbaFormat(data, 0).lbads, lbaFormat(data, 1).lbads]).toEqual([9, 12]);
  });

  test("what its owner has put there is not a host's to delete; all of theirs may go at once", () => {
    const { a, clock, removed } = managed();
    expect(remove(a, 1)).toBe(Status.OperationDenied);
    expect(remove(a, 7)).toBe(Status.InvalidNamespace);
    create(a);
    create(a);
    expect(remove(a, NSID_ALL)).toBe(0);
    clock.settle();
    expect([decodeNsidList(identify(a, Cns.AllocatedNamespaces)), removed.length]).toEqual([
      [1],
      2,
    ]);
  });

  test("attachment: twice, not at all, nobody, somebody who is not there, and a private namespace", () => {
    const { a, b } = managed();
    expect(attach(a, 1, [a.cntlid])).toBe(Status.NamespaceAlreadyAttached);
    create(a, { nmic: 0 });
    expect(attach(a, 2, [a.cntlid], 1)).toBe(Status.NamespaceNotAttached);
    expect(attach(a, 2, [])).toBe(Status.ControllerListInvalid);
    expect(attach(a, 2, [4711])).toBe(Status.ControllerListInvalid);
    expect(attach(a, 2, [a.cntlid, b.cntlid])).toBe(Status.NamespaceIsPrivate);
    expect(attach(a, 2, [a.cntlid])).toBe(0);
    expect(attach(a, 2, [b.cntlid])).toBe(Status.NamespaceIsPrivate);
    expect(attach(a, 9, [a.cntlid])).toBe(Status.InvalidNamespace);
    expect(attach(a, 2, [a.cntlid], 5)).toBe(Status.InvalidField);
  });

  test("a provider that fails says why, and nothing is left behind", async () => {
    const full = new BlockError("capacity", Status.CapacityExceeded, "failed", "the disk is full");
    for (const create_ of [
      () => Promise.reject(full),
      () => {
        throw full;
      },
    ]) {
      const provider = { capacityBytes: MIB, blockBytes: [512], create: create_, remove: () => {} };
      const { a, clock } = managed({ provider });
      const sqe = encoded(NamespaceManagementCommand, { opc: AdminOpcode.NamespaceManagement });
      const cid = a.admin.send(sqe, encoded(IdentifyNamespace, { nsze: 8n, ncap: 8n }));
      clock.settle();
      await Promise.resolve();
      await Promise.resolve();
      clock.settle();
      expect(a.admin.answers.get(cid)?.code).toBe(Status.CapacityExceeded);
      const { unvmcap } = decode(IdentifyController, viewOf(identify(a, Cns.Controller)));
      expect(unvmcap).toBe(BigInt(MIB));
    }
  });

  test("without a provider there is none of it", () => {
    const { a } = managed({ provider: undefined, erase: "none" });
    expect(create(a).code).toBe(Status.InvalidOpcode);
    expect(attach(a, 1, [a.cntlid])).toBe(Status.InvalidOpcode);
    const facts = decode(IdentifyController, viewOf(identify(a, Cns.Controller)));
    expect([facts.oacs, facts.sanicap]).toEqual([Oacs.SelfTest, 0]);
    const effects = viewOf(log(a, Lid.CommandEffects, 4096));
    const offset = commandEffectsOffset(true, AdminOpcode.FormatNvm);
    expect(decode(CommandEffects, effects, offset).csupp).toBe(0);
  });
});

const format = (nsid: number, more = {}) =>
  encoded(FormatNvmCommand, { opc: AdminOpcode.FormatNvm, nsid, ...more });
const sanitize = (sanact: number, more = {}) =>
  encoded(SanitizeCommand, { opc: AdminOpcode.Sanitize, sanact, ...more });
const sanitizeLog = (controller: RawController) =>
  decode(SanitizeLog, viewOf(log(controller, Lid.SanitizeStatus, 512)));

describe("Format NVM", () => {
  test("erases all blocks, and is answered when that is done", () => {
    const { a, clock } = managed();
    const io = a.openIo();
    io.run(writeSqe(8000, 1), pattern(512));
    const cid = a.admin.send(format(1, { ses: 1 }));
    clock.settle();
    clock.advance(1);
    expect(a.admin.answers.get(cid)).toMatchObject({ code: 0 });
    const read = new Uint8Array(512).fill(1);
    expect(io.run(readSqe(8000, 1), read).code).toBe(0);
    expect(read).toEqual(new Uint8Array(512));
  });

  test("meanwhile commands are refused, and the progress is told", () => {
    const clock = new VirtualClock();
    const device = new HeldDevice({ clock });
    const world = new World(clock, { namespaces: [{ device }], erase: "format" });
    const controller = world.connect();
    const io = controller.openIo();
    const before = io.send(writeSqe(0, 1), pattern(512));
    clock.settle();
    const cid = controller.admin.send(format(1));
    clock.settle();
    // What the device has is waited for; nothing is erased under it.
    expect([device.held, device.seen.length]).toEqual([1, 1]);
    expect(io.run(readSqe(0, 1), new Uint8Array(512)).code).toBe(Status.FormatInProgress);
    expect(controller.admin.run(format(1)).code).toBe(Status.FormatInProgress);
    const fpi = (): number =>
      IdentifyNamespace.fpi.get(viewOf(identify(controller, Cns.Namespace, 1)));
    expect(fpi()).toBe(0x80 + 100);
    device.settleAll();
    clock.settle();
    expect(io.answers.get(before)).toMatchObject({ code: 0 });
    expect(device.seen.at(-1)).toMatchObject({ lba: 0, blockCount: 1024 });
    device.settleAll();
    clock.advance(1);
    expect(controller.admin.answers.get(cid)).toMatchObject({ code: 0 });
    expect(fpi()).toBe(0x80);
    device.settling = "now";
    expect(io.run(readSqe(0, 1), new Uint8Array(512)).code).toBe(0);
  });

  test.each([
    ["another format", { lbafl: 1 }, Status.InvalidFormat],
    ["protection information", { pi: 1 }, Status.InvalidFormat],
    ["an erase of keys that there are not", { ses: 2 }, Status.InvalidField],
  ])("with %s is refused", (_what, fields, status) => {
    expect(managed().a.admin.run(format(1, fields)).code).toBe(status);
  });

  test("an unknown namespace, and one that is read only, are not formatted", () => {
    const { a, device, world } = managed();
    expect(a.admin.run(format(9)).code).toBe(Status.InvalidNamespace);
    world.subsystem.removeNamespace(1);
    world.subsystem.addNamespace({ device, readOnly: true });
    expect(a.admin.run(format(1)).code).toBe(Status.NamespaceWriteProtected);
  });

  test("an error of the device is the answer", () => {
    const clock = new VirtualClock();
    const device = new HeldDevice({ clock });
    const world = new World(clock, { namespaces: [{ device }], erase: "format" });
    const { admin } = world.connect();
    const cid = admin.send(format(NSID_ALL));
    clock.settle();
    device.settleAll(new BlockError("media", Status.WriteFault, "failed", "worn out"));
    clock.settle();
    expect(admin.answers.get(cid)?.code).toBe(Status.WriteFault);
  });
});

describe("Sanitize", () => {
  test("goes on by itself, over all namespaces, and tells when it is done", () => {
    const { a, clock } = managed();
    create(a);
    attach(a, 2, [a.cntlid]);
    const io = a.openIo();
    io.run(ioSqe(NvmOpcode.Write, 7, 1, { nsid: 2 }), pattern(512));
    expect(sanitizeLog(a)).toMatchObject({ sos: SanitizeState.Never, sprog: 0xffff });
    const request = a.awaitEvent();
    expect(a.admin.run(sanitize(2)).code).toBe(0);
    clock.advance(1);
    // Type 6, information 1, log 81h.
    expect(a.admin.answers.get(request)).toMatchObject({ code: 0, dw0: 0x81_0106 });
    expect(sanitizeLog(a)).toMatchObject({
      sos: SanitizeState.Completed,
      sprog: 0xffff,
      scdw10: 2,
    });
    const read = new Uint8Array(512).fill(1);
    io.run(ioSqe(NvmOpcode.Read, 7, 1, { nsid: 2 }), read);
    expect(read).toEqual(new Uint8Array(512));
  });

  test("an overwrite makes its passes, inverts between them, and leaves zeroes", () => {
    const clock = new VirtualClock();
    const device = new HeldDevice({ clock });
    const world = new World(clock, { namespaces: [{ device }], erase: "all" });
    const controller = world.connect();
    const command = sanitize(3, { owpass: 2, oipbp: 1, ovrpat: 0x0102_0304 });
    expect(controller.admin.run(command).code).toBe(0);
    const io = controller.openIo();
    expect(io.run(readSqe(0, 1), new Uint8Array(512)).code).toBe(Status.SanitizeInProgress);
    expect(controller.admin.run(sanitize(2)).code).toBe(Status.SanitizeInProgress);
    expect([...device.store.subarray(0, 4)]).toEqual([4, 3, 2, 1]);
    device.settleAll();
    clock.advance(1);
    expect(sanitizeLog(controller)).toMatchObject({ sos: 2, sprog: Math.floor(65_536 / 3) });
    expect([...device.store.subarray(0, 4)]).toEqual([0xfb, 0xfc, 0xfd, 0xfe]);
    device.settleAll();
    clock.advance(1);
    device.settleAll();
    clock.advance(1);
    expect(sanitizeLog(controller)).toMatchObject({ sos: SanitizeState.Completed, passes: 3 });
    expect([...device.store.subarray(0, 4)]).toEqual([0, 0, 0, 0]);
  });

  test("a failure stands until it is left behind, or sanitized again", () => {
    const clock = new VirtualClock();
    const device = new HeldDevice({ clock });
    const world = new World(clock, { namespaces: [{ device }], erase: "all" });
    const controller = world.connect();
    const io = controller.openIo();
    const fail = (): void => {
      clock.settle();
      device.settleAll(new BlockError("media", Status.WriteFault, "failed", "worn out"));
      clock.advance(1);
    };
    controller.admin.run(sanitize(2));
    fail();
    expect(sanitizeLog(controller).sos).toBe(SanitizeState.Failed);
    expect(io.run(readSqe(0, 1), new Uint8Array(512)).code).toBe(Status.SanitizeFailed);
    expect(controller.admin.run(sanitize(1)).code).toBe(Status.SanitizeFailed);
    controller.admin.run(sanitize(2, { ause: 1 }));
    fail();
    expect(controller.admin.run(sanitize(1)).code).toBe(0);
    device.settling = "now";
    expect(io.run(readSqe(0, 1), new Uint8Array(512)).code).toBe(0);
  });

  test("actions that there are not, and namespaces that are read only, are refused", () => {
    const { a, device, world } = managed();
    for (const command of [sanitize(0), sanitize(4), sanitize(2, { ndas: 1 })]) {
      expect(a.admin.run(command).code).toBe(Status.InvalidField);
    }
    world.subsystem.removeNamespace(1);
    world.subsystem.addNamespace({ device, readOnly: true });
    expect(a.admin.run(sanitize(2)).code).toBe(Status.NamespaceWriteProtected);
  });
});

describe("Device Self-test", () => {
  const command = (stc: number, nsid = NSID_ALL) =>
    encoded(DeviceSelfTestCommand, { opc: AdminOpcode.DeviceSelfTest, stc, nsid });
  const selfTestLog = (controller: RawController) =>
    decodeSelfTestLog(log(controller, Lid.DeviceSelfTest, 564));

  test("reads what there is, and notes that all is well", () => {
    const { a, clock } = managed();
    expect(a.admin.run(command(1)).code).toBe(0);
    clock.advance(1);
    expect(selfTestLog(a)).toMatchObject({
      operation: 0,
      results: [{ result: SelfTestOutcome.Passed, stc: 1, nsid: NSID_ALL }],
    });
  });

  test("notes where a block could not be read", () => {
    const clock = new VirtualClock();
    const device = new HeldDevice({ clock });
    const world = new World(clock, { namespaces: [{ device }] });
    const controller = world.connect();
    expect(controller.admin.run(command(2, 1)).code).toBe(0);
    expect(selfTestLog(controller)).toMatchObject({ operation: 2, completion: 0, results: [] });
    expect(controller.admin.run(command(1)).code).toBe(Status.SelfTestInProgress);
    const error = new BlockError("media", Status.UnrecoveredReadError, "failed", "worn out");
    device.settleAll(error);
    clock.advance(1);
    const [result] = selfTestLog(controller).results;
    expect(result).toMatchObject({
      result: SelfTestOutcome.SegmentFailed,
      flba: 0n,
      sct: 2,
      sc: 0x81,
    });
  });

  test("can be aborted, and codes that there are not are refused", () => {
    const clock = new VirtualClock();
    const device = new HeldDevice({ clock });
    const world = new World(clock, { namespaces: [{ device }] });
    const controller = world.connect();
    controller.admin.run(command(1));
    expect(controller.admin.run(command(15)).code).toBe(0);
    device.settleAll();
    clock.advance(1);
    expect(selfTestLog(controller).results[0]?.result).toBe(SelfTestOutcome.Aborted);
    expect(controller.admin.run(command(7)).code).toBe(Status.InvalidField);
    expect(controller.admin.run(command(1, 9)).code).toBe(Status.InvalidNamespace);
  });
});

describe("logs and features", () => {
  test("telemetry is gathered when the host says so, and stays as it was", () => {
    const { a } = managed();
    const page = (lsp: number) => log(a, Lid.TelemetryHost, 1024, { lsp });
    expect(decode(TelemetryHeader, viewOf(page(0)))).toMatchObject({ lid: 7, da1lb: 0 });
    const gathered = page(1);
    expect(decode(TelemetryHeader, viewOf(gathered))).toMatchObject({ da1lb: 1, hostdgn: 1 });
    const text = new TextDecoder().decode(gathered.subarray(512)).replace(/\0+$/, "");
    expect(JSON.parse(text)).toMatchObject({ cntlid: a.cntlid, namespaces: [{ nsid: 1 }] });
    expect(page(0)).toEqual(gathered);
  });

  test("the endurance group is the whole subsystem", () => {
    const { a } = managed();
    a.openIo().run(writeSqe(0, 2), pattern(1024));
    const page = log(a, Lid.EnduranceGroup, 512, { lsi: 1 });
    expect(decode(EnduranceGroupLog, viewOf(page))).toMatchObject({
      avsp: 100,
      hwc: 1n,
      duw: 1n,
      tegcap: BigInt(12 * MIB),
      uegcap: BigInt(8 * MIB),
    });
    expect(
      a.read(GetLogPageCommand, { opc: 2, lid: Lid.EnduranceGroup, numd: 128, lsi: 2 }, 512).code,
    ).toBe(Status.InvalidField);
  });

  test("the log of features has all that can be asked for, and nothing else", () => {
    const { a } = managed();
    const page = viewOf(log(a, Lid.FeatureEffects, 1024));
    for (let fid = 0; fid < 256; fid++) {
      const { fsupp, fsp } = decode(FeatureEffects, page, fid * 4);
      const ask = encoded(GetFeaturesCommand, {
        opc: AdminOpcode.GetFeatures,
        fid,
        nsid: 1,
        sel: 3,
        cdw11: 1,
      });
      // The write cache is there where a device has one.
      if (fid === Fid.VolatileWriteCache) continue;
      expect([fid, a.admin.run(ask).code]).toEqual([fid, fsupp === 1 ? 0 : Status.InvalidField]);
      if (fsupp === 1) expect(fsp).toBe(fid >= 0x82 ? 1 : 2);
    }
  });

  test("a timestamp goes on from where it was set", () => {
    const { a, clock } = managed();
    const get = () => {
      const asked = { opc: AdminOpcode.GetFeatures, fid: Fid.Timestamp };
      return decode(Timestamp, viewOf(a.read(GetFeaturesCommand, asked, 8).data));
    };
    clock.advance(500);
    expect(get()).toEqual({ timestamp: 500, sync: 0, to: 0 });
    const set = encoded(SetFeaturesCommand, { opc: AdminOpcode.SetFeatures, fid: Fid.Timestamp });
    expect(a.admin.run(set, encoded(Timestamp, { timestamp: 1_700_000_000_000 })).code).toBe(0);
    clock.advance(250);
    expect(get()).toEqual({ timestamp: 1_700_000_000_250, sync: 0, to: 1 });
  });

  test("a namespace can be write protected by a host, for all of them, and freed again", () => {
    const { a, b } = managed();
    const set = (cdw11: number, nsid = 1) =>
      a.admin.run(
        encoded(SetFeaturesCommand, {
          opc: AdminOpcode.SetFeatures,
          fid: Fid.NamespaceWriteProtection,
          nsid,
          cdw11,
        }),
      ).code;
    const write = () => b.openIo().run(writeSqe(0, 1), pattern(512)).code;
    expect([set(1), write()]).toEqual([0, Status.NamespaceWriteProtected]);
    expect(IdentifyNamespace.nsattr.get(viewOf(identify(b, Cns.Namespace, 1)))).toBe(1);
    expect([set(2), set(1, 9)]).toEqual([Status.InvalidField, Status.InvalidNamespace]);
    expect(set(0)).toBe(0);
    expect(b.openIo(2).run(writeSqe(0, 1), pattern(512)).code).toBe(0);
  });

  test("reservations do not persist, and the host is told so", () => {
    const { a } = managed();
    const set = (cdw11: number) =>
      a.admin.run(
        encoded(SetFeaturesCommand, {
          opc: AdminOpcode.SetFeatures,
          fid: Fid.ReservationPersistence,
          nsid: 1,
          cdw11,
        }),
      ).code;
    expect([set(0), set(1)]).toEqual([0, Status.InvalidField]);
  });
});

test("a target that closes stops what it does for hosts that have gone", async () => {
  const clock = new VirtualClock();
  const device = new HeldDevice({ clock });
  const world = new World(clock, { namespaces: [{ device }], erase: "all" });
  const controller = world.connect();
  controller.admin.run(encoded(Sqe, { opc: AdminOpcode.KeepAlive }));
  controller.admin.run(sanitize(3, { owpass: 8 }));
  const closing = world.target.close();
  clock.settle();
  device.settleAll();
  await world.resolved(closing);
  expect(device.held).toBe(0);
});

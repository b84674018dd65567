// Get Log Page: each log, and the rules on offset and length.
import { memoryDevice } from "@nvmeof/bdev";
import {
  AdminOpcode,
  AnaState,
  CommandEffects,
  type Decoded,
  ErrorLogEntry,
  FirmwareSlotLog,
  GetLogPageCommand,
  Lid,
  NvmOpcode,
  SmartLog,
  Status,
  SupportedLogPage,
  commandEffectsOffset,
  decode,
  decodeAnaLog,
  decodeChangedNamespaces,
  viewOf,
} from "@nvmeof/codec";
import { VirtualClock } from "@nvmeof/transport/testing";
import { expect, test } from "vitest";
import { type RawController, World, readSqe, writeSqe } from "./testing/raw-host.ts";

function connected() {
  const clock = new VirtualClock();
  const [one, two] = ["one", "two"].map((name) =>
    memoryDevice({ name, clock, blockBytes: 512, blockCount: 8192 }),
  );
  const namespaces = [{ device: one! }, { device: two!, anaGroup: 2 }];
  const world = new World(clock, { namespaces, firmware: "1.2.3" });
  return { clock, world, controller: world.connect() };
}

const getLog = (
  controller: RawController,
  lid: number,
  bytes: number,
  more: Partial<Decoded<typeof GetLogPageCommand>> = {},
) => {
  const asked = { opc: AdminOpcode.GetLogPage, lid, numd: bytes / 4, nsid: 0xffff_ffff };
  return controller.read(GetLogPageCommand, { ...asked, ...more }, bytes);
};

test("[T91] a log that is reserved or not ours, and a UUID index, are refused", () => {
  const { controller } = connected();
  for (const lid of [0x0d, 0x70, 0x7f, 0xff]) {
    const { status } = getLog(controller, lid, 512);
    expect(status).toBe(Status.InvalidLogPage | 0x4000);
  }
  expect(getLog(controller, Lid.SmartHealth, 512, { uidx: 1 }).code).toBe(Status.InvalidField);
  expect(getLog(controller, Lid.SmartHealth, 512, { ot: 1 }).code).toBe(Status.InvalidField);
});

test("[T92] offsets: within the log, at its end, beyond it, unaligned, beyond all numbers", () => {
  const { controller } = connected();
  const whole = getLog(controller, Lid.FirmwareSlot, 512).data;
  const tail = getLog(controller, Lid.FirmwareSlot, 512, { lpo: 8 });
  expect(tail.code).toBe(0);
  expect(tail.data.subarray(0, 504)).toEqual(whole.subarray(8));
  expect(tail.data.subarray(504).every((byte) => byte === 0)).toBe(true);
  const end = getLog(controller, Lid.FirmwareSlot, 64, { lpo: 512 });
  expect(end.code).toBe(0);
  expect(end.data.every((byte) => byte === 0)).toBe(true);
  for (const lpo of [516, 2, 2 ** 32, 2 ** 53, 2 ** 63]) {
    const { status } = getLog(controller, Lid.FirmwareSlot, 512, { lpo });
    expect(status).toBe(Status.InvalidField | 0x4000);
  }
});

test("what is read beyond a log's end is zero, up to MDTS and not beyond", () => {
  const { controller } = connected();
  const { code, data } = getLog(controller, Lid.FirmwareSlot, 1024 * 1024);
  expect(code).toBe(0);
  expect(data.subarray(512).every((byte) => byte === 0)).toBe(true);
  const beyond = getLog(controller, Lid.FirmwareSlot, 1024 * 1024 + 4);
  expect(beyond.code).toBe(Status.InvalidField);
});

test("the error log has the commands that failed, newest first", () => {
  const { controller } = connected();
  const io = controller.openIo();
  io.run(readSqe(9000, 1), new Uint8Array(512));
  controller.admin.run(new Uint8Array(64).fill(0xc3, 0, 1));
  const { data } = getLog(controller, Lid.ErrorInformation, 64 * 3);
  const entry = (i: number) => decode(ErrorLogEntry, viewOf(data), i * 64);
  expect(entry(0)).toMatchObject({ ecnt: 2n, sqid: 0, opc: 0xc3, trtype: 254 });
  expect(entry(0).status & 0x7ff).toBe(Status.InvalidOpcode);
  expect(entry(1)).toMatchObject({ ecnt: 1n, sqid: 1, lba: 9000n, nsid: 1, opc: NvmOpcode.Read });
  expect(entry(1).status & 0x7ff).toBe(Status.LbaOutOfRange);
  expect(entry(2).ecnt).toBe(0n);
});

test("the error log keeps the newest when there are more than it holds", () => {
  const { controller } = connected();
  for (let i = 0; i < 70; i++) controller.admin.run(new Uint8Array(64).fill(0xc3, 0, 1));
  const { data } = getLog(controller, Lid.ErrorInformation, 64 * 64);
  const count = (i: number): bigint => ErrorLogEntry.ecnt.get(viewOf(data), i * 64);
  expect([count(0), count(63)]).toEqual([70n, 7n]);
});

test("SMART counts what hosts did, per namespace and in all, also where one is gone", () => {
  const { controller, world, clock } = connected();
  const io = controller.openIo();
  for (let i = 0; i < 3; i++) io.run(writeSqe(0, 2048), new Uint8Array(1024 * 1024));
  io.run(readSqe(0, 1), new Uint8Array(512));
  io.run(readSqe(9000, 1), new Uint8Array(512));
  clock.advance(2 * 3_600_000 + 1);
  const smart = (nsid: number) =>
    decode(SmartLog, viewOf(getLog(controller, Lid.SmartHealth, 512, { nsid }).data));
  const counts = { duw: 7n, hwc: 3n, dur: 1n, hrc: 1n };
  expect(smart(0xffff_ffff)).toMatchObject({ ...counts, neile: 1n, poh: 2n, mdie: 0n, avsp: 100 });
  expect(smart(1)).toMatchObject(counts);
  expect(smart(2)).toMatchObject({ duw: 0n, hwc: 0n, dur: 0n, hrc: 0n });
  world.subsystem.removeNamespace(1);
  expect(smart(0)).toMatchObject(counts);
  const gone = getLog(controller, Lid.SmartHealth, 512, { nsid: 1 });
  expect(gone.code).toBe(Status.InvalidNamespace);
});

test("the list of changed namespaces is cleared by reading it, unless that is retained", () => {
  const { controller, world, clock } = connected();
  const changed = (rae: number) =>
    decodeChangedNamespaces(getLog(controller, Lid.ChangedNamespaces, 4096, { rae }).data);
  expect(changed(0)).toEqual([]);
  const device = memoryDevice({ name: "new", clock, blockBytes: 512, blockCount: 8 });
  world.subsystem.addNamespace({ device, nsid: 9 });
  world.subsystem.removeNamespace(2);
  expect(changed(1)).toEqual([2, 9]);
  expect(changed(0)).toEqual([2, 9]);
  expect(changed(0)).toEqual([]);
});

test("the ANA log has all groups with their states, changes and namespaces", () => {
  const { controller, world } = connected();
  const ana = (lsp = 0) => decodeAnaLog(getLog(controller, Lid.Ana, 4096, { lsp }).data, 128);
  expect(ana().groups).toMatchObject([
    { anagrpid: 1, state: AnaState.Optimized, nsids: [1] },
    { anagrpid: 2, state: AnaState.Optimized, nsids: [2] },
  ]);
  const before = ana().chgcnt;
  world.subsystem.setAnaState({ group: 2, state: AnaState.Inaccessible });
  world.subsystem.setAnaState({ group: 5, state: AnaState.NonOptimized });
  expect(ana().chgcnt).toBeGreaterThan(before);
  expect(ana().groups).toMatchObject([
    { anagrpid: 1, state: AnaState.Optimized },
    { anagrpid: 2, state: AnaState.Inaccessible, nsids: [2] },
    { anagrpid: 5, state: AnaState.NonOptimized, nsids: [] },
  ]);
  expect(ana(1).groups.every(({ nsids }) => nsids.length === 0)).toBe(true);
});

test("logs and commands that are supported say so, and those of a discovery controller are few", () => {
  const { controller } = connected();
  const pages = viewOf(getLog(controller, Lid.SupportedLogPages, 1024).data);
  const supported = Array.from({ length: 256 }, (_, lid) => lid).filter(
    (lid) => SupportedLogPage.lsupp.get(pages, lid * 4) === 1,
  );
  expect(supported).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 9, 0x0c, 0x12, 0x80]);
  const effects = viewOf(getLog(controller, Lid.CommandEffects, 4096).data);
  const effect = (isAdmin: boolean, opcode: number) =>
    decode(CommandEffects, effects, commandEffectsOffset(isAdmin, opcode));
  expect(effect(true, AdminOpcode.Identify)).toMatchObject({ csupp: 1, lbcc: 0 });
  expect(effect(true, AdminOpcode.FormatNvm).csupp).toBe(0);
  expect(effect(false, NvmOpcode.Write)).toMatchObject({ csupp: 1, lbcc: 1 });
  expect(effect(false, NvmOpcode.Read)).toMatchObject({ csupp: 1, lbcc: 0 });
  expect(effect(false, NvmOpcode.Copy)).toMatchObject({ csupp: 1, lbcc: 1 });
  expect(effect(false, NvmOpcode.WriteUncorrectable).csupp).toBe(0);
});

test("the firmware slot log has one slot", () => {
  const { controller } = connected();
  const { data } = getLog(controller, Lid.FirmwareSlot, 512);
  expect(decode(FirmwareSlotLog, viewOf(data))).toMatchObject({ cafs: 1, frs1: "1.2.3" });
  expect(data.subarray(16).every((byte) => byte === 0)).toBe(true);
});

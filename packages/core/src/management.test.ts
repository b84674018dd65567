// Commands that manage, as the bytes that they are. What a controller does with them: target/management.test.ts.

import {
  AdminOpcode,
  DataDirection,
  IdentifyNamespace,
  NSID_ALL,
  NvmOpcode,
  Sqe,
  decodeControllerList,
  viewOf,
} from "@nvmeof/codec";
import { SanitizeAction } from "@nvmeof/codec/management";
import { expect, test } from "vitest";
import type { AdminCommand } from "./admin.ts";
import {
  attachNamespaceCommand,
  copyCommand,
  createNamespaceCommand,
  deleteNamespaceCommand,
  formatCommand,
  reservationAcquireCommand,
  reservationRegisterCommand,
  reservationReleaseCommand,
  reservationReportCommand,
  sanitizeCommand,
  selfTestCommand,
} from "./management.ts";

/** Opcode, NSID and the dwords from 10 on that are not zero. */
function dwordsOf(command: AdminCommand): Record<string, number> {
  const sqe = new DataView(new ArrayBuffer(Sqe.size));
  command.fill?.(sqe);
  const dwords = [10, 11, 12, 13, 14, 15].map((n) => [`cdw${n}`, sqe.getUint32(4 * n, true)]);
  return {
    opcode: command.opcode,
    nsid: command.nsid ?? 0,
    ...(Object.fromEntries(dwords.filter(([, value]) => value !== 0)) as object),
  };
}
const hexOf = ({ data }: AdminCommand): string => Buffer.from(data!).toString("hex");

test.each([
  [
    "delete",
    deleteNamespaceCommand(7),
    { opcode: AdminOpcode.NamespaceManagement, nsid: 7, cdw10: 1 },
  ],
  [
    "format 17 with user data erased, protection of type 2 at the begin of the metadata",
    formatCommand(3, { formatIndex: 17, secureErase: 1, pi: 2, pil: 1, mset: 1 }),
    { opcode: AdminOpcode.FormatNvm, nsid: 3, cdw10: 0x1351 },
  ],
  [
    "block erase",
    sanitizeCommand({ action: SanitizeAction.BlockErase, passes: 3, noDeallocate: true }),
    { opcode: AdminOpcode.Sanitize, nsid: 0, cdw10: 0x202 },
  ],
  [
    "an overwrite of 16 passes, which 0 stands for",
    sanitizeCommand({
      action: SanitizeAction.Overwrite,
      passes: 16,
      invertPattern: true,
      pattern: 0xdead_beef,
    }),
    { opcode: AdminOpcode.Sanitize, nsid: 0, cdw10: 0x103, cdw11: 0xdead_beef },
  ],
  [
    "an overwrite of one pass that may be left after a failure",
    sanitizeCommand({ action: SanitizeAction.Overwrite, allowUnrestrictedExit: true }),
    { opcode: AdminOpcode.Sanitize, nsid: 0, cdw10: 0x1b },
  ],
  [
    "a self-test of everything",
    selfTestCommand(2),
    { opcode: AdminOpcode.DeviceSelfTest, nsid: NSID_ALL, cdw10: 2 },
  ],
  [
    "register, keeping persistence off",
    reservationRegisterCommand(1, { action: 2, ignoreExistingKey: true, changePtpl: 2 }),
    { opcode: NvmOpcode.ReservationRegister, nsid: 1, cdw10: 0x8000_000a },
  ],
  [
    "register, with the key and persistence as they are",
    reservationRegisterCommand(1, { action: 1 }),
    { opcode: NvmOpcode.ReservationRegister, nsid: 1, cdw10: 1 },
  ],
  [
    "format with what is the default in all but its format",
    formatCommand(3, { formatIndex: 2 }),
    { opcode: AdminOpcode.FormatNvm, nsid: 3, cdw10: 2 },
  ],
  [
    "acquire without a look at the key",
    reservationAcquireCommand(1, { action: 0, type: 1, currentKey: 1n, ignoreExistingKey: true }),
    { opcode: NvmOpcode.ReservationAcquire, nsid: 1, cdw10: 0x108 },
  ],
  [
    "release without a look at the key",
    reservationReleaseCommand(1, { action: 0, type: 4, currentKey: 1n, ignoreExistingKey: true }),
    { opcode: NvmOpcode.ReservationRelease, nsid: 1, cdw10: 0x408 },
  ],
  [
    "preempt",
    reservationAcquireCommand(1, { action: 1, type: 3, currentKey: 1n }),
    { opcode: NvmOpcode.ReservationAcquire, nsid: 1, cdw10: 0x301 },
  ],
  [
    "clear",
    reservationReleaseCommand(1, { action: 1, type: 0, currentKey: 1n }),
    { opcode: NvmOpcode.ReservationRelease, nsid: 1, cdw10: 1 },
  ],
  [
    "report, 0's based and extended",
    reservationReportCommand(1, new Uint8Array(64)),
    { opcode: NvmOpcode.ReservationReport, nsid: 1, cdw10: 15, cdw11: 1 },
  ],
  [
    "report, not extended",
    reservationReportCommand(1, new Uint8Array(24), false),
    { opcode: NvmOpcode.ReservationReport, nsid: 1, cdw10: 5 },
  ],
  [
    "copy of one range with limited retry",
    copyCommand(1, 7, [{ slba: 8, blockCount: 4 }], { limitedRetry: true }),
    { opcode: NvmOpcode.Copy, nsid: 1, cdw10: 7, cdw12: 0x8000_0000 },
  ],
  [
    "copy of two ranges, 0's based, with FUA",
    copyCommand(
      1,
      0x1_0000_0002,
      [
        { slba: 8, blockCount: 4 },
        { slba: 0, blockCount: 1 },
      ],
      { fua: true },
    ),
    { opcode: NvmOpcode.Copy, nsid: 1, cdw10: 2, cdw11: 1, cdw12: 0x4000_0001 },
  ],
])("%s", (_what, command, expected) => {
  expect(dwordsOf(command)).toEqual(expected);
});

test("create has nothing in its structure but what a host may choose", () => {
  const command = createNamespaceCommand({ blockCount: 100n, formatIndex: 18, shared: false });
  expect(dwordsOf(command)).toEqual({ opcode: AdminOpcode.NamespaceManagement, nsid: 0 });
  const view = viewOf(command.data!);
  expect(IdentifyNamespace.nsze.get(view)).toBe(100n);
  expect(IdentifyNamespace.ncap.get(view)).toBe(100n);
  expect([IdentifyNamespace.fidxl.get(view), IdentifyNamespace.fidxu.get(view)]).toEqual([2, 1]);
  const shared = createNamespaceCommand({ blockCount: 1n, capacityBlocks: 0n, anaGroup: 4 });
  expect(IdentifyNamespace.nmic.get(viewOf(shared.data!))).toBe(1);
  // NSZE, NCAP, FLBAS, NMIC, ANAGRPID: every other byte is zero.
  expect(shared.data!.filter((byte) => byte !== 0)).toEqual(new Uint8Array([1, 1, 4]));
});

test("attach and detach carry the controllers, sorted and each once", () => {
  const attach = attachNamespaceCommand(2, [9, 1, 9], "attach");
  expect(dwordsOf(attach)).toEqual({ opcode: AdminOpcode.NamespaceAttachment, nsid: 2 });
  expect(decodeControllerList(attach.data!)).toEqual([1, 9]);
  expect(dwordsOf(attachNamespaceCommand(2, [1], "detach"))).toMatchObject({ cdw10: 1 });
});

test("keys are 64 bits, the current one first", () => {
  const acquire = { action: 1, type: 1, currentKey: 2n ** 64n - 1n, preemptKey: 0x1234n };
  expect(hexOf(reservationAcquireCommand(1, acquire))).toBe("ffffffffffffffff3412000000000000");
  const register = { action: 0, currentKey: 1n, newKey: 2n };
  expect(hexOf(reservationRegisterCommand(1, register))).toBe("01000000000000000200000000000000");
  const release = { action: 0, type: 1, currentKey: 3n };
  expect(hexOf(reservationReleaseCommand(1, release))).toBe("0300000000000000");
});

test("what cannot be copied by one command is refused", () => {
  expect(() => copyCommand(1, 0, [])).toThrow(RangeError);
  const many = Array.from({ length: 257 }, () => ({ slba: 0, blockCount: 1 }));
  expect(() => copyCommand(1, 0, many)).toThrow(RangeError);
});

test("directions say where the data goes", () => {
  expect(reservationReportCommand(1, new Uint8Array(64)).direction).toBe(DataDirection.ToHost);
  expect(copyCommand(1, 0, [{ slba: 0, blockCount: 1 }]).direction).toBe(
    DataDirection.ToController,
  );
});

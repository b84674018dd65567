// Names of commands, by queue, opcode and FCTYPE.

import { expect, test } from "vitest";
import { AdminOpcode, Fctype, NvmOpcode, OPC_FABRICS, opcodeName } from "./opcode.ts";
import { DataDirection, directionOf } from "./sqe.ts";

test("the same opcode names different commands on admin and I/O queues", () => {
  expect(opcodeName(true, 0x02)).toBe("Get Log Page");
  expect(opcodeName(false, 0x02)).toBe("Read");
  expect(opcodeName(true, AdminOpcode.AsyncEventRequest)).toBe("Async Event Request");
  expect(opcodeName(false, NvmOpcode.DatasetManagement)).toBe("Dataset Management");
});

test("a Fabrics command is named by its FCTYPE, on either queue", () => {
  expect(opcodeName(true, OPC_FABRICS, Fctype.Connect)).toBe("Connect");
  expect(opcodeName(false, OPC_FABRICS, Fctype.Disconnect)).toBe("Disconnect");
  expect(opcodeName(true, OPC_FABRICS, 0x07)).toBe("unknown (07h)");
  expect(opcodeName(true, OPC_FABRICS)).toBe("Fabrics");
});

test("FCTYPE 0 is Property Set, and not absent", () => {
  expect(opcodeName(true, OPC_FABRICS, 0)).toBe("Property Set");
});

test("what is not in the tables is named by its range", () => {
  expect(opcodeName(true, 0xc0)).toBe("vendor specific (C0h)");
  expect(opcodeName(true, 0xbf)).toBe("unknown (BFh)");
  expect(opcodeName(false, 0x80)).toBe("vendor specific (80h)");
  expect(opcodeName(false, 0x7e)).toBe("unknown (7Eh)");
  // FCTYPEs have the range of admin opcodes, on I/O queues as well.
  expect(opcodeName(false, OPC_FABRICS, 0x80)).toBe("unknown (80h)");
  expect(opcodeName(false, OPC_FABRICS, 0xc0)).toBe("vendor specific (C0h)");
  // Byte 4 is no FCTYPE where the opcode is another one.
  expect(opcodeName(false, NvmOpcode.Read, Fctype.Connect)).toBe("Read");
  expect(opcodeName(true, 0xc1)).toBe("vendor specific (C1h)");
  expect(opcodeName(false, 0x81)).toBe("vendor specific (81h)");
  expect(opcodeName(true, 0x0f)).toBe("unknown (0Fh)");
});

test("bits 1:0 of an opcode say where its data go", () => {
  expect(directionOf(AdminOpcode.Identify)).toBe(DataDirection.ToHost);
  expect(directionOf(AdminOpcode.SetFeatures)).toBe(DataDirection.ToController);
  expect(directionOf(AdminOpcode.CrossControllerReset)).toBe(DataDirection.None);
  expect(directionOf(NvmOpcode.Write)).toBe(DataDirection.ToController);
  expect(directionOf(NvmOpcode.Read)).toBe(DataDirection.ToHost);
  expect(directionOf(NvmOpcode.WriteZeroes)).toBe(DataDirection.None);
  expect(directionOf(Fctype.Connect)).toBe(DataDirection.ToController);
  expect(directionOf(Fctype.AuthenticationReceive)).toBe(DataDirection.ToHost);
});

// Fabrics commands as hex, and what they mean.

import { expect, test } from "vitest";
import { decodeDwords } from "./dword.ts";
import {
  AuthReceiveCommand,
  AuthSendCommand,
  CNTLID_DYNAMIC,
  ConnectCommand,
  ConnectData,
  ConnectInvalidParameter,
  ConnectResult,
  DisconnectCommand,
  PropertyGetCommand,
  PropertySetCommand,
  SECP_NVME,
} from "./fabrics.ts";
import { decode, encoded, viewOf } from "./layout.ts";
import { DISCOVERY_NQN, hexBytes, hexText, uuidBytes } from "./nqn.ts";
import { Fctype, OPC_FABRICS } from "./opcode.ts";
import { Property } from "./property.ts";
import { PSDT_SGL, SglId } from "./sqe.ts";

const fabrics = { opc: OPC_FABRICS, psdt: PSDT_SGL, cid: 0x2a };

const connect = hexBytes(`7f 40 2a 00  01 00 00 00  00 00 00 00  00 00 00 00
                          00 00 00 00  00 00 00 00  00 00 00 00  00 00 00 00
                          00 04 00 00  00 00 00 01  00 00 01 00  7f 00 0c 00
                          00 00 00 00  00 00 00 00  00 00 00 00  00 00 00 00`);

test("Connect of I/O queue 1 with 128 entries, flow control off, data in the capsule", () => {
  const fields = {
    ...fabrics,
    fctype: Fctype.Connect,
    sglAddress: 0,
    sglLength: 1024,
    sglId: SglId.InCapsule,
    recfmt: 0,
    qid: 1,
    sqsize: 128, // 7Fh on the wire
    prioclass: 0,
    dsqfc: 1,
    iosqdel: 1,
    kato: 0,
  };
  expect(decode(ConnectCommand, viewOf(connect))).toEqual(fields);
  expect(encoded(ConnectCommand, fields)).toEqual(connect);
});

test("Connect data: host, wanted controller, and the two names", () => {
  const hostid = uuidBytes("00112233-4455-6677-8899-aabbccddeeff");
  const hostnqn = "nqn.2014-08.org.nvmexpress:uuid:00112233-4455-6677-8899-aabbccddeeff";
  const fields = { hostid, cntlid: CNTLID_DYNAMIC, subnqn: DISCOVERY_NQN, hostnqn };
  const data = encoded(ConnectData, fields);
  expect(hexText(data.subarray(0, 20))).toBe("00112233445566778899aabbccddeeffffff0000");
  expect(hexText(data.subarray(256, 260))).toBe("6e716e2e"); // "nqn."
  expect(data[256 + DISCOVERY_NQN.length]).toBe(0);
  expect(hexText(data.subarray(512, 516))).toBe("6e716e2e");
  expect(decode(ConnectData, viewOf(data))).toEqual(fields);
});

test("a Connect that succeeded names the controller, and asks for authentication", () => {
  expect(decodeDwords(ConnectResult, 0x0004_0007)).toEqual({ cntlid: 7, atr: 0, ascr: 1 });
});

test("a Connect that failed points at the parameter: SUBNQN in the data, QID in the SQE", () => {
  expect(decodeDwords(ConnectInvalidParameter, 0x0001_0100)).toEqual({ ipo: 256, iattr: 1 });
  expect(decodeDwords(ConnectInvalidParameter, 0x0000_002a)).toEqual({ ipo: 42, iattr: 0 });
});

test("an invalid parameter beyond the data is a number like any other [H44]", () => {
  expect(decodeDwords(ConnectInvalidParameter, 0xffff_ffff)).toEqual({ ipo: 0xffff, iattr: 1 });
});

test("Property Get of CAP asks for 8 bytes", () => {
  const sqe = encoded(PropertyGetCommand, { ...fabrics, fctype: Fctype.PropertyGet, attrib: 1 });
  expect(hexText(sqe.subarray(0, 8))).toBe("7f402a0004000000");
  expect(hexText(sqe.subarray(40, 48))).toBe("0100000000000000");
});

test("Property Set of CC enables the controller", () => {
  const fields = { ...fabrics, fctype: Fctype.PropertySet, ofst: Property.Cc, value: 0x0046_0001 };
  const sqe = encoded(PropertySetCommand, fields);
  expect(sqe.subarray(40, 56)).toEqual(hexBytes("00000000 14000000 0100460000000000"));
});

test("Disconnect has a record format and nothing else", () => {
  const sqe = encoded(DisconnectCommand, { ...fabrics, fctype: Fctype.Disconnect });
  expect(sqe).toEqual(hexBytes(`7f402a0008000000 ${"00".repeat(56)}`));
});

test("authentication carries the protocol in bytes 41 to 43 and a length after it", () => {
  const security = { spsp0: 1, spsp1: 1, secp: SECP_NVME };
  const send = encoded(AuthSendCommand, { fctype: Fctype.AuthenticationSend, ...security, tl: 72 });
  expect(hexText(send.subarray(40, 48))).toBe("000101e948000000");
  const receive = encoded(AuthReceiveCommand, { ...security, al: 4096 });
  expect(hexText(receive.subarray(40, 48))).toBe("000101e900100000");
});

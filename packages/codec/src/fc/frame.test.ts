// Fibre Channel frame headers: one of each kind, and what is wrong with those that are refused.

import { describe, expect, test } from "vitest";
import { type Decoded, decode, encode, encoded, viewOf } from "../layout.ts";
import { hexBytes } from "../nqn.ts";
import { FcProtocolError } from "./errors.ts";
import { refusalOf } from "../testing/refusal.ts";
import {
  BaAcc,
  BaReason,
  BaRjt,
  FcFctl,
  FcHeader,
  FcRctl,
  checkFrame,
  fillBytes,
} from "./frame.ts";

const fields: Decoded<typeof FcHeader> = {
  rCtl: FcRctl.Command,
  dId: 0x010203,
  csCtl: 0,
  sId: 0x0a0b0c,
  type: 0x28,
  fCtl: FcFctl.FirstSequence | FcFctl.EndSequence | FcFctl.TransferInitiative,
  seqId: 7,
  dfCtl: 0,
  seqCnt: 0x0102,
  oxId: 0x1234,
  rxId: 0xffff,
  parameter: 0x8000_0001,
};

const command = hexBytes(`06 01 02 03  00 0a 0b 0c  28 29 00 00
                          07 00 01 02  12 34 ff ff  80 00 00 01`);

test("the header of a command's frame", () => {
  expect(decode(FcHeader, viewOf(command))).toEqual(fields);
  expect(encoded(FcHeader, fields)).toEqual(command);
});

test("a header leaves no bit of an old buffer", () => {
  const dirty = new Uint8Array(32).fill(0xa5);
  encode(FcHeader, viewOf(dirty), 4, fields);
  expect(dirty.subarray(4, 28)).toEqual(command);
});

test("the number of fill bytes is the low bits of F_CTL, whose others it leaves alone", () => {
  const view = viewOf(command.slice());
  fillBytes.set(view, 0, 3);
  expect(fillBytes.get(view)).toBe(3);
  expect(FcHeader.fCtl.get(view)).toBe(fields.fCtl | 3);
});

test("BA_ACC names the exchange that ended", () => {
  const bytes = hexBytes("80 07 00 00  12 34 56 78  00 00 ff ff");
  const values = {
    seqIdValidity: 0x80,
    seqId: 7,
    oxId: 0x1234,
    rxId: 0x5678,
    lowSeqCnt: 0,
    highSeqCnt: 0xffff,
  };
  expect(decode(BaAcc, viewOf(bytes))).toEqual(values);
  expect(encoded(BaAcc, values)).toEqual(bytes);
});

test("BA_RJT says why", () => {
  const values = { reason: BaReason.LogicalError, explanation: 3, vendor: 9 };
  expect(encoded(BaRjt, values)).toEqual(hexBytes("00 03 03 09"));
});

/** The frame at an odd place among bytes of something else. */
function check(header: Partial<typeof fields>, payloadBytes: number): number {
  const bytes = new Uint8Array(40).fill(0xff);
  bytes.set(encoded(FcHeader, { ...fields, ...header }), 5);
  return checkFrame(viewOf(bytes), 5, FcHeader.size + payloadBytes);
}

describe("what is right is taken, and its payload counted", () => {
  test.each<[string, number, number]>([
    ["data", FcRctl.Data, 0x28],
    ["confirmation", FcRctl.Confirm, 0x28],
    ["transfer ready", FcRctl.XferRdy, 0x28],
    ["command", FcRctl.Command, 0x28],
    ["response", FcRctl.Response, 0x28],
    ["extended response", FcRctl.ExtendedResponse, 0x28],
    ["sequence retransmission", FcRctl.SequenceRetransmission, 0x28],
    ["its response", FcRctl.SequenceRetransmissionResponse, 0x28],
    ["link service request", FcRctl.LsRequest, 0x28],
    ["link service response", FcRctl.LsResponse, 0x28],
    ["extended link service", FcRctl.ElsRequest, 0x01],
    ["its reply", FcRctl.ElsReply, 0x01],
    ["ABTS", FcRctl.Abts, 0x00],
    ["BA_ACC", FcRctl.BaAcc, 0x00],
    ["BA_RJT", FcRctl.BaRjt, 0x00],
  ])("%s", (_name, rCtl, type) => {
    expect(check({ rCtl, type }, 0)).toBe(0);
    expect(check({ rCtl, type }, 2112)).toBe(2112);
  });

  test("fill bytes are no payload", () => {
    expect(check({ fCtl: fields.fCtl | 3 }, 8)).toBe(5);
  });
});

describe("what is wrong is refused, with its field and place", () => {
  test.each<[string, Partial<typeof fields>, number, string, number]>([
    ["less than a header", {}, -1, "length", 23],
    ["more payload than a frame has", {}, 2116, "length", 2140],
    ["an R_CTL that does not exist", { rCtl: 0x3f }, 0, "rCtl", 0],
    ["a command of another protocol (SCSI)", { type: 0x08 }, 0, "type", 8],
    ["an ABTS of NVMe's TYPE", { rCtl: FcRctl.Abts }, 0, "type", 8],
    ["payload that is not whole words", {}, 6, "fCtl", 9],
    ["fill in a payload of nothing", { fCtl: 1 }, 0, "fCtl", 9],
    ["optional headers", { dfCtl: 0x20 }, 0, "dfCtl", 13],
  ])("%s", (_name, header, payloadBytes, field, offset) => {
    const error = refusalOf(() => check(header, payloadBytes));
    expect(error).toBeInstanceOf(FcProtocolError);
    expect([error.field, error.offset, error.rejection]).toEqual([field, offset, undefined]);
  });

  test("the lowest bad field is the one told", () => {
    expect(refusalOf(() => check({ rCtl: 0x3f, type: 1, dfCtl: 1 }, 6)).field).toBe("rCtl");
  });
});

// An SQE as it is sent over TCP: what is written into it, and what stays.
// Read first: sqe.ts; NVMe/TCP 1.0 §3.4 "Data Transfer"; Base 2.0 §3.3.3.1 "Submission Queue Entry".

import { expect, test } from "vitest";
import { decode, viewOf } from "./layout.ts";
import { PduHeader, setPduHeader } from "./pdu.ts";
import { SglId, Sqe, setTransfer } from "./sqe.ts";

test("a transfer is its CID and one descriptor without an address; all else stays", () => {
  const sqe = new Uint8Array(Sqe.size + 8).fill(0xff);
  const view = viewOf(sqe);
  setTransfer(view, 8, 0x1234, 0x0102_0304, SglId.Transport);
  const { cid, psdt, fuse, opc, nsid } = decode(Sqe, view, 8);
  expect([cid, psdt, fuse, opc, nsid]).toEqual([0x1234, 1, 3, 0xff, 0xffff_ffff]);
  expect(Buffer.from(sqe.subarray(8 + 24, 8 + 40)).toString("hex")).toBe(
    `${"00".repeat(8)}04030201000000${SglId.Transport.toString(16).padStart(2, "0")}`,
  );
  expect(sqe.subarray(0, 8).every((byte) => byte === 0xff)).toBe(true);
  expect(sqe.subarray(8 + 40).every((byte) => byte === 0xff)).toBe(true);
});

test("a PDU's common header is its 8 bytes in two stores", () => {
  const bytes = new Uint8Array(16).fill(0xee);
  setPduHeader(viewOf(bytes), 4, 0x07, 0x0c, 24, 32, 0x8000_0001);
  expect(decode(PduHeader, viewOf(bytes), 4)).toMatchObject({
    type: 0x07,
    flags: 0x0c,
    hlen: 24,
    pdo: 32,
    plen: 0x8000_0001,
  });
  expect([bytes[3], bytes[12]]).toEqual([0xee, 0xee]);
});

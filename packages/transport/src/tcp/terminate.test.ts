// TermReq as bytes: what is written, and what is read of what a peer wrote.

import { PduType, ProtocolError, viewOf } from "@nvmeof/codec";
import { expect, test } from "vitest";
import { RawPdus, firstPdu, joined } from "../testing/raw-pdu.ts";
import { SendQueue } from "./send-queue.ts";
import { readTermReq, sendTermReq } from "./terminate.ts";

function written(error: ProtocolError, offending: Uint8Array): Uint8Array {
  const out = new SendQueue();
  // Chunks are used again: what lay there before must not show.
  out.reserve(4096);
  out.view.setUint32(0, 0xa5a5_a5a5);
  for (let at = 0; at < 64; at += 4) out.view.setUint32(at, 0xa5a5_a5a5);
  out.discard();
  sendTermReq(out, PduType.C2HTermReq, error, offending);
  return joined(...out.take());
}

test("it says what and where, and quotes the header", () => {
  const quoted = new RawPdus().r2t({ cccid: 7 });
  const bytes = written(new ProtocolError(1, 8, "no such command"), quoted);
  const start = [3, 0, 24, 0, 48, 0, 0, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
  expect(bytes).toEqual(joined(Uint8Array.from(start), quoted));
});

test("T26: the digest received is given unsigned", () => {
  const bytes = written(new ProtocolError(3, 0xfedc_ba98, "digest"), new Uint8Array(8));
  expect(viewOf(bytes).getUint32(10, true)).toBe(0xfedc_ba98);
});

test("it quotes no more than 128 bytes, so that it is never longer than 152", () => {
  const bytes = written(new ProtocolError(1, 2, "HLEN"), new Uint8Array(300).fill(7));
  expect(bytes).toHaveLength(152);
  expect(firstPdu(bytes)?.data).toEqual(new Uint8Array(128).fill(7));
});

test("what a peer says is kept as it is, whatever it means", () => {
  const pdu = new RawPdus().termReq(PduType.C2HTermReq, 0xffff, 0xffff_ffff);
  const error = readTermReq(viewOf(pdu), 0, Uint8Array.of(1, 2));
  expect(error).toMatchObject({
    code: "NVME_ERR_PEER_TERMINATED",
    fes: 0xffff,
    fei: 0xffff_ffff,
    header: Uint8Array.of(1, 2),
  });
  expect(error.hint).toBeDefined();
});

// What people read: one line for each event, the fields below, and nothing that moves a cursor by itself.

import { AdminOpcode, PduType } from "@nvmeof/codec";
import { expect, test } from "vitest";
import { CaptureDecoder } from "../decoder.ts";
import type { PduEvent } from "../events.ts";
import { Talk } from "../testing/talk.ts";
import { fieldLines, isTrouble, lineOf } from "./line.ts";
import { pduSections } from "./pdu-fields.ts";

/** Without frame and time, which other tests tell of. */
function linesOf(talk: Talk): string[] {
  const lines: string[] = [];
  let type = -1;
  const decoder = new CaptureDecoder((event) => {
    if (event.type === "pdu") type = event.pdu.type;
    lines.push(lineOf(event, type).slice(20).trim());
  });
  decoder.write(talk.recording.bytes);
  decoder.end();
  return lines;
}

test("a write by R2T, and everything around it", () => {
  const talk = new Talk({ headerDigest: true }).initialize().connect({ qid: 2 });
  const { pdus } = talk;
  talk.host(talk.command(1, { opcode: 1, bytes: 8192 }));
  talk.controller(pdus.r2t({ cccid: 1, ttag: 7, r2tl: 8192 }));
  talk.host(pdus.h2cData({ cccid: 1, ttag: 7 }, { data: new Uint8Array(8192) }));
  talk.controller(pdus.capsuleResp({ cid: 1, sqhd: 0xffff, sct: 2, sc: 0x80, dnr: 1 }));
  expect(linesOf(talk)).toEqual([
    "1 q?     -- connection 1: 192.0.2.1:50000 to 192.0.2.2:4420",
    "1 q?     H2C ICReq       PFV 0, data aligned to 4, digests: header, MAXR2T 1",
    "1 q?     C2H ICResp      PFV 0, data aligned to 4, digests: header, MAXH2CDATA 4096",
    "1 q2     H2C CapsuleCmd  cid 0 Connect qid 2, 1024 bytes in the capsule",
    "1 q2     C2H CapsuleResp cid 0 Connect qid 2: success, 1.00 ms",
    "1 q2     H2C CapsuleCmd  cid 1 Write nsid 1 slba 0 blocks 1, 8192 bytes",
    "1 q2     C2H R2T         cid 1 Write ttag 7 bytes 0 to 8192",
    "1 q2     H2C H2CData     cid 1 Write ttag 7 bytes 0 to 8192, last",
    "1 q2     !! host: H2CData: 8192 bytes of data, MAXH2CDATA is 4096 [h2cdata-limit]; " +
      "answer: C2HTermReq FES 5 Transfer Limit Exceeded, FEI 0",
    "1 q2     C2H CapsuleResp cid 1 Write nsid 1 slba 0 blocks 1: Write Fault (2/80h, DNR), 3.00 ms",
    "1 q2     -- the capture ends",
  ]);
});

test("a TermReq names the field that it is about, and an open command how long it waited", () => {
  const talk = new Talk().initialize().connect({ qid: 0 });
  const { pdus } = talk;
  talk.host(talk.command(1, { opcode: AdminOpcode.KeepAlive, nsid: 0 }));
  const data = pdus.h2cData({ datal: 5 }, { data: new Uint8Array(4) });
  talk.controller(pdus.termReq(PduType.C2HTermReq, 1, 16, data.subarray(0, 24)));
  talk.stream.reset("toHost");
  expect(linesOf(talk).slice(-4)).toEqual([
    "1 admin  H2C CapsuleCmd  cid 1 Keep Alive",
    "1 admin  C2H C2HTermReq  FES 1 Invalid PDU Header Field, FEI 16 (DATAL of H2CData)",
    "1 admin  ?  open: cid 1 Keep Alive of frame 8, for 1.00 ms",
    "1 admin  -- reset",
  ]);
});

test("an answer with an error, a TermReq and a verdict are trouble; the rest is not", () => {
  const talk = new Talk().initialize().connect();
  talk.host(talk.command(1, { opcode: 0 }), talk.command(2, { opcode: 0 }));
  talk.controller(talk.pdus.capsuleResp({ cid: 1, sc: 6, sqhd: 0xffff }));
  talk.controller(talk.pdus.capsuleResp({ cid: 2, sqhd: 0xffff }));
  talk.controller(talk.pdus.capsuleResp({ cid: 2, sqhd: 0xffff }));
  const trouble = talk.told().events.filter(isTrouble);
  expect(trouble.map(({ type }) => type)).toEqual(["pdu", "verdict"]);
});

test("the fields of a command by Wireshark's names, with what they mean", () => {
  const talk = new Talk().initialize();
  talk.host(talk.connectCapsule({ qid: 3, entries: 32 }));
  const { pdus } = talk.told();
  const lines = fieldLines(pduSections(pdus.at(-1) as PduEvent)).map((line) => line.trim());
  expect(lines).toEqual(
    expect.arrayContaining([
      "Connect",
      expect.stringMatching(/^nvme-tcp\.type +4: CapsuleCmd$/),
      expect.stringMatching(/^nvme\.fabrics\.cmd\.connect\.qid +3$/),
      expect.stringMatching(/^nvme\.fabrics\.cmd\.connect\.sqsize +31 \(0x1f\): 32 entries$/),
      "Connect data",
      expect.stringMatching(/data\.subnqn +"nqn\.2026-01\.dev\.nvmeof:talk"$/),
    ]),
  );
});

// All that reads Fibre Channel bytes against random ones: it reads, or refuses with a place, and ends.

import * as check from "fast-check";
import { expect, test } from "vitest";
import { viewOf } from "../layout.ts";
import { FcProtocolError } from "./errors.ts";
import { FcHeader, FcRctl, FcType, checkFrame } from "./frame.ts";
import {
  CMD_FC_ID,
  CMD_FORMAT_ID,
  CmdIu,
  ErspIu,
  RSP_IU_BYTES,
  XferRdyIu,
  checkCmdIu,
  checkErspIu,
  checkRspIu,
  checkXferRdyIu,
} from "./information-unit.ts";
import {
  CreateAssociationAcc,
  CreateConnectionAcc,
  DisconnectAcc,
  LS_BYTES_MAX,
  LsCommand,
  LsReject,
  decodeLs,
  decodeLsAnswer,
  decodeLsRequest,
} from "./link-service.ts";

// The constants of the protocol make bytes that nearly fit, which uniform ones hardly ever are.
const constants = [0, 1, 2, 3, 4, 8, 16, 24, 0x28, CMD_FC_ID, CMD_FORMAT_ID, FcRctl.Abts, 0xff];
const byte = check.oneof(check.constantFrom(...constants), check.nat(255));
const bytesOf = (least: number, most = least): check.Arbitrary<Uint8Array> =>
  check.array(byte, { minLength: least, maxLength: most }).map((values) => Uint8Array.from(values));

const read: readonly [string, check.Arbitrary<Uint8Array>, (bytes: Uint8Array) => unknown][] = [
  ["a frame", bytesOf(FcHeader.size, 64), (bytes) => checkFrame(viewOf(bytes), 0, bytes.length)],
  ["a CMD IU", bytesOf(CmdIu.size), (bytes) => checkCmdIu(viewOf(bytes), 0, bytes.length)],
  [
    "an ERSP IU",
    bytesOf(ErspIu.size),
    (bytes) => checkErspIu(viewOf(bytes), 0, bytes.length, { cid: 1, transferredBytes: 1 }),
  ],
  ["an RSP IU", bytesOf(RSP_IU_BYTES), (bytes) => checkRspIu(viewOf(bytes), 0, bytes.length)],
  [
    "an XFER_RDY IU",
    bytesOf(XferRdyIu.size),
    (bytes) => checkXferRdyIu(viewOf(bytes), 0, bytes.length, 4096),
  ],
  ["a link service", bytesOf(0, LS_BYTES_MAX + 8), decodeLsRequest],
  ["an accept", bytesOf(0, 64), (bytes) => decodeLs(CreateAssociationAcc, bytes)],
  ["a reject", bytesOf(0, 64), (bytes) => decodeLs(LsReject, bytes)],
  ...[CreateAssociationAcc, CreateConnectionAcc, DisconnectAcc].map(
    (layout): [string, check.Arbitrary<Uint8Array>, (bytes: Uint8Array) => unknown] => [
      `what may be an ${layout.ls}`,
      bytesOf(0, 64),
      (bytes) => decodeLsAnswer(layout, LsCommand.CreateAssociation, bytes),
    ],
  ),
];

test.each(read)("%s of any bytes is read or refused", (_what, bytes, reader) => {
  check.assert(
    check.property(bytes, (given) => {
      try {
        reader(given);
      } catch (error) {
        expect(error).toBeInstanceOf(FcProtocolError);
        const { code, offset } = error as FcProtocolError;
        expect(code).toBe("NVME_ERR_PROTOCOL");
        expect(offset).toBeLessThanOrEqual(given.length);
      }
    }),
  );
});

test("a frame's payload is never more than what came", () => {
  check.assert(
    check.property(bytesOf(FcHeader.size, 64), (bytes) => {
      const view = viewOf(bytes);
      FcHeader.rCtl.set(view, 0, FcRctl.Data);
      FcHeader.type.set(view, 0, FcType.Nvme);
      FcHeader.dfCtl.set(view, 0, 0);
      let payload = 0;
      try {
        payload = checkFrame(view, 0, bytes.length);
      } catch {
        return;
      }
      expect(payload).toBeGreaterThanOrEqual(0);
      expect(payload).toBeLessThanOrEqual(bytes.length - FcHeader.size);
    }),
  );
});

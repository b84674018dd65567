// Link services: each as bytes, the leniency that history asks for, and what is rejected with what.

import * as check from "fast-check";
import { describe, expect, test } from "vitest";
import { isNvmeofError } from "../errors.ts";
import { type Decoded, viewOf } from "../layout.ts";
import { hexBytes } from "../nqn.ts";
import { refusalOf } from "../testing/refusal.ts";
import {
  CreateAssociationAcc,
  CreateAssociationLs,
  CreateConnectionAcc,
  CreateConnectionLs,
  DisconnectAcc,
  DisconnectAssociationLs,
  DisconnectConnectionLs,
  LsCommand,
  LsExplanation,
  LsReason,
  LsReject,
  decodeLs,
  decodeLsAnswer,
  decodeLsRequest,
  encodeLs,
  encodeLsReject,
  lsCommandOf,
  lsRejectText,
} from "./link-service.ts";

const associationId = 0x0123_4567_89ab_0000n;
const connectionId = 0x0123_4567_89ab_0001n;

const association: Decoded<typeof CreateAssociationLs> = {
  erspRatio: 8,
  cntlid: 0xffff,
  sqsize: 32,
  hostid: new Uint8Array(16).fill(0x11),
  hostnqn: "nqn.2014-08.org.nvmexpress:uuid:11111111-1111-4111-8111-111111111111",
  subnqn: "nqn.2024-01.com.example:disk1",
};

test("CREATE_ASSOCIATION: 1024 bytes, one descriptor", () => {
  const bytes = encodeLs(CreateAssociationLs, association);
  expect(bytes.length).toBe(1024);
  expect(bytes.subarray(0, 18)).toEqual(hexBytes("03000000 000003f8 00000003 000003f0 0008"));
  expect(bytes.subarray(56, 60)).toEqual(hexBytes("ffff 001f"));
  expect(bytes.subarray(64, 80)).toEqual(association.hostid);
  expect(new TextDecoder().decode(bytes.subarray(80, 84))).toBe("nqn.");
  expect(new TextDecoder().decode(bytes.subarray(336, 365))).toBe(association.subnqn);
  expect(decodeLsRequest(bytes)).toEqual({ command: 3, ...association });
});

test("the ACC of CREATE_ASSOCIATION gives both identifiers", () => {
  const bytes = hexBytes(`02000000 00000030  00000001 00000008 03000000 00000000
                          00000007 00000008 01234567 89ab0000
                          00000006 00000008 01234567 89ab0001`);
  const values = { request: 3, associationId, connectionId };
  expect(encodeLs(CreateAssociationAcc, values)).toEqual(bytes);
  const answer = decodeLsAnswer(CreateAssociationAcc, LsCommand.CreateAssociation, bytes);
  expect(answer).toEqual({ outcome: "accepted", values });
});

test("CREATE_CONNECTION: the association, and the queue", () => {
  const bytes = hexBytes(`04000000 00000048  00000007 00000008 01234567 89ab0000
                          00000004 00000030 0020 0000 00000000
                          00000000 00000000 00000000 00000000
                          00000000 00000000 00000000 00000000  0001 007f 00000000`);
  const values = { associationId, erspRatio: 32, qid: 1, sqsize: 128 };
  expect(encodeLs(CreateConnectionLs, values)).toEqual(bytes);
  expect(decodeLsRequest(bytes)).toEqual({ command: 4, ...values });
});

test("the ACC of CREATE_CONNECTION gives the connection's identifier", () => {
  const bytes = hexBytes(`02000000 00000020  00000001 00000008 04000000 00000000
                          00000006 00000008 01234567 89ab0001`);
  const values = { request: 4, connectionId };
  expect(encodeLs(CreateConnectionAcc, values)).toEqual(bytes);
  expect(decodeLs(CreateConnectionAcc, bytes)).toEqual(values);
});

test("DISCONNECT_ASSOC, whose second descriptor is reserved", () => {
  const bytes = hexBytes(`05000000 00000028  00000007 00000008 01234567 89ab0000
                          00000005 00000010 00000000 00000000 00000000 00000000`);
  expect(encodeLs(DisconnectAssociationLs, { associationId })).toEqual(bytes);
  expect(decodeLsRequest(bytes)).toEqual({ command: 5, associationId });
});

test("DISCONNECT_CONN", () => {
  const bytes = hexBytes(`06000000 00000020  00000007 00000008 01234567 89ab0000
                          00000006 00000008 01234567 89ab0001`);
  expect(encodeLs(DisconnectConnectionLs, { associationId, connectionId })).toEqual(bytes);
  expect(decodeLsRequest(bytes)).toEqual({ command: 6, associationId, connectionId });
});

test("the ACC of a disconnect repeats the request", () => {
  const bytes = hexBytes("02000000 00000010  00000001 00000008 05000000 00000000");
  expect(encodeLs(DisconnectAcc, { request: 5 })).toEqual(bytes);
  expect(decodeLs(DisconnectAcc, bytes)).toEqual({ request: 5 });
});

test("RJT says what was rejected, and why", () => {
  const bytes = hexBytes(`01000000 00000020  00000001 00000008 04000000 00000000
                          00000002 00000008 00424307 00000000`);
  const why = { reason: LsReason.InvalidParameters, explanation: LsExplanation.SqSize };
  expect(encodeLsReject(LsCommand.CreateConnection, why, 7)).toEqual(bytes);
  expect(decodeLsAnswer(CreateConnectionAcc, LsCommand.CreateConnection, bytes)).toEqual({
    outcome: "rejected",
    values: { request: 4, ...why, vendor: 7 },
  });
});

test.each(Object.entries(LsReason))(
  "reason %s survives with every explanation",
  (_name, reason) => {
    for (const explanation of Object.values(LsExplanation)) {
      const bytes = encodeLsReject(LsCommand.CreateAssociation, { reason, explanation });
      expect(decodeLs(LsReject, bytes)).toEqual({ request: 3, reason, explanation, vendor: 0 });
    }
  },
);

test("a reject has a name for people, also where the standard has none", () => {
  expect(lsRejectText(LsReason.InvalidAssociation, LsExplanation.None)).toBe("Invalid Association");
  expect(lsRejectText(0x42, 0x43)).toBe("Invalid Parameters (SQ Size)");
  expect(lsRejectText(0x77, 0x99)).toBe("unknown (77h) (unknown (99h))");
});

describe("CREATE_ASSOCIATION with less padding, as hosts have sent it", () => {
  /** A request of `total` bytes that claims these lengths. */
  function request(total: number, list: number, descriptor: number): Uint8Array {
    const bytes = encodeLs(CreateAssociationLs, association).slice(0, total);
    viewOf(bytes).setUint32(4, list);
    viewOf(bytes).setUint32(12, descriptor);
    return bytes;
  }

  test.each([
    [592, 584, 576],
    [1024, 584, 576],
    [1024, 1016, 1000],
    [1016, 1008, 1000],
  ])("%d bytes, %d in the list, %d in the descriptor are taken", (...lengths) => {
    expect(decodeLsRequest(request(...lengths))).toEqual({ command: 3, ...association });
  });

  test.each<[number, number, number, string, number]>([
    [591, 584, 576, "length", 591],
    [592, 583, 576, "listLength", 4],
    [592, 585, 576, "listLength", 4],
    [592, 584, 575, "length", 12],
    [592, 584, 577, "length", 12],
  ])("%d, %d and %d are not", (total, list, descriptor, field, offset) => {
    const error = refusalOf(() => decodeLsRequest(request(total, list, descriptor)));
    expect([error.field, error.offset]).toEqual([field, offset]);
    expect(error.rejection?.explanation).toBe(LsExplanation.InvalidLength);
  });
});

const connection = encodeLs(CreateConnectionLs, {
  associationId,
  erspRatio: 4,
  qid: 1,
  sqsize: 16,
});
const disconnect = encodeLs(DisconnectAssociationLs, { associationId });

type BadRequest = [
  what: string,
  valid: Uint8Array,
  changes: Readonly<Record<number, number>>,
  bytes: number | undefined,
  field: string,
  offset: number,
  reason: number,
  explanation: number,
];

describe("a request is refused, with its field and place, and what to reject it with", () => {
  const { LogicalError, InvalidLsCode, InvalidParameters } = LsReason;
  const { None, InvalidLength, ErspRatio, QueueId, SqSize } = LsExplanation;
  test.each<BadRequest>([
    ["of no bytes", connection, {}, 0, "command", 0, InvalidLsCode, None],
    ["of no such command", connection, { 0: 9 }, undefined, "command", 0, InvalidLsCode, None],
    ["that is an answer", connection, { 0: 2 }, undefined, "command", 0, InvalidLsCode, None],
    ["cut short", connection, {}, 79, "length", 79, LogicalError, InvalidLength],
    [
      "of another list",
      connection,
      { 7: 71 },
      undefined,
      "listLength",
      4,
      LogicalError,
      InvalidLength,
    ],
    ["of another tag", connection, { 11: 6 }, undefined, "tag", 8, LogicalError, None],
    [
      "of another body",
      connection,
      { 15: 9 },
      undefined,
      "length",
      12,
      LogicalError,
      InvalidLength,
    ],
    ["of another second tag", connection, { 27: 3 }, undefined, "tag", 24, LogicalError, None],
    [
      "of another second body",
      connection,
      { 31: 0 },
      undefined,
      "length",
      28,
      LogicalError,
      InvalidLength,
    ],
    [
      "without an ERSP ratio",
      connection,
      { 33: 0 },
      undefined,
      "erspRatio",
      32,
      InvalidParameters,
      ErspRatio,
    ],
    [
      "of an ERSP ratio that is the queue",
      connection,
      { 33: 15 },
      undefined,
      "erspRatio",
      32,
      InvalidParameters,
      ErspRatio,
    ],
    [
      "of a queue of one entry",
      connection,
      { 75: 0 },
      undefined,
      "sqsize",
      74,
      InvalidParameters,
      SqSize,
    ],
    ["for queue 0", connection, { 73: 0 }, undefined, "qid", 72, InvalidParameters, QueueId],
    ["to disconnect, cut short", disconnect, {}, 40, "length", 40, LogicalError, InvalidLength],
    [
      "to disconnect, of another tag",
      disconnect,
      { 27: 6 },
      undefined,
      "tag",
      24,
      LogicalError,
      None,
    ],
  ])("%s", (_what, valid, changes, length, field, offset, reason, explanation) => {
    const bytes = valid.slice(0, length);
    for (const [at, value] of Object.entries(changes)) bytes[Number(at)] = value;
    const error = refusalOf(() => decodeLsRequest(bytes));
    expect([error.field, error.offset]).toEqual([field, offset]);
    expect(error.rejection).toEqual({ reason, explanation });
  });

  test("a longest ERSP ratio is taken", () => {
    const bytes = connection.slice();
    bytes[33] = 14;
    expect(decodeLsRequest(bytes)).toMatchObject({ erspRatio: 14, sqsize: 16 });
  });
});

test("an answer to another request is refused, be it yes or no", () => {
  const yes = encodeLs(CreateConnectionAcc, { request: 3, connectionId });
  const no = encodeLsReject(3, { reason: LsReason.Unsupported, explanation: 0 });
  for (const bytes of [yes, no]) {
    const read = () => decodeLsAnswer(CreateConnectionAcc, LsCommand.CreateConnection, bytes);
    expect(refusalOf(read)).toMatchObject({ field: "request", offset: 16 });
  }
});

test("any bytes are read or refused", () => {
  const requests = [encodeLs(CreateAssociationLs, association), connection, disconnect];
  check.assert(
    check.property(
      check.constantFrom(...requests),
      check.array(check.tuple(check.nat(40), check.nat(255)), { maxLength: 4 }),
      check.nat(1100),
      (valid, changes, length) => {
        const bytes = valid.slice(0, length);
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
        try {
          const request = decodeLsRequest(bytes);
          expect(request.command).toBe(lsCommandOf(bytes));
        } catch (error) {
          expect(isNvmeofError(error)).toBe(true);
        }
      },
    ),
  );
});

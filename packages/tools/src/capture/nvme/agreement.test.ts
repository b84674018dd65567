// The answers that verdicts name are those that this project's own host and controller give: each row
// is said to a real session, and what that answers is compared with the verdict on the capture of it.

import {
  CAPSULE_OFFSET,
  DataDirection,
  PduType,
  TermReq,
  cqeStatus,
  type DataPdu,
  type Decoded,
  type R2t,
  type Sqe,
} from "@nvmeof/codec";
import { ControllerSession, HostSession, Region } from "@nvmeof/transport";
import { type PduParts, pdusIn, sqeOf } from "@nvmeof/transport/testing";
import { describe, expect, test } from "vitest";
import { Talk } from "../testing/talk.ts";
import { joined } from "../testing/recording.ts";
import type { Answer } from "./rules.ts";

const bytes = (count: number): Uint8Array => new Uint8Array(count).fill(0x5a);

type Shape = { readonly headerDigest: boolean; readonly dataDigest: boolean };
const shapes: readonly Shape[] = [
  { headerDigest: false, dataDigest: false },
  { headerDigest: true, dataDigest: true },
];

const options = (shape: Shape) => ({ ...shape, pda: 0 });

/** What a session has to say, with a copy for the capture. */
function takenFrom(session: Pick<HostSession, "out" | "pump">): Uint8Array[] {
  const said: Uint8Array[] = [];
  session.pump();
  while (!session.out.isEmpty) {
    said.push(joined(session.out.take()));
    session.out.drained();
    session.pump();
  }
  return said;
}

/** What a session answered, as a verdict has it. */
function answerIn(said: readonly Uint8Array[]): Answer | undefined {
  for (const { type, view } of said.flatMap(pdusIn)) {
    if (type === PduType.H2CTermReq || type === PduType.C2HTermReq) {
      return { kind: "term-req", fes: TermReq.fes.get(view), fei: TermReq.fei.get(view) };
    }
    if (type !== PduType.CapsuleResp) continue;
    const status = cqeStatus.get(view, CAPSULE_OFFSET);
    if (status !== 0) return { kind: "status", status };
  }
  return undefined;
}

/** A host of ours, and a controller that says what a row wants. */
class HostWitness {
  readonly talk: Talk;
  readonly session: HostSession;

  constructor(shape: Shape) {
    this.talk = new Talk(shape);
    const events = { opened: () => {}, completed: () => {}, lost: () => {} };
    const queue = { qid: 1, slots: 16, inCapsuleBytes: 0 };
    this.session = new HostSession({ ...options(shape), ...queue }, events, 5_000);
    this.session.start();
    this.flush();
    this.hear(this.talk.pdus.icResp());
    // A Connect, for the capture's sake.
    this.talk.host(this.talk.connectCapsule());
    this.talk.controller(this.talk.pdus.capsuleResp({ cid: 0, dw0: 1, sqhd: 0xffff }));
    this.session.submit(1, sqeOf({ opc: 2, nsid: 1 }), DataDirection.ToHost, bytes(8192));
    this.session.submit(2, sqeOf({ opc: 1, nsid: 1 }), DataDirection.ToController, bytes(8192));
    this.session.submit(3, sqeOf({ opc: 0, nsid: 1 }), DataDirection.None);
    this.flush();
  }

  flush(): readonly Uint8Array[] {
    const said = takenFrom(this.session);
    for (const each of said) this.talk.host(each);
    return said;
  }

  hear(pdu: Uint8Array): readonly Uint8Array[] {
    this.talk.controller(pdu);
    this.session.receive(new Region(pdu), 0, pdu.length, 1);
    return this.flush();
  }
}

/** A controller of ours, and a host that says what a row wants. */
class ControllerWitness {
  readonly talk: Talk;
  readonly session: ControllerSession;

  constructor(shape: Shape) {
    this.talk = new Talk(shape);
    this.session = new ControllerSession(
      { ...options(shape), h2cDataBytesMax: 8192, inCapsuleBytes: 8192 },
      {
        opened: () => {},
        command: (tag) => this.#command(tag),
        fetched: () => {},
        lost: () => {},
      },
      5_000,
    );
    this.hear(this.talk.pdus.icReq());
    this.hear(this.talk.connectCapsule());
    this.hear(this.talk.command(1, { opcode: 1, bytes: 16_384 }));
    this.hear(this.talk.command(2, { opcode: 2, bytes: 8192 }));
  }

  /** Connect is accepted, a write asked for its data; all else waits. */
  #command(tag: number): void {
    const { sqe, transferBytes } = this.session.slot(tag);
    const opcode = sqe.getUint8(0);
    if (opcode === 0x7f) {
      this.session.configure(16, false, 8192);
      this.session.respond(tag, 0, 1, 0);
    } else if (opcode === 1 && transferBytes > 8192) {
      this.session.fetch(tag, bytes(transferBytes), 1);
      this.ttag = tag + 1;
    }
  }

  /** Tag of the R2T that is out. */
  ttag = 0;

  hear(pdu: Uint8Array): readonly Uint8Array[] {
    this.talk.host(pdu);
    this.session.receive(new Region(pdu), 0, pdu.length, 1);
    const said = takenFrom(this.session);
    for (const each of said) this.talk.controller(each);
    return said;
  }
}

type ToHost = (witness: HostWitness) => readonly Uint8Array[];
type ToController = (witness: ControllerWitness) => readonly Uint8Array[];

const c2h =
  (fields: Partial<Decoded<typeof DataPdu>>, parts: PduParts = {}): ToHost =>
  ({ talk }) => [talk.pdus.c2hData({ cccid: 1, ...fields }, { data: bytes(4096), ...parts })];

const r2t =
  (...each: Partial<Decoded<typeof R2t>>[]): ToHost =>
  ({ talk }) =>
    each.map((fields) => talk.pdus.r2t({ cccid: 2, ttag: 9, r2tl: 4096, ...fields }));

const flags = (talk: Talk, own: number): number => talk.pdus.digestFlags(true) | own;

/** By the rows of the table of bad input that they stand for. */
const toHost: Readonly<Record<string, ToHost>> = {
  "H5 second ICResp": ({ talk }) => [talk.pdus.icResp()],
  "H6 a type that goes the other way": ({ talk }) => [talk.pdus.capsuleCmd({ cid: 1 })],
  "H7 HLEN 255": ({ talk }) => [talk.pdus.capsuleResp({ cid: 3 }, { hlen: 255 })],
  "H8 PLEN absurd": c2h({}, { plen: 0xffff_fff0 }),
  "H9 PDO out of bounds": c2h({}, { pdo: 20 }),
  "H10 digest flags": ({ talk }) => [
    talk.pdus.capsuleResp({ cid: 3 }, { flags: talk.pdus.digestFlags(false) ^ 1 }),
  ],
  "H11 PLEN of a completion": ({ talk }) => [talk.pdus.capsuleResp({ cid: 3 }, { plen: 64 })],
  "H12 unknown CID": ({ talk }) => [talk.pdus.capsuleResp({ cid: 9, sqhd: 0xffff })],
  "H13 twice": ({ talk }) => [
    talk.pdus.capsuleResp({ cid: 3, sqhd: 0xffff }),
    talk.pdus.capsuleResp({ cid: 3, sqhd: 0xffff }),
  ],
  "H16 SQID of another queue": ({ talk }) => [
    talk.pdus.capsuleResp({ cid: 3, sqid: 7, sqhd: 0xffff }),
  ],
  "H21 C2HData of nobody": c2h({ cccid: 9 }),
  "H22 C2HData for a write": c2h({ cccid: 2 }),
  "H22 C2HData for a flush": c2h({ cccid: 3 }),
  "H24 beyond the end": c2h({ datao: 8192 }),
  "H24 wraps": c2h({ datao: 0xffff_f000 }),
  "H25 a gap": c2h({ datao: 512 }),
  "H26 DATAL": c2h({ datal: 512 }),
  "H27 SUCCESS without LAST": ({ talk }) => [
    talk.pdus.c2hData({ cccid: 1 }, { data: bytes(4096), flags: flags(talk, 8) }),
  ],
  "H29 data after LAST": ({ talk }) => [
    talk.pdus.c2hData({ cccid: 1 }, { data: bytes(4096) }),
    talk.pdus.c2hData({ cccid: 1, datao: 4096 }, { data: bytes(4096) }),
  ],
  "H32 R2T of nobody": r2t({ cccid: 9 }),
  "H32 R2T for a read": r2t({ cccid: 1 }),
  "H33 R2TL 0": r2t({ r2tl: 0 }),
  "H33 R2TO": r2t({ r2to: 512 }),
  "H33 beyond the end": r2t({ r2tl: 8196 }),
  "H33 wraps": r2t({ r2to: 0xffff_f000 }),
};

const h2c =
  (fields: Partial<Decoded<typeof DataPdu>>, parts: PduParts = {}): ToController =>
  ({ talk, ttag }) => [
    talk.pdus.h2cData(
      { cccid: 1, ttag, ...fields },
      { data: bytes(8192), flags: flags(talk, 0), ...parts },
    ),
  ];

const capsule =
  (fields: Partial<Decoded<typeof Sqe>>, data?: Uint8Array): ToController =>
  ({ talk }) => [talk.pdus.capsuleCmd({ opc: 1, cid: 5, nsid: 1, sglId: 1, ...fields }, { data })];

const toController: Readonly<Record<string, ToController>> = {
  "T13 second ICReq": ({ talk }) => [talk.pdus.icReq()],
  "T16 a type that goes the other way": ({ talk }) => [talk.pdus.capsuleResp({ cid: 1 })],
  "T17 unknown type": () => [new Uint8Array(128).fill(0x0a)],
  "T19 digest flags": ({ talk }) => [
    talk.pdus.capsuleCmd({ cid: 5 }, { flags: talk.pdus.digestFlags(false) ^ 1 }),
  ],
  "T21 HLEN": ({ talk }) => [talk.pdus.capsuleCmd({ cid: 5 }, { hlen: 73 })],
  "T22 PLEN": ({ talk }) => [talk.pdus.capsuleCmd({ cid: 5 }, { plen: 71 })],
  "T23 PLEN 2^31": h2c({}, { plen: 0x8000_0000 }),
  "T24 PDO": h2c({}, { pdo: 20 }),
  "T38 data in the capsule of a read": capsule({ opc: 2, sglLength: 512 }, bytes(512)),
  "T40 SGL length": capsule({ sglLength: 512 }, bytes(1024)),
  "T46 TTAG": h2c({ ttag: 0xffff }),
  "T47 CCCID of another command": h2c({ cccid: 5 }),
  "T50 for a read": h2c({ cccid: 2, ttag: 0xffff }),
  "T54 above MAXH2CDATA": h2c({}, { data: bytes(8196) }),
  "T55 DATAL": h2c({ datal: 512 }),
  "T56 beyond the R2T": h2c({ datao: 12_288 }),
  "T57 wraps": h2c({ datao: 0xffff_f000 }),
  "T58 a gap": h2c({ datao: 512 }),
  "T59 LAST too early": ({ talk, ttag }) => [
    talk.pdus.h2cData({ cccid: 1, ttag }, { data: bytes(4096), flags: flags(talk, 4) }),
  ],
  "T62 DATAL is no multiple of 4": h2c({}, { data: bytes(4094) }),
  "T67 PSDT": capsule({ psdt: 0, sglId: 0x5a }),
  "T68 SGL type": capsule({ sglId: 0x40, sglLength: 512 }),
  "T69 SGL offset": capsule({ sglAddress: 8, sglLength: 512 }, bytes(512)),
  "T78 CID in use": ({ talk }) => [talk.command(2, { opcode: 0 })],
};

/** What a verdict on the last PDU names, and what the session said to it. */
function compared(talk: Talk, said: readonly Uint8Array[]) {
  const { verdicts } = talk.told();
  return { named: verdicts[0]?.answer, given: answerIn(said), count: verdicts.length };
}

describe.each(shapes)("digests: $headerDigest", (shape) => {
  test.each(Object.entries(toHost))("a host answers as the verdict says: %s", (_row, row) => {
    const witness = new HostWitness(shape);
    expect(witness.talk.told().verdicts).toEqual([]);
    const said = row(witness).flatMap((pdu) => witness.hear(pdu));
    const { named, given, count } = compared(witness.talk, said);
    expect(given).toBeDefined();
    expect(named).toEqual(given);
    expect(count).toBe(1);
  });

  test.each(Object.entries(toController))(
    "a controller answers as the verdict says: %s",
    (_row, row) => {
      const witness = new ControllerWitness(shape);
      expect(witness.talk.told().verdicts).toEqual([]);
      const said = row(witness).flatMap((pdu) => witness.hear(pdu));
      const { named, given, count } = compared(witness.talk, said);
      expect(given).toBeDefined();
      expect(named).toEqual(given);
      expect(count).toBe(1);
    },
  );
});

// What a controller requires of the PDUs that a host sends it: capsules and data.
// Read first: NVMe/TCP 1.0 §3.3.2 "Data Transfer"; rules.ts for the names. In the order in which a
// receiver looks, so that the first finding is the one it would answer; agreement.test.ts compares the
// answers with those of this project's own controller.

import {
  DataPdu,
  Fctype,
  Fes,
  OPC_FABRICS,
  PSDT_SGL,
  PduFlag,
  SglId,
  Sqe,
  Status,
} from "@nvmeof/codec";
import { type CapturedCommand, writesData } from "./command.ts";
import type { Ledger } from "./ledger.ts";
import type { CapturedPdu } from "./pdu.ts";
import { type Answer, type RuleId, status, termReq } from "./rules.ts";

/** Takes what is found. */
export type Find = (rule: RuleId, answer: Answer, message: string) => void;

const field = (fei: number): Answer => termReq(Fes.InvalidHeaderField, fei);

/** Admin and Fabrics commands may carry this much in their capsule, whatever IOCCSZ says. */
const ADMIN_CAPSULE_BYTES = 8192;

/** What is known of the queue beside its commands. */
export interface QueueFacts {
  /** Whether Connect was accepted; `unknown` where the beginning was not captured. */
  readonly connected: "yes" | "no" | "unknown";
  /** Data in a capsule of an I/O queue, where Identify Controller was captured. */
  readonly inCapsuleBytesMax: number;
  readonly maxH2cDataBytes: number;
  /** R2Ts at a time for one command. */
  readonly maxR2t: number;
  readonly qid: number | undefined;
}

/** A capsule. Returns whether its command is to be followed: one whose CID is in use is not. */
export function judgeCapsule(
  pdu: CapturedPdu,
  command: CapturedCommand,
  ledger: Ledger,
  facts: QueueFacts,
  find: Find,
): boolean {
  const { opcode, fctype, queue, cid } = command;
  const isFabrics = opcode === OPC_FABRICS;
  const isIo = queue !== "admin" && !isFabrics;
  const known = facts.inCapsuleBytesMax;
  const limit = isIo ? known : Math.max(ADMIN_CAPSULE_BYTES, known === Infinity ? 0 : known);
  const old = ledger.open.get(cid);
  const isTaken = old?.phase === "open";
  const full = ledger.window.sent(ledger.open.size + (isTaken ? 0 : 1));
  if (pdu.dataBytes > limit) {
    const message = `${pdu.dataBytes} bytes in the capsule, the limit is ${limit}`;
    find("capsule-limit", termReq(Fes.LimitExceeded), message);
  } else if (full !== undefined) {
    find("sq-full", termReq(Fes.SequenceError), full);
  } else if (isTaken) {
    const message = `CID ${cid} is that of ${old.name} in frame ${old.frame}, without an answer yet`;
    find("capsule-cid", status(Status.CommandIdConflict), message);
    old.conflicts++;
    return false;
  } else if (facts.connected === "no" && !(isFabrics && fctype === Fctype.Connect)) {
    const message = `${command.name} before Connect was accepted`;
    find("connect-first", status(Status.CommandSequenceError), message);
  } else judgeDataPointer(pdu, command, find);
  return true;
}

/** The data pointer against what the capsule carries. */
function judgeDataPointer(pdu: CapturedPdu, command: CapturedCommand, find: Find): void {
  const { sqe, transferBytes } = command;
  const { dataBytes } = pdu;
  const id = Sqe.sglId.get(sqe);
  const psdt = Sqe.psdt.get(sqe);
  const refuse = (rule: RuleId, code: number, message: string): void =>
    find(rule, status(code), message);
  if (psdt !== PSDT_SGL) {
    refuse("capsule-psdt", Status.InvalidField, `PSDT ${psdt}, expected ${PSDT_SGL}`);
  } else if (id === SglId.InCapsule) {
    const offset = Sqe.sglAddress.get(sqe);
    if (offset !== 0) {
      refuse("capsule-sgl-offset", Status.SglOffsetInvalid, `offset ${offset} in the capsule`);
    } else if (transferBytes + dataBytes > 0 && !writesData(command)) {
      const message = `data in the capsule of ${command.name}, which does not write`;
      refuse("capsule-data", Status.InvalidField, message);
    } else if (transferBytes !== dataBytes) {
      const message = `an SGL of ${transferBytes} bytes, and ${dataBytes} in the capsule`;
      refuse("capsule-sgl-length", Status.SglDataLengthInvalid, message);
    }
  } else if (id === SglId.Transport || (id === 0 && transferBytes === 0)) {
    if (dataBytes === 0) return;
    const message = `${dataBytes} bytes in the capsule that the SGL does not tell of`;
    refuse("capsule-data", Status.InvalidField, message);
  } else {
    const message = `an SGL of type ${id.toString(16).padStart(2, "0")}h`;
    refuse("capsule-sgl-type", Status.SglTypeInvalid, message);
  }
}

/** H2CData. Returns the command that it is for, where that is known. */
export function judgeH2cData(
  pdu: CapturedPdu,
  ledger: Ledger,
  facts: QueueFacts,
  find: Find,
): CapturedCommand | undefined {
  const { header, dataBytes, flags } = pdu;
  const cccid = DataPdu.cccid.get(header);
  const ttag = DataPdu.ttag.get(header);
  const named = ledger.open.get(cccid);
  const r2t = ledger.r2ts.get(ttag);
  if (r2t === undefined) {
    judgeStray(ledger, named, cccid, ttag, find);
    return named;
  }
  const { command } = r2t;
  const offset = DataPdu.datao.get(header);
  const length = DataPdu.datal.get(header);
  const end = r2t.offset + r2t.bytes;
  const expected = r2t.offset + r2t.sentBytes;
  const isLast = (flags & PduFlag.Last) !== 0;
  const { isSure } = r2t;
  const fits = cccid === command.cid && offset + length <= end;
  if (!isSure && (!fits || isLast !== (offset + length === end))) {
    ledger.endR2t(r2t);
    return named;
  }
  if (dataBytes > facts.maxH2cDataBytes) {
    const message = `${dataBytes} bytes of data, MAXH2CDATA is ${facts.maxH2cDataBytes}`;
    find("h2cdata-limit", termReq(Fes.LimitExceeded), message);
  } else if (cccid !== command.cid) {
    find("h2cdata-command", field(8), `TTAG ${ttag} is of command ${command.cid}, not ${cccid}`);
  } else if (length !== dataBytes) {
    find("h2cdata-length", field(16), `DATAL ${length}, but the PDU carries ${dataBytes}`);
  } else if (offset + length > end) {
    const message = `bytes ${offset} to ${offset + length}, the R2T ends at ${end}`;
    find("h2cdata-range", termReq(Fes.TransferOutOfRange), message);
  } else if (offset !== expected && isSure) {
    const message = `DATAO ${offset}, expected ${expected}`;
    find("h2cdata-offset", termReq(Fes.SequenceError), message);
  } else if (isLast !== (offset + length === end)) {
    const message = `LAST_PDU ${isLast ? "before" : "missing at"} the end`;
    find("h2cdata-last", termReq(Fes.SequenceError), message);
  } else if (!isLast && length % 4 !== 0) {
    find("h2cdata-multiple", field(16), `DATAL ${length} is not a multiple of 4`);
  }
  // What comes next is judged by what was sent, wrong or not.
  r2t.sentBytes = offset + length - r2t.offset;
  if (r2t.sentBytes >= r2t.bytes || isLast) ledger.endR2t(r2t);
  return command;
}

/** H2CData whose tag is of no R2T. */
function judgeStray(
  ledger: Ledger,
  named: CapturedCommand | undefined,
  cccid: number,
  ttag: number,
  find: Find,
): void {
  if (named?.phase === "open" && !writesData(named)) {
    find("h2cdata-command", field(8), `command ${cccid} is ${named.name}, which does not write`);
  } else if (!ledger.isSure(cccid) || named?.phase === "doubtful") {
    return;
  } else if (ledger.r2ts.size === 0) {
    find("h2cdata-none", termReq(Fes.SequenceError), "no R2T is outstanding");
  } else {
    find("h2cdata-tag", field(10), `TTAG ${ttag} is of no R2T that is outstanding`);
  }
}

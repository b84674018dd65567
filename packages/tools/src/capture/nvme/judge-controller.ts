// What a host requires of the PDUs that a controller sends it: R2Ts, data and completions.
// Read first: NVMe/TCP 1.0 §3.3.2 "Data Transfer"; rules.ts for the names. In the order in which a
// receiver looks, so that the first finding is the one it would answer; agreement.test.ts compares the
// answers with those of this project's own host.

import {
  CAPSULE_OFFSET,
  Cqe,
  DataPdu,
  Fes,
  PduFlag,
  R2t,
  Status,
  codeOf,
  cqeStatus,
} from "@nvmeof/codec";
import { type CapturedCommand, writesData } from "./command.ts";
import type { Find, QueueFacts } from "./judge-host.ts";
import type { Ledger } from "./ledger.ts";
import type { CapturedPdu } from "./pdu.ts";
import { type Answer, noAnswer, status, termReq } from "./rules.ts";

const field = (fei: number): Answer => termReq(Fes.InvalidHeaderField, fei);

/** R2T. Returns the command that it is for, where that is known. */
export function judgeR2t(
  { header, frame }: CapturedPdu,
  ledger: Ledger,
  facts: QueueFacts,
  find: Find,
): CapturedCommand | undefined {
  const cccid = R2t.cccid.get(header);
  const ttag = R2t.ttag.get(header);
  const command = ledger.open.get(cccid);
  if (command === undefined) {
    if (ledger.isSure(cccid)) {
      find("r2t-command", field(8), `no command ${cccid} is outstanding`);
    }
    return undefined;
  }
  const offset = R2t.r2to.get(header);
  const bytes = R2t.r2tl.get(header);
  const isSure = command.phase !== "doubtful";
  const other = ledger.r2ts.get(ttag);
  if (!isSure && (!asksFor(command) || offset + bytes > command.transferBytes)) {
    ledger.forget(command);
    return undefined;
  }
  if (!asksFor(command)) {
    const message = `command ${cccid} is ${command.name}, which has no data to be asked for`;
    find("r2t-direction", field(8), message);
    return command;
  }
  if (offset + bytes > command.transferBytes) {
    const message = `bytes ${offset} to ${offset + bytes} of ${command.transferBytes}`;
    find("r2t-range", termReq(Fes.TransferOutOfRange), message);
  } else if (isSure && offset !== command.movedBytes) {
    find("r2t-offset", field(12), `R2TO ${offset}, expected ${command.movedBytes}`);
  } else if (bytes === 0) {
    find("r2t-length", field(16), "R2TL 0");
  } else if (isSure && command.r2ts.length >= facts.maxR2t) {
    const message = `${command.r2ts.length + 1} outstanding for one command, MAXR2T is ${facts.maxR2t}`;
    find("r2t-limit", termReq(Fes.LimitExceeded), message);
  } else if (other !== undefined && other.command.phase === "open" && other.isSure) {
    const message = `TTAG ${ttag} is of the R2T in frame ${other.frame}, whose data is not complete`;
    find("r2t-tag", field(10), message);
  }
  command.movedBytes = offset + bytes;
  if (bytes > 0) ledger.addR2t({ command, ttag, offset, bytes, frame });
  return command;
}

/** Whether a command has data that an R2T may ask for. */
const asksFor = (command: CapturedCommand): boolean => writesData(command) && !command.inCapsule;

/** C2HData. Returns the command that it is for, where that is known. */
export function judgeC2hData(
  { header, flags, dataBytes }: CapturedPdu,
  ledger: Ledger,
  find: Find,
): CapturedCommand | undefined {
  const cccid = DataPdu.cccid.get(header);
  const command = ledger.open.get(cccid);
  const isLast = (flags & PduFlag.Last) !== 0;
  const isSuccess = (flags & PduFlag.Success) !== 0;
  if (isSuccess && !isLast) {
    find("c2hdata-success", field(1), "SUCCESS without LAST_PDU");
    return command;
  }
  if (command === undefined) {
    if (ledger.isSure(cccid)) {
      find("c2hdata-command", field(8), `no command ${cccid} is outstanding`);
    }
    return undefined;
  }
  const offset = DataPdu.datao.get(header);
  const length = DataPdu.datal.get(header);
  const whole = command.transferBytes;
  const isSure = command.phase !== "doubtful";
  if (!isSure && (command.direction !== "toHost" || command.lastSeen || offset + length > whole)) {
    ledger.forget(command);
    return undefined;
  }
  if (command.direction !== "toHost") {
    find("c2hdata-direction", field(8), `command ${cccid} is ${command.name}, which does not read`);
    return command;
  }
  if (command.lastSeen) {
    find("c2hdata-last", termReq(Fes.SequenceError), "data after LAST_PDU");
  } else if (offset + length > whole) {
    const message = `bytes ${offset} to ${offset + length} of ${whole}`;
    find("c2hdata-range", termReq(Fes.TransferOutOfRange), message);
  } else if (offset !== command.movedBytes && isSure) {
    find("c2hdata-offset", field(12), `DATAO ${offset}, expected ${command.movedBytes}`);
  } else if (length !== dataBytes) {
    find("c2hdata-length", field(16), `DATAL ${length}, but the PDU carries ${dataBytes}`);
  } else if (isSuccess && ledger.window.hasFlowControl === true) {
    const message = "SUCCESS, which tells no SQHD, on a queue with SQ flow control";
    find("c2hdata-flow-control", noAnswer, message);
  }
  command.movedBytes = offset + length;
  if (isLast) command.lastSeen = true;
  return command;
}

/** CapsuleResp. Returns the command that it answers, where that is known. */
export function judgeResponse(
  { header }: CapturedPdu,
  ledger: Ledger,
  facts: QueueFacts,
  find: Find,
): CapturedCommand | undefined {
  const cid = Cqe.cid.get(header, CAPSULE_OFFSET);
  const sqid = Cqe.sqid.get(header, CAPSULE_OFFSET);
  const command = ledger.open.get(cid);
  if (command === undefined) {
    judgeUnknown(cid, ledger, find);
    return undefined;
  }
  const code = cqeStatus.get(header, CAPSULE_OFFSET);
  if (command.conflicts > 0 && codeOf(code) === Status.CommandIdConflict) {
    command.conflicts--;
    return undefined;
  }
  // Some targets leave SQID zero on every queue; one of another queue's is a mix-up.
  if (sqid !== 0 && facts.qid !== undefined && sqid !== facts.qid) {
    find("response-queue", field(18), `SQID ${sqid} on queue ${facts.qid}`);
  }
  if (code === 0) judgeSuccess(command, find);
  return command;
}

/** A completion whose CID is of no command. */
function judgeUnknown(cid: number, ledger: Ledger, find: Find): void {
  const isSure = ledger.isSure(cid);
  ledger.know(cid);
  if (!isSure) return;
  const before = ledger.lastAnswered(cid);
  if (before?.answer === undefined) {
    find("response-command", field(20), `no command ${cid} is outstanding`);
  } else {
    const first = `${before.name} of frame ${before.frame} was answered in frame ${before.answer.frame}`;
    find("response-again", field(20), `no command ${cid} is outstanding: ${first}`);
  }
}

/** Success, by a CapsuleResp or by SUCCESS: is the data there? */
export function judgeSuccess(command: CapturedCommand, find: Find): void {
  const { direction, movedBytes, transferBytes, inCapsule, phase, r2ts } = command;
  if (phase === "doubtful" || direction === "none" || inCapsule) return;
  const what = `success of ${command.name} with ${movedBytes} of ${transferBytes} bytes`;
  if (movedBytes < transferBytes) {
    const answer = direction === "toHost" ? status(Status.DataTransferError) : noAnswer;
    find("response-short", answer, what);
  } else if (r2ts.length > 0) {
    find("response-unsent", noAnswer, `${command.name} ends before the data of its R2T was sent`);
  }
}

// What a PDU, a command or a verdict says, in one line for people.
// Read first: events.ts. Names of a peer may hold anything: who prints them makes them harmless.

import {
  AdminOpcode,
  CAPSULE_OFFSET,
  Cns,
  ConnectCommand,
  Cqe,
  DataPdu,
  Fctype,
  Fid,
  GetLogPageCommand,
  IdentifyCommand,
  Lid,
  PduFlag,
  PduType,
  Property,
  PropertyGetCommand,
  R2t,
  SetFeaturesCommand,
  TermReq,
  asyncEventName,
  cqeStatus,
  describeStatus,
  dnrOf,
  fesName,
  hexh,
  nameIn,
  scOf,
  sctOf,
} from "@nvmeof/codec";
import type { PduEvent, VerdictEvent } from "../events.ts";
import { type CapturedAnswer, type CapturedCommand, isPatient } from "../nvme/command.ts";
import type { Agreed } from "../nvme/connection.ts";
import type { Answer } from "../nvme/rules.ts";
import { fieldAt, headerFieldName } from "./header-field.ts";

/** A time span: "431 µs", "2.50 ms", "3.2 s". */
export function spanText(ms: number): string {
  if (ms < 1) return `${(ms * 1000).toFixed(ms < 0.01 ? 1 : 0)} µs`;
  return ms < 1000 ? `${ms.toFixed(2)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

/** A status: "Invalid Field in Command (0/02h, DNR)". */
export function statusText(status: number, isFabrics: boolean): string {
  if (status === 0) return "success";
  const { name } = describeStatus(status, { fabrics: isFabrics });
  const dnr = dnrOf(status) ? ", DNR" : "";
  return `${name} (${sctOf(status)}/${hexh(scOf(status))}${dnr})`;
}

const agreedText = ({ pfv, alignmentBytes, headerDigest, dataDigest }: Agreed): string => {
  const digests = [headerDigest && "header", dataDigest && "data"].filter(Boolean).join(" and ");
  return `PFV ${pfv}, data aligned to ${alignmentBytes}, digests: ${digests || "none"}`;
};

const propertyName = (sqe: DataView): string =>
  nameIn(Property, PropertyGetCommand.ofst.get(sqe)).toUpperCase();

/** What a command is about, beside its name. */
function subjectOf({
  opcode,
  fctype,
  queue,
  sqe,
  nsid,
  slba,
  blockCount,
}: CapturedCommand): string {
  if (fctype === Fctype.Connect) return `qid ${ConnectCommand.qid.get(sqe)}`;
  if (fctype === Fctype.PropertyGet || fctype === Fctype.PropertySet) return propertyName(sqe);
  if (fctype >= 0) return "";
  if (slba !== undefined) return `nsid ${nsid} slba ${slba} blocks ${blockCount}`;
  if (queue !== "admin") return `nsid ${nsid}`;
  switch (opcode) {
    case AdminOpcode.Identify: {
      const of = nsid === 0 ? "" : ` nsid ${nsid}`;
      return nameIn(Cns, IdentifyCommand.cns.get(sqe)) + of;
    }
    case AdminOpcode.GetLogPage:
      return nameIn(Lid, GetLogPageCommand.lid.get(sqe));
    case AdminOpcode.SetFeatures:
    case AdminOpcode.GetFeatures:
      return nameIn(Fid, SetFeaturesCommand.fid.get(sqe));
    default:
      return nsid === 0 ? "" : `nsid ${nsid}`;
  }
}

/** "Read nsid 1 slba 8 blocks 16". */
export function commandText(command: CapturedCommand): string {
  const subject = subjectOf(command);
  return subject === "" ? command.name : `${command.name} ${subject}`;
}

function capsuleText({ pdu, command }: PduEvent): string {
  if (command === undefined) return "";
  const { cid, transferBytes } = command;
  const bytes = transferBytes === 0 ? "" : `, ${transferBytes} bytes`;
  const where = pdu.dataBytes === 0 ? "" : " in the capsule";
  return `cid ${cid} ${commandText(command)}${bytes}${where}`;
}

const tookText = ({ latencyMs, isSure }: CapturedAnswer): string =>
  isSure ? spanText(latencyMs) : "not known for how long";

function answerText({ pdu, command }: PduEvent): string {
  const { header } = pdu;
  const cid = Cqe.cid.get(header, CAPSULE_OFFSET);
  const status = cqeStatus.get(header, CAPSULE_OFFSET);
  const said = statusText(status, (command?.fctype ?? -1) >= 0);
  if (command === undefined) return `cid ${cid}: ${said}`;
  const { answer } = command;
  const took = answer === undefined ? "" : `, ${tookText(answer)}`;
  const dw0 = Cqe.dw0.get(header, CAPSULE_OFFSET);
  const event =
    isPatient(command) && status === 0 ? `, ${asyncEventName(dw0 & 7, (dw0 >>> 8) & 0xff)}` : "";
  return `cid ${cid} ${commandText(command)}: ${said}${event}${took}`;
}

function dataText({ pdu, command, answers }: PduEvent): string {
  const { header, flags, type } = pdu;
  const cid = DataPdu.cccid.get(header);
  const from = DataPdu.datao.get(header);
  const name = command === undefined ? "" : ` ${command.name}`;
  const tag = type === PduType.H2CData ? ` ttag ${DataPdu.ttag.get(header)}` : "";
  const last = (flags & PduFlag.Last) === 0 ? "" : ", last";
  const success = (flags & PduFlag.Success) === 0 ? "" : ", success";
  const answer = command?.answer;
  const took = answers && answer !== undefined ? `, ${tookText(answer)}` : "";
  const range = `bytes ${from} to ${from + DataPdu.datal.get(header)}`;
  return `cid ${cid}${name}${tag} ${range}${last}${success}${took}`;
}

function termReqText({ pdu, data }: PduEvent): string {
  const fes = TermReq.fes.get(pdu.header);
  const fei = TermReq.fei.get(pdu.header);
  const about = data === undefined ? undefined : headerFieldName(data, fes, fei);
  return `FES ${fes} ${fesName(fes)}, FEI ${fei}${about === undefined ? "" : ` (${about})`}`;
}

function bodyText(event: PduEvent): string {
  const { pdu, command, connection } = event;
  const { header } = pdu;
  switch (pdu.type) {
    case PduType.ICReq: {
      const { icReq } = connection;
      return icReq === undefined ? "" : `${agreedText(icReq)}, MAXR2T ${icReq.maxR2t}`;
    }
    case PduType.ICResp: {
      const { icResp } = connection;
      return icResp === undefined
        ? ""
        : `${agreedText(icResp)}, MAXH2CDATA ${icResp.maxH2cDataBytes}`;
    }
    case PduType.H2CTermReq:
    case PduType.C2HTermReq:
      return termReqText(event);
    case PduType.CapsuleCmd:
      return capsuleText(event);
    case PduType.CapsuleResp:
      return answerText(event);
    case PduType.R2T: {
      const from = R2t.r2to.get(header);
      const name = command === undefined ? "" : ` ${command.name}`;
      const to = from + R2t.r2tl.get(header);
      return `cid ${R2t.cccid.get(header)}${name} ttag ${R2t.ttag.get(header)} bytes ${from} to ${to}`;
    }
    default:
      return dataText(event);
  }
}

/** What a PDU says, without its name. */
export function pduText(event: PduEvent): string {
  const { pdu } = event;
  if (pdu.refusal !== undefined) {
    return `HLEN ${pdu.hlen}, PDO ${pdu.pdo}, PLEN ${pdu.plen}, flags ${hexh(pdu.flags)}`;
  }
  if (!pdu.hasHeader) return "its header was not captured";
  const missing = pdu.missingBytes === 0 ? "" : `, ${pdu.missingBytes} bytes not captured`;
  return bodyText(event) + missing;
}

/** What a receiver does about a broken rule; "" for nothing. */
export function answerOf(answer: Answer, by: "host" | "controller", type: number): string {
  switch (answer.kind) {
    case "term-req": {
      const { fes, fei } = answer;
      const name = by === "host" ? "C2HTermReq" : "H2CTermReq";
      const about = fes === 1 || fes === 6 ? ` (${fieldAt(type, fei)})` : "";
      return `${name} FES ${fes} ${fesName(fes)}, FEI ${fes === 3 ? `0x${fei.toString(16)}` : fei}${about}`;
    }
    case "status":
      return `status ${statusText(answer.status, false)}`;
    case "close":
      return "the connection closed without a word";
    case "none":
    default:
      return "";
  }
}

/** A verdict: what was found, by whom, and what its receiver answers. */
export function verdictText({ by, message, answer, rule }: VerdictEvent, type = -1): string {
  const expected = answerOf(answer, by, type);
  return `${by}: ${message} [${rule}]${expected === "" ? "" : `; answer: ${expected}`}`;
}

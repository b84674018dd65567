// The fields of a PDU: its header, and the command, completion or transfer in it.
// Read first: NVMe/TCP 1.0 §3.6 "PDU Definitions"; field.ts for how fields are named.

import {
  CAPSULE_OFFSET,
  DataPdu,
  Fes,
  IcReq,
  IcResp,
  PduHeader,
  PduType,
  R2t,
  TermReq,
  bits,
  fesName,
  pduName,
  u8,
} from "@nvmeof/codec";
import type { PduEvent } from "../events.ts";
import type { Digest } from "../nvme/pdu.ts";
import { answerFields } from "./answer-fields.ts";
import { commandSections } from "./command-fields.ts";
import { dataSections } from "./data-fields.ts";
import {
  type FieldSpec,
  type Section,
  type ShownField,
  addFields,
  sectionOf,
  shown,
  spec,
} from "./field.ts";
import { headerFieldName } from "./header-field.ts";

const flag = (shift: number) => bits(u8(1), shift, 1);
const digestEnable = u8(11);

const common: readonly FieldSpec[] = [
  spec("nvme-tcp.type", PduHeader.type, pduName),
  spec("nvme-tcp.flags", PduHeader.flags),
  spec("nvme-tcp.flags.pdu.hdgst", flag(0)),
  spec("nvme-tcp.flags.pdu.ddgst", flag(1)),
  spec("nvme-tcp.flags.pdu.data_last", flag(2)),
  spec("nvme-tcp.flags.pdu.data_success", flag(3)),
  spec("nvme-tcp.hlen", PduHeader.hlen),
  spec("nvme-tcp.pdo", PduHeader.pdo),
  spec("nvme-tcp.plen", PduHeader.plen),
];

const alignment = (pda: number): string => `data aligned to ${(pda + 1) * 4} bytes`;
const digests = (enable: number): string =>
  ["header", "data"].filter((_, i) => (enable & (1 << i)) !== 0).join(" and ") || "none";

const icReq: readonly FieldSpec[] = [
  spec("nvme-tcp.icreq.pfv", IcReq.pfv),
  spec("nvme-tcp.icreq.hpda", IcReq.hpda, alignment),
  spec("nvme-tcp.icreq.digest", digestEnable, digests),
  spec("nvme-tcp.icreq.maxr2t", IcReq.maxr2t),
];

const icResp: readonly FieldSpec[] = [
  spec("nvme-tcp.icresp.pfv", IcResp.pfv),
  spec("nvme-tcp.icresp.cpda", IcResp.cpda, alignment),
  spec("nvme-tcp.icresp.digest", digestEnable, digests),
  spec("nvme-tcp.icresp.maxdata", IcResp.maxh2cdata),
];

const data: readonly FieldSpec[] = [
  spec("nvme-tcp.cmd.cid", DataPdu.cccid),
  spec("nvme-tcp.ttag", DataPdu.ttag),
  spec("nvme-tcp.data.offset", DataPdu.datao),
  spec("nvme-tcp.data.length", DataPdu.datal),
];

const r2t: readonly FieldSpec[] = [
  spec("nvme-tcp.cmd.cid", R2t.cccid),
  spec("nvme-tcp.ttag", R2t.ttag),
  spec("nvme-tcp.r2t.offset", R2t.r2to),
  spec("nvme-tcp.r2t.length", R2t.r2tl),
];

/** FEI means something by its FES, and so it is named. */
const feiNames: Readonly<Record<number, string>> = {
  [Fes.InvalidHeaderField]: "phfo",
  [Fes.HeaderDigest]: "phd",
  [Fes.UnsupportedParameter]: "upfo",
};

function termReqFields({ pdu, data: quoted }: PduEvent): ShownField[] {
  const prefix = pdu.type === PduType.C2HTermReq ? "nvme-tcp.c2htermreq" : "nvme-tcp.h2ctermreq";
  const fes = TermReq.fes.get(pdu.header);
  const fei = TermReq.fei.get(pdu.header);
  const meaning = quoted === undefined ? undefined : headerFieldName(quoted, fes, fei);
  return [
    shown(`${prefix}.fes`, fes, fesName(fes)),
    shown(`${prefix}.${feiNames[fes] ?? "reserved"}`, fei, meaning),
  ];
}

/** As Wireshark numbers the states of a checksum. */
const digestStates: Readonly<Record<Digest["state"], number>> = {
  bad: 0,
  good: 1,
  unknown: 2,
  absent: 3,
};

function addDigest(fields: ShownField[], name: string, digest: Digest): void {
  const { state, received, computed } = digest;
  if (state === "absent") return;
  const expected = `0x${computed.toString(16).padStart(8, "0")}`;
  fields.push(
    shown(name, received, state === "bad" ? `expected ${expected}` : undefined),
    shown(`${name}.status`, digestStates[state], state),
  );
}

/** Which command it is of, and when that was sent. */
function addLink(fields: ShownField[], { pdu, command, answers }: PduEvent): void {
  if (command === undefined || pdu.type === PduType.CapsuleCmd) return;
  const isResponse = pdu.type === PduType.CapsuleResp;
  const prefix = !isResponse ? "nvme-tcp" : command.fctype >= 0 ? "nvme.fabrics" : "nvme";
  fields.push(shown(`${prefix}.cmd_pkt`, command.frame, command.name));
  if (!isResponse || !answers || command.answer?.isSure !== true) return;
  fields.push(shown(`${prefix}.cmd_latency`, command.answer.latencyMs, "ms"));
}

function body(event: PduEvent): Section[] {
  const { header, type } = event.pdu;
  const of = (title: string, specs: readonly FieldSpec[]): Section[] => [
    sectionOf(title, header, 0, specs),
  ];
  switch (type) {
    case PduType.ICReq:
      return of("Initialize Connection Request", icReq);
    case PduType.ICResp:
      return of("Initialize Connection Response", icResp);
    case PduType.H2CTermReq:
    case PduType.C2HTermReq:
      return [{ title: "Terminate Connection Request", fields: termReqFields(event) }];
    case PduType.CapsuleCmd:
      return commandSections(header, CAPSULE_OFFSET, event.command);
    case PduType.CapsuleResp:
      return [{ title: "Completion", fields: answerFields(header, CAPSULE_OFFSET, event.command) }];
    case PduType.R2T:
      return of("Ready to Transfer", r2t);
    default:
      return of("Data", data);
  }
}

/** All fields of a PDU, in sections. */
export function pduSections(event: PduEvent): Section[] {
  const { pdu, connection } = event;
  const fields: ShownField[] = [];
  const qid = connection.connect?.qid;
  if (qid !== undefined) fields.push(shown("nvme-tcp.cmd.qid", qid));
  addFields(fields, pdu.header, 0, common);
  addDigest(fields, "nvme-tcp.hdgst", pdu.headerDigest);
  addDigest(fields, "nvme-tcp.ddgst", pdu.dataDigest);
  addLink(fields, event);
  const sections: Section[] = [{ title: "NVMe/TCP PDU", fields }];
  if (pdu.refusal !== undefined || !pdu.hasHeader) return sections;
  sections.push(...body(event));
  const isTermReq = pdu.type === PduType.H2CTermReq || pdu.type === PduType.C2HTermReq;
  if (event.data !== undefined && event.command !== undefined && !isTermReq) {
    sections.push(...dataSections(event.command, event.data));
  }
  return sections;
}

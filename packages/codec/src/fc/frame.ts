// Fibre Channel frames: the header, what its values say, and the basic link services that end an
// exchange. Read first: FC-FS "Frame_Header" and "Basic Link Services"; FC-NVMe-2 "Exchanges". Values
// marked "recalled" were not read in the standard: see docs/spec-map.md.

import { bits, u8 } from "../field.ts";
import { u16be, u24be, u32be } from "./big-endian.ts";
import { badField, badLength } from "./errors.ts";

const fCtl = u24be(9);

/** Fibre Channel frame header, 24 bytes. FC-FS "Frame_Header". */
export const FcHeader = {
  size: 24,
  rCtl: u8(0), // R_CTL Routing Control, see `FcRctl`
  dId: u24be(1), // D_ID Destination Identifier
  csCtl: u8(4), // CS_CTL Class Specific Control, or priority
  sId: u24be(5), // S_ID Source Identifier
  type: u8(8), // TYPE, see `FcType`
  fCtl, // F_CTL Frame Control, see `FcFctl`
  seqId: u8(12), // SEQ_ID Sequence Identifier
  dfCtl: u8(13), // DF_CTL: optional headers; 0 for none
  seqCnt: u16be(14), // SEQ_CNT: number of the frame in its sequence
  oxId: u16be(16), // OX_ID Originator Exchange Identifier
  rxId: u16be(18), // RX_ID Responder Exchange Identifier; FFFFh until it is given
  parameter: u32be(20), // Parameter: relative offset of the payload, where F_CTL says so
} as const;

/** An exchange identifier that is not given yet. FC-FS "Frame_Header". */
export const XID_UNASSIGNED = 0xffff;

/** Most bytes of payload in a frame. FC-FS "Frame_Header". */
export const FRAME_PAYLOAD_MAX = 2112;

/** TYPE of FC-NVMe frames, except link services. Recalled. */
export const FC_TYPE_NVME = 0x28;

/** Protocol of the payload (TYPE). FC-FS "Frame_Header". */
export const FcType = {
  /** Basic link services: ABTS, BA_ACC, BA_RJT. */
  BasicLinkService: 0x00,
  /** Extended link services, RSCN among them. */
  ExtendedLinkService: 0x01,
  Nvme: FC_TYPE_NVME,
} as const;
export type FcType = (typeof FcType)[keyof typeof FcType];

/** R_CTL of an FC-4 link service request and of its response. Recalled. */
export const FC_RCTL_LS_REQUEST = 0x32;
/** See {@link FC_RCTL_LS_REQUEST}. Recalled. */
export const FC_RCTL_LS_RESPONSE = 0x33;
/** R_CTL of ABTS. Recalled, as are the two answers to it. */
export const FC_RCTL_ABTS = 0x81;
/** R_CTL of BA_ACC. Recalled. */
export const FC_RCTL_BA_ACC = 0x84;
/** R_CTL of BA_RJT. Recalled. */
export const FC_RCTL_BA_RJT = 0x85;

/** What a frame carries (R_CTL). FC-NVMe-2 "Exchanges", FC-FS "R_CTL"; 22h and 23h are recalled. */
export const FcRctl = {
  Data: 0x01,
  Confirm: 0x03,
  XferRdy: 0x05,
  Command: 0x06,
  Response: 0x07,
  ExtendedResponse: 0x08,
  SequenceRetransmission: 0x09,
  SequenceRetransmissionResponse: 0x0a,
  ElsRequest: 0x22,
  ElsReply: 0x23,
  LsRequest: FC_RCTL_LS_REQUEST,
  LsResponse: FC_RCTL_LS_RESPONSE,
  Abts: FC_RCTL_ABTS,
  BaAcc: FC_RCTL_BA_ACC,
  BaRjt: FC_RCTL_BA_RJT,
} as const;
export type FcRctl = (typeof FcRctl)[keyof typeof FcRctl];

/** Bits of F_CTL. FC-FS "F_CTL"; recalled. */
export const FcFctl = {
  /** Sent by the responder of the exchange. */
  ExchangeResponder: 0x80_0000,
  /** Sent by the recipient of the sequence: a basic link service about it. */
  SequenceRecipient: 0x40_0000,
  FirstSequence: 0x20_0000,
  LastSequence: 0x10_0000,
  EndSequence: 0x08_0000,
  /** The initiative passes to the other side. */
  TransferInitiative: 0x01_0000,
  /** Parameter is the relative offset of the payload. */
  RelativeOffset: 0x00_0008,
} as const;

/** Number of bytes that fill the last word of the payload, 0 to 3: bits 1:0 of F_CTL. */
export const fillBytes = /* @__PURE__ */ bits(fCtl, 0, 2);

/** BA_ACC, 12 bytes: an ABTS was taken. FC-FS "Basic Accept"; recalled. */
export const BaAcc = {
  size: 12,
  seqIdValidity: u8(0), // 80h where `seqId` is valid
  seqId: u8(1), // last deliverable SEQ_ID
  oxId: u16be(4),
  rxId: u16be(6),
  lowSeqCnt: u16be(8),
  highSeqCnt: u16be(10),
} as const;

/** BA_RJT, 4 bytes: an ABTS was refused. FC-FS "Basic Reject"; recalled. */
export const BaRjt = {
  size: 4,
  reason: u8(1), // see `BaReason`
  explanation: u8(2), // see `BaExplanation`
  vendor: u8(3), // vendor specific
} as const;

/** Reason codes of BA_RJT. FC-FS; recalled. */
export const BaReason = {
  InvalidCommand: 0x01,
  LogicalError: 0x03,
  LogicalBusy: 0x05,
  ProtocolError: 0x07,
  UnableToPerform: 0x09,
  VendorSpecific: 0xff,
} as const;

/** Explanations of BA_RJT. FC-FS; recalled. */
export const BaExplanation = { None: 0x00, InvalidXid: 0x03, SequenceAborted: 0x05 } as const;

/** TYPE that goes with an R_CTL; undefined for one that does not occur here. */
export function typeOfRctl(rCtl: number): FcType | undefined {
  switch (rCtl) {
    case FcRctl.Abts:
    case FcRctl.BaAcc:
    case FcRctl.BaRjt:
      return FcType.BasicLinkService;
    case FcRctl.ElsRequest:
    case FcRctl.ElsReply:
      return FcType.ExtendedLinkService;
    case FcRctl.Data:
    case FcRctl.Confirm:
    case FcRctl.XferRdy:
    case FcRctl.Command:
    case FcRctl.Response:
    case FcRctl.ExtendedResponse:
    case FcRctl.SequenceRetransmission:
    case FcRctl.SequenceRetransmissionResponse:
    case FcRctl.LsRequest:
    case FcRctl.LsResponse:
      return FcType.Nvme;
    default:
      return undefined;
  }
}

/**
 * Checks a frame's header in field order, before anything of its payload is looked at.
 *
 * @param frameBytes bytes of the frame: header, payload and fill; no CRC and no delimiters.
 * @returns bytes of payload, without fill.
 * @throws FcProtocolError
 */
export function checkFrame(view: DataView, base: number, frameBytes: number): number {
  const payloadBytes = frameBytes - FcHeader.size;
  if (payloadBytes < 0 || payloadBytes > FRAME_PAYLOAD_MAX) {
    throw badLength("frame", frameBytes, `24 to ${FcHeader.size + FRAME_PAYLOAD_MAX}`);
  }
  const rCtl = FcHeader.rCtl.get(view, base);
  const type = FcHeader.type.get(view, base);
  const expected = typeOfRctl(rCtl);
  if (expected === undefined) {
    throw badField("frame", FcHeader, "rCtl", `unknown value ${rCtl}`);
  }
  if (type !== expected) {
    throw badField("frame", FcHeader, "type", `${type} with R_CTL ${rCtl}, expected ${expected}`);
  }
  const fill = fillBytes.get(view, base);
  if (payloadBytes % 4 !== 0 || fill > payloadBytes) {
    const message = `${fill} bytes of fill in ${payloadBytes} bytes of payload`;
    throw badField("frame", FcHeader, "fCtl", message);
  }
  const dfCtl = FcHeader.dfCtl.get(view, base);
  if (dfCtl !== 0) throw badField("frame", FcHeader, "dfCtl", "optional headers are not supported");
  return payloadBytes - fill;
}

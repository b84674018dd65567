// The rules that a PDU's common header obeys, as one table, and the check that applies them.
// Read first: NVMe/TCP 1.0 §3.6.1 "Common Header (CH)", §3.5.2 "Fatal Error Handling".

import { Fes, ProtocolError } from "./errors.ts";
import { DIGEST_BYTES, PduFlag, PduHeader, PduType, TERM_REQ_DATA_MAX } from "./pdu.ts";

/** What may follow the header of a PDU type. */
const Data = { Never: 0, Optional: 1, Always: 2 } as const;

interface Rule {
  readonly name: string;
  /** Sent by the controller to the host. */
  readonly toHost: boolean;
  readonly hlen: number;
  readonly data: (typeof Data)[keyof typeof Data];
  /** Whether the negotiated digests apply to it: not to connection set-up and termination. */
  readonly digested: boolean;
  /** Flags beyond the digests' that it may carry. */
  readonly flags: number;
}

const rule = (
  name: string,
  toHost: boolean,
  hlen: number,
  data: Rule["data"] = Data.Never,
  digested = true,
  flags = 0,
): Rule => ({ name, toHost, hlen, data, digested, flags });

/** One row per PDU type; types that are not here do not exist. */
const rules: readonly (Rule | undefined)[] = /*@__PURE__*/ (() => {
  const table: (Rule | undefined)[] = [];
  table[PduType.ICReq] = rule("ICReq", false, 128, Data.Never, false);
  table[PduType.ICResp] = rule("ICResp", true, 128, Data.Never, false);
  table[PduType.H2CTermReq] = rule("H2CTermReq", false, 24, Data.Optional, false);
  table[PduType.C2HTermReq] = rule("C2HTermReq", true, 24, Data.Optional, false);
  table[PduType.CapsuleCmd] = rule("CapsuleCmd", false, 72, Data.Optional);
  table[PduType.CapsuleResp] = rule("CapsuleResp", true, 24);
  table[PduType.H2CData] = rule("H2CData", false, 24, Data.Always, true, PduFlag.Last);
  const both = PduFlag.Last | PduFlag.Success;
  table[PduType.C2HData] = rule("C2HData", true, 24, Data.Always, true, both);
  table[PduType.R2T] = rule("R2T", true, 24);
  return table;
})();

/** Name of a PDU type as the specification writes it; the number for one that does not exist. */
export const pduName = (type: number): string =>
  rules[type]?.name ?? `type ${type.toString(16).padStart(2, "0")}h`;

/** What the receiver of a PDU knows of its connection. */
export interface PduContext {
  /** Whether the receiver is a host. */
  readonly toHost: boolean;
  headerDigest: boolean;
  dataDigest: boolean;
  /** Bytes that the receiver asked data to be aligned to. */
  alignment: number;
  /** Most bytes of data in one PDU; more is refused before anything is buffered. */
  dataBytesMax: number;
}

const bad = (fes: number, fei: number, message: string): ProtocolError =>
  new ProtocolError(fes, fei, message);

const field = (fei: number, message: string): ProtocolError =>
  bad(Fes.InvalidHeaderField, fei, message);

/**
 * Checks the 8 bytes of a common header in field order, so that the lowest bad field is the one
 * reported, and before any more of the PDU is read or kept.
 *
 * @returns bytes of data that the PDU carries, digest and padding not counted.
 * @throws ProtocolError with FES 1 and the field's offset, or FES 5 for too much data.
 */
export function checkPduHeader(view: DataView, base: number, context: PduContext): number {
  // The fields of PduHeader in two reads: this is done for every PDU.
  const word = view.getUint32(base, true);
  const plen = view.getUint32(base + 4, true);
  const type = word & 0xff;
  const found = rules[type];
  if (found === undefined || found.toHost !== context.toHost)
    throw wrongType(type, found, view, base);
  if (!found.digested) return checkUndigested(found, view, base);

  const flags = (word >>> 8) & 0xff;
  const hlen = (word >>> 16) & 0xff;
  const pdo = word >>> 24;

  const headerEnd = found.hlen + (context.headerDigest ? DIGEST_BYTES : 0);
  const withData = found.data === Data.Always || (found.data === Data.Optional && plen > headerEnd);
  let expected = context.headerDigest ? PduFlag.HeaderDigest : 0;
  if (withData && context.dataDigest) expected |= PduFlag.DataDigest;
  // Flags of the type's own may be set or not; all others must be as negotiated, or zero.
  if ((flags & ~found.flags) !== expected) {
    throw field(1, `${found.name}: flags ${hex(flags)}, expected ${hex(expected)}`);
  }
  if (hlen !== found.hlen) throw field(2, `${found.name}: HLEN ${hlen}, expected ${found.hlen}`);
  if (!withData) {
    if (pdo !== 0) throw field(3, `${found.name}: PDO ${pdo} without data`);
    if (plen !== headerEnd) throw field(4, `${found.name}: PLEN ${plen}, expected ${headerEnd}`);
    return 0;
  }
  if (pdo < headerEnd || pdo % context.alignment !== 0) {
    const wanted = `${headerEnd} or more, a multiple of ${context.alignment}`;
    throw field(3, `${found.name}: PDO ${pdo}, expected ${wanted}`);
  }
  if (plen < headerEnd) throw field(4, `${found.name}: PLEN ${plen} is less than its header`);
  if (pdo > plen) throw field(3, `${found.name}: PDO ${pdo} is beyond PLEN ${plen}`);
  return checkDataBytes(found, plen - pdo, context);
}

function checkDataBytes(found: Rule, rest: number, context: PduContext): number {
  const dataBytes = rest - (context.dataDigest ? DIGEST_BYTES : 0);
  if (dataBytes <= 0) throw field(4, `${found.name}: PLEN leaves no room for data`);
  if (dataBytes > PLEN_SANE) throw field(4, `${found.name}: ${dataBytes} bytes of data in one PDU`);
  if (dataBytes > context.dataBytesMax) {
    const limit = `the limit is ${context.dataBytesMax}`;
    const message = `${found.name}: ${dataBytes} bytes of data, ${limit}`;
    throw new ProtocolError(Fes.LimitExceeded, 0, message, {
      limit: found.data === Data.Optional ? "inCapsuleBytes" : "h2cDataBytesMax",
    });
  }
  return dataBytes;
}

/** Beyond this a length is nonsense rather than a limit exceeded. */
const PLEN_SANE = 0x400_0000;

/** ICReq, ICResp and the TermReqs: never digested, and fixed but for a TermReq's copied header. */
function checkUndigested(found: Rule, view: DataView, base: number): number {
  const flags = PduHeader.flags.get(view, base);
  const hlen = PduHeader.hlen.get(view, base);
  const plen = PduHeader.plen.get(view, base);
  if (flags !== 0) throw field(1, `${found.name}: flags ${hex(flags)}, expected 0`);
  if (hlen !== found.hlen) throw field(2, `${found.name}: HLEN ${hlen}, expected ${found.hlen}`);
  const pdo = PduHeader.pdo.get(view, base);
  if (found.data === Data.Never) {
    if (pdo !== 0) throw field(3, `${found.name}: PDO ${pdo} without data`);
    if (plen !== hlen) throw field(4, `${found.name}: PLEN ${plen}, expected ${hlen}`);
    return 0;
  }
  // PDO of a TermReq is reserved.
  if (plen < hlen || plen > hlen + TERM_REQ_DATA_MAX) {
    throw field(4, `${found.name}: PLEN ${plen}, expected ${hlen} to ${hlen + TERM_REQ_DATA_MAX}`);
  }
  return plen - hlen;
}

/** A first byte that says what the peer really speaks makes a better message than its number. */
function wrongType(
  type: number,
  found: Rule | undefined,
  view: DataView,
  base: number,
): ProtocolError {
  const stranger = strangerError(view, base);
  if (stranger !== undefined) return stranger;
  let message = `PDU of unknown type ${type.toString(16).padStart(2, "0")}h`;
  if (found !== undefined) {
    message = `${found.name} is never sent to a ${found.toHost ? "controller" : "host"}`;
  }
  return new ProtocolError(Fes.InvalidHeaderField, 0, message, { hint: CHECK_THE_PORT });
}

const CHECK_THE_PORT = "Check the port: NVMe/TCP listens on 4420, discovery on 8009.";
const WANTS_TLS =
  "A target there would want TLS and a key (--tls-key-file); anything else is the wrong port.";

/**
 * The error for a peer that speaks another protocol, where the 4 bytes at `base` say which one; else
 * undefined. For those who hold less than a common header, because the peer has said no more.
 */
export function strangerError(view: DataView, base: number): ProtocolError | undefined {
  const speaks = guessProtocol(view.getUint32(base));
  if (speaks === undefined) return undefined;
  const message = `the peer speaks ${speaks}, not NVMe/TCP`;
  const hint = speaks === "TLS" ? WANTS_TLS : CHECK_THE_PORT;
  return new ProtocolError(Fes.InvalidHeaderField, 0, message, { speaks, hint });
}

/** What protocols begin with that are found at ports nearby. */
const beginnings: ReadonlyMap<number, string> = new Map([
  [0x48545450, "HTTP"], // "HTTP"
  [0x47455420, "HTTP"], // "GET "
  [0x504f5354, "HTTP"], // "POST"
  [0x5353482d, "SSH"], // "SSH-"
  [0x4e42444d, "NBD"], // "NBDM"
  [0x32323020, "SMTP or FTP"], // "220 "
  [0x52464220, "VNC"], // "RFB "
]);

function guessProtocol(word: number): string | undefined {
  // Handshake or alert, of record version 3.1 or 3.3.
  const record = word >>> 8;
  if (record === 0x160301 || record === 0x160303) return "TLS";
  if (record === 0x150301 || record === 0x150303) return "TLS";
  return beginnings.get(word);
}

const hex = (flags: number): string => `${flags.toString(16).padStart(2, "0")}h`;

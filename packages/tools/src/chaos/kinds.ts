// Every kind of fault: its values, the PDUs that it acts on, what it does, and which rule that breaks.
// Read first: param.ts; NVMe/TCP 1.0 §3.3 "Data Transfer Model", §3.6 "PDU Definitions".
//
// Plans are read by this table, `docs/chaos.md` has its rows, and `actions.ts` does not compile without
// an action for each kind of PDU fault.

import type { PduType } from "@nvmeof/codec";
import { type Param, type ValueOf, oneOf, open, share, time, whole, yesNo } from "./param.ts";

/** Name of a PDU type, as the specification writes it. */
export type PduName = keyof typeof PduType;

/** Values of a kind, by name. */
export type Params = Readonly<Record<string, Param<unknown>>>;

/** A fault of bytes: it knows no PDU, and works under TLS as well. */
export interface ByteKind {
  readonly layer: "bytes";
  readonly params: Params;
  readonly does: string;
  readonly breaks: string;
}

/** A fault of PDUs. */
export interface PduKind {
  readonly layer: "pdu";
  /** PDUs that it can act on; empty for all. */
  readonly acts: readonly PduName[];
  readonly params: Params;
  readonly does: string;
  readonly breaks: string;
}

const toxicity = { toxicity: share(1) };

const bytes = <const P extends Params>(params: P, does: string, breaks = "none") =>
  ({ layer: "bytes", params: { ...params, ...toxicity }, does, breaks }) as const;

const pdus = <const P extends Params>(
  acts: readonly PduName[],
  params: P,
  does: string,
  breaks: string,
) => ({ layer: "pdu", acts, params, does, breaks }) as const;

const answers = ["CapsuleResp", "C2HData"] as const;
const dataPdus = ["CapsuleCmd", "H2CData", "C2HData"] as const;
const BYTES_MAX = 2 ** 40;

/** Faults of bytes, by the names that Toxiproxy made known. */
const byteKinds = {
  latency: bytes(
    { latencyMs: time(), jitterMs: time(0) },
    "all bytes take `latencyMs` longer, give or take `jitterMs`",
  ),
  jitter: bytes({ jitterMs: time() }, "all bytes take up to `jitterMs` longer, by chance"),
  bandwidth: bytes(
    { bytesPerSecond: whole(1, BYTES_MAX) },
    "no more than so many bytes in a second",
  ),
  slow_close: bytes({ delayMs: time() }, "the end of the connection is passed on late"),
  timeout: bytes(
    { timeoutMs: time(0) },
    "nothing passes, and the connection is closed after `timeoutMs`; with 0 it stays",
  ),
  reset_peer: bytes({ timeoutMs: time(0) }, "both ends are reset, `timeoutMs` after the beginning"),
  slicer: bytes(
    { averageBytes: whole(1, 2 ** 20), variationBytes: whole(0, 2 ** 20, 0), delayMs: time(0) },
    "bytes arrive in pieces of about `averageBytes`, with `delayMs` between them",
  ),
  limit_data: bytes({ bytes: whole(0, BYTES_MAX) }, "the connection is closed after so many bytes"),
  down: bytes({}, "connections are closed, and new ones refused"),
} as const;

/** Faults that leave PDUs as they are. */
const flowKinds = {
  "drop-pdu": pdus([], {}, "the PDU does not arrive", "TCP loses nothing: a PDU is missing"),
  "dup-pdu": pdus([], {}, "the PDU arrives twice", "each PDU is sent once"),
  "delay-pdu": pdus([], { delayMs: time() }, "the PDU and all behind it arrive later", "none"),
  "hold-response": pdus(
    answers,
    { holdMs: time() },
    "the answer to a command comes late; those to other commands overtake it",
    "none",
  ),
  reorder: pdus(
    [],
    { afterPdus: whole(1, 64, 1), holdMs: time(1000) },
    "the PDU comes after `afterPdus` PDUs that are not of its command, or after `holdMs`",
    "none among commands; PDUs of one command keep their order",
  ),
  truncate: pdus(
    [],
    {
      bytes: open(whole(0, 2 ** 26)),
      ends: oneOf(["close", "reset", "silence"], "close"),
    },
    "the PDU ends after `bytes` bytes (default: half of it), and with it the connection",
    "PLEN says how long a PDU is",
  ),
  blackhole: pdus(
    [],
    { silences: oneOf(["upstream", "downstream", "both"], "both"), forMs: time(0) },
    "after the PDU nothing passes any more, for `forMs`; with 0 for good",
    "none: the network has failed",
  ),
  "half-open": pdus(
    [],
    { loses: oneOf(["host", "controller"], "controller") },
    "after the PDU the connection of one side is reset, and the other is not told",
    "none: the network has failed",
  ),
  "kato-starve": pdus(
    ["CapsuleCmd", "CapsuleResp"],
    { drops: oneOf(["commands", "answers"], "commands") },
    "Keep Alive commands, or their answers, do not arrive; all else does",
    "a host that sends Keep Alive is heard: KATO runs out",
  ),
  "term-req": pdus(
    [],
    { fes: whole(0, 0xffff, 1), fei: whole(0, 0xffff_ffff, 0) },
    "in place of the PDU comes a TermReq of its sender, and the connection is closed",
    "a TermReq names an error that somebody made",
  ),
} as const;

/** Faults that change PDUs, or add some. */
const contentKinds = {
  "flip-bit": pdus(
    [],
    {
      where: oneOf(["header", "data", "any"], "any"),
      bit: open(whole(0, 2 ** 29)),
      digests: oneOf(["recomputed", "left"], "recomputed"),
    },
    "one bit is wrong; with digests recomputed only its meaning tells, with digests left they do",
    "what arrives is what was sent",
  ),
  "bad-hdgst": pdus([], {}, "one bit of the header digest is wrong", "HDGST covers the header"),
  "bad-ddgst": pdus(dataPdus, {}, "one bit of the data digest is wrong", "DDGST covers the data"),
  "dup-completion": pdus(
    answers,
    {},
    "a command is answered twice",
    "a command is completed once: no command has this CID",
  ),
  "unknown-cid": pdus(
    ["CapsuleResp", "C2HData", "R2T"],
    {},
    "the PDU names a CID that no command has",
    "CID and CCCID are those of a command",
  ),
  "swap-cid": pdus(
    ["CapsuleResp", "C2HData", "R2T"],
    {},
    "the PDU names the CID of another command in flight",
    "CID and CCCID are those of its command",
  ),
  "early-completion": pdus(
    ["CapsuleCmd"],
    { command: oneOf(["pass", "drop"], "pass") },
    "a command is answered with success before the controller has it; it passes, or is dropped",
    "a command is completed when it is done",
  ),
  "r2t-overrun": pdus(
    ["R2T"],
    { bytes: whole(1, 2 ** 24, 4096) },
    "an R2T asks for so many bytes more than its command has",
    "R2TO + R2TL stay within the command's data",
  ),
  "r2t-zero": pdus(["R2T"], {}, "an R2T asks for nothing", "R2TL is not 0"),
  "short-data": pdus(
    ["H2CData", "C2HData"],
    { bytes: open(whole(1, 2 ** 24)) },
    "`bytes` bytes at the end of the data are missing (default: half), and DATAL says so",
    "data comes without gaps, and all of it",
  ),
  "extra-data": pdus(
    ["H2CData", "C2HData"],
    { bytes: whole(1, 2 ** 20, 512) },
    "so many bytes more come than there are to come, and DATAL says so",
    "data stays within the command, and within its R2T",
  ),
  status: pdus(
    answers,
    {
      sct: whole(0, 7),
      sc: whole(0, 255),
      dnr: yesNo(false),
      crd: whole(0, 3, 0),
    },
    "the command completes with this status, whatever came of it",
    "none: a controller may answer so",
  ),
} as const;

/** All kinds, by name. */
export const faultKinds = { ...byteKinds, ...flowKinds, ...contentKinds } as const;

/** A kind of fault by its name: a key of {@link faultKinds}. */
export type FaultKind = keyof typeof faultKinds;
/** Done to bytes, whatever they say. */
export type ByteFaultKind = keyof typeof byteKinds;
/** Done to PDUs of NVMe/TCP in clear. */
export type PduFaultKind = Exclude<FaultKind, ByteFaultKind>;

/** The values of a fault of this kind, all of them. */
export type FaultValues<K extends FaultKind> = {
  readonly [P in keyof (typeof faultKinds)[K]["params"]]: ValueOf<
    (typeof faultKinds)[K]["params"][P]
  >;
};

export const isByteKind = (kind: FaultKind): kind is ByteFaultKind =>
  faultKinds[kind].layer === "bytes";

// A command as the wire checker knows it: what its capsule said, and what has passed for it since.
// Read first: conversation.ts; Base 2.0 §3.3.3.1 "Common Command Format".

/** What an R2T asks for. */
export interface WireR2t {
  readonly ttag: number;
  readonly offset: number;
  readonly bytes: number;
  /** Bytes of it that the host has sent. */
  sentBytes: number;
  /** Whether it has reached the host. */
  reached: "no" | "yes";
}

export interface WireCommand {
  readonly cid: number;
  readonly opcode: number;
  /** FCTYPE of a Fabrics command. */
  readonly fctype: number;
  readonly direction: "none" | "toController" | "toHost";
  /** Bytes that it moves, and how. */
  readonly transferBytes: number;
  readonly inCapsule: "yes" | "no";
  /** Connect: QID, entries of the queue, and whether it goes without SQ flow control. */
  readonly connect: { readonly entries: number; readonly flowControl: "on" | "off" } | undefined;
  /** `sent`: has not reached the controller. `answered`: the host has not seen the answer. */
  phase: "sent" | "outstanding" | "answered";
  /** Bytes that R2Ts asked for, or that C2HData brought. */
  movedBytes: number;
  /** Whether C2HData said that it was the last. */
  last: "unseen" | "seen";
  r2ts: WireR2t[];
}

const FABRICS = 0x7f;
const CONNECT = 0x01;
const directions = ["none", "toController", "toHost", "none"] as const;

/** Reads the SQE at `at`. */
export function commandOf(view: DataView, at: number): WireCommand {
  const opcode = view.getUint8(at);
  const fctype = opcode === FABRICS ? view.getUint8(at + 4) : 0;
  const transferBytes = view.getUint32(at + 32, true);
  const moves = directions[(opcode === FABRICS ? fctype : opcode) & 3]!;
  const isConnect = opcode === FABRICS && fctype === CONNECT;
  const entries = view.getUint16(at + 44, true) + 1;
  const flowControl = (view.getUint8(at + 46) & 4) === 0 ? "on" : "off";
  return {
    cid: view.getUint16(at + 2, true),
    opcode,
    fctype,
    direction: transferBytes === 0 ? "none" : moves,
    transferBytes,
    inCapsule: view.getUint8(at + 39) === IN_CAPSULE ? "yes" : "no",
    connect: isConnect ? { entries, flowControl } : undefined,
    phase: "sent",
    movedBytes: 0,
    last: "unseen",
    r2ts: [],
  };
}

const IN_CAPSULE = 0x01;
const TRANSPORT = 0x5a;

/** What is wrong with the data pointer of a capsule with `dataBytes` of data, if anything. */
export function dataPointerProblem(
  view: DataView,
  at: number,
  dataBytes: number,
): string | undefined {
  const command = commandOf(view, at);
  if (view.getUint8(at + 1) >> 6 !== 1) return "PSDT does not say SGL";
  const sgl = view.getUint8(at + 39);
  const bytes = command.transferBytes;
  if (sgl === IN_CAPSULE) {
    if (dataBytes !== bytes) return `an SGL of ${bytes} bytes, and ${dataBytes} in the capsule`;
    return bytes > 0 && command.direction !== "toController"
      ? "data in the capsule of a command that does not write"
      : undefined;
  }
  if (dataBytes > 0) return `${dataBytes} bytes in the capsule that the SGL does not tell of`;
  if (sgl === TRANSPORT || (sgl === 0 && bytes === 0)) return undefined;
  return `an SGL of type ${sgl.toString(16)}h`;
}

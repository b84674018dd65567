// What a decoder tells of a capture, in the order of its frames.
// Read first: decoder.ts, which tells it.

import type { CapturedCommand } from "./nvme/command.ts";
import type { Connection, EndedBy } from "./nvme/connection.ts";
import type { LostBy } from "./nvme/cutter.ts";
import type { CapturedPdu, Direction } from "./nvme/pdu.ts";
import type { Answer, RuleId, Severity } from "./nvme/rules.ts";

/** What every event has: of which connection it is, and when it came. */
interface At {
  readonly connection: Connection;
  readonly frame: number;
  /** Since the first frame, ms. */
  readonly timeMs: number;
}

/** A connection was recognised. Comes before all else about it. */
export interface ConnectionEvent extends At {
  readonly type: "connection";
  /** What speaks there that is not NVMe/TCP, such as "TLS": nothing more is told of it then. */
  readonly speaks: string | undefined;
}

/** A PDU is complete. */
export interface PduEvent extends At {
  readonly type: "pdu";
  readonly pdu: CapturedPdu;
  /** The command that it is of, where that was captured. */
  readonly command: CapturedCommand | undefined;
  /** Whether it answers the command: `command.answer` says how. */
  readonly answers: boolean;
  /** The command's data, where the PDU completes it and the command is no I/O. */
  readonly data: Uint8Array | undefined;
}

/** A rule is broken, or something looks wrong. Comes behind the PDU that it is about. */
export interface VerdictEvent extends At {
  readonly type: "verdict";
  readonly rule: RuleId;
  readonly severity: Severity;
  /** Who did it. */
  readonly by: "host" | "controller";
  /** What was found, and what was expected. */
  readonly message: string;
  /** What a receiver that keeps to the specification does about it. */
  readonly answer: Answer;
  /** The command that it is about, where it is about one. */
  readonly command: CapturedCommand | undefined;
}

/** From here on no PDU can be told, until `resumed`. */
export interface GapEvent extends At {
  readonly type: "gap";
  readonly direction: Direction;
  readonly by: LostBy;
}

/** A PDU begins again. */
export interface ResumedEvent extends At {
  readonly type: "resumed";
  readonly direction: Direction;
  /** Bytes in between that were captured, and belong to no PDU. */
  readonly skippedBytes: number;
}

/** A command without an answer, when its connection or the capture ends. */
export interface OpenEvent extends At {
  readonly type: "open";
  readonly command: CapturedCommand;
}

/** A connection, or the capture, has ended. Comes last of a connection. */
export interface EndEvent extends At {
  readonly type: "end";
  readonly by: EndedBy;
}

/** What a capture holds, one thing after another. */
export type CaptureEvent =
  ConnectionEvent | PduEvent | VerdictEvent | GapEvent | ResumedEvent | OpenEvent | EndEvent;

/** Takes events. What it throws leaves `CaptureDecoder.write`. */
export type CaptureHandler = (event: CaptureEvent) => void;

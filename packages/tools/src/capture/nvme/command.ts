// A command as a capture shows it: what its capsule said, and what has passed for it since.
// Read first: Base 2.0 §3.3.3.1 "Common Command Format"; NVMe/TCP 1.0 §3.3.2 "Data Transfer".

import {
  AdminOpcode,
  CAPSULE_OFFSET,
  DataDirection,
  Fctype,
  OPC_FABRICS,
  RwCommand,
  SglId,
  Sqe,
  directionOf,
  opcodeName,
} from "@nvmeof/codec";
import type { CapturedPdu } from "./pdu.ts";

/** What an R2T asks for. */
export interface CapturedR2t {
  readonly command: CapturedCommand;
  readonly ttag: number;
  readonly offset: number;
  readonly bytes: number;
  readonly frame: number;
  /** Bytes of it that the host has sent. */
  sentBytes: number;
  /** Nothing was missed since: its tag is not yet that of another R2T. */
  isSure: boolean;
}

/** Which queue a command was on, as far as it is known. */
export type QueueKind = "admin" | "io" | "unknown";

/** A command. */
export interface CapturedCommand {
  readonly cid: number;
  readonly opcode: number;
  /** FCTYPE of a Fabrics command, else -1. */
  readonly fctype: number;
  readonly queue: QueueKind;
  /** As the specification writes it: "Read", "Identify", "Connect". */
  readonly name: string;
  readonly nsid: number;
  /** Of reads, writes and their like: where, and how many blocks. */
  readonly slba: number | undefined;
  readonly blockCount: number | undefined;
  readonly direction: "none" | "toController" | "toHost";
  /** Bytes that its SGL says it moves, and whether they are in its capsule. */
  readonly transferBytes: number;
  readonly inCapsule: boolean;
  /** The submission queue entry, 64 bytes. */
  readonly sqe: DataView;
  /** Frame that completes its capsule, and the time of that, ms since the first frame. */
  readonly frame: number;
  readonly timeMs: number;
  /** `doubtful`: the capture has missed something since, perhaps the answer. */
  phase: "open" | "doubtful" | "answered";
  /** Bytes that R2Ts asked for, or that C2HData brought, from 0 up. */
  movedBytes: number;
  /** C2HData with LAST_PDU has come. */
  lastSeen: boolean;
  /** Data PDUs, in either direction. */
  dataPdus: number;
  r2ts: CapturedR2t[];
  /** More capsules that came with its CID; each will be answered with a conflict. */
  conflicts: number;
  /** Where its data is put together, of commands that are no I/O; and bytes of it that were captured. */
  arriving: Uint8Array | undefined;
  arrivedBytes: number;
  /** Its data, once all of it was captured; as much as is kept of it. */
  data: Uint8Array | undefined;
  answer: CapturedAnswer | undefined;
}

/** How a command was answered. */
export interface CapturedAnswer {
  readonly frame: number;
  readonly timeMs: number;
  /** From the frame of the capsule to that of the answer. */
  readonly latencyMs: number;
  /** Nothing was missed in between: it is the answer to this command, and not to one that was not captured. */
  readonly isSure: boolean;
  /** Packed as `statusOf` does; 0 is success. */
  readonly status: number;
  readonly dw0: number;
  readonly dw1: number;
}

const directions = ["none", "toController", "toHost", "none"] as const;

/** I/O commands that name blocks as Read and Write do: by opcode. */
const namesBlocks: ReadonlySet<number> = new Set([0x01, 0x02, 0x04, 0x05, 0x08, 0x0c]);

/** Opcodes that an admin queue takes and an I/O queue does not. */
const adminOnly: ReadonlySet<number> = new Set([
  AdminOpcode.Identify,
  AdminOpcode.GetFeatures,
  AdminOpcode.FirmwareCommit,
  AdminOpcode.DeviceSelfTest,
]);

/** Which kind of queue the SQE at `at` tells of, where nothing else does: no I/O command has NSID 0. */
export function queueKindOf(view: DataView, at: number): QueueKind {
  const opcode = Sqe.opc.get(view, at);
  if (opcode !== OPC_FABRICS) {
    return adminOnly.has(opcode) || Sqe.nsid.get(view, at) === 0 ? "admin" : "unknown";
  }
  const fctype = view.getUint8(at + 4);
  return fctype === Fctype.PropertyGet || fctype === Fctype.PropertySet ? "admin" : "unknown";
}

/** The command of a capsule with this header. */
export function commandOf(
  { header, frame, timeMs }: Pick<CapturedPdu, "header" | "frame" | "timeMs">,
  queue: QueueKind,
): CapturedCommand {
  const sqe = new DataView(header.buffer, header.byteOffset + CAPSULE_OFFSET, Sqe.size);
  const opcode = Sqe.opc.get(sqe);
  const isFabrics = opcode === OPC_FABRICS;
  const fctype = isFabrics ? sqe.getUint8(4) : -1;
  const transferBytes = Sqe.sglLength.get(sqe);
  const hasBlocks = queue !== "admin" && !isFabrics && namesBlocks.has(opcode);
  return {
    cid: Sqe.cid.get(sqe),
    opcode,
    fctype,
    queue,
    name: opcodeName(queue === "admin", opcode, fctype),
    nsid: isFabrics ? 0 : Sqe.nsid.get(sqe),
    slba: hasBlocks ? RwCommand.slba.get(sqe) : undefined,
    blockCount: hasBlocks ? RwCommand.nlb.get(sqe) : undefined,
    direction: transferBytes === 0 ? "none" : directions[directionOf(isFabrics ? fctype : opcode)],
    transferBytes,
    inCapsule: Sqe.sglId.get(sqe) === SglId.InCapsule,
    sqe,
    frame,
    timeMs,
    phase: "open",
    movedBytes: 0,
    lastSeen: false,
    dataPdus: 0,
    r2ts: [],
    conflicts: 0,
    arriving: undefined,
    arrivedBytes: 0,
    data: undefined,
    answer: undefined,
  };
}

/** Whether its opcode, or FCTYPE, moves data to the controller. */
export const writesData = ({ opcode, fctype }: CapturedCommand): boolean =>
  (directionOf(opcode === OPC_FABRICS ? fctype : opcode) & DataDirection.ToController) !== 0;

/** Whether it waits for something to happen, however long that takes. */
export const isPatient = ({ queue, opcode }: CapturedCommand): boolean =>
  queue === "admin" && opcode === AdminOpcode.AsyncEventRequest;

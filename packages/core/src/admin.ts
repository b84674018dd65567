// Admin and Fabrics commands as steps and as calls: each builds its SQE by the codec's declared fields.
// Read first: Base 2.0 §5 "Admin Command Set", §6 "Fabrics Command Set".

import {
  AbortCommand,
  AdminOpcode,
  DataDirection,
  Fctype,
  GetFeaturesCommand,
  GetLogPageCommand,
  IDENTIFY_BYTES,
  IdentifyCommand,
  NSID_ALL,
  PropertyAttrib,
  PropertyGetCommand,
  PropertySetCommand,
  SetFeaturesCommand,
  Sqe,
  propertyBytes,
} from "@nvmeof/codec";
import type { CommandSettle } from "./command-table.ts";
import type { QueuePair } from "./queue-pair.ts";

/** A command to be sent on the admin queue: how its SQE is filled, and what it moves. */
export interface AdminCommand {
  readonly opcode: number;
  readonly nsid?: number;
  /** Fills in what is particular to the command; called when it is sent. */
  fill?(sqe: DataView): void;
  readonly direction?: DataDirection;
  readonly data?: Uint8Array;
  /** After this the command counts as expired; Infinity for never. */
  readonly timeoutMs?: number;
}

/** Sends `command` on `queue`; false when it has no room. */
export function sendAdmin(
  queue: QueuePair,
  command: AdminCommand,
  defaultTimeoutMs: number,
  settle: CommandSettle,
): boolean {
  if (!queue.hasRoom) return false;
  const sqe = queue.begin(command.opcode, command.nsid ?? 0);
  command.fill?.(sqe);
  const direction = command.direction ?? DataDirection.None;
  const timeoutMs = command.timeoutMs ?? defaultTimeoutMs;
  return queue.submit(direction, command.data, settle, timeoutMs) >= 0;
}

/** What Identify asks for beside its structure. */
export interface IdentifyParameters {
  readonly nsid?: number;
  /** Command Set Identifier. */
  readonly csi?: number;
  /** Controller Identifier. */
  readonly cntid?: number;
  /** CNS Specific Identifier: NVM set, domain, endurance group. */
  readonly cnssid?: number;
  /** UUID Index. */
  readonly uidx?: number;
}

/** Identify: `cns` chooses the structure, 4,096 bytes of `data` receive it. */
export const identifyCommand = (
  cns: number,
  data: Uint8Array,
  { nsid = 0, csi = 0, cntid = 0, cnssid = 0, uidx = 0 }: IdentifyParameters = {},
): AdminCommand => ({
  opcode: AdminOpcode.Identify,
  nsid,
  fill: (sqe) => {
    IdentifyCommand.cns.set(sqe, 0, cns);
    IdentifyCommand.cntid.set(sqe, 0, cntid);
    IdentifyCommand.cnssid.set(sqe, 0, cnssid);
    IdentifyCommand.csi.set(sqe, 0, csi);
    IdentifyCommand.uidx.set(sqe, 0, uidx);
  },
  direction: DataDirection.ToHost,
  data,
});

/** A buffer for Identify. */
export const identifyBuffer = (): Uint8Array => new Uint8Array(IDENTIFY_BYTES);

/** What of a log page is read, and whether its event stays unread. */
export interface LogPageRequest {
  readonly lid: number;
  /** Offset in bytes, a multiple of 4. */
  readonly offset?: number;
  readonly nsid?: number;
  /** Log Specific Parameter. */
  readonly lsp?: number;
  /** Log Specific Identifier. */
  readonly lsi?: number;
  /** Command Set Identifier. */
  readonly csi?: number;
  /** UUID Index. */
  readonly uidx?: number;
  /** Retain Asynchronous Event: reading does not count as having seen the change. */
  readonly rae?: boolean;
}

/** Get Log Page: fills `data`, whose length is a multiple of 4. */
export const logPageCommand = (request: LogPageRequest, data: Uint8Array): AdminCommand => ({
  opcode: AdminOpcode.GetLogPage,
  nsid: request.nsid ?? NSID_ALL,
  fill: (sqe) => {
    GetLogPageCommand.lid.set(sqe, 0, request.lid);
    GetLogPageCommand.lsp.set(sqe, 0, request.lsp ?? 0);
    GetLogPageCommand.rae.set(sqe, 0, request.rae === true ? 1 : 0);
    GetLogPageCommand.numd.set(sqe, 0, data.length / 4);
    GetLogPageCommand.lsi.set(sqe, 0, request.lsi ?? 0);
    GetLogPageCommand.lpo.set(sqe, 0, request.offset ?? 0);
    GetLogPageCommand.uidx.set(sqe, 0, request.uidx ?? 0);
    GetLogPageCommand.csi.set(sqe, 0, request.csi ?? 0);
  },
  direction: DataDirection.ToHost,
  data,
});

/** Particulars of Set Features. */
export interface SetFeatureOptions {
  readonly nsid?: number;
  readonly cdw12?: number;
  /** Kept beyond a reset (SV). */
  readonly save?: boolean;
  /** UUID Index. */
  readonly uidx?: number;
}

/** Set Features: `value` goes into CDW11, `data` along with it where the feature has data. */
export const setFeatureCommand = (
  fid: number,
  value: number,
  data?: Uint8Array,
  { nsid = 0, cdw12 = 0, save = false, uidx = 0 }: SetFeatureOptions = {},
): AdminCommand => ({
  opcode: AdminOpcode.SetFeatures,
  nsid,
  fill: (sqe) => {
    SetFeaturesCommand.fid.set(sqe, 0, fid);
    SetFeaturesCommand.sv.set(sqe, 0, save ? 1 : 0);
    SetFeaturesCommand.cdw11.set(sqe, 0, value);
    SetFeaturesCommand.cdw12.set(sqe, 0, cdw12);
    SetFeaturesCommand.uidx.set(sqe, 0, uidx);
  },
  ...(data === undefined ? {} : { direction: DataDirection.ToController, data }),
});

/** Get Features: the value comes as DW0, or in `data`. `select` is one of `FeatureSelect`. */
export const getFeatureCommand = (
  fid: number,
  { select = 0, cdw11 = 0, nsid = 0, uidx = 0, data }: GetFeatureOptions = {},
): AdminCommand => ({
  opcode: AdminOpcode.GetFeatures,
  nsid,
  fill: (sqe) => {
    GetFeaturesCommand.fid.set(sqe, 0, fid);
    GetFeaturesCommand.sel.set(sqe, 0, select);
    GetFeaturesCommand.cdw11.set(sqe, 0, cdw11);
    GetFeaturesCommand.uidx.set(sqe, 0, uidx);
  },
  ...(data === undefined ? {} : { direction: DataDirection.ToHost, data }),
});

/** Particulars of Get Features. */
export interface GetFeatureOptions {
  readonly select?: number;
  readonly cdw11?: number;
  readonly nsid?: number;
  /** UUID Index. */
  readonly uidx?: number;
  readonly data?: Uint8Array;
}

/** Property Get of the property at `offset`; its value comes as DW0 and DW1. */
export const propertyGetCommand = (offset: number): AdminCommand => ({
  opcode: AdminOpcode.Fabrics,
  fill: (sqe) => {
    PropertyGetCommand.fctype.set(sqe, 0, Fctype.PropertyGet);
    PropertyGetCommand.attrib.set(sqe, 0, attribOf(offset));
    PropertyGetCommand.ofst.set(sqe, 0, offset);
  },
});

/** Property Set of a 4-byte property. */
export const propertySetCommand = (offset: number, value: number): AdminCommand => ({
  opcode: AdminOpcode.Fabrics,
  fill: (sqe) => {
    PropertySetCommand.fctype.set(sqe, 0, Fctype.PropertySet);
    PropertySetCommand.attrib.set(sqe, 0, attribOf(offset));
    PropertySetCommand.ofst.set(sqe, 0, offset);
    PropertySetCommand.value.set(sqe, 0, value);
  },
});

const attribOf = (offset: number): number =>
  propertyBytes(offset) === 8 ? PropertyAttrib.EightBytes : PropertyAttrib.FourBytes;

/** Keep Alive. */
export const keepAliveCommand = (timeoutMs: number): AdminCommand => ({
  opcode: AdminOpcode.KeepAlive,
  timeoutMs,
});

/** Asynchronous Event Request: completes when there is something to tell, so it never expires. */
export const asyncEventCommand: AdminCommand = {
  opcode: AdminOpcode.AsyncEventRequest,
  timeoutMs: Infinity,
};

/** Abort of the command `cid` on queue `sqid`. DW0 bit 0 says that it was not aborted. */
export const abortCommand = (sqid: number, cid: number): AdminCommand => ({
  opcode: AdminOpcode.Abort,
  fill: (sqe) => {
    AbortCommand.sqid.set(sqe, 0, sqid);
    AbortCommand.abortedCid.set(sqe, 0, cid);
  },
});

/** A command given as 64 bytes: passthrough. CID and data pointer are filled in by the transport. */
export const rawCommand = (
  sqe: Uint8Array,
  direction: DataDirection,
  data?: Uint8Array,
): AdminCommand => ({
  opcode: sqe[0]!,
  fill: (view) => {
    for (let at = 0; at < Sqe.size; at++) view.setUint8(at, sqe[at]!);
  },
  direction,
  ...(data === undefined ? {} : { data }),
});

// Commands that manage: namespaces, formats, sanitize, self-tests, reservations, copies. Each builds its
// SQE and its data; `ControllerHandle.admin` or `.io` sends it.
// Read first: Base 2.0 §5 "Admin Command Set", §8.19 "Reservations"; @nvmeof/codec/management.

import {
  AdminOpcode,
  DataDirection,
  IdentifyNamespace,
  NSID_ALL,
  NvmOpcode,
  encodeControllerList,
  encoded,
} from "@nvmeof/codec";
import {
  AcquireKeys,
  CopyCommand,
  type CopySource,
  DeviceSelfTestCommand,
  FormatNvmCommand,
  NamespaceAttachment,
  NamespaceAttachmentCommand,
  NamespaceManagement,
  NamespaceManagementCommand,
  RegisterKeys,
  ReleaseKey,
  ReservationAcquireCommand,
  ReservationRegisterCommand,
  ReservationReleaseCommand,
  ReservationReportCommand,
  SanitizeAction,
  SanitizeCommand,
  encodeCopyRanges,
} from "@nvmeof/codec/management";
import type { AdminCommand } from "./admin.ts";
import type { IoCommand } from "./io-command.ts";

/** A namespace that is to be created. */
export interface NamespaceRequest {
  /** Size (NSZE) and capacity (NCAP), in logical blocks. */
  readonly blockCount: bigint;
  readonly capacityBlocks?: bigint;
  /** Index of the LBA format, from 0. */
  readonly formatIndex?: number;
  /** End-to-end Data Protection Type Settings. */
  readonly dps?: number;
  /** Several controllers may use it (NMIC bit 0). */
  readonly shared?: boolean;
  readonly anaGroup?: number;
  readonly nvmSet?: number;
  readonly enduranceGroup?: number;
  /** Command Set Identifier. Default 0, NVM. */
  readonly csi?: number;
}

/** Namespace Management, create. DW0 of the result is the NSID. */
export const createNamespaceCommand = (request: NamespaceRequest): AdminCommand => ({
  opcode: AdminOpcode.NamespaceManagement,
  fill: (sqe) => {
    NamespaceManagementCommand.sel.set(sqe, 0, NamespaceManagement.Create);
    NamespaceManagementCommand.csi.set(sqe, 0, request.csi ?? 0);
  },
  direction: DataDirection.ToController,
  data: namespaceData(request),
});

/** Only what a host may choose: the 0's based fields of the structure must stay zero. */
function namespaceData(request: NamespaceRequest): Uint8Array {
  const { blockCount, formatIndex = 0 } = request;
  return encoded(IdentifyNamespace, {
    nsze: blockCount,
    ncap: request.capacityBlocks ?? blockCount,
    fidxl: formatIndex & 0xf,
    fidxu: formatIndex >>> 4,
    dps: request.dps ?? 0,
    nmic: request.shared === false ? 0 : 1,
    anagrpid: request.anaGroup ?? 0,
    nvmsetid: request.nvmSet ?? 0,
    endgid: request.enduranceGroup ?? 0,
  });
}

/** Namespace Management, delete; {@link NSID_ALL} for all namespaces. */
export const deleteNamespaceCommand = (nsid: number): AdminCommand => ({
  opcode: AdminOpcode.NamespaceManagement,
  nsid,
  fill: (sqe) => NamespaceManagementCommand.sel.set(sqe, 0, NamespaceManagement.Delete),
});

/** Namespace Attachment: attaches a namespace to controllers, or detaches it from them. */
export const attachNamespaceCommand = (
  nsid: number,
  cntlids: readonly number[],
  how: "attach" | "detach",
): AdminCommand => ({
  opcode: AdminOpcode.NamespaceAttachment,
  nsid,
  fill: (sqe) => {
    const { Attach, Detach } = NamespaceAttachment;
    NamespaceAttachmentCommand.sel.set(sqe, 0, how === "attach" ? Attach : Detach);
  },
  direction: DataDirection.ToController,
  data: encodeControllerList([...new Set(cntlids)].sort((a, b) => a - b)),
});

/** How a namespace is to be formatted. */
export interface FormatRequest {
  /** Index of the LBA format, from 0. */
  readonly formatIndex: number;
  /** One of `SecureErase`. */
  readonly secureErase?: number;
  /** Protection Information: 0 none, 1 to 3 its type. */
  readonly pi?: number;
  readonly pil?: number;
  readonly mset?: number;
}

/** Format NVM; {@link NSID_ALL} for all namespaces. It completes when the format is done. */
export const formatCommand = (
  nsid: number,
  request: FormatRequest,
  timeoutMs?: number,
): AdminCommand => ({
  opcode: AdminOpcode.FormatNvm,
  nsid,
  fill: (sqe) => {
    FormatNvmCommand.lbafl.set(sqe, 0, request.formatIndex & 0xf);
    FormatNvmCommand.lbafu.set(sqe, 0, request.formatIndex >>> 4);
    FormatNvmCommand.mset.set(sqe, 0, request.mset ?? 0);
    FormatNvmCommand.pi.set(sqe, 0, request.pi ?? 0);
    FormatNvmCommand.pil.set(sqe, 0, request.pil ?? 0);
    FormatNvmCommand.ses.set(sqe, 0, request.secureErase ?? 0);
  },
  ...(timeoutMs === undefined ? {} : { timeoutMs }),
});

/** What Sanitize is to do. */
export interface SanitizeRequest {
  /** One of `SanitizeAction`. */
  readonly action: number;
  readonly allowUnrestrictedExit?: boolean;
  /** Passes of an overwrite, 1 to 16. Default 1; not used by other actions. */
  readonly passes?: number;
  readonly invertPattern?: boolean;
  readonly noDeallocate?: boolean;
  /** Overwrite Pattern, 32 bits. */
  readonly pattern?: number;
}

/** Sanitize. It completes when the operation has begun; the log of LID 81h tells how it goes on. */
export const sanitizeCommand = (request: SanitizeRequest): AdminCommand => ({
  opcode: AdminOpcode.Sanitize,
  fill: (sqe) => {
    SanitizeCommand.sanact.set(sqe, 0, request.action);
    SanitizeCommand.ause.set(sqe, 0, request.allowUnrestrictedExit === true ? 1 : 0);
    // 0 stands for 16 on the wire, and is what other actions have.
    const isOverwrite = request.action === SanitizeAction.Overwrite;
    SanitizeCommand.owpass.set(sqe, 0, isOverwrite ? (request.passes ?? 1) % 16 : 0);
    SanitizeCommand.oipbp.set(sqe, 0, request.invertPattern === true ? 1 : 0);
    SanitizeCommand.ndas.set(sqe, 0, request.noDeallocate === true ? 1 : 0);
    SanitizeCommand.ovrpat.set(sqe, 0, request.pattern ?? 0);
  },
});

/** Device Self-test: begins one, or aborts it. `code` is one of `SelfTest`. */
export const selfTestCommand = (code: number, nsid: number = NSID_ALL): AdminCommand => ({
  opcode: AdminOpcode.DeviceSelfTest,
  nsid,
  fill: (sqe) => DeviceSelfTestCommand.stc.set(sqe, 0, code),
});

/** What Reservation Register is to do. */
export interface RegisterRequest {
  /** One of `RegisterAction`. */
  readonly action: number;
  readonly currentKey?: bigint;
  readonly newKey?: bigint;
  readonly ignoreExistingKey?: boolean;
  /** One of `ChangePtpl`. */
  readonly changePtpl?: number;
}

/** Reservation Register. */
export const reservationRegisterCommand = (nsid: number, request: RegisterRequest): IoCommand => ({
  opcode: NvmOpcode.ReservationRegister,
  nsid,
  fill: (sqe) => {
    ReservationRegisterCommand.rrega.set(sqe, 0, request.action);
    ReservationRegisterCommand.iekey.set(sqe, 0, request.ignoreExistingKey === true ? 1 : 0);
    ReservationRegisterCommand.cptpl.set(sqe, 0, request.changePtpl ?? 0);
  },
  direction: DataDirection.ToController,
  data: encoded(RegisterKeys, { crkey: request.currentKey ?? 0n, nrkey: request.newKey ?? 0n }),
});

/** What Reservation Acquire is to do. */
export interface AcquireRequest {
  /** One of `AcquireAction`. */
  readonly action: number;
  /** One of `ReservationType`. */
  readonly type: number;
  readonly currentKey: bigint;
  /** Key of those who are preempted. */
  readonly preemptKey?: bigint;
  readonly ignoreExistingKey?: boolean;
}

/** Reservation Acquire. */
export const reservationAcquireCommand = (nsid: number, request: AcquireRequest): IoCommand => ({
  opcode: NvmOpcode.ReservationAcquire,
  nsid,
  fill: (sqe) => {
    ReservationAcquireCommand.racqa.set(sqe, 0, request.action);
    ReservationAcquireCommand.iekey.set(sqe, 0, request.ignoreExistingKey === true ? 1 : 0);
    ReservationAcquireCommand.rtype.set(sqe, 0, request.type);
  },
  direction: DataDirection.ToController,
  data: encoded(AcquireKeys, { crkey: request.currentKey, prkey: request.preemptKey ?? 0n }),
});

/** What Reservation Release is to do. */
export interface ReleaseRequest {
  /** One of `ReleaseAction`. */
  readonly action: number;
  /** One of `ReservationType`. */
  readonly type: number;
  readonly currentKey: bigint;
  readonly ignoreExistingKey?: boolean;
}

/** Reservation Release. */
export const reservationReleaseCommand = (nsid: number, request: ReleaseRequest): IoCommand => ({
  opcode: NvmOpcode.ReservationRelease,
  nsid,
  fill: (sqe) => {
    ReservationReleaseCommand.rrela.set(sqe, 0, request.action);
    ReservationReleaseCommand.iekey.set(sqe, 0, request.ignoreExistingKey === true ? 1 : 0);
    ReservationReleaseCommand.rtype.set(sqe, 0, request.type);
  },
  direction: DataDirection.ToController,
  data: encoded(ReleaseKey, { crkey: request.currentKey }),
});

/** Reservation Report: fills `data`, whose length is a multiple of 4. Over fabrics with EDS only. */
export const reservationReportCommand = (
  nsid: number,
  data: Uint8Array,
  extended = true,
): IoCommand => ({
  opcode: NvmOpcode.ReservationReport,
  nsid,
  fill: (sqe) => {
    ReservationReportCommand.numd.set(sqe, 0, data.length / 4);
    ReservationReportCommand.eds.set(sqe, 0, extended ? 1 : 0);
  },
  direction: DataDirection.ToHost,
  data,
});

/**
 * Copy within a namespace, with descriptors of format 0.
 *
 * @throws RangeError for no source, or more than 256.
 */
export const copyCommand = (
  nsid: number,
  destinationLba: number,
  sources: readonly CopySource[],
  { fua = false, limitedRetry = false } = {},
): IoCommand => ({
  opcode: NvmOpcode.Copy,
  nsid,
  fill: (sqe) => {
    CopyCommand.sdlba.set(sqe, 0, destinationLba);
    CopyCommand.nr.set(sqe, 0, sources.length);
    CopyCommand.fua.set(sqe, 0, fua ? 1 : 0);
    CopyCommand.lr.set(sqe, 0, limitedRetry ? 1 : 0);
  },
  direction: DataDirection.ToController,
  data: encodeCopyRanges(sources),
});

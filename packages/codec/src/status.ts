// What a completion status means: its name and sentence, and the codes that this project uses.
// Read first: Base 2.0 §3.3.3.2.1 "Status Field Definition"; codes up to Base 2.3. The tables
// themselves are in status-table.ts.

import { crdOf, dnrOf, moreOf, scOf, sctOf } from "./cqe.ts";
import { hexh } from "./name.ts";
import {
  commandStatus,
  fabricsStatus,
  genericStatus,
  ioStatus,
  mediaStatus,
  pathStatus,
  type StatusTable,
} from "./status-table.ts";

/** Status Code Types (SCT). Base 2.0 §3.3.3.2.1 "Status Field Definition". */
export const Sct = {
  Generic: 0,
  CommandSpecific: 1,
  Media: 2,
  Path: 3,
  VendorSpecific: 7,
} as const;
export type Sct = (typeof Sct)[keyof typeof Sct];

/**
 * The statuses that code of this project sends or looks at, packed as `statusOf` packs them: SCT in
 * bits 10:8, SC in bits 7:0, no DNR. Compare with {@link codeOf} of a received one.
 */
export const Status = {
  Success: 0x000,
  InvalidOpcode: 0x001,
  InvalidField: 0x002,
  CommandIdConflict: 0x003,
  DataTransferError: 0x004,
  InternalError: 0x006,
  AbortRequested: 0x007,
  SqDeleted: 0x008,
  FusedFailed: 0x009,
  FusedMissing: 0x00a,
  InvalidNamespace: 0x00b,
  CommandSequenceError: 0x00c,
  SglSegmentInvalid: 0x00d,
  SglCountInvalid: 0x00e,
  SglDataLengthInvalid: 0x00f,
  SglMetadataLengthInvalid: 0x010,
  SglTypeInvalid: 0x011,
  OperationDenied: 0x015,
  SglOffsetInvalid: 0x016,
  HostIdInconsistent: 0x018,
  KeepAliveExpired: 0x019,
  KeepAliveInvalid: 0x01a,
  PreemptedAndAborted: 0x01b,
  SanitizeFailed: 0x01c,
  SanitizeInProgress: 0x01d,
  SglDataBlockGranularityInvalid: 0x01e,
  NamespaceWriteProtected: 0x020,
  CommandInterrupted: 0x021,
  TransientTransport: 0x022,
  AdminMediaNotReady: 0x024,
  LbaOutOfRange: 0x080,
  CapacityExceeded: 0x081,
  NamespaceNotReady: 0x082,
  ReservationConflict: 0x083,
  FormatInProgress: 0x084,
  InvalidQueueId: 0x101,
  InvalidQueueSize: 0x102,
  AbortLimitExceeded: 0x103,
  AerLimitExceeded: 0x105,
  InvalidLogPage: 0x109,
  InvalidFormat: 0x10a,
  FeatureNotSaveable: 0x10d,
  FeatureNotChangeable: 0x10e,
  FeatureNotNamespaceSpecific: 0x10f,
  NamespaceInsufficientCapacity: 0x115,
  NamespaceIdUnavailable: 0x116,
  NamespaceAlreadyAttached: 0x118,
  NamespaceIsPrivate: 0x119,
  NamespaceNotAttached: 0x11a,
  ThinProvisioningNotSupported: 0x11b,
  ControllerListInvalid: 0x11c,
  SelfTestInProgress: 0x11d,
  InvalidControllerId: 0x11f,
  AnaGroupIdInvalid: 0x124,
  CommandSetNotSupported: 0x129,
  InvalidCommandSet: 0x12c,
  CcrInProgress: 0x13f,
  CcrLogPageFull: 0x140,
  CcrLimitExceeded: 0x141,
  ConflictingAttributes: 0x180,
  InvalidProtectionInformation: 0x181,
  WriteToReadOnlyRange: 0x182,
  CommandSizeLimitExceeded: 0x183,
  /**
   * 80h to 85h of Fabrics commands share their codes with NVM commands: see {@link describeStatus}.
   */
  ConnectIncompatibleFormat: 0x180,
  ConnectControllerBusy: 0x181,
  ConnectInvalidParameters: 0x182,
  ConnectRestartDiscovery: 0x183,
  ConnectInvalidHost: 0x184,
  DisconnectInvalidQueueType: 0x185,
  DiscoverRestart: 0x190,
  AuthRequired: 0x191,
  WriteFault: 0x280,
  UnrecoveredReadError: 0x281,
  GuardCheckError: 0x282,
  ApplicationTagCheckError: 0x283,
  ReferenceTagCheckError: 0x284,
  CompareFailure: 0x285,
  AccessDenied: 0x286,
  UnwrittenBlock: 0x287,
  InternalPathError: 0x300,
  AnaPersistentLoss: 0x301,
  AnaInaccessible: 0x302,
  AnaTransition: 0x303,
  ControllerPathError: 0x360,
  HostPathError: 0x370,
  HostAborted: 0x371,
} as const;
export type Status = (typeof Status)[keyof typeof Status];

/** SCT and SC of a packed status, without CRD, M and DNR: what {@link Status} lists. */
export const codeOf = (packed: number): number => packed & 0x7ff;

/** What is known of a status. */
export interface StatusDescription {
  /** Status Code Type (SCT), 0 to 7. */
  readonly sct: number;
  /** Status Code (SC) within `sct`, 0 to 255. */
  readonly sc: number;
  /** Its name in the specification, such as "Invalid Field in Command". */
  readonly name: string;
  /** What it says, in one sentence. */
  readonly text: string;
  /** Do Not Retry (DNR): the same command would fail again. */
  readonly dnr: boolean;
  /** Command Retry Delay (CRD): 0 none, else the index of CRDT1..3. */
  readonly crd: number;
  /** More (M): the Error Information log has an entry on it. */
  readonly more: boolean;
}

/** What {@link describeStatus} has to know of the command. */
export interface DescribeStatusOptions {
  /**
   * Whether the command was a Fabrics command (opcode 7Fh): command specific statuses 80h to 85h
   * mean one thing for those and another for NVM commands, which are assumed without it.
   */
  readonly fabrics?: boolean | undefined;
}

/** The table in which `sc` of a command specific status is to be looked up. */
function commandTable(sc: number, fabrics: boolean): StatusTable {
  if (sc < 0x80) return commandStatus;
  // Discover Restart and Authentication Required may answer any command.
  return fabrics || sc === 0x90 || sc === 0x91 ? fabricsStatus : ioStatus;
}

const typeNames = ["Generic", "Command specific", "Media error", "Path related"];

/**
 * Name and sentence of a packed status (see `statusOf`). A code that the table does not have gets a
 * name by its range, "Path related status 05h" or "Vendor specific status C1h".
 *
 * Source: Base 2.0 §3.3.3.2.1 "Status Field Definition".
 */
export function describeStatus(
  status: number,
  options: DescribeStatusOptions = {},
): StatusDescription {
  const sct = sctOf(status);
  const sc = scOf(status);
  const tables: readonly StatusTable[] = [
    genericStatus,
    commandTable(sc, options.fabrics === true),
    mediaStatus,
    pathStatus,
  ];
  const type = sct === Sct.VendorSpecific || sc >= 0xc0 ? "Vendor specific" : typeNames[sct];
  const [name, text] = tables[sct]?.[sc] ?? [
    type === undefined
      ? `Reserved status ${hexh(sct, 1)}/${hexh(sc)}`
      : `${type} status ${hexh(sc)}`,
    "The specification gives it no meaning.",
  ];
  return {
    sct,
    sc,
    name,
    text: text ?? `${name}.`,
    dnr: dnrOf(status),
    crd: crdOf(status),
    more: moreOf(status),
  };
}

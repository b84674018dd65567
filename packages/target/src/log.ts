// Get Log Page: offset and length for all logs, and the logs of a controller.
// Read first: Base 2.0 §5.16 "Get Log Page command", §5.16.1 "Log Specific Information".

import {
  AdminOpcode,
  type AnaGroup,
  COMMAND_EFFECTS_BYTES,
  CommandEffects,
  type Decoded,
  FirmwareSlotLog,
  GetLogPageCommand,
  LSP_ANA_GROUPS_ONLY,
  LSP_CCR_REMOVE_COMPLETED,
  Lid,
  NSID_ALL,
  NvmOpcode,
  SUPPORTED_LOG_PAGES_BYTES,
  SmartLog,
  Sqe,
  Status,
  SupportedLogPage,
  commandEffectsOffset,
  encode,
  encodeAnaLog,
  encodeChangedNamespaces,
  encoded,
  viewOf,
} from "@nvmeof/codec";
import {
  EnduranceGroupLog,
  FEATURE_EFFECTS_BYTES,
  FeatureEffects,
  LSP_TELEMETRY_CREATE,
} from "@nvmeof/codec/management";
import { Notice } from "./async-events.ts";
import type { Controller } from "./controller.ts";
import { final } from "./errors.ts";
import { supportedFids } from "./features.ts";
import { type Counters, ENDURANCE_GROUP } from "./namespace.ts";
import { namespaceFids } from "./namespace-features.ts";
import { adminOpcodesOf } from "./opcodes.ts";

/** The bytes asked for, or the status to refuse the command with. */
type Page = Uint8Array | number;

const invalidField = final(Status.InvalidField);

const nvmPages: readonly number[] = [
  Lid.SupportedLogPages,
  Lid.ErrorInformation,
  Lid.SmartHealth,
  Lid.FirmwareSlot,
  Lid.ChangedNamespaces,
  Lid.CommandEffects,
  Lid.DeviceSelfTest,
  Lid.TelemetryHost,
  Lid.EnduranceGroup,
  Lid.Ana,
  Lid.FeatureEffects,
  Lid.ReservationNotification,
];
const discoveryPages: readonly number[] = [
  Lid.SupportedLogPages,
  Lid.ErrorInformation,
  Lid.Discovery,
];

function pagesOf(controller: Controller): readonly number[] {
  if (controller.subsystem.kind === "discovery") return discoveryPages;
  return [
    ...nvmPages,
    ...(controller.takesResets ? [Lid.CrossControllerReset] : []),
    ...(controller.subsystem.erase === "all" ? [Lid.SanitizeStatus] : []),
  ];
}

/**
 * Get Log Page. What lies between the end of a log and the end of what was asked for is zero, and
 * an offset beyond the end is refused, so that no offset reaches other memory.
 *
 * @param transferBytes length of the command's data, as its SGL says.
 */
export function getLogPage(controller: Controller, sqe: DataView, transferBytes: number): Page {
  const bytes = GetLogPageCommand.numd.get(sqe) * 4;
  const offset = GetLogPageCommand.lpo.get(sqe);
  const lid = GetLogPageCommand.lid.get(sqe);
  if (bytes > controller.context.limits.transferBytesMax) return invalidField;
  if (bytes !== transferBytes) return final(Status.SglDataLengthInvalid);
  if (GetLogPageCommand.uidx.get(sqe) !== 0 || GetLogPageCommand.ot.get(sqe) !== 0) {
    return invalidField;
  }
  if (!pagesOf(controller).includes(lid)) return final(Status.InvalidLogPage);
  if (offset % 4 !== 0) return invalidField;
  const log = logOf(controller, sqe, lid);
  if (typeof log === "number") return log;
  if (offset > log.length) return invalidField;
  const page = new Uint8Array(bytes);
  page.set(log.subarray(offset, Math.min(log.length, offset + bytes)));
  if (GetLogPageCommand.rae.get(sqe) === 0) {
    controller.events.logRead(lid);
    if (lid === Lid.ChangedNamespaces) controller.changed.clear();
    if (lid === Lid.ReservationNotification) notificationRead(controller);
  }
  const removes = (GetLogPageCommand.lsp.get(sqe) & LSP_CCR_REMOVE_COMPLETED) !== 0;
  if (lid === Lid.CrossControllerReset && removes) controller.resets.removeRead(offset, bytes);
  return page;
}

function logOf(controller: Controller, sqe: DataView, lid: number): Page {
  const nsid = Sqe.nsid.get(sqe);
  const lsp = GetLogPageCommand.lsp.get(sqe);
  switch (lid) {
    case Lid.SupportedLogPages:
      return supportedPages(pagesOf(controller));
    case Lid.ErrorInformation:
      return controller.errors.page();
    case Lid.SmartHealth:
      return smartLog(controller, nsid);
    case Lid.FirmwareSlot:
      return firmwareLog(controller.subsystem.firmware);
    case Lid.ChangedNamespaces:
      return encodeChangedNamespaces([...controller.changed].sort((a, b) => a - b));
    case Lid.CommandEffects:
      return commandEffects(controller);
    case Lid.DeviceSelfTest:
      return controller.subsystem.selfTests.log();
    case Lid.TelemetryHost:
      if ((lsp & LSP_TELEMETRY_CREATE) !== 0) controller.telemetry.gather(controller);
      return controller.telemetry.page();
    case Lid.EnduranceGroup:
      return enduranceLog(controller, GetLogPageCommand.lsi.get(sqe));
    case Lid.FeatureEffects:
      return featureEffects();
    case Lid.ReservationNotification:
      return controller.reservationNotices.page();
    case Lid.SanitizeStatus:
      return controller.subsystem.erasure.log();
    case Lid.Ana:
      return anaLog(controller, (lsp & LSP_ANA_GROUPS_ONLY) !== 0);
    case Lid.CrossControllerReset:
      return nsid === 0 || nsid === NSID_ALL ? controller.resets.page() : invalidField;
    case Lid.Discovery: {
      const { host, subsystem, admin } = controller;
      return subsystem.discovery!.log(host.nqn, admin.port.portId, lsp);
    }
    default:
      return final(Status.InvalidLogPage);
  }
}

function supportedPages(lids: readonly number[]): Uint8Array {
  const log = new Uint8Array(SUPPORTED_LOG_PAGES_BYTES);
  for (const lid of lids) {
    encode(SupportedLogPage, viewOf(log), lid * SupportedLogPage.size, { lsupp: 1 });
  }
  return log;
}

/** One slot; those that are not there are zero, and not an empty text. */
function firmwareLog(revision: string): Uint8Array {
  const log = encoded(FirmwareSlotLog, { cafs: 1, frs1: revision });
  return log.fill(0, FirmwareSlotLog.frs2.offset);
}

/** 25 °C: a temperature has to be given, and ours has no meaning. */
const COMPOSITE_TEMPERATURE_K = 298;
const DATA_UNIT_BYTES = 512_000;
const HOUR_MS = 3_600_000;

const dataUnits = (bytes: number): bigint => BigInt(Math.ceil(bytes / DATA_UNIT_BYTES));

function smartLog(controller: Controller, nsid: number): Page {
  const { subsystem, context, errors } = controller;
  let counters: Counters;
  if (nsid === 0 || nsid === NSID_ALL) {
    counters = subsystem.counters;
  } else {
    const namespace = controller.namespace(nsid);
    if (namespace === undefined) return final(Status.InvalidNamespace);
    counters = namespace.counters;
  }
  return encoded(SmartLog, {
    ctemp: COMPOSITE_TEMPERATURE_K,
    avsp: 100,
    dur: dataUnits(counters.readBytes),
    duw: dataUnits(counters.writtenBytes),
    hrc: BigInt(counters.readCommands),
    hwc: BigInt(counters.writeCommands),
    pwrc: 1n,
    poh: BigInt(Math.floor((context.clock.nowMs() - context.startedMs) / HOUR_MS)),
    mdie: BigInt(counters.mediaErrors),
    neile: BigInt(errors.count),
  });
}

/** One notification was read; where more wait the host is told once more. */
function notificationRead(controller: Controller): void {
  controller.reservationNotices.wasRead();
  if (controller.reservationNotices.size > 0) controller.notify(Notice.Reservation);
}

const GIGABYTE = 1e9;

/** The one group: all namespaces of the subsystem. */
function enduranceLog({ subsystem, errors }: Controller, group: number): Page {
  if (group !== ENDURANCE_GROUP) return invalidField;
  const { counters, manager, namespaces } = subsystem;
  const gigabytes = (bytes: number): bigint => BigInt(Math.ceil(bytes / GIGABYTE));
  const capacity = namespaces.reduce((sum, each) => sum + each.blockBytes * each.blockCount, 0);
  const free = manager?.freeBytes ?? 0;
  return encoded(EnduranceGroupLog, {
    avsp: 100,
    dur: gigabytes(counters.readBytes),
    duw: gigabytes(counters.writtenBytes),
    muw: gigabytes(counters.writtenBytes),
    hrc: BigInt(counters.readCommands),
    hwc: BigInt(counters.writeCommands),
    mdie: BigInt(counters.mediaErrors),
    neile: BigInt(errors.count),
    tegcap: BigInt(capacity + free),
    uegcap: BigInt(free),
  });
}

/** FSP: whose a feature is. */
const SCOPE_NAMESPACE = 1;
const SCOPE_CONTROLLER = 2;

function featureEffects(): Uint8Array {
  const log = new Uint8Array(FEATURE_EFFECTS_BYTES);
  for (const fid of supportedFids) {
    const fsp = namespaceFids.includes(fid) ? SCOPE_NAMESPACE : SCOPE_CONTROLLER;
    encode(FeatureEffects, viewOf(log), fid * FeatureEffects.size, { fsupp: 1, fsp });
  }
  return log;
}

/** I/O commands, and whether they change what blocks hold. */
const ioEffects: readonly (readonly [opcode: number, lbcc: number])[] = [
  [NvmOpcode.Flush, 0],
  [NvmOpcode.Write, 1],
  [NvmOpcode.Read, 0],
  [NvmOpcode.Compare, 0],
  [NvmOpcode.WriteZeroes, 1],
  [NvmOpcode.DatasetManagement, 1],
  [NvmOpcode.Verify, 0],
  [NvmOpcode.ReservationRegister, 0],
  [NvmOpcode.ReservationReport, 0],
  [NvmOpcode.ReservationAcquire, 0],
  [NvmOpcode.ReservationRelease, 0],
  [NvmOpcode.Copy, 1],
];

/** Admin commands that do more than answer. */
const adminEffects: Readonly<Record<number, Partial<Decoded<typeof CommandEffects>>>> = {
  [AdminOpcode.NamespaceManagement]: { ncc: 1, nic: 1 },
  [AdminOpcode.NamespaceAttachment]: { nic: 1 },
  // Alone in its namespace, and alone altogether.
  [AdminOpcode.FormatNvm]: { lbcc: 1, ncc: 1, cse: 1 },
  [AdminOpcode.Sanitize]: { lbcc: 1, cse: 2 },
};

function commandEffects(controller: Controller): Uint8Array {
  const log = new Uint8Array(COMMAND_EFFECTS_BYTES);
  const view = viewOf(log);
  const isDiscovery = controller.subsystem.kind === "discovery";
  for (const opcode of adminOpcodesOf(controller)) {
    const effects = { csupp: 1, ...adminEffects[opcode] };
    encode(CommandEffects, view, commandEffectsOffset(true, opcode), effects);
  }
  for (const [opcode, lbcc] of isDiscovery ? [] : ioEffects) {
    encode(CommandEffects, view, commandEffectsOffset(false, opcode), { csupp: 1, lbcc });
  }
  return log;
}

function anaLog(controller: Controller, groupsOnly: boolean): Uint8Array {
  const { ana, namespaces, subsystem } = controller;
  const members = new Map<number, number[]>();
  for (const { anaGroup, nsid } of namespaces) {
    const nsids = members.get(anaGroup);
    if (nsids === undefined) members.set(anaGroup, [nsid]);
    else nsids.push(nsid);
  }
  const groups = subsystem.ana.groups(members.keys()).map((group): AnaGroup => ({
    anagrpid: group,
    chgcnt: BigInt(ana.groupChanges[group]!),
    state: ana.states[group]!,
    nsids: groupsOnly ? [] : (members.get(group) ?? []),
  }));
  return encodeAnaLog({ chgcnt: BigInt(ana.changes), groups });
}

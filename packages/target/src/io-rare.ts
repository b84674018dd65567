// The rarer I/O commands: reservations and Copy. They come by the same queue and slots as the usual ones
// do, and keep out of their way. Read first: io.ts, `#submit`; reservations.ts, copy-plan.ts.

import { type Decoded, NvmOpcode, Sqe, Status, decode, viewOf } from "@nvmeof/codec";
import {
  AcquireAction,
  AcquireKeys,
  CopyCommand,
  CopyFormat,
  CopyRange,
  RegisterKeys,
  ReleaseKey,
  ReservationAcquireCommand,
  ReservationRegisterCommand,
  ReservationReleaseCommand,
  ReservationReportCommand,
  decodeCopyRanges,
  encodeReservationReport,
} from "@nvmeof/codec/management";
import { Notice } from "./async-events.ts";
import type { Controller } from "./controller.ts";
import { COPY_RANGES_MAX, CopyPlan, copyLimits } from "./copy-plan.ts";
import { final } from "./errors.ts";
import { Guard } from "./guard.ts";
import { sameBytes } from "./host-identity.ts";
import type { Namespace } from "./namespace.ts";
import { quiesce } from "./quiesce.ts";
import type { ReservationOutcome } from "./reservations.ts";

const invalidField = final(Status.InvalidField);
const dataLengthInvalid = final(Status.SglDataLengthInvalid);
const outOfRange = final(Status.LbaOutOfRange);

/** PRACT of either part: there is no metadata that it could be done with. */
const PRACT = 8;

/** Smallest number of opcodes that are not for every day; see {@link isRare}. */
const FIRST_RARE = NvmOpcode.ReservationRegister;

/** Whether an opcode is one of those that this file serves. */
export const isRare = (opcode: number): boolean =>
  opcode >= FIRST_RARE &&
  (opcode === NvmOpcode.ReservationRegister ||
    opcode === NvmOpcode.ReservationReport ||
    opcode === NvmOpcode.ReservationAcquire ||
    opcode === NvmOpcode.ReservationRelease ||
    opcode === NvmOpcode.Copy);

/** What a command has from its host, and the status to refuse it with. */
export interface RarePrepared {
  readonly status: number;
  readonly dataBytes: number;
}

const needs = (dataBytes: number): RarePrepared => ({ status: 0, dataBytes });
const refused = (status: number): RarePrepared => ({ status, dataBytes: 0 });

/** Checks what can be checked before the data is there. */
export function prepareRare(
  sqe: DataView,
  opcode: number,
  transferBytes: number,
  namespace: Namespace,
): RarePrepared {
  switch (opcode) {
    case NvmOpcode.ReservationReport: {
      // Host Identifiers of 64 bits are not of fabrics.
      if (ReservationReportCommand.eds.get(sqe) !== 1) {
        return refused(final(Status.HostIdInconsistent));
      }
      const bytes = ReservationReportCommand.numd.get(sqe) * 4;
      return bytes === transferBytes ? needs(0) : refused(dataLengthInvalid);
    }
    case NvmOpcode.ReservationRegister:
      return transferBytes === RegisterKeys.size
        ? needs(transferBytes)
        : refused(dataLengthInvalid);
    case NvmOpcode.ReservationAcquire:
      return transferBytes === AcquireKeys.size ? needs(transferBytes) : refused(dataLengthInvalid);
    case NvmOpcode.ReservationRelease:
      return transferBytes === ReleaseKey.size ? needs(transferBytes) : refused(dataLengthInvalid);
    default: {
      const bytes = CopyCommand.nr.get(sqe) * CopyRange.size;
      if (namespace.readOnly) return refused(final(Status.NamespaceWriteProtected));
      if (CopyCommand.cdfmt.get(sqe) !== CopyFormat.Short) return refused(invalidField);
      const pract = (CopyCommand.prinfor.get(sqe) | CopyCommand.prinfow.get(sqe)) & PRACT;
      if (pract !== 0) return refused(invalidField);
      if (CopyCommand.nr.get(sqe) > COPY_RANGES_MAX) {
        return refused(final(Status.CommandSizeLimitExceeded));
      }
      return transferBytes === bytes ? needs(bytes) : refused(dataLengthInvalid);
    }
  }
}

/** The ranges of a Copy command as a plan, or the status to refuse it with. */
export function copyPlanOf(
  sqe: DataView,
  data: Uint8Array,
  namespace: Namespace,
  fua: boolean,
  bufferBytesMax: number,
): CopyPlan | number {
  const sources = decodeCopyRanges(data, CopyCommand.nr.get(sqe));
  const destination = CopyCommand.sdlba.get(sqe);
  const { mcl, mssrl } = copyLimits(namespace);
  const total = sources.reduce((sum, { blockCount }) => sum + blockCount, 0);
  const isLong = sources.some(({ blockCount }) => blockCount > mssrl);
  if (total > mcl || isLong) return final(Status.CommandSizeLimitExceeded);
  const beyond = (lba: number, count: number): boolean => lba + count > namespace.blockCount;
  if (beyond(destination, total)) return outOfRange;
  if (sources.some(({ slba, blockCount }) => beyond(slba, blockCount))) return outOfRange;
  return new CopyPlan(namespace, destination, sources, fua, bufferBytesMax);
}

/** The page of Reservation Report: as much as the host has room for, zero beyond its end. */
export function reservationReport(
  controller: Controller,
  namespace: Namespace,
  transferBytes: number,
): Uint8Array {
  const { reservations } = namespace;
  const report = encodeReservationReport({
    generation: reservations.generation,
    rtype: reservations.type,
    ptpls: 0,
    registrants: reservations.registrants((hostId) => cntlidOf(controller, hostId)),
  });
  const page = new Uint8Array(transferBytes);
  page.set(report.subarray(0, transferBytes));
  return page;
}

/** A controller of a host; FFFFh where it has none now. */
function cntlidOf({ subsystem }: Controller, hostId: Uint8Array): number {
  for (const each of subsystem.controllers.values()) {
    if (sameBytes(each.host.id, hostId)) return each.cntlid;
  }
  return 0xffff;
}

/**
 * Does a command that changes reservations. `done` is called with its status: at once, or later where
 * commands of preempted hosts have to end first.
 */
export function changeReservations(
  controller: Controller,
  namespace: Namespace,
  sqe: DataView,
  data: Uint8Array,
  done: (status: number) => void,
): void {
  const { host, context, subsystem } = controller;
  if (host.id.every((byte) => byte === 0)) return done(final(Status.OperationDenied));
  const outcome = apply(controller, namespace, sqe, viewOf(data));
  const { reservations } = namespace;
  namespace.guard =
    reservations.type === 0 ? namespace.guard & ~Guard.Reserved : namespace.guard | Guard.Reserved;
  for (const { hostIds, event } of outcome.notices) {
    for (const each of subsystem.controllers.values()) {
      const isMeant = hostIds.some((id) => sameBytes(id, each.host.id));
      if (!isMeant || each === controller) continue;
      if (each.reservationNotices.note(namespace.nsid, event)) each.notify(Notice.Reservation);
    }
  }
  if (!aborts(sqe) || outcome.preempted.length === 0) return done(outcome.status);
  // Nothing of theirs may reach the device after the answer.
  const isPreempted = (id: Uint8Array): boolean =>
    outcome.preempted.some((each) => sameBytes(each, id));
  const status = final(Status.PreemptedAndAborted);
  quiesce(
    context.clock,
    namespace,
    ({ id }) => isPreempted(id),
    status,
    () => done(outcome.status),
  );
}

const aborts = (sqe: DataView): boolean =>
  Sqe.opc.get(sqe) === NvmOpcode.ReservationAcquire &&
  ReservationAcquireCommand.racqa.get(sqe) === AcquireAction.PreemptAndAbort;

function apply(
  { host }: Controller,
  { reservations }: Namespace,
  sqe: DataView,
  data: DataView,
): ReservationOutcome {
  switch (Sqe.opc.get(sqe)) {
    case NvmOpcode.ReservationRegister: {
      const command = decode(ReservationRegisterCommand, sqe);
      const keys: Decoded<typeof RegisterKeys> = decode(RegisterKeys, data);
      const { rrega: action, cptpl, iekey } = command;
      return reservations.register(host.id, { action, cptpl, iekey: iekey === 1, ...keys });
    }
    case NvmOpcode.ReservationAcquire: {
      const { racqa: action, iekey, rtype: type } = decode(ReservationAcquireCommand, sqe);
      const keys = decode(AcquireKeys, data);
      return reservations.acquire(host.id, { action, type, iekey: iekey === 1, ...keys });
    }
    default: {
      const { rrela: action, iekey, rtype: type } = decode(ReservationReleaseCommand, sqe);
      const keys = decode(ReleaseKey, data);
      return reservations.release(host.id, { action, type, iekey: iekey === 1, ...keys });
    }
  }
}

// Format NVM and Sanitize: what hosts had under way ends first, then every block is overwritten.
// Read first: Base 2.0 §5.14 "Format NVM command", §8.20 "Sanitize Operations"; device-walk.ts.

import { BlockOp } from "@nvmeof/bdev";
import { NSID_ALL, type NvmeofError, Sqe, Status, encoded } from "@nvmeof/codec";
import {
  FormatNvmCommand,
  Sanicap,
  SanitizeAction,
  SanitizeCommand,
  SanitizeLog,
  SanitizeState,
  SecureErase,
} from "@nvmeof/codec/management";
import { Notice } from "./async-events.ts";
import type { TargetContext } from "./context.ts";
import type { Controller } from "./controller.ts";
import { walkDevice, zeroingOp } from "./device-walk.ts";
import { final } from "./errors.ts";
import { Guard } from "./guard.ts";
import type { HostIdentity } from "./host-identity.ts";
import type { Namespace } from "./namespace.ts";
import { quiesce } from "./quiesce.ts";
import type { Subsystem } from "./subsystem.ts";

/** What hosts may erase beyond what they can write. */
export type ErasePermission = "none" | "format" | "all";

/** Sanitize actions that there are: nothing here is encrypted. */
export const SANITIZE_CAPABILITIES: number = Sanicap.BlockErase | Sanicap.Overwrite;

const invalidField = final(Status.InvalidField);
const invalidFormat = final(Status.InvalidFormat);

/** SPROG when nothing is in progress. */
const NO_PROGRESS = 0xffff;
/** A time that is not reported. */
const NO_ESTIMATE = 0xffff_ffff;
/** OWPASS 0 stands for this many. */
const PASSES_MAX = 16;

const everybody = (_host: HostIdentity): boolean => true;

/** Erases the namespaces of a subsystem. */
export class Erasure {
  readonly #context: TargetContext;
  readonly #subsystem: Subsystem;
  /** Stops what is under way. */
  readonly #walks = new Set<() => void>();
  #state: number = SanitizeState.Never;
  #progress = NO_PROGRESS;
  #passes = 0;
  #dword10 = 0;
  /** The operation that failed may be left behind without another one (AUSE). */
  #exit: "restricted" | "unrestricted" = "restricted";

  constructor(context: TargetContext, subsystem: Subsystem) {
    this.#context = context;
    this.#subsystem = subsystem;
  }

  /** Bits of `Namespace.guard` for a namespace that comes now. */
  get guard(): number {
    if (this.#state === SanitizeState.InProgress) return Guard.Sanitizing;
    return this.#state === SanitizeState.Failed ? Guard.SanitizeFailed : 0;
  }

  /** Log page 81h. */
  log(): Uint8Array {
    return encoded(SanitizeLog, {
      sprog: this.#progress,
      sos: this.#state,
      passes: this.#passes,
      scdw10: this.#dword10,
      eto: NO_ESTIMATE,
      etbe: NO_ESTIMATE,
      etce: NO_ESTIMATE,
      etodmm: NO_ESTIMATE,
      etbenmm: NO_ESTIMATE,
      etcenmm: NO_ESTIMATE,
    });
  }

  /** Stops what is under way: the subsystem is gone. */
  end(): void {
    for (const stop of this.#walks) stop();
  }

  /**
   * Format NVM. Returns the status to refuse it with, or 0: then `done` is called, later, with the
   * status to answer it with.
   */
  format(controller: Controller, sqe: DataView, done: (status: number) => void): number {
    const nsid = Sqe.nsid.get(sqe);
    const namespaces =
      nsid === NSID_ALL
        ? controller.namespaces
        : [controller.namespace(nsid)].filter((each) => each !== undefined);
    if (namespaces.length === 0) return final(Status.InvalidNamespace);
    for (const namespace of namespaces) {
      const refusal = formatRefusal(controller, sqe, namespace);
      if (refusal !== 0) return refusal;
    }
    let left = namespaces.length;
    let worst = 0;
    for (const namespace of namespaces) {
      namespace.guard |= Guard.Formatting;
      namespace.formatProgress = 0;
      this.#erase(namespace, Status.FormatInProgress, 0, [0], (error) => {
        namespace.guard &= ~Guard.Formatting;
        namespace.formatProgress = undefined;
        if (error !== undefined) worst = error.status ?? Status.InternalError;
        left--;
        if (left === 0) done(worst);
      });
    }
    return 0;
  }

  /** Sanitize. Returns the status; after success the operation goes on by itself. */
  sanitize(sqe: DataView): number {
    const { namespaces } = this.#subsystem;
    if (this.#state === SanitizeState.InProgress) return final(Status.SanitizeInProgress);
    if (SanitizeCommand.ndas.get(sqe) === 1 || SanitizeCommand.emvs.get(sqe) === 1) {
      return invalidField;
    }
    const action = SanitizeCommand.sanact.get(sqe);
    if (action === SanitizeAction.ExitFailureMode) return this.#leaveFailure();
    if (action !== SanitizeAction.BlockErase && action !== SanitizeAction.Overwrite) {
      return invalidField;
    }
    if (namespaces.some(({ readOnly }) => readOnly)) return final(Status.NamespaceWriteProtected);
    const isBusy = namespaces.some(({ guard }) => (guard & Guard.Formatting) !== 0);
    if (isBusy) return Status.FormatInProgress;
    this.#begin(sqe, patternsOf(sqe, action));
    return 0;
  }

  #leaveFailure(): number {
    if (this.#state !== SanitizeState.Failed) return 0;
    if (this.#exit === "restricted") return final(Status.SanitizeFailed);
    this.#state = SanitizeState.Never;
    for (const namespace of this.#subsystem.namespaces) namespace.guard &= ~Guard.SanitizeFailed;
    return 0;
  }

  #begin(sqe: DataView, patterns: readonly number[]): void {
    const { namespaces } = this.#subsystem;
    this.#state = SanitizeState.InProgress;
    this.#progress = 0;
    this.#passes = 0;
    this.#dword10 = sqe.getUint32(SanitizeCommand.ovrpat.offset - 4, true);
    this.#exit = SanitizeCommand.ause.get(sqe) === 1 ? "unrestricted" : "restricted";
    let left = namespaces.length;
    let failure: NvmeofError | undefined;
    const all = namespaces.reduce((sum, each) => sum + each.blockCount * patterns.length, 0);
    let doneBlocks = 0;
    const one = (error?: NvmeofError): void => {
      failure ??= error;
      left--;
      if (left <= 0) this.#finish(failure === undefined ? "completed" : "failed", patterns.length);
    };
    for (const namespace of namespaces) {
      namespace.guard = (namespace.guard & ~Guard.SanitizeFailed) | Guard.Sanitizing;
      let before = 0;
      this.#erase(namespace, Status.SanitizeInProgress, 0, patterns, one, (blocks) => {
        doneBlocks += blocks - before;
        before = blocks;
        this.#progress = Math.min(NO_PROGRESS - 1, Math.floor((65_536 * doneBlocks) / all));
      });
    }
    // Without namespaces there is nothing to do, which is no reason to do it inside the command.
    if (namespaces.length === 0) this.#context.clock.defer(one);
  }

  #finish(how: "completed" | "failed", passes: number): void {
    const isDone = how === "completed";
    this.#state = isDone ? SanitizeState.Completed : SanitizeState.Failed;
    this.#progress = NO_PROGRESS;
    this.#passes = isDone ? passes : 0;
    for (const namespace of this.#subsystem.namespaces) {
      namespace.guard = (namespace.guard & ~Guard.Sanitizing) | this.guard;
    }
    for (const controller of this.#subsystem.controllers.values())
      controller.notify(Notice.Sanitize);
  }

  /** Everything under way ends; then all blocks are written with each pattern in turn. */
  #erase(
    namespace: Namespace,
    status: number,
    pass: number,
    patterns: readonly number[],
    done: (error?: NvmeofError) => void,
    progress: (blocks: number) => void = () => {},
  ): void {
    const { device } = namespace;
    const pattern = patterns[pass];
    if (pattern === undefined) return done();
    const walk = (): void => {
      const stop = walkDevice({
        context: this.#context,
        device,
        op: pattern === 0 ? zeroingOp(device) : BlockOp.Write,
        pattern,
        progress: (blocks) => {
          namespace.formatProgress = blocks / namespace.blockCount;
          progress(pass * namespace.blockCount + blocks);
        },
        done: (error) => {
          this.#walks.delete(stop);
          if (error !== undefined) done(error);
          else this.#erase(namespace, status, pass + 1, patterns, done, progress);
        },
      });
      this.#walks.add(stop);
    };
    if (pass > 0) walk();
    else quiesce(this.#context.clock, namespace, everybody, status, walk);
  }
}

/** What all blocks are written with, pass after pass; the last one leaves zeroes. */
function patternsOf(sqe: DataView, action: number): number[] {
  if (action === SanitizeAction.BlockErase) return [0];
  const passes = SanitizeCommand.owpass.get(sqe) || PASSES_MAX;
  const pattern = SanitizeCommand.ovrpat.get(sqe);
  const inverts = SanitizeCommand.oipbp.get(sqe) === 1;
  const written = Array.from({ length: passes }, (_, i) =>
    inverts && i % 2 === 1 ? ~pattern >>> 0 : pattern,
  );
  // Deallocated after sanitize: NDAS is refused.
  return [...written, 0];
}

/** Why a namespace cannot be formatted as a command asks; 0 where it can. */
function formatRefusal(controller: Controller, sqe: DataView, namespace: Namespace): number {
  const index = FormatNvmCommand.lbafl.get(sqe) + 16 * FormatNvmCommand.lbafu.get(sqe);
  const ses = FormatNvmCommand.ses.get(sqe);
  // There is one format only: a device has the block size that it was made with.
  if (index !== 0 || FormatNvmCommand.pi.get(sqe) !== 0) return invalidFormat;
  if (ses !== SecureErase.None && ses !== SecureErase.UserData) return invalidField;
  if (namespace.readOnly) return final(Status.NamespaceWriteProtected);
  if ((namespace.guard & (Guard.Sanitizing | Guard.SanitizeFailed)) !== 0) {
    return Status.SanitizeInProgress;
  }
  if ((namespace.guard & Guard.Formatting) !== 0) return Status.FormatInProgress;
  const mayWrite = namespace.reservations.mayWrite(controller.host.id);
  return mayWrite ? 0 : Status.ReservationConflict;
}

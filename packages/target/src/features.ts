// Set Features and Get Features: the values of one controller, their defaults and what is refused.
// Read first: Base 2.0 §5.27 "Set Features command", §5.15 "Get Features command".

import {
  AsyncEventBit,
  EXHID,
  FeatureSelect,
  Fid,
  GetFeaturesCommand,
  HostBehaviorSupport,
  NumberOfQueues,
  SetFeaturesCommand,
  Status,
  encodeDword,
  viewOf,
} from "@nvmeof/codec";
import type { Controller } from "./controller.ts";
import { final } from "./errors.ts";

/** Features that are a number which is kept and given back; bits outside the mask are refused. */
const plain: Readonly<Record<number, { readonly mask: number; readonly initial: number }>> = {
  [Fid.Arbitration]: { mask: 0xffff_ff07, initial: 0 },
  // One power state only, and hints for its work load.
  [Fid.PowerManagement]: { mask: 0xe0, initial: 0 },
  // TMPTH alone: thresholds are kept for the composite temperature, over; nothing ever reaches it.
  [Fid.TemperatureThreshold]: { mask: 0xffff, initial: 0xffff },
  // TLER alone: deallocated blocks give no error, so DULBE cannot be enabled.
  [Fid.ErrorRecovery]: { mask: 0xffff, initial: 0 },
  [Fid.WriteAtomicity]: { mask: 1, initial: 0 },
};

/** Bits of the Capabilities that Get Features returns with SEL 3. */
const CHANGEABLE = 4;

/** What Set Features changed since the controller was enabled. */
export class FeatureValues {
  readonly #numbers = new Map<number, number>();
  /** I/O queues that the host may open: what it asked for, within the limit. */
  queuesGranted: number;
  /** The host has asked for a number of queues. */
  queuesAsked: "yes" | "no" = "no";
  /** The volatile write cache is on: a write need not be on stable media when it is answered. */
  writeCache = true;
  /** Host Behavior Support as the host gave it. */
  hostBehavior: Uint8Array = new Uint8Array(HostBehaviorSupport.size);

  constructor(queuesMax: number) {
    this.queuesGranted = queuesMax;
  }

  /** The host looks at CRD (ACRE); one that does not must not be given any. */
  get knowsRetryDelays(): boolean {
    return HostBehaviorSupport.acre.get(viewOf(this.hostBehavior)) === 1;
  }

  /** Value of a plain feature; `undefined` where `fid` is none. */
  number(fid: number): number | undefined {
    return this.#numbers.get(fid) ?? plain[fid]?.initial;
  }

  setNumber(fid: number, value: number): void {
    this.#numbers.set(fid, value);
  }
}

/** What an admin command is answered with. */
export interface FeatureAnswer {
  readonly status: number;
  readonly dw0: number;
  readonly data?: Uint8Array;
}

const ok = (dw0 = 0): FeatureAnswer => ({ status: 0, dw0 });
const refused = (status: number): FeatureAnswer => ({ status: final(status), dw0: 0 });
const invalid = refused(Status.InvalidField);

/** Bytes of data that Set Features of this feature carries; 0 for none. */
export const featureDataBytes = (fid: number): number =>
  fid === Fid.HostBehaviorSupport ? HostBehaviorSupport.size : 0;

/** Set Features; `data` is there where {@link featureDataBytes} says so. */
export function setFeatures(
  controller: Controller,
  sqe: DataView,
  data: Uint8Array | undefined,
): FeatureAnswer {
  const fid = SetFeaturesCommand.fid.get(sqe);
  const value = SetFeaturesCommand.cdw11.get(sqe);
  const { features } = controller;
  if (SetFeaturesCommand.sv.get(sqe) === 1) return refused(Status.FeatureNotSaveable);
  switch (fid) {
    case Fid.NumberOfQueues:
      return setQueues(controller, sqe);
    case Fid.AsyncEventConfiguration: {
      // SMART warnings may be asked for: they just never come.
      const known = (controller.asyncEventsSupported | 0xff) >>> 0;
      if ((value & ~known) !== 0) return invalid;
      controller.events.configuration = value;
      return ok();
    }
    case Fid.KeepAliveTimer:
      if (value > controller.context.limits.keepAliveTimeoutMsMax) {
        return refused(Status.KeepAliveInvalid);
      }
      controller.keepAlive.start(value);
      return ok(controller.keepAlive.timeoutMs);
    case Fid.VolatileWriteCache:
      if (!controller.subsystem.hasVolatileCache || value > 1) return invalid;
      features.writeCache = value === 1;
      return ok();
    case Fid.HostBehaviorSupport:
      features.hostBehavior = data!.slice();
      return ok();
    case Fid.HostIdentifier:
      return refused(Status.CommandSequenceError); // over fabrics Connect sets it
    default: {
      const feature = plain[fid];
      if (feature === undefined || (value & ~feature.mask) !== 0) return invalid;
      features.setNumber(fid, value);
      return ok();
    }
  }
}

function setQueues(controller: Controller, sqe: DataView): FeatureAnswer {
  if (controller.subsystem.kind === "discovery") return invalid;
  const at = SetFeaturesCommand.cdw11.offset;
  const asked = [NumberOfQueues.nsq.get(sqe, at), NumberOfQueues.ncq.get(sqe, at)];
  if (asked.some((count) => count > 0xffff)) return invalid;
  if (controller.ioQueueCount > 0) return refused(Status.CommandSequenceError);
  const { features, context } = controller;
  features.queuesGranted = Math.min(...asked, context.limits.ioQueuesMax);
  features.queuesAsked = "yes";
  return ok(queuesDword(features.queuesGranted));
}

const queuesDword = (count: number): number =>
  encodeDword(NumberOfQueues, { nsq: count, ncq: count });

/** Get Features. */
export function getFeatures(controller: Controller, sqe: DataView): FeatureAnswer {
  const fid = GetFeaturesCommand.fid.get(sqe);
  const current = currentFeature(controller, fid, GetFeaturesCommand.cdw11.get(sqe));
  if (current.status !== 0) return current;
  switch (GetFeaturesCommand.sel.get(sqe)) {
    case FeatureSelect.Current:
      return current;
    case FeatureSelect.Default:
    case FeatureSelect.Saved: // nothing can be saved, so that is the default
      return defaultFeature(controller, fid, current);
    case FeatureSelect.Capabilities:
      return ok(fid === Fid.HostIdentifier ? 0 : CHANGEABLE);
    default:
      return invalid;
  }
}

function currentFeature(controller: Controller, fid: number, cdw11: number): FeatureAnswer {
  const { features } = controller;
  switch (fid) {
    case Fid.NumberOfQueues:
      if (controller.subsystem.kind === "discovery") return invalid;
      return ok(queuesDword(features.queuesGranted));
    case Fid.AsyncEventConfiguration:
      return ok(controller.events.configuration);
    case Fid.KeepAliveTimer:
      return ok(controller.keepAlive.timeoutMs);
    case Fid.VolatileWriteCache:
      return controller.subsystem.hasVolatileCache ? ok(features.writeCache ? 1 : 0) : invalid;
    case Fid.HostBehaviorSupport:
      return { status: 0, dw0: 0, data: features.hostBehavior };
    case Fid.HostIdentifier:
      // Over fabrics Host Identifiers have 128 bits, and the host must know that it gets those.
      if ((cdw11 & EXHID) === 0) return invalid;
      return { status: 0, dw0: 0, data: controller.host.id };
    default: {
      const value = features.number(fid);
      return value === undefined ? invalid : ok(value);
    }
  }
}

function defaultFeature(
  controller: Controller,
  fid: number,
  current: FeatureAnswer,
): FeatureAnswer {
  switch (fid) {
    case Fid.NumberOfQueues:
      return ok(queuesDword(controller.context.limits.ioQueuesMax));
    case Fid.VolatileWriteCache:
      return ok(1);
    case Fid.HostBehaviorSupport:
      return { status: 0, dw0: 0, data: new Uint8Array(HostBehaviorSupport.size) };
    case Fid.HostIdentifier:
      return current;
    default:
      return ok(plain[fid]?.initial ?? 0);
  }
}

/** Events that a controller of an NVM subsystem, and one of a discovery subsystem, may report. */
export const asyncEventBits = {
  nvm: AsyncEventBit.NamespaceAttribute | AsyncEventBit.AnaChange,
  /** One that takes Cross-Controller Reset. */
  resetting:
    AsyncEventBit.NamespaceAttribute | AsyncEventBit.AnaChange | AsyncEventBit.CcrCompleted,
  discovery: AsyncEventBit.DiscoveryLog,
} as const;

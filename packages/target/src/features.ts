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
  Sqe,
  Status,
  Timestamp,
  encodeDword,
  encoded,
  viewOf,
} from "@nvmeof/codec";
import type { Controller } from "./controller.ts";
import { final } from "./errors.ts";
import { ioQueuesGrantable } from "./limits.ts";
import { namespaceFeature, namespaceFids, setNamespaceFeature } from "./namespace-features.ts";

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
  // There is one combination of command sets: the NVM Command Set alone.
  [Fid.CommandSetProfile]: { mask: 0, initial: 0 },
};

/** Features of a controller of an NVM subsystem, beside those of {@link plain} and of namespaces. */
const special: readonly number[] = [
  Fid.VolatileWriteCache,
  Fid.NumberOfQueues,
  Fid.AsyncEventConfiguration,
  Fid.Timestamp,
  Fid.KeepAliveTimer,
  Fid.HostBehaviorSupport,
  Fid.HostIdentifier,
];

/** Every feature, for the log of features; and which of them namespaces have. */
export const supportedFids: readonly number[] = [
  ...Object.keys(plain).map(Number),
  ...special,
  ...namespaceFids,
];

/** Bits of the Capabilities that Get Features returns with SEL 3. */
const NAMESPACE_SPECIFIC = 2;
const CHANGEABLE = 4;

/** Where a timestamp counts from, as the feature says it. */
const TimestampOrigin = { Reset: 0, Set: 1 } as const;

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
  /** What the time was when it was set last, or at the reset; and that moment by our own clock. */
  timestamp: { readonly value: number; readonly atMs: number; readonly to: number };

  constructor(queuesMax: number, nowMs: number) {
    this.queuesGranted = queuesMax;
    this.timestamp = { value: 0, atMs: nowMs, to: TimestampOrigin.Reset };
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
  fid === Fid.HostBehaviorSupport
    ? HostBehaviorSupport.size
    : fid === Fid.Timestamp
      ? Timestamp.size
      : 0;

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
    case Fid.Timestamp: {
      const atMs = controller.context.clock.nowMs();
      const value = Timestamp.timestamp.get(viewOf(data!));
      features.timestamp = { value, atMs, to: TimestampOrigin.Set };
      return ok();
    }
    case Fid.HostIdentifier:
      return refused(Status.CommandSequenceError); // over fabrics Connect sets it
    case Fid.ReservationNotificationMask:
    case Fid.ReservationPersistence:
    case Fid.NamespaceWriteProtection:
      if (controller.subsystem.kind === "discovery") return invalid;
      return setNamespaceFeature(controller, sqe);
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
  features.queuesGranted = Math.min(...asked, ioQueuesGrantable(context.limits));
  features.queuesAsked = "yes";
  return ok(queuesDword(features.queuesGranted));
}

const queuesDword = (count: number): number =>
  encodeDword(NumberOfQueues, { nsq: count, ncq: count });

/** Get Features. */
export function getFeatures(controller: Controller, sqe: DataView): FeatureAnswer {
  const fid = GetFeaturesCommand.fid.get(sqe);
  const current = currentFeature(controller, fid, sqe);
  if (current.status !== 0) return current;
  switch (GetFeaturesCommand.sel.get(sqe)) {
    case FeatureSelect.Current:
      return current;
    case FeatureSelect.Default:
    case FeatureSelect.Saved: // nothing can be saved, so that is the default
      return defaultFeature(controller, fid, current);
    case FeatureSelect.Capabilities:
      return ok(capabilitiesOf(fid));
    default:
      return invalid;
  }
}

function capabilitiesOf(fid: number): number {
  if (fid === Fid.HostIdentifier) return 0;
  return namespaceFids.includes(fid) ? NAMESPACE_SPECIFIC | CHANGEABLE : CHANGEABLE;
}

/** Data of Timestamp: it goes on by itself, in 48 bits. */
function timestampData({ context, features }: Controller): Uint8Array {
  const { value, atMs, to } = features.timestamp;
  const now = value + Math.floor(context.clock.nowMs() - atMs);
  return encoded(Timestamp, { timestamp: now % 2 ** 48, to });
}

function currentFeature(controller: Controller, fid: number, sqe: DataView): FeatureAnswer {
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
    case Fid.Timestamp:
      return { status: 0, dw0: 0, data: timestampData(controller) };
    case Fid.ReservationNotificationMask:
    case Fid.ReservationPersistence:
    case Fid.NamespaceWriteProtection:
      if (controller.subsystem.kind === "discovery") return invalid;
      return namespaceFeature(controller, fid, Sqe.nsid.get(sqe));
    case Fid.HostIdentifier:
      // Over fabrics Host Identifiers have 128 bits, and the host must know that it gets those.
      if ((GetFeaturesCommand.cdw11.get(sqe) & EXHID) === 0) return invalid;
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
      return ok(queuesDword(ioQueuesGrantable(controller.context.limits)));
    case Fid.VolatileWriteCache:
      return ok(1);
    case Fid.HostBehaviorSupport:
      return { status: 0, dw0: 0, data: new Uint8Array(HostBehaviorSupport.size) };
    case Fid.HostIdentifier:
      return current;
    case Fid.Timestamp:
      return { status: 0, dw0: 0, data: new Uint8Array(Timestamp.size) };
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

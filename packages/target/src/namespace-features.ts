// Features that each namespace has a value of: reservations, write protection.
// Read first: Base 2.0 §5.27.1.26 to §5.27.1.28; features.ts for all others.

import { Fid, NSID_ALL, SetFeaturesCommand, Sqe, Status } from "@nvmeof/codec";
import { WriteProtection } from "@nvmeof/codec/management";
import type { Controller } from "./controller.ts";
import { final } from "./errors.ts";
import type { FeatureAnswer } from "./features.ts";
import type { Namespace } from "./namespace.ts";

/** Bits of the mask: one for each kind of notification. */
const NOTIFICATIONS = 0b1110;

const ok = (dw0 = 0): FeatureAnswer => ({ status: 0, dw0 });
const refused = (status: number): FeatureAnswer => ({ status: final(status), dw0: 0 });

/** Features of this file. */
export const namespaceFids: readonly number[] = [
  Fid.ReservationNotificationMask,
  Fid.ReservationPersistence,
  Fid.NamespaceWriteProtection,
];

/** Set Features of one of {@link namespaceFids}. */
export function setNamespaceFeature(controller: Controller, sqe: DataView): FeatureAnswer {
  const fid = SetFeaturesCommand.fid.get(sqe);
  const value = SetFeaturesCommand.cdw11.get(sqe);
  const nsid = Sqe.nsid.get(sqe);
  const { subsystem, reservationNotices } = controller;
  // Only the mask can be set for all at once.
  const all = nsid === NSID_ALL && fid === Fid.ReservationNotificationMask;
  const namespaces = all ? controller.namespaces : [controller.namespace(nsid)];
  const found = namespaces.filter((each) => each !== undefined);
  if (found.length < namespaces.length) return refused(Status.InvalidNamespace);
  if (fid === Fid.ReservationNotificationMask) {
    if ((value & ~NOTIFICATIONS) !== 0) return refused(Status.InvalidField);
    for (const namespace of found) reservationNotices.setMask(namespace.nsid, value);
    return ok();
  }
  const [namespace] = found;
  if (fid === Fid.ReservationPersistence) {
    // Reservations end with the target.
    return value === 0 ? ok() : refused(Status.InvalidField);
  }
  const protects = value === WriteProtection.Protected;
  if (!protects && value !== WriteProtection.None) return refused(Status.InvalidField);
  protect(namespace!, protects);
  subsystem.namespaceChanged(namespace!);
  return ok();
}

function protect(namespace: Namespace, protects: boolean): void {
  namespace.writeProtection = protects ? "protected" : "none";
}

/** Get Features of one of {@link namespaceFids}: the current value. */
export function namespaceFeature(controller: Controller, fid: number, nsid: number): FeatureAnswer {
  const namespace = controller.namespace(nsid);
  if (namespace === undefined) return refused(Status.InvalidNamespace);
  switch (fid) {
    case Fid.ReservationNotificationMask:
      return ok(controller.reservationNotices.mask(nsid));
    case Fid.NamespaceWriteProtection:
      return ok(namespace.writeProtection === "protected" ? 1 : 0);
    default:
      return ok(0);
  }
}

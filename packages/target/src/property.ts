// Property Get and Property Set: what would be registers on PCIe, and what a host does with CC.
// Read first: Base 2.0 §3.1.3 "Controller Properties", §6.5 "Property Get", §6.6 "Property Set".

import {
  Cap,
  Cc,
  Csts,
  Property,
  PropertyAttrib,
  PropertyGetCommand,
  PropertySetCommand,
  Shn,
  Shst,
  Status,
  encodeDword,
  encoded,
  propertyBytes,
  viewOf,
} from "@nvmeof/codec";
import type { Controller } from "./controller.ts";
import { final } from "./errors.ts";

/** NVMe 2.0, as VS and VER say. */
export const VERSION = 0x2_0000;

/** CAP.TO and CRTO: time to wait for RDY, in 500 ms. Ours is immediate. */
const READY_TIMEOUT = 10;

/** CC.CSS: the NVM Command Set, and all supported. */
const CSS_NVM = 0;
const CSS_ALL = 6;

/** Entry sizes as powers of two: 64 bytes of SQE, 16 of CQE. */
const SQE_LOG2 = 6;
const CQE_LOG2 = 4;

/** A property's value, or why there is none. */
export interface PropertyAnswer {
  readonly status: number;
  readonly low: number;
  readonly high: number;
}

const value = (low: number, high = 0): PropertyAnswer => ({ status: 0, low, high });
const invalid: PropertyAnswer = { status: final(Status.InvalidField), low: 0, high: 0 };

/** Whether the size that a command gives is that of the property; false for one that is none. */
function sizeFits(ofst: number, attrib: number): boolean {
  const wanted = { 4: PropertyAttrib.FourBytes, 8: PropertyAttrib.EightBytes };
  const bytes = propertyBytes(ofst);
  return bytes !== undefined && wanted[bytes] === attrib;
}

/** Property Get. */
export function getProperty(controller: Controller, sqe: DataView): PropertyAnswer {
  const ofst = PropertyGetCommand.ofst.get(sqe);
  if (!sizeFits(ofst, PropertyGetCommand.attrib.get(sqe))) return invalid;
  switch (ofst) {
    case Property.Cap:
      return capabilities(controller);
    case Property.Vs:
      return value(VERSION);
    case Property.Cc:
      return value(controller.cc);
    case Property.Csts:
      return value(controllerStatus(controller));
    case Property.Crto:
      return value(READY_TIMEOUT);
    default:
      return invalid; // NVM Subsystem Reset and Shutdown are not supported
  }
}

function capabilities(controller: Controller): PropertyAnswer {
  const cap = viewOf(
    encoded(Cap, {
      mqes: controller.context.limits.queueDepthMax,
      cqr: 1,
      to: READY_TIMEOUT,
      ncss: 1,
      iocss: 1,
      crwms: 1,
    }),
  );
  return value(cap.getUint32(0, true), cap.getUint32(4, true));
}

function controllerStatus(controller: Controller): number {
  const { state, ioInflight, incarnation } = controller;
  // A host that sees RDY go to 0 may take it that none of its commands is executed any more.
  const ends = incarnation !== undefined && incarnation.backendRequests > 0;
  let shst: number = Shst.Normal;
  if (state === "shutdown") shst = ioInflight > 0 ? Shst.Occurring : Shst.Complete;
  return encodeDword(Csts, {
    rdy: enabled(controller.cc) || ends ? 1 : 0,
    cfs: state === "failed" ? 1 : 0,
    shst,
  });
}

const ccView = new DataView(new ArrayBuffer(4));

/** One field of a CC value. */
function ccField(cc: number, field: (typeof Cc)["en"]): number {
  ccView.setUint32(0, cc, true);
  return field.get(ccView);
}

const enabled = (cc: number): boolean => ccField(cc, Cc.en) === 1;
const shutdownAsked = (cc: number): boolean => ccField(cc, Cc.shn) !== Shn.None;

/** Property Set. Returns the status. Nothing but CC can be written. */
export function setProperty(controller: Controller, sqe: DataView): number {
  const ofst = PropertySetCommand.ofst.get(sqe);
  const fits = sizeFits(ofst, PropertySetCommand.attrib.get(sqe));
  if (!fits || ofst !== Property.Cc) return final(Status.InvalidField);
  const before = controller.cc;
  // The low half: CC has 4 bytes.
  const after = sqe.getUint32(PropertySetCommand.value.offset, true);
  const begins = enabled(after) && !enabled(before);
  // Refused and not made a fatal status: a host that asks for the impossible learns of it at once.
  if (begins && !acceptable(controller, after)) return final(Status.InvalidField);
  controller.cc = after;
  const resets = enabled(before) || shutdownAsked(before);
  if (!enabled(after) && !shutdownAsked(after) && resets) controller.post("disable");
  else if (begins) controller.post("enable");
  if (shutdownAsked(after) && !shutdownAsked(before)) controller.post("shutDown");
  return 0;
}

/** Whether we can do what a host asks for when it sets CC.EN. */
function acceptable(controller: Controller, cc: number): boolean {
  const css = ccField(cc, Cc.css);
  if (ccField(cc, Cc.mps) !== 0 || ccField(cc, Cc.ams) !== 0) return false;
  if (css !== CSS_NVM && css !== CSS_ALL) return false;
  if (controller.subsystem.kind === "discovery") return true; // it has no I/O queues to size
  return ccField(cc, Cc.iosqes) === SQE_LOG2 && ccField(cc, Cc.iocqes) === CQE_LOG2;
}

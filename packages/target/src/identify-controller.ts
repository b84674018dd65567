// Identify Controller (CNS 01h) and its NVM Command Set part (CNS 06h).
// Read first: Base 2.0 §5.17.2.1 "Identify Controller data structure (CNS 01h)".

import {
  Anacap,
  Cmic,
  ControllerType,
  Ctratt,
  type Decoded,
  IdentifyController,
  IdentifyControllerNvm,
  Lpa,
  Oacs,
  Oncs,
  Sgls,
  Vwc,
  encoded,
} from "@nvmeof/codec";
import { Ocfs } from "@nvmeof/codec/management";
import type { Controller } from "./controller.ts";
import { SANITIZE_CAPABILITIES } from "./erasure.ts";
import { RETRY_DELAY_UNIT_MS } from "./limits.ts";
import { ENDURANCE_GROUP } from "./namespace.ts";
import { VERSION } from "./property.ts";

type Fields = Partial<Decoded<typeof IdentifyController>>;

/** ANA Transition Time, seconds. */
const ANA_TRANSITION_S = 10;

/** 64 bytes and 16 bytes, required and largest. */
const SQES = 0x66;
const CQES = 0x44;

const UNIT_BYTES = 16;
const SQE_BYTES = 64;

/** MDTS and the like: a power of two of 4 KiB pages. */
const pagesLog2 = (bytes: number): number => Math.log2(bytes / 4096);

/** Identify Controller, 4096 bytes. */
export function identifyController(controller: Controller): Uint8Array {
  const fields =
    controller.subsystem.kind === "discovery" ? discoveryFields() : nvmFields(controller);
  return encoded(IdentifyController, { ...commonFields(controller), ...fields });
}

function commonFields(controller: Controller): Fields {
  const { subsystem } = controller;
  const { limits } = controller.context;
  return {
    sn: subsystem.serial,
    mn: subsystem.model,
    fr: subsystem.firmware,
    mdts: pagesLog2(limits.transferBytesMax),
    cntlid: controller.cntlid,
    ver: VERSION,
    oaes: controller.asyncEventsSupported >>> 0,
    ctratt: hostAttributes(controller),
    acl: limits.abortsMax,
    aerl: limits.asyncEventRequestsMax,
    // Slot 1 is read only, and there is no other.
    frmw: 0x3,
    elpe: limits.errorLogEntriesMax,
    kas: limits.keepAliveGranularityMs / 100,
    // Of I/O queues; but Linux complains where a discovery controller, which has none, says 0.
    maxcmd: Math.min(limits.queueDepthMax, 0xffff),
    sqes: SQES,
    cqes: CQES,
    sgls: Sgls.Supported | Sgls.Offset | Sgls.Transport,
    subnqn: subsystem.nqn,
  };
}

const hostAttributes = ({ context }: Controller): number =>
  Ctratt.HostId128 | (context.trafficKeepAlive ? Ctratt.TrafficBasedKeepAlive : 0);

/** Commands that are there for some subsystems only. */
function optionalAdmin({ subsystem }: Controller): number {
  return (
    Oacs.SelfTest |
    (subsystem.erase === "none" ? 0 : Oacs.Format) |
    (subsystem.manager === undefined ? 0 : Oacs.NamespaceManagement)
  );
}

/** What hosts may make namespaces of. */
function capacities({ subsystem: { manager } }: Controller): Fields {
  if (manager === undefined) return {};
  const { freeBytes, provider } = manager;
  return { tnvmcap: BigInt(provider.capacityBytes), unvmcap: BigInt(freeBytes) };
}

function discoveryFields(): Fields {
  return {
    cntrltype: ControllerType.Discovery,
    lpa: Lpa.Extended | Lpa.SupportedLogPages,
    dctype: 1,
  };
}

function nvmFields(controller: Controller): Fields {
  const { subsystem } = controller;
  const { limits } = controller.context;
  return {
    cntrltype: ControllerType.Io,
    ctratt: hostAttributes(controller) | Ctratt.EnduranceGroups,
    oacs: optionalAdmin(controller),
    lpa:
      Lpa.SmartPerNamespace |
      Lpa.CommandEffects |
      Lpa.Extended |
      Lpa.SupportedLogPages |
      Lpa.Telemetry,
    ...capacities(controller),
    sanicap: subsystem.erase === "all" ? SANITIZE_CAPABILITIES : 0,
    endgidmax: ENDURANCE_GROUP,
    dsto: 1, // one self-test at a time in the whole subsystem
    nwpc: 1, // Write Protect, and no more of it
    ocfs: Ocfs.Format0,
    cmic: Cmic.Ports | Cmic.Controllers | Cmic.Ana,
    anatt: ANA_TRANSITION_S,
    anacap:
      Anacap.Optimized |
      Anacap.NonOptimized |
      Anacap.Inaccessible |
      Anacap.PersistentLoss |
      Anacap.Change |
      Anacap.GroupIdFixed,
    anagrpmax: limits.anaGroupsMax,
    nanagrpid: limits.anaGroupsMax,
    nn: limits.namespacesMax,
    mnan: limits.namespacesMax,
    oncs: optionalCommands(controller),
    vwc: Vwc.NoFlushAll | (subsystem.hasVolatileCache ? Vwc.Present : 0),
    ioccsz: (SQE_BYTES + inCapsuleBytes(controller)) / UNIT_BYTES,
    iorcsz: 1,
    ...retryDelays(controller),
    ...incarnationFields(controller),
    msdbd: 1,
    ofcs: 1, // Disconnect
  };
}

/** What the transport can carry, and no more than the target allows. */
const inCapsuleBytes = ({ admin, context }: Controller): number =>
  Math.min(context.limits.inCapsuleBytes, admin.link.inCapsuleBytesMax);

/** CRDT1 to CRDT3; 0 for those that there are not. */
function retryDelays({ context }: Controller): Fields {
  const [crdt1 = 0, crdt2 = 0, crdt3 = 0] = context.retryDelaysMs.map(
    (ms) => ms / RETRY_DELAY_UNIT_MS,
  );
  return { crdt1, crdt2, crdt3 };
}

/** Which incarnation this is, and what of Cross-Controller Reset it takes. */
function incarnationFields({ context, incarnation, takesResets }: Controller): Fields {
  const { commandQuiesceTimeMs, crossControllerResetsMax } = context.limits;
  return {
    ciu: incarnation?.ciu ?? 0,
    cirn: incarnation?.cirn ?? 0n,
    cqt: commandQuiesceTimeMs,
    ccrl: takesResets ? crossControllerResetsMax : 0,
  };
}

/** Commands that at least one namespace takes; Write Zeroes and deallocation always work. */
function optionalCommands(controller: Controller): number {
  let oncs: number =
    Oncs.WriteZeroes | Oncs.DatasetManagement | Oncs.Reservations | Oncs.Timestamp | Oncs.Copy;
  for (const { device } of controller.subsystem.namespaces) {
    if (device.features.compare) oncs |= Oncs.Compare;
    if (device.features.verify) oncs |= Oncs.Verify;
  }
  return oncs;
}

/** Identify Controller of the NVM Command Set, 4096 bytes: Write Zeroes and Verify have no limit. */
export function identifyControllerNvm(): Uint8Array {
  return encoded(IdentifyControllerNvm, { dmrl: 255 });
}

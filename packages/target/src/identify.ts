// Identify: which structure a host asks for, and those of namespaces and lists.
// Read first: Base 2.0 §5.17 "Identify command"; NVM Command Set 1.0 §4.1.5 "Identify Command".

import {
  CNTLID_LIST_MAX,
  Cns,
  Csi,
  type Decoded,
  IDENTIFY_BYTES,
  IdentifyCommand,
  IdentifyNamespace,
  IdentifyNamespaceIndependent,
  LbaFormat,
  NSID_ALL,
  NSID_MAX,
  Sqe,
  Status,
  encode,
  encodeCommandSets,
  encodeControllerList,
  encodeNamespaceDescriptors,
  encodeNsidList,
  encoded,
  lbaFormatOffset,
  uuidBytes,
  viewOf,
} from "@nvmeof/codec";
import type { Controller } from "./controller.ts";
import { COPY_RANGES_MAX, copyLimits } from "./copy-plan.ts";
import { final } from "./errors.ts";
import { identifyController, identifyControllerNvm } from "./identify-controller.ts";
import { ENDURANCE_GROUP, type Namespace } from "./namespace.ts";
import type { DeviceProvider } from "./namespace-management.ts";

/** 4096 bytes, or the status to refuse the command with. */
type Page = Uint8Array | number;

const invalidField = final(Status.InvalidField);
const invalidNamespace = final(Status.InvalidNamespace);
const zeroes = (): Uint8Array => new Uint8Array(IDENTIFY_BYTES);

/** Shared by several controllers (NMIC). */
const SHARED = 1;
/** All types of reservations, with the meaning of IEKEY as of NVMe 1.3; none outlives the target. */
const RESERVATIONS = 0xfe;
/** FPI: the indicator is supported, and how many percent remain. */
const FORMAT_PROGRESS = 0x80;
/** NSATTR: write protected, now. */
const WRITE_PROTECTED = 1;

/** Identify. */
export function identify(controller: Controller, sqe: DataView): Page {
  const cns = IdentifyCommand.cns.get(sqe);
  if (IdentifyCommand.uidx.get(sqe) !== 0) return invalidField;
  if (cns === Cns.Controller) return identifyController(controller);
  return controller.subsystem.kind === "discovery" ? invalidField : ofNvm(controller, sqe, cns);
}

function ofNvm(controller: Controller, sqe: DataView, cns: number): Page {
  const nsid = Sqe.nsid.get(sqe);
  const csi = IdentifyCommand.csi.get(sqe);
  switch (cns) {
    case Cns.Namespace:
      if (nsid === NSID_ALL && controller.subsystem.manager !== undefined) {
        return commonData(controller.subsystem.manager.provider);
      }
      return forNamespace(controller, nsid, namespaceData);
    case Cns.AllocatedNamespace:
      return forAllocated(controller, nsid, namespaceData);
    case Cns.ActiveNamespaces:
      return nsidList(controller.namespaces, nsid);
    case Cns.AllocatedNamespaces:
      return nsidList(controller.subsystem.namespaces, nsid);
    case Cns.NamespaceDescriptors: {
      const namespace = controller.namespace(nsid);
      return namespace === undefined ? invalidNamespace : descriptors(namespace);
    }
    case Cns.CommandSetNamespace:
    case Cns.CommandSetAllocatedNamespace:
      // That of the NVM Command Set holds nothing without protection information.
      return csi === Csi.Nvm ? forNamespace(controller, nsid, zeroes) : invalidField;
    case Cns.CommandSetController:
      return csi === Csi.Nvm ? identifyControllerNvm() : invalidField;
    case Cns.CommandSetActiveNamespaces:
      return csi === Csi.Nvm ? nsidList(controller.namespaces, nsid) : invalidField;
    case Cns.CommandSetAllocatedNamespaces:
      return csi === Csi.Nvm ? nsidList(controller.subsystem.namespaces, nsid) : invalidField;
    case Cns.IndependentNamespace:
      return forNamespace(controller, nsid, independentData);
    case Cns.NamespaceControllers:
      return forAllocated(controller, nsid, (namespace) =>
        controllerList(controller, sqe, (each) => each.sees(namespace)),
      );
    case Cns.Controllers:
      return controllerList(controller, sqe, () => true);
    case Cns.EnduranceGroups:
      return enduranceGroups(IdentifyCommand.cnssid.get(sqe));
    case Cns.CommandSets:
      return encodeCommandSets([1n << BigInt(Csi.Nvm)]);
    default:
      return invalidField;
  }
}

/** The structure of a namespace: zeroes for one that is not active, an error for no possible NSID. */
const forNamespace = (
  controller: Controller,
  nsid: number,
  data: (namespace: Namespace) => Uint8Array,
): Page =>
  forAllocated(controller, nsid, (namespace) =>
    controller.sees(namespace) ? data(namespace) : zeroes(),
  );

/** The same, for one that need not be attached to the controller. */
function forAllocated(
  controller: Controller,
  nsid: number,
  data: (namespace: Namespace) => Uint8Array,
): Page {
  const { namespacesMax } = controller.context.limits;
  if (nsid === 0 || nsid === NSID_ALL || nsid > namespacesMax) return invalidNamespace;
  const namespace = controller.subsystem.byNsid[nsid];
  return namespace === undefined ? zeroes() : data(namespace);
}

function nsidList(namespaces: readonly Namespace[], after: number): Page {
  if (after >= NSID_MAX) return invalidNamespace;
  return encodeNsidList(
    namespaces.map(({ nsid }) => nsid),
    after,
  );
}

/** Endurance groups from an identifier on: a count, then identifiers of 16 bits. */
function enduranceGroups(from: number): Uint8Array {
  const list = zeroes();
  if (from <= ENDURANCE_GROUP) list.set([1, 0, ENDURANCE_GROUP, 0]);
  return list;
}

function controllerList(
  controller: Controller,
  sqe: DataView,
  has: (controller: Controller) => boolean,
): Uint8Array {
  const from = IdentifyCommand.cntid.get(sqe);
  const cntlids = [...controller.subsystem.controllers.values()]
    .filter((each) => each.cntlid >= from && has(each))
    .map(({ cntlid }) => cntlid);
  return encodeControllerList(cntlids.sort((a, b) => a - b).slice(0, CNTLID_LIST_MAX));
}

function namespaceData(namespace: Namespace): Uint8Array {
  const blocks = BigInt(namespace.blockCount);
  const { boundaryBlocks } = namespace;
  const { mcl, mssrl } = copyLimits(namespace);
  const data = encoded(IdentifyNamespace, {
    nsze: blocks,
    ncap: blocks,
    nuse: blocks,
    nmic: namespace.isShared ? SHARED : 0,
    rescap: RESERVATIONS,
    fpi: formatProgress(namespace),
    mssrl,
    mcl,
    msrc: COPY_RANGES_MAX,
    endgid: ENDURANCE_GROUP,
    nvmcap: blocks * BigInt(namespace.blockBytes),
    // A hint for the host; our device is asked in pieces in any case.
    noiob: boundaryBlocks <= 0xffff ? boundaryBlocks : 0,
    anagrpid: namespace.anaGroup,
    nsattr: namespace.readOnly ? WRITE_PROTECTED : 0,
    ...(namespace.nguid === undefined ? {} : { nguid: namespace.nguid }),
    ...(namespace.eui64 === undefined ? {} : { eui64: namespace.eui64 }),
  });
  encode(LbaFormat, viewOf(data), lbaFormatOffset(0), { lbads: Math.log2(namespace.blockBytes) });
  return data;
}

const formatProgress = ({ formatProgress: done }: Namespace): number =>
  FORMAT_PROGRESS | (done === undefined ? 0 : Math.ceil(100 * (1 - done)));

/** What namespaces have in common that hosts may make: the formats to choose from. */
function commonData({ blockBytes }: DeviceProvider): Uint8Array {
  const fields: Partial<Decoded<typeof IdentifyNamespace>> = { nlbaf: blockBytes.length };
  const data = encoded(IdentifyNamespace, fields);
  for (const [i, bytes] of blockBytes.entries()) {
    encode(LbaFormat, viewOf(data), lbaFormatOffset(i), { lbads: Math.log2(bytes) });
  }
  return data;
}

function independentData(namespace: Namespace): Uint8Array {
  return encoded(IdentifyNamespaceIndependent, {
    nmic: namespace.isShared ? SHARED : 0,
    rescap: RESERVATIONS,
    fpi: formatProgress(namespace),
    endgid: ENDURANCE_GROUP,
    anagrpid: namespace.anaGroup,
    nsattr: namespace.readOnly ? WRITE_PROTECTED : 0,
    nrdy: 1,
  });
}

function descriptors({ uuid, nguid, eui64 }: Namespace): Uint8Array {
  return encodeNamespaceDescriptors({
    ...(eui64 === undefined ? {} : { eui64 }),
    ...(nguid === undefined ? {} : { nguid }),
    uuid: uuidBytes(uuid),
    csi: Csi.Nvm,
  });
}

// Identify: which structure a host asks for, and those of namespaces and lists.
// Read first: Base 2.0 §5.17 "Identify command"; NVM Command Set 1.0 §4.1.5 "Identify Command".

import {
  CNTLID_LIST_MAX,
  Cns,
  Csi,
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
import { final } from "./errors.ts";
import { identifyController, identifyControllerNvm } from "./identify-controller.ts";
import type { Namespace } from "./namespace.ts";

/** 4096 bytes, or the status to refuse the command with. */
type Page = Uint8Array | number;

const invalidField = final(Status.InvalidField);
const invalidNamespace = final(Status.InvalidNamespace);
const zeroes = (): Uint8Array => new Uint8Array(IDENTIFY_BYTES);

/** Shared by several controllers (NMIC). */
const SHARED = 1;
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
    case Cns.AllocatedNamespace:
      return forNamespace(controller, nsid, namespaceData);
    case Cns.ActiveNamespaces:
    case Cns.AllocatedNamespaces:
      return nsidList(controller, nsid);
    case Cns.NamespaceDescriptors: {
      const namespace = controller.subsystem.byNsid[nsid];
      return namespace === undefined ? invalidNamespace : descriptors(namespace);
    }
    case Cns.CommandSetNamespace:
    case Cns.CommandSetAllocatedNamespace:
      // That of the NVM Command Set holds nothing without protection information.
      return csi === Csi.Nvm ? forNamespace(controller, nsid, zeroes) : invalidField;
    case Cns.CommandSetController:
      return csi === Csi.Nvm ? identifyControllerNvm() : invalidField;
    case Cns.CommandSetActiveNamespaces:
    case Cns.CommandSetAllocatedNamespaces:
      return csi === Csi.Nvm ? nsidList(controller, nsid) : invalidField;
    case Cns.IndependentNamespace:
      return forNamespace(controller, nsid, independentData);
    case Cns.NamespaceControllers:
      return forNamespace(controller, nsid, () => controllerList(controller, sqe));
    case Cns.Controllers:
      return controllerList(controller, sqe);
    case Cns.CommandSets:
      return encodeCommandSets([1n << BigInt(Csi.Nvm)]);
    default:
      return invalidField;
  }
}

/** The structure of a namespace: zeroes for one that is not active, an error for no possible NSID. */
function forNamespace(
  controller: Controller,
  nsid: number,
  data: (namespace: Namespace) => Uint8Array,
): Page {
  const { namespacesMax } = controller.context.limits;
  if (nsid === 0 || nsid === NSID_ALL || nsid > namespacesMax) return invalidNamespace;
  const namespace = controller.subsystem.byNsid[nsid];
  return namespace === undefined ? zeroes() : data(namespace);
}

function nsidList(controller: Controller, after: number): Page {
  if (after >= NSID_MAX) return invalidNamespace;
  const nsids = controller.subsystem.namespaces.map(({ nsid }) => nsid);
  return encodeNsidList(nsids, after);
}

function controllerList(controller: Controller, sqe: DataView): Uint8Array {
  const from = IdentifyCommand.cntid.get(sqe);
  const cntlids = [...controller.subsystem.controllers.keys()].filter((id) => id >= from);
  return encodeControllerList(cntlids.sort((a, b) => a - b).slice(0, CNTLID_LIST_MAX));
}

function namespaceData(namespace: Namespace): Uint8Array {
  const blocks = BigInt(namespace.blockCount);
  const { boundaryBlocks } = namespace;
  const data = encoded(IdentifyNamespace, {
    nsze: blocks,
    ncap: blocks,
    nuse: blocks,
    nmic: SHARED,
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

function independentData(namespace: Namespace): Uint8Array {
  return encoded(IdentifyNamespaceIndependent, {
    nmic: SHARED,
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

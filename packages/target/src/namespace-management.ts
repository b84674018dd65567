// Namespaces that hosts make, delete, attach and detach; the devices behind them come from the owner.
// Read first: Base 2.0 §5.22 "Namespace Attachment command", §5.23 "Namespace Management command",
// §3.1.2 "Controller Model" for what dynamic controllers of one host have in common.

import type { BlockDevice } from "@nvmeof/bdev";
import {
  type Decoded,
  IdentifyNamespace,
  IDENTIFY_BYTES,
  NSID_ALL,
  Sqe,
  Status,
  decode,
  decodeControllerList,
  viewOf,
} from "@nvmeof/codec";
import {
  NamespaceAttachment,
  NamespaceAttachmentCommand,
  NamespaceManagement,
  NamespaceManagementCommand,
} from "@nvmeof/codec/management";
import type { TargetContext } from "./context.ts";
import type { Controller } from "./controller.ts";
import { final } from "./errors.ts";
import type { Namespace } from "./namespace.ts";
import { quiesce } from "./quiesce.ts";
import type { Subsystem } from "./subsystem.ts";

/** A device that a host wants to have. */
export interface DeviceRequest {
  readonly nsid: number;
  readonly blockBytes: number;
  readonly blockCount: number;
}

/** Where the devices of such namespaces come from. */
export interface DeviceProvider {
  /** Bytes that hosts may have in namespaces altogether (TNVMCAP). */
  readonly capacityBytes: number;
  /** Block sizes to choose from, as LBA formats 0, 1, …; 16 at most. */
  readonly blockBytes: readonly number[];
  /** Makes a device. What it throws, or rejects with, becomes the status of the command. */
  create(request: DeviceRequest): BlockDevice | Promise<BlockDevice>;
  /** The namespace is gone, and the device has nothing to do any more. */
  remove(device: BlockDevice): void;
}

/** How a command ends: at once, or later by the function that is given. */
export interface ManagementAnswer {
  readonly status: number;
  readonly dw0: number;
}

/** Tells how a command ends; later, or at once. */
export type Answer = (answer: ManagementAnswer) => void;

const refused = (status: number): ManagementAnswer => ({ status: final(status), dw0: 0 });
const ok: ManagementAnswer = { status: 0, dw0: 0 };

type Wanted = Decoded<typeof IdentifyNamespace>;

/** Namespace management of a subsystem that has a provider of devices. */
export class NamespaceManager {
  readonly provider: DeviceProvider;
  readonly #context: TargetContext;
  readonly #subsystem: Subsystem;
  /** Bytes of namespaces that are being made. */
  #claimedBytes = 0;
  readonly #claimedNsids = new Set<number>();

  constructor(context: TargetContext, subsystem: Subsystem, provider: DeviceProvider) {
    this.#context = context;
    this.#subsystem = subsystem;
    this.provider = provider;
  }

  /** Bytes that are left (UNVMCAP). */
  get freeBytes(): number {
    const used = this.#subsystem.namespaces
      .filter(({ isManaged }) => isManaged)
      .reduce((sum, { blockBytes, blockCount }) => sum + blockBytes * blockCount, 0);
    return Math.max(0, this.provider.capacityBytes - used - this.#claimedBytes);
  }

  /** Namespace Management; `data` is there for create. */
  manage(sqe: DataView, data: Uint8Array | undefined, answer: Answer): void {
    switch (NamespaceManagementCommand.sel.get(sqe)) {
      case NamespaceManagement.Create:
        if (data?.length !== IDENTIFY_BYTES) answer(refused(Status.SglDataLengthInvalid));
        else if (NamespaceManagementCommand.csi.get(sqe) !== 0) {
          answer(refused(Status.CommandSetNotSupported));
        } else this.#create(data, answer);
        break;
      case NamespaceManagement.Delete:
        answer(this.#delete(Sqe.nsid.get(sqe)));
        break;
      default:
        answer(refused(Status.InvalidField));
    }
  }

  #create(data: Uint8Array, answer: Answer): void {
    const wanted = decode(IdentifyNamespace, viewOf(data));
    const blockBytes = this.provider.blockBytes[wanted.fidxl + 16 * wanted.fidxu];
    const refusal = this.#refusal(wanted, blockBytes);
    if (refusal !== 0 || blockBytes === undefined) return answer(refused(refusal));
    const nsid = this.#subsystem.freeNsid(this.#claimedNsids);
    if (nsid === undefined) return answer(refused(Status.NamespaceIdUnavailable));
    const blockCount = Number(wanted.nsze);
    const bytes = blockCount * blockBytes;
    this.#claimedBytes += bytes;
    this.#claimedNsids.add(nsid);
    const made = (device: BlockDevice): void => {
      this.#claimedBytes -= bytes;
      this.#claimedNsids.delete(nsid);
      answer(this.#add(device, nsid, wanted));
    };
    const failed = (error: unknown): void => {
      this.#claimedBytes -= bytes;
      this.#claimedNsids.delete(nsid);
      answer({ status: statusIn(error), dw0: 0 });
    };
    try {
      const device = this.provider.create({ nsid, blockBytes, blockCount });
      if (device instanceof Promise) device.then(made, failed);
      else made(device);
    } catch (error) {
      failed(error);
    }
  }

  #refusal(wanted: Wanted, blockBytes: number | undefined): number {
    const { nsze, ncap, dps, anagrpid, nvmsetid, endgid } = wanted;
    if (blockBytes === undefined || dps !== 0) return Status.InvalidFormat;
    if (nsze === 0n || ncap > nsze || nvmsetid !== 0 || endgid > 1) return Status.InvalidField;
    if (ncap < nsze) return Status.ThinProvisioningNotSupported;
    if (anagrpid > this.#context.limits.anaGroupsMax) return Status.AnaGroupIdInvalid;
    const fits = nsze * BigInt(blockBytes) <= BigInt(this.freeBytes);
    return fits ? 0 : Status.NamespaceInsufficientCapacity;
  }

  #add(device: BlockDevice, nsid: number, { anagrpid, nmic }: Wanted): ManagementAnswer {
    try {
      this.#subsystem.addNamespace({
        device,
        nsid,
        anaGroup: anagrpid || 1,
        attach: "none",
        isManaged: true,
        isShared: (nmic & 1) === 1,
      });
    } catch (error) {
      this.provider.remove(device);
      return { status: statusIn(error), dw0: 0 };
    }
    return { status: 0, dw0: nsid };
  }

  #delete(nsid: number): ManagementAnswer {
    const namespaces =
      nsid === NSID_ALL
        ? this.#subsystem.namespaces.filter(({ isManaged }) => isManaged)
        : [this.#subsystem.byNsid[nsid]].filter((each) => each !== undefined);
    if (namespaces.length === 0 && nsid !== NSID_ALL) return refused(Status.InvalidNamespace);
    // What the owner has put there is his to take away.
    if (namespaces.some(({ isManaged }) => !isManaged)) return refused(Status.OperationDenied);
    for (const namespace of namespaces) this.#remove(namespace);
    return ok;
  }

  #remove(namespace: Namespace): void {
    this.#subsystem.removeNamespace(namespace.nsid);
    const { clock } = this.#context;
    const gone = (): void => this.provider.remove(namespace.device);
    quiesce(clock, namespace, () => true, final(Status.InvalidNamespace), gone);
  }
}

const statusIn = (error: unknown): number => {
  const status = (error as { status?: unknown } | null)?.status;
  return typeof status === "number" && status !== 0 ? status : Status.InternalError;
};

/** Namespace Attachment. All controllers of the list, or none. */
export function attachNamespace(
  subsystem: Subsystem,
  sqe: DataView,
  data: Uint8Array,
): ManagementAnswer {
  const namespace = subsystem.byNsid[Sqe.nsid.get(sqe)];
  if (namespace === undefined) return refused(Status.InvalidNamespace);
  const controllers = controllersOf(subsystem, data);
  if (controllers === undefined) return refused(Status.ControllerListInvalid);
  const sel = NamespaceAttachmentCommand.sel.get(sqe);
  if (sel !== NamespaceAttachment.Attach && sel !== NamespaceAttachment.Detach) {
    return refused(Status.InvalidField);
  }
  const attaches = sel === NamespaceAttachment.Attach;
  if (controllers.some((each) => each.sees(namespace) === attaches)) {
    return refused(attaches ? Status.NamespaceAlreadyAttached : Status.NamespaceNotAttached);
  }
  const others = [...subsystem.controllers.values()].filter((each) => each.sees(namespace));
  if (attaches && !namespace.isShared && controllers.length + others.length > 1) {
    return refused(Status.NamespaceIsPrivate);
  }
  for (const controller of controllers) {
    subsystem.setAttachment(controller, namespace, attaches ? "attached" : "detached");
  }
  return ok;
}

function controllersOf(subsystem: Subsystem, data: Uint8Array): Controller[] | undefined {
  try {
    const cntlids = decodeControllerList(data);
    const found = cntlids.map((cntlid) => subsystem.controllers.get(cntlid));
    const controllers = found.filter((each) => each !== undefined);
    return controllers.length === cntlids.length && controllers.length > 0
      ? controllers
      : undefined;
  } catch {
    return undefined;
  }
}

// `ns …`: namespaces made, deleted, attached and detached, and looked at anew.
// Read first: Base 2.0 §5.22 "Namespace Attachment command", §5.23 "Namespace Management command".

import { Cns, NSID_ALL, decodeNsidList, lbaFormat, viewOf, IdentifyNamespace } from "@nvmeof/codec";
import {
  type AdminCommand,
  type ControllerHandle,
  attachNamespaceCommand,
  createNamespaceCommand,
  deleteNamespaceCommand,
} from "@nvmeof/core";
import { ask, namespaceMeant } from "../ask.ts";
import { confirm } from "../confirm.ts";
import type { Context, Report, Verb } from "../context.ts";
import { type DryRunOptions, dryRun } from "../dry-run.ts";
import { usage } from "../errors.ts";
import type { ConsentOptions, NamespaceOptions, TargetOptions } from "../options.ts";

interface CreateOptions extends TargetOptions, DryRunOptions {
  readonly nsze?: number;
  readonly ncap?: number;
  readonly nszeSi?: number;
  readonly ncapSi?: number;
  readonly flbas?: number;
  readonly blockSize?: number;
  readonly dps: number;
  readonly nmic: number;
  readonly anagrpId: number;
  readonly nvmsetId: number;
  readonly endgId: number;
  readonly csi: number;
  readonly attach?: boolean;
}

/** The format with blocks of so many bytes and no metadata. */
async function formatFor(handle: ControllerHandle, blockBytes: number): Promise<number> {
  const view = viewOf(await handle.identify(Cns.Namespace, { nsid: NSID_ALL }));
  const count = IdentifyNamespace.nlbaf.get(view) + IdentifyNamespace.nulbaf.get(view);
  for (let i = 0; i < count; i++) {
    const { lbads, ms } = lbaFormat(view, i);
    if (ms === 0 && 2 ** lbads === blockBytes) return i;
  }
  const sizes = Array.from({ length: count }, (_, i) => 2 ** lbaFormat(view, i).lbads);
  throw usage(
    `there is no format with blocks of ${blockBytes} bytes`,
    `There are ${sizes.join(", ")}.`,
  );
}

/** Bytes of a block of a format. */
async function blockBytesOf(handle: ControllerHandle, index: number): Promise<number> {
  const view = viewOf(await handle.identify(Cns.Namespace, { nsid: NSID_ALL }));
  return 2 ** lbaFormat(view, index).lbads;
}

async function sizesFor(handle: ControllerHandle, index: number, options: CreateOptions) {
  const { nsze, ncap, nszeSi, ncapSi } = options;
  if ((nsze === undefined) === (nszeSi === undefined)) {
    throw usage("how large?", "Give --nsze in blocks, or --nsze-si in bytes (1G).");
  }
  const bytes =
    nszeSi === undefined && ncapSi === undefined ? 1 : await blockBytesOf(handle, index);
  const size = nsze ?? Math.floor(nszeSi! / bytes);
  const capacity = ncap ?? (ncapSi === undefined ? size : Math.floor(ncapSi / bytes));
  return { blockCount: BigInt(size), capacityBlocks: BigInt(capacity) };
}

/** Nobody knows the NSID before there is a namespace: the second command has 0 in its place. */
function wouldCreate(
  { notes }: Context,
  create: AdminCommand,
  attach: AdminCommand | false,
): Report {
  if (attach === false) return dryRun("admin", [create]);
  notes.say("the second command would have the NSID that the first one gives");
  return dryRun("admin", [create, attach]);
}

/** `ns create`. */
export const create: { readonly run: Verb<CreateOptions> } = {
  run: async (context, options, uri?: string) => {
    const { flbas, blockSize } = options;
    if (flbas !== undefined && blockSize !== undefined) {
      throw usage("--flbas and --block-size say the same", "Give one of them.");
    }
    return ask(context, uri, options, "admin", async (handle) => {
      const formatIndex =
        blockSize === undefined ? (flbas ?? 0) : await formatFor(handle, blockSize);
      const sizes = await sizesFor(handle, formatIndex, options);
      const command = createNamespaceCommand({
        ...sizes,
        formatIndex,
        dps: options.dps,
        shared: (options.nmic & 1) === 1,
        anaGroup: options.anagrpId,
        nvmSet: options.nvmsetId,
        enduranceGroup: options.endgId,
        csi: options.csi,
      });
      const isAttached = options.attach === true;
      const attaching = (nsid: number): AdminCommand =>
        attachNamespaceCommand(nsid, [handle.facts.cntlid], "attach");
      if (options.dryRun === true) return wouldCreate(context, command, isAttached && attaching(0));
      const { dw0: nsid } = await handle.admin(command);
      if (isAttached) await handle.admin(attaching(nsid));
      return {
        data: { nsid, formatIndex, ...sizes, attached: isAttached },
        text: () => `create-ns: Success, created nsid:${nsid}\n`,
      };
    });
  },
};

interface DeleteOptions extends NamespaceOptions, ConsentOptions, DryRunOptions {}

/** `ns delete`: the one that is named, never one by default. */
export const remove: { readonly run: Verb<DeleteOptions> } = {
  run: async (context, options, uri?: string) => {
    return ask(context, uri, options, "admin", async (handle, { nsid }) => {
      if (nsid === undefined)
        throw usage("which namespace?", "Say it with -N; 0xffffffff for all.");
      const command = deleteNamespaceCommand(nsid);
      if (options.dryRun === true) return dryRun("admin", [command]);
      const what = nsid === NSID_ALL ? "all namespaces" : `namespace ${nsid}`;
      await confirm(context, `this deletes ${what} and all data in it`, options.yes === true);
      await handle.admin(command);
      return { data: { nsid }, text: () => `delete-ns: Success, deleted nsid:${nsid}\n` };
    });
  },
};

interface AttachOptions extends NamespaceOptions, DryRunOptions {
  readonly controllers?: readonly number[];
}

const attachment = (how: "attach" | "detach"): { readonly run: Verb<AttachOptions> } => ({
  run: async (context, options, uri?: string) => {
    return ask(context, uri, options, "admin", async (handle, { nsid }) => {
      if (nsid === undefined) throw usage("which namespace?", "Say it with -N.");
      // Controllers of other connections would be gone by the time that anybody reads this.
      const controllers = options.controllers ?? [handle.facts.cntlid];
      const command = attachNamespaceCommand(nsid, controllers, how);
      if (options.dryRun === true) return dryRun("admin", [command]);
      await handle.admin(command);
      return { data: { nsid, controllers }, text: () => `${how}-ns: Success, nsid:${nsid}\n` };
    });
  },
});

/** `ns attach`. */
export const attach: { readonly run: Verb<AttachOptions> } = attachment("attach");
/** `ns detach`. */
export const detach: { readonly run: Verb<AttachOptions> } = attachment("detach");

/** `ns get-id`: the NSID that an address means. */
export const getId: { readonly run: Verb<NamespaceOptions> } = {
  run: async (context, options, uri?: string) => {
    const nsid = await ask(context, uri, options, "admin", namespaceMeant);
    return { data: { nsid }, text: () => `namespace-id: ${nsid}\n` };
  },
};

/** `ns rescan`: the namespaces as they are now; every connection of ours looks anew anyway. */
export const rescan: { readonly run: Verb<TargetOptions> } = {
  run: async (context, options, uri?: string) => {
    const nsids = await ask(context, uri, options, "admin", async (handle) => {
      const list = await handle.identify(Cns.ActiveNamespaces);
      return decodeNsidList(list);
    });
    return {
      data: { namespaces: nsids },
      text: () => `namespaces: ${nsids.join(", ") || "none"}\n`,
    };
  },
};

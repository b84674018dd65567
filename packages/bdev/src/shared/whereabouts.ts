// Where a namespace is and how to reach it, as plain data: what a worker connects with.
// Read first: Base 2.0 §4.5.1 "Unique Identifier"; @nvmeof/core options.ts; worker-device.ts, which uses it.

import {
  type Controller,
  type ControllerOptions,
  UnsupportedError,
  addressText,
  noNamespace,
} from "@nvmeof/core";
import type { Transport, TransportRecipe } from "@nvmeof/transport";
import type { GroupOptions, NvmeGroup } from "../nvme/group.ts";
import type { NamespaceIdentity } from "../nvme/identity.ts";
import type { PathPolicy } from "../nvme/path-policy.ts";
import { type AuthenticationRecipe, authenticationRecipe } from "./authentication-recipe.ts";
import { strangeIn } from "./plain-data.ts";

/** Version of the shape, and of the messages that go with it. */
export const SHARED_VERSION = 1;

/** How one controller is connected to. */
export interface ControllerRecipe {
  readonly transports: readonly TransportRecipe[];
  /** The options of the controller that are plain data. They may hold secrets. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Names of the options that are not: the worker has to bring them. */
  readonly needed: readonly (keyof ControllerOptions)[];
  /** Undefined where the host does not authenticate. */
  readonly authentication: AuthenticationRecipe | undefined;
}

/** Where a namespace is. */
export interface Whereabouts {
  readonly version: typeof SHARED_VERSION;
  readonly group: GroupOptions;
  /** One for each path. */
  readonly controllers: readonly ControllerRecipe[];
  readonly nsid: number;
  readonly blockBytes: number;
  /** What a worker must find under the NSID: the same data, and not only the same number. */
  readonly identity: NamespaceIdentity;
  /** Of chance in the worker: threads that lose a target together must not come back in step. */
  readonly seed: number;
}

/**
 * Where namespace `nsid` of a group is now, by all its controllers.
 *
 * @throws NvmeofError NVME_ERR_NO_NAMESPACE where the group has none such.
 * @throws UnsupportedError for a transport that cannot be made in another thread.
 */
export function whereaboutsOf(group: NvmeGroup, nsid: number, policy: PathPolicy): Whereabouts {
  const device = group.devices.find((each) => each.nsid === nsid);
  const controllers = group.controllers.map(({ controller }) => controller);
  const [first] = controllers;
  if (device === undefined || first === undefined) throw noNamespace(nsid);
  return {
    version: SHARED_VERSION,
    group: { ...group.options, policy },
    controllers: controllers.map(controllerRecipe),
    nsid,
    blockBytes: device.blockBytes,
    identity: device.namespaceIdentity,
    seed: first.options.random.next32(),
  };
}

/** What every thread has its own of. */
const ownOfThread = new Set([
  "clock",
  "random",
  "fence",
  "diagnostics",
  "transports",
  "authentication",
]);

function controllerRecipe({ options: resolved, transports }: Controller): ControllerRecipe {
  const options: Record<string, unknown> = {};
  const needed: string[] = [];
  for (const [name, value] of Object.entries(resolved)) {
    if (ownOfThread.has(name)) continue;
    if (strangeIn(value, name) === undefined) options[name] = value;
    else needed.push(name);
  }
  return {
    transports: transports.map(transportRecipe),
    options,
    needed: needed as (keyof ControllerOptions)[],
    authentication: authenticationRecipe(resolved),
  };
}

function transportRecipe({ address, recipe }: Transport): TransportRecipe {
  const made = recipe?.();
  const strange = made === undefined ? undefined : strangeIn(made.options, "options");
  if (made !== undefined && strange === undefined) return made;
  const why = made === undefined ? "it is this thread's alone" : `${strange} cannot be copied`;
  const what = `another thread cannot be given the transport to ${addressText(address)}`;
  throw new UnsupportedError(`${what}: ${why}`, {
    hint: "Connect with tcp() or fc() of @nvmeof/transport/node, and options that are plain data.",
  });
}

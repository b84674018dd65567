// Several ways to one subsystem for as long as a verb needs them: a group, closed within a bound in any
// case. Read first: session.ts, which does this for one; @nvmeof/bdev's nvme/group.ts.

import { type ControllerPath, NvmeGroup } from "@nvmeof/bdev/nvme";
import type { CloseReport, HostIdentity } from "@nvmeof/core";
import { authenticationOf } from "./authentication.ts";
import type { Context } from "./context.ts";
import { CliError, noteCircumstances, usage } from "./errors.ts";
import { hostIdentity } from "./identity.ts";
import type { ConnectionOptions } from "./options.ts";
import { CLOSE_BOUND_MS } from "./session.ts";
import { type Endpoint, controllerOptions } from "./target-options.ts";

/** A way that was tried, and what has come of it. */
export type TriedPath =
  | { readonly endpoint: Endpoint; readonly path: ControllerPath; readonly error?: never }
  | { readonly endpoint: Endpoint; readonly path?: never; readonly error: unknown };

/** What a verb works with. */
export interface Paths {
  readonly group: NvmeGroup;
  readonly identity: HostIdentity;
  /** In the order of the addresses. */
  readonly tried: readonly TriedPath[];
}

async function attach(
  context: Context,
  group: NvmeGroup,
  identity: HostIdentity,
  endpoint: Endpoint,
  options: ConnectionOptions,
): Promise<TriedPath> {
  const { signal, io } = context;
  // A secret that cannot be read is nobody's path.
  const authentication = await authenticationOf(context, options);
  try {
    const asked = { ...controllerOptions(endpoint, identity, options), authentication };
    io.status?.waitFor(`connecting to ${endpoint.host}:${endpoint.port}`);
    return { endpoint, path: await group.attach(asked, signal) };
  } catch (error) {
    signal.throwIfAborted();
    const { host: address, port, subsystemNqn: subnqn } = endpoint;
    if (!(error instanceof CliError)) {
      noteCircumstances(error, { peer: { address, port, subnqn }, wasLive: false });
    }
    return { endpoint, error };
  } finally {
    io.status?.waitFor(undefined);
  }
}

/** Who the host is, for all paths of a subsystem. */
export function identityOf(
  { io, warn }: Context,
  [first]: readonly Endpoint[],
): Promise<HostIdentity> {
  return hostIdentity({ hostnqn: first?.hostNqn, hostid: first?.hostId }, io.env, warn);
}

/**
 * Connects by every address, lets `use` work with those that could be reached, and closes them all;
 * under `use`, when the context's signal aborts.
 */
export async function withPaths<T>(
  context: Context,
  endpoints: readonly Endpoint[],
  options: ConnectionOptions,
  use: (paths: Paths) => Promise<T>,
): Promise<{ readonly result: T; readonly closes: readonly CloseReport[] }> {
  const { signal } = context;
  const subsystems = new Set(endpoints.map(({ subsystemNqn }) => subsystemNqn));
  if (subsystems.size > 1) {
    throw usage("the addresses are of several subsystems", "Paths lead to one subsystem.");
  }
  const identity = await identityOf(context, endpoints);
  const group = new NvmeGroup({ name: "nvme0" });
  let closing: Promise<CloseReport[]> | undefined;
  const close = (): Promise<CloseReport[]> => {
    closing ??= group.close({ boundMs: CLOSE_BOUND_MS });
    return closing;
  };
  const abort = (): void => void close();
  signal.addEventListener("abort", abort, { once: true });
  try {
    const tried: TriedPath[] = [];
    for (const endpoint of endpoints) {
      tried.push(await attach(context, group, identity, endpoint, options));
    }
    const result = await use({ group, identity, tried });
    return { result, closes: await close() };
  } finally {
    signal.removeEventListener("abort", abort);
    await close();
  }
}

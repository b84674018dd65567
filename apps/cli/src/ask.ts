// One question to one controller: connected, asked and closed; for the many verbs that do just that.
// Read first: session.ts.

import type { ControllerHandle } from "@nvmeof/core";
import type { Context } from "./context.ts";
import type { NamespaceOptions } from "./options.ts";
import { onlyNamespace, withController } from "./session.ts";
import { type Endpoint, subsystemEndpoint } from "./target-options.ts";

/** How far a verb connects: to the admin queue alone, or with I/O queues as the options say. */
export type Reach = "admin" | "io";

/** Connects to the subsystem that is meant, lets `use` ask, and closes. */
export async function ask<T>(
  context: Context,
  uri: string | undefined,
  options: NamespaceOptions,
  reach: Reach,
  use: (handle: ControllerHandle, endpoint: Endpoint) => Promise<T>,
): Promise<T> {
  const endpoint = subsystemEndpoint(uri, options);
  const asked = reach === "admin" ? { ...options, nrIoQueues: 0 } : options;
  const { result } = await withController(context, endpoint, asked, (handle) =>
    use(handle, endpoint),
  );
  return result;
}

/** The namespace that is meant: the one that was named, or the only one. */
export const namespaceMeant = async (
  handle: ControllerHandle,
  endpoint: Endpoint,
): Promise<number> => endpoint.nsid ?? (await onlyNamespace(handle));

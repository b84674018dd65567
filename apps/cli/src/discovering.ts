// Asking discovery controllers, and those that they refer to. Read first: @nvmeof/core discovery.ts.

import { type DiscoveryEntry, Subtype, Trtype } from "@nvmeof/codec";
import { type Discovered, discoverAll } from "@nvmeof/core";
import { authenticationOf } from "./authentication.ts";
import type { Context } from "./context.ts";
import { noteCircumstances } from "./errors.ts";
import { hostIdentity } from "./identity.ts";
import type { ConnectionOptions } from "./options.ts";
import { type Endpoint, controllerOptions } from "./target-options.ts";

/** Discovery with referrals followed; what cannot be reached on the way is warned of. */
export async function discoverWithReferrals(
  context: Context,
  endpoint: Endpoint,
  options: ConnectionOptions,
): Promise<Discovered> {
  const { io, signal, warn } = context;
  const named = { hostnqn: endpoint.hostNqn, hostid: endpoint.hostId };
  const identity = await hostIdentity(named, io.env, warn);
  const at = (host: string, port: number) =>
    controllerOptions({ ...endpoint, host, port }, identity, options);
  const open = (entry: DiscoveryEntry) => {
    const port = Number(entry.trsvcid);
    const isOurs = entry.trtype === Trtype.Tcp || entry.trtype === Trtype.Fc;
    if (!isOurs || !Number.isInteger(port) || entry.traddr === "") return undefined;
    const [transport] = [at(entry.traddr, port).transport].flat();
    return transport;
  };
  const asked = at(endpoint.host, endpoint.port);
  const [transport] = [asked.transport].flat();
  const authentication = await authenticationOf(context, options);
  io.status?.waitFor(`connecting to ${endpoint.host}:${endpoint.port}`);
  try {
    const all = { ...asked, transport: transport!, authentication, signal };
    const found = await discoverAll(all, open);
    for (const { address, error } of found.unreachable) {
      warn(`a referral could not be followed: ${address}: ${error.message}`);
    }
    return found;
  } catch (error) {
    signal.throwIfAborted();
    const peer = { address: endpoint.host, port: endpoint.port, subnqn: endpoint.subsystemNqn };
    noteCircumstances(error, { peer, wasLive: false });
    throw error;
  } finally {
    io.status?.waitFor(undefined);
  }
}

/** Records of subsystems that have namespaces. */
export const subsystemsIn = (entries: readonly DiscoveryEntry[]): DiscoveryEntry[] =>
  entries.filter(({ subtype }) => subtype === Subtype.Nvm);

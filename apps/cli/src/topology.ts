// Who leads where: hosts, subsystems, paths and namespaces, as they are behind the addresses given.
// Read first: paths.ts. The names of fields are those of nvme-cli's list-subsys, for parsers of that.

import type { MultipathDevice, NamespacePath, NvmeGroup } from "@nvmeof/bdev/nvme";
import { AnaState } from "@nvmeof/codec";
import type { ControllerFacts, HostIdentity } from "@nvmeof/core";
import type { Context, Report } from "./context.ts";
import { CliError, describeError } from "./errors.ts";
import type { ManyTargetOptions } from "./options.ts";
import { type Paths, type TriedPath, identityOf, withPaths } from "./paths.ts";
import type { Style } from "./style.ts";
import { type Endpoint, subsystemEndpoints } from "./target-options.ts";

/** A namespace as one path leads to it. */
export interface PathNamespace {
  readonly NSID: number;
  /** As nvme-cli writes it: "optimized", "non-optimized", "inaccessible", "persistent-loss", "change". */
  readonly ANAState: string;
}

/** A controller. */
export interface TopologyPath {
  readonly Name: string;
  readonly Transport: string;
  readonly Address: string;
  /** As the kernel writes it; "unreachable" for an address that no controller was found at. */
  readonly State: string;
  /** Controller ID; null where there is no controller. */
  readonly Cntlid: number | null;
  readonly Namespaces: readonly PathNamespace[];
}

/** A namespace with the paths that lead to it. */
export interface TopologyNamespace {
  readonly NSID: number;
  readonly SizeBytes: bigint;
  readonly BlockBytes: number;
  readonly Paths: readonly (Omit<TopologyPath, "Namespaces" | "Cntlid"> & {
    readonly ANAState: string;
  })[];
}

export interface TopologySubsystem {
  readonly Name: string;
  readonly NQN: string;
  readonly Model: string | null;
  readonly Serial: string | null;
  readonly Firmware: string | null;
  readonly IOPolicy: string;
  readonly Paths: readonly TopologyPath[];
  readonly Namespaces: readonly TopologyNamespace[];
}

export interface TopologyHost {
  readonly HostNQN: string;
  readonly HostID: string;
  readonly Subsystems: readonly TopologySubsystem[];
}

const anaNames: Readonly<Record<AnaState, string>> = {
  [AnaState.Optimized]: "optimized",
  [AnaState.NonOptimized]: "non-optimized",
  [AnaState.Inaccessible]: "inaccessible",
  [AnaState.PersistentLoss]: "persistent-loss",
  [AnaState.Change]: "change",
};

const anaName = ({ anaState }: NamespacePath): string =>
  anaState === undefined ? "unknown" : anaNames[anaState];

function pathOf({ endpoint, path }: TriedPath, at: number): TopologyPath {
  const { host, port } = endpoint;
  const namespaces = [...(path?.namespaces.values() ?? [])].sort((a, b) => a.nsid - b.nsid);
  return {
    Name: `nvme${at}`,
    Transport: endpoint.transport,
    Address: `traddr=${host},trsvcid=${port}`,
    State: path?.controller.state ?? "unreachable",
    Cntlid: path?.controller.facts?.cntlid ?? null,
    Namespaces: namespaces.map((each) => ({ NSID: each.nsid, ANAState: anaName(each) })),
  };
}

function namespaceOf(device: MultipathDevice, paths: readonly TopologyPath[]): TopologyNamespace {
  return {
    NSID: device.nsid,
    SizeBytes: BigInt(device.blockCount) * BigInt(device.blockBytes),
    BlockBytes: device.blockBytes,
    Paths: paths.flatMap(({ Name, Transport, Address, State, Namespaces }) =>
      Namespaces.filter(({ NSID }) => NSID === device.nsid).map(({ ANAState }) => ({
        Name,
        Transport,
        Address,
        State,
        ANAState,
      })),
    ),
  };
}

const policyOf = ({ policy }: NvmeGroup): string =>
  policy.mode === "active-passive" ? "active-passive" : policy.selector;

function subsystemOf(nqn: string, { group, tried }: Paths, first: number): TopologySubsystem {
  const facts: ControllerFacts | undefined = tried.find(({ path }) => path !== undefined)?.path
    ?.controller.facts;
  const paths = tried.map((each, i) => pathOf(each, first + i));
  const devices = [...group.devices].sort((a, b) => a.nsid - b.nsid);
  return {
    Name: "",
    NQN: nqn,
    Model: facts?.identify.mn ?? null,
    Serial: facts?.identify.sn ?? null,
    Firmware: facts?.identify.fr ?? null,
    IOPolicy: policyOf(group),
    Paths: paths,
    Namespaces: devices.map((device) => namespaceOf(device, paths)),
  };
}

/** Endpoints by the subsystem that they lead to, and by whom, in the order of the first of each. */
export function bySubsystem(
  endpoints: readonly Endpoint[],
): readonly (readonly [string, Endpoint[]])[] {
  const groups = new Map<string, Endpoint[]>();
  for (const endpoint of endpoints) {
    const { subsystemNqn, hostNqn = "", hostId = "" } = endpoint;
    const key = [subsystemNqn, hostNqn, hostId].join(" ");
    groups.set(key, [...(groups.get(key) ?? []), endpoint]);
  }
  return [...groups.values()].map((its) => [its[0]!.subsystemNqn, its]);
}

/** Adds a subsystem to the host that it was looked at by. */
function add(hosts: TopologyHost[], { hostNqn, hostId }: HostIdentity, found: TopologySubsystem) {
  const at = hosts.findIndex(({ HostNQN, HostID }) => HostNQN === hostNqn && HostID === hostId);
  const host = hosts[at] ?? { HostNQN: hostNqn, HostID: hostId, Subsystems: [] };
  const count = hosts.reduce((sum, { Subsystems }) => sum + Subsystems.length, 0);
  const named = { ...found, Name: `nvme-subsys${count}` };
  hosts[at === -1 ? hosts.length : at] = { ...host, Subsystems: [...host.Subsystems, named] };
}

/** `list-subsys -o json` of nvme-cli. */
const compatHosts = (hosts: readonly TopologyHost[], isVerbose: boolean): object =>
  hosts.map(({ HostNQN, HostID, Subsystems }) => ({
    HostNQN,
    HostID,
    Subsystems: Subsystems.map(({ Name, NQN, Model, Serial, Firmware, IOPolicy, Paths }) => ({
      Name,
      NQN,
      ...(isVerbose ? { Model, Serial, Firmware, IOPolicy, Type: "nvm" } : {}),
      Paths: Paths.map((path) => ({
        Name: path.Name,
        Transport: path.Transport,
        Address: path.Address,
        State: path.State,
      })),
    })),
  }));

/**
 * Looks behind every address and reports what is there, printed by `text`. Where some cannot be
 * reached the report says so, and the command ends with "partial"; where none can, with its error.
 */
export async function topology(
  context: Context,
  options: ManyTargetOptions,
  places: readonly string[] | readonly Endpoint[],
  text: (hosts: readonly TopologyHost[], style: Style) => string,
): Promise<Report> {
  const endpoints = places.every((each) => typeof each === "object")
    ? places
    : subsystemEndpoints(places, options);
  const hosts: TopologyHost[] = [];
  const failed: TriedPath[] = [];
  let count = 0;
  for (const [nqn, its] of bySubsystem(endpoints)) {
    const identity = await identityOf(context, its);
    const { result } = await withPaths(context, its, options, async (paths) => {
      failed.push(...paths.tried.filter(({ path }) => path === undefined));
      return subsystemOf(nqn, paths, count);
    });
    count += its.length;
    add(hosts, identity, result);
  }
  const isVerbose = (options.verbose ?? 0) > 0;
  const report = {
    data: { hosts },
    text: (style: Style) => text(hosts, style),
    compat: () => compatHosts(hosts, isVerbose),
  };
  const [first] = failed;
  if (first === undefined) return report;
  if (failed.length === endpoints.length) throw first.error;
  for (const { endpoint, error } of failed) {
    context.warn(`${endpoint.host}:${endpoint.port}: ${describeError(error).message}`);
  }
  context.partial = report.data;
  if (context.format !== "json") await context.publish(report);
  const message = `${failed.length} of ${endpoints.length} addresses could not be reached`;
  throw new CliError("NVME_ERR_PARTIAL", message, { cause: first.error });
}

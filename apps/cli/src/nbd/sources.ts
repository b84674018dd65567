// What is exported: namespaces by one path or many, memory and files, open for as long as they are used.
// Read first: ../paths.ts, which connects; ../backing.ts for what is on this machine.

import { basename } from "node:path";
import type { BlockDevice } from "@nvmeof/bdev";
import type { ControllerPath, MultipathDevice, NvmeGroup } from "@nvmeof/bdev/nvme";
import { noNamespace } from "@nvmeof/core";
import { type Backing, backingsOf, openBacking } from "../backing.ts";
import type { Context } from "../context.ts";
import { usage } from "../errors.ts";
import { allOf } from "../hold.ts";
import type { ExportNbdOptions } from "../nbd-commands.ts";
import type { Onlookers } from "../onlookers.ts";
import type { PathEvents } from "../path-events.ts";
import { withPaths } from "../paths.ts";
import { type Endpoint, subsystemEndpoints } from "../target-options.ts";
import { bySubsystem } from "../topology.ts";

/** A device to export. */
export interface Source {
  readonly device: BlockDevice;
  /** What it is called where it is one of several. */
  readonly name: string;
  /** What it is, for people. */
  readonly text: string;
  /** See `NbdExportOptions`. */
  readonly flushCoversAll: boolean | undefined;
  readonly fastZeroes: boolean | undefined;
}

/** Who is told of hosts and their paths. */
export interface Watchers {
  readonly paths: PathEvents;
  readonly onlookers: Onlookers;
}

/** Opens everything, lets `use` work with it, and closes it. */
export async function withSources<T>(
  context: Context,
  options: ExportNbdOptions,
  uris: readonly string[],
  watchers: Watchers,
  use: (sources: readonly Source[]) => Promise<T>,
): Promise<T> {
  const isRemote = uris.length > 0 || options.traddr !== undefined;
  const backings = backingsOf(options);
  if (!isRemote && backings.length === 0) {
    throw usage("there is nothing to export", "Give the URI of a namespace, --mem or --file.");
  }
  const subsystems = isRemote ? bySubsystem(subsystemEndpoints(uris, options)) : [];
  const remote = subsystems.map(([, endpoints]) => endpoints);
  const more = (found: readonly Source[], left: readonly Endpoint[][]): Promise<T> => {
    const [endpoints, ...rest] = left;
    if (endpoints === undefined) return withBackings(backings, options, found, use);
    return withNamespaces(context, options, endpoints, watchers, (sources) =>
      more([...found, ...sources], rest),
    );
  };
  return more([], remote);
}

/** The namespaces of one subsystem. */
async function withNamespaces<T>(
  context: Context,
  options: ExportNbdOptions,
  endpoints: readonly Endpoint[],
  watchers: Watchers,
  use: (sources: readonly Source[]) => Promise<T>,
): Promise<T> {
  const nsids = new Set(endpoints.flatMap(({ nsid }) => (nsid === undefined ? [] : [nsid])));
  const addresses = new Map(
    endpoints.map((each) => [`${each.transport} ${each.host} ${each.port}`, each]),
  );
  const { result } = await withPaths(context, [...addresses.values()], options, async (paths) => {
    const { group, tried } = paths;
    watch(group, allOf(tried), watchers);
    const wanted = nsids.size > 0 ? [...nsids] : [onlyOf(group)];
    return use(wanted.map((nsid) => namespaceSource(group, nsid, addresses.size)));
  });
  return result;
}

/** Tells what becomes of the paths, and gives those up that nobody would try again. */
function watch(
  group: NvmeGroup,
  paths: readonly ControllerPath[],
  { paths: events, onlookers }: Watchers,
): void {
  onlookers.showHost(group);
  for (const [i, path] of paths.entries()) {
    const name = events.name(path, i);
    path.controller.observe((event) => {
      events.controllerEvent(name, event);
      if (path.controller.state === "disabled") void group.detach(path);
    });
  }
  group.observe((event) => events.groupEvent(event));
}

/** How many are named where somebody has to choose. */
const NAMED_MAX = 8;

function onlyOf({ devices }: NvmeGroup): number {
  const [only] = devices;
  if (only === undefined) {
    throw usage("the subsystem has no namespace", "Add one on the target, or connect elsewhere.");
  }
  if (devices.length === 1) return only.nsid;
  const nsids = devices.map(({ nsid }) => nsid).sort((a, b) => a - b);
  const some = nsids.slice(0, NAMED_MAX).join(", ") + (nsids.length > NAMED_MAX ? ", …" : "");
  throw usage(`which namespace? There are ${some}`, "Say it with -N or ?nsid=…");
}

function namespaceSource(group: NvmeGroup, nsid: number, paths: number): Source {
  const device: MultipathDevice | undefined = group.devices.find((each) => each.nsid === nsid);
  if (device === undefined) throw noNamespace(nsid);
  const { subsystemNqn } = device.paths[0]!.controllerPath.controller.options;
  return {
    device,
    name: `n${nsid}`,
    text: `namespace ${nsid} of ${subsystemNqn} by ${paths === 1 ? "1 path" : `${paths} paths`}`,
    // A controller flushes what it has completed, by whichever queue; another one need not.
    flushCoversAll: paths === 1 ? true : undefined,
    fastZeroes: undefined,
  };
}

async function withBackings<T>(
  backings: readonly Backing[],
  { blockSize, readOnly = false }: ExportNbdOptions,
  found: readonly Source[],
  use: (sources: readonly Source[]) => Promise<T>,
): Promise<T> {
  const opened: Source[] = [];
  try {
    for (const backing of backings) {
      const device = await openBacking(backing, blockSize, readOnly);
      const memories = opened.filter(({ name }) => name.startsWith("mem")).length;
      const isFile = backing.kind === "file";
      opened.push({
        device,
        name: isFile ? basename(backing.path) : `mem${memories + 1}`,
        text: device.name,
        // One descriptor: a sync of it is a sync of all that was written.
        flushCoversAll: true,
        // Node cannot punch holes: a file is read to see what has to become zero.
        fastZeroes: isFile ? false : undefined,
      });
    }
    return await use([...found, ...opened]);
  } finally {
    await Promise.all(opened.map(({ device }) => device.close()));
  }
}

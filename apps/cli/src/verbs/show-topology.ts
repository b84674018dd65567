// `show-topology`: subsystem, namespaces, and the paths that lead to each of them, as a tree.

import type { Verb } from "../context.ts";
import type { ManyTargetOptions } from "../options.ts";
import { printable } from "../printable.ts";
import type { Style } from "../style.ts";
import { type TopologyHost, type TopologySubsystem, topology } from "../topology.ts";
import { formatBytes } from "../units.ts";

function subsystemLines(HostNQN: string, subsystem: TopologySubsystem, style: Style): string[] {
  const { Name, NQN, IOPolicy, Namespaces, Paths } = subsystem;
  const unreachable = Paths.filter(({ State }) => State === "unreachable");
  return [
    style.bold(printable(`${Name} - NQN=${NQN}`)),
    `    hostnqn=${HostNQN}`,
    `    iopolicy=${IOPolicy}`,
    ...Namespaces.flatMap(({ NSID, SizeBytes, BlockBytes, Paths: paths }) => [
      ` +- ns ${NSID}, ${formatBytes(SizeBytes)}, blocks of ${BlockBytes} bytes`,
      ...paths.map(
        (path) =>
          `     +- ${path.Name} ${path.Transport} ${path.Address} ${path.State} ${path.ANAState}`,
      ),
    ]),
    ...unreachable.map((path) => ` +- ${path.Name} ${path.Transport} ${path.Address} unreachable`),
    ...(Namespaces.length === 0 ? [" +- no namespace"] : []),
  ];
}

const treeText = (hosts: readonly TopologyHost[], style: Style): string =>
  hosts
    .flatMap(({ HostNQN, Subsystems }) =>
      Subsystems.flatMap((subsystem) => subsystemLines(HostNQN, subsystem, style)),
    )
    .map((line) => `${line}\n`)
    .join("");

export const run: Verb<ManyTargetOptions> = (context, options, ...uris) =>
  topology(context, options, uris, treeText);

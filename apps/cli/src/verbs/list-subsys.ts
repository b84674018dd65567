// `list-subsys`: the subsystems behind the addresses given, and the paths that lead to each.

import type { Verb } from "../context.ts";
import type { ManyTargetOptions } from "../options.ts";
import { printable } from "../printable.ts";
import type { Style } from "../style.ts";
import { type TopologyHost, type TopologyPath, topology } from "../topology.ts";

/** "optimized", or where namespaces differ "1 optimized, 2 inaccessible". */
function anaText({ Namespaces }: TopologyPath): string {
  const states = new Set(Namespaces.map(({ ANAState }) => ANAState));
  if (states.size <= 1) return [...states].join("");
  return Namespaces.map(({ NSID, ANAState }) => `${NSID} ${ANAState}`).join(", ");
}

const pathLine = (path: TopologyPath): string =>
  ` +- ${[path.Name, path.Transport, path.Address, path.State, anaText(path)].join(" ").trimEnd()}`;

export function listText(hosts: readonly TopologyHost[], verbose: boolean, style: Style): string {
  const lines = hosts.flatMap(({ HostNQN, Subsystems }) =>
    Subsystems.flatMap((subsystem) => [
      style.bold(printable(`${subsystem.Name} - NQN=${subsystem.NQN}`)),
      `    hostnqn=${HostNQN}`,
      ...(verbose
        ? [
            `    model=${subsystem.Model ?? ""}`,
            `    serial=${subsystem.Serial ?? ""}`,
            `    firmware=${subsystem.Firmware ?? ""}`,
            `    iopolicy=${subsystem.IOPolicy}`,
          ]
        : []),
      ...subsystem.Paths.map(pathLine),
    ]),
  );
  return lines.map((line) => `${line}\n`).join("");
}

export const run: Verb<ManyTargetOptions> = (context, options, ...uris) =>
  topology(context, options, uris, (hosts, style) =>
    listText(hosts, (options.verbose ?? 0) > 0, style),
  );

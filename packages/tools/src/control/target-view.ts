// A target as views, one for each subsystem: the hosts' controllers, and what was done in its namespaces.
// Read first: snapshot.ts; @nvmeof/target subsystem.ts.

import type { Subsystem, Target } from "@nvmeof/target";
import type { ControllerView, NamespaceView, SubsystemView } from "./snapshot.ts";
import { type ViewContext, anaName, bounded } from "./view-context.ts";

type TargetController = Subsystem["controllers"] extends ReadonlyMap<number, infer C> ? C : never;
type TargetNamespace = Subsystem["namespaces"][number];

/** All subsystems but that of discovery. */
export const targetViews = (target: Target, context: ViewContext): SubsystemView[] =>
  target.subsystems.map((subsystem) => subsystemView(target, subsystem, context));

function subsystemView(target: Target, subsystem: Subsystem, context: ViewContext): SubsystemView {
  const { ids, budget } = context;
  const portIds = target.ports.map(({ portId }) => portId);
  const stateOf = (group: number): string | null => {
    const states = new Set(portIds.map((portId) => subsystem.ana.at(portId).states[group]));
    return states.size === 1 ? anaName([...states][0]) : null;
  };
  return {
    id: ids.of(subsystem),
    role: "target",
    name: bounded(subsystem.model),
    nqn: subsystem.nqn,
    controllers: budget
      .take([...subsystem.controllers.values()])
      .map((each) => controllerView(each, context)),
    namespaces: budget
      .take(subsystem.namespaces)
      .map((each) => namespaceView(each, stateOf(each.anaGroup), context)),
    io: null,
  };
}

function controllerView(controller: TargetController, { ids }: ViewContext): ControllerView {
  const { cntlid, host, admin, state, commandsSeen, errors, ioInflight, ioQueueCount } = controller;
  return {
    id: ids.of(controller),
    cntlid,
    address: bounded(admin.link.remote),
    host: host.nqn,
    state,
    reason: null,
    resets: null,
    losses: null,
    reconnects: null,
    commands: commandsSeen,
    errors: errors.count,
    inflight: ioInflight,
    ioQueues: ioQueueCount,
    queues: [],
  };
}

/** Hosts have queues, and namespaces have devices: nobody counts what is between the two. */
function namespaceView(
  namespace: TargetNamespace,
  anaState: string | null,
  { ids }: ViewContext,
): NamespaceView {
  const { nsid, device, blockBytes, blockCount, counters } = namespace;
  const { readCommands: reads, writeCommands: writes, readBytes, writtenBytes } = counters;
  const uncounted = { readMs: null, writeMs: null, busyMs: null, inflight: null };
  return {
    id: ids.of(namespace),
    nsid,
    name: bounded(device.name),
    blockBytes,
    blockCount,
    inflight: null,
    waiting: null,
    requeued: null,
    failed: null,
    failedNoPath: null,
    anaState,
    io: {
      reads,
      writes,
      readBytes,
      writtenBytes,
      ...uncounted,
      errors: counters.mediaErrors,
      retries: null,
      failovers: null,
    },
    paths: [],
  };
}

// A host as a view: the controllers of a group, its namespaces, and the paths that lead there.
// Read first: snapshot.ts; @nvmeof/bdev nvme/group.ts.

import type { ControllerPath, MultipathDevice, NamespacePath, NvmeGroup } from "@nvmeof/bdev/nvme";
import { Rank } from "@nvmeof/bdev/nvme";
import { type QueuePair, addressText } from "@nvmeof/core";
import type {
  ControllerView,
  NamespaceView,
  PathView,
  QueueView,
  SubsystemView,
} from "./snapshot.ts";
import { type ViewContext, anaName, bounded } from "./view-context.ts";

/** A group of controllers. */
export function hostView(group: NvmeGroup, context: ViewContext): SubsystemView {
  const controllers = context.budget.take(group.controllers);
  const devices = context.budget.take(group.devices);
  return {
    id: context.ids.of(group),
    role: "host",
    name: bounded(group.name),
    nqn: group.controllers[0]?.controller.options.subsystemNqn ?? "",
    controllers: controllers.map((each) => controllerView(each, context)),
    namespaces: devices.map((each) => namespaceView(each, context)),
    io: null,
  };
}

function controllerView(path: ControllerPath, { ids, budget }: ViewContext): ControllerView {
  const { controller, statistics } = path;
  const { ioQueues, facts, reason, state } = controller;
  return {
    id: ids.of(path),
    cntlid: facts?.cntlid ?? null,
    address: addressText(controller.address),
    host: null,
    state,
    reason: state === "live" || reason === undefined ? null : bounded(reason.message),
    ...statistics,
    commands: null,
    errors: null,
    inflight: ioQueues.reduce((sum, { inflight }) => sum + inflight, 0),
    ioQueues: ioQueues.length,
    queues: budget.take(ioQueues).map(queueView),
  };
}

const queueView = ({ qid, depth, inflight, abandoned }: QueuePair): QueueView => ({
  qid,
  depth,
  inflight,
  abandoned,
});

function namespaceView(device: MultipathDevice, context: ViewContext): NamespaceView {
  const { ids, budget } = context;
  const { nsid, name, blockBytes, blockCount, counters } = device;
  let inflight = 0;
  let waiting = 0;
  for (const channel of device.channels) {
    inflight += channel.inflight;
    waiting += channel.waiting;
  }
  return {
    id: ids.of(device),
    nsid,
    name: bounded(name),
    blockBytes,
    blockCount,
    inflight,
    waiting,
    ...counters,
    anaState: null,
    io: null,
    paths: budget.take(device.paths).map((each) => pathView(each, context)),
  };
}

function pathView(path: NamespacePath, { ids }: ViewContext): PathView {
  const {
    reads,
    writes,
    readBytes,
    writtenBytes,
    readMs,
    writeMs,
    busyMs,
    errors,
    retries,
    switches,
  } = path.statistics;
  const { inflight } = path;
  return {
    id: ids.of(path),
    controller: ids.of(path.controllerPath),
    anaState: anaName(path.anaState),
    isUsable: path.rank !== Rank.Unusable,
    io: {
      reads,
      writes,
      readBytes,
      writtenBytes,
      readMs,
      writeMs,
      busyMs,
      inflight,
      errors,
      retries,
      failovers: switches,
    },
  };
}

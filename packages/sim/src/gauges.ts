// What can be counted in a world: looked at step by step, and nothing of it when all has ended.
// Read first: oracles/resources.ts, which does the looking; world.ts.

import type { TargetStatus } from "@nvmeof/target";
import type { SimGroup } from "./sim-host.ts";
import type { SimTarget } from "./sim-target.ts";
import type { World } from "./world.ts";

/** Adds everything that `world` can be asked for. */
export function addGauges(world: World): void {
  const { clock, network, watch } = world;
  const { resources } = watch;
  resources.add({ name: "timers", read: () => clock.armed });
  resources.add({ name: "connections in the network", read: () => network.connections });
  for (const host of world.hosts) {
    resources.add({ name: `timers of host ${host.index}`, read: () => host.clock.armed });
    resources.add({ name: `streams of host ${host.index}`, read: () => host.streams });
    for (const group of host.groups) addGroup(world, group);
  }
  for (const target of world.targets) addTarget(world, target);
}

function addGroup(world: World, own: SimGroup): void {
  const { resources } = world.watch;
  const { name } = own;
  resources.add({ name: `controllers of ${name}`, read: () => own.group.controllers.length });
  resources.add({ name: `devices of ${name}`, read: () => own.group.devices.length });
  resources.add({
    name: `requests of nobody's that wait in ${name}`,
    read: () => waitingOfNobody(world, own),
    cap: { max: 0, invariant: "I41" },
  });
}

function addTarget(world: World, target: SimTarget): void {
  const { resources } = world.watch;
  const { index, plan, ports } = target;
  const add = (what: string, of: keyof TargetStatus): void =>
    resources.add({
      name: `${what} of target ${index}`,
      read: () => target.statuses.reduce((sum, status) => sum + status[of], 0),
    });
  add("connections", "connections");
  add("controllers", "controllers");
  add("requests to disks", "backendRequests");
  add("buffers", "buffers");
  resources.add({
    name: `streams of target ${index}`,
    read: () => ports.reduce((sum, { streams }) => sum + streams, 0),
  });
  resources.add({
    name: `bytes in buffers of target ${index}`,
    read: () => target.target?.status.bufferBytes ?? 0,
    cap: { max: plan.limits.bufferBytesMax ?? Infinity, invariant: "I40" },
  });
}

/** Requests that wait in devices of a group, beyond those that users have submitted. */
function waitingOfNobody({ watch }: World, { group }: SimGroup): number {
  let waiting = 0;
  for (const { channels } of group.devices) {
    for (const channel of channels) waiting += channel.waiting;
  }
  if (waiting === 0) return 0;
  let submitted = 0;
  for (const { user, request } of watch.open) {
    // A request may have been split; into no more parts than it has blocks.
    if (user.group.group === group) submitted += Math.max(1, request.blockCount);
  }
  return Math.max(0, waiting - submitted);
}

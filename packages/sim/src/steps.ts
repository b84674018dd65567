// The steps of a plan, carried out. What a step names and the world does not have is passed over.
// Read first: plan.ts, whose steps these are; world.ts.

import { Cns, Lid, type NvmeofError } from "@nvmeof/codec";
import {
  type AdminCommand,
  type Controller,
  type State,
  identifyBuffer,
  identifyCommand,
  logPageCommand,
} from "@nvmeof/core";
import { TransportError } from "@nvmeof/transport";
import type { PathKeeper } from "./path-keeper.ts";
import type { HostStep, Step, TargetStep } from "./plan.ts";
import type { SimGroup, SimHost } from "./sim-host.ts";
import type { SimTarget } from "./sim-target.ts";
import type { World } from "./world.ts";

type Kind<K extends HostStep["kind"]> = Extract<HostStep, { readonly kind: K }>;

/** Carries out a step now; says whether there was anything to do it to. */
export function carryOut(world: World, step: Step): boolean {
  if (step.kind === "network") {
    world.network.apply(step.fault);
    return true;
  }
  if ("target" in step) {
    const target = world.targets[step.target];
    if (target !== undefined) onTarget(target, step);
    return target !== undefined;
  }
  const host = world.hosts[step.host];
  if (host === undefined) return false;
  if (step.kind === "stall") {
    host.stall(step.ms);
    return true;
  }
  const group = host.groups[step.group];
  if (group === undefined) return false;
  host.run(() => onGroup(world, host, group, step));
  return true;
}

function onTarget(target: SimTarget, step: TargetStep): void {
  switch (step.kind) {
    case "freeze":
      return target.freeze(step.ms);
    case "restart":
      return target.restart(step.downMs, step.data, step.power);
    case "ana":
      return target.setAna(step.subsystem, step.anaGroup, step.state, step.port);
    case "namespace-removed":
      return target.removeNamespace(step.subsystem, step.nsid, step.againMs);
    case "resized":
      return target.resize(step.subsystem, step.nsid, step.blockCount);
    case "forbid":
      return target.forbid(step.subsystem, step.ms);
    case "port-closed":
      return target.closePort(step.port, step.ms, step.connections);
    case "disk-frozen":
      return target.freezeDisk(step.subsystem, step.nsid, step.ms);
    case "disk-errors":
      return target.diskOf(step.subsystem, step.nsid)?.fail(step.errors);
  }
}

function onGroup(
  world: World,
  host: SimHost,
  group: SimGroup,
  step: Exclude<HostStep, { readonly kind: "stall" }>,
): void {
  switch (step.kind) {
    // What concerns one path.
    case "admin":
    case "detach":
    case "disable":
    case "enable":
    case "lost":
    case "meddle":
    case "move":
    case "prefer":
    case "rescan":
    case "reset": {
      const keeper = group.keepers[step.path];
      if (keeper !== undefined) onPath(world, host, group, keeper, step);
      return;
    }
    case "policy":
      group.group.policy = step.policy;
      return;
    case "destroy":
      return group.destroy(step.againMs);
    case "device-reset": {
      const device = group.device(step.nsid);
      if (device !== undefined)
        world.asked(group.name, "device-reset", (done) => settle(device.reset(), done));
      return;
    }
    case "device-close":
      return group.closeDevice(step.nsid, step.againMs);
  }
}

type PathStep = Exclude<
  HostStep,
  { readonly kind: "stall" | "policy" | "destroy" | "device-reset" | "device-close" }
>;

function onPath(
  world: World,
  host: SimHost,
  group: SimGroup,
  keeper: PathKeeper,
  step: PathStep,
): void {
  if (step.kind === "detach") {
    keeper.unwant();
    world.later(step.againMs, () => host.run(() => group.wants(keeper)));
    return;
  }
  const { path } = keeper;
  if (path === undefined) return;
  const { controller } = path;
  switch (step.kind) {
    case "reset":
      return world.asked(controller, "reset", (done) => controller.reset(done));
    case "disable":
      return world.asked(controller, "disable", (done) => controller.disable(done));
    case "enable":
      return world.asked(controller, "enable", (done) => controller.enable(done));
    case "lost":
      return controller.lost(new TransportError("connection-lost", "somebody says so"));
    case "rescan":
      return path.rescan();
    case "prefer":
      for (const device of group.group.devices) {
        const own = device.paths.find(({ controllerPath }) => controllerPath === path);
        if (own !== undefined) device.prefer(own);
      }
      return;
    case "move":
      return move(world, host, controller, step.againMs);
    case "admin":
      return world.admin(controller, adminCommand(step));
    case "meddle":
      return meddle(world, group, keeper, controller, step);
  }
}

/** Takes the current address out where there are others, and gives it back later. */
function move(world: World, host: SimHost, controller: Controller, againMs: number): void {
  if (controller.addresses.length < 2) return;
  const { address } = controller;
  // The controller's own, which is watched.
  const { transports } = controller.options;
  const transport = transports.find((each) => each.address.traddr === address.traddr);
  const isThere = controller.addresses.some(({ traddr }) => traddr === address.traddr);
  if (transport === undefined || !isThere) return;
  controller.removeTransport(address);
  world.later(againMs, () =>
    host.run(() => {
      const isBack = controller.addresses.some(({ traddr }) => traddr === address.traddr);
      if (!isBack && controller.state !== "closed") controller.addTransport(transport);
    }),
  );
}

function adminCommand({ what, timeoutMs }: Kind<"admin">): AdminCommand {
  const command =
    what === "identify"
      ? identifyCommand(Cns.Controller, identifyBuffer())
      : logPageCommand({ lid: Lid.SmartHealth }, new Uint8Array(512));
  return { ...command, timeoutMs };
}

/** From inside an observer, as people do who react to what they hear at once. */
function meddle(
  world: World,
  group: SimGroup,
  keeper: PathKeeper,
  controller: Controller,
  { state, does }: Kind<"meddle">,
): void {
  const stop = controller.observe((event) => {
    if (event.type !== "state" || event.to !== state) return;
    stop();
    if (world.phase !== "safety") return;
    world.note(`meddle ${does} in ${state satisfies State}`);
    if (does === "reset" || does === "disable") {
      world.asked(controller, does, (done) => controller[does](done));
    } else if (does === "detach") {
      keeper.unwant();
      world.later(1_000, () => group.host.run(() => group.wants(keeper)));
    } else if (does === "destroy") {
      group.destroy(1_000);
    } else {
      world.poke(group);
    }
  });
}

function settle(promise: Promise<void>, done: (error: NvmeofError | undefined) => void): void {
  promise.then(
    () => done(undefined),
    (error: unknown) => done(error as NvmeofError),
  );
}

// One host as metrics see it: its group, what its commands did, and how long its controllers were away.
// Read first: @nvmeof/bdev nvme/group.ts; command-meter.ts.

import type { ControllerPath, NvmeGroup } from "@nvmeof/bdev/nvme";
import type { Controller, ControllerEvent } from "@nvmeof/core";
import { CommandMeter } from "./command-meter.ts";

/** What is noted of a controller, beside what it counts by itself. */
interface Noted {
  timeouts: number;
  /** Time in which it was not live, and was to be, ms; what is under way not included. */
  downMs: number;
  /** Since when it is not, ms; undefined while it is. */
  downSinceMs: number | undefined;
  readonly stop: () => void;
}

export class HostSource {
  readonly name: string;
  readonly group: NvmeGroup;
  meter: CommandMeter | undefined;
  /** Times that writes of unknown outcome were held back. */
  fences = 0;
  readonly #noted = new Map<Controller, Noted>();
  readonly #stop: () => void;

  constructor(name: string, group: NvmeGroup) {
    this.name = name;
    this.group = group;
    this.#stop = group.observe((event) => {
      if (event.type === "path-added") this.#see(event.path.controllerPath);
      else if (event.type === "fence") this.fences++;
    });
    this.#lookAround();
  }

  /** The controllers of the group, as they are now. */
  get controllers(): readonly ControllerPath[] {
    // One without a namespace is announced by nobody.
    this.#lookAround();
    return this.group.controllers;
  }

  timeouts(controller: Controller): number {
    return this.#noted.get(controller)?.timeouts ?? 0;
  }

  /** Time in which the controller was not live and was to be, what is under way included, ms. */
  downMs(controller: Controller): number {
    const noted = this.#noted.get(controller);
    if (noted?.downSinceMs === undefined) return noted?.downMs ?? 0;
    return noted.downMs + controller.options.clock.nowMs() - noted.downSinceMs;
  }

  /** Nothing is watched any more. */
  stop(): void {
    this.#stop();
    for (const { stop } of this.#noted.values()) stop();
    this.#noted.clear();
  }

  #lookAround(): void {
    for (const path of this.group.controllers) this.#see(path);
  }

  #see({ controller }: ControllerPath): void {
    if (this.#noted.has(controller)) return;
    this.meter ??= new CommandMeter(controller.options.clock);
    const unwatch = controller.watchCommands(this.meter);
    const unobserve = controller.observe((event) => this.#told(controller, event));
    const stop = (): void => {
      unwatch();
      unobserve();
    };
    this.#noted.set(controller, { timeouts: 0, downMs: 0, downSinceMs: undefined, stop });
  }

  #told(controller: Controller, event: ControllerEvent): void {
    const noted = this.#noted.get(controller);
    if (noted === undefined) return;
    if (event.type === "timeout") noted.timeouts++;
    if (event.type !== "state") return;
    const { from, to } = event;
    const nowMs = controller.options.clock.nowMs();
    const isDown = to !== "live" && to !== "disabled";
    if (noted.downSinceMs !== undefined && !isDown) {
      noted.downMs += nowMs - noted.downSinceMs;
      noted.downSinceMs = undefined;
    } else if (from === "live" && isDown) noted.downSinceMs = nowMs;
    if (to !== "closed") return;
    noted.stop();
    this.#noted.delete(controller);
  }
}

// All that watches a run: the oracles, fed with what happens, and the first thing that was wrong.
// Read first: docs/invariants.md; the oracles are in oracles/ and wire/.

import { type FenceRelease, defaultRetryLimits } from "@nvmeof/bdev/nvme";
import type { NvmeofError } from "@nvmeof/codec";
import type { Controller, ControllerEvent } from "@nvmeof/core";
import type { Clock } from "@nvmeof/transport";
import { CLOSE_BOUND_MS, answerMs, diskMs, fencingMs, requestMs } from "./budgets.ts";
import type { NetworkEvents } from "./network/link.ts";
import { AttemptOracle } from "./oracles/attempts.ts";
import { CommandOracle } from "./oracles/commands.ts";
import { LifecycleOracle } from "./oracles/lifecycle.ts";
import { type Fence, fenceOf } from "./oracles/fence.ts";
import { RegisterOracle } from "./oracles/register.ts";
import { GuardedBuffers, ResourceOracle } from "./oracles/resources.ts";
import type { GroupPlan, Plan } from "./plan.ts";
import type { Secrets } from "./secrets.ts";
import type { SimGroup } from "./sim-host.ts";
import { BlockOp } from "@nvmeof/bdev";
import { type SimDisk, volumeOf } from "./storage/disk.ts";
import type { Entry } from "./users.ts";
import { type Counts, count } from "./verdict.ts";
import type { Violation } from "./violation.ts";
import { WireChecker } from "./wire/checker.ts";

export class Watch {
  readonly #clock: Clock;
  readonly #plan: Plan;
  readonly settledBy: Counts = {};
  submitted = 0;
  #violation: Violation | undefined;
  readonly commands: CommandOracle;
  readonly lifecycle: LifecycleOracle;
  readonly register: RegisterOracle;
  readonly attempts: AttemptOracle;
  readonly resources: ResourceOracle;
  readonly buffers: GuardedBuffers;
  /** What the network tells. */
  readonly network: NetworkEvents;
  readonly #open = new Map<number, Entry>();
  readonly #names = new WeakMap<Controller, string>();
  /** Index of the host of each controller, by name. */
  readonly #hosts = new Map<string, number>();

  constructor(plan: Plan, clock: Clock, secrets?: Secrets) {
    this.#plan = plan;
    this.#clock = clock;
    this.commands = new CommandOracle(clock, this.complain);
    this.lifecycle = new LifecycleOracle(clock, this.complain);
    this.register = new RegisterOracle(clock, this.complain);
    this.attempts = new AttemptOracle(clock, this.complain);
    this.resources = new ResourceOracle(this.complain);
    this.buffers = new GuardedBuffers(this.complain);
    const wire = new WireChecker(this.complain, secrets?.options.ways);
    this.network = {
      bytes: (connection, direction, buffer, start, end, moment) => {
        wire.bytes(connection, direction, buffer, start, end, moment);
        if (moment === "sent") secrets?.look(this.complain, buffer, start, end);
      },
      gone: (connection, side, how) => wire.gone(connection, side, how),
      complain: this.complain,
    };
  }

  /** The first invariant that did not hold. */
  get violation(): Violation | undefined {
    return this.#violation;
  }

  /** Requests of users that have not settled, oldest first. */
  get open(): readonly Entry[] {
    return Array.from(this.#open.values());
  }

  get unsettled(): number {
    return this.#open.size;
  }

  readonly complain = (invariant: string, message: string): void => {
    this.#violation ??= { invariant, message, atMs: this.#clock.nowMs() };
  };

  diskMade(disk: SimDisk): void {
    this.register.addVolume(disk);
  }

  submitting(entry: Entry): void {
    const { id, request, device, user } = entry;
    const { plan } = user.group;
    this.submitted++;
    this.#open.set(id, entry);
    const fence = this.fenceOf(plan);
    this.commands.submitted(id, requestMs(this.#plan, plan));
    const volume = volumeOf(device.identity);
    if (volume === undefined) {
      this.complain("I29", `the device of request ${id} has an identity that nobody gave it`);
      return;
    }
    this.register.submitted(id, volume, request, fence);
    if (request.op !== BlockOp.Write) return;
    const { samePathMax = defaultRetryLimits.samePathMax } = plan.retry;
    const { switchesMax = defaultRetryLimits.switchesMax } = plan.retry;
    this.attempts.submitted(id, volume, fence, 1 + samePathMax + switchesMax);
  }

  returned({ id }: Entry): void {
    this.commands.returned(id);
  }

  settled(entry: Entry, error: NvmeofError | undefined): void {
    const { id, request } = entry;
    count(this.settledBy, error === undefined ? "done" : (error.outcome ?? "no outcome"));
    const isFirst = this.#open.delete(id);
    this.commands.settled(id, error);
    if (!isFirst) return;
    this.attempts.settled(id, error);
    this.register.settled(id, error);
    if (request.data !== undefined) this.buffers.release(request.data);
  }

  aborting({ id }: Entry): void {
    this.commands.aborted(id);
  }

  /** A disk, or the target before it, stands still from now on. */
  standsStill({ volume }: SimDisk): void {
    this.register.standsStill(volume);
    this.attempts.standsStill(volume);
  }

  /** It goes on after so long. */
  stoodStill({ volume }: SimDisk, ms: number): void {
    this.register.stoodStill(volume, ms);
    this.attempts.stoodStill(volume, ms);
  }

  /** A host has stood still for so long. */
  hostStoodStill(ms: number, host: number): void {
    const ids = this.open.filter(({ user }) => user.plan.host === host).map(({ id }) => id);
    this.commands.stoodStill(ms, ids);
    for (const [name, of] of this.#hosts) if (of === host) this.lifecycle.stoodStill(name, ms);
  }

  /** A controller as messages call it. */
  nameOf(controller: Controller): string {
    return this.#names.get(controller) ?? "a controller";
  }

  controllerCreated({ host, plan }: SimGroup, controller: Controller, name: string): void {
    this.#names.set(controller, name);
    const { keepAliveTimeoutMs, reconnect, transports } = controller.options;
    this.lifecycle.created(name, {
      closeBoundMs: CLOSE_BOUND_MS,
      keepAliveTimeoutMs,
      reconnect,
      addresses: transports.length,
      fencingBoundMs: fencingMs(this.#plan, plan),
      answerBoundMs: answerMs(controller.options) + fencingMs(this.#plan, plan),
    });
    this.#hosts.set(name, host.index);
  }

  controllerEvent(controller: Controller, event: ControllerEvent): void {
    const name = this.nameOf(controller);
    this.lifecycle.told(name, event);
    if (event.type === "state" && event.to === "closed") this.commands.ownerClosed(name);
  }

  /** A fence of a group is over: by what, undefined where it was not released. */
  fenceOver(group: SimGroup, by: FenceRelease | undefined): void {
    if (by !== "time" && by !== "accepted") return;
    const ids = this.open.filter(({ user }) => user.group === group).map(({ id }) => id);
    this.register.fencedByTime(ids);
    this.attempts.fencedByTime(ids);
  }

  /** A group has closed. `tookMs`: without the time for which its host stood still. */
  closed(group: SimGroup, tookMs: number): void {
    if (tookMs > CLOSE_BOUND_MS) {
      this.complain("I12", `${group.name} took ${tookMs} ms to close`);
    }
  }

  /** Looks at what has to hold at any moment. */
  check(): void {
    this.commands.check();
    this.lifecycle.check();
    this.resources.check();
  }

  /** Everything has ended. */
  finish(disks: readonly SimDisk[]): void {
    this.commands.finish();
    this.lifecycle.finish();
    this.buffers.finish();
    this.resources.atRest();
    for (const disk of disks) this.register.audit(disk);
  }

  /** What users of a group may rely on. */
  fenceOf(plan: GroupPlan): Fence {
    const { limits, trafficKeepAlive } = this.#plan.targets[plan.target]!;
    const { keepAliveTimeoutMs, ioTimeoutMs } = plan.controller;
    const { keepAliveGranularityMs = 1_000, commandQuiesceTimeMs } = limits;
    return fenceOf({
      fencing: plan.fencing,
      withoutQuiesceTime: plan.fenceLimits?.withoutQuiesceTime,
      quiesceMs: commandQuiesceTimeMs,
      keepAliveTimeoutMs,
      keepAliveGranularityMs,
      trafficKeepAlive,
      ioTimeoutMs,
      diskMs: diskMs(this.#plan),
    });
  }
}

// A world for scenarios: a target with ports, a host with paths to them, and time that is ours.
// Read first: faulty-port.ts for what may go wrong; DESIGN.md §6.

import {
  type BlockChannel,
  type BlockDevice,
  BlockOp,
  type BlockRequest,
  memoryDevice,
} from "@nvmeof/bdev";
import {
  type ControllerPath,
  type GroupOptions,
  type MultipathDevice,
  NvmeGroup,
} from "@nvmeof/bdev/nvme";
import type { NvmeofError } from "@nvmeof/codec";
import type { CloseReport, ControllerOptions, RequestDone } from "@nvmeof/core";
import {
  type NamespaceOptions,
  type Subsystem,
  Target,
  type TargetOptions,
  type TargetPort,
} from "@nvmeof/target";
import type { Transport } from "@nvmeof/transport";
import { VirtualClock } from "@nvmeof/transport/testing";
import { FaultyPort } from "./faulty-port.ts";
import { FcFaultyPort } from "./fc-port.ts";
import { HostClock } from "./host-clock.ts";
import type { ScenarioPort } from "./network.ts";

export const NQN = "nqn.2026-01.dev.nvmeof:scenario";
const HOST_ID = "6d1f9c1e-0b5a-4f5e-9c39-0d8a4c0b7e11";
export const HOST_NQN = `nqn.2014-08.org.nvmexpress:uuid:${HOST_ID}`;
export const BLOCK_BYTES = 512;

/** What hosts and target talk over. */
export type Over = "tcp" | "fc";

/** The transport of worlds that do not say: the run of the suite over FC sets it. */
export const OVER = (process.env["SCENARIOS_OVER"] ?? "tcp") as Over;

const portOver: Record<Over, (name: string, clock: VirtualClock) => ScenarioPort> = {
  tcp: (name, clock) => new FaultyPort(name, clock),
  fc: (name, clock) => new FcFaultyPort(name, clock),
};

/** What a world begins with. */
export interface WorldOptions {
  /** Default: what the run of the suite says. */
  readonly over?: Over;
  /** Stands between controllers and their transport. */
  readonly watch?: (transport: Transport, world: World) => Transport;
  /** Ports of the target, and so paths that a host may have. Default 1. */
  readonly ports?: number;
  /** Blocks of each namespace. Default one namespace of 4,096 blocks. */
  readonly namespaces?: readonly number[];
  readonly target?: Omit<TargetOptions, "clock">;
  readonly group?: Partial<GroupOptions>;
  /** Options of every controller that `attach` makes. */
  readonly controller?: Partial<ControllerOptions>;
  /** The device behind each namespace, in place of one in memory. */
  readonly disk?: (clock: VirtualClock, name: string, blockCount: number) => BlockDevice;
}

/** A request of a scenario, and what became of it. */
export interface Watched {
  readonly request: BlockRequest;
  /** One entry for each time that it settled: exactly one is right. */
  readonly settled: { readonly error: NvmeofError | undefined; readonly atMs: number }[];
}

export class World {
  readonly clock = new VirtualClock();
  /** The host's view of the clock. */
  readonly hostClock = new HostClock(this.clock);
  target: Target;
  subsystem!: Subsystem;
  readonly ports: ScenarioPort[] = [];
  readonly disks: BlockDevice[] = [];
  readonly group: NvmeGroup;
  /** Every request of the scenario. */
  readonly requests: Watched[] = [];
  /** What observers of the group and of the devices were told, by type. */
  readonly told: string[] = [];
  readonly #options: WorldOptions;
  readonly #listening: TargetPort[] = [];

  constructor(options: WorldOptions = {}) {
    this.#options = options;
    const { clock } = this;
    this.target = new Target({ ...options.target, clock });
    const makeDisk =
      options.disk ??
      ((_clock, name, blockCount) =>
        memoryDevice({ name, clock, blockBytes: BLOCK_BYTES, blockCount }));
    for (const blockCount of options.namespaces ?? [4096]) {
      this.disks.push(makeDisk(clock, `disk${this.disks.length}`, blockCount));
    }
    for (let at = 0; at < (options.ports ?? 1); at++) {
      this.ports.push(portOver[options.over ?? OVER](`port${at}`, clock));
    }
    this.#serve(this.disks.map((device, at) => ({ device, anaGroup: at + 1 })));
    this.group = new NvmeGroup({ name: "nvme0", ...options.group });
    this.group.observe((event) => this.told.push(event.type));
  }

  /** The first port. */
  get port(): ScenarioPort {
    return this.ports[0]!;
  }

  /** Requests that have not settled. */
  get unsettled(): number {
    return this.requests.filter(({ settled }) => settled.length === 0).length;
  }

  /** Puts another port in the place of port `at`: before anybody has connected there. */
  replacePort(at: number, port: ScenarioPort): void {
    this.#listening[at]?.close();
    this.ports[at] = port;
    this.#listen(at);
  }

  /** A transport to port `at`. */
  transport(at: number): Transport {
    const transport = this.ports[at]!.transport(this.hostClock);
    return this.#options.watch?.(transport, this) ?? transport;
  }

  controllerOptions(ports: readonly number[] = [0]): ControllerOptions {
    return {
      transport: ports.map((at) => this.transport(at)),
      hostNqn: HOST_NQN,
      hostId: HOST_ID,
      subsystemNqn: NQN,
      ...this.#options.controller,
    };
  }

  /** Attaches a controller by port `at`, or by several of which one is connected at a time. */
  attach(...ports: number[]): Promise<ControllerPath> {
    return this.run(this.group.attach(this.controllerOptions(ports.length === 0 ? [0] : ports)));
  }

  /** Attaches a controller by each port. */
  async attachAll(): Promise<ControllerPath[]> {
    const paths: ControllerPath[] = [];
    for (let at = 0; at < this.ports.length; at++) paths.push(await this.attach(at));
    return paths;
  }

  /** The device of namespace `nsid`. */
  device(nsid = 1): MultipathDevice {
    const device = this.group.devices.find((each) => each.nsid === nsid);
    if (device === undefined) throw new Error(`the host has no device of namespace ${nsid}`);
    return device;
  }

  /** Submits a request and watches what becomes of it. */
  submit(channel: BlockChannel, request: Partial<BlockRequest> = {}): Watched {
    const { op = BlockOp.Read, lba = 0, blockCount = op === BlockOp.Flush ? 0 : 1 } = request;
    const moves = op === BlockOp.Read || op === BlockOp.Write || op === BlockOp.Compare;
    const data = moves ? new Uint8Array(blockCount * BLOCK_BYTES) : undefined;
    const whole: BlockRequest = { op, lba, blockCount, data, ...request };
    const watched: Watched = { request: whole, settled: [] };
    this.requests.push(watched);
    let phase: "submitting" | "submitted" = "submitting";
    channel.submit(whole, (error) => {
      if (phase === "submitting") throw new Error("settled inside submit");
      watched.settled.push({ error, atMs: this.clock.nowMs() });
    });
    phase = "submitted";
    return watched;
  }

  /** Many reads at once. */
  reads(channel: BlockChannel, count: number): Watched[] {
    return Array.from({ length: count }, (_, lba) => this.submit(channel, { lba }));
  }

  /** Many writes at once, each of one block that is full of `byte`. */
  writes(channel: BlockChannel, count: number, byte = 1): Watched[] {
    return Array.from({ length: count }, (_, lba) =>
      this.submit(channel, {
        op: BlockOp.Write,
        lba,
        data: new Uint8Array(BLOCK_BYTES).fill(byte),
      }),
    );
  }

  /** What the host reads at `lba`; the read must succeed. */
  async readBack(channel: BlockChannel, lba: number): Promise<number> {
    const read = this.submit(channel, { lba });
    await this.runUntil(() => read.settled.length > 0);
    if (read.settled[0]!.error !== undefined) throw read.settled[0]!.error;
    return read.request.data![0]!;
  }

  /** Closes all controllers of the group. */
  close(): Promise<CloseReport[]> {
    return this.run(this.group.close());
  }

  /** What a controller's `reset`, `enable` or `disable` comes to. */
  asked(start: (done: RequestDone) => void): { errors: (NvmeofError | undefined)[] } {
    const asked: { errors: (NvmeofError | undefined)[] } = { errors: [] };
    start((error) => asked.errors.push(error));
    return asked;
  }

  /** The event loop of the host stands still for `ms`; network and target do not. */
  stallHost(ms: number): void {
    for (const port of this.ports) port.climate = { toHost: "held" };
    this.hostClock.stall();
    this.clock.advance(ms);
    // Timers first, then what the sockets have.
    this.hostClock.resume();
    for (const port of this.ports) port.climate = { toHost: "clear" };
    this.clock.settle();
  }

  /** The target's process ends without a word, and another one begins with these namespaces. */
  restartTarget(
    namespaces: readonly NamespaceOptions[],
    options: Omit<TargetOptions, "clock">,
  ): void {
    for (const port of this.ports) port.reset();
    this.clock.settle();
    void this.target.close();
    this.target = new Target({ ...options, clock: this.clock });
    this.#serve(namespaces);
  }

  /** Lets time pass as far as `promise` needs it, at most `limitMs`. */
  async run<T>(promise: Promise<T>, limitMs = 600_000): Promise<T> {
    const outcome: { phase: "waiting" | "settled" } = { phase: "waiting" };
    const settled = (): void => void (outcome.phase = "settled");
    promise.then(settled, settled);
    await this.runUntil(() => outcome.phase === "settled", limitMs);
    return promise;
  }

  /** Lets time pass until `done`, at most `limitMs`. */
  async runUntil(done: () => boolean, limitMs = 600_000): Promise<void> {
    const end = this.clock.nowMs() + limitMs;
    await this.idle();
    while (!done()) {
      const before = this.clock.nowMs();
      if (!this.clock.step() || this.clock.nowMs() > end) {
        throw new Error(`nothing happens any more at ${before} ms, and it has not come to that`);
      }
      await this.idle();
    }
  }

  /** Lets `ms` pass, promises included. */
  async pass(ms: number): Promise<void> {
    let over: "no" | "yes" = "no";
    this.clock.at(this.clock.nowMs() + ms, () => (over = "yes"));
    await this.runUntil(() => over === "yes", ms + 1);
  }

  /** Lets promises and deferred tasks run until there are none, without time passing. */
  async idle(): Promise<void> {
    for (let turn = 0; turn < 10; turn++) {
      this.clock.settle();
      await Promise.resolve();
    }
    this.clock.settle();
  }

  #serve(namespaces: readonly NamespaceOptions[]): void {
    this.subsystem = this.target.addSubsystem({ nqn: NQN, allowedHosts: "any", namespaces });
    for (const at of this.ports.keys()) this.#listen(at);
  }

  #listen(at: number): void {
    const port = this.ports[at]!;
    const { listener } = port;
    const { address } = port.transport(this.hostClock);
    this.#listening[at] = this.target.listen({ listener, portId: at + 1, address });
  }
}

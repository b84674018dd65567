// A world for scenarios: a target with ports, a host with paths to them, and time that is ours.
// Read first: faulty-port.ts for what may go wrong; DESIGN.md §6.

import {
  type BlockChannel,
  type BlockDevice,
  BlockOp,
  type BlockRequest,
  memoryDevice,
} from "@nvmeof/bdev";
import { type GroupOptions, type MultipathDevice, NvmeGroup } from "@nvmeof/bdev/nvme";
import type { NvmeofError } from "@nvmeof/codec";
import type { ControllerOptions } from "@nvmeof/core";
import { type Subsystem, Target } from "@nvmeof/target";
import { type Transport, hostTransport } from "@nvmeof/transport";
import { VirtualClock } from "@nvmeof/transport/testing";
import { FaultyPort } from "./faulty-port.ts";

export const NQN = "nqn.2026-01.dev.nvmeof:scenario";
const HOST_ID = "6d1f9c1e-0b5a-4f5e-9c39-0d8a4c0b7e11";
export const HOST_NQN = `nqn.2014-08.org.nvmexpress:uuid:${HOST_ID}`;
export const BLOCK_BYTES = 512;

/** What a world begins with. */
export interface WorldOptions {
  /** Ports of the target, and so paths that a host may have. Default 1. */
  readonly ports?: number;
  /** Blocks of each namespace. Default one namespace of 4,096 blocks. */
  readonly namespaces?: readonly number[];
  readonly group?: Partial<GroupOptions>;
  /** Options of every controller that `attach` makes. */
  readonly controller?: Partial<ControllerOptions>;
}

/** A request of a scenario, and what became of it. */
export interface Watched {
  readonly request: BlockRequest;
  /** One entry for each time that it settled: exactly one is right. */
  readonly settled: { readonly error: NvmeofError | undefined; readonly atMs: number }[];
}

export class World {
  readonly clock = new VirtualClock();
  readonly target: Target;
  readonly subsystem: Subsystem;
  readonly ports: FaultyPort[];
  readonly disks: BlockDevice[] = [];
  readonly group: NvmeGroup;
  readonly #controller: Partial<ControllerOptions>;

  constructor(options: WorldOptions = {}) {
    const { clock } = this;
    this.#controller = options.controller ?? {};
    this.target = new Target({ clock });
    for (const blockCount of options.namespaces ?? [4096]) {
      const name = `disk${this.disks.length}`;
      this.disks.push(memoryDevice({ name, clock, blockBytes: BLOCK_BYTES, blockCount }));
    }
    this.subsystem = this.target.addSubsystem({
      nqn: NQN,
      allowedHosts: "any",
      namespaces: this.disks.map((device, at) => ({ device, anaGroup: at + 1 })),
    });
    this.ports = Array.from({ length: options.ports ?? 1 }, (_, at) => this.#port(at));
    this.group = new NvmeGroup({ name: "nvme0", ...options.group });
  }

  /** A transport to port `at`. */
  transport(at: number): Transport {
    return hostTransport({
      address: { trtype: "loop", traddr: `port${at}`, trsvcid: "" },
      connector: this.ports[at]!,
      clock: this.clock,
    });
  }

  controllerOptions(ports: readonly number[] = [0]): ControllerOptions {
    return {
      transport: ports.map((at) => this.transport(at)),
      hostNqn: HOST_NQN,
      hostId: HOST_ID,
      subsystemNqn: NQN,
      ...this.#controller,
    };
  }

  /** Attaches a controller by port `at`, or by several of which one is connected at a time. */
  attach(...ports: number[]) {
    return this.run(this.group.attach(this.controllerOptions(ports.length === 0 ? [0] : ports)));
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
    channel.submit(whole, (error) => watched.settled.push({ error, atMs: this.clock.nowMs() }));
    return watched;
  }

  /** Many reads at once. */
  reads(channel: BlockChannel, count: number): Watched[] {
    return Array.from({ length: count }, (_, lba) => this.submit(channel, { lba }));
  }

  /** Lets time pass as far as `promise` needs it, at most `limitMs`. */
  async run<T>(promise: Promise<T>, limitMs = 600_000): Promise<T> {
    const end = this.clock.nowMs() + limitMs;
    let over: "waiting" | "settled" = "waiting";
    const settled = (): void => void (over = "settled");
    promise.then(settled, settled);
    await this.#promisesRan();
    while ((over as string) === "waiting") {
      const before = this.clock.nowMs();
      if (!this.clock.step() || this.clock.nowMs() > end) {
        throw new Error(`nothing happens any more at ${before} ms, and it has not settled`);
      }
      await this.#promisesRan();
    }
    return promise;
  }

  /** Lets promises and deferred tasks run until there are none, without time passing. */
  async #promisesRan(): Promise<void> {
    for (let turn = 0; turn < 10; turn++) {
      this.clock.settle();
      await Promise.resolve();
    }
    this.clock.settle();
  }

  #port(at: number): FaultyPort {
    const port = new FaultyPort(`port${at}`, this.clock);
    this.target.listen({
      listener: port,
      portId: at + 1,
      address: { trtype: "loop", traddr: `port${at}`, trsvcid: "" },
    });
    return port;
  }
}

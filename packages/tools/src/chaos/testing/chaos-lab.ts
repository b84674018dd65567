// A real host and a real target with the fault proxy between them, in virtual time.
// Read first: ../proxy.ts; ../../capture/testing/world.ts, which is the same without faults.

import { type BlockChannel, BlockOp, type MemoryDevice, memoryDevice } from "@nvmeof/bdev";
import { NvmeGroup } from "@nvmeof/bdev/nvme";
import type { NvmeofError } from "@nvmeof/codec";
import { Target } from "@nvmeof/target";
import { MemoryPort, hostTransport } from "@nvmeof/transport";
import { VirtualClock, eventually, resultOf } from "@nvmeof/transport/testing";
import { Recording } from "../../capture/testing/recording.ts";
import { tracedConnector, tracedListener } from "../../capture/write/traced.ts";
import { checkPattern, fillPattern } from "../../pattern.ts";
import type { ChaosLimits } from "../limits.ts";
import type { ChaosEvent, FaultEvent } from "../log.ts";
import { parseChaosPlan } from "../parse.ts";
import { ChaosProxy } from "../proxy.ts";

export const NQN = "nqn.2026-01.dev.nvmeof:chaos";
const HOST_ID = "6d1f9c1e-0b5a-4f5e-9c39-0d8a4c0b7e12";
export const BLOCK_BYTES = 512;
const address = { trtype: "tcp", traddr: "192.0.2.2", trsvcid: "4420" };

/** How host and target speak, and what the proxy is like. */
export interface LabOptions {
  readonly digests?: boolean;
  readonly seed?: number;
  readonly limits?: Partial<ChaosLimits>;
  readonly ioQueues?: number;
  readonly chunkBytes?: () => number;
  readonly retry?: { readonly attemptsMax?: number };
  /** Time that the disk takes, so that commands are in flight together. */
  readonly diskMs?: number;
}

/** How one request ended. */
export interface Settled {
  readonly what: string;
  /** Must be 1. */
  times: number;
  error: NvmeofError | undefined;
  /** A read whose data is not what was written. */
  isWrong: boolean;
}

type Request = readonly [op: BlockOp, lba: number, blockCount: number];

const names = ["read", "write", "flush"];

export class ChaosLab {
  readonly clock = new VirtualClock();
  readonly recording = new Recording(() => this.clock.nowMs());
  readonly device: MemoryDevice;
  readonly target: Target;
  readonly proxy: ChaosProxy;
  readonly events: ChaosEvent[] = [];
  /** Codes of why the host has lost its controller, as it said. */
  readonly losses: string[] = [];
  /** Why the target has ended connections, as it said. */
  readonly refusals: string[] = [];
  readonly group = new NvmeGroup({ name: "nvme0" });
  readonly #options: LabOptions;
  readonly #port: MemoryPort;

  constructor(faults: readonly unknown[], options: LabOptions = {}) {
    this.#options = options;
    const { clock } = this;
    const link = { clock, latencyMs: 0.25, ...only("chunkBytes", options.chunkBytes) };
    const behind = new MemoryPort("target", link);
    this.#port = new MemoryPort("proxy", link);
    const geometry = { blockBytes: BLOCK_BYTES, blockCount: 4096 };
    this.device = memoryDevice({
      name: "disk",
      clock,
      ...geometry,
      ...only("latencyMs", options.diskMs),
    });
    this.target = new Target({ clock, trafficKeepAlive: false });
    this.target.addSubsystem({ nqn: NQN, namespaces: [{ device: this.device }] });
    this.target.listen({ listener: behind, address });
    this.target.observe((event) => {
      if (event.type === "connection-ended") this.refusals.push(event.message);
    });
    const { writer } = this.recording;
    this.proxy = new ChaosProxy({
      plan: parseChaosPlan({ version: 1, faults }, options.seed),
      clock,
      listener: tracedListener(this.#port, writer),
      connector: tracedConnector(behind, writer),
      ...only("limits", options.limits),
    });
    this.proxy.observe((event) => void this.events.push(event));
  }

  /** Faults that were carried out. */
  get faults(): FaultEvent[] {
    return this.events.filter((event) => event.type === "fault");
  }

  /** Connects, and notes what becomes of the controller. */
  async attach(): Promise<void> {
    const { digests = false, ioQueues = 1 } = this.#options;
    const asked = digests ? { headerDigest: true, dataDigest: true } : {};
    const { clock } = this;
    const transport = hostTransport({ address, connector: this.#port, clock, ...asked });
    const attaching = this.group.attach({
      hostNqn: `nqn.2014-08.org.nvmexpress:uuid:${HOST_ID}`,
      hostId: HOST_ID,
      subsystemNqn: NQN,
      transport: [transport],
      ioQueues,
      keepAliveTimeoutMs: 2_000,
      ioTimeoutMs: 500,
      reconnect: { delayMs: 20, delayMaxMs: 50 },
    });
    await this.result(attaching);
    for (const { controller } of this.group.controllers) {
      controller.observe((event) => {
        if (event.type === "state" && event.reason !== undefined) {
          this.losses.push(event.reason.code);
        }
      });
    }
  }

  /** Sends all of these at once; resolves when each has settled, and a moment after. */
  async load(requests: readonly Request[], seed = 7): Promise<Settled[]> {
    const channel: BlockChannel = this.group.devices[0]!.openChannel();
    let open = requests.length;
    const settled = requests.map(([op, lba, blockCount]): Settled => {
      const hasData = op === BlockOp.Read || op === BlockOp.Write;
      const data = hasData ? new Uint8Array(blockCount * BLOCK_BYTES) : undefined;
      if (op === BlockOp.Write) fillPattern(data!, BLOCK_BYTES, lba, seed);
      const one: Settled = {
        what: `${names[op]} ${lba}`,
        times: 0,
        error: undefined,
        isWrong: false,
      };
      channel.submit({ op, lba, blockCount, data }, (error) => {
        if (++one.times === 1) open--;
        one.error = error;
        if (op === BlockOp.Read && error === undefined) one.isWrong = !isRight(data!, lba, seed);
      });
      return one;
    });
    await eventually(this.clock, () => open === 0);
    await this.idle(50);
    channel.close();
    return settled;
  }

  /** Closes the host, then the rest; says how long the host took, ms. */
  async close(): Promise<number> {
    const beganMs = this.clock.nowMs();
    await this.result(this.group.close());
    const tookMs = this.clock.nowMs() - beganMs;
    this.proxy.close();
    await this.result(this.target.close());
    this.clock.drain();
    return tookMs;
  }

  /** Lets time pass. */
  async idle(ms: number): Promise<void> {
    const endMs = this.clock.nowMs() + ms;
    this.clock.at(endMs, () => {});
    await eventually(this.clock, () => this.clock.nowMs() >= endMs);
  }

  result<T>(promise: Promise<T>): Promise<T> {
    return resultOf(this.clock, promise);
  }
}

function isRight(data: Uint8Array, lba: number, seed: number): boolean {
  let wrong = 0;
  checkPattern(data, new Uint8Array(BLOCK_BYTES), lba, seed, () => wrong++);
  return wrong === 0;
}

/** An option that is there or not. */
function only<K extends string, V>(name: K, value: V | undefined): { [Name in K]?: V } {
  return (value === undefined ? {} : { [name]: value }) as { [Name in K]?: V };
}

/** Writes of all sizes: in the capsule, and by R2T. */
export const writes: readonly Request[] = [
  [BlockOp.Write, 0, 1],
  [BlockOp.Write, 8, 8],
  [BlockOp.Write, 100, 64],
  [BlockOp.Write, 300, 200],
];

/** Reads of the same. */
export const reads: readonly Request[] = [
  [BlockOp.Read, 0, 1],
  [BlockOp.Read, 8, 8],
  [BlockOp.Read, 100, 64],
  [BlockOp.Read, 300, 200],
];

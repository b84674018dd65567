// A host with two paths to a target in this process, in virtual time, heard on the channels of the process.
// For the tests of this package.

import { type BlockChannel, BlockOp, type MemoryDevice, memoryDevice } from "@nvmeof/bdev";
import { type ConnectOptions, type NvmeHost, connect } from "@nvmeof/bdev/nvme";
import type { NvmeofError } from "@nvmeof/codec";
import { Target, type TargetPort } from "@nvmeof/target";
import { MemoryPort, type Transport, hostTransport } from "@nvmeof/transport";
import { VirtualClock } from "@nvmeof/transport/testing";
import { diagnostics } from "../channels.ts";

export const NQN = "nqn.2024-01.org.example:metrics";
export const BLOCK_BYTES = 512;
/** How long the disk takes for a request, ms. */
export const LATENCY_MS = 2;

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export class Lab {
  readonly clock = new VirtualClock();
  readonly device: MemoryDevice;
  readonly target: Target;
  readonly #ports: TargetPort[] = [];

  constructor() {
    const { clock } = this;
    const shape = { blockBytes: BLOCK_BYTES, blockCount: 4096 };
    this.device = memoryDevice({ name: "disk", clock, latencyMs: LATENCY_MS, ...shape });
    this.target = new Target({ clock, trafficKeepAlive: false });
    this.target.addSubsystem({ nqn: NQN, namespaces: [{ device: this.device }] });
  }

  transport(at: number): Transport {
    const { clock } = this;
    const link = new MemoryPort(`port ${at}`, { clock });
    const address = { trtype: "tcp", traddr: "192.0.2.1", trsvcid: String(4420 + at) };
    this.#ports[at] = this.target.listen({ listener: link, address });
    return hostTransport({ address, connector: link, clock });
  }

  /** Connects by port 0. */
  connect(options: Partial<ConnectOptions> = {}): Promise<NvmeHost> {
    const connecting = connect({
      hostNqn: "nqn.2024-01.org.example:host",
      hostId: "01234567-89ab-4def-8123-456789abcdef",
      transport: this.transport(0),
      subsystemNqn: NQN,
      keepAliveTimeoutMs: 1_000,
      reconnect: { delayMs: 200, delayMaxMs: 500 },
      diagnostics,
      ...options,
    });
    return this.during(connecting);
  }

  /** Takes a port away for good, with all its connections. */
  drop(at: number): void {
    this.#ports[at]!.close("drop");
    this.clock.settle();
  }

  /** Does one request to the end. */
  request(
    channel: BlockChannel,
    op: BlockOp,
    lba = 0,
    blockCount = 8,
  ): Promise<NvmeofError | undefined> {
    const data =
      op === BlockOp.Read || op === BlockOp.Write
        ? new Uint8Array(blockCount * BLOCK_BYTES)
        : undefined;
    const settled = new Promise<NvmeofError | undefined>((resolve) => {
      channel.submit({ op, lba, blockCount, data }, resolve);
    });
    return this.during(settled);
  }

  /** Lets time pass until `work` has ended. */
  async during<T>(work: Promise<T>): Promise<T> {
    const state = { phase: "running" };
    const over = (): void => void (state.phase = "over");
    work.then(over, over);
    for (await turn(); state.phase === "running"; await turn()) this.clock.advance(1);
    return work;
  }

  async close(...hosts: readonly NvmeHost[]): Promise<void> {
    for (const host of hosts) await this.during(host.close());
    await this.during(this.target.close());
  }
}

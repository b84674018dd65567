// A target in this process with one disk and ports that a test takes away and gives back, in virtual time.
// Read first: ../way.ts.

import { type MemoryDevice, memoryDevice } from "@nvmeof/bdev";
import { type ConnectOptions, type NvmeHost, connect } from "@nvmeof/bdev/nvme";
import { Target, type TargetPort } from "@nvmeof/target";
import { MemoryPort, type Transport, hostTransport } from "@nvmeof/transport";
import { VirtualClock } from "@nvmeof/transport/testing";
import type { Way } from "../way.ts";

const NQN = "nqn.2024-01.org.example:paths";
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Lets time pass until `work` has ended. */
export async function during<T>(clock: VirtualClock, work: Promise<T>): Promise<T> {
  const state = { over: false };
  const over = (): void => void (state.over = true);
  work.then(over, over);
  for (await turn(); !state.over; await turn()) clock.advance(1);
  return work;
}

/** The target, and a host for it. */
export class PathLab {
  readonly clock = new VirtualClock();
  readonly device: MemoryDevice;
  readonly target: Target;
  readonly #links: MemoryPort[] = [];
  readonly #ports: TargetPort[] = [];

  constructor() {
    const { clock } = this;
    this.device = memoryDevice({
      name: "disk",
      clock,
      blockBytes: 512,
      blockCount: 4096,
      latencyMs: 2,
    });
    this.target = new Target({ clock, trafficKeepAlive: false });
    this.target.addSubsystem({ nqn: NQN, namespaces: [{ device: this.device }] });
  }

  #listen(at: number): void {
    const address = { trtype: "tcp", traddr: "127.0.0.1", trsvcid: String(4420 + at) };
    this.#ports[at] = this.target.listen({ listener: this.#links[at]!, address });
  }

  transport(at: number): Transport {
    const { clock } = this;
    this.#links[at] = new MemoryPort(`port ${at}`, { clock });
    this.#listen(at);
    const address = { trtype: "tcp", traddr: "127.0.0.1", trsvcid: String(4420 + at) };
    return hostTransport({ address, connector: this.#links[at], clock });
  }

  connect(transport: Transport, options: Partial<ConnectOptions> = {}): Promise<NvmeHost> {
    const connecting = connect({
      hostNqn: "nqn.2024-01.org.example:host",
      hostId: "01234567-89ab-4def-8123-456789abcdef",
      transport,
      subsystemNqn: NQN,
      keepAliveTimeoutMs: 1_000,
      reconnect: { delayMs: 200, delayMaxMs: 500 },
      ...options,
    });
    return during(this.clock, connecting);
  }

  way(host: NvmeHost, at: number): Way {
    return {
      name: `port ${at}`,
      path: host.group.controllers[at]!,
      drop: () => this.#ports[at]!.close("drop"),
      restore: async () => this.#listen(at),
    };
  }

  async close(host: NvmeHost): Promise<void> {
    await during(this.clock, host.close());
    await during(this.clock, this.target.close());
  }
}

// What a soak runs on: a target, three proxies in front of it, a host with two ways, and its load.
// Read first: soak.ts; DESIGN.md §4 for what a host does when a way is gone.

import { type MemoryDevice, memoryDevice } from "@nvmeof/bdev";
import { type ConnectOptions, type NvmeHost, connect } from "@nvmeof/bdev/nvme";
import type { Random } from "@nvmeof/core";
import { type Served, serve } from "@nvmeof/target/node";
import { VerifiedLoad } from "@nvmeof/tools";
import { systemClock, tcp } from "@nvmeof/transport/node";
import { type Ledger, watched } from "./ledger.ts";
import { SoakProxy } from "./proxy.ts";

const NQN = "nqn.2026-01.dev.nvmeof:soak";
const BLOCK_BYTES = 512;
const BLOCKS = 8_192;
const LARGE_BYTES = 64 * 1024;

/** How it is set up. */
export interface StageOptions {
  readonly ledger: Ledger;
  readonly random: Random;
  /** KATO of all hosts, ms: by which a black hole is noticed. */
  readonly keepAliveMs: number;
}

/** Everything, running. */
export interface Stage {
  readonly served: Served;
  /** Two ways of the host that stays; a third one for those that come and go. */
  readonly proxies: {
    readonly first: SoakProxy;
    readonly second: SoakProxy;
    readonly guests: SoakProxy;
  };
  readonly host: NvmeHost;
  /** Small requests, and some large ones: those that go in a capsule, and those that wait for R2T. */
  readonly loads: readonly VerifiedLoad[];
  /** Who comes and goes. */
  readonly guest: ConnectOptions;
}

const disk = (name: string): MemoryDevice =>
  memoryDevice({ name, clock: systemClock, blockBytes: BLOCK_BYTES, blockCount: BLOCKS });

const options = (port: number, id: number, keepAliveTimeoutMs: number): ConnectOptions => {
  const hostId = `00000000-0000-4000-8000-${String(id).padStart(12, "0")}`;
  return {
    // Digests on: what the proxy would change by mistake must not pass for data.
    transport: tcp({ host: "127.0.0.1", port, headerDigest: true, dataDigest: true }),
    hostNqn: `nqn.2014-08.org.nvmexpress:uuid:${hostId}`,
    hostId,
    subsystemNqn: NQN,
    keepAliveTimeoutMs,
    connectTimeoutMs: 3 * keepAliveTimeoutMs,
    reconnect: { delayMs: 50, delayMaxMs: 500, jitter: 0.5, fastFailMs: 0, lossMs: -1 },
  };
};

/** Sets everything up, and starts the load. */
export async function openStage({ ledger, random, keepAliveMs }: StageOptions): Promise<Stage> {
  const served = await serve({
    nqn: NQN,
    port: 0,
    allowedHosts: "any",
    namespaces: [disk("small"), disk("large")],
    limits: { keepAliveGranularityMs: 100 },
  });
  const [first, second, guests] = (await Promise.all(
    Array.from({ length: 3 }, () => SoakProxy.listen(served.address)),
  )) as [SoakProxy, SoakProxy, SoakProxy];
  const host = await connect({
    ...options(first.port, 1, keepAliveMs),
    ioQueues: 2,
    // Nothing gives up: a request that fails is a fault of ours.
    retry: { samePathMax: -1, switchesMax: 1_000_000, elapsedMaxMs: 600_000 },
  });
  await host.addPath(options(second.port, 1, keepAliveMs).transport);
  const [small, large] = await Promise.all([1, 2].map((nsid) => host.openNamespace(nsid)));
  const shared = { clock: systemClock, random };
  const loads = [
    new VerifiedLoad({ ...shared, device: watched(small!, ledger), lanes: 16 }),
    new VerifiedLoad({
      ...shared,
      device: watched(large!, ledger),
      lanes: 4,
      requestBytes: LARGE_BYTES,
    }),
  ];
  const guest = options(guests.port, 2, keepAliveMs);
  return { served, proxies: { first, second, guests }, host, loads, guest };
}

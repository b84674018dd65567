// Failover and reconnect against a target in this process, in virtual time: nothing here is a mock.

import { type MemoryDevice, memoryDevice } from "@nvmeof/bdev";
import { type NvmeHost, connect } from "@nvmeof/bdev/nvme";
import { seededRandom } from "@nvmeof/core";
import { Target, type TargetPort } from "@nvmeof/target";
import { MemoryPort, type Transport, hostTransport } from "@nvmeof/transport";
import { VirtualClock } from "@nvmeof/transport/testing";
import { expect, test } from "vitest";
import { runFailover, runReconnect } from "./outage.ts";
import type { Way } from "./way.ts";

const NQN = "nqn.2024-01.org.example:outage";
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Lets time pass until `work` has ended. */
async function during<T>(clock: VirtualClock, work: Promise<T>): Promise<T> {
  const state = { over: false };
  const over = (): void => void (state.over = true);
  work.then(over, over);
  for (await turn(); !state.over; await turn()) clock.advance(1);
  return work;
}

/** A target with one disk and the ports that a test drops and restores. */
class Lab {
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

  connect(transport: Transport): Promise<NvmeHost> {
    const connecting = connect({
      hostNqn: "nqn.2024-01.org.example:host",
      hostId: "01234567-89ab-4def-8123-456789abcdef",
      transport,
      subsystemNqn: NQN,
      keepAliveTimeoutMs: 1_000,
      reconnect: { delayMs: 200, delayMaxMs: 500 },
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

const random = seededRandom(7);

test("with two paths, writes go on over the other one and nothing is lost or wrong", async () => {
  const lab = new Lab();
  const host = await lab.connect(lab.transport(0));
  await during(lab.clock, host.addPath(lab.transport(1)));
  const device = await host.openNamespace(1);
  const ways = [lab.way(host, 0), lab.way(host, 1)];
  const { clock } = lab;
  const report = await during(clock, runFailover({ device, clock, random, ways, rounds: 3 }));
  expect(report).toMatchObject({ rounds: 3, errors: 0, mismatches: 0, fenceMs: 2_000 });
  expect(report.heldWrites).toBeGreaterThan(0);
  // Only writes of unknown outcome wait; others are answered by the other path at once.
  expect(report.longestStallMs).toBeGreaterThanOrEqual(2_000);
  expect(report.longestStallMs).toBeLessThan(2_200);
  expect(report.longestSilenceMs).toBeLessThan(100);
  const told = report.timeline.map(({ what }) => what);
  expect(told.filter((what) => / live → (recovering|waiting)/.test(what))).toHaveLength(3);
  expect(told.filter((what) => / recovering → live/.test(what))).toHaveLength(3);
  expect(told.some((what) => what.includes("held for 2.00 s (2 × KATO)"))).toBe(true);
  await lab.close(host);
});

test("with one path, requests wait until the port is back and then go on", async () => {
  const lab = new Lab();
  const host = await lab.connect(lab.transport(0));
  const device = await host.openNamespace(1);
  const { clock } = lab;
  const way = lab.way(host, 0);
  const report = await during(clock, runReconnect({ device, clock, random, way, outageMs: 4_000 }));
  expect(report).toMatchObject({ errors: 0, mismatches: 0 });
  expect(report.outageMs).toBeGreaterThanOrEqual(4_000);
  expect(report.outageMs).toBeLessThan(4_700);
  expect(report.attempts).toBeGreaterThan(4);
  expect(report.longestSilenceMs).toBeGreaterThanOrEqual(4_000);
  const told = report.timeline.map(({ what }) => what).join("\n");
  expect(told).toMatch(/live → recovering[^]*recovering → waiting[^]*recovering → live/);
  await lab.close(host);
});

test("a controller that gives up ends the scenario with its reason", async () => {
  const lab = new Lab();
  const host = await lab.connect(lab.transport(0));
  const device = await host.openNamespace(1);
  const { clock } = lab;
  const way: Way = { ...lab.way(host, 0), restore: async () => void (await host.close()) };
  const scenario = runReconnect({ device, clock, random, way, outageMs: 300 });
  await expect(during(clock, scenario)).rejects.toMatchObject({ code: "NVME_ERR_UNREACHABLE" });
  await lab.close(host);
});

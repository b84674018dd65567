// Referrals: the discovery service asks those whom a log refers to, as far as the bounds allow.
// Read first: packages/bdev/src/nvme/discovery-service.ts; discovery-service.test.ts for a single log.

import { memoryDevice } from "@nvmeof/bdev";
import {
  DiscoveryService,
  type DiscoveryServiceEvent,
  type DiscoveryServiceOptions,
} from "@nvmeof/bdev/nvme";
import { Target } from "@nvmeof/target";
import { expect, test } from "vitest";
import { CLOSE_BOUND_MS, expectNothingLeft } from "./expectations.ts";
import { FaultyPort } from "./faulty-port.ts";
import { BLOCK_BYTES, NQN, World } from "./world.ts";

const addressOf = (at: number) => ({ trtype: "loop", traddr: `port${at}`, trsvcid: "" });
const textOf = (at: number): string => `loop port${at}`;
const nqnOf = (at: number): string => `${NQN}-${at}`;

/** Targets 0 to `count` - 1, each with a port of its own, a discovery controller and a subsystem. */
class Region {
  /** Its other ports are ports of bytes as well. */
  readonly world = new World({ over: "tcp" });
  readonly targets: Target[];
  readonly service: DiscoveryService;
  readonly events: DiscoveryServiceEvent[] = [];

  constructor(count: number, options: Partial<DiscoveryServiceOptions> = {}) {
    const { world } = this;
    this.targets = [world.target];
    for (let at = 1; at < count; at++) this.#addTarget(at);
    const { hostNqn, hostId } = world.controllerOptions();
    this.service = new DiscoveryService({
      transport: world.transport(0),
      hostNqn,
      hostId,
      name: "nvme",
      open: ({ traddr }) => {
        const at = Number(traddr.replace("port", ""));
        return world.ports[at] && world.transport(at);
      },
      ...options,
    });
    this.service.observe((event) => this.events.push(event));
  }

  #addTarget(at: number): void {
    const { clock, ports } = this.world;
    const target = new Target({ clock });
    const listener = new FaultyPort(`port${at}`, clock);
    ports.push(listener);
    const device = memoryDevice({ name: `d${at}`, clock, blockBytes: BLOCK_BYTES, blockCount: 64 });
    target.addSubsystem({ nqn: nqnOf(at), allowedHosts: "any", namespaces: [{ device }] });
    target.listen({ listener, address: addressOf(at) });
    this.targets.push(target);
  }

  /** The log of target `from` refers to the discovery controllers of these, and of no others. */
  refers(from: number, ...to: number[]): void {
    this.targets[from]!.setReferrals(to.map((at) => ({ address: addressOf(at) })));
  }

  start(): Promise<void> {
    return this.world.run(this.service.start());
  }

  /** Addresses of what is attached. */
  get attached(): string[] {
    const paths = this.service.groups.flatMap(({ controllers }) => controllers);
    return paths.map(({ controller }) => controller.address.traddr).toSorted();
  }

  /** Addresses that events of a type were about. */
  told(type: "referral-added" | "referral-removed" | "referral-ignored" | "log-failed"): string[] {
    return this.events.flatMap((event) => (event.type === type ? [event.address] : []));
  }
}

test("what a log refers to is attached with the first logs, however far it is, within the depth", async () => {
  const region = new Region(4);
  region.refers(0, 1, 2);
  region.refers(2, 3);
  await region.start();
  expect(region.attached).toEqual(["port0", "port1", "port2", "port3"]);
  expect(region.told("referral-added")).toEqual([textOf(1), textOf(2), textOf(3)]);
});

test("a log that is referred to is followed: what comes is attached, what goes is detached", async () => {
  const region = new Region(2);
  region.refers(0, 1);
  await region.start();
  region.targets[1]!.removeSubsystem(nqnOf(1));
  await region.world.pass(3_000);
  expect(region.attached).toEqual(["port0"]);
  region.targets[1]!.addSubsystem({ nqn: nqnOf(7), allowedHosts: "any" });
  await region.world.pass(100);
  expect(region.attached).toEqual(["port0", "port1"]);
});

test("a referral that goes takes along what only it led to, and is asked no more", async () => {
  const region = new Region(4);
  region.refers(0, 1, 3);
  region.refers(1, 2);
  region.refers(3, 2);
  await region.start();
  expect(region.attached).toHaveLength(4);
  region.refers(0, 3);
  await region.world.pass(3_000);
  expect(region.attached).toEqual(["port0", "port2", "port3"]);
  expect(region.told("referral-removed")).toEqual([textOf(1)]);
  expect(region.targets[1]!.status.connections).toBe(0);
  region.refers(0);
  await region.world.pass(3_000);
  expect(region.attached).toEqual(["port0"]);
  region.refers(0, 1);
  await region.world.pass(3_000);
  expect(region.attached).toEqual(["port0", "port1", "port2"]);
});

test("logs that refer to each other, or to themselves, are each asked once", async () => {
  const region = new Region(3);
  region.refers(0, 0, 1, 2);
  region.refers(1, 0, 1, 2);
  region.refers(2, 1, 0);
  await region.start();
  await region.world.pass(60_000);
  expect(region.told("referral-added")).toEqual([textOf(1), textOf(2)]);
  // One discovery controller each, and the one of the subsystem.
  expect(region.targets.map(({ status }) => status.controllers)).toEqual([2, 2, 2]);
});

test("referrals are followed to a depth, and what lies beyond is told once", async () => {
  const region = new Region(5, { referrals: { depthMax: 2 } });
  for (let at = 0; at < 4; at++) region.refers(at, at + 1);
  await region.start();
  expect(region.attached).toEqual(["port0", "port1", "port2"]);
  region.targets[0]!.removeSubsystem(nqnOf(0));
  region.targets[0]!.addSubsystem({ nqn: nqnOf(9), allowedHosts: "any" });
  await region.world.pass(3_000);
  expect(region.told("referral-ignored")).toEqual([textOf(3)]);
  const none = new Region(2, { referrals: { depthMax: 0 } });
  none.refers(0, 1);
  await none.start();
  expect(none.attached).toEqual(["port0"]);
});

test("no more discovery controllers are asked than the bound says", async () => {
  const region = new Region(5, { referrals: { controllersMax: 2 } });
  region.refers(0, 1, 2, 3, 4);
  await region.start();
  expect(region.attached).toEqual(["port0", "port1", "port2"]);
  expect(region.told("referral-ignored")).toEqual([textOf(3), textOf(4)]);
  // With one of them gone there is room for the next.
  region.refers(0, 2, 3, 4);
  await region.world.pass(3_000);
  expect(region.attached).toEqual(["port0", "port2", "port3"]);
  expect(() => new Region(1, { referrals: { controllersMax: -1 } })).toThrow(RangeError);
  expect(() => new Region(1, { referrals: { depthMax: Number.NaN } })).toThrow(RangeError);
});

test.each(["refuse", "ignore"] as const)(
  "one that cannot be reached (%s) holds nobody up, and is attached when it can be",
  async (how) => {
    const region = new Region(3);
    region.refers(0, 1, 2);
    region.world.ports[1]![how]();
    await region.start();
    // The time to connect, no more: the first log was there at once.
    expect(region.world.clock.nowMs()).toBeLessThanOrEqual(3_300);
    expect(region.attached).toEqual(["port0", "port2"]);
    expect(region.told("log-failed")).toEqual([textOf(1)]);
    region.world.ports[1]!.heal();
    await region.world.pass(60_000);
    expect(region.attached).toEqual(["port0", "port1", "port2"]);
  },
);

test("one that is lost keeps what it had until it says otherwise", async () => {
  const region = new Region(2);
  region.refers(0, 1);
  await region.start();
  const [, port] = region.world.ports;
  port!.refuse();
  // Its discovery controller only: the subsystem's has connections of its own.
  port!.links[0]!.reset();
  await region.world.pass(30_000);
  expect(region.attached).toEqual(["port0", "port1"]);
});

test("stop is bounded, also with a discovery controller that is silent or still being connected", async () => {
  const region = new Region(4);
  const { world } = region;
  region.refers(0, 1, 2);
  await region.start();
  world.ports[2]!.blackhole();
  world.ports[3]!.ignore();
  region.refers(0, 1, 2, 3);
  await world.pass(100);
  const startedMs = world.clock.nowMs();
  await world.run(region.service.stop());
  expect(world.clock.nowMs() - startedMs).toBeLessThanOrEqual(CLOSE_BOUND_MS);
  expect(region.attached).toEqual([]);
  expectNothingLeft(world);
});

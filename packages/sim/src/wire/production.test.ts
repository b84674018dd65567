// What the production host and target say to each other is right by the wire checker, in any weather.

import { type BlockChannel, BlockOp, memoryDevice } from "@nvmeof/bdev";
import { NvmeGroup } from "@nvmeof/bdev/nvme";
import { Target } from "@nvmeof/target";
import { hostTransport } from "@nvmeof/transport";
import { VirtualClock, eventually, resultOf } from "@nvmeof/transport/testing";
import { expect, test } from "vitest";
import type { NetworkEvents } from "../network/link.ts";
import { SimNetwork } from "../network/network.ts";
import { CALM, type Weather } from "../network/weather.ts";
import { SimRandom } from "../random.ts";
import { WireChecker } from "./checker.ts";

const NQN = "nqn.2026-01.dev.nvmeof:wire";
const HOST_ID = "6d1f9c1e-0b5a-4f5e-9c39-0d8a4c0b7e11";
const BLOCK_BYTES = 512;
const address = { trtype: "loop", traddr: "port0", trsvcid: "" };

interface Shape {
  readonly name: string;
  readonly headerDigest?: boolean;
  readonly dataDigest?: boolean;
  readonly pda?: number;
  readonly disableSqFlow?: boolean;
  readonly queueEntries?: number;
  readonly weather?: Partial<Weather>;
}

const shapes: readonly Shape[] = [
  { name: "plain" },
  { name: "header digests", headerDigest: true },
  {
    name: "both digests, cut and lossy",
    headerDigest: true,
    dataDigest: true,
    weather: { cut: "random", jitterMs: 3, lossOneIn: 50 },
  },
  { name: "alignment and flow control", pda: 3, disableSqFlow: false, queueEntries: 4 },
  { name: "digested data far apart", dataDigest: true, pda: 31, queueEntries: 2 },
  { name: "a byte at a time", disableSqFlow: false, weather: { cut: "bytes" } },
];

/** Timers that any of these waits may take. */
const STEPS_MAX = 100_000;

/** Reads and writes of many sizes at once; resolves when all are settled. */
async function load(clock: VirtualClock, channel: BlockChannel, random: SimRandom): Promise<void> {
  let open = 0;
  const errors: unknown[] = [];
  for (let at = 0; at < 60; at++) {
    const op = random.pick([BlockOp.Read, BlockOp.Write, BlockOp.Flush]);
    const blockCount = op === BlockOp.Flush ? 0 : random.between(1, random.pick([1, 8, 100, 600]));
    const data = op === BlockOp.Flush ? undefined : new Uint8Array(blockCount * BLOCK_BYTES);
    data?.fill(random.below(256));
    open++;
    channel.submit({ op, lba: random.below(3_000), blockCount, data }, (error) => {
      open--;
      if (error !== undefined) errors.push(error);
    });
  }
  await eventually(clock, () => open === 0, STEPS_MAX);
  expect(errors).toEqual([]);
}

/** The host of a world, with one device whose target is behind one port. */
async function attached(clock: VirtualClock, network: SimNetwork, shape: Shape) {
  const { pda = 0, headerDigest = false, dataDigest = false } = shape;
  const listener = network.port("port0");
  const device = memoryDevice({ name: "disk", clock, blockBytes: BLOCK_BYTES, blockCount: 4096 });
  const target = new Target({ clock });
  target.addSubsystem({ nqn: NQN, allowedHosts: "any", namespaces: [{ device }] });
  target.listen({ listener, portId: 1, address, pda });
  const group = new NvmeGroup({ name: "nvme0" });
  const connector = listener.connectorOf("host0");
  const attaching = group.attach({
    transport: [hostTransport({ address, connector, clock, headerDigest, dataDigest, pda })],
    hostNqn: `nqn.2014-08.org.nvmexpress:uuid:${HOST_ID}`,
    hostId: HOST_ID,
    subsystemNqn: NQN,
    disableSqFlow: shape.disableSqFlow ?? true,
    queueEntries: shape.queueEntries ?? 32,
  });
  await resultOf(clock, attaching, STEPS_MAX);
  return { group, target };
}

test.each(shapes)("$name", async (shape) => {
  const clock = new VirtualClock();
  const complaints: string[] = [];
  const complain = (invariant: string, message: string): void =>
    void complaints.push(`${invariant} ${message}`);
  const checker = new WireChecker(complain);
  let seenBytes = 0;
  const events: NetworkEvents = {
    complain,
    bytes: (connection, direction, buffer, start, end, moment) => {
      seenBytes += end - start;
      checker.bytes(connection, direction, buffer, start, end, moment);
    },
    gone: (connection, side, how) => checker.gone(connection, side, how),
  };
  const weather = { ...CALM, ...shape.weather };
  const network = new SimNetwork(clock, new SimRandom(1), events, weather);
  const { group, target } = await attached(clock, network, shape);
  const channel = group.devices[0]!.openChannel();
  await load(clock, channel, new SimRandom(2));
  channel.close();
  await resultOf(clock, group.close(), STEPS_MAX);
  await resultOf(clock, target.close(), STEPS_MAX);
  clock.drain();
  expect(complaints).toEqual([]);
  expect(seenBytes).toBeGreaterThan(500_000);
  expect(network.connections).toBe(0);
});

test.each([
  { harm: "header", harmOneIn: 20 },
  { harm: "payload", harmOneIn: 2 },
] as const)(
  "a $harm that is harmed on its way is never taken for what was sent, and its sender is not blamed",
  async (weather) => {
    const clock = new VirtualClock();
    const complaints: string[] = [];
    const complain = (invariant: string): void => void complaints.push(invariant);
    const checker = new WireChecker(complain);
    let harmed = 0;
    const events: NetworkEvents = {
      complain,
      bytes: (...bytes) => checker.bytes(...bytes),
      gone: (connection, side, how) => checker.gone(connection, side, how),
      befell: () => harmed++,
    };
    const network = new SimNetwork(clock, new SimRandom(4), events);
    const shape = { name: "digests", headerDigest: true, dataDigest: true };
    const { group, target } = await attached(clock, network, shape);
    const channel = group.devices[0]!.openChannel();
    await load(clock, channel, new SimRandom(2));
    network.apply({ kind: "weather", weather });
    let settled = 0;
    for (let lba = 0; lba < 100; lba++) {
      const data = new Uint8Array(4 * BLOCK_BYTES).fill(lba + 1);
      channel.submit({ op: BlockOp.Write, lba: lba * 4, blockCount: 4, data }, (lost) => {
        const back = new Uint8Array(4 * BLOCK_BYTES);
        channel.submit({ op: BlockOp.Read, lba: lba * 4, blockCount: 4, data: back }, (error) => {
          settled++;
          if (lost === undefined && error === undefined) expect(back).toEqual(data);
        });
      });
    }
    await eventually(clock, () => settled === 100, STEPS_MAX);
    network.healAll();
    channel.close();
    await resultOf(clock, group.close(), STEPS_MAX);
    await resultOf(clock, target.close(), STEPS_MAX);
    clock.drain();
    expect(harmed).toBeGreaterThan(2);
    expect(complaints).toEqual([]);
    expect(network.connections).toBe(0);
  },
);

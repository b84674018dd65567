// The scenarios "failover" and "reconnect": ports of a target go and come back under verified writes.
// Read first: @nvmeof/tools outage.ts, which plays them; this file is the target and the host.

import type { MemoryDevice } from "@nvmeof/bdev";
import type { ConnectOptions, NvmeHost } from "@nvmeof/bdev/nvme";
import { Target, type TargetPort } from "@nvmeof/target";
import {
  type FailoverReport,
  type ReconnectReport,
  type Timeline,
  type Way,
  runFailover,
  runReconnect,
} from "@nvmeof/tools";
import { type TcpAddress, systemClock, tcpListen } from "@nvmeof/transport/node";
import type { Report } from "../context.ts";
import { CliError } from "../errors.ts";
import { formatMs } from "../units.ts";
import { NQN, type Stage, disk } from "./stage.ts";

const LOOPBACK = "127.0.0.1";
/** Writers side by side; each has blocks of its own. */
const LANES = 16;
/** A write whose outcome is not known is held for twice this long. */
const KEEP_ALIVE_MS = 1_000;
/** Often enough for people to see it, and patient enough for any outage that they ask for. */
const RECONNECT = { delayMs: 250, delayMaxMs: 1_000, fastFailMs: 0, lossMs: -1 };
const REST_MS = 60_000;

/** A port of the target, which can be taken away and given back. */
interface Door {
  readonly address: TcpAddress;
  readonly drop: () => void;
  readonly restore: () => Promise<void>;
}

async function openDoor(target: Target): Promise<Door> {
  let port: TargetPort;
  const listen = async (wanted: TcpAddress): Promise<TcpAddress> => {
    const { connectionsMax } = target.limits;
    const listener = await tcpListen(wanted, { connectionsMax });
    const { host, port: trsvcid } = listener.address;
    port = target.listen({
      listener,
      address: { trtype: "tcp", traddr: host, trsvcid: String(trsvcid) },
    });
    return listener.address;
  };
  const address = await listen({ host: LOOPBACK, port: 0 });
  return {
    address,
    drop: () => port.close("drop"),
    restore: async () => void (await listen(address)),
  };
}

/** Target, doors and host of one outage. */
interface Scene {
  readonly host: NvmeHost;
  readonly ways: readonly Way[];
}

/** Sets up a target with so many ports and a host with a path by each, and takes it down again. */
async function withScene<T>(
  stage: Stage,
  doors: number,
  play: (scene: Scene) => Promise<T>,
): Promise<T> {
  const device: MemoryDevice = disk(stage.options, LANES);
  // A host is noticed to be gone after its KATO: where traffic counts for it, that would be later.
  const target = new Target({ clock: systemClock, trafficKeepAlive: false });
  try {
    target.addSubsystem({ nqn: NQN, namespaces: [{ device }] });
    const open: Door[] = [];
    for (let i = 0; i < doors; i++) open.push(await openDoor(target));
    await stage.tellServing(device, ...open.map(({ address }) => address));
    const patience: Partial<ConnectOptions> = {
      keepAliveTimeoutMs: KEEP_ALIVE_MS,
      reconnect: RECONNECT,
      retry: { switchesMax: 1_000, elapsedMaxMs: stage.options.outage + REST_MS },
    };
    const { host } = await stage.connect(open[0]!.address, patience);
    return await stage.withHost(host, async () => {
      for (const { address } of open.slice(1)) {
        await host.addPath(stage.transport(address), stage.context.signal);
        await stage.tell(`a second path by ${address.host}:${address.port}`);
      }
      const ways = open.map(({ address, drop, restore }, i) => {
        const name = `path ${i + 1} (port ${address.port})`;
        return { name, path: host.group.controllers[i]!, drop, restore };
      });
      return play({ host, ways });
    });
  } finally {
    await target.close();
    await device.close();
  }
}

/** The self test: nothing lost, nothing wrong. */
function check({ errors, firstError, mismatches }: FailoverReport | ReconnectReport): void {
  if (mismatches > 0) {
    throw new CliError("NVME_ERR_MISMATCH", `${mismatches} blocks do not hold what was written`);
  }
  if (errors > 0) throw firstError!;
}

/** What both scenarios are run with. */
const means = ({ clock, random, context }: Stage, timeline: Timeline) => ({
  clock,
  random,
  lanes: LANES,
  timeline,
  signal: context.signal,
});

export async function failover(stage: Stage): Promise<Report> {
  await stage.tellHeading("Take a path away under verified writes");
  const report = await withScene(stage, 2, async ({ host, ways }) => {
    const device = await host.openNamespace(1);
    return stage.telling((timeline) =>
      runFailover({
        ...means(stage, timeline),
        device,
        ways,
        rounds: stage.options.rounds,
      }),
    );
  });
  const { timeline, firstError: _firstError, ...failover } = report;
  const data = { scenario: "failover", timeline, failover };
  stage.context.partial = data;
  check(report);
  const text = (): string =>
    `\n${report.rounds} times a path was lost: no error, no mismatch, and never more than ` +
    `${formatMs(report.longestSilenceMs)} without an answer.\n`;
  return { data, text };
}

export async function reconnect(stage: Stage): Promise<Report> {
  await stage.tellHeading("Take the only path away under verified writes");
  const report = await withScene(stage, 1, async ({ host, ways }) => {
    const device = await host.openNamespace(1);
    return stage.telling((timeline) =>
      runReconnect({
        ...means(stage, timeline),
        device,
        way: ways[0]!,
        outageMs: stage.options.outage,
      }),
    );
  });
  const { timeline, firstError: _firstError, ...reconnect } = report;
  const data = { scenario: "reconnect", timeline, reconnect };
  stage.context.partial = data;
  check(report);
  const text = (): string =>
    `\n${formatMs(report.outageMs)} without a target: requests waited, no error, no mismatch.\n`;
  return { data, text };
}

// The scenario "fencing": a path falls silent in the middle of writes, and its target does them late.
// Read first: @nvmeof/tools fencing.ts, which plays it; this file is the target and the host.

import { connect } from "@nvmeof/bdev/nvme";
import { Target } from "@nvmeof/target";
import { systemRandom } from "@nvmeof/target/node";
import { type FencingReport, LateDevice, SilentConnector, runFencing } from "@nvmeof/tools";
import { hostTransport } from "@nvmeof/transport";
import { systemClock, tcpConnector, tcpListen } from "@nvmeof/transport/node";
import type { Report } from "../context.ts";
import { CliError } from "../errors.ts";
import { newIdentity } from "../identity.ts";
import { NQN, type Stage, disk } from "./stage.ts";

const LOOPBACK = "127.0.0.1";
const BLOCKS = 16;
const KEEP_ALIVE_MS = 1_000;
/** How late the disk is, and what the target says of it: an honest one says more (CQT). */
const LATE_MS = 4_000;
const QUIESCE_MS = 5_000;
const PATHS = [1, 2];

/** A target with a disk that can be late, and an address for each path. */
async function openTarget(late: LateDevice) {
  const target = new Target({
    clock: systemClock,
    random: systemRandom,
    trafficKeepAlive: false,
    limits: { commandQuiesceTimeMs: QUIESCE_MS },
  });
  target.addSubsystem({ nqn: NQN, namespaces: [{ device: late }] });
  const addresses = [];
  for (const _path of PATHS) {
    const listener = await tcpListen({ host: LOOPBACK, port: 0 });
    const { host, port } = listener.address;
    const address = { trtype: "tcp", traddr: host, trsvcid: String(port) };
    target.listen({ listener, address });
    addresses.push({ ...listener.address, address });
  }
  return { target, addresses };
}

/** The self test: with a fence nothing is lost. Without one it is shown what is. */
function check(stage: Stage, { staleBlocks }: FencingReport): void {
  if (staleBlocks === 0 || stage.options.withoutFencing === true) return;
  throw new CliError("NVME_ERR_MISMATCH", `${staleBlocks} blocks hold older data`);
}

const verdict = (stage: Stage, { blocks, held, staleBlocks, releasedBy }: FencingReport): string =>
  stage.options.withoutFencing === true
    ? `\nWithout fencing ${staleBlocks} of ${blocks} blocks lost newer data to an older write.\n`
    : `\n${held} writes were held until it was safe (${releasedBy}): no block lost newer data.\n`;

/** The paths of a host to those addresses, each of which can fall silent. */
function openPaths(
  { options }: Stage,
  addresses: Awaited<ReturnType<typeof openTarget>>["addresses"],
) {
  const { hdrDigest = false, dataDigest = false } = options;
  return addresses.map(({ address, host, port }, at) => {
    const connector = new SilentConnector(tcpConnector({ host, port }));
    const transport = hostTransport({
      address,
      connector,
      clock: systemClock,
      headerDigest: hdrDigest,
      dataDigest,
    });
    return { name: `path ${at + 1} (port ${port})`, connector, transport };
  });
}

/** Connects by both paths, and plays the scenario. */
async function play(
  stage: Stage,
  disk: LateDevice,
  [first, second]: ReturnType<typeof openPaths>,
): Promise<FencingReport> {
  const { signal } = stage.context;
  const host = await connect({
    ...newIdentity(),
    transport: first!.transport,
    subsystemNqn: NQN,
    keepAliveTimeoutMs: KEEP_ALIVE_MS,
    fencing: stage.options.withoutFencing === true ? "none" : "reset",
    signal,
  });
  return stage.withHost(host, async () => {
    await host.addPath(second!.transport, signal);
    const device = await host.openNamespace(1);
    const [one, two] = host.group.controllers;
    const ways = [
      { name: first!.name, path: one! },
      { name: second!.name, path: two! },
    ];
    const silence = (): void => first!.connector.silence();
    const { clock } = stage;
    const sizes = { lateMs: LATE_MS, blocks: BLOCKS };
    return stage.telling((timeline) =>
      runFencing({
        device,
        group: host.group,
        clock,
        ways,
        silence,
        disk,
        ...sizes,
        timeline,
        signal,
      }),
    );
  });
}

export async function fencing(stage: Stage): Promise<Report> {
  await stage.tellHeading("Lose a path in the middle of writes that the target does late");
  const device = disk(stage.options, BLOCKS);
  const late = new LateDevice(systemClock, device);
  const { target, addresses } = await openTarget(late);
  const paths = openPaths(stage, addresses);
  try {
    await stage.tellServing(device, ...addresses);
    const report = await play(stage, late, paths);
    const { timeline, ...fencing } = report;
    const data = { scenario: "fencing", timeline, fencing };
    stage.context.partial = data;
    check(stage, report);
    return { data, text: () => verdict(stage, report) };
  } finally {
    for (const { connector } of paths) connector.release();
    await target.close();
    await late.close();
    await device.close();
  }
}

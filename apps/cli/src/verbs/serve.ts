// `serve`: block devices as the namespaces of a subsystem, until somebody says that it is enough.

import { networkInterfaces } from "node:os";
import { type BlockDevice, memoryDevice } from "@nvmeof/bdev";
import { openFileDevice } from "@nvmeof/bdev/node";
import { Target } from "@nvmeof/target";
import { DEFAULT_NQN, systemRandom } from "@nvmeof/target/node";
import { type TcpAddress, fcListen, systemClock, tcpListen } from "@nvmeof/transport/node";
import { type TransportType, formatAddress } from "../address.ts";
import type { Context, Report, Verb } from "../context.ts";
import { CliError, usage } from "../errors.ts";
import { replaceFile } from "../files.ts";
import type { Backing, ListenAddress, ServeOptions } from "../serve-options.ts";
import type { Style } from "../style.ts";
import { DISCOVERY_PORT, IO_PORT } from "../target-options.ts";
import { formatBytes } from "../units.ts";

const LOOPBACK = "127.0.0.1";

const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || /^127(\.\d+){3}$/.test(host);

/** Where it listens, and what hosts are told. */
interface Place extends ListenAddress {
  readonly advertised: string;
}

/** What is served, and where: complete. */
interface Plan {
  readonly transport: TransportType;
  readonly nqn: string;
  readonly allowedHosts: "any" | readonly string[];
  readonly backings: readonly Backing[];
  readonly listen: readonly ListenAddress[];
  readonly discovery: ListenAddress;
}

function planOf(options: ServeOptions): Plan {
  const backings = [...(options.mem ?? []), ...(options.file ?? [])];
  if (backings.length === 0) {
    throw usage("there is nothing to serve", "Give --mem 64M, or --file disk.img.");
  }
  const listen = options.listen ?? [{ host: LOOPBACK, port: IO_PORT }];
  const discovery = options.discovery ?? {
    host: LOOPBACK,
    port: options.discoveryPort ?? DISCOVERY_PORT,
  };
  const isNamed = options.allowHost !== undefined || options.allowAnyHost === true;
  const open = [...listen, discovery].find(({ host }) => !isLoopback(host));
  if (open !== undefined && !isNamed) {
    throw usage(
      `other machines can reach ${open.host}, and nobody said which hosts may connect`,
      "Name them with --allow-host, or say --allow-any-host.",
    );
  }
  return {
    transport: options.transport,
    nqn: options.nqn ?? DEFAULT_NQN,
    allowedHosts: options.allowAnyHost === true ? "any" : (options.allowHost ?? "any"),
    backings: backings.sort((a, b) => a.order - b.order),
    listen,
    discovery,
  };
}

async function openDevice(backing: Backing, blockBytes: number): Promise<BlockDevice> {
  if (backing.kind === "file") return openFileDevice(backing.path, { blockBytes });
  const { bytes, order } = backing;
  if (bytes % blockBytes !== 0 || bytes === 0) {
    const message = `--mem ${bytes}: no whole number of blocks of ${blockBytes} bytes`;
    throw new CliError("NVME_ERR_UNALIGNED", message, { hint: "Give it as 64M or 1G." });
  }
  const name = `memory ${order + 1}`;
  const blockCount = bytes / blockBytes;
  return memoryDevice({
    name,
    clock: systemClock,
    blockBytes,
    blockCount,
    memoryBytesMax: Infinity,
  });
}

/** An address of this machine that others may know it by. */
function reachable(host: string): string {
  if (host !== "0.0.0.0" && host !== "::") return host;
  const all = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  const family = host === "::" ? "IPv6" : "IPv4";
  const outward = all.find((each) => !each.internal && each.family === family);
  return outward?.address ?? (host === "::" ? "::1" : LOOPBACK);
}

async function listenAt(
  target: Target,
  trtype: TransportType,
  wanted: ListenAddress,
  advertise: string | undefined,
  offers: "all" | "discovery",
): Promise<Place> {
  let bound: TcpAddress;
  try {
    const { connectionsMax } = target.limits;
    const listen = trtype === "fc" ? fcListen : tcpListen;
    const listener = await listen(wanted, { connectionsMax });
    bound = listener.address;
    const traddr = advertise ?? reachable(bound.host);
    const address = { trtype, traddr, trsvcid: String(bound.port) };
    target.listen({ listener, address, offers });
    return { ...bound, advertised: traddr };
  } catch (error) {
    if (!(error instanceof Error) || !("hint" in error)) throw error;
    const hint = typeof error.hint === "string" ? error.hint : undefined;
    throw new CliError("NVME_ERR_LISTEN", error.message, { hint, cause: error });
  }
}

/** What people are shown when it is ready, with commands to copy. */
function readyText(plan: Plan, devices: readonly BlockDevice[], listen: Place, discovery: Place) {
  const { nqn, transport } = plan;
  const at = { transport, host: listen.advertised, port: listen.port, subsystemNqn: nqn };
  const found = { transport, host: discovery.advertised, port: discovery.port };
  // The kernel's FC wants hardware: only our own command speaks to a software port.
  const forNvmeCli =
    transport === "fc"
      ? []
      : [
          `nvme discover -t tcp -a ${found.host} -s ${found.port}`,
          `nvme connect -t tcp -a ${at.host} -s ${at.port} -n ${nqn}`,
        ];
  return (style: Style): string =>
    [
      style.bold(`serving ${nqn}`),
      ...devices.map(({ name, blockBytes, blockCount }, i) => {
        const size = formatBytes(blockBytes * blockCount);
        return `  namespace ${i + 1}: ${size}, blocks of ${blockBytes} bytes, ${name}`;
      }),
      `  subsystem at ${listen.host}:${listen.port}, discovery at ${discovery.host}:${discovery.port}`,
      "",
      `nvmeof discover ${formatAddress(found)}`,
      `nvmeof list ${formatAddress(at)}`,
      ...forNvmeCli,
      "",
      "ready",
      "",
    ].join("\n");
}

function readyReport(
  plan: Plan,
  devices: readonly BlockDevice[],
  places: readonly Place[],
): Report {
  const listen = places[0]!;
  const discovery = places.at(-1)!;
  const data = {
    nqn: plan.nqn,
    listen,
    discovery,
    listeners: places.slice(0, -1),
    uri: formatAddress({
      transport: plan.transport,
      host: listen.advertised,
      port: listen.port,
      subsystemNqn: plan.nqn,
    }),
    namespaces: devices.map(({ name, blockBytes, blockCount }, i) => ({
      nsid: i + 1,
      name,
      blockBytes,
      blockCount,
    })),
  };
  return { data, text: readyText(plan, devices, listen, discovery) };
}

function tellEvents(target: Target, { notes }: Context): void {
  target.observe((event) => {
    if (event.type === "controller-created")
      notes.detail(`${event.remote}: ${event.hostNqn} connected`);
    else if (event.type === "controller-removed") notes.detail(`${event.hostNqn}: ${event.reason}`);
    else if (event.type === "connect-refused") notes.detail(`${event.remote}: ${event.message}`);
    else if (event.type === "connection-refused") notes.detail(`${event.remote}: ${event.limit}`);
    else if (event.message !== "") notes.detail(`${event.remote}: ${event.message}`);
  });
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });

export const run: Verb<ServeOptions> = async (context, options) => {
  const plan = planOf(options);
  const target = new Target({ clock: systemClock, random: systemRandom });
  const devices: BlockDevice[] = [];
  try {
    for (const backing of plan.backings) {
      devices.push(await openDevice(backing, options.blockSize));
    }
    const { nqn, allowedHosts } = plan;
    const namespaces = devices.map((device) => ({ device }));
    target.addSubsystem({ nqn, allowedHosts, namespaces });
    tellEvents(target, context);
    const places: Place[] = [];
    for (const place of plan.listen) {
      places.push(await listenAt(target, plan.transport, place, options.advertise, "all"));
    }
    // A host that connects to all that it finds must not find each namespace twice.
    const { transport, discovery } = plan;
    places.push(await listenAt(target, transport, discovery, options.advertise, "discovery"));
    const report = readyReport(plan, devices, places);
    if (options.readyFile !== undefined) {
      await replaceFile(options.readyFile, `${JSON.stringify(report.data)}\n`);
    }
    await context.publish(report);
    await aborted(context.signal);
    return undefined;
  } finally {
    const { abandonedRequests } = await target.close();
    if (abandonedRequests > 0) context.warn(`${abandonedRequests} requests did not end`);
    await Promise.all(devices.map((device) => device.close()));
  }
};

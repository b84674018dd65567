// `serve`: block devices as the namespaces of a subsystem, until somebody says that it is enough.

import { networkInterfaces } from "node:os";
import type { BlockDevice } from "@nvmeof/bdev";
import {
  type AllowedHost,
  type AllowedHosts,
  Target,
  type TargetEvent,
  type TargetLimits,
} from "@nvmeof/target";
import { authCrypto } from "@nvmeof/core/node";
import { DEFAULT_NQN, type ServeTlsOptions, listenFor, systemRandom } from "@nvmeof/target/node";
import { type TcpAddress, type TcpListener, fcListen, systemClock } from "@nvmeof/transport/node";
import { type TransportType, formatAddress, isLoopback } from "../address.ts";
import { allowedHostsOf } from "../authentication.ts";
import { type Backing, backingsOf, openBacking } from "../backing.ts";
import type { Context, Report, Verb } from "../context.ts";
import { cannotListen, usage } from "../errors.ts";
import { replaceFile } from "../files.ts";
import { limitsOf } from "../limit-options.ts";
import { deviceProvider } from "../device-provider.ts";
import { openOnlookers } from "../onlookers.ts";
import { PeerNotes } from "../peer-notes.ts";
import type { ListenAddress, ServeOptions } from "../serve-options.ts";
import type { Style } from "../style.ts";
import { DISCOVERY_PORT, IO_PORT } from "../target-options.ts";
import { keysOf, wantsTls } from "../tls-options.ts";
import type { Tracing } from "../trace.ts";
import { checkTraceable } from "../trace-options.ts";
import { formatBytes } from "../units.ts";

const LOOPBACK = "127.0.0.1";

/** Where it listens, and what hosts are told. */
interface Place extends ListenAddress {
  readonly advertised: string;
}

/** What is served, and where: complete. */
interface Plan {
  readonly transport: TransportType;
  readonly nqn: string;
  readonly allowedHosts: AllowedHosts;
  readonly backings: readonly Backing[];
  readonly listen: readonly ListenAddress[];
  readonly discovery: ListenAddress;
  readonly limits: Partial<TargetLimits>;
  /** Other machines can reach this address. */
  readonly exposed: string | undefined;
  /** Keys of hosts, where they connect by TLS. */
  readonly tls: ServeTlsOptions | undefined;
  /** Where connections are recorded. */
  readonly tracing: Tracing | undefined;
}

/** The keys of hosts; undefined where nobody asks for TLS. */
function tlsPlan(options: ServeOptions): ServeTlsOptions | undefined {
  if (!wantsTls(options, undefined)) return undefined;
  if (options.transport === "fc") throw usage("TLS is for TCP, and not for FC");
  const keys = keysOf(options);
  return { key: (names, identity) => keys.keyFor(names, identity), compat: options.tlsCompat };
}

async function planOf(context: Context, options: ServeOptions): Promise<Plan> {
  checkTraceable(options, options.transport);
  const backings = backingsOf(options);
  if (backings.length === 0 && options.manageNamespaces === undefined) {
    throw usage("there is nothing to serve", "Give --mem 64M, or --file disk.img.");
  }
  const listen = options.listen ?? [{ host: LOOPBACK, port: IO_PORT }];
  const discovery = options.discovery ?? {
    host: LOOPBACK,
    port: options.discoveryPort ?? DISCOVERY_PORT,
  };
  const hosts = await allowedHostsOf(context, options);
  if (hosts !== undefined && options.allowAnyHost === true) {
    const hint = "Leave out --allow-any-host, or the hosts that are named.";
    throw usage("any host may connect, and only some may", hint);
  }
  const tls = tlsPlan(options);
  // Whoever has a key has more than a name.
  const isNamed = hosts !== undefined || options.allowAnyHost === true || tls !== undefined;
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
    allowedHosts: hosts ?? "any",
    backings,
    listen,
    discovery,
    limits: limitsOf(options.limit),
    exposed: open?.host,
    tls,
    tracing: options.tracing,
  };
}

/** An address of this machine that others may know it by. */
function reachable(host: string): string {
  if (host !== "0.0.0.0" && host !== "::") return host;
  const all = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  const family = host === "::" ? "IPv6" : "IPv4";
  const outward = all.find((each) => !each.internal && each.family === family);
  return outward?.address ?? (host === "::" ? "::1" : LOOPBACK);
}

const recorded = (listener: TcpListener, tracing: Tracing | undefined): TcpListener =>
  tracing?.listener(listener) ?? listener;

async function listenAt(
  target: Target,
  { transport: trtype, tls, tracing }: Plan,
  wanted: ListenAddress,
  advertise: string | undefined,
  offers: "all" | "discovery",
): Promise<Place> {
  let bound: TcpAddress;
  try {
    const { connectionsMax } = target.limits;
    const listener =
      trtype === "fc"
        ? await fcListen(wanted, { connectionsMax })
        : recorded(await listenFor(target, wanted, tls), tracing);
    bound = listener.address;
    const traddr = advertise ?? reachable(bound.host);
    const address = { trtype, traddr, trsvcid: String(bound.port) };
    target.listen({ listener, address, offers });
    return { ...bound, advertised: traddr };
  } catch (error) {
    throw cannotListen(error);
  }
}

/** What people are shown when it is ready, with commands to copy. */
function readyText(
  plan: Plan,
  devices: readonly BlockDevice[],
  listen: Place,
  discovery: Place,
  metrics: string | undefined,
) {
  const { nqn, transport, tls } = plan;
  const [ours, theirs] = tls === undefined ? ["", ""] : [" --tls-key-file FILE", " --tls"];
  const at = { transport, host: listen.advertised, port: listen.port, subsystemNqn: nqn };
  const found = { transport, host: discovery.advertised, port: discovery.port };
  // The kernel's FC wants hardware: only our own command speaks to a software port.
  const forNvmeCli =
    transport === "fc"
      ? []
      : [
          `nvme discover -t tcp -a ${found.host} -s ${found.port}${theirs}`,
          `nvme connect -t tcp -a ${at.host} -s ${at.port} -n ${nqn}${theirs}`,
        ];
  return (style: Style): string =>
    [
      style.bold(`serving ${nqn}`),
      ...devices.map(({ name, blockBytes, blockCount }, i) => {
        const size = formatBytes(blockBytes * blockCount);
        return `  namespace ${i + 1}: ${size}, blocks of ${blockBytes} bytes, ${name}`;
      }),
      `  subsystem at ${listen.host}:${listen.port}, discovery at ${discovery.host}:${discovery.port}`,
      ...(metrics === undefined ? [] : [`  metrics at ${metrics}`]),
      "",
      `nvmeof discover ${formatAddress(found)}${ours}`,
      `nvmeof list ${formatAddress(at)}${ours}`,
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
  metrics: string | undefined,
): Report {
  const listen = places[0]!;
  const discovery = places.at(-1)!;
  const data = {
    nqn: plan.nqn,
    listen,
    discovery,
    listeners: places.slice(0, -1),
    tls: plan.tls !== undefined,
    ...(metrics === undefined ? {} : { metrics }),
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
  return { data, text: readyText(plan, devices, listen, discovery, metrics) };
}

/** Once for all queues of a controller. */
function provenText(event: Extract<TargetEvent, { readonly type: "authenticated" }>): string {
  const { hostNqn, hash, group, mutual } = event;
  const ways = mutual ? ", and so has this target" : "";
  return `${hostNqn} has proven who it is, with ${hash} and ${group}${ways}`;
}

/** What is said of an event; "" for nothing. */
function eventText(event: TargetEvent): string {
  switch (event.type) {
    case "controller-created":
      return `${event.hostNqn} connected`;
    case "controller-removed":
      return `${event.hostNqn}: ${event.reason}`;
    case "connection-refused":
      return `refused, ${event.limit}`;
    case "authenticated":
      return event.qid === 0 ? provenText(event) : "";
    case "authentication-failed":
      return `${event.hostNqn}: ${event.message}`;
    case "connect-refused":
    case "connection-ended":
    case "limit-met":
      break;
  }
  const { limit, message } = event;
  return limit === undefined || message === "" ? message : `${message} (${limit})`;
}

/** Tells of hosts, as much as they may make us say. Returns how to end that. */
function tellEvents(target: Target, { notes }: Context): () => void {
  const peers = new PeerNotes(
    (text) => notes.detail(text),
    () => systemClock.nowMs(),
  );
  const stop = target.observe((event) => {
    const text = eventText(event);
    if (text !== "") peers.note("remote" in event ? event.remote : "controller", text);
  });
  return () => {
    stop();
    peers.flush();
  };
}

/** A host's NQN is its claim: whoever listens to other machines should know. */
function warnOfStrangers({ exposed, allowedHosts, tls }: Plan, { warn }: Context): void {
  const isProven = (host: string | AllowedHost): boolean =>
    typeof host === "object" && host.dhchap !== undefined;
  if (exposed === undefined || tls !== undefined) return;
  if (allowedHosts !== "any" && allowedHosts.every(isProven)) return;
  const some = allowedHosts !== "any" && allowedHosts.some(isProven);
  const which = some ? "not all hosts are" : "hosts are not";
  const who = allowedHosts === "any" ? "anybody" : "anybody who knows an NQN of --allow-host";
  warn(
    `${exposed} can be reached from other machines, and ${which} authenticated: ` +
      `${who} may read and write. Listen on ${LOOPBACK}, give --tls-key-file or --dhchap-secret-file, ` +
      "or let a firewall choose who comes.",
  );
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });

export const run: Verb<ServeOptions> = async (context, options) => {
  const plan = await planOf(context, options);
  const target = new Target({
    clock: systemClock,
    random: systemRandom,
    authCrypto,
    limits: plan.limits,
  });
  const onlookers = await openOnlookers(context, options, "serve");
  const devices: BlockDevice[] = [];
  const stopTelling = tellEvents(target, context);
  onlookers.showTarget(target);
  try {
    warnOfStrangers(plan, context);
    for (const backing of plan.backings) {
      devices.push(await openBacking(backing, options.blockSize));
    }
    const { nqn, allowedHosts } = plan;
    const namespaces = devices.map((device) => ({ device }));
    const secureChannel = plan.tls === undefined ? "not-required" : "required";
    const { erase } = options;
    const provider = deviceProvider(options);
    target.addSubsystem({ nqn, allowedHosts, namespaces, secureChannel, provider, erase });
    const places: Place[] = [];
    for (const place of plan.listen) {
      places.push(await listenAt(target, plan, place, options.advertise, "all"));
    }
    // A host that connects to all that it finds must not find each namespace twice.
    places.push(await listenAt(target, plan, plan.discovery, options.advertise, "discovery"));
    const report = readyReport(plan, devices, places, onlookers.metricsUrl);
    if (options.readyFile !== undefined) {
      await replaceFile(options.readyFile, `${JSON.stringify(report.data)}\n`);
    }
    await context.publish(report);
    await aborted(context.signal);
    return undefined;
  } finally {
    const { abandonedRequests } = await target.close();
    stopTelling();
    await onlookers.close();
    if (abandonedRequests > 0) context.warn(`${abandonedRequests} requests did not end`);
    await Promise.all(devices.map((device) => device.close()));
  }
};

// `doctor`: the whole way to a subsystem, step by step, and where it stops.
// Read first: ../session.ts for the usual way; @nvmeof/core bring-up.ts names the phases of connecting.

import { lookup } from "node:dns/promises";
import { connect as connectSocket, isIP } from "node:net";
import { monitorEventLoopDelay } from "node:perf_hooks";
import {
  AdminOpcode,
  AnaState,
  DISCOVERY_NQN,
  DataDirection,
  NvmOpcode,
  NvmeofError,
  RwCommand,
  anaStateName,
  versionText,
} from "@nvmeof/codec";
import { type ControllerHandle, discover, openController } from "@nvmeof/core";
import type { Agreement } from "@nvmeof/transport";
import { isLoopback } from "../address.ts";
import { readAnaLog } from "../ana-log.ts";
import { authenticationOf } from "../authentication.ts";
import type { Context, Verb } from "../context.ts";
import { writeBundle } from "../doctor/bundle.ts";
import { Findings, stepNames, stepOf } from "../doctor/findings.ts";
import type { StepName } from "../doctor/findings.ts";
import { risksOf } from "../doctor/risks.ts";
import { CliError, describeError, noteCircumstances } from "../errors.ts";
import { hostIdentity, userIdentity } from "../identity.ts";
import type { NamespaceOptions } from "../options.ts";
import { CLOSE_BOUND_MS } from "../session.ts";
import { type Endpoint, controllerOptions, subsystemEndpoint } from "../target-options.ts";
import { wantsTls } from "../tls-options.ts";
import { formatBytes, formatMs } from "../units.ts";

interface Options extends NamespaceOptions {
  readonly strict?: boolean;
  readonly bundle?: string;
}

/** One walk, and all that it needs. */
interface Walk {
  readonly context: Context;
  readonly options: Options;
  readonly endpoint: Endpoint;
  readonly found: Findings;
  /** What names nobody in a bundle. */
  readonly names: Map<string, string>;
  /** What the connection of the admin queue has agreed upon. */
  agreement: Agreement | undefined;
}

async function timed<T>(work: () => Promise<T>): Promise<{ result: T; ms: number }> {
  const startMs = performance.now();
  return { result: await work(), ms: performance.now() - startMs };
}

async function resolveName({ found, endpoint, names }: Walk): Promise<readonly string[]> {
  const { host } = endpoint;
  names.set(host, "host");
  if (isIP(host.replace(/%.*$/, "")) !== 0) {
    found.skipped("name", `${host} is an address`);
    return [host];
  }
  try {
    const { result, ms } = await timed(() => lookup(host, { all: true }));
    const addresses = result.map(({ address }) => address);
    found.ok("name", `${host} is ${addresses.join(", ")}`, ms);
    return addresses;
  } catch (error) {
    const hint = "Check its spelling, or give an IP address.";
    const message = `${host}: the name is unknown`;
    const failure = new NvmeofError("NVME_ERR_UNREACHABLE", message, { hint, cause: error });
    found.failed("name", failure);
    throw failure;
  }
}

/** A TCP connection and its end: the address, how long it took, and why not. */
function tryTcp({ context, endpoint, options }: Walk, address: string): Promise<number> {
  const { connectTimeout = 3_000, hostTraddr } = options;
  context.io.status?.waitFor(`connecting to ${address}:${endpoint.port}`);
  return new Promise((resolve, reject) => {
    const startMs = performance.now();
    const socket = connectSocket({
      host: address,
      port: endpoint.port,
      timeout: connectTimeout,
      ...(hostTraddr === undefined ? {} : { localAddress: hostTraddr }),
      signal: context.signal,
    });
    socket.once("connect", () => {
      socket.destroy();
      resolve(performance.now() - startMs);
    });
    socket.once("timeout", () =>
      socket.destroy(new Error(`no answer in ${formatMs(connectTimeout)}`)),
    );
    socket.once("error", reject);
  });
}

async function walkTcp(walk: Walk, addresses: readonly string[]): Promise<void> {
  const { context, found, endpoint } = walk;
  const said: string[] = [];
  let bestMs: number | undefined;
  for (const address of addresses) {
    try {
      const ms = await tryTcp(walk, address);
      bestMs = Math.min(bestMs ?? Infinity, ms);
      said.push(`${address}:${endpoint.port} connects in ${formatMs(ms)}`);
    } catch (error) {
      context.signal.throwIfAborted();
      said.push(`${address}:${endpoint.port} does not: ${(error as Error).message}`);
    }
  }
  if (bestMs !== undefined) found.ok("tcp", said.join("; "), bestMs);
  // Otherwise the way itself says why, in our words.
  else found.risks.push(said.join("; "));
}

async function bringUp(walk: Walk): Promise<ControllerHandle> {
  const { context, found, endpoint, options, names } = walk;
  const { io, signal, warn } = context;
  const named = { hostnqn: endpoint.hostNqn, hostid: endpoint.hostId };
  const identity = await hostIdentity(named, io.env, warn);
  names.set(identity.hostNqn, "host NQN").set(identity.hostId, "host ID");
  names.set(endpoint.subsystemNqn, "subsystem NQN");
  const authentication = await authenticationOf(context, options);
  const asked = controllerOptions(
    endpoint,
    identity,
    { ...options, retries: false },
    { onInitialized: (_qid, agreement) => (walk.agreement ??= agreement) },
  );
  const { host: address, port, subsystemNqn: subnqn } = endpoint;
  io.status?.waitFor(`connecting to ${address}:${port}`);
  const startMs = performance.now();
  try {
    const handle = await openController({ ...asked, authentication, signal });
    describe(walk, handle, performance.now() - startMs);
    if (authentication === undefined)
      found.skipped("authenticate", "no secret was given, and none asked for");
    else found.ok("authenticate", "DH-HMAC-CHAP has succeeded");
    return handle;
  } catch (error) {
    signal.throwIfAborted();
    noteCircumstances(error, { peer: { address, port, subnqn }, wasLive: false });
    const step = stepOf(error, walk.agreement !== undefined);
    const isPast = (name: StepName): boolean => stepNames.indexOf(step) > stepNames.indexOf(name);
    if (isPast("tls") && !wantsTls(options, endpoint.tls)) found.skipped("tls", "not asked for");
    if (isPast("initialise")) found.ok("initialise", agreed(walk));
    if (isPast("authenticate") && authentication === undefined)
      found.skipped("authenticate", "no secret was given");
    if (step === "connect") await walkDiscovery(walk);
    found.failed(step, error);
    throw error;
  } finally {
    io.status?.waitFor(undefined);
  }
}

/** What both sides of the connection have agreed upon. */
function agreed({ agreement }: Walk): string {
  if (agreement === undefined) return "passed";
  const { headerDigest, dataDigest, sendAlignment, h2cDataBytesMax } = agreement;
  const digests = [headerDigest && "header", dataDigest && "data"].filter(Boolean);
  const pieces = `MAXH2CDATA ${formatBytes(h2cDataBytesMax)}`;
  return `digests: ${digests.join(" and ") || "none"}; ${pieces}; PDA ${sendAlignment} bytes`;
}

function describe(walk: Walk, { facts, controller }: ControllerHandle, ms: number): void {
  const { found, options, endpoint, names } = walk;
  const { identify, cntlid, version, transferBytesMax } = facts;
  names.set(identify.sn, "serial").set(identify.subnqn, "subsystem NQN");
  if (wantsTls(options, endpoint.tls)) found.ok("tls", "TLS 1.3 with a pre-shared key");
  else found.skipped("tls", "not asked for");
  found.ok("initialise", agreed(walk));
  found.ok("connect", `controller ${cntlid} of ${identify.subnqn}`);
  found.ok("enable", `NVMe ${versionText(version)}, ready; all of it`, ms);
  found.ok(
    "identify",
    `${identify.mn}, serial ${identify.sn}, firmware ${identify.fr}, at most ${formatBytes(transferBytesMax)} at a time`,
  );
  found.ok(
    "queues",
    `${controller.ioQueues.length} of ${options.nrIoQueues} I/O queues, ${options.queueSize} entries each`,
  );
}

/** Asks the discovery controller at the same port, where there is one. Returns paths to the subsystem. */
async function walkDiscovery(walk: Walk): Promise<number | undefined> {
  const { context, found, endpoint, options } = walk;
  const { io, signal } = context;
  try {
    const named = { hostnqn: endpoint.hostNqn, hostid: endpoint.hostId };
    const identity = await hostIdentity(named, io.env, () => {});
    const there = { ...endpoint, subsystemNqn: DISCOVERY_NQN };
    const [transport] = [controllerOptions(there, identity, options).transport].flat();
    const { result, ms } = await timed(() =>
      discover({ ...identity, transport: transport!, signal }),
    );
    const subsystems = new Set(result.entries.map(({ subnqn }) => subnqn));
    subsystems.delete(DISCOVERY_NQN);
    const paths = result.entries.filter(({ subnqn }) => subnqn === endpoint.subsystemNqn).length;
    const others = [...subsystems].slice(0, 4).join(", ");
    const known = paths === 0 ? `does not know it; it knows ${others || "none"}` : "knows it";
    const ways = paths === 0 ? "" : `, by ${paths === 1 ? "1 path" : `${paths} paths`}`;
    found.ok("discovery", `the controller at this port ${known}${ways}`, ms);
    return paths;
  } catch (error) {
    signal.throwIfAborted();
    found.skipped("discovery", `nobody answers it at this port: ${describeError(error).message}`);
    return undefined;
  }
}

/** States in which a namespace can be used. */
const usable = new Set<number>([AnaState.Optimized, AnaState.NonOptimized]);

async function walkNamespaces(
  { found }: Walk,
  handle: ControllerHandle,
  wanted: number | undefined,
) {
  const nsids = await handle.namespaceIds(1_024);
  const nsid = wanted ?? nsids[0];
  if (nsid === undefined) {
    found.skipped("namespaces", "there are none");
    found.risks.push("the subsystem has no namespace that this host can see");
    return undefined;
  }
  const facts = await handle.namespace(nsid);
  const { identify } = handle.facts;
  const hasAna = identify.anacap !== 0;
  const log = hasAna ? await readAnaLog(handle) : undefined;
  const state = log?.groups.find((group) => group.nsids.includes(nsid))?.state;
  const ana = state === undefined ? "" : `, ${anaStateName(state).toLowerCase()}`;
  const size = formatBytes(BigInt(facts.blockCount) * BigInt(facts.format.blockBytes));
  found.ok(
    "namespaces",
    `${nsids.length}; namespace ${nsid} has ${size} in blocks of ${facts.format.blockBytes} bytes${ana}`,
  );
  if (state !== undefined && !usable.has(state))
    found.risks.push(
      `namespace ${nsid} cannot be used by this path: ${anaStateName(state).toLowerCase()}`,
    );
  if ((facts.identify.nsattr & 1) === 1) found.risks.push(`namespace ${nsid} is write protected`);
  return facts;
}

async function walkRead(walk: Walk, handle: ControllerHandle): Promise<void> {
  const { found, endpoint } = walk;
  const facts = await walkNamespaces(walk, handle, endpoint.nsid);
  if (facts === undefined) {
    found.skipped("read", "there is nothing to read");
    return;
  }
  const data = new Uint8Array(facts.format.blockBytes);
  const { ms } = await timed(() =>
    handle.io({
      opcode: NvmOpcode.Read,
      nsid: facts.nsid,
      fill: (sqe) => RwCommand.nlb.set(sqe, 0, 1),
      direction: DataDirection.ToHost,
      data,
    }),
  );
  found.ok("read", `one block of namespace ${facts.nsid}`, ms);
}

async function walkKeepAlive({ found }: Walk, handle: ControllerHandle): Promise<void> {
  const { keepAliveTimeoutMs } = handle.facts;
  if (keepAliveTimeoutMs === 0) {
    found.skipped("keep-alive", "off");
    return;
  }
  const { ms } = await timed(() => handle.admin({ opcode: AdminOpcode.KeepAlive }));
  found.ok("keep-alive", `answered; the timeout is ${formatMs(keepAliveTimeoutMs)}`, ms);
}

async function walkSteps(walk: Walk, handle: ControllerHandle, stallMs: number): Promise<void> {
  const { found, context, options, endpoint, agreement } = walk;
  const paths = await walkDiscovery(walk);
  let at: StepName = "namespaces";
  try {
    await walkRead(walk, handle);
    at = "keep-alive";
    await walkKeepAlive(walk, handle);
  } catch (error) {
    found.failed(found.has("namespaces") && at === "namespaces" ? "read" : at, error);
    throw error;
  }
  const { keepAliveTimeoutMs, transferBytesMax } = handle.facts;
  const { hostNqn, hostId } = handle.controller.options;
  const own = await userIdentity(context.io.env, () => {});
  found.risks.unshift(
    ...risksOf({
      isLocal: isLoopback(endpoint.host),
      isSecure: wantsTls(options, endpoint.tls),
      headerDigest: agreement?.headerDigest === true,
      dataDigest: agreement?.dataDigest === true,
      keepAliveTimeoutMs,
      stallMs,
      h2cDataBytesMax: agreement?.h2cDataBytesMax,
      transferBytesMax,
      ioQueues: handle.controller.ioQueues.length,
      ioQueuesAsked: options.nrIoQueues,
      paths,
      isHostIdBorrowed: hostId === own.hostId && hostNqn !== own.hostNqn,
    }),
  );
}

/** The whole way, and back. */
async function walkAll(walk: Walk): Promise<void> {
  const { context, found } = walk;
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  try {
    await walkTcp(walk, await resolveName(walk));
    const handle = await bringUp(walk);
    const close = () => handle.close({ boundMs: CLOSE_BOUND_MS });
    context.signal.addEventListener("abort", () => void close(), { once: true });
    try {
      await walkSteps(walk, handle, delay.max / 1e6);
    } finally {
      const { totalMs, shutdown } = await close();
      found.ok("disconnect", `shutdown ${shutdown}`, totalMs);
    }
  } finally {
    delay.disable();
  }
}

export const run: Verb<Options> = async (context, options, uri?: string) => {
  const endpoint = subsystemEndpoint(uri, options);
  const found = new Findings();
  const walk: Walk = {
    context,
    options,
    endpoint,
    found,
    names: new Map(),
    agreement: undefined,
  };
  let failure: unknown;
  try {
    await walkAll(walk);
  } catch (error) {
    context.signal.throwIfAborted();
    failure = error;
  }
  if (options.bundle !== undefined) await writeBundle(options.bundle, found, walk.names, failure);
  if (failure === undefined && options.strict === true && found.risks.length > 0) {
    const count = found.risks.length;
    const message = count === 1 ? "there is a risk" : `there are ${count} risks`;
    const hint = "Each has a line that begins with !, or stands in `risks`.";
    failure = new CliError("NVME_ERR_RISK", message, { hint });
  }
  const report = found.report();
  if (failure === undefined) return report;
  // What was found so far is shown, and then why it is no success.
  context.partial = report.data;
  if (context.format !== "json") await context.publish(report);
  throw failure;
};

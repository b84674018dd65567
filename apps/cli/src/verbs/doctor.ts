// `doctor`: the whole way to a subsystem, step by step, and where it stops.
// Read first: session.ts for the usual way; @nvmeof/core bring-up.ts names the phases of connecting.

import { lookup } from "node:dns/promises";
import { connect as connectSocket, isIP } from "node:net";
import {
  AdminOpcode,
  AnaState,
  DataDirection,
  NvmOpcode,
  NvmeofError,
  ProtocolError,
  RwCommand,
  anaStateName,
  isNvmeofError,
  versionText,
} from "@nvmeof/codec";
import { type ControllerHandle, openController } from "@nvmeof/core";
import { readAnaLog } from "../ana-log.ts";
import { authenticationOf } from "../authentication.ts";
import type { Context, Report, Verb } from "../context.ts";
import { CliError, describeError, noteCircumstances } from "../errors.ts";
import { hostIdentity } from "../identity.ts";
import type { NamespaceOptions } from "../options.ts";
import { CLOSE_BOUND_MS } from "../session.ts";
import type { Style } from "../style.ts";
import { type Endpoint, controllerOptions, subsystemEndpoint } from "../target-options.ts";
import { wantsTls } from "../tls-options.ts";
import { formatBytes, formatMs } from "../units.ts";

interface Options extends NamespaceOptions {
  readonly strict?: boolean;
}

/** The steps, in their order; `phase` is what an error of core calls it. */
const stepNames = [
  "name",
  "tcp",
  "tls",
  "initialise",
  "connect",
  "authenticate",
  "enable",
  "identify",
  "queues",
  "namespaces",
  "read",
  "keep-alive",
  "disconnect",
] as const;
type StepName = (typeof stepNames)[number];

/** Which step an error of core is of. */
const stepOfPhase: Readonly<Record<string, StepName>> = {
  tcp: "tcp",
  tls: "tls",
  initialize: "initialise",
  login: "initialise",
  "fabrics-connect": "connect",
  authenticate: "authenticate",
  enable: "enable",
  identify: "identify",
  "set-features": "queues",
};

/** The step that an error of connecting belongs to. */
function stepOf(error: unknown): StepName {
  if (!isNvmeofError(error)) return "connect";
  // What is no NVMe/TCP at all shows with the first bytes.
  if (error instanceof ProtocolError && error.speaks !== undefined) return "initialise";
  return stepOfPhase[error.phase ?? ""] ?? "connect";
}

/** How a step went. */
interface Step {
  readonly step: StepName;
  readonly state: "ok" | "failed" | "skipped" | "not reached";
  readonly ms: number | null;
  readonly said: string;
}

/** What is written down on the way. */
class Findings {
  readonly steps: Step[] = [];
  readonly risks: string[] = [];

  ok(step: StepName, said: string, ms: number | null = null): void {
    const at = this.steps.findIndex((each) => each.step === step);
    // A way that has failed is still left in order.
    this.steps.splice(at === -1 ? this.steps.length : at, 1, { step, state: "ok", ms, said });
  }

  skipped(step: StepName, said: string): void {
    this.steps.push({ step, state: "skipped", ms: null, said });
  }

  /** The way ends here; whatever lies before it was passed. */
  failed(step: StepName, error: unknown): void {
    const at = stepNames.indexOf(step);
    for (const name of stepNames.slice(0, at)) {
      if (!this.has(name)) this.ok(name, "passed");
    }
    const { message, hint } = describeError(error);
    const said = hint === null ? message : `${message}. ${hint}`;
    this.steps.push({ step, state: "failed", ms: null, said });
    for (const name of stepNames.slice(at + 1)) {
      this.steps.push({ step: name, state: "not reached", ms: null, said: "" });
    }
  }

  has(step: StepName): boolean {
    return this.steps.some((each) => each.step === step);
  }

  report(): Report {
    const { risks } = this;
    const steps = [...this.steps].sort(
      (a, b) => stepNames.indexOf(a.step) - stepNames.indexOf(b.step),
    );
    return { data: { steps, risks }, text: (style) => textOf(steps, risks, style) };
  }
}

const marks = { ok: "✓", failed: "✗", skipped: "-", "not reached": " " } as const;

function textOf(steps: readonly Step[], risks: readonly string[], style: Style): string {
  const width = Math.max(...stepNames.map(({ length }) => length));
  const lines = steps.map(({ step, state, ms, said }) => {
    const time = ms === null ? "" : ` (${formatMs(ms)})`;
    const text = `${marks[state]} ${step.padEnd(width)}  ${state === "ok" ? "" : `${state}: `}${said}${time}`;
    return state === "failed" ? style.bold(text.trimEnd()) : text.replace(/: ?$/, "").trimEnd();
  });
  const warned = risks.map((risk) => `! ${risk}`);
  return `${[...lines, ...warned].join("\n")}\n`;
}

async function timed<T>(work: () => Promise<T>): Promise<{ result: T; ms: number }> {
  const startMs = performance.now();
  return { result: await work(), ms: performance.now() - startMs };
}

async function resolveName(found: Findings, host: string): Promise<readonly string[]> {
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
function tryTcp(
  { signal }: Context,
  address: string,
  { port }: Endpoint,
  { connectTimeout = 3_000, hostTraddr }: Options,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const startMs = performance.now();
    const socket = connectSocket({
      host: address,
      port,
      timeout: connectTimeout,
      ...(hostTraddr === undefined ? {} : { localAddress: hostTraddr }),
      signal,
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

async function walkTcp(
  context: Context,
  found: Findings,
  endpoint: Endpoint,
  options: Options,
  addresses: readonly string[],
): Promise<void> {
  const said: string[] = [];
  let bestMs: number | undefined;
  for (const address of addresses) {
    try {
      const ms = await tryTcp(context, address, endpoint, options);
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

const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || host.startsWith("127.");

async function bringUp(
  context: Context,
  found: Findings,
  endpoint: Endpoint,
  options: Options,
): Promise<ControllerHandle> {
  const { io, signal, warn } = context;
  const named = { hostnqn: endpoint.hostNqn, hostid: endpoint.hostId };
  const identity = await hostIdentity(named, io.env, warn);
  const authentication = await authenticationOf(context, options);
  const asked = controllerOptions(endpoint, identity, { ...options, retries: false });
  const startMs = performance.now();
  try {
    const handle = await openController({ ...asked, authentication, signal });
    describe(found, handle, endpoint, options, performance.now() - startMs);
    if (authentication === undefined)
      found.skipped("authenticate", "no secret was given, and none asked for");
    else found.ok("authenticate", "DH-HMAC-CHAP has succeeded");
    return handle;
  } catch (error) {
    signal.throwIfAborted();
    const { host: address, port, subsystemNqn: subnqn } = endpoint;
    noteCircumstances(error, { peer: { address, port, subnqn }, wasLive: false });
    const step = stepOf(error);
    const isSecure = wantsTls(options, endpoint.tls);
    if (step !== "tls" && !isSecure) found.skipped("tls", "not asked for");
    const isPast = stepNames.indexOf(step) > stepNames.indexOf("authenticate");
    if (isPast && authentication === undefined)
      found.skipped("authenticate", "no secret was given");
    found.failed(step, error);
    throw error;
  }
}

function describe(
  found: Findings,
  { facts, controller }: ControllerHandle,
  endpoint: Endpoint,
  options: Options,
  ms: number,
): void {
  const { identify, cntlid, version, transferBytesMax, keepAliveTimeoutMs } = facts;
  const digests = [
    options.hdrDigest === true && "header",
    options.dataDigest === true && "data",
  ].filter(Boolean);
  const isSecure = wantsTls(options, endpoint.tls);
  if (isSecure) found.ok("tls", "TLS 1.3 with a pre-shared key");
  else found.skipped("tls", "not asked for");
  found.ok("initialise", `digests: ${digests.join(" and ") || "none"}`);
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
  if (controller.ioQueues.length < options.nrIoQueues)
    found.risks.push("the controller gives fewer I/O queues than were asked for");
  if (transferBytesMax < 128 * 1024)
    found.risks.push(`transfers are small: ${formatBytes(transferBytesMax)} at most`);
  if (!isSecure && !isLoopback(endpoint.host))
    found.risks.push("the connection is not encrypted, and its peer not known by a key");
  if (keepAliveTimeoutMs === 0)
    found.risks.push("there is no keep-alive: a silent controller is not noticed");
  else if (keepAliveTimeoutMs < 2_000)
    found.risks.push(
      `keep-alive of ${formatMs(keepAliveTimeoutMs)} is shorter than stalls that happen`,
    );
}

/** States in which a namespace can be used. */
const usable = new Set<number>([AnaState.Optimized, AnaState.NonOptimized]);

async function walkNamespaces(
  found: Findings,
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

async function walkRead(
  found: Findings,
  handle: ControllerHandle,
  wanted: number | undefined,
): Promise<void> {
  const facts = await walkNamespaces(found, handle, wanted);
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

async function walkKeepAlive(found: Findings, handle: ControllerHandle): Promise<void> {
  const { keepAliveTimeoutMs } = handle.facts;
  if (keepAliveTimeoutMs === 0) {
    found.skipped("keep-alive", "off");
    return;
  }
  const { ms } = await timed(() => handle.admin({ opcode: AdminOpcode.KeepAlive }));
  found.ok("keep-alive", `answered; the timeout is ${formatMs(keepAliveTimeoutMs)}`, ms);
}

async function walkSteps(
  found: Findings,
  handle: ControllerHandle,
  wanted: number | undefined,
): Promise<void> {
  let at: StepName = "namespaces";
  try {
    await walkRead(found, handle, wanted);
    at = "keep-alive";
    await walkKeepAlive(found, handle);
  } catch (error) {
    found.failed(found.has("namespaces") && at === "namespaces" ? "read" : at, error);
    throw error;
  }
}

/** Shows what was found so far, and fails. */
async function fail(context: Context, found: Findings, error: unknown): Promise<never> {
  const report = found.report();
  context.partial = report.data;
  if (context.format !== "json") await context.publish(report);
  throw error;
}

export const run: Verb<Options> = async (context, options, uri?: string) => {
  const endpoint = subsystemEndpoint(uri, options);
  const found = new Findings();
  try {
    const addresses = await resolveName(found, endpoint.host);
    await walkTcp(context, found, endpoint, options, addresses);
    const handle = await bringUp(context, found, endpoint, options);
    const close = () => handle.close({ boundMs: CLOSE_BOUND_MS });
    context.signal.addEventListener("abort", () => void close(), { once: true });
    try {
      await walkSteps(found, handle, endpoint.nsid);
    } finally {
      const { totalMs, shutdown } = await close();
      found.ok("disconnect", `shutdown ${shutdown}`, totalMs);
    }
  } catch (error) {
    context.signal.throwIfAborted();
    return fail(context, found, error);
  }
  if (options.strict === true && found.risks.length > 0) {
    const message = `${found.risks.length} risks`;
    return fail(context, found, new CliError("NVME_ERR_RISK", message));
  }
  return found.report();
};

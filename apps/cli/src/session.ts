// A connection for as long as a verb needs it: opened, used, and closed within a bound in any case.

import { type Disk, openDisk } from "@nvmeof/bdev";
import { type NvmeHost, connect } from "@nvmeof/bdev/nvme";
import { DISCOVERY_NQN, isNvmeofError } from "@nvmeof/codec";
import {
  type AuthResult,
  type CloseOptions,
  type CloseReport,
  type ControllerEvent,
  type ControllerHandle,
  type HostIdentity,
  openController,
} from "@nvmeof/core";
import { authText, authWarning, authenticationOf } from "./authentication.ts";
import type { Context } from "./context.ts";
import { type Circumstances, CliError, noteCircumstances, usage } from "./errors.ts";
import { hostIdentity } from "./identity.ts";
import type { ConnectionOptions } from "./options.ts";
import { type Endpoint, connectOptions, controllerOptions } from "./target-options.ts";
import { formatMs } from "./units.ts";

/** What the bound of every close is, ms. */
export const CLOSE_BOUND_MS = 2_000;

/** How a session ended. */
export interface Session<T> {
  readonly result: T;
  readonly close: CloseReport;
}

/** What is opened, used and closed. */
interface Connection {
  /** The controller to watch. */
  readonly handle: ControllerHandle;
  close(options: CloseOptions): Promise<CloseReport>;
}

/**
 * Connects to a controller for admin commands, lets `use` work, and closes. To a discovery controller it
 * connects without keep-alive, unless it is to `stay`.
 */
export function withController<T>(
  context: Context,
  endpoint: Endpoint,
  options: ConnectionOptions,
  use: (handle: ControllerHandle) => Promise<T>,
  stay: "briefly" | "stay" = "briefly",
): Promise<Session<T>> {
  const { signal } = context;
  const isDiscovery = endpoint.subsystemNqn === DISCOVERY_NQN;
  const open = async (identity: HostIdentity) => {
    const asked = controllerOptions(endpoint, identity, options);
    const handle = await openController({
      ...asked,
      authentication: await authenticationOf(context, options),
      ...(isDiscovery ? { ioQueues: 0 } : {}),
      ...(isDiscovery && stay === "briefly" ? { keepAliveTimeoutMs: 0 } : {}),
      signal,
    });
    return { handle, close: (how: CloseOptions) => handle.close(how) };
  };
  return withConnection(context, endpoint, open, ({ handle }) => use(handle));
}

/** Connects to a subsystem for reads and writes, lets `use` work, and closes. */
export function withHost<T>(
  context: Context,
  endpoint: Endpoint,
  options: ConnectionOptions,
  use: (host: NvmeHost) => Promise<T>,
): Promise<Session<T>> {
  const { signal } = context;
  const open = async (identity: HostIdentity) => {
    const host = await connect({
      ...connectOptions(endpoint, identity, options),
      authentication: await authenticationOf(context, options),
      signal,
    });
    return { host, handle: host.controller, close: (how: CloseOptions) => host.close(how) };
  };
  return withConnection(context, endpoint, open, ({ host }) => use(host));
}

/**
 * When the context's signal aborts, the connection is closed under `use`, so that all its commands
 * settle.
 */
async function withConnection<C extends Connection, T>(
  context: Context,
  endpoint: Endpoint,
  open: (identity: HostIdentity) => Promise<C>,
  use: (connection: C) => Promise<T>,
): Promise<Session<T>> {
  const { signal, notes, io } = context;
  const named = { hostnqn: endpoint.hostNqn, hostid: endpoint.hostId };
  const identity = await hostIdentity(named, io.env, context.warn);
  const { host: address, port, subsystemNqn } = endpoint;
  const peer = { address, port, subnqn: subsystemNqn };
  notes.trace(`connecting to ${address}:${port} as ${identity.hostNqn}`);
  const startMs = performance.now();
  io.status?.waitFor(`connecting to ${address}:${port}`);
  const connection = await noting({ peer, wasLive: false }, () => open(identity));
  io.status?.waitFor(undefined);
  notes.detail(`connected to ${address}:${port} in ${formatMs(performance.now() - startMs)}`);
  const { handle } = connection;
  tellAuthenticated(context, handle.controller.authenticated);
  tellGrant(context, handle.controller);
  handle.observe((event) => {
    if (event.type === "authenticated" && event.qid === 0) tellAuthenticated(context, event.result);
    tellStall(io, `${address}:${port}`, event);
    if (event.type !== "state") return;
    const why = event.reason === undefined ? "" : `: ${event.reason.message}`;
    notes.trace(`the controller is ${event.to}${why}`);
  });
  const close = (): Promise<CloseReport> => connection.close({ boundMs: CLOSE_BOUND_MS });
  const abort = (): void => void close();
  signal.addEventListener("abort", abort, { once: true });
  try {
    const work = (): Promise<T> => explaining(handle, () => use(connection));
    const result = await noting({ peer, wasLive: true }, work);
    return { result, close: await close() };
  } finally {
    signal.removeEventListener("abort", abort);
    const report = await close();
    notes.trace(`closed in ${formatMs(report.totalMs)}, shutdown ${report.shutdown}`);
  }
}

/** Says that the connection is lost, and what is done about it, until it is there again. */
function tellStall({ status }: Context["io"], peer: string, event: ControllerEvent): void {
  if (event.type === "retry") {
    const when = `attempt ${event.attempt} in ${formatMs(event.delayMs)}`;
    status?.waitFor(`reconnecting to ${peer}, ${when}`);
  } else if (event.type === "state") {
    const isLost = event.to === "recovering" || event.to === "fencing" || event.to === "waiting";
    if (event.to === "live") status?.waitFor(undefined);
    else if (isLost) status?.waitFor(`connection to ${peer} lost: reconnecting`);
  }
}

/** Says so where the controller grants fewer I/O queues than were asked for (Number of Queues). */
function tellGrant(
  { notes }: Context,
  { ioQueues, options }: ControllerHandle["controller"],
): void {
  const { length: granted } = ioQueues;
  if (granted === 0 || granted >= options.ioQueues) return;
  notes.say(`the controller grants ${granted} of the ${options.ioQueues} I/O queues asked for`);
}

/** How host and controller have come to trust each other. */
function tellAuthenticated({ notes, warn }: Context, result: AuthResult | undefined): void {
  if (result === undefined) return;
  notes.detail(authText(result));
  const warning = authWarning(result);
  if (warning !== undefined) warn(warning);
}

async function noting<T>(circumstances: Circumstances, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    // What the user or his files did is not the peer's affair.
    if (!(error instanceof CliError)) noteCircumstances(error, circumstances);
    throw error;
  }
}

/** Codes of commands that found no connection. They say only that. */
const bare = new Set(["NVME_ERR_NOT_CONNECTED", "NVME_ERR_NO_PATH", "NVME_ERR_CLOSED"]);

/** Why a command found no connection its controller knows. */
async function explaining<T>(handle: ControllerHandle, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { reason } = handle.controller;
    const isBare = isNvmeofError(error) && bare.has(error.code) && error.cause === undefined;
    throw isBare && reason !== undefined ? reason : error;
  }
}

/** A namespace that is open as a disk. */
export interface OpenNamespace {
  readonly nsid: number;
  readonly disk: Disk;
}

/** The namespace that is meant: the one that was named, or the only one. */
export async function openOne(host: NvmeHost, nsid: number | undefined): Promise<OpenNamespace> {
  const chosen = nsid ?? (await onlyNamespace(host.controller));
  return { nsid: chosen, disk: openDisk(await host.openNamespace(chosen)) };
}

/** How many are named where somebody has to choose. */
const NAMED_MAX = 8;

/** The NSID of the only namespace; where there are more, somebody has to say which. */
export async function onlyNamespace(handle: ControllerHandle): Promise<number> {
  const nsids = await handle.namespaceIds(NAMED_MAX + 1);
  const [only] = nsids;
  if (only === undefined) {
    throw usage("the subsystem has no namespace", "Add one on the target, or connect elsewhere.");
  }
  if (nsids.length === 1) return only;
  const some = nsids.slice(0, NAMED_MAX).join(", ") + (nsids.length > NAMED_MAX ? ", …" : "");
  throw usage(`which namespace? There are ${some}`, "Say it with -N or ?nsid=…");
}

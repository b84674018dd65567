// Options of a controller, their defaults and their limits: every wait and every queue has one.
// Read first: ux-anchors.md §3.8 (reasons for the defaults); Base 2.0 §6.3 "Connect command".

import { checkNqn, uuidBytes } from "@nvmeof/codec";
import type { Clock, Diagnostics, Transport } from "@nvmeof/transport";
import {
  type Authentication,
  type ResolvedAuthentication,
  resolveAuthentication,
} from "./auth/options.ts";
import { checkNames } from "./option-names.ts";
import { type Random, seededRandom } from "./random.ts";
import { type ReconnectPolicy, checkReconnectPolicy } from "./reconnect.ts";

/** Who the host is. The pair stays the same for a host: targets tell hosts apart by it. */
export interface HostIdentity {
  /** Host NQN. */
  readonly hostNqn: string;
  /** Host Identifier: a UUID. */
  readonly hostId: string;
}

/**
 * What follows when a command passes its deadline. Observers are told in any case.
 *
 * - `none`: nothing; the command goes on.
 * - `abort`: its caller is settled, and an I/O command is aborted; one that is still unanswered when
 *   as much time has passed again, and any admin command, leads to a reset.
 * - `reset`: its caller is settled, and the controller is torn down and connected again.
 */
export type TimeoutAction = "none" | "abort" | "reset";

/**
 * Who holds commands of unknown outcome back until they can do no more harm. Neither call may call
 * back, nor ask anything of the controller, before it returns.
 */
export interface FencePort {
  /**
   * Whether the controller, were it lost now, leaves such commands behind, and another controller can
   * put an end to them.
   */
  wanted(): boolean;
  /**
   * The controller is lost. Calls `done`, once, when they are at an end or nobody is left to be asked;
   * within a bound of its own. The returned function calls that off.
   */
  begin(done: () => void): () => void;
}

/** What a controller is connected with. */
export interface ControllerOptions extends HostIdentity {
  /** The way to the controller; several are tried in turn, one connected at a time. */
  readonly transport: Transport | readonly Transport[];
  /** Default: the clock of the (first) transport. */
  readonly clock?: Clock;
  /** Chance for the jitter of reconnects. Default: seeded by the clock and the host ID. */
  readonly random?: Random;
  /** NQN of the subsystem, or the discovery NQN. */
  readonly subsystemNqn: string;
  /** I/O queues wanted; the controller may grant fewer. Default 1; 0 for discovery. */
  readonly ioQueues?: number;
  /** Entries of each I/O queue, 2 to 65,536; the controller may allow fewer. Default 128. */
  readonly queueEntries?: number;
  /** Entries of the admin queue, 32 or more. Default 32. */
  readonly adminQueueEntries?: number;
  /** KATO, ms; 0 turns keep-alive off. Default 10 s. */
  readonly keepAliveTimeoutMs?: number;
  /** Time to connect and initialise each queue, ms. Default 3 s. */
  readonly connectTimeoutMs?: number;
  /** Time for Connect and for each step of the bring-up, ms. Default 5 s. */
  readonly fabricsTimeoutMs?: number;
  /** Deadline of an I/O command, ms; `Infinity` for none. Default 30 s. */
  readonly ioTimeoutMs?: number;
  /** Deadline of an admin command, ms; `Infinity` for none. Default 60 s. */
  readonly adminTimeoutMs?: number;
  /** What follows when a command passes its deadline. Default `reset`. */
  readonly onTimeout?: TimeoutAction;
  /** Ask for queues without SQ flow control, which saves a PDU per read. Default true. */
  readonly disableSqFlow?: boolean;
  /** Largest transfer, bytes, whatever the controller allows. Default 1 MiB. */
  readonly transferBytesMax?: number;
  /** Admin commands that may wait for room in the admin queue. Default 128. */
  readonly adminWaitingMax?: number;
  /**
   * DH-HMAC-CHAP: who the host is, and with `controllerKey` who the controller is. Default none, and
   * then a controller that requires it is refused. `dhchap` of `@nvmeof/core/node` makes it.
   */
  readonly authentication?: Authentication | undefined;
  /** Default: nobody; then a lost controller connects again at once. */
  readonly fence?: FencePort;
  /** Where people listen to what happens: see `diagnostics.ts`. Default: where the (first) transport says. */
  readonly diagnostics?: Diagnostics | undefined;
  /** When to try again, to stop waiting and to give up: see {@link ReconnectPolicy}. */
  readonly reconnect?: Partial<ReconnectPolicy>;
}

/** Options with every default filled in. */
export type ResolvedOptions = Omit<
  Required<ControllerOptions>,
  "transport" | "reconnect" | "fence" | "authentication" | "diagnostics"
> & {
  readonly authentication: ResolvedAuthentication | undefined;
  readonly fence: FencePort | undefined;
  readonly diagnostics: Diagnostics | undefined;
  readonly transports: readonly Transport[];
  readonly reconnect: ReconnectPolicy;
};

/** Entries of an admin queue that every controller must take. Base 2.0 §6.3. */
const ADMIN_ENTRIES_MIN = 32;

/** Two hosts that lose a target at the same moment must not come back in step. */
function seedOf(hostId: string, nowMs: number): number {
  let seed = Math.floor(nowMs * 1000) >>> 0;
  // FNV-1a: hosts are often numbered, and IDs that differ little must not give one seed.
  for (const byte of uuidBytes(hostId)) seed = Math.imul(seed ^ byte, 0x0100_0193) >>> 0;
  return seed;
}

type Numbers = Pick<
  ResolvedOptions,
  {
    [K in keyof ResolvedOptions]: ResolvedOptions[K] extends number ? K : never;
  }[keyof ResolvedOptions]
>;

function whole(options: Numbers, name: keyof Numbers, least: number, most: number): void {
  const value = options[name];
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new RangeError(`${name} is ${value}; it must be a whole number, ${least} to ${most}`);
}

function duration(options: Numbers, name: keyof Numbers, most: number): void {
  const value = options[name];
  if (value > 0 && value <= most) return;
  throw new RangeError(`${name} is ${value}; it must be a number of ms above 0`);
}

/** Every name, so that a new one does not compile before it is here. */
const known: Readonly<Record<keyof ControllerOptions, true>> = {
  transport: true,
  clock: true,
  random: true,
  hostNqn: true,
  hostId: true,
  subsystemNqn: true,
  ioQueues: true,
  queueEntries: true,
  adminQueueEntries: true,
  keepAliveTimeoutMs: true,
  connectTimeoutMs: true,
  fabricsTimeoutMs: true,
  ioTimeoutMs: true,
  adminTimeoutMs: true,
  onTimeout: true,
  disableSqFlow: true,
  transferBytesMax: true,
  adminWaitingMax: true,
  authentication: true,
  fence: true,
  diagnostics: true,
  reconnect: true,
};

/** What is given as undefined was not given. */
const given = (options: object): Partial<ControllerOptions> =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));

/**
 * Checks options and fills in the defaults.
 *
 * @throws RangeError, TypeError or NqnError for what cannot be right.
 */
export function resolveOptions(options: ControllerOptions): ResolvedOptions {
  checkNames(options, Object.keys(known), "option");
  const transports = [options.transport].flat() as readonly Transport[];
  if (transports.length === 0) throw new TypeError("no transport: give at least one");
  checkNqn(options.hostNqn);
  checkNqn(options.subsystemNqn);
  uuidBytes(options.hostId);
  const { transport: _transport, reconnect, authentication, ...rest } = options;
  const clock = options.clock ?? transports[0]!.clock;
  const resolved: ResolvedOptions = {
    clock,
    random: seededRandom(seedOf(options.hostId, clock.nowMs())),
    ioQueues: 1,
    queueEntries: 128,
    adminQueueEntries: ADMIN_ENTRIES_MIN,
    keepAliveTimeoutMs: 10_000,
    connectTimeoutMs: 3_000,
    fabricsTimeoutMs: 5_000,
    ioTimeoutMs: 30_000,
    adminTimeoutMs: 60_000,
    onTimeout: "reset",
    disableSqFlow: true,
    transferBytesMax: 1024 * 1024,
    adminWaitingMax: 128,
    fence: undefined,
    diagnostics: transports[0]!.diagnostics,
    ...(given(rest) as HostIdentity & { subsystemNqn: string }),
    transports,
    authentication: authentication && resolveAuthentication(authentication),
    reconnect: checkReconnectPolicy(reconnect ?? {}),
  };
  whole(resolved, "ioQueues", 0, 65_535);
  whole(resolved, "queueEntries", 2, 65_536);
  whole(resolved, "adminQueueEntries", ADMIN_ENTRIES_MIN, 4_096);
  whole(resolved, "keepAliveTimeoutMs", 0, 0xffff_ffff);
  whole(resolved, "transferBytesMax", 4_096, 0x1000_0000);
  whole(resolved, "adminWaitingMax", 0, 65_536);
  duration(resolved, "connectTimeoutMs", Number.MAX_SAFE_INTEGER);
  duration(resolved, "fabricsTimeoutMs", Number.MAX_SAFE_INTEGER);
  duration(resolved, "ioTimeoutMs", Infinity);
  duration(resolved, "adminTimeoutMs", Infinity);
  if (!["none", "abort", "reset"].includes(resolved.onTimeout)) {
    throw new TypeError(`onTimeout is ${resolved.onTimeout}; it must be none, abort or reset`);
  }
  return resolved;
}

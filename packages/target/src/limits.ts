// Every bound of a target, with its default. A peer meets one of these before it meets our memory.
// Read first: Base 2.0 §5.17.2.1 "Identify Controller data structure" for those a host is told of.

import { ENTRY_LOG_MAX } from "@nvmeof/codec";
import { checkNames } from "@nvmeof/core";

/** Bounds of a target. Times in milliseconds, sizes in bytes. */
export interface TargetLimits {
  /** Connections at the same time; more are refused unread. Default 1,024. */
  readonly connectionsMax: number;
  /** Connections at the same time from one address. Default 128. */
  readonly connectionsPerAddressMax: number;
  /**
   * Connections that have no successful Connect yet; beyond, the one that has waited longest is closed,
   * so that those who say nothing keep nobody out. Default 512.
   */
  readonly connectingMax: number;
  /** Controllers of one subsystem; Connect is answered with Controller Busy beyond. Default 512. */
  readonly controllersMax: number;
  /** Controllers of one subsystem that one host NQN may have. Default 64. */
  readonly controllersPerHostMax: number;
  /**
   * I/O queues of one controller; no more are granted than one address has connections, less the one of the
   * admin queue. Default 128.
   */
  readonly ioQueuesMax: number;
  /** Entries of an I/O queue (MQES). Default 128. */
  readonly queueDepthMax: number;
  /** Entries of an admin queue (ASQSZ). Default 32. */
  readonly adminQueueDepthMax: number;
  /** From the connection to the end of the TLS handshake, at ports that have one. Default 5 s. */
  readonly handshakeTimeoutMs: number;
  /** From the connection, or the handshake, to the whole ICReq. Default 5 s. */
  readonly initializeTimeoutMs: number;
  /** From there to a Connect that succeeds. Default 10 s. */
  readonly connectTimeoutMs: number;
  /** Commands other than a good Connect that a connection may send before it is closed. Default 3. */
  readonly refusedCommandsMax: number;
  /**
   * Queues whose host has yet to prove who it is; beyond, the one that has waited longest is closed.
   * Default 128.
   */
  readonly unauthenticatedMax: number;
  /** From Connect, or from the beginning of another exchange, to the proof of the host. Default 10 s. */
  readonly authenticateTimeoutMs: number;
  /** Failures to do so from one address in a minute; Controller Busy beyond. Default 5. */
  readonly authenticationFailuresMax: number;
  /** From Connect of an admin queue to CC.EN. Default 30 s. */
  readonly enableTimeoutMs: number;
  /** From the first byte of a PDU to its last. Default 10 s. */
  readonly partialPduTimeoutMs: number;
  /** From an R2T to all of its data. Default 30 s. */
  readonly r2tTimeoutMs: number;
  /** Time that a host may take to receive one write of ours; it is up to a quarter longer. Default 60 s. */
  readonly sendTimeoutMs: number;
  /** Longest Keep Alive Timeout that is accepted. Default 10 min. */
  readonly keepAliveTimeoutMsMax: number;
  /** Keep Alive Timeouts are rounded up to a multiple of this (KAS); of 100 ms. Default 1 s. */
  readonly keepAliveGranularityMs: number;
  /** Keep Alive Timeout of a discovery controller whose host asked for none. Default 2 min. */
  readonly discoveryKeepAliveTimeoutMs: number;
  /** Data in a capsule of an I/O queue (IOCCSZ); a multiple of 16. Default 8 KiB. */
  readonly inCapsuleBytes: number;
  /** Data in one H2CData (MAXH2CDATA). Default 128 KiB. */
  readonly h2cDataBytesMax: number;
  /** Data of one command (MDTS); a power of two, 8 KiB or more, since MDTS has no word for 4 KiB. Default 1 MiB. */
  readonly transferBytesMax: number;
  /** Buffers that the commands of one connection hold; they wait for more. Default 4 MiB. */
  readonly connectionBufferBytesMax: number;
  /** Buffers of all commands together. Default 256 MiB. */
  readonly bufferBytesMax: number;
  /** Buffers kept for later use while no command holds them. Default 16 MiB. */
  readonly idleBufferBytesMax: number;
  /** Bytes that wait to be sent on one connection; beyond, nothing is read from it. Default 4 MiB. */
  readonly queuedBytesMax: number;
  /** Asynchronous Event Requests of one controller at the same time (AERL). Default 4. */
  readonly asyncEventRequestsMax: number;
  /** Abort commands of one controller at the same time (ACL). Default 4. */
  readonly abortsMax: number;
  /**
   * Time that devices need to end all requests of a host that is lost (CQT); at most 65,535. A host
   * counts on it: say it only where every device keeps it, 1 for at once. Default 0, no promise.
   */
  readonly commandQuiesceTimeMs: number;
  /** Cross-Controller Resets in progress by one controller (CCRL); 0 for none. Default 4. */
  readonly crossControllerResetsMax: number;
  /** Entries of the Cross-Controller Reset log, completed ones too; at most 511. Default 511. */
  readonly crossControllerResetEntriesMax: number;
  /** Longest that a Cross-Controller Reset waits for devices; then it has failed. Default 30 s. */
  readonly crossControllerResetTimeoutMs: number;
  /** Entries of the Error Information log (ELPE). Default 64. */
  readonly errorLogEntriesMax: number;
  /** Highest NSID (NN), and so the namespaces of one subsystem. Default 1,024. */
  readonly namespacesMax: number;
  /** Highest ANA group (ANAGRPMAX). Default 128. */
  readonly anaGroupsMax: number;
  /** Records of the discovery log. Default 4,096. */
  readonly discoveryRecordsMax: number;
  /** From an orderly end of a connection to its reset, if the host leaves it open. Default 1 s. */
  readonly lingerMs: number;
  /** Longest that `close` waits for backends, half of it with the hosts still there. Default 2 s. */
  readonly closeTimeoutMs: number;
}

/** The bounds of a target that names none. */
export const defaultLimits: TargetLimits = {
  connectionsMax: 1_024,
  connectionsPerAddressMax: 128,
  connectingMax: 512,
  controllersMax: 512,
  controllersPerHostMax: 64,
  ioQueuesMax: 128,
  queueDepthMax: 128,
  adminQueueDepthMax: 32,
  handshakeTimeoutMs: 5_000,
  initializeTimeoutMs: 5_000,
  connectTimeoutMs: 10_000,
  refusedCommandsMax: 3,
  unauthenticatedMax: 128,
  authenticateTimeoutMs: 10_000,
  authenticationFailuresMax: 5,
  enableTimeoutMs: 30_000,
  partialPduTimeoutMs: 10_000,
  r2tTimeoutMs: 30_000,
  sendTimeoutMs: 60_000,
  keepAliveTimeoutMsMax: 600_000,
  keepAliveGranularityMs: 1_000,
  discoveryKeepAliveTimeoutMs: 120_000,
  inCapsuleBytes: 8 * 1024,
  h2cDataBytesMax: 128 * 1024,
  transferBytesMax: 1024 * 1024,
  connectionBufferBytesMax: 4 * 1024 * 1024,
  bufferBytesMax: 256 * 1024 * 1024,
  idleBufferBytesMax: 16 * 1024 * 1024,
  queuedBytesMax: 4 * 1024 * 1024,
  asyncEventRequestsMax: 4,
  abortsMax: 4,
  commandQuiesceTimeMs: 0,
  crossControllerResetsMax: 4,
  crossControllerResetEntriesMax: ENTRY_LOG_MAX,
  crossControllerResetTimeoutMs: 30_000,
  errorLogEntriesMax: 64,
  namespacesMax: 1_024,
  anaGroupsMax: 128,
  discoveryRecordsMax: 4_096,
  lingerMs: 1_000,
  closeTimeoutMs: 2_000,
};

/** What a limit may be, where more is asked than a whole number of 1 or more. */
const ranges: Partial<Record<keyof TargetLimits, readonly [min: number, max: number]>> = {
  controllersMax: [1, 0xffef],
  ioQueuesMax: [1, 0xffff],
  queueDepthMax: [2, 0x1_0000],
  adminQueueDepthMax: [2, 4_096],
  keepAliveGranularityMs: [100, 6_553_500],
  transferBytesMax: [8_192, 128 * 1024 * 1024],
  h2cDataBytesMax: [4_096, 0x7fff_fffc],
  inCapsuleBytes: [0, 1024 * 1024],
  idleBufferBytesMax: [0, Number.MAX_SAFE_INTEGER],
  asyncEventRequestsMax: [1, 256],
  abortsMax: [1, 256],
  commandQuiesceTimeMs: [0, 0xffff],
  crossControllerResetsMax: [0, 255],
  crossControllerResetEntriesMax: [1, ENTRY_LOG_MAX],
  errorLogEntriesMax: [1, 256],
  namespacesMax: [1, 0xffff],
  anaGroupsMax: [1, 0xffff],
  lingerMs: [0, Number.MAX_SAFE_INTEGER],
  closeTimeoutMs: [0, Number.MAX_SAFE_INTEGER],
};

/** What a limit must be a multiple of. */
const units: Partial<Record<keyof TargetLimits, number>> = {
  inCapsuleBytes: 16,
  h2cDataBytesMax: 4,
  keepAliveGranularityMs: 100,
};

/**
 * The defaults with what is given in their place.
 *
 * @throws RangeError for a value that a limit cannot have; TypeError for a name that there is not.
 */
export function resolveLimits(given: Partial<TargetLimits> = {}): TargetLimits {
  checkNames(given, Object.keys(defaultLimits), "limit");
  const limits = { ...defaultLimits };
  for (const name of Object.keys(defaultLimits) as (keyof TargetLimits)[]) {
    const value = given[name];
    if (value === undefined) continue;
    const [min, max] = ranges[name] ?? [1, Number.MAX_SAFE_INTEGER];
    if (!Number.isSafeInteger(value) || value < min || value > max) {
      throw new RangeError(`${name} must be a whole number, ${min} to ${max}, not ${value}`);
    }
    const unit = units[name] ?? 1;
    if (value % unit !== 0) throw new RangeError(`${name} must be a multiple of ${unit}`);
    limits[name] = value;
  }
  if (!Number.isInteger(Math.log2(limits.transferBytesMax))) {
    throw new RangeError(`transferBytesMax must be a power of two, not ${limits.transferBytesMax}`);
  }
  // Or a single command could wait for ever.
  if (limits.connectionBufferBytesMax < limits.transferBytesMax) {
    throw new RangeError("connectionBufferBytesMax must be at least transferBytesMax");
  }
  if (limits.bufferBytesMax < limits.connectionBufferBytesMax) {
    throw new RangeError("bufferBytesMax must be at least connectionBufferBytesMax");
  }
  return limits;
}

/**
 * The most I/O queues that a controller is granted: each takes a connection, beside the admin queue's, and a
 * host that was promised more than it can open would not come in at all.
 */
export const ioQueuesGrantable = (limits: TargetLimits): number =>
  Math.max(
    1,
    Math.min(limits.ioQueuesMax, limits.connectionsMax - 1, limits.connectionsPerAddressMax - 1),
  );

/**
 * Checks limits without a target.
 *
 * @throws RangeError for a value that a limit cannot have.
 */
export function checkLimits(given: Partial<TargetLimits>): void {
  resolveLimits(given);
}

/** CRDT1 to CRDT3 are counted in these, in 16 bits. */
export const RETRY_DELAY_UNIT_MS = 100;
const RETRY_DELAYS_MAX = 3;

/** @throws RangeError for times that CRDT1 to CRDT3 cannot say. */
export function checkRetryDelays(delaysMs: readonly number[]): readonly number[] {
  const units = delaysMs.map((ms) => ms / RETRY_DELAY_UNIT_MS);
  const fits = units.every((each) => Number.isInteger(each) && each >= 1 && each <= 0xffff);
  if (!fits || units.length > RETRY_DELAYS_MAX) {
    const said = `${RETRY_DELAYS_MAX} multiples of ${RETRY_DELAY_UNIT_MS}, at most 6553500`;
    throw new RangeError(`retryDelaysMs must be up to ${said}, not ${delaysMs.join(", ")}`);
  }
  return [...delaysMs];
}

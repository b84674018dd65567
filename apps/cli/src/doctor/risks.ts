// What works today and may not tomorrow: each risk with the fact that it follows from.
// Read first: ../verbs/doctor.ts, which finds the facts out.

import { formatBytes, formatMs } from "../units.ts";

/** What `doctor` has found out about a controller that works. */
export interface Facts {
  /** Only this machine can reach the address. */
  readonly isLocal: boolean;
  readonly isSecure: boolean;
  readonly headerDigest: boolean;
  readonly dataDigest: boolean;
  readonly keepAliveTimeoutMs: number;
  /** Longest that our event loop was late meanwhile. */
  readonly stallMs: number;
  /** Most data in one H2CData PDU, MAXH2CDATA; undefined where there is no such bound (FC). */
  readonly h2cDataBytesMax: number | undefined;
  readonly transferBytesMax: number;
  readonly ioQueues: number;
  readonly ioQueuesAsked: number;
  /** Ways to the subsystem that a discovery controller knows; undefined where none could be asked. */
  readonly paths: number | undefined;
  /** The host ID of this machine under a host NQN that is not its own. */
  readonly isHostIdBorrowed: boolean;
}

/** Below these, one large request becomes many small pieces. */
const H2C_DATA_SMALL = 64 * 1024;
const TRANSFER_SMALL = 128 * 1024;

/** Keep-alives shorter than this are met by stalls that every machine has now and then. */
const KEEP_ALIVE_SHORT_MS = 2_000;

/** Every risk: when there is one, and what is to be said of it. */
const rules: readonly (readonly [(facts: Facts) => boolean, (facts: Facts) => string])[] = [
  [
    ({ ioQueues, ioQueuesAsked }) => ioQueues < ioQueuesAsked,
    ({ ioQueues, ioQueuesAsked }) =>
      `the controller gives ${ioQueues} I/O queues, and ${ioQueuesAsked} were asked for`,
  ],
  [
    ({ transferBytesMax }) => transferBytesMax < TRANSFER_SMALL,
    ({ transferBytesMax }) =>
      `transfers are small: ${formatBytes(transferBytesMax)} at most (MDTS)`,
  ],
  [
    ({ h2cDataBytesMax = Infinity }) => h2cDataBytesMax < H2C_DATA_SMALL,
    ({ h2cDataBytesMax = 0 }) =>
      `data of writes comes in pieces of at most ${formatBytes(h2cDataBytesMax)} (MAXH2CDATA)`,
  ],
  [
    ({ isSecure, isLocal }) => !isSecure && !isLocal,
    () => "the connection is not encrypted, and its peer not known by a key",
  ],
  [
    ({ isSecure, isLocal, headerDigest, dataDigest }) =>
      !isSecure && !isLocal && !(headerDigest && dataDigest),
    () => "digests are off (-g, -G): what a bad link changes, TCP alone may not notice",
  ],
  [
    ({ keepAliveTimeoutMs }) => keepAliveTimeoutMs === 0,
    () => "there is no keep-alive: a silent controller is not noticed",
  ],
  [
    ({ keepAliveTimeoutMs }) => keepAliveTimeoutMs > 0 && keepAliveTimeoutMs < KEEP_ALIVE_SHORT_MS,
    ({ keepAliveTimeoutMs }) =>
      `keep-alive of ${formatMs(keepAliveTimeoutMs)} is shorter than stalls that happen`,
  ],
  [
    ({ keepAliveTimeoutMs, stallMs }) => keepAliveTimeoutMs > 0 && keepAliveTimeoutMs < 2 * stallMs,
    ({ keepAliveTimeoutMs, stallMs }) =>
      `this process stalled for ${formatMs(stallMs)}: more than half of the keep-alive of ${formatMs(keepAliveTimeoutMs)}`,
  ],
  [
    ({ paths, isLocal }) => paths === 1 && !isLocal,
    () => "discovery knows a single path: where that is lost, everything waits",
  ],
  [
    ({ isHostIdBorrowed }) => isHostIdBorrowed,
    () =>
      "the host ID is that of this machine, the host NQN is not: targets may refuse one ID with two NQNs",
  ],
];

/** All risks, in the order above. */
export const risksOf = (facts: Facts): string[] =>
  rules.filter(([applies]) => applies(facts)).map(([, text]) => text(facts));

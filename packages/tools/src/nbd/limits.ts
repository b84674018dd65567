// Every bound of an NBD server, with its default. A client meets one of these before it meets our memory.
// Read first: the NBD protocol, "Block size constraints" and "Termination of the session".

import { STRING_BYTES_MAX } from "./protocol.ts";

/** Bounds of a server. Times in milliseconds, sizes in bytes. */
export interface NbdLimits {
  /** Connections at the same time; more are closed at once. Default 16. */
  readonly connectionsMax: number;
  /** Exports of the server. Default 1,024. */
  readonly exportsMax: number;
  /** Data of one read, write or cache request, announced to clients. Default 32 MiB. */
  readonly requestBytesMax: number;
  /** Requests of one connection at the same time; it is not read from beyond. Default 128. */
  readonly inflightMax: number;
  /**
   * Buffers that the requests of one connection hold, replies that are not sent included; it is not
   * read from beyond. Default 64 MiB.
   */
  readonly connectionBufferBytesMax: number;
  /** Buffers of all connections together. Default 256 MiB. */
  readonly bufferBytesMax: number;
  /** Buffers kept for later use while no request holds them. Default 16 MiB. */
  readonly idleBufferBytesMax: number;
  /** Replies queued to a client beyond which nothing more is read from it. Default 4 MiB. */
  readonly outputBytesMax: number;
  /** Data of one option; more is skipped and answered with an error. Default 16 KiB. */
  readonly optionBytesMax: number;
  /** Options that a client may send before it chooses an export. Default 256. */
  readonly optionsMax: number;
  /** Queries for metadata contexts in one option. Default 64. */
  readonly queriesMax: number;
  /** Extents in one reply to BLOCK_STATUS. Default 512. */
  readonly extentsMax: number;
  /** From the connection to the choice of an export. Default 10 s. */
  readonly handshakeTimeoutMs: number;
  /** Time for each 64 KiB of a request that has begun to arrive, or for what is left of it. Default 30 s. */
  readonly requestTimeoutMs: number;
  /** Time in which a client takes something of what is sent to it. Default 30 s. */
  readonly sendTimeoutMs: number;
  /** Time without a request after which a client is sent away; 0 for never. Default 0. */
  readonly idleTimeoutMs: number;
  /** From the end of a connection to its reset, if the client leaves it open. Default 1 s. */
  readonly lingerMs: number;
  /** Longest that `close` takes, half of it with requests still answered. Default 2 s. */
  readonly closeTimeoutMs: number;
}

const MIB = 1024 * 1024;

/** The bounds of a server that names none. */
export const defaultNbdLimits: NbdLimits = {
  connectionsMax: 16,
  exportsMax: 1_024,
  requestBytesMax: 32 * MIB,
  inflightMax: 128,
  connectionBufferBytesMax: 64 * MIB,
  bufferBytesMax: 256 * MIB,
  idleBufferBytesMax: 16 * MIB,
  outputBytesMax: 4 * MIB,
  optionBytesMax: 16 * 1024,
  optionsMax: 256,
  queriesMax: 64,
  extentsMax: 512,
  handshakeTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  sendTimeoutMs: 30_000,
  idleTimeoutMs: 0,
  lingerMs: 1_000,
  closeTimeoutMs: 2_000,
};

/** Sizes of requests are whole blocks, whatever the blocks are. */
const REQUEST_UNIT = 65_536;

/** What a limit may be, where that is not a whole number of 1 or more. */
const ranges: Partial<Record<keyof NbdLimits, readonly [min: number, max: number]>> = {
  // Clients of the protocol's first days take 64 KiB for granted; its length has 32 bits.
  requestBytesMax: [REQUEST_UNIT, 0xffff_0000],
  optionBytesMax: [STRING_BYTES_MAX + 64, 16 * MIB],
  extentsMax: [1, 65_536],
  idleBufferBytesMax: [0, Number.MAX_SAFE_INTEGER],
  idleTimeoutMs: [0, Number.MAX_SAFE_INTEGER],
  lingerMs: [0, Number.MAX_SAFE_INTEGER],
  closeTimeoutMs: [0, Number.MAX_SAFE_INTEGER],
};

/**
 * The defaults with what is given in their place.
 *
 * @throws RangeError for a value that a limit cannot have.
 */
export function resolveNbdLimits(given: Partial<NbdLimits> = {}): NbdLimits {
  const limits = { ...defaultNbdLimits };
  for (const name of Object.keys(defaultNbdLimits) as (keyof NbdLimits)[]) {
    const value = given[name];
    if (value === undefined) continue;
    const [min, max] = ranges[name] ?? [1, Number.MAX_SAFE_INTEGER];
    if (!Number.isSafeInteger(value) || value < min || value > max) {
      throw new RangeError(`${name} must be a whole number, ${min} to ${max}, not ${value}`);
    }
    limits[name] = value;
  }
  if (limits.requestBytesMax % REQUEST_UNIT !== 0) {
    throw new RangeError(`requestBytesMax must be a multiple of ${REQUEST_UNIT}`);
  }
  // A request that is not aligned takes two blocks more, and buffers are powers of two.
  const largest = 2 ** Math.ceil(Math.log2(limits.requestBytesMax + 2 * REQUEST_UNIT));
  if (limits.connectionBufferBytesMax < largest) {
    throw new RangeError(`connectionBufferBytesMax must be ${largest} or more, for one request`);
  }
  if (limits.bufferBytesMax < limits.connectionBufferBytesMax) {
    throw new RangeError("bufferBytesMax must be at least connectionBufferBytesMax");
  }
  return limits;
}

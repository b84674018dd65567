// An export: a block device under a name, and what NBD clients are told of it.
// Read first: the NBD protocol, "Transmission flags" and "Block size constraints".

import { type BlockDevice, splitting } from "@nvmeof/bdev";
import type { Clock } from "@nvmeof/transport";
import { ChangeLock } from "./change-lock.ts";
import type { NbdLimits } from "./limits.ts";
import { STRING_BYTES_MAX, TransmissionFlag } from "./protocol.ts";

/** What is exported. */
export interface NbdExportOptions {
  /** What clients ask for; "" is the default export's. UTF-8 of at most 4,096 bytes, without NUL. */
  readonly name: string;
  /** Stays its owner's. */
  readonly device: BlockDevice;
  /** A sentence for people, told to clients that list exports. */
  readonly description?: string | undefined;
  /** Refuses everything that changes blocks. Default: as the device is. */
  readonly readOnly?: boolean | undefined;
  /**
   * Bytes that are no whole blocks: `allow` reads, changes and writes such blocks; `error` announces the
   * block size as the smallest, and refuses the rest. Default `allow`.
   */
  readonly unaligned?: "allow" | "error" | undefined;
  /**
   * A flush by one channel of the device covers what all channels have written, so that a client may use
   * several connections. True for a file, and for a namespace by one path: its controller flushes
   * whatever it has completed. Not known of several paths. Default: true unless the device has a
   * volatile cache.
   */
  readonly flushCoversAll?: boolean | undefined;
  /** WriteZeroes of the device is faster than to write zeroes. Default: true if it has WriteZeroes. */
  readonly fastZeroes?: boolean | undefined;
}

/** Smallest size of a request that is announced as a good one. */
const PREFERRED_BYTES_MIN = 4096;

const encoder = new TextEncoder();

/**
 * The bytes of a string of the protocol.
 *
 * @throws RangeError for one that the protocol does not allow.
 */
export function stringBytes(what: string, text: string): Uint8Array {
  const bytes = encoder.encode(text);
  if (bytes.length > STRING_BYTES_MAX || text.includes("\0")) {
    throw new RangeError(`${what} must have at most ${STRING_BYTES_MAX} bytes, and no NUL`);
  }
  return bytes;
}

/** A device under a name. */
export class NbdExport {
  readonly name: string;
  readonly nameBytes: Uint8Array;
  readonly descriptionBytes: Uint8Array;
  readonly device: BlockDevice;
  readonly unaligned: "allow" | "error";
  /** The device for requests of any size that the server takes. */
  readonly splitting: BlockDevice;
  /** Of all connections: what they change may overlap. */
  readonly lock = new ChangeLock();
  readonly #options: NbdExportOptions;
  readonly #requestBytesMax: number;

  /** @throws RangeError for a name or description that the protocol does not allow. */
  constructor(options: NbdExportOptions, clock: Pick<Clock, "defer">, limits: NbdLimits) {
    const { device, name, description = "", unaligned = "allow" } = options;
    this.name = name;
    this.nameBytes = stringBytes("the name of an export", name);
    this.descriptionBytes = stringBytes("the description of an export", description);
    this.device = device;
    this.unaligned = unaligned;
    this.#options = options;
    this.#requestBytesMax = limits.requestBytesMax;
    // What is not aligned takes a block more at each end.
    const transferBlocksMax = limits.requestBytesMax / device.blockBytes + 2;
    const { inflightMax } = limits;
    this.splitting = splitting(device, { clock, transferBlocksMax, inflightMax });
  }

  get blockBytes(): number {
    return this.device.blockBytes;
  }

  /** Size now, bytes. */
  get sizeBytes(): number {
    return this.device.blockBytes * this.device.blockCount;
  }

  /** Smallest request, and what it must be a multiple of, bytes. */
  get minimumBytes(): number {
    return this.unaligned === "allow" ? 1 : this.device.blockBytes;
  }

  /** From this size on, aligned requests are efficient, bytes. */
  get preferredBytes(): number {
    return Math.max(PREFERRED_BYTES_MIN, this.device.blockBytes);
  }

  get maximumBytes(): number {
    return this.#requestBytesMax;
  }

  get isReadOnly(): boolean {
    return this.#options.readOnly === true || this.device.features.readOnly;
  }

  get hasFastZeroes(): boolean {
    const { writeZeroes } = this.device.features;
    return writeZeroes && this.#options.fastZeroes !== false;
  }

  /**
   * A client may spread its requests over several connections only if what it flushes by one of them
   * covers the others: nothing is ever written, nothing is cached, or the device says so.
   */
  get canMultiConn(): boolean {
    const { volatileCache } = this.device.features;
    return this.isReadOnly || (this.#options.flushCoversAll ?? !volatileCache);
  }

  /** The transmission flags. `DF` is for clients that take structured replies. */
  flags(structured: boolean): number {
    const { deallocate } = this.device.features;
    const always = TransmissionFlag.HasFlags | TransmissionFlag.SendFlush;
    // Zeroes can always be written, if need be as data; and a fast failure is an answer as well.
    const changes = this.isReadOnly
      ? TransmissionFlag.ReadOnly
      : TransmissionFlag.SendWriteZeroes |
        TransmissionFlag.SendFastZero |
        (deallocate ? TransmissionFlag.SendTrim : 0);
    return (
      always |
      TransmissionFlag.SendFua |
      TransmissionFlag.SendCache |
      changes |
      (structured ? TransmissionFlag.SendDf : 0) |
      (this.canMultiConn ? TransmissionFlag.CanMultiConn : 0)
    );
  }
}

/** The exports that a session may choose from. */
export interface ExportDirectory {
  /** In the order in which they were added. */
  readonly exports: Iterable<NbdExport>;
  /** The one of this name; for "" the first, unless one is called so. */
  find(name: string): NbdExport | undefined;
}

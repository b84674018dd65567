// The contract of a block device: what it says of itself, and channels that take requests.
// Read first: DESIGN.md §3; conformance/ holds the suite that every device passes.

import type { NvmeofError } from "@nvmeof/codec";

/** What a request asks for. Integers, since they are switched on for every request. */
export const BlockOp = {
  Read: 0,
  Write: 1,
  /** All writes that settled before this was submitted are on stable media when it settles. */
  Flush: 2,
  /** The blocks read as zeroes afterwards. */
  WriteZeroes: 3,
  /** The blocks are no longer needed; what they read as afterwards is the device's affair. */
  Deallocate: 4,
  /** Fails with Compare Failure where `data` differs from what the blocks hold. */
  Compare: 5,
  /** The blocks are read and found readable, without moving data. */
  Verify: 6,
} as const;
export type BlockOp = (typeof BlockOp)[keyof typeof BlockOp];

/**
 * One request. The object and its `data` belong to the channel until the request settles; the caller
 * may then use both again, so that a steady load makes no garbage.
 */
export interface BlockRequest {
  op: BlockOp;
  /** First block. 0 for Flush. */
  lba: number;
  /** Number of blocks, 1 or more; 0 for Flush. */
  blockCount: number;
  /** Read, Write and Compare: exactly `blockCount` × `blockBytes` bytes. Otherwise undefined. */
  data: Uint8Array | undefined;
  /** Write and WriteZeroes: on stable media when it settles (Force Unit Access). */
  fua?: boolean;
}

/**
 * How a request ends: `undefined` for success, else the error, with `status` (an NVMe status) and
 * `outcome` set. Called exactly once for each request, never inside `submit`.
 */
export type BlockSettle = (error: NvmeofError | undefined) => void;

/** What a device can do and how large a request may be. */
export interface BlockLimits {
  /** Most blocks of one Read, Write or Compare. */
  readonly transferBlocksMax: number;
  /** A transfer may not cross a multiple of this many blocks; 0 for no such boundary. */
  readonly boundaryBlocks: number;
  /** Most requests in flight on one channel; more are refused. */
  readonly inflightMax: number;
}

/** What a device supports beyond Read and Write. */
export interface BlockFeatures {
  readonly readOnly: boolean;
  /** There is a volatile cache, and Flush does something about it. */
  readonly volatileCache: boolean;
  readonly writeZeroes: boolean;
  readonly deallocate: boolean;
  readonly compare: boolean;
  readonly verify: boolean;
}

/** Who the data is, whatever name or path leads to it. */
export interface BlockIdentity {
  /** RFC 9562 text form, lower case. */
  readonly uuid?: string;
  /** Namespace Globally Unique Identifier, 16 bytes. */
  readonly nguid?: Uint8Array;
  /** IEEE Extended Unique Identifier, 8 bytes. */
  readonly eui64?: Uint8Array;
}

/** Blocks that are allocated, or not, all alike. */
export interface BlockExtent {
  /** Number of blocks, 1 or more. */
  readonly blockCount: number;
  /** False: the blocks take no room below, and read as zeroes. */
  readonly isAllocated: boolean;
}

/** What happens to a device while it is open. */
export type BlockDeviceEvent =
  | { readonly type: "resized"; readonly blockCount: number }
  /** The device is gone; its channels refuse from now on. Comes once, last. */
  | { readonly type: "removed"; readonly reason: string };

/** An array of blocks of equal size. */
export interface BlockDevice {
  readonly name: string;
  /** Size of a block: a power of two, 512 to 65,536. */
  readonly blockBytes: number;
  /** Number of blocks now; "resized" tells of changes. */
  readonly blockCount: number;
  readonly limits: BlockLimits;
  readonly features: BlockFeatures;
  readonly identity: BlockIdentity;
  /**
   * What is known, without any I/O, of the beginning of a range of one block or more within the
   * device: an extent of at most `blockCount` blocks. Undefined for devices that do not know.
   */
  readonly extentAt?: ((lba: number, blockCount: number) => BlockExtent) | undefined;
  /** Its blocks, where they are in this process's memory: a way past channels, requests and copies. */
  readonly atHand?: BlocksAtHand | undefined;
  /**
   * A channel of its own for each user that submits. Many may be open. When the device is closed, a
   * channel that refuses everything: there is one way to learn of it.
   */
  openChannel(): BlockChannel;
  /**
   * Tells `observer` of events from now on, until the returned function is called; never inside a
   * call to the device.
   */
  observe(observer: (event: BlockDeviceEvent) => void): () => void;
  /** Removes the device: "removed" is told, what is in flight settles, then it resolves. */
  close(): Promise<void>;
}

/**
 * Blocks that need no waiting. What goes this way is counted by nobody, checked for its range only,
 * and done when the call returns.
 */
export interface BlocksAtHand {
  /** Whether blocks `lba` to `lba + blockCount - 1` can be read now; others take a request. */
  has(lba: number, blockCount: number): boolean;
  /** Copies blocks that are at hand to `into`, from its byte `at` on. */
  read(lba: number, blockCount: number, into: Uint8Array, at: number): void;
  /**
   * The other way. False where that takes a request, which finds out why: out of range, closed,
   * read-only, or no memory left; of the last a part may be done.
   */
  write(lba: number, blockCount: number, from: Uint8Array, at: number): boolean;
}

/** A user's way to a device: no state is shared with other channels but the blocks. */
export interface BlockChannel {
  /** Requests submitted and not settled. */
  readonly inflight: number;
  /**
   * Takes a request; `settle` is called exactly once, later. A request that cannot be taken (out of
   * range, no room, closed) settles with an error like any other.
   */
  submit(request: BlockRequest, settle: BlockSettle): void;
  /** Takes no more requests; what is in flight still settles. Idempotent. */
  close(): void;
}

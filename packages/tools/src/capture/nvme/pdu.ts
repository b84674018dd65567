// A PDU as it was found in a stream: its header, its digests, and what was not captured of it.
// Read first: NVMe/TCP 1.0 §3.6.1 "Common Header (CH)"; cutter.ts, which makes them.

import type { ProtocolError } from "@nvmeof/codec";

/** Whom the bytes go to. */
export type Direction = "toController" | "toHost";

/** Whether a digest was there, and right. `unknown`: not all that it covers was captured. */
export type DigestState = "absent" | "good" | "bad" | "unknown";

/** A digest that was checked. */
export interface Digest {
  readonly state: DigestState;
  /** As received and as computed, unsigned; 0 where there is none, or nothing to compute. */
  readonly received: number;
  readonly computed: number;
}

export const NO_DIGEST: Digest = { state: "absent", received: 0, computed: 0 };

/** A PDU, complete but for what the capture has missed. */
export interface CapturedPdu {
  readonly direction: Direction;
  /** `PduType`, or whatever stood in its place. */
  readonly type: number;
  readonly flags: number;
  readonly hlen: number;
  readonly pdo: number;
  readonly plen: number;
  /** The header as received, its digest not counted: 8 bytes where its common part was refused. */
  readonly header: DataView;
  /** All of the header was captured, but for what is reserved. */
  readonly hasHeader: boolean;
  readonly headerDigest: Digest;
  readonly dataDigest: Digest;
  /** Bytes of data, digest and padding not counted, and how many of them were not captured. */
  readonly dataBytes: number;
  readonly missingBytes: number;
  /** Padding that is not zero. */
  readonly dirtyPadding: boolean;
  /** Why a receiver refuses the common header; nothing behind those 8 bytes is understood then. */
  readonly refusal: ProtocolError | undefined;
  /** Frames in which it begins and ends, and the time of the latter, ms since the first frame. */
  readonly firstFrame: number;
  readonly frame: number;
  readonly timeMs: number;
}

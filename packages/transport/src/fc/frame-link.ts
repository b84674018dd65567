// What carries frames between ports: a fabric in memory, or a byte stream between two of them.
// Read first: FC-FS-6 §9 "Frame header"; fabric.ts and stream-link.ts, the two that are here.

import type { NvmeofError } from "@nvmeof/codec";

/** What a link tells its port. Never called inside a call to the link. */
export interface FrameLinkEvents {
  /** The link is up, and `portId` is set. */
  up(): void;
  /** A frame arrived: header and payload. Its bytes are the receiver's during this call only. */
  received(frame: Uint8Array): void;
  /** The link takes data again; see `FrameLink.clogged`. */
  drained(): void;
  /** The link is down: every port behind it is out of reach. It may come up again. */
  down(error: NvmeofError): void;
}

/** A port's connection to its fabric, or to the one port at the other end. Frames may get lost. */
export interface FrameLink {
  /** The other end as a person writes it, for errors and logs. */
  readonly remote: string;
  /** N_Port ID of this end; 0 while the link is not up. */
  readonly portId: number;
  /**
   * More is under way than the link likes to carry. Frames without data are taken all the same: there
   * are no more of them than there are exchanges.
   */
  readonly clogged: boolean;
  /** Whose link it is; called once, before anything else. */
  attach(events: FrameLinkEvents): void;
  /** Brings the link up, if it is not: `up` or `down` follows. `timeoutMs` bounds it. */
  start(timeoutMs: number): void;
  /** N_Port ID of the port with this name, 0 where there is none. A name of 0 is any other port. */
  find(portName: bigint): number;
  /** Sends a frame, whose bytes do not change any more. Nothing happens while the link is down. */
  send(frame: Uint8Array): void;
  /** Nobody uses the link now. A link that exists for this port only may go down, without an event. */
  rest(): void;
  /** Ends the link for good; no event follows. */
  close(): void;
}

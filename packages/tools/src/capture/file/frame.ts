// A frame as a capture file holds it, and who takes frames out of a file.
// Read first: pcap.ts and pcapng.ts, which make them.

import type { ByteQueue } from "./byte-queue.ts";
import type { CaptureError } from "./errors.ts";

/** One captured frame. The object and its bytes are valid during the call that gives them. */
export interface CapturedFrame {
  /** From 1 on, over all interfaces, as in Wireshark. */
  number: number;
  /** When it was captured: seconds since 1970, and nanoseconds of that second. */
  seconds: number;
  nanoseconds: number;
  /** Link type of its interface: LINKTYPE_ of tcpdump.org. */
  linkType: number;
  bytes: Uint8Array;
  view: DataView;
  /** Where in `bytes` the frame begins, and where what was captured of it ends. */
  start: number;
  end: number;
  /** Bytes that it had on the wire: more than were captured, where a snapshot length cut it. */
  wireBytes: number;
}

/** Who takes what is in a file. */
export interface FrameSink {
  frame(frame: CapturedFrame): void;
  /** A block that could not be used; what follows it can. */
  blockSkipped(offset: number, why: string): void;
}

/** A format. */
export interface FileFormat {
  /**
   * Takes what it can from the queue.
   *
   * @throws CaptureError where nothing more can be made of the file.
   */
  read(queue: ByteQueue): void;
  /** The file ends here: what is wrong with that, if anything. */
  end(queue: ByteQueue): CaptureError | undefined;
}

/** No frame is longer; what claims to be is damage. Wireshark's limit is 256 KiB for most links. */
export const FRAME_BYTES_MAX = 16 * 1024 * 1024;

export const emptyFrame = (): CapturedFrame => ({
  number: 0,
  seconds: 0,
  nanoseconds: 0,
  linkType: 0,
  bytes: new Uint8Array(0),
  view: new DataView(new ArrayBuffer(0)),
  start: 0,
  end: 0,
  wireBytes: 0,
});

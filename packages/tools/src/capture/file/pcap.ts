// The classic capture file: a header, then frames, in the byte order of whoever wrote it.
// Read first: draft-ietf-opsawg-pcap §4 "General File Structure", §5 "Packet Record".

import type { ByteQueue } from "./byte-queue.ts";
import { CaptureError } from "./errors.ts";
import { FRAME_BYTES_MAX, type FileFormat, type FrameSink, emptyFrame } from "./frame.ts";

/** Magic numbers as they read in the writer's own byte order. */
const MICROSECONDS = 0xa1b2c3d4;
const NANOSECONDS = 0xa1b23c4d;

const FILE_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;

/** What a magic number says of a file. */
interface Magic {
  readonly littleEndian: boolean;
  /** Nanoseconds of the unit in which fractions of a second are given. */
  readonly fractionNs: number;
}

function magicAt(view: DataView, at: number): Magic | undefined {
  for (const littleEndian of [true, false]) {
    const magic = view.getUint32(at, littleEndian);
    if (magic === MICROSECONDS) return { littleEndian, fractionNs: 1000 };
    if (magic === NANOSECONDS) return { littleEndian, fractionNs: 1 };
  }
  return undefined;
}

/** Whether the four bytes at `at` begin a classic capture file. */
export const isPcap = (view: DataView, at: number): boolean => magicAt(view, at) !== undefined;

/** Reads a classic capture file. */
export class PcapFormat implements FileFormat {
  readonly #sink: FrameSink;
  readonly #frame = emptyFrame();
  #magic: Magic | undefined;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  read(queue: ByteQueue): void {
    if (this.#magic === undefined) {
      if (queue.length < FILE_HEADER_BYTES) return;
      this.#magic = magicAt(queue.view, queue.start)!;
      // The upper bits tell of the frame check sequence.
      const linkType = queue.view.getUint32(queue.start + 20, this.#magic.littleEndian);
      this.#frame.linkType = linkType & 0xffff;
      queue.consume(FILE_HEADER_BYTES);
    }
    while (this.#record(queue, this.#magic)) {
      // Each call takes one frame.
    }
  }

  end(queue: ByteQueue): CaptureError | undefined {
    if (queue.length === 0) return undefined;
    const what = this.#magic === undefined ? "file header" : "frame";
    return new CaptureError(queue.offset, `the file ends in the middle of a ${what}`);
  }

  #record(queue: ByteQueue, { littleEndian, fractionNs }: Magic): boolean {
    if (queue.length < RECORD_HEADER_BYTES) return false;
    const { view, start } = queue;
    const bytes = view.getUint32(start + 8, littleEndian);
    if (bytes > FRAME_BYTES_MAX) {
      throw new CaptureError(queue.offset, `a frame of ${bytes} bytes, which is damage`);
    }
    if (queue.length < RECORD_HEADER_BYTES + bytes) return false;
    const frame = this.#frame;
    const fraction = view.getUint32(start + 4, littleEndian) * fractionNs;
    frame.number++;
    frame.seconds = view.getUint32(start, littleEndian) + Math.floor(fraction / 1e9);
    frame.nanoseconds = fraction % 1e9;
    frame.bytes = queue.bytes;
    frame.view = view;
    frame.start = start + RECORD_HEADER_BYTES;
    frame.end = frame.start + bytes;
    frame.wireBytes = Math.max(bytes, view.getUint32(start + 12, littleEndian));
    this.#sink.frame(frame);
    queue.consume(RECORD_HEADER_BYTES + bytes);
    return true;
  }
}

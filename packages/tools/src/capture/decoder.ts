// The decoder of captures: bytes of a file in, what happened on its NVMe/TCP connections out.
// Read first: events.ts for what it tells; file/reader.ts, net/flow-table.ts and nvme/conversation.ts for
// the three steps on the way.

import type { CaptureHandler } from "./events.ts";
import type { CaptureError } from "./file/errors.ts";
import type { CapturedFrame } from "./file/frame.ts";
import { CaptureReader } from "./file/reader.ts";
import type { StreamTap } from "./net/flow.ts";
import { FlowTable } from "./net/flow-table.ts";
import { emptySegment, readSegment } from "./net/segment.ts";
import { type Skip, isUsual, skipText } from "./net/skip.ts";
import { Controllers } from "./nvme/controllers.ts";
import type { Moment } from "./nvme/cutter.ts";

/** What is decoded, and what bounds the memory that it takes. */
export interface DecoderOptions {
  /**
   * Ports at which controllers listen. Default 4420 and 8009. At other ports a connection counts when
   * the capture has its beginning, and that is an ICReq.
   */
  readonly ports?: readonly number[];
  /** An answer that takes longer gets a warning, ms. Default 30,000. */
  readonly lateMs?: number;
  /** TCP connections that are followed at the same time; the oldest are given up. Default 16,384. */
  readonly flowsMax?: number;
  /** Bytes that wait behind a hole of one direction, before it is given up. Default 8 MiB. */
  readonly waitingBytesMax?: number;
  /** The same in segments. Default 8,192. */
  readonly waitingPiecesMax?: number;
  /** Bytes of each direction that retransmissions are compared with. Default 64 KiB. */
  readonly historyBytes?: number;
  /** Takes the bytes of each NVMe/TCP connection as well, in the order of the capture. */
  readonly tap?: StreamTap;
}

/** The usual ports of NVMe/TCP: of controllers, and of discovery. */
export const NVME_TCP_PORTS: readonly number[] = [4420, 8009];

/** Frames, or blocks of the file, that were left out, and the first of them. */
export interface Skipped {
  readonly why: string;
  readonly count: number;
  /** Number of the frame; of a block its offset in the file. */
  readonly first: number;
  /** Nobody has to hear of it: other protocols. */
  readonly isUsual: boolean;
}

/** What there was beside NVMe/TCP. */
export interface CaptureFacts {
  readonly frames: number;
  /** When the first frame was captured; `undefined` where there is none. */
  readonly begins: { readonly seconds: number; readonly nanoseconds: number } | undefined;
  /** From the first frame to the last, ms. */
  readonly durationMs: number;
  readonly skippedFrames: readonly Skipped[];
  readonly skippedBlocks: readonly Skipped[];
  /** TCP connections that are not NVMe/TCP, as far as one can tell. */
  readonly otherConnections: number;
}

/** Kinds of blocks that are told apart where they were skipped. */
const BLOCK_KINDS_MAX = 100;

interface Tally {
  count: number;
  readonly first: number;
}

function tally<K>(counts: Map<K, Tally>, key: K, first: number): void {
  const known = counts.get(key);
  if (known !== undefined) known.count++;
  else if (counts.size < BLOCK_KINDS_MAX) counts.set(key, { count: 1, first });
}

/**
 * Decodes a capture. It never throws for what is in the file: a file that cannot be read any further is
 * {@link CaptureDecoder.error}, and everything else is an event or a number. Memory is bounded by the
 * options, whatever the length of the file and whatever it claims.
 */
export class CaptureDecoder {
  readonly #reader: CaptureReader;
  readonly #flows: FlowTable;
  readonly #moment: Moment = { frame: 0, timeMs: 0 };
  readonly #segment = emptySegment();
  readonly #skippedFrames = new Map<Skip, Tally>();
  readonly #skippedBlocks = new Map<string, Tally>();
  #begins: { readonly seconds: number; readonly nanoseconds: number } | undefined;
  #durationMs = 0;

  constructor(handler: CaptureHandler, options: DecoderOptions = {}) {
    let connections = 0;
    this.#reader = new CaptureReader({
      frame: (frame) => this.#frame(frame),
      blockSkipped: (offset, why) => tally(this.#skippedBlocks, why, offset),
    });
    this.#flows = new FlowTable(
      {
        ports: new Set(options.ports ?? NVME_TCP_PORTS),
        flowsMax: options.flowsMax ?? 16_384,
      },
      {
        moment: this.#moment,
        tell: handler,
        controllers: new Controllers(),
        lateMs: options.lateMs ?? 30_000,
        limits: {
          waitingBytesMax: options.waitingBytesMax ?? 8 * 1024 * 1024,
          waitingPiecesMax: options.waitingPiecesMax ?? 8192,
          historyBytes: options.historyBytes ?? 64 * 1024,
        },
        nextNumber: () => ++connections,
        tap: options.tap,
      },
    );
  }

  /** Takes the next bytes of the file, in pieces of any length; they may be changed afterwards. */
  write(chunk: Uint8Array): void {
    this.#reader.write(chunk);
  }

  /** The file ends: what is still open is told. */
  end(): void {
    this.#reader.end();
    this.#flows.end();
  }

  /** Why the file cannot be read any further, if so. What came before was told. */
  get error(): CaptureError | undefined {
    return this.#reader.error;
  }

  /** What there was so far beside NVMe/TCP. */
  get facts(): CaptureFacts {
    return {
      frames: this.#moment.frame,
      begins: this.#begins,
      durationMs: this.#durationMs,
      skippedFrames: [...this.#skippedFrames].map(([skip, { count, first }]) => ({
        why: skipText(skip),
        count,
        first,
        isUsual: isUsual(skip),
      })),
      skippedBlocks: [...this.#skippedBlocks].map(([why, { count, first }]) => ({
        why,
        count,
        first,
        isUsual: false,
      })),
      otherConnections: this.#flows.others,
    };
  }

  #frame(frame: CapturedFrame): void {
    const { seconds, nanoseconds } = frame;
    this.#begins ??= { seconds, nanoseconds };
    // A difference first: milliseconds since 1970 with nanoseconds do not fit a number.
    this.#moment.timeMs =
      (seconds - this.#begins.seconds) * 1000 + (nanoseconds - this.#begins.nanoseconds) / 1e6;
    this.#moment.frame = frame.number;
    this.#durationMs = Math.max(this.#durationMs, this.#moment.timeMs);
    const skip = readSegment(frame, this.#segment);
    if (skip === 0) this.#flows.segment(frame, this.#segment);
    else tally(this.#skippedFrames, skip, frame.number);
  }
}

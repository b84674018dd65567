// One direction of a TCP connection: segments in as they were captured, bytes out in their order.
// Read first: RFC 9293 §3.4 "Sequence Numbers", §3.10.7.4; docs of CaptureDecoder for its limits.
//
// What was captured first counts, also where a retransmission says otherwise. A hole is given up when
// the other end acknowledges what lies behind it (the capture has missed it), when too much waits
// behind it, and when the capture ends.

import { History } from "./history.ts";
import { type Piece, insertPiece } from "./piece.ts";

/** Who takes the bytes of a direction. */
export interface LaneSink {
  /** What comes first is not the beginning of the stream. */
  joined(): void;
  /** Bytes `start` to `end` of `bytes` come next; they are valid during this call. */
  bytes(bytes: Uint8Array, view: DataView, start: number, end: number): void;
  /** The next `count` bytes of the stream were not captured: of a frame that was cut, or of one that is not there. */
  missing(count: number, why: "cut" | "lost"): void;
  /** Bytes that had come before came once more, and differ. */
  differs(): void;
}

/** What has passed. */
export interface LaneCounts {
  bytes: number;
  retransmissions: number;
  outOfOrder: number;
  /** Bytes that were not captured, and in how many places. */
  missingBytes: number;
  gaps: number;
}

/** Bytes and pieces that wait behind a hole. */
export interface LaneLimits {
  readonly waitingBytesMax: number;
  readonly waitingPiecesMax: number;
  /** Bytes that retransmissions are compared with. */
  readonly historyBytes: number;
}

/** Further from what is expected than any window reaches: not of this stream. */
const WINDOW_MAX = 2 ** 30;

/** Distance from `b` to `a` on the circle of sequence numbers. */
const distance = (a: number, b: number): number => (a - b) | 0;

export class Lane {
  readonly counts: LaneCounts = {
    bytes: 0,
    retransmissions: 0,
    outOfOrder: 0,
    missingBytes: 0,
    gaps: 0,
  };
  readonly #sink: LaneSink;
  readonly #limits: LaneLimits;
  /** The sequence number that comes next; `undefined` before anything was seen. */
  #next: number | undefined;
  /** What came too early, by sequence number, without overlaps. */
  readonly #waiting: Piece[] = [];
  #waitingBytes = 0;
  readonly #history: History;
  /** Sequence number of the FIN. */
  #fin: number | undefined;

  constructor(sink: LaneSink, limits: LaneLimits) {
    this.#sink = sink;
    this.#limits = limits;
    this.#history = new History(limits.historyBytes);
  }

  /** Whether the sender has sent its FIN, and all before it has passed. */
  get isDone(): boolean {
    return this.#fin !== undefined && this.#next === this.#fin;
  }

  /** Whether anything is known of the stream yet. */
  get hasBegun(): boolean {
    return this.#next !== undefined;
  }

  /** A SYN: the stream begins behind it. */
  begin(seq: number): void {
    this.#next ??= (seq + 1) >>> 0;
  }

  /** A FIN behind `count` bytes from `seq` on. */
  finish(seq: number, count: number): void {
    this.#fin ??= (seq + count) >>> 0;
  }

  /** Bytes `start` to `end` of `bytes` were captured of `wireBytes` that began at `seq`. */
  segment(
    seq: number,
    bytes: Uint8Array,
    view: DataView,
    start: number,
    end: number,
    wireBytes: number,
  ): void {
    if (wireBytes === 0) return;
    const next = this.#next ?? this.#join(seq);
    const ahead = distance(seq, next);
    if (Math.abs(ahead) > WINDOW_MAX) return;
    if (ahead > 0) {
      this.#keep(seq, bytes.slice(start, end), wireBytes);
      return;
    }
    const known = Math.min(-ahead, wireBytes);
    if (known > 0) this.#again(bytes, start, Math.min(end, start + known), -ahead);
    if (known === wireBytes) return;
    this.#pass(bytes, view, Math.min(end, start + known), end, wireBytes - known);
    this.#drain();
  }

  #join(seq: number): number {
    this.#next = seq;
    this.#sink.joined();
    return seq;
  }

  /** The other end has everything before `ack`. */
  acknowledged(ack: number): void {
    if (this.#next === undefined) this.#join(ack);
    while (true) {
      const behind = distance(ack, this.#next!);
      if (behind <= 0 || behind > WINDOW_MAX) return;
      const first = this.#waiting[0];
      const hole =
        first === undefined ? behind : Math.min(behind, distance(first.seq, this.#next!));
      // A SYN and a FIN count as a byte, and so does the probe of a keep-alive.
      if (hole === 1 && first === undefined) return;
      this.#lose(hole);
    }
  }

  /** Nothing more comes: what waits behind holes is given out. */
  end(): void {
    while (this.#waiting.length > 0) this.#giveUpFirstHole();
  }

  /** What came before once more: a probe of a keep-alive says nothing, and may hold anything. */
  #again(bytes: Uint8Array, start: number, end: number, back: number): void {
    if (end - start <= 1 && back === 1) return;
    this.counts.retransmissions++;
    if (this.#history.differs(bytes, start, end, back)) this.#sink.differs();
  }

  #keep(seq: number, bytes: Uint8Array, wireBytes: number): void {
    this.counts.outOfOrder++;
    const added = insertPiece(this.#waiting, { seq, bytes, wireBytes }, () => this.#sink.differs());
    this.#waitingBytes += added;
    const { waitingBytesMax, waitingPiecesMax } = this.#limits;
    while (this.#waitingBytes > waitingBytesMax || this.#waiting.length > waitingPiecesMax) {
      this.#giveUpFirstHole();
    }
  }

  #giveUpFirstHole(): void {
    this.#lose(distance(this.#waiting[0]!.seq, this.#next!));
  }

  #lose(count: number): void {
    this.counts.gaps++;
    this.#skip(count, "lost");
    this.#drain();
  }

  /** What waits and has its turn now. */
  #drain(): void {
    while (this.#waiting.length > 0 && distance(this.#waiting[0]!.seq, this.#next!) <= 0) {
      const { seq, bytes, wireBytes } = this.#waiting.shift()!;
      this.#waitingBytes -= bytes.length;
      const known = distance(this.#next!, seq);
      if (known >= wireBytes) continue;
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      this.#pass(bytes, view, Math.min(bytes.length, known), bytes.length, wireBytes - known);
    }
  }

  /** Gives out what was captured, and the rest as missing. */
  #pass(bytes: Uint8Array, view: DataView, start: number, end: number, wireBytes: number): void {
    const count = end - start;
    if (count > 0) {
      this.#next = (this.#next! + count) >>> 0;
      this.counts.bytes += count;
      this.#history.add(bytes, start, end);
      this.#sink.bytes(bytes, view, start, end);
    }
    if (wireBytes > count) this.#skip(wireBytes - count, "cut");
  }

  #skip(count: number, why: "cut" | "lost"): void {
    this.#next = (this.#next! + count) >>> 0;
    this.counts.missingBytes += count;
    this.#history.forget();
    this.#sink.missing(count, why);
  }
}

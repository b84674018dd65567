// Writes what passes on byte streams as a capture file, which Wireshark reads as well as we do.
// Read first: tcp-frame.ts and pcapng-blocks.ts; traced.ts for streams that record themselves.

import type { Direction } from "../nvme/pdu.ts";
import { TcpFlag } from "../net/segment.ts";
import { FRAME_BLOCK_HEAD, fileHeader, frameBlock } from "./pcapng-blocks.ts";
import { type FrameEnd, type FrameParts, frameBytes, writeFrame } from "./tcp-frame.ts";

/** A moment as capture files have it: seconds since 1970, and nanoseconds of that second. */
export interface CaptureTime {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** Where the bytes of a capture go, and when they were seen. */
export interface CaptureWriterOptions {
  /** Takes the bytes of the file, in their order. They are its own from then on. */
  readonly write: (bytes: Uint8Array) => void;
  /** What time it is. */
  readonly now: () => CaptureTime;
  /** Bytes of the file beyond which nothing is written any more. Default 4 GiB. */
  readonly bytesMax?: number;
  /** Written into the file as the program that made it. Default "nvmeof". */
  readonly application?: string;
}

/** The two ends of a connection. */
export interface StreamEnds {
  readonly host: FrameEnd;
  readonly controller: FrameEnd;
}

const BYTES_MAX = 4 * 2 ** 30;

/** Bytes of a stream in one frame: an IPv4 packet has 65,535 at most. */
const SEGMENT_BYTES = 32 * 1024;

/** Ports for hosts whose own are not known: the dynamic ones. */
const FIRST_HOST_PORT = 49_152;
const HOST_PORTS = 16_384;

/** 2^32 by the golden ratio: multiples of it lie far from each other on the circle. */
const GOLDEN = 0x9e37_79b1;

const NOTHING = new Uint8Array(0);

/**
 * A capture file under way. Streams are written as TCP connections with a handshake, sequence numbers
 * that add up and an end, so that whoever reads it has nothing to guess.
 */
export class CaptureWriter {
  readonly #options: CaptureWriterOptions;
  readonly #bytesMax: number;
  #bytes = 0;
  #isFull = false;
  #hostPorts = 0;
  #streams = 0;

  constructor(options: CaptureWriterOptions) {
    this.#options = options;
    this.#bytesMax = options.bytesMax ?? BYTES_MAX;
    this.#put(fileHeader(options.application ?? "nvmeof", "nvmeof"));
  }

  /** Whether the file has reached its limit: what came since is not in it. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** Bytes that were written. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A port for a host whose own is not known: another one each time, as far as there are any. */
  freshPort(): number {
    return FIRST_HOST_PORT + (this.#hostPorts++ % HOST_PORTS);
  }

  /** Begins a connection. `comment` goes with its first frame. */
  open(ends: StreamEnds, comment?: string): CapturedStream {
    const put: PutFrame = (parts, note) => this.#frame(parts, note);
    return new CapturedStream(ends, this.#initialSequence(), put, comment);
  }

  /** Another one for each connection, all over the circle: ports may be used again. */
  #initialSequence(): number {
    return Math.imul(++this.#streams, GOLDEN) >>> 0;
  }

  #frame(parts: FrameParts, comment: string | undefined): void {
    if (this.#isFull) return;
    const { seconds, nanoseconds } = this.#options.now();
    const block = frameBlock(frameBytes(parts), seconds, nanoseconds, comment);
    writeFrame(block, new DataView(block.buffer), FRAME_BLOCK_HEAD, parts);
    this.#put(block);
  }

  #put(bytes: Uint8Array): void {
    if (this.#bytes + bytes.length > this.#bytesMax) {
      this.#isFull = true;
      return;
    }
    this.#bytes += bytes.length;
    this.#options.write(bytes);
  }
}

type PutFrame = (parts: FrameParts, comment: string | undefined) => void;

const other = { toController: "toHost", toHost: "toController" } as const;

/** A connection in a capture file. */
export class CapturedStream {
  readonly #ends: StreamEnds;
  readonly #put: PutFrame;
  /** Sequence number of what each direction sends next. */
  readonly #next: Record<Direction, number>;
  readonly #ended: Record<Direction, "no" | "yes"> = { toController: "no", toHost: "no" };

  /** Writes the handshake. */
  constructor(ends: StreamEnds, isn: number, put: PutFrame, comment: string | undefined) {
    this.#ends = ends;
    this.#put = put;
    const next = (isn + 1) >>> 0;
    this.#next = { toController: next, toHost: next };
    const { host, controller } = ends;
    const { Syn, Ack } = TcpFlag;
    const bare = { seq: isn, payload: NOTHING };
    put({ ...bare, source: host, destination: controller, ack: 0, flags: Syn }, comment);
    const answer = { ...bare, source: controller, destination: host, ack: next };
    put({ ...answer, flags: Syn | Ack }, undefined);
    this.#segment("toController", NOTHING, TcpFlag.Ack);
  }

  /** Bytes went this way, in one write. */
  data(direction: Direction, pieces: readonly Uint8Array[]): void {
    if (this.#ended[direction] === "yes") return;
    const bytes = pieces.length === 1 ? pieces[0]! : joined(pieces);
    for (let at = 0; at < bytes.length; at += SEGMENT_BYTES) {
      const payload = bytes.subarray(at, at + SEGMENT_BYTES);
      this.#segment(direction, payload, TcpFlag.Psh | TcpFlag.Ack);
    }
  }

  /** The sender of this direction has closed it in good order. */
  close(direction: Direction): void {
    if (this.#ended[direction] === "yes") return;
    this.#segment(direction, NOTHING, TcpFlag.Fin | TcpFlag.Ack);
    this.#ended[direction] = "yes";
    this.#next[direction] = (this.#next[direction] + 1) >>> 0;
    if (this.#ended[other[direction]] === "yes")
      this.#segment(other[direction], NOTHING, TcpFlag.Ack);
  }

  /** The sender of this direction has reset the connection. */
  reset(direction: Direction): void {
    if (this.#ended[direction] === "yes" && this.#ended[other[direction]] === "yes") return;
    this.#segment(direction, NOTHING, TcpFlag.Rst | TcpFlag.Ack);
    this.#ended.toController = this.#ended.toHost = "yes";
  }

  #segment(direction: Direction, payload: Uint8Array, flags: number): void {
    const { host, controller } = this.#ends;
    const fromHost = direction === "toController";
    this.#put(
      {
        source: fromHost ? host : controller,
        destination: fromHost ? controller : host,
        seq: this.#next[direction],
        ack: this.#next[other[direction]],
        flags,
        payload,
      },
      undefined,
    );
    this.#next[direction] = (this.#next[direction] + payload.length) >>> 0;
  }
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

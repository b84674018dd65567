// Frames over a byte stream: what stands behind nvme+fc://host:port. Each frame has 4 bytes before it.
// Read first: frame-link.ts for the contract; ../byte-stream.ts.
//
// The 4 bytes: FC28h, then the length of the frame, header included, as a big-endian 16-bit number.
// There is no CRC: the stream has its own. The end that connects is N_Port 000001h, the other 000002h.

import type { NvmeofError } from "@nvmeof/codec";
import { FRAME_PAYLOAD_MAX, FcHeader, FcProtocolError } from "@nvmeof/codec/fc";
import type { ByteStream, ByteStreamHandler, Connector } from "../byte-stream.ts";
import type { Clock, Timer } from "../clock.ts";
import type { Region } from "../copy.ts";
import { TransportError } from "../errors.ts";
import type { FrameLink, FrameLinkEvents } from "./frame-link.ts";

const MAGIC = 0xfc28;
const PREFIX_BYTES = 4;
const FRAME_MAX = FcHeader.size + FRAME_PAYLOAD_MAX;
const CONNECTING_ID = 1;
const ACCEPTING_ID = 2;
const RECEIVE_BYTES = 256 * 1024;
/** With this many bytes queued the link is clogged: no more data is staged. */
const WINDOW_BYTES = 512 * 1024;
/** Beyond this many bytes queued to a peer, we do not read from it either. */
const QUEUED_BYTES_MAX = 4 * 1024 * 1024;
/** Time from an accepted connection to its first frame, ms. */
const FIRST_FRAME_MS = 5_000;

/** Cuts a stream of bytes into frames. */
class FrameReader {
  readonly #partial = new Uint8Array(PREFIX_BYTES + FRAME_MAX);
  #partialBytes = 0;

  forget(): void {
    this.#partialBytes = 0;
  }

  /** Gives each whole frame to `take`, until that returns false. */
  receive(
    { bytes }: Region,
    start: number,
    end: number,
    take: (frame: Uint8Array) => boolean,
  ): void {
    let at = start;
    while (at < end) {
      if (this.#partialBytes === 0 && end - at >= PREFIX_BYTES) {
        const whole = PREFIX_BYTES + lengthAt(bytes, at);
        if (end - at >= whole) {
          if (!take(bytes.subarray(at + PREFIX_BYTES, at + whole))) return;
          at += whole;
          continue;
        }
      }
      at = this.#gather(bytes, at, end);
      const whole = this.#wanted();
      if (this.#partialBytes < whole) continue;
      this.#partialBytes = 0;
      if (!take(this.#partial.subarray(PREFIX_BYTES, whole))) return;
    }
  }

  /** Bytes that the frame under way has, prefix included; the prefix alone before it is known. */
  #wanted(): number {
    if (this.#partialBytes < PREFIX_BYTES) return Infinity;
    return PREFIX_BYTES + lengthAt(this.#partial, 0);
  }

  /** Keeps what has come of a frame, or of its prefix. Returns where the rest begins. */
  #gather(bytes: Uint8Array, at: number, end: number): number {
    const wanted = this.#partialBytes < PREFIX_BYTES ? PREFIX_BYTES : this.#wanted();
    const count = Math.min(end - at, wanted - this.#partialBytes);
    this.#partial.set(bytes.subarray(at, at + count), this.#partialBytes);
    this.#partialBytes += count;
    return at + count;
  }
}

/** @throws FcProtocolError for what cannot be the beginning of a frame. */
function lengthAt(bytes: Uint8Array, at: number): number {
  const magic = (bytes[at]! << 8) | bytes[at + 1]!;
  const length = (bytes[at + 2]! << 8) | bytes[at + 3]!;
  if (magic !== MAGIC) {
    throw new FcProtocolError("frame", "prefix", 0, `${magic.toString(16)}h, expected fc28h`);
  }
  if (length < FcHeader.size || length > FRAME_MAX) {
    throw new FcProtocolError("frame", "length", 2, `${length} bytes, expected 24 to ${FRAME_MAX}`);
  }
  return length;
}

/** Where the stream comes from. */
type Origin = { readonly connector: Connector } | { readonly stream: ByteStream };

/** `rising`: connecting. A link that was accepted is up from its beginning, and never again. */
type Phase = "down" | "rising" | "up" | "closed";

/** See {@link FrameLink}; and a handler of its stream. */
export class StreamLink implements FrameLink, ByteStreamHandler {
  readonly remote: string;
  portId = 0;
  readonly #origin: Origin;
  readonly #clock: Clock;
  readonly #reader = new FrameReader();
  #events!: FrameLinkEvents;
  #stream: ByteStream | undefined;
  #phase: Phase = "down";
  #staged: Uint8Array[] = [];
  #stagedBytes = 0;
  #writtenBytes = 0;
  #flush: "none" | "coming" = "none";
  #reading: "on" | "paused" = "on";
  #firstFrameTimer: Timer | undefined;

  constructor(origin: Origin, clock: Clock) {
    this.#origin = origin;
    this.remote = "stream" in origin ? origin.stream.remote : origin.connector.remote;
    this.#clock = clock;
  }

  get clogged(): boolean {
    return this.#stagedBytes + this.#writtenBytes > WINDOW_BYTES;
  }

  attach(events: FrameLinkEvents): void {
    this.#events = events;
  }

  start(timeoutMs: number): void {
    if (this.#phase !== "down") return;
    this.#phase = "rising";
    if ("stream" in this.#origin) {
      this.#stream = this.#origin.stream;
      return;
    }
    this.#reader.forget();
    const options = { receiveBytes: RECEIVE_BYTES, connectTimeoutMs: timeoutMs };
    // A handler for this connection alone: what an earlier one still says is not about this.
    const stream: ByteStream = this.#origin.connector.connect(options, {
      opened: () => this.#stream === stream && this.opened(),
      received: (buffer, start, end) =>
        this.#stream === stream && this.received(buffer, start, end),
      drained: () => this.#stream === stream && this.drained(),
      ended: (error) => this.#stream === stream && this.ended(error),
    });
    this.#stream = stream;
  }

  find(): number {
    if (this.#phase !== "up") return 0;
    return this.portId === CONNECTING_ID ? ACCEPTING_ID : CONNECTING_ID;
  }

  send(frame: Uint8Array): void {
    if (this.#phase !== "up") return;
    this.#staged.push(frame);
    this.#stagedBytes += PREFIX_BYTES + frame.length;
    if (this.#flush === "coming") return;
    this.#flush = "coming";
    this.#clock.defer(() => {
      this.#flush = "none";
      this.#write();
    });
  }

  rest(): void {
    if ("stream" in this.#origin || this.#phase !== "up") return;
    this.#write();
    this.#leave("down", "close");
  }

  close(): void {
    this.#write();
    this.#leave("closed", "close");
  }

  opened(): void {
    this.#phase = "up";
    this.portId = "stream" in this.#origin ? ACCEPTING_ID : CONNECTING_ID;
    if ("stream" in this.#origin) {
      this.#firstFrameTimer = this.#clock.at(this.#clock.nowMs() + FIRST_FRAME_MS, () => {
        this.#fail(new TransportError("initialize-timeout", `${this.remote} did not log in`));
      });
    }
    this.#events.up();
  }

  received(buffer: Region, start: number, end: number): void {
    if (this.#phase !== "up") return;
    this.#firstFrameTimer?.cancel();
    try {
      this.#reader.receive(buffer, start, end, (frame) => {
        this.#events.received(frame);
        return this.#phase === "up";
      });
    } catch (error) {
      if (!(error instanceof FcProtocolError)) throw error;
      this.#fail(error);
    }
  }

  drained(): void {
    const wasClogged = this.clogged;
    this.#writtenBytes = 0;
    this.#write();
    if (this.#reading === "paused" && this.#stagedBytes + this.#writtenBytes <= QUEUED_BYTES_MAX) {
      this.#reading = "on";
      this.#stream?.resume();
    }
    if (wasClogged && !this.clogged && this.#phase === "up") this.#events.drained();
  }

  ended(error: NvmeofError | undefined): void {
    if (this.#phase === "closed" || this.#phase === "down") return;
    this.#leave("down", "gone");
    const closed = new TransportError("connection-lost", `${this.remote} closed the connection`);
    this.#events.down(error ?? closed);
  }

  #fail(error: NvmeofError): void {
    this.#leave("down", "reset");
    this.#events.down(error);
  }

  /** What was staged leaves in one write; the next one waits until that is out of our hands. */
  #write(): void {
    if (this.#phase !== "up" || this.#writtenBytes > 0 || this.#stagedBytes === 0) return;
    const bytes = new Uint8Array(this.#stagedBytes);
    let at = 0;
    for (const frame of this.#staged) {
      bytes[at] = MAGIC >> 8;
      bytes[at + 1] = MAGIC & 0xff;
      bytes[at + 2] = frame.length >> 8;
      bytes[at + 3] = frame.length & 0xff;
      bytes.set(frame, at + PREFIX_BYTES);
      at += PREFIX_BYTES + frame.length;
    }
    this.#writtenBytes = this.#stagedBytes;
    this.#staged = [];
    this.#stagedBytes = 0;
    this.#stream!.write([bytes]);
    if (this.#writtenBytes <= QUEUED_BYTES_MAX || this.#reading === "paused") return;
    this.#reading = "paused";
    this.#stream!.pause();
  }

  #leave(phase: "down" | "closed", how: "close" | "reset" | "gone"): void {
    const stream = this.#stream;
    this.#phase = phase;
    this.#stream = undefined;
    this.portId = 0;
    this.#firstFrameTimer?.cancel();
    this.#staged = [];
    this.#stagedBytes = 0;
    this.#writtenBytes = 0;
    this.#reading = "on";
    if (how === "close") stream?.close();
    else if (how === "reset") stream?.reset();
  }
}

// Bytes out: headers and small payloads are staged in one buffer, large payloads go by reference.
// Why: one write for everything of a turn is worth a factor of eight (node-ceilings.md §6.1).

import { CRC32C_INITIAL, crc32cFinish } from "@nvmeof/codec";
import { NO_REGION, Region } from "../copy.ts";
import { digestUpdate } from "./data-digest.ts";

/** Payloads up to this many bytes are copied into the staging buffer, which is cheaper than a piece. */
export const COPY_BYTES_MAX = 8 * 1024;

/** Most queues never have more than a few commands to say at once. */
const CHUNK_BYTES_MIN = 4 * 1024;
/** All of a turn at a queue depth of 128 and 4 KiB: one chunk, which stays in the cache. */
const CHUNK_BYTES_MAX = 1024 * 1024;
/** Idle chunks kept for later use. */
const SPARE_CHUNKS_MAX = 1;

const newChunk = (size: number): Region => new Region(new Uint8Array(size));

/**
 * What a session wants to send. The driver takes all of it at once, and says when it is out.
 *
 * `reserve` gives room for a header in the staging buffer: write to `view` from the returned base.
 */
export class SendQueue {
  /** The chunk that `reserve` last gave room in, as a view and as bytes. */
  view: DataView = NO_REGION.view;
  bytes: Uint8Array = NO_REGION.bytes;
  /** None between `take` and what is appended next: by then the one just written may be free. */
  #chunk: Region = NO_REGION;
  #used = 0;
  /** Where the staged bytes begin that no piece covers yet. */
  #from = 0;
  #pieces: Uint8Array[] = [];
  #chunkBytes = CHUNK_BYTES_MIN;
  /** Chunks with bytes that are being written, and those that can be filled. */
  #busy: Region[] = [];
  #filled: Region[] = [];
  #spare: Region[] = [];
  #staged = 0;
  #writing = 0;

  /** Bytes that were appended and are not out yet. */
  get queuedBytes(): number {
    return this.#staged + this.#writing;
  }

  /** Of these, what no `take` has given out. */
  get stagedBytes(): number {
    return this.#staged;
  }

  get isEmpty(): boolean {
    return this.#staged === 0;
  }

  /** Whether the pieces of the last `take` are still being written. */
  get busy(): boolean {
    return this.#writing > 0;
  }

  /** Room for `bytes` (at most 8 KiB and some) in the staging buffer; its content is undefined. */
  reserve(bytes: number): number {
    if (this.#used + bytes > this.#chunk.bytes.length) this.#nextChunk(bytes);
    const base = this.#used;
    this.#used += bytes;
    this.#staged += bytes;
    return base;
  }

  /** Payload after what was appended so far. Beyond 8 KiB it must not change until it is out. */
  append(payload: Uint8Array): void {
    if (payload.length <= COPY_BYTES_MAX) {
      const base = this.reserve(payload.length);
      this.#chunk.bytes.set(payload, base);
      return;
    }
    this.#cut();
    this.#pieces.push(payload);
    this.#staged += payload.length;
  }

  /** Bytes `start` to `end` of a payload as they are now, however many: they may change at once. */
  copy(payload: Uint8Array, start: number, end: number): void {
    // All of it into the room there is: no view of a part is needed.
    if (end - start === payload.length && end - start <= this.#chunk.bytes.length - this.#used) {
      this.#chunk.bytes.set(payload, this.#used);
      this.#used += payload.length;
      this.#staged += payload.length;
      return;
    }
    for (let at = start; at < end;) {
      if (this.#used === this.#chunk.bytes.length) this.#nextChunk(end - at);
      const count = Math.min(end - at, this.#chunk.bytes.length - this.#used);
      this.#chunk.bytes.set(payload.subarray(at, at + count), this.#used);
      this.#used += count;
      this.#staged += count;
      at += count;
    }
  }

  /** Payload and its CRC32C. */
  appendDigested(payload: Uint8Array): void {
    this.append(payload);
    // The staged copy is in the cache and has a view already; a referenced payload needs one.
    if (payload.length <= COPY_BYTES_MAX) this.appendDigest(payload.length);
    else this.#appendDigest(new Region(payload), 0, payload.length);
  }

  /** The CRC32C of the `bytes` that were reserved, and filled, last. */
  appendDigest(bytes: number): void {
    this.#appendDigest(this.#chunk, this.#used - bytes, this.#used);
  }

  /** All that was appended, as one gathered write. The pieces stay as they are until `drained`. */
  take(): Uint8Array[] {
    this.#cut();
    const pieces = this.#pieces;
    this.#pieces = [];
    this.#writing += this.#staged;
    this.#staged = 0;
    if (this.#chunk !== NO_REGION) this.#filled.push(this.#chunk);
    this.#busy.push(...this.#filled);
    this.#filled = [];
    this.#chunk = NO_REGION;
    this.#used = 0;
    this.#from = 0;
    return pieces;
  }

  /** What `take` gave is out: its chunks can be filled again. */
  drained(): void {
    this.#writing = 0;
    for (const chunk of this.#busy) {
      const fits = chunk.bytes.length === this.#chunkBytes;
      if (fits && this.#spare.length < SPARE_CHUNKS_MAX) this.#spare.push(chunk);
    }
    this.#busy = [];
  }

  /** Drops what no `take` has given out: nothing of it will be sent. */
  discard(): void {
    this.#pieces = [];
    this.#filled = [];
    this.#staged = 0;
    this.#used = 0;
    this.#from = 0;
  }

  #appendDigest(region: Region, start: number, end: number): void {
    const running = digestUpdate(CRC32C_INITIAL, region, start, end);
    const base = this.reserve(4);
    this.view.setInt32(base, crc32cFinish(running), true);
  }

  #cut(): void {
    if (this.#used > this.#from)
      this.#pieces.push(this.#chunk.bytes.subarray(this.#from, this.#used));
    this.#from = this.#used;
  }

  /** Another chunk, with room for `bytes` if that is not more than the largest has. */
  #nextChunk(bytes: number): void {
    if (this.#chunk !== NO_REGION) {
      this.#cut();
      this.#filled.push(this.#chunk);
      // More than a chunk a turn: fewer, larger ones serve this load better.
      this.#chunkBytes = Math.min(this.#chunkBytes * 2, CHUNK_BYTES_MAX);
    }
    while (this.#chunkBytes < Math.min(bytes, CHUNK_BYTES_MAX)) this.#chunkBytes *= 2;
    const spare = this.#spare.pop();
    const fits = spare !== undefined && spare.bytes.length === this.#chunkBytes;
    this.#chunk = fits ? spare : newChunk(this.#chunkBytes);
    this.view = this.#chunk.view;
    this.bytes = this.#chunk.bytes;
    this.#used = 0;
    this.#from = 0;
  }
}

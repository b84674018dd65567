// One direction of a stream into PDUs, with holes in it, and from the middle on if need be.
// Read first: NVMe/TCP 1.0 §3.6.1 "Common Header (CH)", §3.3.1 "PDU Structure"; resync.ts.
//
// It holds a header and no data: what is of use for reading a command's data is copied to where the
// sink says. A PDU that claims 4 GiB is refused by its header, and costs nothing.

import {
  CRC32C_INITIAL,
  DIGEST_BYTES,
  HeaderBytes,
  type PduContext,
  PduFlag,
  PduHeader,
  PduType,
  ProtocolError,
  checkPduHeader,
  crc32c,
  crc32cFinish,
  crc32cUpdate,
} from "@nvmeof/codec";
import { type CapturedPdu, type Digest, type Direction, NO_DIGEST } from "./pdu.ts";
import { RESYNC_BYTES_MAX, findPdu, pduBegins } from "./resync.ts";

/** The frame that is being read. One object, which its owner keeps current. */
export interface Moment {
  frame: number;
  /** Since the first frame, ms. */
  timeMs: number;
}

/** Where data of a PDU is to be copied to. */
export interface Place {
  readonly bytes: Uint8Array;
  readonly at: number;
}

/** Why the stream has to look for the beginning of a PDU. */
export type LostBy = "middle" | "gap" | "malformed";

/** Who takes PDUs. */
export interface PduSink {
  /** A header is complete and its digest right: where its data is of interest, and to what place. */
  place(type: number, header: DataView, dataBytes: number): Place | undefined;
  pdu(pdu: CapturedPdu): void;
  /** No PDU can be told from here on. */
  lost(direction: Direction, by: LostBy): void;
  /** A PDU begins again; so many bytes before it belong to none. */
  found(direction: Direction, skippedBytes: number): void;
}

// Stages are integers: an optimised `switch` over strings has been seen to miss a case on Node 20.20.
const COMMON = 0;
const HEADER = 1;
const PADDING = 2;
const DATA = 3;
const DATA_DIGEST = 4;
const LOST = 5;

/** Fields of ICReq and ICResp end here. */
const IC_FIELD_BYTES = 16;

/** Headers are copied into pieces of memory of this size: a piece lives as long as one of its headers. */
const SHELF_BYTES = 2048;

export class PduCutter {
  /** What the receiver knows of its connection; digests are the PDU's own word until they are agreed. */
  readonly context: PduContext;
  agreed = false;
  readonly #direction: Direction;
  readonly #sink: PduSink;
  readonly #moment: Moment;
  #stage = COMMON;
  readonly #scratch = new Uint8Array(RESYNC_BYTES_MAX);
  readonly #view = new DataView(this.#scratch.buffer);
  /** Bytes in the scratch, and of them those that the capture has missed. */
  #scratchBytes = 0;
  #headerMissing = 0;
  /** Where in the header the first byte is missing. */
  #missingFrom = 0;
  #wanted: number = PduHeader.size;
  #left = 0;
  #dataBytes = 0;
  #missingBytes = 0;
  #dirtyPadding = false;
  #place: Place | undefined;
  #placed = 0;
  #running = CRC32C_INITIAL;
  #digestWord = 0;
  #digestMissing = 0;
  #headerDigest: Digest = NO_DIGEST;
  #firstFrame = 0;
  #skippedBytes = 0;
  /** Where the next header is copied to. */
  #shelf = new Uint8Array(0);
  #shelfBytes = 0;

  constructor(direction: Direction, sink: PduSink, moment: Moment) {
    this.#direction = direction;
    this.#sink = sink;
    this.#moment = moment;
    this.context = {
      toHost: direction === "toHost",
      headerDigest: false,
      dataDigest: false,
      alignment: 4,
      dataBytesMax: Infinity,
    };
  }

  /** Whether the stream stands inside a PDU. */
  get isInside(): boolean {
    return this.#stage !== LOST && (this.#stage !== COMMON || this.#scratchBytes > 0);
  }

  /** Bytes of the header under way, for who has to tell what stream this is. */
  get firstBytes(): Uint8Array {
    return this.#scratch.subarray(0, this.#scratchBytes);
  }

  /** The stream was joined in its middle. */
  joinInMiddle(): void {
    this.#lose("middle");
  }

  bytes(bytes: Uint8Array, view: DataView, start: number, end: number): void {
    let at = start;
    while (at < end) {
      if (this.#stage === LOST) at = this.#search(bytes, view, at, end);
      else if (this.#stage <= HEADER) at = this.#header(bytes, at, end);
      else at = this.#rest(bytes, view, at, end);
    }
  }

  /** The capture has missed the next `count` bytes. */
  missing(count: number): void {
    let left = count;
    while (left > 0) {
      if (this.#stage === LOST) {
        this.#skippedBytes += this.#scratchBytes;
        this.#scratchBytes = 0;
        return;
      }
      if (this.#stage === COMMON) {
        this.#lose("gap");
        return;
      }
      const taken = Math.min(left, this.#wantedOf());
      left -= taken;
      this.#miss(taken);
    }
  }

  #wantedOf(): number {
    return this.#stage === HEADER ? this.#wanted - this.#scratchBytes : this.#left;
  }

  #miss(count: number): void {
    if (this.#stage === HEADER) {
      if (this.#headerMissing === 0) this.#missingFrom = this.#scratchBytes;
      this.#scratch.fill(0, this.#scratchBytes, this.#scratchBytes + count);
      this.#scratchBytes += count;
      this.#headerMissing += count;
      if (this.#scratchBytes === this.#wanted) this.#endHeader();
      return;
    }
    if (this.#stage === DATA) {
      this.#missingBytes += count;
      this.#placed += count;
    } else if (this.#stage === DATA_DIGEST) this.#digestMissing += count;
    this.#left -= count;
    if (this.#left === 0) this.#next();
  }

  #header(bytes: Uint8Array, start: number, end: number): number {
    if (this.#scratchBytes === 0) this.#firstFrame = this.#moment.frame;
    const count = Math.min(this.#wanted - this.#scratchBytes, end - start);
    this.#copyToScratch(bytes, start, count);
    if (this.#scratchBytes < this.#wanted) return start + count;
    if (this.#stage === COMMON) this.#startHeader();
    else this.#endHeader();
    return start + count;
  }

  #copyToScratch(bytes: Uint8Array, start: number, count: number): void {
    for (let i = 0; i < count; i++) this.#scratch[this.#scratchBytes + i] = bytes[start + i]!;
    this.#scratchBytes += count;
  }

  /** The common header is there: judged as its receiver would, before anything else is made of it. */
  #startHeader(): void {
    const type = PduHeader.type.get(this.#view);
    const flags = PduHeader.flags.get(this.#view);
    if (!this.agreed && type > PduType.C2HTermReq) {
      this.context.headerDigest = (flags & PduFlag.HeaderDigest) !== 0;
      this.context.dataDigest = (flags & PduFlag.DataDigest) !== 0;
    }
    try {
      this.#dataBytes = checkPduHeader(this.#view, 0, this.context);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#refused(error);
      return;
    }
    const digested = type > PduType.C2HTermReq && this.context.headerDigest;
    this.#wanted = HeaderBytes[type as PduType] + (digested ? DIGEST_BYTES : 0);
    this.#stage = HEADER;
    this.#headerMissing = 0;
  }

  #refused(refusal: ProtocolError): void {
    this.#dataBytes = 0;
    this.#missingBytes = 0;
    this.#headerDigest = NO_DIGEST;
    this.#give(NO_DIGEST, refusal, PduHeader.size);
    this.#lose("malformed");
  }

  #endHeader(): void {
    const type = PduHeader.type.get(this.#view);
    const hlen = HeaderBytes[type as PduType];
    this.#headerDigest = this.#checkHeaderDigest(hlen);
    this.#missingBytes = 0;
    this.#dirtyPadding = false;
    this.#placed = 0;
    this.#digestWord = 0;
    this.#digestMissing = 0;
    this.#running = CRC32C_INITIAL;
    if (this.#headerDigest.state === "bad") {
      // Its receiver reads nothing behind it; but its lengths were sound, and so the stream goes on.
      this.#place = undefined;
    } else {
      this.#place = this.#hasHeader(type)
        ? this.#sink.place(type, this.#view, this.#dataBytes)
        : undefined;
    }
    // A TermReq's copied header follows its own at once; its PDO is reserved.
    const pdo = type <= PduType.C2HTermReq ? hlen : PduHeader.pdo.get(this.#view);
    if (this.#dataBytes === 0) this.#end(NO_DIGEST);
    else this.#enter(pdo > this.#wanted ? PADDING : DATA, pdo - this.#wanted || this.#dataBytes);
  }

  /** Whether all that matters of the header was captured: of ICReq and ICResp the rest is reserved. */
  #hasHeader(type: number): boolean {
    if (this.#headerMissing === 0) return true;
    return type <= PduType.ICResp && this.#missingFrom >= IC_FIELD_BYTES;
  }

  #checkHeaderDigest(hlen: number): Digest {
    if (this.#wanted === hlen) return NO_DIGEST;
    const received = this.#view.getUint32(hlen, true);
    if (this.#headerMissing > 0) return { state: "unknown", received, computed: 0 };
    const computed = crc32c(this.#view, 0, hlen) >>> 0;
    return { state: received === computed ? "good" : "bad", received, computed };
  }

  #enter(stage: number, left: number): void {
    this.#stage = stage;
    this.#left = left;
  }

  #rest(bytes: Uint8Array, view: DataView, start: number, end: number): number {
    const after = start + Math.min(this.#left, end - start);
    if (this.#stage === DATA) this.#data(bytes, view, start, after);
    else if (this.#stage === PADDING) {
      for (let at = start; at < after; at++) if (bytes[at] !== 0) this.#dirtyPadding = true;
    } else {
      for (let at = start; at < after; at++) {
        this.#digestWord = (this.#digestWord >>> 8) | (bytes[at]! << 24);
      }
    }
    this.#left -= after - start;
    if (this.#left === 0) this.#next();
    return after;
  }

  #data(bytes: Uint8Array, view: DataView, start: number, end: number): void {
    if (this.#isDigested()) this.#running = crc32cUpdate(this.#running, view, start, end);
    if (this.#place !== undefined) {
      const { bytes: into, at } = this.#place;
      const to = at + this.#placed;
      const room = Math.min(end - start, into.length - to);
      if (room > 0) into.set(bytes.subarray(start, start + room), to);
    }
    this.#placed += end - start;
  }

  #isDigested(): boolean {
    return this.context.dataDigest && PduHeader.type.get(this.#view) > PduType.C2HTermReq;
  }

  /** A stage is complete. */
  #next(): void {
    if (this.#stage === PADDING) this.#enter(DATA, this.#dataBytes);
    else if (this.#stage === DATA_DIGEST) this.#end(this.#dataDigest());
    else if (this.#isDigested()) this.#enter(DATA_DIGEST, DIGEST_BYTES);
    else this.#end(NO_DIGEST);
  }

  #dataDigest(): Digest {
    const received = this.#digestWord >>> 0;
    if (this.#missingBytes + this.#digestMissing > 0) {
      return { state: "unknown", received: 0, computed: 0 };
    }
    const computed = crc32cFinish(this.#running) >>> 0;
    return { state: received === computed ? "good" : "bad", received, computed };
  }

  #end(dataDigest: Digest): void {
    this.#give(dataDigest, undefined, HeaderBytes[PduHeader.type.get(this.#view) as PduType]);
    this.#stage = COMMON;
    this.#scratchBytes = 0;
    this.#wanted = PduHeader.size;
  }

  #give(dataDigest: Digest, refusal: ProtocolError | undefined, headerBytes: number): void {
    const header = this.#keep(headerBytes);
    const type = PduHeader.type.get(header);
    this.#sink.pdu({
      direction: this.#direction,
      type,
      flags: PduHeader.flags.get(header),
      hlen: PduHeader.hlen.get(header),
      pdo: PduHeader.pdo.get(header),
      plen: PduHeader.plen.get(header),
      header,
      hasHeader: refusal === undefined && this.#hasHeader(type),
      headerDigest: this.#headerDigest,
      dataDigest,
      dataBytes: this.#dataBytes,
      missingBytes: this.#missingBytes,
      dirtyPadding: this.#dirtyPadding,
      refusal,
      firstFrame: this.#firstFrame,
      frame: this.#moment.frame,
      timeMs: this.#moment.timeMs,
    });
  }

  /** The header in the scratch, in memory that nothing changes any more. */
  #keep(headerBytes: number): DataView {
    if (this.#shelfBytes + headerBytes > this.#shelf.length) {
      this.#shelf = new Uint8Array(SHELF_BYTES);
      this.#shelfBytes = 0;
    }
    const at = this.#shelfBytes;
    this.#shelfBytes += headerBytes;
    for (let i = 0; i < headerBytes; i++) this.#shelf[at + i] = this.#scratch[i]!;
    return new DataView(this.#shelf.buffer, at, headerBytes);
  }

  #lose(by: LostBy): void {
    this.#skippedBytes = this.#stage === COMMON && by === "gap" ? this.#scratchBytes : 0;
    this.#stage = LOST;
    this.#scratchBytes = 0;
    this.#sink.lost(this.#direction, by);
  }

  /**
   * Looks for a PDU. The scratch holds the bytes at which one may begin; they are looked at again with
   * each that comes.
   */
  #search(bytes: Uint8Array, view: DataView, start: number, end: number): number {
    if (this.#scratchBytes === 0 && end - start > RESYNC_BYTES_MAX) {
      const at = findPdu(bytes, view, start, end - RESYNC_BYTES_MAX, end, this.#direction);
      this.#skippedBytes += at - start;
      if (at < end - RESYNC_BYTES_MAX) this.#resume(0, 0);
      return at;
    }
    const before = this.#scratchBytes;
    const count = Math.min(RESYNC_BYTES_MAX - before, end - start);
    this.#copyToScratch(bytes, start, count);
    for (let at = 0; at < this.#scratchBytes; at++) {
      const found = pduBegins(this.#view, at, this.#scratchBytes, this.#direction);
      if (found === "yes") return start + this.#resume(at, before);
      if (found === "perhaps") {
        this.#drop(at);
        return start + count;
      }
    }
    this.#drop(this.#scratchBytes);
    return start + count;
  }

  /**
   * A PDU begins at `at` in the scratch, whose first `before` bytes came earlier.
   *
   * @returns how many of those that came now are before it.
   */
  #resume(at: number, before: number): number {
    const early = this.#scratch.slice(at, Math.max(at, before));
    this.#skippedBytes += at;
    this.#stage = COMMON;
    this.#scratchBytes = 0;
    this.#wanted = PduHeader.size;
    this.#sink.found(this.#direction, this.#skippedBytes);
    this.bytes(early, new DataView(early.buffer), 0, early.length);
    return Math.max(0, at - before);
  }

  #drop(count: number): void {
    this.#skippedBytes += count;
    this.#scratch.copyWithin(0, count, this.#scratchBytes);
    this.#scratchBytes -= count;
  }
}

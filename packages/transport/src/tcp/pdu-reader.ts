// Bytes into PDUs, in place: a header is parsed where it was received, data is placed once.
// Read first: NVMe/TCP 1.0 §3.6.1 "Common Header (CH)", §3.3.1 "PDU Structure".

import {
  CRC32C_INITIAL,
  DIGEST_BYTES,
  Fes,
  HeaderBytes,
  type PduContext,
  PduHeader,
  PduType,
  ProtocolError,
  checkPduHeader,
  crc32c,
  crc32cFinish,
} from "@nvmeof/codec";
import { Region } from "../copy.ts";
import { digestUpdate } from "./data-digest.ts";

/** Who gets the PDUs. Both calls may throw `ProtocolError`, which leaves `PduReader.receive`. */
export interface PduSink {
  /**
   * A whole header with a good digest lies at `base` in `view`. If `dataBytes` is not 0, the sink
   * says with `reader.place` where they go; without a place they are read and dropped.
   */
  header(type: number, view: DataView, base: number, dataBytes: number): void;
  /** The data of the last header is complete. `intact` is false when its digest does not match. */
  dataEnd(intact: boolean): void;
}

// Stages are integers and not strings: an optimised `switch` over a module-level string has been
// seen to miss its case on Node 20.20.
const HEADER = 0;
const PADDING = 1;
const DATA = 2;
const DATA_DIGEST = 3;
const STOPPED = 4;

/** The longest header, with its digest. */
const SCRATCH_BYTES = 128 + DIGEST_BYTES;

/** Cuts a byte stream into PDUs. Holds at most one header; never buffers data. */
export class PduReader {
  /** What the checks know of the connection; changed when digests and alignment are negotiated. */
  readonly context: PduContext;
  /** PDUs that came to their end: tells a PDU that does not progress from a stream of many. */
  pdus = 0;
  readonly #sink: PduSink;
  readonly #scratch = new Region(new Uint8Array(SCRATCH_BYTES));
  #scratchBytes = 0;
  #stage = HEADER;
  /** Bytes of the header under way with its digest; 0 before its common part was checked. */
  #headerBytes = 0;
  #dataBytes = 0;
  #dataLeft = 0;
  #paddingLeft = 0;
  /** Data that lies whole in the chunk, with its digest, was not copied to its place: it is here. */
  lent: Region | undefined;
  lentAt = 0;
  #mayLend = false;
  #place: Region | undefined;
  #placeAt = 0;
  /** The data under way has a digest: never that of a TermReq, whatever was negotiated. */
  #digested = false;
  #digest = CRC32C_INITIAL;
  #digestLeft = 0;
  #digestWord = 0;
  /** Where the last header began, for the TermReq that may have to quote it. */
  #lastView: DataView;
  #lastBase = 0;
  #lastBytes = 0;

  constructor(context: PduContext, sink: PduSink) {
    this.context = context;
    this.#sink = sink;
    this.#lastView = this.#scratch.view;
  }

  /**
   * A copy of the header last looked at: its common part while only that was judged, and however
   * the stream was cut. Only while `receive` throws: later its bytes are gone.
   */
  lastHeader(): Uint8Array {
    const view = this.#lastView;
    const at = view.byteOffset + this.#lastBase;
    return new Uint8Array(view.buffer, at, this.#lastBytes).slice();
  }

  /** What came of a header whose rest is missing; none between PDUs. Not to be kept. */
  get partialHeader(): Uint8Array {
    return this.#scratch.bytes.subarray(0, this.#scratchBytes);
  }

  /** Whether the stream stands inside a PDU: then the peer owes the rest of it. */
  get midPdu(): boolean {
    return this.#scratchBytes > 0 || (this.#stage !== HEADER && this.#stage !== STOPPED);
  }

  /** Says where the data of the header just given goes. Only inside `PduSink.header`. */
  place(region: Region, at: number): void {
    this.#place = region;
    this.#placeAt = at;
  }

  /** As {@link place}; or `lent` during `PduSink.dataEnd`, where it can be read from there. */
  lendOrPlace(region: Region): void {
    this.place(region, 0);
    this.#mayLend = true;
  }

  /** The data under way is dropped from here on: its owner has taken the buffer back. */
  unplace(region: Region): void {
    if (this.#place === region) this.#place = undefined;
  }

  /** Nothing is read any more, not even what `receive` still has in hand. */
  stop(): void {
    this.#stage = STOPPED;
    this.#scratchBytes = 0;
    this.#place = undefined;
  }

  /**
   * Takes bytes `start` to `end` of `buffer`.
   *
   * @throws ProtocolError where the peer broke the protocol; the caller then stops the reader.
   */
  receive(buffer: Region, start: number, end: number): void {
    let at = start;
    while (at < end) {
      switch (this.#stage) {
        case HEADER:
          at = this.#header(buffer, at, end);
          break;
        case PADDING: {
          const skipped = Math.min(this.#paddingLeft, end - at);
          this.#paddingLeft -= skipped;
          at += skipped;
          if (this.#paddingLeft === 0) this.#stage = DATA;
          break;
        }
        case DATA:
          at = this.#data(buffer, at, end);
          break;
        case DATA_DIGEST:
          at = this.#dataDigest(buffer, at);
          break;
        default:
          return;
      }
    }
  }

  /** In place when the whole header lies in the chunk, else by way of the scratch. */
  #header(buffer: Region, start: number, end: number): number {
    if (this.#scratchBytes === 0 && end - start >= PduHeader.size) {
      this.#startHeader(buffer.view, start);
      if (end - start >= this.#headerBytes) {
        const after = start + this.#headerBytes;
        this.#endHeader(buffer.view, start);
        return after;
      }
    }
    const wanted = this.#headerBytes === 0 ? PduHeader.size : this.#headerBytes;
    const count = Math.min(wanted - this.#scratchBytes, end - start);
    this.#scratch.copy(this.#scratchBytes, buffer, start, start + count);
    this.#scratchBytes += count;
    if (this.#scratchBytes === wanted) {
      if (this.#headerBytes === 0) this.#startHeader(this.#scratch.view, 0);
      // Headers of every type are longer than the common part, so this is not reached at once.
      else this.#endHeader(this.#scratch.view, 0);
    }
    return start + count;
  }

  /** The common part is there: checked before anything more is kept. */
  #startHeader(view: DataView, base: number): void {
    this.#lastView = view;
    this.#lastBase = base;
    this.#lastBytes = PduHeader.size;
    this.#dataBytes = checkPduHeader(view, base, this.context);
    const type = PduHeader.type.get(view, base) as PduType;
    const negotiable = type > PduType.C2HTermReq;
    this.#headerBytes =
      HeaderBytes[type] + (negotiable && this.context.headerDigest ? DIGEST_BYTES : 0);
    this.#digested = negotiable && this.context.dataDigest;
  }

  #endHeader(view: DataView, base: number): void {
    this.#lastView = view;
    this.#lastBase = base;
    const type = PduHeader.type.get(view, base) as PduType;
    const hlen = HeaderBytes[type];
    this.#lastBytes = hlen;
    if (this.#headerBytes > hlen) {
      const received = view.getInt32(base + hlen, true);
      if (crc32c(view, base, base + hlen) !== received) {
        throw new ProtocolError(Fes.HeaderDigest, received >>> 0, "header digest mismatch");
      }
    }
    if (this.#dataBytes > 0) {
      // A TermReq's copied header follows its own at once; its PDO is reserved.
      const pdo = type <= PduType.C2HTermReq ? hlen : PduHeader.pdo.get(view, base);
      this.#paddingLeft = pdo - this.#headerBytes;
      this.#stage = this.#paddingLeft > 0 ? PADDING : DATA;
      this.#dataLeft = this.#dataBytes;
      this.#digest = CRC32C_INITIAL;
    }
    this.#headerBytes = 0;
    this.#scratchBytes = 0;
    this.#place = undefined;
    if (this.#dataBytes === 0) this.pdus++;
    this.#sink.header(type, view, base, this.#dataBytes);
  }

  #data(buffer: Region, start: number, end: number): number {
    const count = Math.min(this.#dataLeft, end - start);
    const after = start + count;
    if (this.#digested) {
      this.#digest = digestUpdate(this.#digest, buffer, start, after);
    }
    if (this.#mayLend && count === this.#dataBytes && end - after >= this.#digestBytes()) {
      this.lent = buffer;
      this.lentAt = start;
    } else if (this.#place !== undefined) {
      this.#place.copy(this.#placeAt, buffer, start, after);
      this.#placeAt += count;
    }
    this.#mayLend = false;
    this.#dataLeft -= count;
    if (this.#dataLeft > 0) return after;
    if (this.#digested) {
      this.#stage = DATA_DIGEST;
      this.#digestLeft = DIGEST_BYTES;
      this.#digestWord = 0;
      return after;
    }
    this.#endData(true);
    return after;
  }

  /** One byte a turn, little-endian: a digest may be cut anywhere. */
  #dataDigest(buffer: Region, at: number): number {
    this.#digestWord = (this.#digestWord >>> 8) | (buffer.bytes[at]! << 24);
    this.#digestLeft--;
    if (this.#digestLeft === 0) this.#endData(this.#digestWord === crc32cFinish(this.#digest));
    return at + 1;
  }

  #digestBytes(): number {
    return this.#digested ? DIGEST_BYTES : 0;
  }

  #endData(intact: boolean): void {
    this.#stage = HEADER;
    this.pdus++;
    this.#place = undefined;
    this.#sink.dataEnd(intact);
    this.lent = undefined;
  }
}

// One direction of a connection, cut into PDUs by a table of its own: is each of them well made?
// Read first: NVMe/TCP 1.0 §3.6.1 "Common Header (CH)"; checker.ts. It shares nothing with the
// production decoder but the numbers of the specification.

import { PduFlag, PduType } from "@nvmeof/codec";
import type { Direction } from "../network/fault.ts";
import { CRC_BEGIN, crcEnd, crcOn } from "./crc.ts";

/** How a PDU of a type is made. */
interface Shape {
  readonly name: string;
  readonly direction: Direction;
  readonly headerBytes: number;
  readonly data: "never" | "may" | "must";
  /** Set-up and termination have no digests. */
  readonly digested: boolean;
  /** Flags that it may have, beside those of the digests. */
  readonly flags: number;
  /** Bytes of the header that are reserved: pairs of a start and an end. */
  readonly reserved: readonly number[];
}

const shape = (
  name: string,
  direction: Direction,
  headerBytes: number,
  data: Shape["data"],
  digested: boolean,
  flags: number,
  ...reserved: readonly number[]
): Shape => ({ name, direction, headerBytes, data, digested, flags, reserved });

const { Last, Success } = PduFlag;

const shapes: ReadonlyMap<number, Shape> = /*@__PURE__*/ new Map([
  [PduType.ICReq, shape("ICReq", "toController", 128, "never", false, 0, 16, 128)],
  [PduType.ICResp, shape("ICResp", "toHost", 128, "never", false, 0, 16, 128)],
  [PduType.H2CTermReq, shape("H2CTermReq", "toController", 24, "may", false, 0, 14, 24)],
  [PduType.C2HTermReq, shape("C2HTermReq", "toHost", 24, "may", false, 0, 14, 24)],
  [PduType.CapsuleCmd, shape("CapsuleCmd", "toController", 72, "may", true, 0)],
  [PduType.CapsuleResp, shape("CapsuleResp", "toHost", 24, "never", true, 0)],
  [PduType.H2CData, shape("H2CData", "toController", 24, "must", true, Last, 20, 24)],
  [PduType.C2HData, shape("C2HData", "toHost", 24, "must", true, Last | Success, 10, 12, 20, 24)],
  [PduType.R2T, shape("R2T", "toHost", 24, "never", true, 0, 20, 24)],
]);

/** A PDU is longer than this by mistake only. */
const PDU_BYTES_MAX = 64 * 1024 * 1024;

/** Most bytes that a TermReq quotes. */
const TERM_DATA_MAX = 128;

const COMMON_BYTES = 8;
const HEADER_BYTES_MAX = 128 + 4;

/** What the two ends have agreed on, as far as it is known. */
export interface WireAgreement {
  headerDigest: boolean;
  dataDigest: boolean;
  /** Alignment of data by direction, bytes. */
  readonly alignment: Record<Direction, number>;
}

/** A whole header. Valid during the call that gives it. */
export interface SeenPdu {
  readonly type: number;
  readonly name: string;
  readonly flags: number;
  readonly view: DataView;
  /** Bytes of data that follow. */
  readonly dataBytes: number;
  /** Where in its direction the PDU ends. */
  readonly endAt: number;
}

/** Who hears of PDUs and of what is wrong with them. */
export interface PduWatcher {
  pdu(direction: Direction, pdu: SeenPdu): void;
  /** The data of that PDU has passed. `opening`: its first two bytes, the first one in the low half. */
  data(direction: Direction, opening: number): void;
  wrong(direction: Direction, invariant: string, what: string): void;
}

/** Where in a PDU the stream stands. `lost`: it does not know any more. */
type Stage = "common" | "header" | "padding" | "data" | "digest" | "lost";

export class PduStream {
  readonly #direction: Direction;
  readonly #agreement: WireAgreement;
  readonly #watcher: PduWatcher;
  readonly #header = new Uint8Array(HEADER_BYTES_MAX);
  readonly #view = new DataView(this.#header.buffer);
  #stage: Stage = "common";
  #shape: Shape | undefined;
  /** Bytes of the stage under way that have passed, and how many it has. */
  #passed = 0;
  #wanted = COMMON_BYTES;
  #streamBytes = 0;
  #dataBytes = 0;
  #padding = 0;
  #opening = 0;
  #crc = CRC_BEGIN;
  #digest = 0;

  constructor(direction: Direction, agreement: WireAgreement, watcher: PduWatcher) {
    this.#direction = direction;
    this.#agreement = agreement;
    this.#watcher = watcher;
  }

  /** Whether the stream stands inside a PDU. */
  get isInside(): boolean {
    return this.#stage !== "lost" && (this.#stage !== "common" || this.#passed > 0);
  }

  /** Takes bytes `start` to `end` of `bytes`, as they were sent. */
  sent(bytes: Uint8Array, start: number, end: number): void {
    for (let at = start; at < end && this.#stage !== "lost";) {
      const count = Math.min(this.#wanted - this.#passed, end - at);
      this.#pass(bytes, at, count);
      at += count;
      this.#passed += count;
      this.#streamBytes += count;
      if (this.#passed === this.#wanted) this.#next();
    }
  }

  #pass(bytes: Uint8Array, at: number, count: number): void {
    switch (this.#stage) {
      case "common":
      case "header":
        for (let i = 0; i < count; i++) this.#header[this.#passed + i] = bytes[at + i]!;
        break;
      case "padding":
        for (let i = 0; i < count; i++) {
          if (bytes[at + i] !== 0) this.#wrong("I32", "padding that is not 0");
        }
        break;
      case "data":
        if (this.#passed < 2) this.#open(bytes, at, count);
        if (this.#digested("data")) this.#crc = crcOn(this.#crc, bytes, at, at + count);
        break;
      case "digest":
        for (let i = 0; i < count; i++) {
          this.#digest = (this.#digest >>> 8) | (bytes[at + i]! << 24);
        }
        break;
      case "lost":
    }
  }

  #open(bytes: Uint8Array, at: number, count: number): void {
    for (let i = 0; i < count && this.#passed + i < 2; i++) {
      this.#opening |= bytes[at + i]! << (8 * (this.#passed + i));
    }
  }

  /** A stage is complete: goes to the next one that has bytes. */
  #next(): void {
    switch (this.#stage) {
      case "common":
        this.#begin();
        return;
      case "header":
        this.#headerEnded();
        return;
      case "padding":
        this.#enter("data", this.#dataBytes);
        return;
      case "data":
        this.#watcher.data(this.#direction, this.#opening);
        if (this.#digested("data")) this.#enter("digest", 4);
        else this.#enter("common", COMMON_BYTES);
        return;
      case "digest":
        if (this.#digest !== crcEnd(this.#crc)) this.#wrong("I32", "the data digest is wrong");
        this.#enter("common", COMMON_BYTES);
        return;
      case "lost":
    }
  }

  /** The common header is there: with it, the lengths of all that follows. */
  #begin(): void {
    const type = this.#header[0]!;
    const found = shapes.get(type);
    this.#shape = found;
    if (found === undefined || found.direction !== this.#direction) {
      // Of two that were mixed, one begins in the middle of the other's bytes.
      this.#lose("I33", `what begins here is no PDU that goes this way: type ${type}`);
      return;
    }
    const problem = this.#commonProblem(found);
    if (problem !== undefined) {
      this.#lose("I32", problem);
      return;
    }
    this.#stage = "header";
    this.#wanted = found.headerBytes + (this.#digested("header") ? 4 : 0);
  }

  #commonProblem(found: Shape): string | undefined {
    const [, flags, hlen, pdo] = this.#header as unknown as [number, number, number, number];
    const plen = this.#view.getUint32(4, true);
    const headerEnd = found.headerBytes + (this.#digested("header") ? 4 : 0);
    const withData = found.data === "must" || (found.data === "may" && plen > headerEnd);
    let wanted = this.#digested("header") ? PduFlag.HeaderDigest : 0;
    if (withData && this.#digested("data")) wanted |= PduFlag.DataDigest;
    if ((flags & ~found.flags) !== wanted) return `flags ${flags}, of the digests ${wanted}`;
    if (hlen !== found.headerBytes) return `HLEN ${hlen}, not ${found.headerBytes}`;
    this.#dataBytes = this.#padding = 0;
    if (!withData) {
      if (pdo !== 0) return `PDO ${pdo} without data`;
      return plen === headerEnd ? undefined : `PLEN ${plen}, not ${headerEnd}`;
    }
    if (plen > PDU_BYTES_MAX) return `PLEN ${plen}`;
    if (!found.digested) {
      this.#dataBytes = plen - headerEnd;
      return this.#dataBytes <= TERM_DATA_MAX ? undefined : `PLEN ${plen} of a TermReq`;
    }
    const alignment = this.#agreement.alignment[this.#direction];
    if (pdo !== Math.ceil(headerEnd / alignment) * alignment) {
      return `PDO ${pdo} behind a header of ${headerEnd}, aligned to ${alignment}`;
    }
    this.#padding = pdo - headerEnd;
    this.#dataBytes = plen - pdo - (this.#digested("data") ? 4 : 0);
    return this.#dataBytes > 0 ? undefined : `PLEN ${plen} leaves no room for data`;
  }

  #headerEnded(): void {
    const found = this.#shape!;
    const { headerBytes, reserved, name } = found;
    if (this.#digested("header")) {
      const digest = crcEnd(crcOn(CRC_BEGIN, this.#header, 0, headerBytes));
      if (digest !== this.#view.getInt32(headerBytes, true)) {
        this.#wrong("I32", "the header digest is wrong");
      }
    }
    for (let at = 0; at < reserved.length; at += 2) {
      for (let byte = reserved[at]!; byte < reserved[at + 1]!; byte++) {
        if (this.#header[byte] !== 0) this.#wrong("I32", `byte ${byte} is reserved, and not 0`);
      }
    }
    const digestBytes = this.#dataBytes > 0 && this.#digested("data") ? 4 : 0;
    const endAt = this.#streamBytes + this.#padding + this.#dataBytes + digestBytes;
    const [type, flags] = this.#header as unknown as [number, number];
    const seen = { type, name, flags, view: this.#view, dataBytes: this.#dataBytes, endAt };
    if (this.#dataBytes === 0) this.#enter("common", COMMON_BYTES);
    else if (this.#padding > 0) this.#enter("padding", this.#padding);
    else this.#enter("data", this.#dataBytes);
    this.#watcher.pdu(this.#direction, seen);
  }

  #enter(stage: Stage, wanted: number): void {
    this.#stage = stage;
    this.#wanted = wanted;
    this.#passed = 0;
    if (stage === "data") {
      this.#crc = CRC_BEGIN;
      this.#opening = 0;
    }
    if (stage === "digest") this.#digest = 0;
  }

  #digested(part: "header" | "data"): boolean {
    if (!this.#shape!.digested) return false;
    return part === "header" ? this.#agreement.headerDigest : this.#agreement.dataDigest;
  }

  #lose(invariant: string, what: string): void {
    this.#stage = "lost";
    this.#wrong(invariant, what);
  }

  #wrong(invariant: string, what: string): void {
    const name = this.#shape === undefined ? "" : `${this.#shape.name}: `;
    this.#watcher.wrong(this.#direction, invariant, name + what);
  }
}

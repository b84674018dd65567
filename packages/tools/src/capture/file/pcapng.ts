// The block-structured capture file: sections, each with interfaces of its own, and frames of those.
// Read first: draft-ietf-opsawg-pcapng §3 "General File Structure", §4 "Block Definitions".

import type { ByteQueue } from "./byte-queue.ts";
import { CaptureError } from "./errors.ts";
import { FRAME_BYTES_MAX, type FileFormat, type FrameSink, emptyFrame } from "./frame.ts";

/** Types of the blocks that matter here. */
export const PcapngBlock = {
  SectionHeader: 0x0a0d0d0a,
  InterfaceDescription: 1,
  /** Obsolete; old files hold it. */
  Packet: 2,
  SimplePacket: 3,
  EnhancedPacket: 6,
} as const;

/** In a Section Header Block: tells the byte order of the section. */
export const BYTE_ORDER_MAGIC = 0x1a2b3c4d;

/** Options of an Interface Description Block. */
export const InterfaceOption = { End: 0, Name: 2, TimeResolution: 9, TimeOffset: 14 } as const;

/** Type, length, and the length once more at the end. */
const FRAME_BYTES = 12;
/** Interfaces of one section; more are damage. */
const INTERFACES_MAX = 65_536;

interface Interface {
  readonly linkType: number;
  /** Bytes that it captured of a frame at most; 0 for all. */
  readonly snapBytes: number;
  /** Units of a time stamp in a second. */
  readonly unitsPerSecond: bigint;
  /** Seconds to be added to a time stamp. */
  readonly offsetSeconds: number;
}

/** Reads a block-structured capture file. */
export class PcapngFormat implements FileFormat {
  readonly #sink: FrameSink;
  readonly #frame = emptyFrame();
  #littleEndian = true;
  /** Of the section under way; `undefined` for one that could not be used. */
  #interfaces: (Interface | undefined)[] = [];

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  read(queue: ByteQueue): void {
    while (this.#block(queue)) {
      // Each call takes one block.
    }
  }

  end(queue: ByteQueue): CaptureError | undefined {
    if (queue.length === 0 && !queue.isShort) return undefined;
    return new CaptureError(queue.offset, "the file ends in the middle of a block");
  }

  #block(queue: ByteQueue): boolean {
    if (queue.length < FRAME_BYTES) return false;
    const { view, start } = queue;
    const isSection = view.getUint32(start, true) === PcapngBlock.SectionHeader;
    if (isSection) this.#section(queue);
    const type = view.getUint32(start, this.#littleEndian);
    const bytes = view.getUint32(start + 4, this.#littleEndian);
    if (bytes < FRAME_BYTES || bytes % 4 !== 0) {
      throw new CaptureError(queue.offset, `a block of ${bytes} bytes, which cannot be`);
    }
    if (!isKnown(type)) {
      // Its bytes are not kept, however many they are; nor is its second length looked at.
      queue.consume(bytes);
      return true;
    }
    if (bytes > FRAME_BYTES_MAX) {
      throw new CaptureError(queue.offset, `a block of ${bytes} bytes, which is damage`);
    }
    if (queue.length < bytes) return false;
    const again = view.getUint32(start + bytes - 4, this.#littleEndian);
    if (again !== bytes) {
      throw new CaptureError(queue.offset, `a block of ${bytes} bytes says ${again} at its end`);
    }
    this.#take(type, queue, bytes);
    queue.consume(bytes);
    return true;
  }

  #section({ view, start, offset }: ByteQueue): void {
    if (view.getUint32(start + 8, true) === BYTE_ORDER_MAGIC) this.#littleEndian = true;
    else if (view.getUint32(start + 8, false) === BYTE_ORDER_MAGIC) this.#littleEndian = false;
    else throw new CaptureError(offset, "a section without a byte order");
  }

  #take(type: number, { view, bytes, start, offset }: ByteQueue, length: number): void {
    const end = start + length - 4;
    switch (type) {
      case PcapngBlock.SectionHeader:
        this.#interfaces = [];
        return;
      case PcapngBlock.InterfaceDescription:
        if (this.#interfaces.length < INTERFACES_MAX) {
          this.#interfaces.push(this.#interface(view, start, end, offset));
        }
        return;
      case PcapngBlock.SimplePacket:
        this.#simplePacket(bytes, view, start, end, offset);
        return;
      default:
        this.#packet(type, bytes, view, start, end, offset);
    }
  }

  #interface(view: DataView, start: number, end: number, offset: number): Interface | undefined {
    if (end - start < 16) {
      this.#sink.blockSkipped(offset, "an interface without a link type");
      return undefined;
    }
    const linkType = view.getUint16(start + 8, this.#littleEndian);
    const snapBytes = view.getUint32(start + 12, this.#littleEndian);
    let unitsPerSecond = 1_000_000n;
    let offsetSeconds = 0;
    for (let at = start + 16; at + 4 <= end;) {
      const code = view.getUint16(at, this.#littleEndian);
      const length = view.getUint16(at + 2, this.#littleEndian);
      const value = at + 4;
      if (code === InterfaceOption.End) break;
      if (value + length > end) {
        this.#sink.blockSkipped(offset, "the options of an interface do not end");
        break;
      }
      if (code === InterfaceOption.TimeResolution && length >= 1) {
        const units = unitsOf(view.getUint8(value));
        if (units === undefined) {
          this.#sink.blockSkipped(offset, "an interface whose time resolution is out of range");
          return undefined;
        }
        unitsPerSecond = units;
      } else if (code === InterfaceOption.TimeOffset && length >= 8) {
        offsetSeconds = Number(view.getBigInt64(value, this.#littleEndian));
      }
      at = value + Math.ceil(length / 4) * 4;
    }
    return { linkType, snapBytes, unitsPerSecond, offsetSeconds };
  }

  /** Enhanced and obsolete packet blocks, which differ in how they name their interface. */
  #packet(
    type: number,
    bytes: Uint8Array,
    view: DataView,
    start: number,
    end: number,
    offset: number,
  ): void {
    this.#frame.number++;
    if (end - start < 28) {
      this.#sink.blockSkipped(offset, "a packet block that is too short");
      return;
    }
    const little = this.#littleEndian;
    const isObsolete = type === PcapngBlock.Packet;
    const id = isObsolete ? view.getUint16(start + 8, little) : view.getUint32(start + 8, little);
    const from = this.#interfaces[id];
    if (from === undefined) {
      this.#sink.blockSkipped(offset, `a frame of interface ${id}, which is not described`);
      return;
    }
    const captured = view.getUint32(start + 20, little);
    if (start + 28 + captured > end) {
      this.#sink.blockSkipped(offset, `a frame of ${captured} bytes in a block that is shorter`);
      return;
    }
    const high = view.getUint32(start + 12, little);
    const low = view.getUint32(start + 16, little);
    this.#setTime(from, (BigInt(high) << 32n) | BigInt(low));
    this.#give(from, bytes, view, start + 28, captured, view.getUint32(start + 24, little));
  }

  /** Has no time and no interface: the first interface is meant, and the time of the last frame. */
  #simplePacket(
    bytes: Uint8Array,
    view: DataView,
    start: number,
    end: number,
    offset: number,
  ): void {
    this.#frame.number++;
    const from = this.#interfaces[0];
    if (from === undefined || end - start < 12) {
      this.#sink.blockSkipped(offset, "a frame of interface 0, which is not described");
      return;
    }
    const wireBytes = view.getUint32(start + 8, this.#littleEndian);
    const snapBytes = from.snapBytes === 0 ? Infinity : from.snapBytes;
    const captured = Math.min(wireBytes, snapBytes, end - (start + 12));
    this.#give(from, bytes, view, start + 12, captured, wireBytes);
  }

  #setTime({ unitsPerSecond, offsetSeconds }: Interface, units: bigint): void {
    this.#frame.seconds = Number(units / unitsPerSecond) + offsetSeconds;
    this.#frame.nanoseconds = Number(((units % unitsPerSecond) * 1_000_000_000n) / unitsPerSecond);
  }

  #give(
    from: Interface,
    bytes: Uint8Array,
    view: DataView,
    at: number,
    captured: number,
    wireBytes: number,
  ): void {
    const frame = this.#frame;
    frame.linkType = from.linkType;
    frame.bytes = bytes;
    frame.view = view;
    frame.start = at;
    frame.end = at + captured;
    frame.wireBytes = Math.max(captured, wireBytes);
    this.#sink.frame(frame);
  }
}

const known: ReadonlySet<number> = /*@__PURE__*/ new Set(Object.values(PcapngBlock));
const isKnown = (type: number): boolean => known.has(type);

/** The exponent beyond which units are shorter than anything that a clock counts. */
const EXPONENT_MAX = 30;

/** Units in a second of an `if_tsresol`: a power of ten, or of two where the high bit is set. */
function unitsOf(resolution: number): bigint | undefined {
  const exponent = resolution & 0x7f;
  if (exponent > EXPONENT_MAX && resolution < 0x80) return undefined;
  if (exponent > 63) return undefined;
  return (resolution & 0x80) === 0 ? 10n ** BigInt(exponent) : 2n ** BigInt(exponent);
}

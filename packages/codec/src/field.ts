// Declared fields: one declaration reads, writes, lays out and names a piece of a wire structure.
// Read first: style of use in cqe.ts. Base 2.0 §1.5 "Byte, word, and Dword Relationships" (little-endian).

/**
 * One field of a wire structure, at a fixed byte offset from the structure's base.
 *
 * `get` and `set` take the view of a whole buffer and the structure's base in it, so that a receive
 * path needs one `DataView` per buffer and none per PDU.
 */
export interface Field<T> {
  /** Byte offset of the first byte from the structure's base. */
  readonly offset: number;
  /** Bytes the field spans, its container's for a bit field. */
  readonly bytes: number;
  /** Bits used within the container, lowest first; the whole container where it is not a bit field. */
  readonly bit: { readonly shift: number; readonly width: number } | undefined;
  get(view: DataView, base?: number): T;
  set(view: DataView, base: number, value: T): void;
}

class U8 implements Field<number> {
  readonly bytes = 1;
  readonly bit = undefined;
  readonly offset: number;
  constructor(offset: number) {
    this.offset = offset;
  }
  get(view: DataView, base = 0): number {
    return view.getUint8(base + this.offset);
  }
  set(view: DataView, base: number, value: number): void {
    view.setUint8(base + this.offset, value);
  }
}

class U16 implements Field<number> {
  readonly bytes = 2;
  readonly bit = undefined;
  readonly offset: number;
  constructor(offset: number) {
    this.offset = offset;
  }
  get(view: DataView, base = 0): number {
    return view.getUint16(base + this.offset, true);
  }
  set(view: DataView, base: number, value: number): void {
    view.setUint16(base + this.offset, value, true);
  }
}

class U32 implements Field<number> {
  readonly bytes = 4;
  readonly bit = undefined;
  readonly offset: number;
  constructor(offset: number) {
    this.offset = offset;
  }
  get(view: DataView, base = 0): number {
    return view.getUint32(base + this.offset, true);
  }
  set(view: DataView, base: number, value: number): void {
    view.setUint32(base + this.offset, value, true);
  }
}

/** 64 bits as `bigint`: for Identify and log structures, where the full range occurs. */
class U64 implements Field<bigint> {
  readonly bytes = 8;
  readonly bit = undefined;
  readonly offset: number;
  constructor(offset: number) {
    this.offset = offset;
  }
  get(view: DataView, base = 0): bigint {
    return view.getBigUint64(base + this.offset, true);
  }
  set(view: DataView, base: number, value: bigint): void {
    view.setBigUint64(base + this.offset, value, true);
  }
}

/**
 * 64 bits as a `number`: for the I/O path, where a `bigint` costs an allocation (measured 38 ns
 * against 2.4). Values above 2^53 - 1 lose low bits; a reader of untrusted bytes compares with
 * `Number.MAX_SAFE_INTEGER` before use.
 */
class U64Number implements Field<number> {
  readonly bytes = 8;
  readonly bit = undefined;
  readonly offset: number;
  constructor(offset: number) {
    this.offset = offset;
  }
  get(view: DataView, base = 0): number {
    const at = base + this.offset;
    return view.getUint32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true);
  }
  set(view: DataView, base: number, value: number): void {
    const at = base + this.offset;
    // The remainder of a number is a call out of compiled code, and most values are small.
    if (value <= 0xffff_ffff) {
      view.setUint32(at, value, true);
      view.setUint32(at + 4, 0, true);
    } else {
      view.setUint32(at, value % 0x1_0000_0000, true);
      view.setUint32(at + 4, Math.floor(value / 0x1_0000_0000), true);
    }
  }
}

/** 128 bits as `bigint`: SMART counters and capacities. */
class U128 implements Field<bigint> {
  readonly bytes = 16;
  readonly bit = undefined;
  readonly offset: number;
  constructor(offset: number) {
    this.offset = offset;
  }
  get(view: DataView, base = 0): bigint {
    const at = base + this.offset;
    return (view.getBigUint64(at + 8, true) << 64n) | view.getBigUint64(at, true);
  }
  set(view: DataView, base: number, value: bigint): void {
    const at = base + this.offset;
    view.setBigUint64(at, value & 0xffff_ffff_ffff_ffffn, true);
    view.setBigUint64(at + 8, value >> 64n, true);
  }
}

/** Bits inside an integer field; writing them leaves the container's other bits as they are. */
class Bits implements Field<number> {
  readonly bytes: number;
  readonly offset: number;
  readonly bit: { readonly shift: number; readonly width: number };
  readonly #container: Field<number>;
  readonly #shift: number;
  readonly #mask: number;
  constructor(container: Field<number>, shift: number, width: number) {
    // Shifts see 32 bits; a structure with wider ones declares its halves.
    if (container.bytes > 4) throw new RangeError("bits of a container of more than 32 bits");
    this.#container = container;
    this.offset = container.offset;
    this.bytes = container.bytes;
    this.bit = { shift, width };
    this.#shift = shift;
    this.#mask = width === 32 ? -1 : (1 << width) - 1;
  }
  get(view: DataView, base = 0): number {
    return ((this.#container.get(view, base) >>> this.#shift) & this.#mask) >>> 0;
  }
  set(view: DataView, base: number, value: number): void {
    const rest = this.#container.get(view, base) & ~(this.#mask << this.#shift);
    this.#container.set(view, base, (rest | ((value & this.#mask) << this.#shift)) >>> 0);
  }
}

/** A count that the wire holds one less of ("0's based"): `get` and `set` speak of the count itself. */
class ZeroBased implements Field<number> {
  readonly bytes: number;
  readonly offset: number;
  readonly bit: Field<number>["bit"];
  readonly #container: Field<number>;
  constructor(container: Field<number>) {
    this.#container = container;
    this.offset = container.offset;
    this.bytes = container.bytes;
    this.bit = container.bit;
  }
  get(view: DataView, base = 0): number {
    return this.#container.get(view, base) + 1;
  }
  set(view: DataView, base: number, value: number): void {
    this.#container.set(view, base, value - 1);
  }
}

/** Text of a fixed width, padded with `pad`; bytes outside printable ASCII are read as U+FFFD. */
class Ascii implements Field<string> {
  readonly bit = undefined;
  readonly offset: number;
  readonly bytes: number;
  readonly #pad: number;
  constructor(offset: number, bytes: number, pad: number) {
    this.offset = offset;
    this.bytes = bytes;
    this.#pad = pad;
  }
  get(view: DataView, base = 0): string {
    const at = base + this.offset;
    let end = 0;
    while (end < this.bytes && view.getUint8(at + end) !== 0) end++;
    while (end > 0 && view.getUint8(at + end - 1) === this.#pad) end--;
    let text = "";
    for (let i = 0; i < end; i++) {
      const code = view.getUint8(at + i);
      text += code >= 0x20 && code < 0x7f ? String.fromCharCode(code) : "\ufffd";
    }
    return text;
  }
  set(view: DataView, base: number, value: string): void {
    if (value.length > this.bytes) {
      throw new RangeError(`"${value}" is longer than the field's ${this.bytes} bytes`);
    }
    for (let i = 0; i < this.bytes; i++) {
      view.setUint8(base + this.offset + i, i < value.length ? value.charCodeAt(i) : this.#pad);
    }
  }
}

/** Raw bytes; `get` copies, so that what it returns outlives the buffer. */
class Bytes implements Field<Uint8Array> {
  readonly bit = undefined;
  readonly offset: number;
  readonly bytes: number;
  constructor(offset: number, bytes: number) {
    this.offset = offset;
    this.bytes = bytes;
  }
  get(view: DataView, base = 0): Uint8Array {
    const at = view.byteOffset + base + this.offset;
    return new Uint8Array(view.buffer, at, this.bytes).slice();
  }
  set(view: DataView, base: number, value: Uint8Array): void {
    if (value.length !== this.bytes) {
      throw new RangeError(`${value.length} bytes given for a field of ${this.bytes}`);
    }
    new Uint8Array(view.buffer, view.byteOffset + base + this.offset, this.bytes).set(value);
  }
}

// Functions and not constants, and marked: so a bundler drops the layouts that nobody uses.

/** An 8-bit unsigned field. */
/* @__NO_SIDE_EFFECTS__ */ export function u8(offset: number): Field<number> {
  return new U8(offset);
}
/** A 16-bit little-endian field. */
/* @__NO_SIDE_EFFECTS__ */ export function u16(offset: number): Field<number> {
  return new U16(offset);
}
/** A 32-bit little-endian field. */
/* @__NO_SIDE_EFFECTS__ */ export function u32(offset: number): Field<number> {
  return new U32(offset);
}
/** A 64-bit little-endian field as `bigint`. */
/* @__NO_SIDE_EFFECTS__ */ export function u64(offset: number): Field<bigint> {
  return new U64(offset);
}
/**
 * A 64-bit little-endian field as `number`. Above 2^53 - 1 low bits are lost: a reader of untrusted
 * bytes compares with `Number.MAX_SAFE_INTEGER` before use.
 */
/* @__NO_SIDE_EFFECTS__ */ export function u64n(offset: number): Field<number> {
  return new U64Number(offset);
}
/** A 128-bit little-endian field as `bigint`. */
/* @__NO_SIDE_EFFECTS__ */ export function u128(offset: number): Field<bigint> {
  return new U128(offset);
}
/** `width` bits of `container`, of at most 32 bits, from bit `shift` up. */
/* @__NO_SIDE_EFFECTS__ */ export function bits(
  container: Field<number>,
  shift: number,
  width: number,
): Field<number> {
  return new Bits(container, shift, width);
}
/** A 0's based count, read and written as the count itself. */
/* @__NO_SIDE_EFFECTS__ */ export function zeroBased(container: Field<number>): Field<number> {
  return new ZeroBased(container);
}
/** Space-padded ASCII, as in Identify strings. */
/* @__NO_SIDE_EFFECTS__ */ export function ascii(offset: number, bytes: number): Field<string> {
  return new Ascii(offset, bytes, 0x20);
}
/** NUL-padded ASCII; NQNs, which are UTF-8, have a field of their own in nqn.ts. */
/* @__NO_SIDE_EFFECTS__ */ export function cstring(offset: number, bytes: number): Field<string> {
  return new Ascii(offset, bytes, 0);
}
/** Raw bytes. */
/* @__NO_SIDE_EFFECTS__ */ export function bytes(
  offset: number,
  length: number,
): Field<Uint8Array> {
  return new Bytes(offset, length);
}

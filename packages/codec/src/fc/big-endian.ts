// Big-endian fields: what Fibre Channel puts around the little-endian entries of NVMe.
// Read first: ../field.ts; FC-FS "Frame_Header"; FC-NVMe-2 "Information units".

import type { Field } from "../field.ts";

class U16Be implements Field<number> {
  readonly bytes = 2;
  readonly bit = undefined;
  readonly offset: number;
  constructor(offset: number) {
    this.offset = offset;
  }
  get(view: DataView, base = 0): number {
    return view.getUint16(base + this.offset);
  }
  set(view: DataView, base: number, value: number): void {
    view.setUint16(base + this.offset, value);
  }
}

/** 24 bits: addresses (D_ID, S_ID) and F_CTL. */
class U24Be implements Field<number> {
  readonly bytes = 3;
  readonly bit = undefined;
  readonly offset: number;
  constructor(offset: number) {
    this.offset = offset;
  }
  get(view: DataView, base = 0): number {
    const at = base + this.offset;
    return (view.getUint8(at) << 16) | view.getUint16(at + 1);
  }
  set(view: DataView, base: number, value: number): void {
    const at = base + this.offset;
    view.setUint8(at, value >>> 16);
    view.setUint16(at + 1, value & 0xffff);
  }
}

class U32Be implements Field<number> {
  readonly bytes = 4;
  readonly bit = undefined;
  readonly offset: number;
  constructor(offset: number) {
    this.offset = offset;
  }
  get(view: DataView, base = 0): number {
    return view.getUint32(base + this.offset);
  }
  set(view: DataView, base: number, value: number): void {
    view.setUint32(base + this.offset, value);
  }
}

class U64Be implements Field<bigint> {
  readonly bytes = 8;
  readonly bit = undefined;
  readonly offset: number;
  constructor(offset: number) {
    this.offset = offset;
  }
  get(view: DataView, base = 0): bigint {
    return view.getBigUint64(base + this.offset);
  }
  set(view: DataView, base: number, value: bigint): void {
    view.setBigUint64(base + this.offset, value);
  }
}

/** A 16-bit big-endian field. */
/* @__NO_SIDE_EFFECTS__ */ export function u16be(offset: number): Field<number> {
  return new U16Be(offset);
}
/** A 24-bit big-endian field. */
/* @__NO_SIDE_EFFECTS__ */ export function u24be(offset: number): Field<number> {
  return new U24Be(offset);
}
/** A 32-bit big-endian field. */
/* @__NO_SIDE_EFFECTS__ */ export function u32be(offset: number): Field<number> {
  return new U32Be(offset);
}
/** A 64-bit big-endian field as `bigint`. */
/* @__NO_SIDE_EFFECTS__ */ export function u64be(offset: number): Field<bigint> {
  return new U64Be(offset);
}

// Capture files made by hand, in every shape that they come in: for tests of the readers.
// Read first: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng; ../file/.

import { LinkType } from "../net/link.ts";
import { joined } from "./recording.ts";

/** How integers are written. */
export type Order = "little" | "big";

/** Writes integers, one after the other. */
export class Ints {
  #bytes = new Uint8Array(64);
  #count = 0;
  readonly #little: boolean;

  constructor(order: Order = "big") {
    this.#little = order === "little";
  }

  put(value: number, size: 1 | 2 | 4): this {
    for (let i = 0; i < size; i++) {
      const shift = 8 * (this.#little ? i : size - 1 - i);
      this.#bytes[this.#room(1)] = value >>> shift;
    }
    return this;
  }

  u8(...values: readonly number[]): this {
    for (const value of values) this.put(value, 1);
    return this;
  }

  u16(...values: readonly number[]): this {
    for (const value of values) this.put(value, 2);
    return this;
  }

  u32(...values: readonly number[]): this {
    for (const value of values) this.put(value, 4);
    return this;
  }

  raw(bytes: Uint8Array | readonly number[]): this {
    const at = this.#room(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  get bytes(): Uint8Array {
    return this.#bytes.slice(0, this.#count);
  }

  /** Where the next `count` bytes go. */
  #room(count: number): number {
    const at = this.#count;
    this.#count += count;
    if (this.#count > this.#bytes.length) {
      const more = new Uint8Array(2 * this.#count);
      more.set(this.#bytes);
      this.#bytes = more;
    }
    return at;
  }
}

/** A frame of a file. */
export interface FileFrame {
  readonly bytes: Uint8Array;
  readonly seconds?: number;
  readonly nanoseconds?: number;
  /** Where the snapshot length cut it. */
  readonly captured?: number;
}

/** A classic capture file. */
export function pcapFile(
  frames: readonly FileFrame[],
  {
    order = "little",
    unit = "us",
    linkType = LinkType.Ethernet as number,
  }: {
    readonly order?: Order;
    readonly unit?: "us" | "ns";
    readonly linkType?: number;
  } = {},
): Uint8Array {
  const magic = unit === "us" ? 0xa1b2c3d4 : 0xa1b23c4d;
  const head = new Ints(order).u32(magic).u16(2, 4).u32(0, 0, 65_535, linkType).bytes;
  const records = frames.map(({ bytes, seconds = 1, nanoseconds = 0, captured }) => {
    const some = bytes.subarray(0, captured ?? bytes.length);
    const fraction = unit === "us" ? nanoseconds / 1000 : nanoseconds;
    const record = new Ints(order).u32(seconds, fraction, some.length, bytes.length).bytes;
    return joined([record, some]);
  });
  return joined([head, ...records]);
}

/** A block of a block-structured file; its length is right unless another is given. */
export function block(
  type: number,
  body: Uint8Array,
  order: Order = "little",
  lengths: { readonly first?: number; readonly last?: number } = {},
): Uint8Array {
  const padded = new Uint8Array(Math.ceil(body.length / 4) * 4);
  padded.set(body);
  const length = padded.length + 12;
  const { first = length, last = first } = lengths;
  return joined([new Ints(order).u32(type, first).bytes, padded, new Ints(order).u32(last).bytes]);
}

export const sectionBlock = (order: Order = "little"): Uint8Array =>
  block(
    0x0a0d0d0a,
    new Ints(order).u32(0x1a2b3c4d).u16(1, 0).u32(0xffff_ffff, 0xffff_ffff).bytes,
    order,
  );

/** An option of a block. */
export const option = (code: number, value: readonly number[], order: Order): Uint8Array => {
  const padding = new Uint8Array((4 - (value.length % 4)) % 4);
  return new Ints(order).u16(code, value.length).raw(value).raw(padding).bytes;
};

export const interfaceBlock = (
  linkType: number = LinkType.Ethernet,
  order: Order = "little",
  options: readonly Uint8Array[] = [],
): Uint8Array =>
  block(1, joined([new Ints(order).u16(linkType, 0).u32(0).bytes, ...options]), order);

/** A frame with a time in units of its interface. */
export function packetBlock(
  bytes: Uint8Array,
  order: Order = "little",
  { id = 0, units = 0n, wireBytes = bytes.length } = {},
): Uint8Array {
  const high = Number(units >> 32n);
  const low = Number(units & 0xffff_ffffn);
  const head = new Ints(order).u32(id, high, low, bytes.length, wireBytes).bytes;
  return block(6, joined([head, bytes]), order);
}

// Blocks of a capture file as this project writes it: one section, one Ethernet interface, nanoseconds.
// Read first: draft-ietf-opsawg-pcapng §4 "Block Definitions", §3.5 "Options".

import { BYTE_ORDER_MAGIC, InterfaceOption, PcapngBlock } from "../file/pcapng.ts";
import { LinkType } from "../net/link.ts";

/** Options of any block, and of a Section Header Block. */
const Option = { End: 0, Comment: 1, Application: 4 } as const;

/** An option: its code and its value. */
type Choice = readonly [code: number, value: Uint8Array];

const padded = (length: number): number => Math.ceil(length / 4) * 4;

const optionBytes = (options: readonly Choice[]): number =>
  options.length === 0
    ? 0
    : 4 + options.reduce((sum, [, value]) => sum + 4 + padded(value.length), 0);

/** A whole block; `bodyBytes` of it are left to be written from byte 8 on. */
function block(type: number, bodyBytes: number, options: readonly Choice[]): Uint8Array {
  const bodyEnd = 8 + padded(bodyBytes);
  const size = bodyEnd + optionBytes(options) + 4;
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, size, true);
  view.setUint32(size - 4, size, true);
  let at = bodyEnd;
  for (const [code, value] of options) {
    view.setUint16(at, code, true);
    view.setUint16(at + 2, value.length, true);
    bytes.set(value, at + 4);
    at += 4 + padded(value.length);
  }
  return bytes;
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value.slice(0, 1000));

/** What a file begins with. */
export function fileHeader(application: string, interfaceName: string): Uint8Array {
  const section = block(PcapngBlock.SectionHeader, 16, [[Option.Application, text(application)]]);
  const view = new DataView(section.buffer);
  view.setUint32(8, BYTE_ORDER_MAGIC, true);
  view.setUint16(12, 1, true); // version 1.0
  view.setBigInt64(16, -1n, true); // the section's length is not known
  const description = block(PcapngBlock.InterfaceDescription, 8, [
    [InterfaceOption.Name, text(interfaceName)],
    [InterfaceOption.TimeResolution, Uint8Array.of(9)],
  ]);
  new DataView(description.buffer).setUint16(8, LinkType.Ethernet, true);
  const whole = new Uint8Array(section.length + description.length);
  whole.set(section);
  whole.set(description, section.length);
  return whole;
}

/** Bytes of a frame block before the frame. */
export const FRAME_BLOCK_HEAD = 28;

/** A block for a frame of `frameBytes`, which is to be written from byte 28 on. */
export function frameBlock(
  frameBytes: number,
  seconds: number,
  nanoseconds: number,
  comment: string | undefined,
): Uint8Array {
  const options: Choice[] = comment === undefined ? [] : [[Option.Comment, text(comment)]];
  const bytes = block(PcapngBlock.EnhancedPacket, 20 + frameBytes, options);
  const view = new DataView(bytes.buffer);
  const time = BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds);
  view.setUint32(12, Number(time >> 32n), true);
  view.setUint32(16, Number(time & 0xffff_ffffn), true);
  view.setUint32(20, frameBytes, true);
  view.setUint32(24, frameBytes, true);
  return bytes;
}

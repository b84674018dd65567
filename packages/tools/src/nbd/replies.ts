// What an NBD server says: replies to options and to requests, written into a send queue.
// Read first: protocol.ts for the layouts; the NBD protocol, "Structured reply types".

import type { SendQueue } from "@nvmeof/transport";
import {
  CHUNK_DONE,
  CHUNK_MAGIC,
  ChunkHeader,
  ChunkType,
  EXPORT_NAME_ZEROES,
  HELLO_MAGIC,
  HandshakeFlag,
  type NbdErrno,
  OPTION_MAGIC,
  OPTION_REPLY_MAGIC,
  type OptionReply,
  OptionReplyHeader,
  SIMPLE_REPLY_MAGIC,
  SimpleReply,
} from "./protocol.ts";

/** Whom a reply is for. */
export interface Cookie {
  readonly cookieHigh: number;
  readonly cookieLow: number;
}

/** Longest message in an error, bytes: it is for people. */
const MESSAGE_BYTES_MAX = 512;

const encoder = new TextEncoder();

/** The first words of a server. */
export function sayHello(out: SendQueue): void {
  const base = out.reserve(18);
  const { view } = out;
  view.setUint32(base, HELLO_MAGIC.high);
  view.setUint32(base + 4, HELLO_MAGIC.low);
  view.setUint32(base + 8, OPTION_MAGIC.high);
  view.setUint32(base + 12, OPTION_MAGIC.low);
  view.setUint16(base + 16, HandshakeFlag.FixedNewstyle | HandshakeFlag.NoZeroes);
}

/** A reply to an option, with its data in pieces. */
export function replyToOption(
  out: SendQueue,
  option: number,
  type: OptionReply,
  ...pieces: readonly Uint8Array[]
): void {
  const base = out.reserve(OptionReplyHeader.size);
  const { view } = out;
  OptionReplyHeader.magicHigh.set(view, base, OPTION_REPLY_MAGIC.high);
  OptionReplyHeader.magicLow.set(view, base, OPTION_REPLY_MAGIC.low);
  OptionReplyHeader.option.set(view, base, option);
  OptionReplyHeader.type.set(view, base, type);
  let bytes = 0;
  for (const piece of pieces) bytes += piece.length;
  OptionReplyHeader.length.set(view, base, bytes);
  for (const piece of pieces) out.append(piece);
}

/** An error, with a sentence for people. */
export const refuseOption = (
  out: SendQueue,
  option: number,
  type: OptionReply,
  message: string,
): void => replyToOption(out, option, type, shortened(encoder.encode(message)));

/** Integers of 16, 32 and 64 bits, one behind the other. */
export function integers(...parts: readonly (readonly [bytes: 2 | 4 | 8, value: number])[]) {
  const size = parts.reduce((sum, [bytes]) => sum + bytes, 0);
  const view = new DataView(new ArrayBuffer(size));
  let at = 0;
  for (const [bytes, value] of parts) {
    if (bytes === 2) view.setUint16(at, value);
    else if (bytes === 4) view.setUint32(at, value);
    else view.setBigUint64(at, BigInt(value));
    at += bytes;
  }
  return new Uint8Array(view.buffer);
}

/** The answer to EXPORT_NAME, which has no header. */
export function replyToExportName(
  out: SendQueue,
  sizeBytes: number,
  flags: number,
  zeroes: boolean,
): void {
  out.append(integers([8, sizeBytes], [2, flags]));
  if (zeroes) out.append(new Uint8Array(EXPORT_NAME_ZEROES));
}

/** The reply to a request, or its head where the data of a read follows. */
export function replySimply(out: SendQueue, to: Cookie, errno: NbdErrno | 0): void {
  const base = out.reserve(SimpleReply.size);
  const { view } = out;
  SimpleReply.magic.set(view, base, SIMPLE_REPLY_MAGIC);
  SimpleReply.error.set(view, base, errno);
  SimpleReply.cookieHigh.set(view, base, to.cookieHigh);
  SimpleReply.cookieLow.set(view, base, to.cookieLow);
}

/** The head of a chunk and room for `inline` bytes of its payload; gives where they begin. */
function beginChunk(
  out: SendQueue,
  to: Cookie,
  type: number,
  isLast: boolean,
  payloadBytes: number,
  inline: number,
): number {
  const base = out.reserve(ChunkHeader.size + inline);
  const { view } = out;
  ChunkHeader.magic.set(view, base, CHUNK_MAGIC);
  ChunkHeader.flags.set(view, base, isLast ? CHUNK_DONE : 0);
  ChunkHeader.type.set(view, base, type);
  ChunkHeader.cookieHigh.set(view, base, to.cookieHigh);
  ChunkHeader.cookieLow.set(view, base, to.cookieLow);
  ChunkHeader.length.set(view, base, payloadBytes);
  return base + ChunkHeader.size;
}

function setOffset(view: DataView, at: number, offset: number): void {
  view.setUint32(at, Math.floor(offset / 0x1_0000_0000));
  view.setUint32(at + 4, offset % 0x1_0000_0000);
}

/** The end of a structured reply that has nothing more to say. */
export function sendNone(out: SendQueue, to: Cookie): void {
  beginChunk(out, to, ChunkType.None, true, 0, 0);
}

/** Data of a read, which begins at `offset` of the export. */
export function sendData(
  out: SendQueue,
  to: Cookie,
  offset: number,
  data: Uint8Array,
  isLast: boolean,
): void {
  const at = beginChunk(out, to, ChunkType.OffsetData, isLast, 8 + data.length, 8);
  setOffset(out.view, at, offset);
  out.append(data);
}

/** Zeroes of a read that need not be sent. */
export function sendHole(
  out: SendQueue,
  to: Cookie,
  offset: number,
  bytes: number,
  isLast: boolean,
): void {
  const at = beginChunk(out, to, ChunkType.OffsetHole, isLast, 12, 12);
  setOffset(out.view, at, offset);
  out.view.setUint32(at + 8, bytes);
}

/** Extents: lengths and flags in turn. */
export function sendExtents(
  out: SendQueue,
  to: Cookie,
  contextId: number,
  extents: readonly number[],
): void {
  const payload = new DataView(new ArrayBuffer(4 + extents.length * 4));
  payload.setUint32(0, contextId);
  for (let i = 0; i < extents.length; i++) payload.setUint32(4 + i * 4, extents[i]!);
  beginChunk(out, to, ChunkType.BlockStatus, true, payload.byteLength, 0);
  out.append(new Uint8Array(payload.buffer));
}

/** An error, with a sentence for people. */
export function sendError(out: SendQueue, to: Cookie, errno: NbdErrno, message: string): void {
  const text = shortened(encoder.encode(message));
  const at = beginChunk(out, to, ChunkType.Error, true, 6 + text.length, 6);
  out.view.setUint32(at, errno);
  out.view.setUint16(at + 4, text.length);
  out.append(text);
}

/** At most `MESSAGE_BYTES_MAX` bytes, cut between two characters. */
function shortened(text: Uint8Array): Uint8Array {
  if (text.length <= MESSAGE_BYTES_MAX) return text;
  let end = MESSAGE_BYTES_MAX;
  while (end > 0 && (text[end]! & 0xc0) === 0x80) end--;
  return text.subarray(0, end);
}

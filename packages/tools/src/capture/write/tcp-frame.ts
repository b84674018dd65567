// Frames made up around bytes that we saw: Ethernet, IP and TCP, with right lengths and checksums.
// Read first: RFC 791 §3.1; RFC 8200 §3; RFC 9293 §3.1, for the pseudo-header of the checksum too.

import { EtherType } from "../net/link.ts";

/** An address and a port, in bytes as frames have them. */
export interface FrameEnd {
  /** 4 or 16 bytes. */
  readonly address: Uint8Array;
  readonly port: number;
}

/** One TCP segment. */
export interface FrameParts {
  readonly source: FrameEnd;
  readonly destination: FrameEnd;
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  readonly payload: Uint8Array;
}

const ETHERNET_BYTES = 14;
const TCP_BYTES = 20;
const TCP = 6;
const HOP_LIMIT = 64;
const WINDOW = 0xffff;

const ipBytes = (address: Uint8Array): number => (address.length === 4 ? 20 : 40);

/** Bytes of a frame with so much payload. */
export const frameBytes = ({ source, payload }: FrameParts): number =>
  ETHERNET_BYTES + ipBytes(source.address) + TCP_BYTES + payload.length;

/** Writes the frame at `at`. */
export function writeFrame(bytes: Uint8Array, view: DataView, at: number, parts: FrameParts): void {
  const { source, payload } = parts;
  const isIpv4 = source.address.length === 4;
  // Locally administered addresses, that of the port being in them: they tell the ends apart.
  writeMac(view, at, parts.destination.port);
  writeMac(view, at + 6, source.port);
  view.setUint16(at + 12, isIpv4 ? EtherType.IPv4 : EtherType.IPv6);
  const ip = at + ETHERNET_BYTES;
  const tcp = ip + ipBytes(source.address);
  const tcpBytes = TCP_BYTES + payload.length;
  bytes.fill(0, ip, tcp + TCP_BYTES);
  if (isIpv4) writeIpv4(bytes, view, ip, tcpBytes, parts);
  else writeIpv6(bytes, view, ip, tcpBytes, parts);
  writeTcp(view, tcp, parts);
  bytes.set(payload, tcp + TCP_BYTES);
  const addressesAt = isIpv4 ? ip + 12 : ip + 8;
  let sum = TCP + tcpBytes;
  sum = sumOf(view, addressesAt, addressesAt + 2 * source.address.length, sum);
  view.setUint16(tcp + 16, checksumOf(sumOf(view, tcp, tcp + tcpBytes, sum)));
}

function writeMac(view: DataView, at: number, port: number): void {
  view.setUint32(at, 0x0200_0000);
  view.setUint16(at + 4, port);
}

function writeIpv4(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  tcpBytes: number,
  { source, destination }: FrameParts,
): void {
  view.setUint8(at, 0x45);
  view.setUint16(at + 2, 20 + tcpBytes);
  view.setUint16(at + 6, 0x4000); // Don't Fragment
  view.setUint8(at + 8, HOP_LIMIT);
  view.setUint8(at + 9, TCP);
  bytes.set(source.address, at + 12);
  bytes.set(destination.address, at + 16);
  view.setUint16(at + 10, checksumOf(sumOf(view, at, at + 20, 0)));
}

function writeIpv6(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  tcpBytes: number,
  { source, destination }: FrameParts,
): void {
  view.setUint8(at, 0x60);
  view.setUint16(at + 4, tcpBytes);
  view.setUint8(at + 6, TCP);
  view.setUint8(at + 7, HOP_LIMIT);
  bytes.set(source.address, at + 8);
  bytes.set(destination.address, at + 24);
}

function writeTcp(view: DataView, at: number, parts: FrameParts): void {
  view.setUint16(at, parts.source.port);
  view.setUint16(at + 2, parts.destination.port);
  view.setUint32(at + 4, parts.seq);
  view.setUint32(at + 8, parts.ack);
  view.setUint8(at + 12, (TCP_BYTES / 4) << 4);
  view.setUint8(at + 13, parts.flags);
  view.setUint16(at + 14, WINDOW);
}

/** Adds up 16-bit words. A number holds the sum of all that a packet can have. */
function sumOf(view: DataView, start: number, end: number, before: number): number {
  let sum = before;
  let at = start;
  for (; at + 2 <= end; at += 2) sum += view.getUint16(at);
  return at < end ? sum + (view.getUint8(at) << 8) : sum;
}

function checksumOf(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = Math.floor(folded / 0x1_0000) + (folded & 0xffff);
  return ~folded & 0xffff;
}

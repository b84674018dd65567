// From an IP packet to the TCP segment in it.
// Read first: RFC 791 §3.1; RFC 8200 §4 "IPv6 Extension Headers"; RFC 9293 §3.1 "Header Format".

import type { CapturedFrame } from "../file/frame.ts";
import { ipOffset } from "./link.ts";
import { Skip } from "./skip.ts";

/** A TCP segment in the bytes of its frame. One object serves all: valid until the next is read. */
export interface Segment {
  /** Bytes of an address, 4 or 16; where in the frame the source's and the destination's begin. */
  addressBytes: number;
  sourceAt: number;
  destinationAt: number;
  sourcePort: number;
  destinationPort: number;
  seq: number;
  ack: number;
  flags: number;
  /** The payload that was captured. */
  start: number;
  end: number;
  /** Bytes of payload on the wire: more than were captured, where a snapshot length cut the frame. */
  wireBytes: number;
}

/** Flags of a TCP segment. */
export const TcpFlag = { Fin: 1, Syn: 2, Rst: 4, Psh: 8, Ack: 16 } as const;

export const emptySegment = (): Segment => ({
  addressBytes: 4,
  sourceAt: 0,
  destinationAt: 0,
  sourcePort: 0,
  destinationPort: 0,
  seq: 0,
  ack: 0,
  flags: 0,
  start: 0,
  end: 0,
  wireBytes: 0,
});

const TCP = 6;
const TCP_HEADER_BYTES = 20;
const IPV6_HEADER_BYTES = 40;

/** Hop-by-hop options, routing, destination options, mobility; AH counts its length otherwise. */
const isExtension = (header: number): boolean =>
  header === 0 || header === 43 || header === 60 || header === 135 || header === AUTHENTICATION;
const AUTHENTICATION = 51;
const FRAGMENT = 44;
const EXTENSIONS_MAX = 16;

/**
 * Reads the TCP segment of a frame into `segment`.
 *
 * @returns 0, or a {@link Skip} that says why there is none.
 */
export function readSegment(frame: CapturedFrame, segment: Segment): 0 | Skip {
  const at = ipOffset(frame);
  if (at < 0) return at as Skip;
  if (at >= frame.end) return Skip.Cut;
  const version = frame.view.getUint8(at) >> 4;
  if (version === 4) return readIpv4(frame, at, segment);
  return version === 6 ? readIpv6(frame, at, segment) : Skip.IpHeader;
}

function readIpv4(frame: CapturedFrame, at: number, segment: Segment): 0 | Skip {
  const { view, end } = frame;
  if (end - at < 20) return Skip.Cut;
  const headerBytes = (view.getUint8(at) & 15) * 4;
  if (headerBytes < 20) return Skip.IpHeader;
  // 0 where the network card cuts the packet into segments later: what was captured counts then.
  const totalBytes = view.getUint16(at + 2) || packetBytes(frame, at);
  if (totalBytes < headerBytes) return Skip.IpHeader;
  const fragment = view.getUint16(at + 6);
  if ((fragment & 0x3fff) !== 0) return Skip.Fragment;
  if (view.getUint8(at + 9) !== TCP) return Skip.NotTcp;
  segment.addressBytes = 4;
  segment.sourceAt = at + 12;
  segment.destinationAt = at + 16;
  return readTcp(frame, at + headerBytes, totalBytes - headerBytes, segment);
}

function readIpv6(frame: CapturedFrame, at: number, segment: Segment): 0 | Skip {
  const { view, end } = frame;
  if (end - at < IPV6_HEADER_BYTES) return Skip.Cut;
  const payloadBytes = view.getUint16(at + 4) || packetBytes(frame, at) - IPV6_HEADER_BYTES;
  let header = view.getUint8(at + 6);
  let next = at + IPV6_HEADER_BYTES;
  for (let count = 0; header !== TCP; count++) {
    if (count === EXTENSIONS_MAX) return Skip.ExtensionHeaders;
    if (header !== FRAGMENT && !isExtension(header)) return Skip.NotTcp;
    if (next + 8 > end) return Skip.Cut;
    // One that is whole carries a fragment header now and then.
    if (header === FRAGMENT && (view.getUint16(next + 2) & 0xfff9) !== 0) return Skip.Fragment;
    const units = view.getUint8(next + 1);
    const bytes =
      header === FRAGMENT ? 8 : header === AUTHENTICATION ? (units + 2) * 4 : (units + 1) * 8;
    header = view.getUint8(next);
    next += bytes;
  }
  segment.addressBytes = 16;
  segment.sourceAt = at + 8;
  segment.destinationAt = at + 24;
  const rest = payloadBytes - (next - at - IPV6_HEADER_BYTES);
  return rest < 0 ? Skip.IpHeader : readTcp(frame, next, rest, segment);
}

/** Bytes of the packet at `at` on the wire. */
const packetBytes = ({ start, wireBytes }: CapturedFrame, at: number): number =>
  wireBytes - (at - start);

function readTcp(frame: CapturedFrame, at: number, tcpBytes: number, segment: Segment): 0 | Skip {
  const { view, end } = frame;
  if (end - at < TCP_HEADER_BYTES) return Skip.Cut;
  const headerBytes = (view.getUint8(at + 12) >> 4) * 4;
  if (headerBytes < TCP_HEADER_BYTES || headerBytes > tcpBytes) return Skip.TcpHeader;
  segment.sourcePort = view.getUint16(at);
  segment.destinationPort = view.getUint16(at + 2);
  segment.seq = view.getUint32(at + 4);
  segment.ack = view.getUint32(at + 8);
  segment.flags = view.getUint8(at + 13) & 0x3f;
  segment.wireBytes = tcpBytes - headerBytes;
  // A short frame is padded: its length on the wire says more than there is.
  segment.start = Math.min(end, at + headerBytes);
  segment.end = Math.min(end, segment.start + segment.wireBytes);
  return 0;
}

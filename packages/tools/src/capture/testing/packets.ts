// Packets made by hand: links, IP headers and TCP segments in every shape that a capture may hold.
// Read first: ../net/link.ts, ../net/segment.ts.

import { TcpFlag } from "../net/segment.ts";
import { Ints } from "./files.ts";
import { joined } from "./recording.ts";

export const HOST_PORT = 50_000;
export const PORT = 4420;

/** A TCP segment, without IP. */
export interface SegmentParts {
  readonly from?: "host" | "controller";
  readonly seq?: number;
  readonly ack?: number;
  readonly flags?: number;
  readonly payload?: Uint8Array;
  /** Header length field, in 32-bit words. */
  readonly words?: number;
  readonly hostPort?: number;
  readonly port?: number;
}

export function tcpBytes(parts: SegmentParts): Uint8Array {
  const { from = "host", seq = 1, ack = 1, payload = new Uint8Array(0), words = 5 } = parts;
  const { flags = TcpFlag.Ack, hostPort = HOST_PORT, port = PORT } = parts;
  const ports: [number, number] = from === "host" ? [hostPort, port] : [port, hostPort];
  return new Ints()
    .u16(...ports)
    .u32(seq, ack)
    .u8(words << 4, flags)
    .u16(0xffff, 0, 0)
    .raw(payload).bytes;
}

const ends = (from: "host" | "controller", host: number[], controller: number[]): number[] =>
  from === "host" ? [...host, ...controller] : [...controller, ...host];

export interface Ipv4Parts extends SegmentParts {
  readonly ihl?: number;
  readonly totalLength?: number;
  readonly fragment?: number;
  readonly protocol?: number;
}

export function ipv4(parts: Ipv4Parts = {}): Uint8Array {
  const tcp = tcpBytes(parts);
  const { ihl = 5, totalLength = 20 + tcp.length, fragment = 0x4000, protocol = 6 } = parts;
  return new Ints()
    .u8(0x40 | ihl, 0)
    .u16(totalLength, 0, fragment)
    .u8(64, protocol)
    .u16(0)
    .raw(ends(parts.from ?? "host", [192, 0, 2, 1], [192, 0, 2, 2]))
    .raw(tcp).bytes;
}

/** `extensions`: header type and bytes of each; the last one's successor is TCP. */
export function ipv6(
  parts: SegmentParts = {},
  extensions: readonly (readonly [type: number, bytes: readonly number[]])[] = [],
): Uint8Array {
  const tcp = tcpBytes(parts);
  const address = (last: number): number[] => [
    0x20,
    0x01,
    0x0d,
    0xb8,
    ...Array<number>(11).fill(0),
    last,
  ];
  const chain = extensions.map(([, bytes], i) => {
    const next = extensions[i + 1]?.[0] ?? 6;
    return Uint8Array.from([next, ...bytes.slice(1)]);
  });
  const body = joined([...chain, tcp]);
  return joined([
    new Ints()
      .u32(0x6000_0000)
      .u16(body.length)
      .u8(extensions[0]?.[0] ?? 6, 64)
      .raw(ends(parts.from ?? "host", address(1), address(2))).bytes,
    body,
  ]);
}

/** Around an IP packet: an Ethernet header, with tags. */
export function ethernet(packet: Uint8Array, tags: readonly number[] = []): Uint8Array {
  const head = new Ints().raw(Array<number>(12).fill(2));
  for (const tag of tags) head.u16(tag, 7);
  const isIpv6 = packet[0]! >> 4 === 6;
  return joined([head.u16(isIpv6 ? 0x86dd : 0x0800).bytes, packet]);
}

/** A handshake and what follows, each as an IPv4 packet in an Ethernet frame. */
export class Wire {
  readonly frames: Uint8Array[] = [];
  readonly #next = { host: 1, controller: 1 };

  constructor(hostIsn = 0, controllerIsn = 0) {
    this.#next.host = (hostIsn + 1) >>> 0;
    this.#next.controller = (controllerIsn + 1) >>> 0;
    this.#put({ from: "host", seq: hostIsn, flags: TcpFlag.Syn });
    const answer = { seq: controllerIsn, ack: this.#next.host, flags: TcpFlag.Syn | TcpFlag.Ack };
    this.#put({ from: "controller", ...answer });
  }

  /** Sequence number of what an end sends next. */
  next(from: "host" | "controller"): number {
    return this.#next[from];
  }

  /** Bytes of an end, as a frame that is captured, or is not. */
  send(from: "host" | "controller", payload: Uint8Array, captured: "yes" | "no" = "yes"): this {
    const to = from === "host" ? "controller" : "host";
    const seq = this.#next[from];
    this.#next[from] = (seq + payload.length) >>> 0;
    if (captured === "yes") this.#put({ from, seq, ack: this.#next[to], payload });
    return this;
  }

  /** A segment with numbers of its own. */
  raw(parts: SegmentParts): this {
    this.#put(parts);
    return this;
  }

  #put(parts: SegmentParts): void {
    this.frames.push(ethernet(ipv4(parts)));
  }
}

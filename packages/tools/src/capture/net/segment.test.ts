// The way from a frame to its TCP segment, over every link, and for frames that cannot be: row P4.

import { describe, expect, test } from "vitest";
import { emptyFrame } from "../file/frame.ts";
import { Ints } from "../testing/files.ts";
import { ethernet, ipv4, ipv6 } from "../testing/packets.ts";
import { joined } from "../testing/recording.ts";
import { addressText } from "./address.ts";
import { LinkType } from "./link.ts";
import { type Segment, emptySegment, readSegment } from "./segment.ts";
import { Skip, isUsual, skipText } from "./skip.ts";

const payload = Uint8Array.of(1, 2, 3, 4, 5);

interface Result {
  readonly skip: number;
  readonly segment: Segment;
  readonly payload: readonly number[];
  readonly source: string;
}

function read(
  bytes: Uint8Array,
  linkType: number = LinkType.Ethernet,
  wireBytes = bytes.length,
): Result {
  // The frame lies somewhere in a buffer, and ends where that ends.
  const buffer = joined([new Uint8Array(3).fill(0xee), bytes]);
  const view = new DataView(buffer.buffer);
  const frame = {
    ...emptyFrame(),
    bytes: buffer,
    view,
    linkType,
    start: 3,
    end: buffer.length,
    wireBytes,
  };
  const segment = emptySegment();
  const skip = readSegment(frame, segment);
  const source = skip === 0 ? addressText(view, segment.sourceAt, segment.addressBytes) : "";
  return {
    skip,
    segment,
    source,
    payload: Array.from(buffer.subarray(segment.start, segment.end)),
  };
}

const v4 = ipv4({ payload, seq: 77 });
const v6 = ipv6({ payload, seq: 77 });
const sll = (type: number): Uint8Array =>
  new Ints().u16(0, 1, 6).raw(Array<number>(8).fill(0)).u16(type).bytes;
const sll2 = (type: number): Uint8Array =>
  new Ints().u16(type, 0).u32(3).u16(1).u8(0, 6).raw(Array<number>(8).fill(0)).bytes;
const family = (value: number, order: "big" | "little"): Uint8Array =>
  new Ints(order).u32(value).bytes;

test.each<[string, number, Uint8Array]>([
  ["Ethernet", LinkType.Ethernet, ethernet(v4)],
  ["Ethernet, IPv6", LinkType.Ethernet, ethernet(v6)],
  ["a VLAN tag", LinkType.Ethernet, ethernet(v4, [0x8100])],
  ["QinQ", LinkType.Ethernet, ethernet(v4, [0x88a8, 0x8100])],
  ["old QinQ", LinkType.Ethernet, ethernet(v6, [0x9100, 0x8100])],
  ["Linux cooked", LinkType.LinuxSll, joined([sll(0x0800), v4])],
  ["Linux cooked, IPv6", LinkType.LinuxSll, joined([sll(0x86dd), v6])],
  ["Linux cooked 2", LinkType.LinuxSll2, joined([sll2(0x0800), v4])],
  [
    "Linux cooked 2 with a tag",
    LinkType.LinuxSll2,
    joined([sll2(0x8100), Uint8Array.of(0, 7, 8, 0), v4]),
  ],
  ["BSD loopback", LinkType.Null, joined([family(2, "little"), v4])],
  ["BSD loopback of the other byte order", LinkType.Null, joined([family(30, "big"), v6])],
  ["OpenBSD loopback", LinkType.Loop, joined([family(24, "big"), v6])],
  ["raw IP", LinkType.Raw, v4],
  ["raw IPv6", LinkType.Raw, v6],
  ["raw IP of BSD", LinkType.RawBsd, v4],
  ["raw IPv4", LinkType.IPv4, v4],
  ["raw IPv6 of its own type", LinkType.IPv6, v6],
])("%s", (_name, linkType, bytes) => {
  const result = read(bytes, linkType);
  expect(result.skip).toBe(0);
  expect(result.segment).toMatchObject({
    sourcePort: 50_000,
    destinationPort: 4420,
    seq: 77,
    wireBytes: 5,
  });
  expect(result.payload).toEqual([1, 2, 3, 4, 5]);
  expect(["192.0.2.1", "2001:db8::1"]).toContain(result.source);
});

test("IPv6 extension headers are stepped over", () => {
  const extensions = [
    [0, [0, 0, 0, 0, 0, 0, 0, 0]],
    [43, [0, 1, ...Array<number>(14).fill(0)]],
    [44, [0, 0, 0, 0, 0, 0, 0, 9]], // a fragment that is the whole
    [51, [0, 4, ...Array<number>(22).fill(0)]],
    [60, [0, 0, 0, 0, 0, 0, 0, 0]],
  ] as const;
  const result = read(ethernet(ipv6({ payload }, extensions)));
  expect([result.skip, result.payload]).toEqual([0, [1, 2, 3, 4, 5]]);
});

test("the padding of a short frame is no payload", () => {
  const { payload: got } = read(
    joined([ethernet(ipv4({ payload: Uint8Array.of(9) })), new Uint8Array(6)]),
  );
  expect(got).toEqual([9]);
});

test("a packet that the network card is to cut has no length of its own", () => {
  const bytes = ethernet(ipv4({ payload, totalLength: 0 }));
  expect(read(bytes).payload).toEqual([1, 2, 3, 4, 5]);
});

test("what a snapshot length cut off is known to be missing", () => {
  const bytes = ethernet(ipv4({ payload: new Uint8Array(100).fill(7) }));
  const { segment, payload: got } = read(bytes.subarray(0, 80), LinkType.Ethernet, bytes.length);
  expect([segment.wireBytes, got.length]).toEqual([100, 26]);
});

const hopByHop = [0, [0, 0, 0, 0, 0, 0, 0, 0]] as const;

describe("P4: what cannot be is skipped, and counted by its kind", () => {
  test.each<[string, number, Uint8Array]>([
    ["IHL below 5", Skip.IpHeader, ethernet(ipv4({ ihl: 4 }))],
    ["total length below the header", Skip.IpHeader, ethernet(ipv4({ totalLength: 19 }))],
    [
      "total length that ends in the TCP header",
      Skip.TcpHeader,
      ethernet(ipv4({ totalLength: 30 })),
    ],
    ["a fragment", Skip.Fragment, ethernet(ipv4({ fragment: 0x2000 }))],
    ["a later fragment", Skip.Fragment, ethernet(ipv4({ fragment: 0x00b9 }))],
    ["a fragment of IPv6", Skip.Fragment, ethernet(ipv6({}, [[44, [0, 0, 0, 1, 0, 0, 0, 9]]]))],
    [
      "an endless chain of extension headers",
      Skip.ExtensionHeaders,
      ethernet(
        ipv6(
          {},
          Array.from({ length: 30 }, () => hopByHop),
        ),
      ),
    ],
    ["TCP offset below 5", Skip.TcpHeader, ethernet(ipv4({ words: 4 }))],
    ["TCP offset beyond the packet", Skip.TcpHeader, ethernet(ipv4({ words: 15 }))],
    ["100 VLAN tags", Skip.VlanTags, ethernet(v4, Array<number>(100).fill(0x8100))],
    ["UDP", Skip.NotTcp, ethernet(ipv4({ protocol: 17 }))],
    ["ARP", Skip.NotIp, new Ints().raw(Array<number>(12).fill(2)).u16(0x0806).bytes],
    [
      "an IP version that there is not",
      Skip.IpHeader,
      ethernet(Uint8Array.from(v4, (byte, i) => (i === 0 ? 0x75 : byte))).map((byte, i) =>
        i === 12 ? 8 : i === 13 ? 0 : byte,
      ),
    ],
    ["an empty frame", Skip.Cut, new Uint8Array(0)],
  ])("%s", (_name, skip, bytes) => {
    expect(read(bytes).skip).toBe(skip);
    expect(skipText(skip as Skip)).not.toBe("");
  });

  test("a link type that nobody knows", () => {
    expect(read(v4, 147).skip).toBe(Skip.LinkType);
    expect([isUsual(Skip.NotTcp), isUsual(Skip.Fragment)]).toEqual([true, false]);
  });

  test.each([
    ["Ethernet", LinkType.Ethernet, ethernet(v4, [0x8100])],
    ["IPv6 with a chain", LinkType.Ethernet, ethernet(ipv6({ payload }, [hopByHop, hopByHop]))],
    ["Linux cooked 2", LinkType.LinuxSll2, joined([sll2(0x0800), v4])],
    ["BSD loopback", LinkType.Null, joined([family(2, "little"), v4])],
  ])("%s cut at any byte is never read beyond its end", (_name, linkType, bytes) => {
    for (let length = 0; length < bytes.length; length++) {
      const { skip, payload: got } = read(bytes.slice(0, length), linkType, bytes.length);
      if (skip === 0) expect([1, 2, 3, 4, 5].slice(0, got.length)).toEqual(got);
      else expect(skip).toBe(Skip.Cut);
    }
  });
});

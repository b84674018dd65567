// From a frame to the IP packet in it, for the links that captures are made on.
// Read first: https://www.tcpdump.org/linktypes.html; IEEE 802.1Q for tags.

import type { CapturedFrame } from "../file/frame.ts";
import { Skip } from "./skip.ts";

/** Link types, as capture files number them. */
export const LinkType = {
  Null: 0,
  Ethernet: 1,
  RawBsd: 12,
  RawOpenBsd: 14,
  Raw: 101,
  Loop: 108,
  LinuxSll: 113,
  IPv4: 228,
  IPv6: 229,
  LinuxSll2: 276,
} as const;

export const EtherType = { IPv4: 0x0800, IPv6: 0x86dd } as const;

/** Types that announce a tag of four bytes: 802.1Q, 802.1ad, and what was used before that. */
const isTag = (etherType: number): boolean =>
  etherType === 0x8100 || etherType === 0x88a8 || etherType === 0x9100;

const TAGS_MAX = 8;

/** Where in `frame.bytes` its IP packet begins, or why there is none. */
export function ipOffset(frame: CapturedFrame): number {
  const { view, start, end, linkType } = frame;
  switch (linkType) {
    case LinkType.Ethernet:
      return end - start < 14
        ? Skip.Cut
        : behindTags(view, view.getUint16(start + 12), start + 14, end);
    case LinkType.LinuxSll:
      return end - start < 16
        ? Skip.Cut
        : behindTags(view, view.getUint16(start + 14), start + 16, end);
    case LinkType.LinuxSll2:
      return end - start < 20 ? Skip.Cut : behindTags(view, view.getUint16(start), start + 20, end);
    case LinkType.Null:
    case LinkType.Loop:
      // A protocol family in four bytes, whose numbers differ between systems: the packet tells.
      return byVersion(view, start + 4, end);
    case LinkType.Raw:
    case LinkType.RawBsd:
    case LinkType.RawOpenBsd:
    case LinkType.IPv4:
    case LinkType.IPv6:
      return byVersion(view, start, end);
    default:
      return Skip.LinkType;
  }
}

function behindTags(view: DataView, firstType: number, firstAt: number, end: number): number {
  let type = firstType;
  let at = firstAt;
  for (let tags = 0; isTag(type); tags++) {
    if (tags === TAGS_MAX) return Skip.VlanTags;
    if (at + 4 > end) return Skip.Cut;
    type = view.getUint16(at + 2);
    at += 4;
  }
  return type === EtherType.IPv4 || type === EtherType.IPv6 ? at : Skip.NotIp;
}

function byVersion(view: DataView, at: number, end: number): number {
  if (at >= end) return Skip.Cut;
  const version = view.getUint8(at) >> 4;
  return version === 4 || version === 6 ? at : Skip.NotIp;
}

// Why a frame has nothing for us. Counted, not complained of: captures hold much else.
// Read first: packet.ts.

/** What a frame is that carries no TCP segment that could be read; 0 is not used. */
export const Skip = {
  LinkType: -1,
  NotIp: -2,
  Cut: -3,
  VlanTags: -4,
  IpHeader: -5,
  NotTcp: -6,
  Fragment: -7,
  ExtensionHeaders: -8,
  TcpHeader: -9,
} as const;
export type Skip = (typeof Skip)[keyof typeof Skip];

const texts: Readonly<Record<Skip, string>> = {
  [Skip.LinkType]: "of a link type that is not known",
  [Skip.NotIp]: "not IP",
  [Skip.Cut]: "cut within their headers",
  [Skip.VlanTags]: "with more VLAN tags than there are",
  [Skip.IpHeader]: "with an IP header that cannot be",
  [Skip.NotTcp]: "not TCP",
  [Skip.Fragment]: "fragments of IP packets, which are not put together",
  [Skip.ExtensionHeaders]: "with more IPv6 extension headers than there are",
  [Skip.TcpHeader]: "with a TCP header that cannot be",
};

/** The kind of frames, for people: "12 frames " + this. */
export const skipText = (skip: Skip): string => texts[skip];

/** Whether such frames are usual in a capture, and nobody has to hear of them. */
export const isUsual = (skip: Skip): boolean => skip === Skip.NotIp || skip === Skip.NotTcp;

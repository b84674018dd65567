// The NBD protocol on the wire: its magic numbers, options, commands, flags and messages.
// Read first: the NBD protocol, "Protocol phases" and "Values" (NetworkBlockDevice/nbd, doc/proto.md).

import { u16be, u32be } from "@nvmeof/codec/fc";

/** The port that IANA has for NBD. */
export const NBD_PORT = 10_809;

/** A magic number of 64 bits, as its halves. */
interface Magic {
  readonly high: number;
  readonly low: number;
}

/** "NBDMAGIC", the first that a server says. */
export const HELLO_MAGIC: Magic = { high: 0x4e42_444d, low: 0x4147_4943 };
/** "IHAVEOPT", in the server's second word and in front of each option. */
export const OPTION_MAGIC: Magic = { high: 0x4948_4156, low: 0x454f_5054 };
/** In front of each reply to an option. */
export const OPTION_REPLY_MAGIC: Magic = { high: 0x0003_e889, low: 0x0455_65a9 };

export const REQUEST_MAGIC = 0x2560_9513;
export const SIMPLE_REPLY_MAGIC = 0x6744_6698;
export const CHUNK_MAGIC = 0x668e_33ef;

/** Flags of the handshake; the client answers with those of the same names. */
export const HandshakeFlag = { FixedNewstyle: 1, NoZeroes: 2 } as const;

/** Zeroes behind the reply to EXPORT_NAME, for clients that want them. */
export const EXPORT_NAME_ZEROES = 124;

/** What an export can do, in the flags that end the negotiation. */
export const TransmissionFlag = {
  HasFlags: 1 << 0,
  ReadOnly: 1 << 1,
  SendFlush: 1 << 2,
  SendFua: 1 << 3,
  SendTrim: 1 << 5,
  SendWriteZeroes: 1 << 6,
  SendDf: 1 << 7,
  CanMultiConn: 1 << 8,
  SendCache: 1 << 10,
  SendFastZero: 1 << 11,
} as const;

/** Options of a client. */
export const NbdOption = {
  ExportName: 1,
  Abort: 2,
  List: 3,
  StartTls: 5,
  Info: 6,
  Go: 7,
  StructuredReply: 8,
  ListMetaContext: 9,
  SetMetaContext: 10,
} as const;

/** Replies to options; errors have bit 31. */
export const OptionReply = {
  Ack: 1,
  Server: 2,
  Info: 3,
  MetaContext: 4,
  Unsupported: 0x8000_0001,
  Policy: 0x8000_0002,
  Invalid: 0x8000_0003,
  TlsRequired: 0x8000_0005,
  Unknown: 0x8000_0006,
  TooBig: 0x8000_0009,
} as const;
export type OptionReply = (typeof OptionReply)[keyof typeof OptionReply];

/** What INFO and GO can tell of an export. */
export const NbdInfo = { Export: 0, Name: 1, Description: 2, BlockSize: 3 } as const;

/** Commands of a client. */
export const NbdCommand = {
  Read: 0,
  Write: 1,
  Disconnect: 2,
  Flush: 3,
  Trim: 4,
  Cache: 5,
  WriteZeroes: 6,
  BlockStatus: 7,
} as const;

/** Flags of a command. */
export const CommandFlag = {
  Fua: 1 << 0,
  NoHole: 1 << 1,
  Df: 1 << 2,
  ReqOne: 1 << 3,
  FastZero: 1 << 4,
} as const;

/** Types of the chunks that a structured reply is made of; errors have bit 15. */
export const ChunkType = {
  None: 0,
  OffsetData: 1,
  OffsetHole: 2,
  BlockStatus: 5,
  Error: 0x8001,
} as const;

/** The last chunk of a reply. */
export const CHUNK_DONE = 1;

/** Status of an extent in "base:allocation". */
export const ExtentFlag = { Hole: 1, Zero: 2 } as const;

/** Errors of a request. */
export const NbdErrno = {
  EPERM: 1,
  EIO: 5,
  EINVAL: 22,
  ENOSPC: 28,
  EOVERFLOW: 75,
  ENOTSUP: 95,
  ESHUTDOWN: 108,
} as const;
export type NbdErrno = (typeof NbdErrno)[keyof typeof NbdErrno];

/** Name of an error, for messages. */
export const errnoName = (errno: NbdErrno): string =>
  Object.entries(NbdErrno).find(([, value]) => value === errno)![0];

/** Name of a command, for messages. */
export const commandName = (type: number): string =>
  Object.entries(NbdCommand).find(([, value]) => value === type)?.[0] ?? `command ${type}`;

/** Longest string: a name, a query, a message. "Conventions". */
export const STRING_BYTES_MAX = 4096;

/** What a client sends in front of the data of an option. */
export const OptionHeader = {
  size: 16,
  magicHigh: u32be(0),
  magicLow: u32be(4),
  option: u32be(8),
  length: u32be(12), // bytes of data that follow
} as const;

/** What a server sends in front of the data of a reply to an option. */
export const OptionReplyHeader = {
  size: 20,
  magicHigh: u32be(0),
  magicLow: u32be(4),
  option: u32be(8), // the one that it answers
  type: u32be(12),
  length: u32be(16), // bytes of data that follow
} as const;

/** A request of the transmission phase. */
export const RequestHeader = {
  size: 28,
  magic: u32be(0),
  flags: u16be(4),
  type: u16be(6),
  cookieHigh: u32be(8), // opaque: given back as it came
  cookieLow: u32be(12),
  offsetHigh: u32be(16),
  offsetLow: u32be(20),
  length: u32be(24), // bytes; those of a write follow
} as const;

/** A reply without structure; the data of a read follows. */
export const SimpleReply = {
  size: 16,
  magic: u32be(0),
  error: u32be(4),
  cookieHigh: u32be(8),
  cookieLow: u32be(12),
} as const;

/** The head of a chunk of a structured reply. */
export const ChunkHeader = {
  size: 20,
  magic: u32be(0),
  flags: u16be(4),
  type: u16be(6),
  cookieHigh: u32be(8),
  cookieLow: u32be(12),
  length: u32be(16), // bytes of payload that follow
} as const;

// The messages of DH-HMAC-CHAP that Authentication Send and Receive carry: fixed parts, then values.
// Read first: Base 2.0 §8.13.5 "DH-HMAC-CHAP Protocol", §8.13.4 "Common authentication messages".

import { bits, bytes, u16, u32, u8 } from "../field.ts";
import { type Decoded, encode, viewOf } from "../layout.ts";
import { AuthExplanation, AuthMessageError } from "./message-error.ts";

/** AUTH_TYPE: what kind of message. */
export const AuthType = { Common: 0, Dhchap: 1 } as const;

/** AUTH_ID of the messages. Common and DH-HMAC-CHAP messages are told apart by AUTH_TYPE. */
export const AuthId = {
  Negotiate: 0x00,
  Challenge: 0x01,
  Reply: 0x02,
  Success1: 0x03,
  Success2: 0x04,
  Failure2: 0xf0, // by the host
  Failure1: 0xf1, // by the controller
} as const;

/** What all messages begin with. */
const header = { authType: u8(0), authId: u8(1), tid: u16(4) } as const;

/** AUTH_Negotiate, before its descriptors. */
export const AuthNegotiate = {
  size: 8,
  ...header,
  scc: u8(6), // SC_C: Secure Channel Protocol Concatenation; 0 none
  napd: u8(7), // Number of Authentication Protocol Descriptors
} as const;

/** Identifiers that a descriptor has room for, of hashes and of groups each. */
export const AUTH_IDS_MAX = 30;

/** Authentication Protocol Descriptor. Base 2.0 §8.13.4 "AUTH_Negotiate Message". */
export const AuthDescriptor = {
  size: 64,
  authid: u8(0), // Authentication Protocol Identifier: 1 is DH-HMAC-CHAP
  halen: u8(2), // Hash Identifier List Length
  dhlen: u8(3), // DH Group Identifier List Length
  hashes: bytes(4, AUTH_IDS_MAX),
  groups: bytes(34, AUTH_IDS_MAX),
} as const;

/** AUTHID of DH-HMAC-CHAP. */
export const AUTHID_DHCHAP = 1;

/** DH-HMAC-CHAP_Challenge, before challenge C1 and the controller's public value. */
export const DhchapChallenge = {
  size: 16,
  ...header,
  hl: u8(6), // Hash Length, bytes
  hashid: u8(8),
  dhgid: u8(9),
  dhvlen: u16(10), // DH Value Length, bytes
  seqnum: u32(12), // S1
} as const;

/** DH-HMAC-CHAP_Reply, before response R1, challenge C2 and the host's public value. */
export const DhchapReply = {
  size: 16,
  ...header,
  hl: u8(6),
  cvalid: bits(u8(8), 0, 1), // Challenge Valid: the controller is to prove itself, too
  dhvlen: u16(10),
  seqnum: u32(12), // S2
} as const;

/** DH-HMAC-CHAP_Success1, before response R2. */
export const DhchapSuccess1 = {
  size: 16,
  ...header,
  hl: u8(6),
  rvalid: bits(u8(8), 0, 1), // Response Valid
} as const;

/** DH-HMAC-CHAP_Success2. */
export const DhchapSuccess2 = { size: 16, ...header } as const;

/** AUTH_Failure1 and AUTH_Failure2. */
export const AuthFailure = {
  size: 8,
  ...header,
  reason: u8(6), // Reason Code: 1, authentication failure
  explanation: u8(7), // Reason Code Explanation, see `AuthExplanation`
} as const;

/** Reason Code of a failure; there is no other. */
export const AUTH_REASON_FAILED = 1;

/** Longest message that can be meant: an AUTH_Negotiate with all the descriptors that it can count. */
export const AUTH_MESSAGE_BYTES_MAX: number = AuthNegotiate.size + 255 * AuthDescriptor.size;

/** A message, with its values as copies. Lengths are those of the values. */
export type AuthMessage =
  | {
      readonly type: "negotiate";
      readonly tid: number;
      readonly scc: number;
      /** Of the first DH-HMAC-CHAP descriptor; undefined where there is none. */
      readonly hashes: readonly number[] | undefined;
      readonly groups: readonly number[] | undefined;
    }
  | {
      readonly type: "challenge";
      readonly tid: number;
      readonly hash: number;
      readonly group: number;
      readonly seqnum: number;
      /** C1. */
      readonly challenge: Uint8Array;
      /** Empty with the null group. */
      readonly dhValue: Uint8Array;
    }
  | {
      readonly type: "reply";
      readonly tid: number;
      readonly seqnum: number;
      /** R1. */
      readonly response: Uint8Array;
      /** C2; undefined where the host does not ask for a proof (CVALID). */
      readonly challenge: Uint8Array | undefined;
      readonly dhValue: Uint8Array;
    }
  | {
      readonly type: "success1";
      readonly tid: number;
      /** HL: bytes of the hash that the transaction uses. */
      readonly hashBytes: number;
      /** R2; undefined where the host did not ask for it (RVALID). */
      readonly response: Uint8Array | undefined;
    }
  | { readonly type: "success2"; readonly tid: number }
  | FailureMessage<"failure1">
  | FailureMessage<"failure2">;

/** A message that ends an exchange; whose, its type says. */
export interface FailureMessage<T extends string> {
  readonly type: T;
  readonly tid: number;
  readonly reason: number;
  readonly explanation: number;
}

/** Which message it is. */
export type AuthMessageType = AuthMessage["type"];
type Message<T extends AuthMessageType> = Extract<AuthMessage, { readonly type: T }>;

/** The fixed part, and room for the values after it. */
function begun<L extends { readonly size: number }>(
  layout: L,
  values: Partial<Decoded<L>>,
  parts: readonly Uint8Array[],
): Uint8Array {
  const rest = parts.reduce((sum, part) => sum + part.length, 0);
  const message = new Uint8Array(layout.size + rest);
  encode(layout, viewOf(message), 0, values);
  let at = layout.size;
  for (const part of parts) {
    message.set(part, at);
    at += part.length;
  }
  return message;
}

const dhchap = (authId: number, tid: number) => ({ authType: AuthType.Dhchap, authId, tid });

function encodeNegotiate({ tid, scc, hashes = [], groups = [] }: Message<"negotiate">): Uint8Array {
  if (hashes.length > AUTH_IDS_MAX || groups.length > AUTH_IDS_MAX) {
    throw new RangeError(`a descriptor holds ${AUTH_IDS_MAX} hashes and as many groups`);
  }
  const ids = (list: readonly number[]): Uint8Array => {
    const field = new Uint8Array(AUTH_IDS_MAX);
    field.set(list);
    return field;
  };
  const descriptor = begun(
    AuthDescriptor,
    {
      authid: AUTHID_DHCHAP,
      halen: hashes.length,
      dhlen: groups.length,
      hashes: ids(hashes),
      groups: ids(groups),
    },
    [],
  );
  const fixed = { authType: AuthType.Common, authId: AuthId.Negotiate, tid, scc, napd: 1 };
  return begun(AuthNegotiate, fixed, [descriptor]);
}

const zeroes = (length: number): Uint8Array => new Uint8Array(length);

function encodeChallenge(message: Message<"challenge">): Uint8Array {
  const { tid, hash: hashid, group: dhgid, seqnum, challenge, dhValue } = message;
  const lengths = { hl: challenge.length, dhvlen: dhValue.length };
  const fixed = { ...dhchap(AuthId.Challenge, tid), hashid, dhgid, seqnum, ...lengths };
  return begun(DhchapChallenge, fixed, [challenge, dhValue]);
}

function encodeReply(message: Message<"reply">): Uint8Array {
  const { tid, seqnum, response, challenge, dhValue } = message;
  const lengths = { hl: response.length, dhvlen: dhValue.length };
  const cvalid = challenge === undefined ? 0 : 1;
  const fixed = { ...dhchap(AuthId.Reply, tid), cvalid, seqnum, ...lengths };
  return begun(DhchapReply, fixed, [response, challenge ?? zeroes(response.length), dhValue]);
}

function encodeSuccess1({ tid, hashBytes: hl, response }: Message<"success1">): Uint8Array {
  const fixed = { ...dhchap(AuthId.Success1, tid), hl, rvalid: response === undefined ? 0 : 1 };
  return begun(DhchapSuccess1, fixed, [response ?? zeroes(hl)]);
}

const encodeFailure =
  (authId: number) =>
  ({ tid, reason, explanation }: FailureMessage<string>): Uint8Array =>
    begun(AuthFailure, { authType: AuthType.Common, authId, tid, reason, explanation }, []);

const encoders: { readonly [T in AuthMessageType]: (message: Message<T>) => Uint8Array } = {
  negotiate: encodeNegotiate,
  challenge: encodeChallenge,
  reply: encodeReply,
  success1: encodeSuccess1,
  success2: ({ tid }) => begun(DhchapSuccess2, dhchap(AuthId.Success2, tid), []),
  failure1: encodeFailure(AuthId.Failure1),
  failure2: encodeFailure(AuthId.Failure2),
};

/**
 * A message as bytes: every byte of it.
 *
 * @throws RangeError for lists that a descriptor cannot hold.
 */
export const encodeAuthMessage = (message: AuthMessage): Uint8Array =>
  (encoders[message.type] as (message: AuthMessage) => Uint8Array)(message);

/** Transaction ID of whatever this is, for an answer to it; 0 where it is too short to have one. */
export const authTidOf = (message: Uint8Array): number =>
  message.length < header.tid.offset + header.tid.bytes ? 0 : header.tid.get(viewOf(message));

/** Reads one message; what follows it is padding, since whoever receives asks for more than it has. */
class Reader {
  readonly view: DataView;
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(message: Uint8Array) {
    this.#bytes = message;
    this.view = viewOf(message);
  }

  /** The fixed part is to be there; reading goes on behind it. */
  fixed(size: number): void {
    if (this.#bytes.length < size) this.#short("the message", size);
    this.#at = size;
  }

  /** Copies the next `length` bytes. */
  take(what: string, length: number): Uint8Array {
    const end = this.#at + length;
    if (end > this.#bytes.length) this.#short(what, end);
    const value = this.#bytes.slice(this.#at, end);
    this.#at = end;
    return value;
  }

  fail(offset: number, message: string): never {
    throw new AuthMessageError(AuthExplanation.IncorrectPayload, offset, message);
  }

  #short(what: string, end: number): never {
    this.fail(
      this.#bytes.length,
      `${what} ends at byte ${end}, behind the ${this.#bytes.length} sent`,
    );
  }
}

function readNegotiate(reader: Reader, tid: number): AuthMessage {
  const { view } = reader;
  reader.fixed(AuthNegotiate.size);
  const napd = AuthNegotiate.napd.get(view);
  if (napd === 0) reader.fail(AuthNegotiate.napd.offset, "no protocol descriptor (NAPD 0)");
  const scc = AuthNegotiate.scc.get(view);
  let found: { hashes: number[]; groups: number[] } | undefined;
  for (let index = 0; index < napd; index++) {
    const base = AuthNegotiate.size + index * AuthDescriptor.size;
    const descriptor = viewOf(reader.take(`descriptor ${index}`, AuthDescriptor.size));
    if (AuthDescriptor.authid.get(descriptor) !== AUTHID_DHCHAP) continue;
    const halen = AuthDescriptor.halen.get(descriptor);
    const dhlen = AuthDescriptor.dhlen.get(descriptor);
    if (halen > AUTH_IDS_MAX) reader.fail(base + AuthDescriptor.halen.offset, `HALEN is ${halen}`);
    if (dhlen > AUTH_IDS_MAX) reader.fail(base + AuthDescriptor.dhlen.offset, `DHLEN is ${dhlen}`);
    found ??= {
      hashes: [...AuthDescriptor.hashes.get(descriptor).subarray(0, halen)],
      groups: [...AuthDescriptor.groups.get(descriptor).subarray(0, dhlen)],
    };
  }
  return { type: "negotiate", tid, scc, hashes: found?.hashes, groups: found?.groups };
}

/** DHVLEN is a multiple of 4. */
function checkDhvlen(reader: Reader, field: (typeof DhchapReply)["dhvlen"]): number {
  const dhvlen = field.get(reader.view);
  if (dhvlen % 4 !== 0) reader.fail(field.offset, `DHVLEN ${dhvlen} is no multiple of 4`);
  return dhvlen;
}

function readChallenge(reader: Reader, tid: number): AuthMessage {
  const { view } = reader;
  reader.fixed(DhchapChallenge.size);
  const dhvlen = checkDhvlen(reader, DhchapChallenge.dhvlen);
  return {
    type: "challenge",
    tid,
    hash: DhchapChallenge.hashid.get(view),
    group: DhchapChallenge.dhgid.get(view),
    seqnum: DhchapChallenge.seqnum.get(view),
    challenge: reader.take("the challenge", DhchapChallenge.hl.get(view)),
    dhValue: reader.take("the DH value", dhvlen),
  };
}

function readReply(reader: Reader, tid: number): AuthMessage {
  const { view } = reader;
  reader.fixed(DhchapReply.size);
  const hl = DhchapReply.hl.get(view);
  const dhvlen = checkDhvlen(reader, DhchapReply.dhvlen);
  const response = reader.take("the response", hl);
  const challenge = reader.take("the challenge", hl);
  const isAsked = DhchapReply.cvalid.get(view) === 1;
  return {
    type: "reply",
    tid,
    seqnum: DhchapReply.seqnum.get(view),
    response,
    challenge: isAsked ? challenge : undefined,
    dhValue: reader.take("the DH value", dhvlen),
  };
}

function readSuccess1(reader: Reader, tid: number): AuthMessage {
  const { view } = reader;
  reader.fixed(DhchapSuccess1.size);
  const hashBytes = DhchapSuccess1.hl.get(view);
  const isProof = DhchapSuccess1.rvalid.get(view) === 1;
  const response = isProof ? reader.take("the response", hashBytes) : undefined;
  return { type: "success1", tid, hashBytes, response };
}

function readFailure(reader: Reader, type: "failure1" | "failure2", tid: number): AuthMessage {
  reader.fixed(AuthFailure.size);
  const reason = AuthFailure.reason.get(reader.view);
  return { type, tid, reason, explanation: AuthFailure.explanation.get(reader.view) };
}

/**
 * Reads a message. Bytes after its end are padding.
 *
 * @throws AuthMessageError for bytes that are no message: its explanation is what to answer.
 */
export function decodeAuthMessage(message: Uint8Array): AuthMessage {
  const reader = new Reader(message);
  reader.fixed(AuthFailure.size); // the shortest
  const { view } = reader;
  const tid = header.tid.get(view);
  switch ((header.authType.get(view) << 8) | header.authId.get(view)) {
    case AuthId.Negotiate:
      return readNegotiate(reader, tid);
    case AuthId.Failure1:
      return readFailure(reader, "failure1", tid);
    case AuthId.Failure2:
      return readFailure(reader, "failure2", tid);
    case (AuthType.Dhchap << 8) | AuthId.Challenge:
      return readChallenge(reader, tid);
    case (AuthType.Dhchap << 8) | AuthId.Reply:
      return readReply(reader, tid);
    case (AuthType.Dhchap << 8) | AuthId.Success1:
      return readSuccess1(reader, tid);
    case (AuthType.Dhchap << 8) | AuthId.Success2:
      reader.fixed(DhchapSuccess2.size);
      return { type: "success2", tid };
    default: {
      const said = `type ${header.authType.get(view)}, ID ${header.authId.get(view)}`;
      throw new AuthMessageError(AuthExplanation.IncorrectMessage, 0, `no message has ${said}`);
    }
  }
}

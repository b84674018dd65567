// Link services of FC-NVMe: making and ending associations and connections, and their answers.
// Read first: FC-NVMe-2 "Link services". All of it is big-endian.

import { bytes, u8, zeroBased, type Field } from "../field.ts";
import { decode, encode, fieldsOf, viewOf, type Decoded } from "../layout.ts";
import { hexh, nameIn } from "../name.ts";
import { nqnField } from "../nqn.ts";
import { u16be, u32be, u64be } from "./big-endian.ts";
import { FcProtocolError, badField, badLength, type LsRejection } from "./errors.ts";

/** The first byte of a link service. FC-NVMe-2 "Link services". */
export const LsCommand = {
  Reject: 1,
  Accept: 2,
  CreateAssociation: 3,
  CreateConnection: 4,
  DisconnectAssociation: 5,
  DisconnectConnection: 6,
} as const;
export type LsCommand = (typeof LsCommand)[keyof typeof LsCommand];

/** Tags of descriptors. FC-NVMe-2 "Link services". */
export const LsTag = {
  Request: 1,
  Reject: 2,
  CreateAssociation: 3,
  CreateConnection: 4,
  Disconnect: 5,
  ConnectionId: 6,
  AssociationId: 7,
} as const;
export type LsTag = (typeof LsTag)[keyof typeof LsTag];

/** Reason codes of a reject. FC-NVMe-2 "Link services". */
export const LsReason = {
  InvalidLsCode: 0x01,
  LogicalError: 0x03,
  UnableToPerform: 0x09,
  Unsupported: 0x0b,
  InvalidAssociation: 0x40,
  InvalidConnection: 0x41,
  InvalidParameters: 0x42,
  InsufficientResources: 0x43,
  VendorSpecific: 0xff,
} as const;
export type LsReason = (typeof LsReason)[keyof typeof LsReason];

/** Reason explanations of a reject. FC-NVMe-2 "Link services". */
export const LsExplanation = {
  None: 0x00,
  OxIdRxId: 0x17,
  UnableToSupplyData: 0x2a,
  InvalidLength: 0x2d,
  ErspRatio: 0x40,
  ControllerId: 0x41,
  QueueId: 0x42,
  SqSize: 0x43,
  HostId: 0x44,
  HostNqn: 0x45,
  SubsystemNqn: 0x46,
} as const;
export type LsExplanation = (typeof LsExplanation)[keyof typeof LsExplanation];

/** A reject for people: "Invalid Parameters (Ersp Ratio)". */
export const lsRejectText = (reason: number, explanation: number): string => {
  const said = nameIn(LsReason, reason);
  return explanation === LsExplanation.None
    ? said
    : `${said} (${nameIn(LsExplanation, explanation)})`;
};

/** What all link services begin with. FC-NVMe-2 "Link services". */
export const LsHeader = {
  size: 8,
  command: u8(0), // see `LsCommand`
  listLength: u32be(4), // Descriptor List Length: bytes that follow it
} as const;

/** What all descriptors begin with. FC-NVMe-2 "Link services". */
export const LsDescriptorHeader = {
  size: 8,
  tag: u32be(0), // see `LsTag`
  length: u32be(4), // Descriptor Length: bytes of its body
} as const;

/** A descriptor of a payload: its tag, and its bytes, header included. */
export type LsDescriptor = readonly [tag: LsTag, bytes: number];

/** What is fixed in a payload, beside its declared fields. */
export interface LsPayload {
  /** Its name in the standard. */
  readonly ls: string;
  readonly code: LsCommand;
  readonly size: number;
  readonly descriptors: readonly LsDescriptor[];
  /** Bytes that a receiver is content with; less than `size` for CREATE_ASSOCIATION only. */
  readonly leastBytes: number;
}

/* @__NO_SIDE_EFFECTS__ */
function payload<F extends object>(
  ls: string,
  code: LsCommand,
  descriptors: readonly LsDescriptor[],
  fields: F,
  missingBytes = 0,
) {
  const size = descriptors.reduce<number>((sum, [, length]) => sum + length, LsHeader.size);
  return { ls, code, size, descriptors, leastBytes: size - missingBytes, ...fields };
}

/**
 * CREATE_ASSOCIATION, 1024 bytes: makes an association and the connection of its admin queue.
 * Hosts have sent less padding, so a receiver takes 592 bytes and more.
 */
export const CreateAssociationLs = /* @__PURE__ */ payload(
  "CREATE_ASSOCIATION",
  LsCommand.CreateAssociation,
  [[LsTag.CreateAssociation, 1016]],
  {
    erspRatio: u16be(16), // ERSP Ratio: every so many responses one is an ERSP
    cntlid: u16be(56), // Controller ID; FFFFh for any
    sqsize: zeroBased(u16be(58)), // Submission Queue Size, in entries
    hostid: bytes(64, 16), // Host Identifier
    hostnqn: nqnField(80), // Host NQN
    subnqn: nqnField(336), // NVM Subsystem NQN
  },
  432,
);

/** ACC of CREATE_ASSOCIATION, 56 bytes. */
export const CreateAssociationAcc = /* @__PURE__ */ payload(
  "ACC of CREATE_ASSOCIATION",
  LsCommand.Accept,
  [
    [LsTag.Request, 16],
    [LsTag.AssociationId, 16],
    [LsTag.ConnectionId, 16],
  ],
  {
    request: u8(16), // the command that is answered
    associationId: u64be(32),
    connectionId: u64be(48), // of the admin queue
  },
);

/** CREATE_CONNECTION, 80 bytes: makes the connection of an I/O queue. */
export const CreateConnectionLs = /* @__PURE__ */ payload(
  "CREATE_CONNECTION",
  LsCommand.CreateConnection,
  [
    [LsTag.AssociationId, 16],
    [LsTag.CreateConnection, 56],
  ],
  {
    associationId: u64be(16),
    erspRatio: u16be(32), // ERSP Ratio
    qid: u16be(72), // Queue Identifier
    sqsize: zeroBased(u16be(74)), // Submission Queue Size, in entries
  },
);

/** ACC of CREATE_CONNECTION, 40 bytes. */
export const CreateConnectionAcc = /* @__PURE__ */ payload(
  "ACC of CREATE_CONNECTION",
  LsCommand.Accept,
  [
    [LsTag.Request, 16],
    [LsTag.ConnectionId, 16],
  ],
  {
    request: u8(16), // the command that is answered
    connectionId: u64be(32),
  },
);

/** DISCONNECT_ASSOC, 48 bytes; either side may send it. */
export const DisconnectAssociationLs = /* @__PURE__ */ payload(
  "DISCONNECT_ASSOC",
  LsCommand.DisconnectAssociation,
  [
    [LsTag.AssociationId, 16],
    [LsTag.Disconnect, 24],
  ],
  { associationId: u64be(16) },
);

/** DISCONNECT_CONN, 40 bytes. Linux rejects it as unsupported. */
export const DisconnectConnectionLs = /* @__PURE__ */ payload(
  "DISCONNECT_CONN",
  LsCommand.DisconnectConnection,
  [
    [LsTag.AssociationId, 16],
    [LsTag.ConnectionId, 16],
  ],
  { associationId: u64be(16), connectionId: u64be(32) },
);

/** ACC of DISCONNECT_ASSOC and DISCONNECT_CONN, 24 bytes. */
export const DisconnectAcc = /* @__PURE__ */ payload(
  "ACC of a disconnect",
  LsCommand.Accept,
  [[LsTag.Request, 16]],
  { request: u8(16) }, // the command that is answered
);

/** RJT, 40 bytes: a link service was rejected. FC-NVMe-2 "Link services". */
export const LsReject = /* @__PURE__ */ payload(
  "RJT",
  LsCommand.Reject,
  [
    [LsTag.Request, 16],
    [LsTag.Reject, 16],
  ],
  {
    request: u8(16), // the command that is answered
    reason: u8(33), // see `LsReason`
    explanation: u8(34), // see `LsExplanation`
    vendor: u8(35), // vendor specific
  },
);

/** Most bytes of a link service, request or response. */
export const LS_BYTES_MAX = 1024;

/** Writes a link service: what its declaration fixes, and these values. */
export function encodeLs<L extends LsPayload>(layout: L, values: Partial<Decoded<L>>): Uint8Array {
  const out = new Uint8Array(layout.size);
  const view = viewOf(out);
  encode(layout, view, 0, values);
  LsHeader.command.set(view, 0, layout.code);
  LsHeader.listLength.set(view, 0, layout.size - LsHeader.size);
  let at = LsHeader.size;
  for (const [tag, length] of layout.descriptors) {
    LsDescriptorHeader.tag.set(view, at, tag);
    LsDescriptorHeader.length.set(view, at, length - LsDescriptorHeader.size);
    at += length;
  }
  return out;
}

/** Writes a reject of the request that began with `request`. */
export const encodeLsReject = (
  request: number,
  { reason, explanation }: LsRejection,
  vendor = 0,
): Uint8Array => encodeLs(LsReject, { request, reason, explanation, vendor });

const badLengthRejection: LsRejection = {
  reason: LsReason.LogicalError,
  explanation: LsExplanation.InvalidLength,
};
const badListRejection: LsRejection = {
  reason: LsReason.LogicalError,
  explanation: LsExplanation.None,
};

/**
 * Reads a link service of which it is known what it should be: lengths and descriptors are checked,
 * in order, before a field is read. Reserved bytes are not looked at.
 *
 * @throws FcProtocolError with what to reject a request with.
 */
export function decodeLs<L extends LsPayload>(layout: L, ls: Uint8Array): Decoded<L> {
  const view = viewOf(ls);
  const { leastBytes } = layout;
  const lenient = leastBytes !== layout.size;
  const fits = lenient ? ls.length >= leastBytes : ls.length === leastBytes;
  if (!fits || ls.length > LS_BYTES_MAX) {
    throw badLength(layout.ls, ls.length, leastBytes, badLengthRejection);
  }
  checkList(layout, view, lenient);
  return decodeWithin(layout, view);
}

function checkList(layout: LsPayload, view: DataView, lenient: boolean): void {
  const bad = (field: string, offset: number, found: number, wanted: number, why: LsRejection) =>
    new FcProtocolError(layout.ls, field, offset, `${found}, expected ${wanted}`, why);
  const command = LsHeader.command.get(view);
  if (command !== layout.code) throw bad("command", 0, command, layout.code, badListRejection);
  const { offset } = LsHeader.listLength;
  const list = LsHeader.listLength.get(view);
  const leastList = layout.leastBytes - LsHeader.size;
  if (list < leastList || list > (lenient ? view.byteLength - LsHeader.size : leastList)) {
    throw bad("listLength", offset, list, leastList, badLengthRejection);
  }
  let at = LsHeader.size;
  for (const [wantedTag, bytesOf] of layout.descriptors) {
    const tag = LsDescriptorHeader.tag.get(view, at);
    if (tag !== wantedTag) throw bad("tag", at, tag, wantedTag, badListRejection);
    const length = LsDescriptorHeader.length.get(view, at);
    const least = bytesOf - LsDescriptorHeader.size - (layout.size - layout.leastBytes);
    const most = lenient ? list - LsDescriptorHeader.size : least;
    if (length < least || length > most) {
      throw bad("length", at + 4, length, least, badLengthRejection);
    }
    at += bytesOf;
  }
}

/** `decode`, for a payload whose last padding may be missing: all declared fields are there. */
function decodeWithin<L extends LsPayload>(layout: L, view: DataView): Decoded<L> {
  const end = Math.max(...fieldsOf(layout).map(([, field]) => field.offset + field.bytes));
  return decode({ ...layout, size: Math.min(layout.size, end) }, view) as Decoded<L>;
}

/** A request as it was sent, told apart by `command`. */
export type LsRequest =
  | ({ readonly command: 3 } & Decoded<typeof CreateAssociationLs>)
  | ({ readonly command: 4 } & Decoded<typeof CreateConnectionLs>)
  | ({ readonly command: 5 } & Decoded<typeof DisconnectAssociationLs>)
  | ({ readonly command: 6 } & Decoded<typeof DisconnectConnectionLs>);

/**
 * Reads any request, and checks the values that no one above can judge better: the ERSP ratio, the
 * size of the queue, the number of an I/O queue.
 *
 * @throws FcProtocolError with what to reject it with; {@link lsCommandOf} says what was asked.
 */
export function decodeLsRequest(ls: Uint8Array): LsRequest {
  const command = lsCommandOf(ls);
  switch (command) {
    case LsCommand.CreateAssociation: {
      const request = decodeLs(CreateAssociationLs, ls);
      checkQueue(CreateAssociationLs, request);
      return { command, ...request };
    }
    case LsCommand.CreateConnection: {
      const request = decodeLs(CreateConnectionLs, ls);
      checkQueue(CreateConnectionLs, request);
      if (request.qid === 0) {
        const why = invalidParameter(LsExplanation.QueueId);
        throw badField("CREATE_CONNECTION", CreateConnectionLs, "qid", "0 is the admin queue", why);
      }
      return { command, ...request };
    }
    case LsCommand.DisconnectAssociation:
      return { command, ...decodeLs(DisconnectAssociationLs, ls) };
    case LsCommand.DisconnectConnection:
      return { command, ...decodeLs(DisconnectConnectionLs, ls) };
    default: {
      const why = { reason: LsReason.InvalidLsCode, explanation: LsExplanation.None };
      const message = `no request has the code ${hexh(command)}`;
      throw badField("link service", LsHeader, "command", message, why);
    }
  }
}

/** The code of a link service, whatever else is wrong with it; 0 where there are no bytes at all. */
export const lsCommandOf = (ls: Uint8Array): number => ls[0] ?? 0;

const invalidParameter = (explanation: number): LsRejection => ({
  reason: LsReason.InvalidParameters,
  explanation,
});

function checkQueue(
  layout: typeof CreateAssociationLs | typeof CreateConnectionLs,
  { erspRatio, sqsize }: { readonly erspRatio: number; readonly sqsize: number },
): void {
  if (sqsize < 2) {
    const why = invalidParameter(LsExplanation.SqSize);
    throw badField(layout.ls, layout, "sqsize", `a queue of ${sqsize} entries`, why);
  }
  // As on the wire, where the size is 0's based: the ratio is less than that.
  if (erspRatio === 0 || erspRatio >= sqsize - 1) {
    const why = invalidParameter(LsExplanation.ErspRatio);
    throw badField(layout.ls, layout, "erspRatio", `${erspRatio} in ${sqsize} entries`, why);
  }
}

/** What became of a link service that was sent. */
export type LsAnswer<L> =
  | { readonly outcome: "accepted"; readonly values: Decoded<L> }
  | { readonly outcome: "rejected"; readonly values: Decoded<typeof LsReject> };

/**
 * Reads the answer to a request.
 *
 * @param layout of the accept that is hoped for.
 * @param request the command that was sent; the answer must name it.
 * @throws FcProtocolError
 */
export function decodeLsAnswer<L extends LsPayload & { readonly request: Field<number> }>(
  layout: L,
  request: LsCommand,
  ls: Uint8Array,
): LsAnswer<L> {
  const rejected = lsCommandOf(ls) === LsCommand.Reject;
  const shape = rejected ? LsReject : layout;
  const values = decodeLs<LsPayload>(shape, ls) as { readonly request: number };
  if (values.request !== request) {
    throw badField(shape.ls, shape, "request", `${values.request}, expected ${request}`);
  }
  return rejected
    ? { outcome: "rejected", values: values as Decoded<typeof LsReject> }
    : { outcome: "accepted", values: values as Decoded<L> };
}

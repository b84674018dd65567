// What exit codes and abbreviations mean, in a sentence each: for `explain`.
// Read first: exit-code.ts for the codes.

import type { ExitName } from "./exit-code.ts";

/** When a command ends with this. */
export const exitMeanings: Readonly<Record<ExitName, string>> = {
  ok: "everything went as asked",
  failed: "anything that has no code of its own",
  usage: "a bad option, argument or range; missing confirmation",
  notFound: "no such namespace, alias or file",
  unreachable: "unknown host, refused, no route, closed before it was a controller",
  rejected: "the controller refused Connect",
  auth: "the host is not allowed, or authentication or TLS failed",
  timeout: "a deadline of ours passed",
  nvmeStatus: "a command completed with an error status",
  protocol: "the peer broke the protocol, or says that we did",
  dataMismatch: "data that was compared or verified differs",
  partial: "some of several targets failed",
  threshold: "a figure is worse than it may be, or there are risks (doctor --strict)",
  resource: "a limit of this machine: a port that is taken, files that may be open",
  lost: "the connection was lost and not found again",
  internal: "a bug of ours",
  sigint: "Ctrl-C, after an orderly end",
  sigterm: "SIGTERM, after an orderly end",
};

/** What a connection is ended for, by Fatal Error Status. NVMe/TCP 1.0 §3.5.2. */
export const fesMeanings: Readonly<Record<number, string>> = {
  1: "A field of the PDU's header has a value that it must not have; FEI is its offset.",
  2: "The PDU came when it must not: before ICReq, twice, or as an answer to nothing.",
  3: "The header digest does not match the header; FEI is the digest that was received.",
  4: "The data ends beyond what the command or the R2T asked for.",
  5: "The PDU is longer than the receiver said that it takes (MAXH2CDATA, or an R2T's length).",
  6: "A parameter is not supported: the version (PFV), an alignment, a digest.",
};

/** Abbreviations of the field that errors and fields of this command use. */
export const terms: Readonly<Record<string, string>> = {
  AEN: "Asynchronous Event Notification: what a controller tells on its own, as the answer to a request that waits.",
  ANA: "Asymmetric Namespace Access: through which paths a namespace can be reached, and how well.",
  ANAGRPID: "ANA Group Identifier: namespaces of a group share their ANA state.",
  CATTR: "Connect Attributes: bit 2 turns SQ flow control off.",
  CCR: "Cross-Controller Reset: a host ends one of its controllers by way of another (TP8028).",
  CID: "Command Identifier: which command in flight a completion is for.",
  CIRN: "Controller Instance Random Number: names one incarnation of a controller, with CIU.",
  CIU: "Controller Instance Uniquifier: names one incarnation of a controller, with CIRN.",
  CNTLID:
    "Controller ID: names a controller in its subsystem; FFFFh in Connect lets the subsystem choose.",
  CQE: "Completion Queue Entry: the 16 bytes that answer a command.",
  CQT: "Command Quiesce Time: how long a controller may take to end commands of a host that is lost.",
  CRD: "Command Retry Delay: which of three delays to wait before a retry.",
  CSI: "Command Set Identifier: 0 NVM, 1 key value, 2 zoned.",
  DNR: "Do Not Retry: the same command would fail again.",
  FES: "Fatal Error Status: why a connection was ended, in a TermReq.",
  FUA: "Force Unit Access: on stable media when it is answered.",
  IOCCSZ: "I/O Command Capsule Size, in 16 bytes: the SQE and the data that fits behind it.",
  KATO: "Keep Alive Timeout: a peer that is silent for so long is gone.",
  MAXH2CDATA: "The largest data that a host may send in one H2CData PDU.",
  MDTS: "Maximum Data Transfer Size, a power of two of pages; 0 for no limit.",
  NGUID: "Namespace Globally Unique Identifier, 16 bytes.",
  NQN: "NVMe Qualified Name: of a host or a subsystem, nqn.yyyy-mm.domain:name.",
  NSID: "Namespace ID: names a namespace for one subsystem.",
  PDA: "PDU Data Alignment: data begins at a multiple of it.",
  PDU: "Protocol Data Unit: what NVMe/TCP sends: a header, and data with it or not.",
  PSK: "Pre-Shared Key: what TLS proves both sides by.",
  R2T: "Ready To Transfer: a controller asks for data of a write.",
  RAE: "Retain Asynchronous Event: reading the log does not count as having seen the event.",
  SQE: "Submission Queue Entry: the 64 bytes of a command.",
  SCT: "Status Code Type: generic, command specific, media, path.",
  TBKAS: "Traffic Based Keep Alive Support: any command keeps the controller alive.",
  TTAG: "Transfer Tag: which R2T data answers.",
};

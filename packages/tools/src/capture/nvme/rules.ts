// The rules that a verdict may be about, by names that stay. Which PDU breaks one, and what its receiver
// answers, is decided where PDUs are followed: judge-*.ts.
// Read first: NVMe/TCP 1.0 §3.5 "Error Handling Model", §3.3.2 "Data Transfer"; Base 2.0 §3.3.3.1.

/** `violation`: a rule is broken. `warning`: no rule, but nobody would want it. */
export type Severity = "violation" | "warning";

const violation = (text: string) => ({ severity: "violation" as const, text });
const warning = (text: string) => ({ severity: "warning" as const, text });

/** Every rule, with what it demands. Names are only added within a major version. */
export const rules = {
  // Common headers and digests.
  "header-type": violation("a PDU has a type that its receiver takes"),
  "header-flags": violation("flags are those of the type and of the digests agreed on"),
  "header-hlen": violation("HLEN is that of the type"),
  "header-pdo": violation("PDO is behind the header, aligned as agreed, and 0 without data"),
  "header-plen": violation("PLEN fits the type and its data"),
  "header-digest": violation("the header digest is that of the header"),
  "data-digest": violation("the data digest is that of the data"),
  // Initialisation and termination.
  "ic-first": violation("a connection begins with ICReq and ICResp"),
  "ic-early": violation("a host waits for ICResp before it sends anything else"),
  "ic-again": violation("a connection is initialised once"),
  "ic-pfv": violation("the PDU format version is 0"),
  "ic-pda": violation("an alignment is 0 to 31"),
  "ic-digest": violation("a controller enables no digest that the host did not ask for"),
  "ic-maxh2cdata": violation("MAXH2CDATA is at least 4096, and a multiple of 4"),
  "term-first": violation("a TermReq is not the first PDU of a connection"),
  "term-answered": violation("a TermReq is not answered with one"),
  "term-last": violation("nothing follows a TermReq"),
  // Command capsules.
  "connect-first": violation("the first command of a queue is Connect"),
  "capsule-cid": violation("a CID is not used again before its command is answered"),
  "capsule-limit": violation("data in a capsule fits what the controller takes"),
  "capsule-psdt": violation("PSDT says SGL"),
  "capsule-sgl-type": violation("an SGL descriptor is one that the transport knows"),
  "capsule-sgl-offset": violation("data in a capsule begins at offset 0"),
  "capsule-sgl-length": violation("the length of an SGL is that of the data in the capsule"),
  "capsule-data": violation("data in a capsule belongs to a command that writes, and is told of"),
  "sq-full": violation("a host sends no command to a queue that is full"),
  // R2T.
  "r2t-command": violation("an R2T is for a command that is outstanding"),
  "r2t-direction": violation("an R2T is for a command with data to be sent for"),
  "r2t-offset": violation("R2Ts ask for the data in order, once"),
  "r2t-length": violation("an R2T asks for something"),
  "r2t-range": violation("an R2T asks for no more than the command has"),
  "r2t-limit": violation("no more R2Ts are outstanding than MAXR2T says"),
  "r2t-tag": violation("a transfer tag is not used again before its data is there"),
  // H2CData.
  "h2cdata-none": violation("H2CData answers an R2T"),
  "h2cdata-tag": violation("H2CData has the tag of an R2T that is outstanding"),
  "h2cdata-command": violation("H2CData names the command of its R2T, which writes"),
  "h2cdata-length": violation("DATAL is the length of the data"),
  "h2cdata-limit": violation("H2CData has no more data than MAXH2CDATA"),
  "h2cdata-range": violation("H2CData stays within what its R2T asked for"),
  "h2cdata-offset": violation("H2CData comes in order"),
  "h2cdata-last": violation("LAST_PDU is on the last H2CData of an R2T, and on no other"),
  "h2cdata-multiple": violation("DATAL is a multiple of 4 where more follows"),
  // C2HData.
  "c2hdata-command": violation("C2HData is for a command that is outstanding"),
  "c2hdata-direction": violation("C2HData is for a command that reads"),
  "c2hdata-last": violation("no C2HData follows LAST_PDU"),
  "c2hdata-range": violation("C2HData stays within what the command asked for"),
  "c2hdata-offset": violation("C2HData comes in order"),
  "c2hdata-length": violation("DATAL is the length of the data"),
  "c2hdata-success": violation("SUCCESS comes with LAST_PDU"),
  "c2hdata-flow-control": violation("SUCCESS is used only where SQ flow control is disabled"),
  // Completions.
  "response-command": violation("a completion is for a command that is outstanding"),
  "response-again": violation("a command is completed once"),
  "response-queue": violation("SQID is that of the queue"),
  "response-short": violation("success means that all data has been moved"),
  "response-sqhd": violation("SQHD is a place in the queue, and not ahead of what was sent"),
  // What is no breach, but looks wrong.
  reserved: warning("reserved fields are zero"),
  padding: warning("padding is zero"),
  "response-unsent": warning("a command is answered after the data that was asked for"),
  "response-late": warning("a command is answered in good time"),
  "keep-alive-gap": warning("a host lets its controller hear of it within the keep-alive timeout"),
  "end-inside": warning("a stream does not end in the middle of a PDU"),
  "tcp-differs": warning("a retransmission carries the same bytes"),
} as const;

/** Which rule was broken: a key of {@link rules}. */
export type RuleId = keyof typeof rules;

/**
 * What a receiver that keeps to the specification does about it.
 *
 * - `term-req`: ends the connection with a TermReq of this Fatal Error Status and Information.
 * - `status`: completes the command with this status, packed as `statusOf` does; or, for a host, takes
 *   the command as completed so.
 * - `close`: ends the connection without a word.
 * - `none`: nothing; it may not even notice.
 */
export type Answer =
  | { readonly kind: "term-req"; readonly fes: number; readonly fei: number }
  | { readonly kind: "status"; readonly status: number }
  | { readonly kind: "close" }
  | { readonly kind: "none" };

export const termReq = (fes: number, fei = 0): Answer => ({ kind: "term-req", fes, fei });
export const status = (packed: number): Answer => ({ kind: "status", status: packed });
export const silentClose: Answer = { kind: "close" };
export const noAnswer: Answer = { kind: "none" };

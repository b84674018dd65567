// The base of every error of the project, and the one error for bytes that break the protocol.
// Read first: NVMe/TCP 1.0 §3.5.2 "Fatal Error Handling"; reference of codes: README, "Errors".

/**
 * What is known of a command that failed.
 *
 * - `not-sent`: no byte of it reached the transport; it is safe to send it again anywhere.
 * - `unknown`: it may have been executed, or may still be.
 * - `failed`: the controller answered that it failed.
 */
export type Outcome = "not-sent" | "unknown" | "failed";

/** What an error may carry beside its message. */
export interface ErrorDetails {
  /** What to try next, in one sentence. */
  readonly hint?: string | undefined;
  /** The step that was under way: "tcp", "initialize", "fabrics-connect", "identify", … */
  readonly phase?: string | undefined;
  readonly outcome?: Outcome | undefined;
  /** The packed NVMe status that stands for the error (see `statusOf`), if one does. */
  readonly status?: number | undefined;
  /** The bound that was met, by the name of its option: "connectTimeoutMs", … */
  readonly limit?: string | undefined;
  readonly cause?: unknown;
}

/**
 * Base of all errors that this project throws or settles with, apart from `TypeError` and
 * `RangeError` for bad arguments. Recognise one by `code`, which is stable within a major version,
 * not by `instanceof`: two copies of a package may be loaded.
 */
export class NvmeofError extends Error {
  override readonly name: string = "NvmeofError";
  /** Stable identifier, `NVME_ERR_…`. */
  readonly code: string;
  readonly hint: string | undefined;
  readonly phase: string | undefined;
  readonly outcome: Outcome | undefined;
  /**
   * The NVMe status that stands for the error, packed as `statusOf` does: what the controller
   * completed with, or what the host says in its place (Path Related, SCT 3h). `undefined` for
   * errors that are not about a command.
   */
  readonly status: number | undefined;
  /** The bound that was met, by the name of its option; `undefined` where it was none. */
  readonly limit: string | undefined;

  constructor(code: string, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.hint = details.hint;
    this.phase = details.phase;
    this.outcome = details.outcome;
    this.status = details.status;
    this.limit = details.limit;
  }
}

/** Whether `value` is an error of this project, from whichever copy of it. */
export function isNvmeofError(value: unknown): value is NvmeofError {
  return value instanceof Error && "code" in value && String(value.code).startsWith("NVME_ERR_");
}

/** Fatal Error Status (FES) of a TermReq PDU. NVMe/TCP 1.0 §3.6.2.4 "H2CTermReq". */
export const Fes = {
  InvalidHeaderField: 1,
  SequenceError: 2,
  HeaderDigest: 3,
  TransferOutOfRange: 4,
  /** Data Transfer Limit Exceeded towards the host, R2T Limit Exceeded towards the controller. */
  LimitExceeded: 5,
  UnsupportedParameter: 6,
} as const;

const fesNames: readonly string[] = [
  "reserved",
  "Invalid PDU Header Field",
  "PDU Sequence Error",
  "Header Digest Error",
  "Data Transfer Out of Range",
  "Transfer Limit Exceeded",
  "Unsupported Parameter",
];

/** Name of a Fatal Error Status; "unknown (n)" for values outside the specification. */
export const fesName = (fes: number): string => fesNames[fes] ?? `unknown (${fes})`;

/**
 * The peer broke the protocol. Ends the connection: whoever catches it sends a TermReq with
 * `fes` and `fei`, and drops the queue.
 *
 * Source: NVMe/TCP 1.0 §3.5.2 "Fatal Error Handling".
 */
export class ProtocolError extends NvmeofError {
  override readonly name = "ProtocolError";
  /** Fatal Error Status, 1 to 6. */
  readonly fes: number;
  /** Fatal Error Information: byte offset of the bad field in the PDU, or the digest received. */
  readonly fei: number;
  /** What the peer speaks instead of NVMe/TCP, where its first bytes say so: "HTTP", "SSH", "TLS". */
  readonly speaks: string | undefined;

  constructor(
    fes: number,
    fei: number,
    message: string,
    details: ErrorDetails & { readonly speaks?: string | undefined } = {},
  ) {
    super("NVME_ERR_PROTOCOL", `${message} (FES ${fes} ${fesName(fes)}, FEI ${fei})`, details);
    this.fes = fes;
    this.fei = fei;
    this.speaks = details.speaks;
  }
}

/**
 * Bytes of a structure (an Identify page, a log, a key …) that do not mean anything: too short, a
 * count beyond the data, a value outside its range. Raised by the decoders of cold structures.
 */
export class ParseError extends NvmeofError {
  override readonly name = "ParseError";
  /** Byte offset of the bad field in the structure. */
  readonly offset: number;

  constructor(structure: string, offset: number, message: string, details: ErrorDetails = {}) {
    super("NVME_ERR_PARSE", `${structure}, byte ${offset}: ${message}`, details);
    this.offset = offset;
  }
}

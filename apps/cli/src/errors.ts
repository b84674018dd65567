// Errors of the command itself, and what any error says to a person and to a script.
// Read first: exit-code.ts for the codes.

import { type ErrorDetails, NvmeofError, describeStatus, isNvmeofError } from "@nvmeof/codec";
import { hostPort } from "@nvmeof/transport";
import { type CliCode, ExitCode, type ExitName, verdictOf } from "./exit-code.ts";
import { hintFor } from "./hints.ts";
import { printable as escaped } from "./printable.ts";
import { withoutSecrets } from "./redact.ts";

const printable = (text: string): string => withoutSecrets(escaped(text));

/** An error of the command: bad input, a file, a deadline, a signal. */
export class CliError extends NvmeofError {
  override readonly name = "CliError";
  constructor(code: CliCode, message: string, details: ErrorDetails = {}) {
    super(code, message, details);
  }
}

export const usage = (message: string, hint?: string): CliError =>
  new CliError("NVME_ERR_USAGE", message, { hint });

/** What is thrown where an address cannot be listened on: in the command's words, if it is one of ours. */
export const cannotListen = (error: unknown): unknown =>
  isNvmeofError(error)
    ? new CliError("NVME_ERR_LISTEN", error.message, { hint: error.hint, cause: error })
    : error;

/** Whom an error is about. */
export interface Peer {
  readonly address: string;
  readonly port: number;
  readonly subnqn: string | null;
}

/** Where an error came up. */
export interface Circumstances {
  readonly peer: Peer;
  /** Whether the controller had been live: a connection lost before is one that was never there. */
  readonly wasLive: boolean;
}

const circumstancesOf = new WeakMap<object, Circumstances>();

/** Notes where an error came up, for whoever tells people of it. The first note counts. */
export function noteCircumstances(error: unknown, circumstances: Circumstances): void {
  if (typeof error !== "object" || error === null) return;
  const blamed = blame(error);
  if (!circumstancesOf.has(blamed)) circumstancesOf.set(blamed, circumstances);
}

/** Codes that say that a command ended with its connection; why that ended is in their cause. */
const wrappers = new Set([
  "NVME_ERR_CONTROLLER_RESET",
  "NVME_ERR_CONTROLLER_CLOSED",
  "NVME_ERR_NOT_CONNECTED",
  "NVME_ERR_NO_PATH",
  "NVME_ERR_STATE",
]);

/** The error that is to blame: the innermost of those that only pass on what happened below. */
export function blame(error: object): object {
  if (!isNvmeofError(error) || !wrappers.has(error.code)) return error;
  return isNvmeofError(error.cause) ? blame(error.cause) : error;
}

/** An error as the envelope has it. Additive only within a major version. */
export interface ErrorObject {
  readonly code: string;
  readonly message: string;
  readonly hint: string | null;
  readonly phase: string | null;
  readonly outcome: string | null;
  readonly peer: Peer | null;
  readonly nvme: NvmeObject | null;
  readonly retryable: boolean;
  readonly exitCode: number;
  readonly cause: string | null;
}

/** The NVMe status of an error, in the words of the specification. */
export interface NvmeObject {
  readonly sct: number;
  readonly sc: number;
  readonly name: string;
  readonly dnr: boolean;
  readonly crd: number;
  readonly more: boolean;
  /** The field that Connect Invalid Parameters names. */
  readonly field: string | null;
}

const fabricsCodes = new Set(["NVME_ERR_CONNECT_REJECTED", "NVME_ERR_HOST_NOT_ALLOWED"]);

function nvmeOf(error: NvmeofError): NvmeObject | null {
  if (error.status === undefined) return null;
  const said = describeStatus(error.status, { fabrics: fabricsCodes.has(error.code) });
  const { sct, sc, name, dnr, crd, more } = said;
  const field = "field" in error && typeof error.field === "string" ? error.field : null;
  return { sct, sc, name, dnr, crd, more, field };
}

/** Which exit code an error gives. */
export function exitOf(error: unknown): ExitName {
  if (typeof error !== "object" || error === null) return "internal";
  const blamed = blame(error);
  if (!isNvmeofError(blamed)) return "internal";
  // Lost, or never there: that depends on whether there had been a controller.
  if (blamed.code === "NVME_ERR_CONNECTION_LOST" || blamed.code === "NVME_ERR_UNREACHABLE") {
    const { wasLive = blamed.code === "NVME_ERR_CONNECTION_LOST" } =
      circumstancesOf.get(blamed) ?? {};
    return wasLive ? "lost" : "unreachable";
  }
  if (blamed.code === "NVME_ERR_FILE" && errnoIn(blamed.cause) === "ENOENT") return "notFound";
  return verdictOf(blamed.code).exit;
}

export const errnoIn = (error: unknown): string =>
  error instanceof Error && "code" in error ? String(error.code) : "";

function retryable(error: NvmeofError, nvme: NvmeObject | null): boolean {
  const { retryable: usually } = verdictOf(error.code);
  if (error.code === "NVME_ERR_STATUS") return nvme?.dnr === false;
  if ("permanent" in error) return error.permanent === false;
  return usually;
}

function causeText(cause: unknown): string | null {
  if (!(cause instanceof Error)) return null;
  const deeper = causeText(cause.cause);
  return printable(deeper === null ? cause.message : `${cause.message}: ${deeper}`);
}

/** A bug of ours, or of Node: says where, for a report. */
function internal(error: unknown): CliError {
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return new CliError("NVME_ERR_INTERNAL", message, {
    hint: "This is a bug of nvmeof. Run it again with -vv and report what it prints.",
    cause: error,
  });
}

function messageOf(
  { code, message }: NvmeofError,
  circumstances: Circumstances | undefined,
): string {
  const isLost = code === "NVME_ERR_UNREACHABLE" && circumstances?.wasLive === true;
  return isLost ? `the connection was lost, and then: ${message}` : message;
}

/** What is to be said of anything that was thrown. */
export function describeError(thrown: unknown): ErrorObject {
  const blamed = blame(typeof thrown === "object" && thrown !== null ? thrown : {});
  const error = isNvmeofError(blamed) ? blamed : internal(thrown);
  const nvme = nvmeOf(error);
  const circumstances = circumstancesOf.get(blamed);
  const hint = error.hint ?? hintFor(error.code, circumstances?.wasLive !== false);
  return {
    code: error.code,
    message: printable(messageOf(error, circumstances)),
    hint: hint === undefined ? null : printable(hint),
    phase: error.phase ?? null,
    outcome: error.outcome ?? null,
    peer: circumstances?.peer ?? null,
    nvme,
    retryable: retryable(error, nvme),
    exitCode: ExitCode[exitOf(thrown)],
    cause: causeText(error.cause),
  };
}

/** The lines for a person: what, with its code, and what to try next. */
export function errorText(error: ErrorObject): string {
  const peer = error.peer === null ? "" : hostPort(error.peer.address, error.peer.port);
  // Many messages name the address themselves.
  const where = peer === "" || error.message.includes(peer) ? "" : `${peer}: `;
  const hint = error.hint === null ? "" : `hint: ${error.hint}\n`;
  return `nvmeof: ${where}${error.message} (${error.code})\n${hint}`;
}

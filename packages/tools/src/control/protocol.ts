// The words on a control socket: one line of JSON for each request, and one for each reply.
// Read first: snapshot.ts for what is told. It only tells: no request changes anything.

import { NvmeofError, type ErrorDetails } from "@nvmeof/codec";
import { CONTROL_VERSION, type ControlHello, type ControlSnapshot } from "./snapshot.ts";

/** Bounds of a control socket. */
export interface ControlLimits {
  /** Clients at the same time; one more takes the place of the one that was silent longest. Default 8. */
  readonly clientsMax: number;
  /** Bytes of a request, its line end included. Default 1 KiB. */
  readonly requestBytesMax: number;
  /** Controllers, namespaces, paths and queues in a snapshot; others are counted. Default 4096. */
  readonly rowsMax: number;
  /** Who asks sooner gets the snapshot that there is, ms. Default 100. */
  readonly snapshotIntervalMs: number;
  /** Who does not read a reply for so long is cut off, ms. Default 5 s. */
  readonly stallTimeoutMs: number;
}

/** Bounds of a control socket where nobody says otherwise. */
export const defaultControlLimits: ControlLimits = {
  clientsMax: 8,
  requestBytesMax: 1024,
  rowsMax: 4096,
  snapshotIntervalMs: 100,
  stallTimeoutMs: 5_000,
};

/** Bytes of the longest reply that anybody has to take: 4096 rows have less. */
export const CONTROL_REPLY_BYTES_MAX = 8 * 2 ** 20;

/**
 * A control socket is not what it should be, or cannot be had.
 *
 * `NVME_ERR_CONTROL`; `NVME_ERR_NOT_FOUND` where there is no process to ask; `NVME_ERR_CONNECTION_LOST`
 * when the process has ended.
 */
export class ControlError extends NvmeofError {
  override readonly name = "ControlError";
  constructor(
    code: "NVME_ERR_CONTROL" | "NVME_ERR_NOT_FOUND" | "NVME_ERR_CONNECTION_LOST",
    message: string,
    details: ErrorDetails = {},
  ) {
    super(code, message, details);
  }
}

/** What can be asked for, and what it is answered with. */
export interface ControlAnswers {
  readonly hello: ControlHello;
  readonly snapshot: ControlSnapshot;
}
/** What may be asked. */
export type ControlQuestion = keyof ControlAnswers;

const questions: Readonly<Record<ControlQuestion, true>> = { hello: true, snapshot: true };

/** A request as it was understood, or what to say of it. */
export type ControlRequest =
  | { readonly get: ControlQuestion; readonly id: number }
  /** `fatal`: nothing that follows can be understood either. */
  | { readonly problem: string; readonly id: number | null; readonly fatal: boolean };

/** The line that asks. */
export const requestLine = (get: ControlQuestion, id: number): string =>
  `${JSON.stringify({ version: CONTROL_VERSION, id, get })}\n`;

/** Reads one line, without its end. */
export function parseRequest(line: string): ControlRequest {
  const value = parsed(line);
  if (value === undefined) {
    return { problem: "a request is one JSON object on a line", id: null, fatal: true };
  }
  const { version, id, get } = value;
  const known = typeof id === "number" && Number.isSafeInteger(id) ? id : null;
  if (version !== CONTROL_VERSION) {
    const problem = `this is version ${CONTROL_VERSION} of the control socket`;
    return { problem, id: known, fatal: true };
  }
  if (known === null) return { problem: "id is not a whole number", id: null, fatal: false };
  if (typeof get !== "string" || !Object.hasOwn(questions, get)) {
    const problem = `get is one of ${Object.keys(questions).join(", ")}`;
    return { problem, id: known, fatal: false };
  }
  return { get: get as ControlQuestion, id: known };
}

/** The line that answers; `data` is JSON text already, since it may be sent to several. */
export const replyLine = (id: number, get: ControlQuestion, data: string): string =>
  `{"version":${CONTROL_VERSION},"id":${id},"get":"${get}","data":${data},"error":null}\n`;

/** The line that says why there is no answer. */
export const problemLine = (id: number | null, message: string): string =>
  `${JSON.stringify({ version: CONTROL_VERSION, id, get: null, data: null, error: { message } })}\n`;

/**
 * The answer in a line that `get` was asked with.
 *
 * @throws ControlError NVME_ERR_CONTROL for anything else.
 */
export function parseReply<Get extends ControlQuestion>(
  line: string,
  get: Get,
  id: number,
): ControlAnswers[Get] {
  const value = parsed(line);
  if (value === undefined) throw strange("it answers with something that is no JSON object");
  const { version, data } = value;
  const error = value["error"] as { readonly message?: unknown } | null | undefined;
  if (typeof error?.message === "string") throw strange(`it says: ${error.message.slice(0, 200)}`);
  if (version !== CONTROL_VERSION) {
    throw strange(`it speaks version ${String(version).slice(0, 20)}, and not ${CONTROL_VERSION}`);
  }
  if (value["id"] !== id || value["get"] !== get || typeof data !== "object" || data === null) {
    throw strange("it answers something else than it was asked");
  }
  if (!hasShape(get, data as Readonly<Record<string, unknown>>)) {
    throw strange(`what it tells is no ${get}`);
  }
  return data as ControlAnswers[Get];
}

/** As much as whoever reads it relies upon; fields inside are those of a process of the same user. */
function hasShape(get: ControlQuestion, data: Readonly<Record<string, unknown>>): boolean {
  const { process, subsystems } = data;
  const isWho = typeof process === "object" && process !== null && "pid" in process;
  if (!isWho || !Array.isArray(subsystems)) return false;
  return get === "hello" || (typeof data["nowMs"] === "number" && subsystems.every(isSubsystem));
}

const isSubsystem = (value: unknown): boolean =>
  typeof value === "object" &&
  value !== null &&
  Array.isArray((value as { controllers?: unknown }).controllers) &&
  Array.isArray((value as { namespaces?: unknown }).namespaces);

const strange = (message: string): ControlError =>
  new ControlError("NVME_ERR_CONTROL", message, {
    hint: "Is it an nvmeof process, and of the same version?",
  });

function parsed(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? (value as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined;
  }
}

/** Cuts bytes into lines. Holds one line at most, and says so when that is too long. */
export class LineCutter {
  readonly #bytesMax: number;
  readonly #decoder = new TextDecoder();
  #pieces: Uint8Array[] = [];
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Gives each whole line to `line`, in order. Returns whether all fits: after `false` it is of no use. */
  receive(chunk: Uint8Array, line: (text: string) => void): boolean {
    let from = 0;
    for (let at = chunk.indexOf(LINE_END); at !== -1; at = chunk.indexOf(LINE_END, from)) {
      if (!this.#keep(chunk.subarray(from, at))) return false;
      line(this.#take());
      from = at + 1;
    }
    return this.#keep(chunk.subarray(from));
  }

  #keep(piece: Uint8Array): boolean {
    this.#bytes += piece.length;
    // With its line end it may have as many as are allowed.
    if (this.#bytes >= this.#bytesMax) return false;
    if (piece.length > 0) this.#pieces.push(piece);
    return true;
  }

  #take(): string {
    const text = this.#pieces.map((each) => this.#decoder.decode(each, { stream: true })).join("");
    this.#pieces = [];
    this.#bytes = 0;
    return text + this.#decoder.decode();
  }
}

const LINE_END = 10;

// NVMe Qualified Names and the other identifiers: grammar, bytes, text.
// Read first: Base 2.0 §4.5 "NVMe Qualified Names", §4.7 "Unique Identifier"; RFC 4122 §3 (UUID
// text).

import { NvmeofError } from "./errors.ts";
import type { Field } from "./field.ts";

/** Longest NQN in bytes of UTF-8, without the terminating zero. */
export const NQN_BYTES_MAX = 223;

/** Bytes of an NQN field in a structure, terminating zero and padding included. */
export const NQN_FIELD_BYTES = 256;

/** The well-known NQN of discovery subsystems. Base 2.0 §3.1.2.3 "Discovery Controller". */
export const DISCOVERY_NQN = "nqn.2014-08.org.nvmexpress.discovery";

const UUID_PREFIX = "nqn.2014-08.org.nvmexpress:uuid:";

/** What is wrong with a name. */
export type NqnFault =
  | "empty"
  | "too-long"
  | "unterminated"
  | "not-utf-8"
  | "control-character"
  | "bytes-after-terminator"
  | "no-prefix"
  | "bad-date"
  | "bad-domain"
  | "no-name"
  | "bad-uuid";

const faults: Readonly<Record<NqnFault, readonly [message: string, hint: string]>> = {
  empty: ["the name is empty", "Give a name such as nqn.2014-08.org.nvmexpress:uuid:<uuid>."],
  "too-long": [
    "the name is longer than 223 bytes",
    "Shorten it; characters beyond ASCII count more.",
  ],
  unterminated: [
    "the name does not end within its field",
    "A name has 223 bytes at most, then zeroes.",
  ],
  "not-utf-8": ["the name is not UTF-8", "Names are UTF-8."],
  "control-character": [
    "the name holds a control character",
    "Remove line ends and invisible characters.",
  ],
  "bytes-after-terminator": ["bytes follow the end of the name", "Fill the field with zeroes."],
  "no-prefix": [
    "the name does not begin with nqn.",
    "Names look like nqn.2024-01.com.example:disk1.",
  ],
  "bad-date": ["nqn. is not followed by a year and month", "Write it as in nqn.2024-01."],
  "bad-domain": ["there is no reverse domain name after the date", "Write it as in com.example."],
  "no-name": ["there is no colon and name after the domain", "Append one, as in :disk1."],
  "bad-uuid": ["the UUID is not one", "Write 32 hexadecimal digits as 8-4-4-4-12."],
};

/**
 * A name that is no NQN. Raised by the functions of this file; who used the name is for callers to
 * add.
 */
export class NqnError extends NvmeofError {
  override readonly name = "NqnError";
  readonly fault: NqnFault;

  constructor(fault: NqnFault, text: string) {
    const [message, hint] = faults[fault];
    super("NVME_ERR_NQN", `${message}: "${printable(text).slice(0, 240)}"`, { hint });
    this.fault = fault;
  }
}

/** Text with everything that does not print, line ends and direction marks too, as U+FFFD. */
const printable = (text: string): string =>
  isPlain(text) ? text : text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu, "\ufffd");

/** Whether all of it is ASCII that prints, as nearly all names are: they take the short way. */
function isPlain(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit < 0x20 || unit > 0x7e) return false;
  }
  return true;
}

/**
 * UTF-8 as text; `undefined` when it is malformed. By URI escapes, as ES has no decoder of its own.
 */
function textOf(utf8: Uint8Array): string | undefined {
  let text = "";
  for (let at = 0; at < utf8.length; at++) {
    const byte = utf8[at]!;
    if (byte >= 0x80) return decodedOf(utf8);
    text += String.fromCharCode(byte);
  }
  return text;
}

function decodedOf(utf8: Uint8Array): string | undefined {
  try {
    return decodeURIComponent(hexText(utf8).replace(/../g, "%$&"));
  } catch {
    return undefined;
  }
}

/** Text as UTF-8; `undefined` when it has half a surrogate pair. */
export function utf8Of(text: string): Uint8Array | undefined {
  if (isPlain(text)) {
    const bytes = new Uint8Array(text.length);
    for (let at = 0; at < bytes.length; at++) bytes[at] = text.charCodeAt(at);
    return bytes;
  }
  try {
    const escaped = encodeURIComponent(text).match(/%..|./g) ?? [];
    return Uint8Array.from(escaped, (part) =>
      part.length === 3 ? Number.parseInt(part.slice(1), 16) : part.charCodeAt(0),
    );
  } catch {
    return undefined;
  }
}

/**
 * A field that holds an NQN: 256 bytes, UTF-8, padded with zeroes. `get` never fails: what is not
 * UTF-8 or does not print is read as U+FFFD; who must judge the bytes uses {@link readNqn}.
 */
/* @__NO_SIDE_EFFECTS__ */
export function nqnField(offset: number): Field<string> {
  const fieldOf = (view: DataView, base: number): Uint8Array =>
    new Uint8Array(view.buffer, view.byteOffset + base + offset, NQN_FIELD_BYTES);
  return {
    offset,
    bytes: NQN_FIELD_BYTES,
    bit: undefined,
    get(view, base = 0) {
      const name = nameBytes(fieldOf(view, base));
      // Byte by byte where it is not UTF-8; bytes from 80h to 9Fh are control characters then.
      return printable(textOf(name) ?? String.fromCharCode(...name));
    },
    set(view, base, value) {
      const utf8 = utf8Of(value);
      if (utf8 === undefined || utf8.length > NQN_BYTES_MAX) {
        throw new RangeError(`"${value}" does not fit an NQN field of ${NQN_BYTES_MAX} bytes`);
      }
      const field = fieldOf(view, base);
      field.fill(0);
      field.set(utf8);
    },
  };
}

/** The bytes before the terminating zero; the whole field where there is none. */
const nameBytes = (field: Uint8Array): Uint8Array => {
  const end = field.indexOf(0);
  return end === -1 ? field : field.subarray(0, end);
};

/**
 * Reads an NQN field strictly, as a target must: terminated, 1 to 223 bytes, UTF-8, nothing that
 * does not print, zeroes to the end of the field. Its grammar is not looked at.
 *
 * @param offset of the field's first byte in the view.
 * @throws NqnError
 */
export function readNqn(view: DataView, offset: number): string {
  const field = new Uint8Array(view.buffer, view.byteOffset + offset, NQN_FIELD_BYTES);
  const name = nameBytes(field);
  const text = textOf(name);
  const shown = text ?? String.fromCharCode(...name);
  if (name.length === field.length) throw new NqnError("unterminated", shown);
  if (text === undefined) throw new NqnError("not-utf-8", shown);
  for (let at = name.length; at < field.length; at++) {
    if (field[at] === 0) continue;
    throw new NqnError("bytes-after-terminator", shown);
  }
  return checkNqn(text);
}

/**
 * Checks what the wire asks of a name: 1 to 223 bytes of UTF-8, all of which prints. Subsystems of
 * other makers carry names outside the grammar, so this is all a host asks of them.
 *
 * @returns the name.
 * @throws NqnError
 */
export function checkNqn(text: string): string {
  if (text === "") throw new NqnError("empty", text);
  if (text.length <= NQN_BYTES_MAX && isPlain(text)) return text;
  const utf8 = utf8Of(text);
  if (utf8 === undefined) throw new NqnError("not-utf-8", text);
  if (utf8.length > NQN_BYTES_MAX) throw new NqnError("too-long", text);
  if (text !== printable(text)) throw new NqnError("control-character", text);
  return text;
}

/** The parts of a name by the grammar. */
export type Nqn =
  | { readonly kind: "uuid"; readonly uuid: string }
  | {
      readonly kind: "domain";
      readonly date: string;
      readonly domain: string;
      readonly name: string;
    }
  | { readonly kind: "discovery" };

const domainName = /^[a-z\d]([a-z\d-]*[a-z\d])?(\.[a-z\d]([a-z\d-]*[a-z\d])?)*$/i;

/**
 * Parses a name by its grammar: `nqn.yyyy-mm.reverse.domain:name`,
 * `nqn.2014-08.org.nvmexpress:uuid:…` or the discovery NQN. For names people give us; for those of
 * a peer see {@link checkNqn}.
 *
 * Source: Base 2.0 §4.5 "NVMe Qualified Names".
 * @throws NqnError
 */
export function parseNqn(text: string): Nqn {
  checkNqn(text);
  if (text === DISCOVERY_NQN) return { kind: "discovery" };
  if (text.startsWith(UUID_PREFIX)) {
    const uuid = text.slice(UUID_PREFIX.length);
    if (!isUuid(uuid)) throw new NqnError("bad-uuid", text);
    return { kind: "uuid", uuid: uuid.toLowerCase() };
  }
  if (!text.startsWith("nqn.")) throw new NqnError("no-prefix", text);
  const date = text.slice(4, 11);
  if (!/^\d{4}-(0[1-9]|1[0-2])$/.test(date)) throw new NqnError("bad-date", text);
  const colon = text.indexOf(":");
  const domain = text.slice(12, colon === -1 ? undefined : colon);
  if (text[11] !== "." || !domainName.test(domain)) throw new NqnError("bad-domain", text);
  if (colon === -1 || colon === text.length - 1) throw new NqnError("no-name", text);
  return { kind: "domain", date, domain, name: text.slice(colon + 1) };
}

/** Whether `text` is an NQN by the grammar; see {@link parseNqn}. */
export function isNqn(text: string): boolean {
  try {
    parseNqn(text);
    return true;
  } catch {
    return false;
  }
}

/**
 * The NQN made from a UUID, usual for hosts.
 *
 * @throws NqnError when `uuid` is not one.
 */
export const uuidNqn = (uuid: string): string => UUID_PREFIX + uuidText(uuidBytes(uuid));

const isUuid = (text: string): boolean => /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(text);

/**
 * The 16 bytes of a UUID, in the order of its text: as Host Identifiers and NIDT 3h hold it.
 *
 * @throws NqnError when `text` is not a UUID.
 */
export function uuidBytes(text: string): Uint8Array {
  if (!isUuid(text)) throw new NqnError("bad-uuid", text);
  return hexBytes(text.replaceAll("-", ""));
}

/** A UUID's 16 bytes as text, in lower case. */
export function uuidText(uuid: Uint8Array): string {
  const hex = hexText(uuid);
  const at = (from: number, to: number): string => hex.slice(from, to);
  return [at(0, 8), at(8, 12), at(12, 16), at(16, 20), at(20, 32)].join("-");
}

const hexOfByte: readonly string[] = Array.from({ length: 256 }, (_, byte) =>
  byte.toString(16).padStart(2, "0"),
);

/** Bytes as hexadecimal digits, first byte first: the usual form of an NGUID and an EUI64. */
export function hexText(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at++) text += hexOfByte[bytes[at]!]!;
  return text;
}

/**
 * The bytes of hexadecimal digits, in pairs; white space between them is skipped.
 *
 * @throws RangeError when there is an odd number of digits, or anything that is not one.
 */
export function hexBytes(text: string): Uint8Array {
  const digits = text.replace(/\s/g, "");
  if (!/^([\da-f]{2})*$/i.test(digits))
    throw new RangeError(`"${text}" is not pairs of hex digits`);
  const bytes = new Uint8Array(digits.length / 2);
  for (let at = 0; at < bytes.length; at++) {
    bytes[at] = Number.parseInt(digits.slice(2 * at, 2 * at + 2), 16);
  }
  return bytes;
}

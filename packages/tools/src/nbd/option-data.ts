// The data of options: names, what is asked of an export, queries for metadata contexts.
// Read first: the NBD protocol, "Option types".

import { STRING_BYTES_MAX } from "./protocol.ts";

/** What INFO and GO ask for. */
export interface InfoRequest {
  readonly name: string;
  /** `NbdInfo` numbers, those included that mean nothing. */
  readonly infos: ReadonlySet<number>;
}

/** What LIST_META_CONTEXT and SET_META_CONTEXT ask for. */
export interface MetaRequest {
  readonly name: string;
  readonly queries: readonly string[];
}

/** Why data cannot be meant; "too-big" where there is more of it than we look at. */
export type OptionFault = "invalid" | "too-big";

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Reads the data of one option from its beginning. Once it has run out of bytes, all is invalid. */
class OptionReader {
  readonly #view: DataView;
  readonly #end: number;
  #at: number;
  fault: OptionFault | undefined;

  constructor(view: DataView, base: number, bytes: number) {
    this.#view = view;
    this.#at = base;
    this.#end = base + bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#end;
  }

  u16(): number {
    return this.#takes(2) ? this.#view.getUint16(this.#at - 2) : 0;
  }

  u32(): number {
    return this.#takes(4) ? this.#view.getUint32(this.#at - 4) : 0;
  }

  string(bytes: number): string {
    if (bytes > STRING_BYTES_MAX) this.fault ??= "too-big";
    if (!this.#takes(bytes)) return "";
    const { buffer, byteOffset } = this.#view;
    const found = text(new Uint8Array(buffer, byteOffset + this.#at - bytes, bytes));
    if (found === undefined) this.fault ??= "invalid";
    return found ?? "";
  }

  /** Whether there are `bytes` more; then it is behind them. */
  #takes(bytes: number): boolean {
    if (this.fault === undefined && bytes > this.#end - this.#at) this.fault = "invalid";
    if (this.fault !== undefined) return false;
    this.#at += bytes;
    return true;
  }
}

/** UTF-8 without NUL; `undefined` for anything else. */
function text(bytes: Uint8Array): string | undefined {
  if (bytes.includes(0)) return undefined;
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** The data of EXPORT_NAME; `undefined` where it is no name. */
export function readName(view: DataView, base: number, bytes: number): string | undefined {
  const reader = new OptionReader(view, base, bytes);
  const name = reader.string(bytes);
  return reader.fault === undefined ? name : undefined;
}

/** The data of INFO and GO. */
export function readInfoRequest(
  view: DataView,
  base: number,
  bytes: number,
): InfoRequest | OptionFault {
  const reader = new OptionReader(view, base, bytes);
  const name = reader.string(reader.u32());
  const infos = new Set<number>();
  for (let left = reader.u16(); left > 0 && reader.fault === undefined; left--) {
    infos.add(reader.u16());
  }
  if (reader.fault === undefined && !reader.isAtEnd) return "invalid";
  return reader.fault ?? { name, infos };
}

/** The data of LIST_META_CONTEXT and SET_META_CONTEXT. */
export function readMetaRequest(
  view: DataView,
  base: number,
  bytes: number,
  queriesMax: number,
): MetaRequest | OptionFault {
  const reader = new OptionReader(view, base, bytes);
  const name = reader.string(reader.u32());
  const count = reader.u32();
  if (reader.fault === undefined && count > queriesMax) return "too-big";
  const queries: string[] = [];
  for (let i = 0; i < count && reader.fault === undefined; i++) {
    queries.push(reader.string(reader.u32()));
  }
  if (reader.fault === undefined && !reader.isAtEnd) return "invalid";
  return reader.fault ?? { name, queries };
}

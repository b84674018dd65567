// A raw NBD client for tests: sends what it is told, right or wrong, and takes apart what it receives.
// Read first: ../nbd/protocol.ts; the NBD protocol, "Protocol phases".

import type { NvmeofError } from "@nvmeof/codec";
import type { ByteStream, ByteStreamHandler, Connector, Region } from "@nvmeof/transport";
import {
  CHUNK_MAGIC,
  ChunkType,
  NbdCommand,
  NbdOption,
  OPTION_MAGIC,
  OptionReply,
  REQUEST_MAGIC,
  RequestHeader,
  SIMPLE_REPLY_MAGIC,
} from "../nbd/protocol.ts";
import { integers } from "../nbd/replies.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export const joined = (...parts: readonly Uint8Array[]): Uint8Array => {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
};

/** A length of 32 bits, and the text. */
export const text32 = (text: string): Uint8Array => {
  const bytes = encoder.encode(text);
  return joined(integers([4, bytes.length]), bytes);
};

/** An option with its data. */
export const optionOf = (option: number, ...data: readonly Uint8Array[]): Uint8Array => {
  const all = joined(...data);
  return joined(
    integers([4, OPTION_MAGIC.high], [4, OPTION_MAGIC.low], [4, option], [4, all.length]),
    all,
  );
};

/** Data of INFO and GO. */
export const infoData = (name: string, ...infos: readonly number[]): Uint8Array =>
  joined(text32(name), integers([2, infos.length], ...infos.map((each) => [2, each] as const)));

/** Data of LIST_META_CONTEXT and SET_META_CONTEXT. */
export const metaData = (name: string, ...queries: readonly string[]): Uint8Array =>
  joined(text32(name), integers([4, queries.length]), ...queries.map(text32));

/** What a request says; the rest is zero. */
export interface RequestFields {
  readonly type: number;
  readonly magic?: number;
  readonly flags?: number;
  readonly cookie?: number;
  readonly offset?: number | bigint;
  readonly length?: number;
  readonly data?: Uint8Array;
}

export function requestOf(fields: RequestFields): Uint8Array {
  const { type, magic = REQUEST_MAGIC, flags = 0, cookie = 0, offset = 0, data } = fields;
  const view = new DataView(new ArrayBuffer(RequestHeader.size));
  RequestHeader.magic.set(view, 0, magic);
  RequestHeader.flags.set(view, 0, flags);
  RequestHeader.type.set(view, 0, type);
  RequestHeader.cookieHigh.set(view, 0, 0x7fff_0001);
  RequestHeader.cookieLow.set(view, 0, cookie);
  view.setBigUint64(16, BigInt(offset));
  RequestHeader.length.set(view, 0, fields.length ?? data?.length ?? 0);
  return joined(new Uint8Array(view.buffer), data ?? new Uint8Array(0));
}

/** A reply to an option. */
export interface OptionAnswer {
  readonly option: number;
  readonly type: number;
  readonly data: Uint8Array;
}

/** A simple reply, or a chunk of a structured one. */
export interface Answer {
  readonly cookie: number;
  readonly errno: number;
  /** "simple", or a chunk's. */
  readonly kind: "simple" | "none" | "data" | "hole" | "extents" | "error";
  readonly isLast: boolean;
  /** Of data and holes. */
  readonly offset: number;
  readonly length: number;
  readonly data: Uint8Array;
  /** Lengths and flags in turn. */
  readonly extents: readonly number[];
  readonly message: string;
}

const kinds: Readonly<Record<number, Answer["kind"]>> = {
  [ChunkType.None]: "none",
  [ChunkType.OffsetData]: "data",
  [ChunkType.OffsetHole]: "hole",
  [ChunkType.BlockStatus]: "extents",
  [ChunkType.Error]: "error",
};

/** A client that does nothing by itself. */
export class RawNbdClient implements ByteStreamHandler {
  state: "connecting" | "open" | "ended" = "connecting";
  error: NvmeofError | undefined;
  /** Called after anything happened: what a test over real sockets waits for. */
  onEvent: (() => void) | undefined;
  #stream!: ByteStream;
  #bytes: Uint8Array = new Uint8Array(0);
  /** Lengths of reads that were asked for without structure, by their cookie. */
  readonly #reads = new Map<number, number>();

  static connect(connector: Connector): RawNbdClient {
    const client = new RawNbdClient();
    const options = { receiveBytes: 64 * 1024, connectTimeoutMs: 10_000 };
    client.#stream = connector.connect(options, client);
    return client;
  }

  get stream(): ByteStream {
    return this.#stream;
  }

  /** What was received and not taken. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  send(...parts: readonly Uint8Array[]): void {
    this.#stream.write([joined(...parts)]);
  }

  request(fields: RequestFields): void {
    const { type, cookie = 0, length = 0 } = fields;
    if (type === NbdCommand.Read) this.#reads.set(cookie, length);
    else this.#reads.delete(cookie);
    this.send(requestOf(fields));
  }

  take(bytes: number): Uint8Array {
    if (bytes > this.#bytes.length) throw new Error(`only ${this.#bytes.length} bytes came`);
    const taken = this.#bytes.slice(0, bytes);
    this.#bytes = this.#bytes.slice(bytes);
    return taken;
  }

  /** The first words of the server, answered with these flags. */
  hello(flags = 3): void {
    const hello = decoder.decode(this.take(16));
    if (hello !== "NBDMAGICIHAVEOPT") throw new Error(`the server says ${hello}`);
    this.take(2);
    this.send(integers([4, flags]));
  }

  /** All replies to options that have come. */
  optionAnswers(): OptionAnswer[] {
    const answers: OptionAnswer[] = [];
    while (this.#bytes.length >= 20) {
      const view = viewOf(this.take(20));
      if (view.getUint32(0) !== 0x3e889 || view.getUint32(4) !== 0x0455_65a9) {
        throw new Error("no reply to an option");
      }
      const data = this.take(view.getUint32(16));
      answers.push({ option: view.getUint32(8), type: view.getUint32(12), data });
    }
    return answers;
  }

  /** All replies to requests that have come. */
  answers(): Answer[] {
    const answers: Answer[] = [];
    while (this.#bytes.length >= 16) {
      const magic = viewOf(this.#bytes).getUint32(0);
      if (magic === SIMPLE_REPLY_MAGIC) answers.push(this.#simple());
      else if (magic === CHUNK_MAGIC) answers.push(this.#chunk());
      else throw new Error(`a reply begins with ${magic.toString(16)}h`);
    }
    return answers;
  }

  #simple(): Answer {
    const view = viewOf(this.take(16));
    const errno = view.getUint32(4);
    const cookie = view.getUint32(12);
    const length = errno === 0 ? (this.#reads.get(cookie) ?? 0) : 0;
    return {
      ...nothing,
      kind: "simple",
      isLast: true,
      cookie,
      errno,
      length,
      data: this.take(length),
    };
  }

  #chunk(): Answer {
    const view = viewOf(this.take(20));
    const kind = kinds[view.getUint16(6)]!;
    const cookie = view.getUint32(12);
    const isLast = view.getUint16(4) === 1;
    const payload = this.take(view.getUint32(16));
    const inside = viewOf(payload);
    const head = { ...nothing, kind, cookie, isLast };
    if (kind === "data") {
      const data = payload.slice(8);
      return { ...head, offset: Number(inside.getBigUint64(0)), length: data.length, data };
    }
    if (kind === "hole") {
      return { ...head, offset: Number(inside.getBigUint64(0)), length: inside.getUint32(8) };
    }
    if (kind === "extents") {
      const count = payload.length / 4 - 1;
      const extents = Array.from({ length: count }, (_, i) => inside.getUint32(4 + i * 4));
      return { ...head, extents };
    }
    if (kind !== "error") return head;
    return { ...head, errno: inside.getUint32(0), message: decoder.decode(payload.slice(6)) };
  }

  opened(): void {
    this.state = "open";
    this.onEvent?.();
  }

  received(buffer: Region, start: number, end: number): void {
    this.#bytes = joined(this.#bytes, buffer.bytes.subarray(start, end));
    this.onEvent?.();
  }

  drained(): void {
    this.onEvent?.();
  }

  ended(error: NvmeofError | undefined): void {
    this.state = "ended";
    this.error = error;
    this.onEvent?.();
  }
}

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const nothing: Answer = {
  cookie: 0,
  errno: 0,
  kind: "none",
  isLast: true,
  offset: 0,
  length: 0,
  data: new Uint8Array(0),
  extents: [],
  message: "",
};

/** Puts the chunks of a structured read together; NaN bytes where nothing came. */
export function assembled(answers: readonly Answer[], offset: number, length: number): Uint8Array {
  const whole = new Uint8Array(length);
  let covered = 0;
  for (const answer of answers) {
    if (answer.kind !== "data" && answer.kind !== "hole") continue;
    covered += answer.length;
    if (answer.kind === "data") whole.set(answer.data, answer.offset - offset);
  }
  if (covered !== length) throw new Error(`${covered} bytes of ${length} came`);
  return whole;
}

/** What GO answers, if it lets the client in. */
export interface Entered {
  readonly sizeBytes: number;
  readonly flags: number;
}

/** Options up to GO, which must succeed. `settle` lets the server answer. */
export function enter(
  client: RawNbdClient,
  settle: () => void,
  how: {
    readonly name?: string;
    readonly structured?: boolean;
    readonly allocation?: boolean;
  } = {},
): Entered {
  const { name = "", structured = false, allocation = false } = how;
  settle();
  client.hello();
  if (structured) client.send(optionOf(NbdOption.StructuredReply));
  if (allocation)
    client.send(optionOf(NbdOption.SetMetaContext, metaData(name, "base:allocation")));
  client.send(optionOf(NbdOption.Go, infoData(name)));
  settle();
  const answers = client.optionAnswers();
  const last = answers.at(-1);
  if (last?.option !== NbdOption.Go || last.type !== OptionReply.Ack) {
    throw new Error(`not let in: ${JSON.stringify(answers)}`);
  }
  const info = answers.find(({ type }) => type === OptionReply.Info)!;
  const view = viewOf(info.data);
  return { sizeBytes: Number(view.getBigUint64(2)), flags: view.getUint16(10) };
}

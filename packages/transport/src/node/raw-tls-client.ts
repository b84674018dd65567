// A client of TLS 1.3 that says what no decent one says: for tests. Not part of the package's interface.
// Read first: RFC 8446 §4 (messages), §5.2 (records), §7.1 (keys). One suite, one group, one PSK, and what the
// server says is believed: it shows what a server does with a client, and is of no other use.

import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  randomBytes,
} from "node:crypto";
import type { Socket } from "node:net";

const HASH_BYTES = 32;
export const ContentType = { Alert: 21, Handshake: 22, Data: 23 } as const;
export const HandshakeType = { NewSessionTicket: 4, Finished: 20, KeyUpdate: 24 } as const;
/** What stands before the 32 bytes of an X25519 key in its SPKI form. */
const X25519_SPKI = Buffer.from("302a300506032b656e032100", "hex");

const u8 = (value: number): Buffer => Buffer.from([value]);
const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff]);
/** With its length before it, in one or two bytes. */
const short = (...parts: Uint8Array[]): Buffer => {
  const body = Buffer.concat(parts);
  return Buffer.concat([u8(body.length), body]);
};
const long = (...parts: Uint8Array[]): Buffer => {
  const body = Buffer.concat(parts);
  return Buffer.concat([u16(body.length), body]);
};
const extension = (type: number, ...parts: Uint8Array[]): Buffer =>
  Buffer.concat([u16(type), long(...parts)]);
const message = (type: number, body: Uint8Array): Buffer =>
  Buffer.concat([u8(type), u8(0), u16(body.length), body]);
export const record = (type: number, body: Uint8Array): Buffer =>
  Buffer.concat([u8(type), u16(0x0303), u16(body.length), body]);

const sha256 = (...parts: Uint8Array[]): Buffer =>
  createHash("sha256").update(Buffer.concat(parts)).digest();
const hmac = (key: Uint8Array, data: Uint8Array): Buffer =>
  createHmac("sha256", key).update(data).digest();

function expandLabel(
  secret: Uint8Array,
  label: string,
  context: Uint8Array,
  bytes: number,
): Buffer {
  const info = Buffer.concat([u16(bytes), short(Buffer.from(`tls13 ${label}`)), short(context)]);
  return hmac(secret, Buffer.concat([info, u8(1)])).subarray(0, bytes);
}
const nothing = Buffer.alloc(0);
const zeroes = Buffer.alloc(HASH_BYTES);
const derive = (secret: Uint8Array, label: string, transcript: Uint8Array): Buffer =>
  expandLabel(secret, label, sha256(transcript), HASH_BYTES);

/** Keys of one direction: seal and open count their records. */
class Traffic {
  #secret: Buffer;
  #key!: Buffer;
  #iv!: Buffer;
  #count = 0n;

  constructor(secret: Buffer) {
    this.#secret = secret;
    this.#install();
  }

  /** A record; `inner` is the type that shows only inside. */
  seal(inner: number, body: Uint8Array): Buffer {
    const head = Buffer.concat([u8(ContentType.Data), u16(0x0303), u16(body.length + 17)]);
    const cipher = createCipheriv("aes-128-gcm", this.#key, this.#nonce());
    cipher.setAAD(head);
    const sealed = [cipher.update(Buffer.concat([body, u8(inner)])), cipher.final()];
    return Buffer.concat([head, ...sealed, cipher.getAuthTag()]);
  }

  /** What is in a record, with its type at the end. */
  open(head: Buffer, body: Buffer): Buffer {
    const decipher = createDecipheriv("aes-128-gcm", this.#key, this.#nonce());
    decipher.setAAD(head);
    decipher.setAuthTag(body.subarray(-16));
    return Buffer.concat([decipher.update(body.subarray(0, -16)), decipher.final()]);
  }

  update(): void {
    this.#secret = expandLabel(this.#secret, "traffic upd", nothing, HASH_BYTES);
    this.#install();
  }

  #install(): void {
    this.#key = expandLabel(this.#secret, "key", nothing, 16);
    this.#iv = expandLabel(this.#secret, "iv", nothing, 12);
    this.#count = 0n;
  }

  #nonce(): Buffer {
    const nonce = Buffer.from(this.#iv);
    nonce.writeBigUInt64BE(nonce.readBigUInt64BE(4) ^ this.#count++, 4);
    return nonce;
  }
}

/** The key share in a ServerHello, of the group that was offered. */
function shareIn(hello: Buffer): Buffer {
  const sessionEnd = 39 + hello[38]!;
  for (let at = sessionEnd + 5; at < hello.length;) {
    const end = at + 4 + hello.readUInt16BE(at + 2);
    if (hello.readUInt16BE(at) === 51) return hello.subarray(at + 8, end);
    at = end;
  }
  throw new Error("a ServerHello without a key share");
}

/** What a client says of itself. */
export interface RawTlsOptions {
  readonly identity: Uint8Array;
  readonly psk: Uint8Array;
  /** Suites that it offers. Default TLS_AES_128_GCM_SHA256. */
  readonly suites?: readonly number[];
  /** Versions that it offers. Default TLS 1.3. */
  readonly versions?: readonly number[];
  /** It says that data without a round trip follows. */
  readonly earlyData?: boolean;
}

/** Something that the server said. */
export interface Said {
  readonly type: number;
  readonly body: Buffer;
}

export class RawTlsClient {
  /** What the server said after the handshake, or in place of it. */
  readonly said: Said[] = [];
  /** Called when it has said something, and when it has gone. */
  onEvent = (): void => {};
  /** Called in the middle of what it does when it has sent its last message of the handshake. */
  onOpen = (): void => {};
  state: "shaking" | "open" | "ended" = "shaking";
  /** Set to false, it leaves the handshake unfinished. */
  finishes = true;
  readonly #socket: Socket;
  readonly #options: RawTlsOptions;
  readonly #keys = generateKeyPairSync("x25519");
  #transcript: Buffer = nothing;
  #early!: Buffer;
  #handshake!: Buffer;
  #clientSecret!: Buffer;
  #in: Traffic | undefined;
  #out: Traffic | undefined;
  #pending: Buffer = nothing;

  constructor(socket: Socket, options: RawTlsOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.on("data", (chunk: Buffer) => this.#received(chunk));
    socket.on("error", () => {});
    socket.on("close", () => {
      this.state = "ended";
      this.onEvent();
    });
  }

  /** ClientHello as a record. */
  hello(): Buffer {
    const { identity, psk, suites = [0x1301], versions = [0x0304], earlyData } = this.#options;
    const publicKey = this.#keys.publicKey.export({ type: "spki", format: "der" }).subarray(-32);
    const fixed = [
      extension(43, short(...versions.map(u16))),
      extension(10, long(u16(0x1d))),
      extension(51, long(u16(0x1d), long(publicKey))),
      extension(45, short(u8(1))),
      ...(earlyData === true ? [extension(42)] : []),
    ];
    const identities = long(long(identity), Buffer.alloc(4));
    const binderBytes = 2 + 1 + HASH_BYTES;
    const psks = Buffer.concat([u16(41), u16(identities.length + binderBytes), identities]);
    const extensions = Buffer.concat([...fixed, psks]);
    const body = Buffer.concat([
      u16(0x0303),
      randomBytes(32),
      short(randomBytes(32)),
      long(...suites.map(u16)),
      short(u8(0)),
      u16(extensions.length + binderBytes),
      extensions,
    ]);
    const head = Buffer.concat([u8(1), u8(0), u16(body.length + binderBytes)]);
    this.#early = hmac(zeroes, psk);
    const binderKey = derive(this.#early, "ext binder", nothing);
    const truncated = Buffer.concat([head, body]);
    const binder = hmac(expandLabel(binderKey, "finished", nothing, HASH_BYTES), sha256(truncated));
    this.#transcript = Buffer.concat([truncated, long(short(binder))]);
    return record(ContentType.Handshake, this.#transcript);
  }

  /** A record of data without a round trip, after {@link hello}. */
  earlyData(body: Uint8Array): Buffer {
    return new Traffic(derive(this.#early, "c e traffic", this.#transcript)).seal(23, body);
  }

  /** A record as it goes over the connection, once that is open. */
  seal(type: number, body: Uint8Array): Buffer {
    return this.#out!.seal(type, body);
  }

  /** A KeyUpdate, after which our own keys are others. */
  keyUpdate(request: boolean): Buffer {
    const sealed = this.seal(
      ContentType.Handshake,
      message(HandshakeType.KeyUpdate, u8(request ? 1 : 0)),
    );
    this.#out!.update();
    return sealed;
  }

  #received(chunk: Buffer): void {
    this.#pending = Buffer.concat([this.#pending, chunk]);
    while (this.#pending.length >= 5) {
      const end = 5 + this.#pending.readUInt16BE(3);
      if (this.#pending.length < end) break;
      const head = this.#pending.subarray(0, 5);
      const body = this.#pending.subarray(5, end);
      this.#pending = this.#pending.subarray(end);
      this.#record(head, body);
    }
    this.onEvent();
  }

  #record(head: Buffer, body: Buffer): void {
    const type = head[0]!;
    if (type === 20) return; // ChangeCipherSpec, which means nothing
    if (this.#in === undefined) {
      if (type === ContentType.Handshake) this.#serverHello(body);
      else this.said.push({ type, body });
      return;
    }
    const inner = this.#in.open(head, body);
    const content = inner.subarray(0, -1);
    const innerType = inner.at(-1)!;
    if (innerType === ContentType.Handshake && this.state === "shaking") this.#flight(content);
    else this.#say(innerType, content);
  }

  #say(type: number, body: Buffer): void {
    this.said.push({ type, body });
    const isUpdate = type === ContentType.Handshake && body[0] === HandshakeType.KeyUpdate;
    if (isUpdate) this.#in!.update();
  }

  #serverHello(body: Buffer): void {
    this.#transcript = Buffer.concat([this.#transcript, body]);
    const share = shareIn(body);
    const publicKey = createPublicKey({
      key: Buffer.concat([X25519_SPKI, share]),
      type: "spki",
      format: "der",
    });
    const shared = diffieHellman({ privateKey: this.#keys.privateKey, publicKey });
    this.#handshake = hmac(derive(this.#early, "derived", nothing), shared);
    this.#in = new Traffic(derive(this.#handshake, "s hs traffic", this.#transcript));
    this.#clientSecret = derive(this.#handshake, "c hs traffic", this.#transcript);
    this.#out = new Traffic(this.#clientSecret);
  }

  /** Messages up to Finished, which we answer. */
  #flight(content: Buffer): void {
    for (let at = 0; at < content.length;) {
      const end = at + 4 + content.readUIntBE(at + 1, 3);
      const isFinished = content[at] === HandshakeType.Finished;
      const before = this.#transcript;
      this.#transcript = Buffer.concat([before, content.subarray(at, end)]);
      at = end;
      if (isFinished && this.finishes) this.#finish();
    }
  }

  #finish(): void {
    const key = this.#clientSecret;
    const verify = hmac(
      expandLabel(key, "finished", nothing, HASH_BYTES),
      sha256(this.#transcript),
    );
    const finished = this.#out!.seal(
      ContentType.Handshake,
      message(HandshakeType.Finished, verify),
    );
    const master = hmac(derive(this.#handshake, "derived", nothing), zeroes);
    this.#in = new Traffic(derive(master, "s ap traffic", this.#transcript));
    this.#out = new Traffic(derive(master, "c ap traffic", this.#transcript));
    this.state = "open";
    this.#socket.write(finished);
    this.onOpen();
  }
}

// Bare responder in JavaScript: what Node's sockets allow when the target costs next to nothing. The
// ceiling of our target, and the stand-in for responder.c where there is no compiler.
// Read first: responder.c, which answers the same; NVMe/TCP 1.0 §3.3 "Data Transfer Model".
//   responder <namespaces>      prints {"port":…}; ends when its stdin does

import { type AddressInfo, Socket, type SocketConstructorOpts, createServer } from "node:net";
import { patternOf, say } from "../meter.ts";
import { type BareAnswer, answerTo } from "./admin.ts";
import { Staging } from "./staging.ts";

const HEADER_BYTES = 24;
const COMMAND_BYTES = 72;
const RECEIVE_BYTES = 512 * 1024;
const SMALL_BYTES_MAX = 8192;
const BLOCK_SHIFT = 12;
const CAPSULE_CMD = 4;
const CAPSULE_RESP = 5;
const H2C_DATA = 6;
const C2H_DATA = 7;
const R2T = 9;
/** LAST_PDU and SUCCESS. */
const LAST_SUCCESS = 12;

const namespaces = Number(process.argv[2] ?? 1);
/** What every read returns. */
const payload = patternOf(1 << 20);

class BareConnection {
  readonly #socket: Socket;
  readonly #buffer: Uint8Array;
  readonly #header = new Uint8Array(128);
  #headerBytes = 0;
  /** Data of a write that is to come, and the CID that it completes; -1 for none. */
  #left = 0;
  #completes = -1;
  #isIo = false;
  #cc = 0;
  /** Answers of this turn: type, CID and bytes of each. */
  #answers = new Int32Array(3 * 4096);
  #answerCount = 0;
  readonly #staging = new Staging();

  constructor(handle: unknown) {
    this.#buffer = new Uint8Array(RECEIVE_BYTES);
    const callback = (count: number): boolean => {
      this.#input(this.#buffer, count);
      return true;
    };
    const onread = { buffer: this.#buffer, callback };
    // Not in the types of Node: a server has no such option for the sockets that it accepts.
    this.#socket = new Socket({ handle, onread } as SocketConstructorOpts);
    this.#socket.on("error", () => this.#socket.destroy());
    this.#socket.on("end", () => this.#socket.end());
    this.#socket.resume();
  }

  #input(buffer: Uint8Array, count: number): void {
    let at = 0;
    for (;;) {
      if (this.#left > 0) {
        const took = Math.min(this.#left, count - at);
        at += took;
        this.#left -= took;
        if (this.#left > 0) break;
        if (this.#completes >= 0) this.#answer(CAPSULE_RESP, this.#completes, 0);
      }
      if (at >= count) break;
      const type = this.#headerBytes > 0 ? this.#header[0]! : buffer[at]!;
      const wanted = type === H2C_DATA ? HEADER_BYTES : type === CAPSULE_CMD ? COMMAND_BYTES : 128;
      let header = buffer;
      let base = at;
      if (this.#headerBytes > 0 || count - at < wanted) {
        while (this.#headerBytes < wanted && at < count) {
          this.#header[this.#headerBytes++] = buffer[at++]!;
        }
        if (this.#headerBytes < wanted) break;
        header = this.#header;
        base = 0;
        this.#headerBytes = 0;
      } else at += wanted;
      this.#take(header, base, type);
    }
    this.#flush();
  }

  #take(h: Uint8Array, base: number, type: number): void {
    const plen = h[base + 4]! | (h[base + 5]! << 8) | (h[base + 6]! << 16);
    switch (type) {
      case CAPSULE_CMD: {
        if (!this.#isIo) {
          this.#admin(h.slice(base, base + COMMAND_BYTES), plen - COMMAND_BYTES);
          break;
        }
        const cid = h[base + 10]! | (h[base + 11]! << 8);
        const bytes = ((h[base + 56]! | (h[base + 57]! << 8)) + 1) << BLOCK_SHIFT;
        if (h[base + 8] === 2) this.#answer(C2H_DATA, cid, bytes);
        else if (plen > COMMAND_BYTES) this.#expect(plen - COMMAND_BYTES, cid);
        else this.#answer(R2T, cid, bytes);
        break;
      }
      case H2C_DATA:
        this.#expect(plen - HEADER_BYTES, h[base + 8]! | (h[base + 9]! << 8));
        break;
      default:
        // ICReq; without digests, whatever it asks for.
        this.#reply(answerTo.initialize());
    }
  }

  #expect(bytes: number, cid: number): void {
    this.#left = bytes;
    this.#completes = cid;
  }

  #admin(capsule: Uint8Array, dataBytes: number): void {
    if (dataBytes > 0) this.#expect(dataBytes, -1);
    const { pdus, cc, isIo } = answerTo.command(capsule, this.#cc, namespaces);
    this.#cc = cc;
    this.#isIo = isIo;
    for (const pdu of pdus) this.#reply(pdu);
  }

  #reply(pdu: BareAnswer): void {
    this.#socket.write(pdu);
  }

  #answer(type: number, cid: number, bytes: number): void {
    const at = 3 * this.#answerCount++;
    this.#answers[at] = type;
    this.#answers[at + 1] = cid;
    this.#answers[at + 2] = bytes;
  }

  #flush(): void {
    const count = this.#answerCount;
    if (count === 0) return;
    this.#answerCount = 0;
    let room = 0;
    for (let i = 0; i < count; i++) room += HEADER_BYTES + this.#copied(3 * i);
    const staged = this.#staging.take(room);
    let from = 0;
    let to = 0;
    for (let i = 0; i < count; i++) {
      const bytes = this.#answers[3 * i + 2]!;
      const copied = this.#copied(3 * i);
      to = this.#stage(staged.bytes, to, 3 * i);
      if (copied > 0) {
        staged.bytes.set(copied === 4096 ? page : payload.subarray(0, copied), to);
        to += copied;
      } else if (this.#answers[3 * i] === C2H_DATA) {
        if (from === 0) this.#socket.cork();
        this.#socket.write(staged.bytes.subarray(from, to));
        const large = payload.subarray(0, bytes);
        if (i === count - 1) this.#socket.write(large, staged.release);
        else this.#socket.write(large);
        from = to;
      }
    }
    if (to > from) this.#socket.write(staged.bytes.subarray(from, to), staged.release);
    if (from > 0) this.#socket.uncork();
  }

  /** Bytes of data of an answer that are copied behind its header. */
  #copied(at: number): number {
    const bytes = this.#answers[at + 2]!;
    return this.#answers[at] === C2H_DATA && bytes <= SMALL_BYTES_MAX ? bytes : 0;
  }

  #stage(to: Uint8Array, base: number, at: number): number {
    const type = this.#answers[at]!;
    const cid = this.#answers[at + 1]!;
    const bytes = this.#answers[at + 2]!;
    const plen = HEADER_BYTES + (type === C2H_DATA ? bytes : 0);
    to.fill(0, base, base + HEADER_BYTES);
    to[base] = type;
    to[base + 2] = HEADER_BYTES;
    to[base + 4] = plen;
    to[base + 5] = plen >> 8;
    to[base + 6] = plen >> 16;
    if (type === CAPSULE_RESP) {
      to[base + 20] = cid;
      to[base + 21] = cid >> 8;
      return base + HEADER_BYTES;
    }
    if (type === C2H_DATA) {
      to[base + 1] = LAST_SUCCESS;
      to[base + 3] = HEADER_BYTES;
    }
    to[base + 8] = cid;
    to[base + 9] = cid >> 8;
    to[base + 10] = cid;
    to[base + 11] = cid >> 8;
    to[base + 16] = bytes;
    to[base + 17] = bytes >> 8;
    to[base + 18] = bytes >> 16;
    return base + HEADER_BYTES;
  }
}

const page = payload.subarray(0, 4096);
/** All that ever came: a run has few. */
const connections = new Set<BareConnection>();
const server = createServer({ noDelay: true, pauseOnConnect: true }, (socket) => {
  const holder = socket as unknown as { _handle: unknown };
  const handle = holder._handle;
  holder._handle = null;
  connections.add(new BareConnection(handle));
});
server.listen({ host: "127.0.0.1", port: 0 }, () => {
  say({ port: (server.address() as AddressInfo).port });
});
process.stdin.resume().on("end", () => process.exit(0));

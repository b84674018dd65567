// Bare client: what Node's sockets allow when the host costs next to nothing. The ceiling of our host.
// Read first: ../meter.ts; queue.ts for how it connects. No states, no deadlines, no buffers of callers:
// one receive buffer for good, prebuilt capsules, and one write for all that a turn has to send.

import { SglId } from "@nvmeof/codec";
import {
  BLOCK_BYTES,
  BLOCK_COUNT,
  type LoadOptions,
  Meter,
  Places,
  loadOptions,
  runSlices,
} from "../meter.ts";
import { type BareQueue, bareController } from "./queue.ts";
import { Staging } from "./staging.ts";

const HEADER_BYTES = 24;
const COMMAND_BYTES = 72;
/** Data up to this many bytes travels in the capsule, and is copied; beyond, it goes by reference. */
const SMALL_BYTES_MAX = 8192;
const CAPSULE_RESP = 5;
const C2H_DATA = 7;
const R2T = 9;
const FLAG_SUCCESS = 8;

class BareClient {
  readonly #queue: BareQueue;
  readonly #options: LoadOptions;
  readonly #meter: Meter;
  readonly #places: Places;
  readonly #blocksEach: number;
  readonly #data: Uint8Array;
  readonly #inCapsule: boolean;
  readonly #capsules: Uint8Array[];
  readonly #slbas: Uint32Array[];
  readonly #dataHeaders: Uint8Array[];
  readonly #header = new Uint8Array(HEADER_BYTES);
  #headerBytes = 0;
  /** Payload to come, and what follows it: the CID that it completes, -1 for none. */
  #left = 0;
  #completes = -1;
  /** What this turn has to send: CIDs of commands, and those of data as their complement. */
  readonly #toSend: Int32Array;
  #toSendCount = 0;
  readonly #staging = new Staging();
  readonly #depth: number;
  /** The CID whose I/Os are timed; -1 for none. */
  readonly #timed: number;
  readonly #drained: () => void;

  /** @param drained is called, once or more, when all of every client has completed. */
  constructor(
    queue: BareQueue,
    options: LoadOptions,
    index: number,
    meter: Meter,
    drained: () => void,
  ) {
    const { bytes, op, blocks = BLOCK_COUNT, queues = 1 } = options;
    this.#places = new Places(blocks, 1);
    const depth = Math.ceil((options.depth - index) / queues);
    this.#depth = depth;
    this.#timed = index === 0 ? 0 : -1;
    this.#drained = drained;
    this.#queue = queue;
    this.#options = options;
    this.#meter = meter;
    this.#blocksEach = bytes / BLOCK_BYTES;
    this.#data = new Uint8Array(bytes).fill(0x5a);
    this.#inCapsule = op === "write" && bytes <= SMALL_BYTES_MAX;
    this.#toSend = new Int32Array(4 * depth);
    this.#capsules = Array.from({ length: depth }, (_, cid) => this.#capsule(cid));
    this.#slbas = this.#capsules.map(({ buffer }) => new Uint32Array(buffer, 48, 1));
    this.#dataHeaders = Array.from({ length: depth }, () => new Uint8Array(HEADER_BYTES));
  }

  /** Begins a slice: a command on every lane. */
  start(): void {
    this.#queue.received = (count) => this.#input(this.#queue.buffer, count);
    for (let cid = 0; cid < this.#depth; cid++) this.#submit(cid);
    this.#flush();
  }

  #capsule(cid: number): Uint8Array {
    const { bytes, op } = this.#options;
    const capsule = new Uint8Array(COMMAND_BYTES);
    const view = new DataView(capsule.buffer);
    view.setUint8(0, 4);
    view.setUint8(2, COMMAND_BYTES);
    view.setUint8(3, this.#inCapsule ? COMMAND_BYTES : 0);
    view.setUint32(4, this.#inCapsule ? COMMAND_BYTES + bytes : COMMAND_BYTES, true);
    view.setUint8(8, op === "write" ? 1 : 2);
    view.setUint8(9, 0x40); // PSDT: SGL
    view.setUint16(10, cid, true);
    view.setUint32(12, 1, true); // NSID
    view.setUint32(40, bytes, true);
    view.setUint8(47, this.#inCapsule ? SglId.InCapsule : SglId.Transport);
    view.setUint16(56, bytes / BLOCK_BYTES - 1, true);
    return capsule;
  }

  /** One pass over what has come. */
  #input(buffer: Uint8Array, count: number): void {
    let at = 0;
    while (at < count) {
      if (this.#left > 0) {
        const took = Math.min(this.#left, count - at);
        at += took;
        this.#left -= took;
        if (this.#left === 0 && this.#completes >= 0) this.#complete(this.#completes);
        continue;
      }
      let header = buffer;
      let base = at;
      if (this.#headerBytes > 0 || count - at < HEADER_BYTES) {
        while (this.#headerBytes < HEADER_BYTES && at < count) {
          this.#header[this.#headerBytes++] = buffer[at++]!;
        }
        if (this.#headerBytes < HEADER_BYTES) break;
        header = this.#header;
        base = 0;
        this.#headerBytes = 0;
      } else at += HEADER_BYTES;
      this.#take(header, base);
    }
    this.#flush();
    if (this.#meter.isOver && this.#meter.completed === this.#meter.submitted) this.#drained();
  }

  #take(h: Uint8Array, base: number): void {
    switch (h[base]!) {
      case C2H_DATA: {
        const cid = h[base + 8]! | (h[base + 9]! << 8);
        this.#left = (h[base + 4]! | (h[base + 5]! << 8) | (h[base + 6]! << 16)) - HEADER_BYTES;
        this.#completes = (h[base + 1]! & FLAG_SUCCESS) !== 0 ? cid : -1;
        break;
      }
      case CAPSULE_RESP:
        if ((h[base + 22]! & 0xfe) !== 0 || h[base + 23] !== 0) this.#meter.failed++;
        this.#complete(h[base + 20]! | (h[base + 21]! << 8));
        break;
      case R2T:
        this.#sendData(h, base);
        break;
      default:
        throw new Error(`a PDU of type ${h[base]}`);
    }
  }

  /** The header of the data that an R2T asks for: its tag and its range, as they came. */
  #sendData(r2t: Uint8Array, base: number): void {
    const cid = r2t[base + 8]! | (r2t[base + 9]! << 8);
    const header = this.#dataHeaders[cid]!;
    for (let i = 8; i < 20; i++) header[i] = r2t[base + i]!;
    header[0] = 6;
    header[1] = 4; // LAST_PDU
    header[2] = HEADER_BYTES;
    header[3] = HEADER_BYTES;
    const bytes =
      HEADER_BYTES + (r2t[base + 16]! | (r2t[base + 17]! << 8) | (r2t[base + 18]! << 16));
    header[4] = bytes;
    header[5] = bytes >> 8;
    header[6] = bytes >> 16;
    this.#toSend[this.#toSendCount++] = ~cid;
  }

  #complete(cid: number): void {
    const meter = this.#meter;
    meter.completed++;
    if (cid === this.#timed) meter.tick();
    if (!meter.isOver) this.#submit(cid);
  }

  #submit(cid: number): void {
    this.#meter.submitted++;
    // Blocks of an I/O that would go beyond the end begin where the namespace does.
    this.#slbas[cid]![0] = this.#places.next() & -this.#blocksEach;
    this.#toSend[this.#toSendCount++] = cid;
  }

  /** Everything that this turn has queued, in one write: copied, or gathered around large data. */
  #flush(): void {
    const count = this.#toSendCount;
    if (count === 0) return;
    this.#toSendCount = 0;
    const staged = this.#staging.take(
      count * (COMMAND_BYTES + (this.#inCapsule ? this.#data.length : 0)),
    );
    const { socket } = this.#queue;
    let from = 0;
    let to = 0;
    for (let i = 0; i < count; i++) {
      const entry = this.#toSend[i]!;
      const header = entry < 0 ? this.#dataHeaders[~entry]! : this.#capsules[entry]!;
      staged.bytes.set(header, to);
      to += header.length;
      if (this.#inCapsule) {
        staged.bytes.set(this.#data, to);
        to += this.#data.length;
      } else if (entry < 0) {
        if (from === 0) socket.cork();
        socket.write(staged.bytes.subarray(from, to));
        // Of the last piece it is heard when all are out.
        if (i === count - 1) socket.write(this.#data, staged.release);
        else socket.write(this.#data);
        from = to;
      }
    }
    if (to > from) socket.write(staged.bytes.subarray(from, to), staged.release);
    if (from > 0) socket.uncork();
  }
}

const options = loadOptions();
const { depth, queues = 1 } = options;
const entries = Math.ceil(depth / queues) + 1;
const meter = new Meter();
let drained = (): void => {};
const io = await bareController({ port: options.port, queues, entries });
const clients = io.map((queue, i) => new BareClient(queue, options, i, meter, () => drained()));
await runSlices(
  meter,
  () =>
    new Promise((resolve) => {
      drained = resolve;
      for (const client of clients) client.start();
    }),
);
process.exit(0);

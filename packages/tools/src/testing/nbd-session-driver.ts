// Drives the machine of an NBD session with bytes alone: no stream, no timer, a device that answers at once.
// For whoever throws bytes at it: the outcome is a function of the bytes, however they are cut.
// Read first: ../nbd/session.ts.

import { memoryDevice } from "@nvmeof/bdev";
import { BufferPool } from "@nvmeof/target";
import { Region } from "@nvmeof/transport";
import { VirtualClock } from "@nvmeof/transport/testing";
import { ByteOp } from "../nbd/byte-channel.ts";
import { NbdExport } from "../nbd/export.ts";
import type { TlsMode } from "../nbd/handshake.ts";
import { type NbdLimits, resolveNbdLimits } from "../nbd/limits.ts";
import type { NbdRequest } from "../nbd/request.ts";
import { type NbdEnd, NbdSession } from "../nbd/session.ts";
import { joined } from "./nbd-client.ts";

const BLOCK_BYTES = 512;
const BLOCKS = 256;

const opNames: readonly string[] = Object.keys(ByteOp);

/** What came of a session. */
export interface SessionOutcome {
  /** All that the server said. */
  readonly output: Uint8Array;
  /** Why it ended; undefined if it has not. */
  readonly end: NbdEnd | undefined;
  /** What the device was asked for, in order: "Read". */
  readonly commands: readonly string[];
  /** What the disk holds. */
  readonly disk: Uint8Array;
  /** Buffers that are held after the client has gone: none, or there is a leak. */
  readonly buffersLeft: number;
  /** Most bytes of buffers that were held at once. */
  readonly bufferBytesMost: number;
}

/**
 * Feeds `stream` to a server, cut at `cuts`, then takes the client away. Throws for what must never
 * happen, such as a request beyond the end of the device. With TLS a cut behind STARTTLS makes a
 * difference: what comes in one piece with it was not encrypted.
 */
export function runNbdSession(
  stream: Uint8Array,
  cuts: readonly number[] = [],
  limits: Partial<NbdLimits> = {},
  tls: TlsMode = "off",
): SessionOutcome {
  const driver = new Driver(resolveNbdLimits(limits), tls);
  const ends = [...cuts.map((cut) => cut % (stream.length + 1)), stream.length].sort(
    (a, b) => a - b,
  );
  let start = 0;
  for (const end of ends) {
    driver.feed(stream.slice(start, end));
    start = end;
  }
  return driver.finish();
}

class Driver {
  readonly #clock = new VirtualClock();
  readonly #pool: BufferPool;
  readonly #session: NbdSession;
  readonly #disk = new Uint8Array(BLOCK_BYTES * BLOCKS);
  readonly #output: Uint8Array[] = [];
  readonly #commands: string[] = [];
  #end: NbdEnd | undefined;
  #bufferBytesMost = 0;

  constructor(limits: NbdLimits, tls: TlsMode) {
    const clock = this.#clock;
    this.#pool = new BufferPool(clock, limits.bufferBytesMax, limits.idleBufferBytesMax);
    const device = memoryDevice({ name: "m", clock, blockBytes: BLOCK_BYTES, blockCount: BLOCKS });
    const to = new NbdExport({ name: "disk", device, description: "for bytes" }, clock, limits);
    const exports = {
      exports: [to],
      find: (name: string) => (name === "" || name === "disk" ? to : undefined),
    };
    this.#session = new NbdSession(
      { limits, exports, tls, pool: this.#pool },
      {
        entered: () => {},
        command: (request) => this.#do(request),
        failed: () => {},
        held: () => {},
        starved: () => {},
        // Agreed on at once: what comes next is as if it had been decrypted.
        startTls: () => {},
        ended: (end) => (this.#end = end),
      },
    );
    this.#session.begin(0);
    this.#send();
  }

  feed(bytes: Uint8Array): void {
    if (this.#end !== undefined) return;
    this.#session.receive(new Region(bytes), 0, bytes.length, 0);
    this.#send();
    this.#session.secured();
    // Each turn sends something, frees something, or was the last.
    while (this.#session.isHeld && this.#end === undefined) {
      this.#session.resume(0);
      this.#send();
    }
    this.#send();
  }

  finish(): SessionOutcome {
    const end = this.#end;
    this.#session.gone("");
    this.#session.writeOff();
    return {
      output: joined(...this.#output),
      end,
      commands: this.#commands,
      disk: this.#disk,
      buffersLeft: this.#pool.loans,
      bufferBytesMost: this.#bufferBytesMost,
    };
  }

  #send(): void {
    const { out } = this.#session;
    while (!out.isEmpty) {
      this.#bufferBytesMost = Math.max(this.#bufferBytesMost, this.#pool.loanBytes);
      // As they are now: the buffers are used again.
      this.#output.push(...out.take().map((piece) => piece.slice()));
      out.drained();
    }
  }

  #do(request: NbdRequest): void {
    const { op, offset, length, headBytes, data } = request;
    const end = offset + length;
    this.#commands.push(opNames[op]!);
    if (!(offset >= 0 && end <= this.#disk.length))
      throw new Error(`I/O at ${offset}, ${length} bytes`);
    if (op === ByteOp.Read) data!.set(this.#disk.subarray(offset, end), headBytes);
    else if (op === ByteOp.Write)
      this.#disk.set(data!.subarray(headBytes, headBytes + length), offset);
    else if (op === ByteOp.Zero) this.#disk.fill(0, offset, end);
    this.#session.settled(request, undefined, 0);
  }
}

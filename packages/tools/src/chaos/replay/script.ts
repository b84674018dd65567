// What a host sent on the connections of a capture, and what it had heard before each of it.
// Read first: hearing.ts; ../../capture/decoder.ts, which gives the bytes.

import { AdminOpcode, OPC_FABRICS, PduType } from "@nvmeof/codec";
import { CaptureDecoder } from "../../capture/decoder.ts";
import { type CaptureError } from "../../capture/file/errors.ts";
import { type CapturedCommand, writesData } from "../../capture/nvme/command.ts";
import type { Direction } from "../../capture/nvme/pdu.ts";
import { Conversation } from "../conversation.ts";
import { ChaosPdu } from "../pdu.ts";
import type { ChaosDirection } from "../plan.ts";
import { PduSplitter } from "../splitter.ts";
import { type Gate, Hearing } from "./hearing.ts";

/** A step of one connection. `order` is its place among all of the capture. */
export type Step =
  | { readonly kind: "send"; readonly order: number; readonly pdu: ChaosPdu }
  | { readonly kind: "gate"; readonly order: number; readonly gate: Gate };

/** What a host did on one connection. */
export interface ScriptConnection {
  /** Its number in the capture, as `nvmeof decode` tells it. */
  readonly number: number;
  readonly steps: readonly Step[];
}

/** What can be played of a capture. */
export interface Script {
  readonly connections: readonly ScriptConnection[];
  /** Commands that may change what the target holds. */
  readonly changes: number;
  /** Connections that cannot be played, or not to their end, and why. */
  readonly skipped: readonly { readonly number: number; readonly why: string }[];
  /** Why the file could not be read any further. */
  readonly error: CaptureError | undefined;
}

/** What of a capture is played. */
export interface ScriptOptions {
  /** Ports of controllers beside 4420 and 8009. */
  readonly ports?: readonly number[];
  /** Only these connections; default: all. */
  readonly connections?: readonly number[];
  /** Bytes of PDUs that are kept; a connection beyond is not played. Default 256 MiB. */
  readonly bytesMax?: number;
}

const BYTES_MAX = 256 * 1024 * 1024;
/** A PDU that is longer cannot be played. */
const PDU_BYTES_MAX = 64 * 1024 * 1024;

/** Opcodes that change data without moving any: of I/O queues, and of admin queues. */
const erases = {
  io: [0x04, 0x08],
  admin: [0x80, 0x84],
  unknown: [0x04, 0x08, 0x80, 0x84],
} as const;

/** Whether a command may change what the target holds. */
function mayChange(command: CapturedCommand): boolean {
  const { opcode, queue } = command;
  // How a controller is set up is not what its namespaces hold.
  const isSetup = queue === "admin" && opcode === AdminOpcode.SetFeatures;
  if (opcode === OPC_FABRICS || isSetup) return false;
  return writesData(command) || (erases[queue] as readonly number[]).includes(opcode);
}

const ways = { toController: "upstream", toHost: "downstream" } as const;

/** One connection while it is read. */
class Track {
  readonly number: number;
  readonly steps: Step[] = [];
  bytes = 0;
  changes = 0;
  why: string | undefined;
  readonly #conversation = new Conversation();
  readonly #hearing = new Hearing();
  readonly #splitters: Readonly<Record<ChaosDirection, PduSplitter>>;
  readonly #nextOrder: () => number;

  constructor(number: number, nextOrder: () => number) {
    this.number = number;
    this.#nextOrder = nextOrder;
    const splitter = (direction: ChaosDirection): PduSplitter =>
      new PduSplitter(direction, PDU_BYTES_MAX, {
        pdu: (bytes, dataBytes) => this.#pdu(direction, bytes, dataBytes),
        raw: () => {},
        oversized: (bytes) => this.giveUp(`it has a PDU of ${bytes} bytes`),
        lost: (error) => this.giveUp(error.message),
      });
    this.#splitters = { upstream: splitter("upstream"), downstream: splitter("downstream") };
  }

  /** Nothing more is made of it; what came before stays, unless it is nothing. */
  giveUp(why: string): void {
    this.why ??= why;
  }

  write(direction: Direction, bytes: Uint8Array, start: number, end: number): void {
    if (this.why === undefined) this.#splitters[ways[direction]].write(bytes, start, end);
  }

  #pdu(direction: ChaosDirection, bytes: Uint8Array, dataBytes: number): void {
    const { digests } = this.#conversation.terms;
    const pdu = new ChaosPdu(direction, bytes, dataBytes, digests);
    this.#conversation.hear(pdu);
    agree(this.#splitters, this.#conversation);
    const order = this.#nextOrder();
    if (direction === "upstream") {
      this.bytes += bytes.length;
      const { type, command } = pdu;
      if (type === PduType.CapsuleCmd && command !== undefined && mayChange(command)) {
        this.changes++;
      }
      this.steps.push({ kind: "send", order, pdu });
      return;
    }
    const gate = this.#hearing.hear(pdu);
    if (gate !== undefined) this.steps.push({ kind: "gate", order, gate });
  }
}

/** Lets splitters know how PDUs look from here on. */
export function agree(
  splitters: Readonly<Partial<Record<ChaosDirection, PduSplitter>>>,
  { terms }: Conversation,
): void {
  const { header: headerDigest, data: dataDigest } = terms.digests;
  const { controllerAlignment, hostAlignment } = terms;
  const agreed = { headerDigest, dataDigest };
  Object.assign(splitters.upstream?.context ?? {}, { ...agreed, alignment: controllerAlignment });
  Object.assign(splitters.downstream?.context ?? {}, { ...agreed, alignment: hostAlignment });
}

/** Reads a capture, in pieces of any length, into what its hosts did. */
export class ScriptReader {
  readonly #tracks = new Map<number, Track>();
  readonly #decoder: CaptureDecoder;
  readonly #bytesMax: number;
  #bytes = 0;
  #order = 0;

  constructor(options: ScriptOptions = {}) {
    const { ports = [], connections = [], bytesMax = BYTES_MAX } = options;
    this.#bytesMax = bytesMax;
    const isWanted = (number: number): boolean =>
      connections.length === 0 || connections.includes(number);
    this.#decoder = new CaptureDecoder(
      (event) => {
        const { number } = event.connection;
        if (event.type === "connection" && isWanted(number)) this.#begin(number, event.speaks);
        if (event.type !== "gap") return;
        const why = event.by === "malformed" ? "a PDU of it makes no sense" : "bytes are missing";
        this.#tracks.get(number)?.giveUp(why);
      },
      {
        ports: [4420, 8009, ...ports],
        tap: ({ number }, ...bytes) => this.#write(number, ...bytes),
      },
    );
  }

  write(chunk: Uint8Array): void {
    this.#decoder.write(chunk);
  }

  /** The file ends. */
  end(): Script {
    this.#decoder.end();
    const tracks = [...this.#tracks.values()];
    return {
      connections: tracks.filter(({ steps }) => steps.length > 0),
      changes: tracks.reduce((sum, { changes }) => sum + changes, 0),
      skipped: tracks.flatMap(({ number, why }) => (why === undefined ? [] : [{ number, why }])),
      error: this.#decoder.error,
    };
  }

  #begin(number: number, speaks: string | undefined): void {
    const track = new Track(number, () => this.#order++);
    if (speaks !== undefined) track.giveUp(`it speaks ${speaks}`);
    this.#tracks.set(number, track);
  }

  #write(
    number: number,
    direction: Direction,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    const track = this.#tracks.get(number);
    if (track === undefined) return;
    const before = track.bytes;
    if (this.#bytes + (end - start) > this.#bytesMax) {
      track.giveUp(`more than ${this.#bytesMax} bytes are to be sent`);
    }
    track.write(direction, bytes, start, end);
    this.#bytes += track.bytes - before;
  }
}

// A session on the bench: bytes in by hand, everything that comes out written down. For the tests of
// the sessions themselves; whoever stands above a transport takes RawPeer.

import {
  Cqe,
  DataDirection,
  type Decoded,
  type NvmeofError,
  PduType,
  ProtocolError,
  Sqe,
  TermReq,
  cqeStatus,
  decode,
  scOf,
  sctOf,
} from "@nvmeof/codec";
import { Region } from "../copy.ts";
import { PeerTerminatedError } from "../errors.ts";
import { ControllerSession } from "../tcp/controller-session.ts";
import { HostSession } from "../tcp/host-session.ts";
import type { Session } from "../tcp/session.ts";
import { type PduShape, RawPdus, type ReceivedPdu, joined, pdusIn, sqeOf } from "./raw-pdu.ts";

/** The shapes of a connection that every test of a session goes through. */
export const shapes: readonly (PduShape & { readonly name: string })[] = [
  { name: "no digest", headerDigest: false, dataDigest: false, alignment: 4 },
  { name: "header digest", headerDigest: true, dataDigest: false, alignment: 4 },
  { name: "data digest", headerDigest: false, dataDigest: true, alignment: 4 },
  { name: "both digests", headerDigest: true, dataDigest: true, alignment: 4 },
  { name: "both, aligned to 128", headerDigest: true, dataDigest: true, alignment: 128 },
];

const GUARD_BYTES = 16;

/** "0/04": a status as SCT and SC. */
const statusText = (status: number): string =>
  `${sctOf(status)}/${scOf(status).toString(16).padStart(2, "0")}`;

/** How an end is written down: "FES 1@20", "peer FES 2@0", or the code of the error. */
function endText(error: NvmeofError): string {
  if (error instanceof ProtocolError) return `FES ${error.fes}@${error.fei}`;
  if (error instanceof PeerTerminatedError) return `peer FES ${error.fes}@${error.fei}`;
  return error.code;
}

const isTermReq = (type: number): boolean =>
  type === PduType.H2CTermReq || type === PduType.C2HTermReq;

/** How a PDU sent is written down: its name, of a TermReq what it says and how much it quotes. */
function pduText({ name, type, view, data }: ReceivedPdu): string {
  if (!isTermReq(type)) return name;
  return `${name} FES ${TermReq.fes.get(view)}@${TermReq.fei.get(view)} quoting ${data.length}`;
}

abstract class SessionBench {
  /** What the session told its user, in words. */
  events: string[] = [];
  nowMs = 1_000;
  /** Makes what the peer sends. */
  readonly pdus: RawPdus;
  abstract readonly session: Session;
  /** The last error that ended the session. */
  error: NvmeofError | undefined;
  readonly #guarded: Uint8Array[] = [];

  constructor(shape: Partial<PduShape>) {
    this.pdus = new RawPdus(shape);
  }

  /** The bytes as one chunk, or cut before each of the given places. */
  receive(bytes: Uint8Array, cuts: readonly number[] = []): void {
    let from = 0;
    for (const to of [...cuts, bytes.length]) {
      // A chunk is of use during the call only: what is kept of it would be found out.
      const chunk = new Region(joined(new Uint8Array(3), bytes.subarray(from, to)));
      this.session.receive(chunk, 3, 3 + to - from, this.nowMs);
      chunk.bytes.fill(0xee);
      from = to;
    }
  }

  /** What the session has to send, as PDUs; the stream takes all of it at once. */
  sent(): ReceivedPdu[] {
    const found: ReceivedPdu[] = [];
    this.session.pump();
    while (!this.session.out.isEmpty) {
      const bytes = joined(...this.session.out.take());
      this.session.out.drained();
      found.push(...pdusIn(bytes));
      this.session.pump();
    }
    return found;
  }

  sentTexts(): string[] {
    return this.sent().map(pduText);
  }

  /** A buffer among bytes that must stay as they are. */
  buffer(bytes: number, fill = 0): Uint8Array {
    const whole = new Uint8Array(bytes + 2 * GUARD_BYTES).fill(0xa5);
    this.#guarded.push(whole);
    return whole.subarray(GUARD_BYTES, GUARD_BYTES + bytes).fill(fill);
  }

  /** Nothing outside the buffers was written. */
  get guardsIntact(): boolean {
    const intact = (guard: Uint8Array): boolean => guard.every((byte) => byte === 0xa5);
    return this.#guarded.every(
      (whole) => intact(whole.subarray(0, GUARD_BYTES)) && intact(whole.subarray(-GUARD_BYTES)),
    );
  }

  protected lost(error: NvmeofError): void {
    this.error = error;
    this.events.push(`lost ${endText(error)}`);
  }
}

/** A host's session; the test is its controller. */
export class HostBench extends SessionBench {
  readonly session: HostSession;
  /** The last completion, field by field. */
  lastCqe: Decoded<typeof Cqe> | undefined;
  /** Called inside `completed`. */
  onCompleted: ((cid: number) => void) | undefined;

  constructor(shape: Partial<PduShape> = {}, inCapsuleBytes = 8192) {
    super(shape);
    const { headerDigest, dataDigest, alignment } = this.pdus.shape;
    const pda = alignment / 4 - 1;
    this.session = new HostSession(
      { qid: 1, slots: 16, inCapsuleBytes, headerDigest, dataDigest, pda },
      {
        opened: () => this.events.push("opened"),
        completed: (cid, view, base) => {
          this.lastCqe = decode(Cqe, view, base);
          this.events.push(`completed ${cid} ${statusText(cqeStatus.get(view, base))}`);
          this.onCompleted?.(cid);
        },
        lost: (error) => this.lost(error),
      },
      this.nowMs + 5_000,
    );
    this.session.start();
  }

  /** Initialised, and nothing of that left to look at. */
  static open(shape: Partial<PduShape> = {}, inCapsuleBytes?: number): HostBench {
    const bench = new HostBench(shape, inCapsuleBytes);
    bench.sent();
    bench.receive(bench.pdus.icResp({ cpda: bench.pdus.shape.alignment / 4 - 1 }));
    bench.events = [];
    return bench;
  }

  submit(cid: number, direction: DataDirection, data?: Uint8Array): void {
    this.session.submit(cid, sqeOf({ opc: direction }), direction, data);
  }

  /** Submits a read of that many bytes, into a guarded buffer. */
  read(cid: number, bytes: number): Uint8Array {
    const buffer = this.buffer(bytes);
    this.submit(cid, DataDirection.ToHost, buffer);
    return buffer;
  }

  write(cid: number, bytes: number): Uint8Array {
    const buffer = this.buffer(bytes);
    for (let i = 0; i < bytes; i++) buffer[i] = (i * 7 + cid) & 0xff;
    this.submit(cid, DataDirection.ToController, buffer);
    return buffer;
  }

  flush(cid: number): void {
    this.submit(cid, DataDirection.None);
  }

  /** The PDU that completes a command. */
  completion(cid: number, fields: Partial<Decoded<typeof Cqe>> = {}): Uint8Array {
    return this.pdus.capsuleResp({ cid, sqid: 1, ...fields });
  }
}

/** A controller's session; the test is its host. */
export class ControllerBench extends SessionBench {
  readonly session: ControllerSession;
  /** Called inside `command`. */
  onCommand: ((tag: number) => void) | undefined;

  constructor(shape: Partial<PduShape> = {}, h2cDataBytesMax = 131_072) {
    super(shape);
    const { headerDigest, dataDigest, alignment } = this.pdus.shape;
    const pda = alignment / 4 - 1;
    this.session = new ControllerSession(
      { headerDigest, dataDigest, pda, h2cDataBytesMax, inCapsuleBytes: 8192 },
      {
        opened: () => this.events.push("opened"),
        command: (tag) => {
          this.events.push(`command ${Sqe.cid.get(this.session.slot(tag).sqe)}`);
          this.onCommand?.(tag);
        },
        fetched: (tag, status) => {
          const cid = Sqe.cid.get(this.session.slot(tag).sqe);
          this.events.push(`fetched ${cid} ${statusText(status)}`);
        },
        lost: (error) => this.lost(error),
      },
      this.nowMs + 5_000,
    );
  }

  static open(shape: Partial<PduShape> = {}, h2cDataBytesMax?: number): ControllerBench {
    const bench = new ControllerBench(shape, h2cDataBytesMax);
    bench.receive(bench.pdus.icReq({ hpda: bench.pdus.shape.alignment / 4 - 1 }));
    bench.session.configure(16, true, 8192);
    bench.sent();
    bench.events = [];
    return bench;
  }

  /** The slot that a command has arrived in. */
  tagOf(cid: number): number {
    for (let tag = 0; tag < 16; tag++) {
      const slot = this.session.slot(tag);
      if (slot.outstanding && slot.cid === cid) return tag;
    }
    throw new Error(`no command ${cid}`);
  }

  /** A command without data in its capsule, and the data that it means to move. */
  command(cid: number, opc: number, bytes = 0, parts = {}): Uint8Array {
    return this.pdus.capsuleCmd({ opc, cid, sglId: 0x5a, sglLength: bytes }, parts);
  }

  /** A write whose data comes in the capsule. */
  writeInCapsule(cid: number, data: Uint8Array, parts = {}): Uint8Array {
    const sgl = { sglId: 1, sglLength: data.length };
    return this.pdus.capsuleCmd({ opc: 1, cid, ...sgl }, { data, ...parts });
  }

  /** A write under way: its command is here and an R2T is out. Gives the R2T's tag and the buffer. */
  writing(cid: number, bytes: number): { ttag: number; buffer: Uint8Array } {
    this.receive(this.command(cid, 1, bytes));
    const tag = this.tagOf(cid);
    const buffer = this.buffer(bytes);
    this.session.fetch(tag, buffer, this.nowMs);
    this.sent();
    this.events = [];
    return { ttag: tag + 1, buffer };
  }
}

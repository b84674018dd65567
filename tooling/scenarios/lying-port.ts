// A port whose controller lies: PDUs on their way to the host can be changed, doubled, added or dropped.
// Read first: faulty-port.ts; @nvmeof/transport testing/raw-pdu.ts, which makes PDUs right and wrong.

import {
  type ByteStream,
  type ByteStreamHandler,
  type Clock,
  Region,
  type SessionOptions,
  type StreamOptions,
  type Transport,
  hostTransport,
} from "@nvmeof/transport";
import { type ReceivedPdu, firstPdu, joined } from "@nvmeof/transport/testing";
import type { NvmeofError } from "@nvmeof/codec";
import { FaultyPort } from "./faulty-port.ts";

/** What arrives in place of a PDU that the controller sent on link `link`; `undefined` for itself. */
export type Lie = (pdu: ReceivedPdu, link: number) => readonly Uint8Array[] | undefined;

/** Cuts what arrives into PDUs, and gives on what the lie makes of them. */
class Liar implements ByteStreamHandler {
  readonly #inner: ByteStreamHandler;
  readonly #lie: (pdu: ReceivedPdu) => readonly Uint8Array[] | undefined;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(
    inner: ByteStreamHandler,
    lie: (pdu: ReceivedPdu) => readonly Uint8Array[] | undefined,
  ) {
    this.#inner = inner;
    this.#lie = lie;
  }

  opened(): void {
    this.#inner.opened();
  }

  received(buffer: Region, start: number, end: number): void {
    this.#rest = joined(this.#rest, buffer.bytes.subarray(start, end));
    for (let pdu = firstPdu(this.#rest); pdu !== undefined; pdu = firstPdu(this.#rest)) {
      this.#rest = this.#rest.subarray(pdu.bytes.length);
      const bytes = joined(...(this.#lie(pdu) ?? [pdu.bytes]));
      if (bytes.length > 0) this.#inner.received(new Region(bytes), 0, bytes.length);
    }
  }

  drained(): void {
    this.#inner.drained();
  }

  ended(error: NvmeofError | undefined): void {
    this.#inner.ended(error);
  }
}

/** A port between an honest target and what its host is told. */
export class LyingPort extends FaultyPort {
  /** Asked for every PDU to a host. */
  lie: Lie = () => undefined;
  /** PDUs that hosts sent, oldest first, with the number of their link. */
  readonly sent: { readonly pdu: ReceivedPdu; readonly link: number }[] = [];
  readonly #asked: Partial<SessionOptions>;

  /** @param asked what hosts ask for when they connect: digests. */
  constructor(name: string, clock: Clock, asked: Partial<SessionOptions> = {}) {
    super(name, clock);
    this.#asked = asked;
  }

  /** Names of the PDUs that hosts sent on a link. */
  namesOn(link: number): string[] {
    return this.sent.filter((each) => each.link === link).map(({ pdu }) => pdu.name);
  }

  override transport(clock: Clock): Transport {
    const { address } = super.transport(clock);
    return hostTransport({ address, connector: this, clock, ...this.#asked });
  }

  override connect(options: StreamOptions, handler: ByteStreamHandler): ByteStream {
    const link = this.attempts;
    const stream = super.connect(options, new Liar(handler, (pdu) => this.lie(pdu, link)));
    let rest: Uint8Array = new Uint8Array(0);
    const note = (pieces: readonly Uint8Array[]): void => {
      rest = joined(rest, ...pieces);
      for (let pdu = firstPdu(rest); pdu !== undefined; pdu = firstPdu(rest)) {
        rest = rest.subarray(pdu.bytes.length);
        this.sent.push({ pdu, link });
      }
    };
    return {
      remote: stream.remote,
      write: (pieces) => {
        note(pieces);
        stream.write(pieces);
      },
      pause: () => stream.pause(),
      resume: () => stream.resume(),
      close: () => stream.close(),
      reset: () => stream.reset(),
    };
  }
}

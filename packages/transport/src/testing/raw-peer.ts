// A raw end of a byte stream: sends what it is told, right or wrong, and keeps what it receives.
// Read first: raw-pdu.ts, which makes what it sends.

import type { NvmeofError } from "@nvmeof/codec";
import type { ByteStream, ByteStreamHandler, Connector, Listener } from "../byte-stream.ts";
import type { Region } from "../copy.ts";
import { type ReceivedPdu, firstPdu, joined } from "./raw-pdu.ts";

/** A peer that does nothing by itself: silent until it is told to speak. */
export class RawPeer implements ByteStreamHandler {
  state: "connecting" | "open" | "ended" = "connecting";
  /** Why the stream ended; `undefined` for an orderly end, and while it has not. */
  error: NvmeofError | undefined;
  /** Bytes received in all. */
  receivedBytes = 0;
  /** Writes that are out of our hands. */
  drains = 0;
  /** Whole PDUs received, oldest first. */
  readonly pdus: ReceivedPdu[] = [];
  /** Called for each PDU: a peer that answers by itself. */
  onPdu: ((pdu: ReceivedPdu) => void) | undefined;
  /** Called after anything happened: what a test over real sockets waits for. */
  onEvent: (() => void) | undefined;
  #stream: ByteStream | undefined;
  #rest: Uint8Array = new Uint8Array(0);

  /** A raw host: connects, and says nothing. */
  static connect(connector: Connector, timeoutMs = 10_000): RawPeer {
    const peer = new RawPeer();
    const options = { receiveBytes: 64 * 1024, connectTimeoutMs: timeoutMs };
    peer.attach(connector.connect(options, peer));
    return peer;
  }

  /** Raw controllers: one for each connection of the listener, in their order. */
  static serve(listener: Listener, begin: (peer: RawPeer) => void = () => {}): RawPeer[] {
    const peers: RawPeer[] = [];
    listener.listen((stream) => {
      const peer = new RawPeer();
      peer.attach(stream);
      peers.push(peer);
      begin(peer);
      return peer;
    });
    return peers;
  }

  attach(stream: ByteStream): void {
    this.#stream = stream;
  }

  get stream(): ByteStream {
    if (this.#stream === undefined) throw new Error("not attached to a stream");
    return this.#stream;
  }

  /** Names of the PDUs received. */
  get names(): string[] {
    return this.pdus.map(({ name }) => name);
  }

  /** As one write. */
  send(...parts: readonly Uint8Array[]): void {
    this.stream.write([joined(...parts)]);
  }

  close(): void {
    this.stream.close();
  }

  reset(): void {
    this.stream.reset();
  }

  opened(): void {
    this.state = "open";
    this.onEvent?.();
  }

  received(buffer: Region, start: number, end: number): void {
    this.receivedBytes += end - start;
    this.#rest = joined(this.#rest, buffer.bytes.subarray(start, end));
    for (let pdu = firstPdu(this.#rest); pdu !== undefined; pdu = firstPdu(this.#rest)) {
      this.#rest = this.#rest.subarray(pdu.bytes.length);
      this.pdus.push(pdu);
      this.onPdu?.(pdu);
    }
    this.onEvent?.();
  }

  drained(): void {
    this.drains++;
    this.onEvent?.();
  }

  ended(error: NvmeofError | undefined): void {
    this.state = "ended";
    this.error = error;
    this.onEvent?.();
  }
}

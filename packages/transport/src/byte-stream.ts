// A byte stream as a port: TCP, TLS and the in-memory pair look like this to the NVMe/TCP session.
// Read first: DESIGN.md §3 "The narrow interfaces"; conformance/ holds the suite each one passes.

import type { NvmeofError } from "@nvmeof/codec";
import type { Region } from "./copy.ts";
import type { QueueOwner } from "./queue-link.ts";

/** How a stream is protected against those who read and change what passes on the network. */
export type StreamSecurity = "tls-1.3";

/** Whom the peer of a stream has proven to be, by knowing the key of these names. */
export interface ProvenNames {
  readonly hostNqn: string;
  readonly subsystemNqn: string;
}

/** What a stream tells its user. Never called inside a call to the stream. */
export interface ByteStreamHandler {
  /** The stream is connected and takes writes. Comes first, once. */
  opened(): void;
  /**
   * Bytes `start` to `end` of `buffer` arrived; they stay as they are during this call only. One
   * region serves a stream for good, or is made per chunk where the platform brings its own.
   */
  received(buffer: Region, start: number, end: number): void;
  /** All that was written is out of our hands: all buffers given to `write` may be used again. */
  drained(): void;
  /**
   * The stream is gone: by an error, or orderly with `undefined`. Comes last, once; after a `close`
   * or `reset` of one's own it need not come. An end is all that a kernel may tell of a reset where
   * bytes were left unread.
   */
  ended(error: NvmeofError | undefined): void;
}

/** A connected, ordered, reliable stream of bytes. */
export interface ByteStream {
  /** The peer's address as a person writes it, for errors and logs. */
  readonly remote: string;
  /** From `opened` on, for a listener's end; `undefined` where nothing is proven. */
  readonly proven?: ProvenNames | undefined;
  /** Time that may pass until `opened`, ms, and that the stream bounds itself. Default 0. */
  readonly openingMs?: number;
  /** Sends the pieces in this order as one write. They must not change until `drained`. */
  write(pieces: readonly Uint8Array[]): void;
  /**
   * As `write`, by who has nothing under way. True: all of it is out, the pieces are free, and no
   * `drained` follows.
   */
  writeNow?(pieces: readonly Uint8Array[]): boolean;
  /** Stops, or starts again, the reading from the peer. The way to push back. */
  pause(): void;
  resume(): void;
  /**
   * Sends what was written, then ends. For an orderly shutdown with nothing in flight. Takes at most
   * `lingerMs` (default 5 s), also with a peer that does not read or close; `reset` cuts it short.
   * Nobody has to wait for it: once all is sent, what is left does not keep a program from ending.
   */
  close(lingerMs?: number): void;
  /**
   * Ends at once and drops what the peer has not received: the only teardown that stops writes (a
   * graceful close in Node still delivers everything queued). No call follows but `ended`, and
   * buffers given to `write` are free when this returns.
   */
  reset(): void;
}

/** How a receiving buffer is chosen. */
export interface StreamOptions {
  /** Bytes of the receive buffer, allocated once. */
  readonly receiveBytes: number;
  /** Time to connect, ms, after which `ended` comes with NVME_ERR_CONNECT_TIMEOUT. */
  readonly connectTimeoutMs: number;
  /** Who opens it and to what, for streams that have to prove it. */
  readonly owner?: QueueOwner | undefined;
}

/** Opens a stream to one address. Never throws for the network: that is `ended`. */
export interface Connector {
  /** Where it connects to, as a person writes it. */
  readonly remote: string;
  /** How its streams are protected. Default: not at all. */
  readonly security?: StreamSecurity | undefined;
  connect(options: StreamOptions, handler: ByteStreamHandler): ByteStream;
}

/** Takes the streams that hosts open. `accept` gives the handler of each, or refuses with undefined. */
export interface Listener {
  /** Where it listens, as a person writes it. */
  readonly local: string;
  /** How its streams are protected. Default: not at all. */
  readonly security?: StreamSecurity | undefined;
  /** Begins to take connections. */
  listen(accept: (stream: ByteStream) => ByteStreamHandler | undefined): void;
  /** Takes no more connections; those that exist go on. */
  close(): void;
}

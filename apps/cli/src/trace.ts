// --trace: every byte of a command's connections into a capture file, for Wireshark and `nvmeof decode`.
// Read first: write/traced.ts of @nvmeof/tools, which records; README.md "Captures".

import { closeSync, openSync, writeSync } from "node:fs";
import { CaptureWriter, tracedConnector, tracedListener } from "@nvmeof/tools/capture";
import { type Connector, type Transport, hostTransport } from "@nvmeof/transport";
import {
  type TcpListener,
  type TcpTransportOptions,
  systemClock,
  tcpConnector,
  tlsConnector,
} from "@nvmeof/transport/node";
import { fileError } from "./files.ts";

/** Bytes that are held back before they are written. */
const HELD_BYTES_MAX = 64 * 1024;

/** Only its owner reads what goes over a connection, least of all what TLS hides from others. */
const OWNER_ONLY = 0o600;

/** A capture file that a command writes. */
export class Tracing {
  readonly #path: string;
  readonly #file: number;
  readonly #writer: CaptureWriter;
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #failure: unknown;

  constructor(path: string) {
    this.#path = path;
    try {
      this.#file = openSync(path, "w", OWNER_ONLY);
    } catch (error) {
      throw fileError("write", path, error);
    }
    this.#writer = new CaptureWriter({
      write: (bytes) => this.#write(bytes),
      now: () => {
        const ms = performance.timeOrigin + performance.now();
        const seconds = Math.floor(ms / 1000);
        return { seconds, nanoseconds: Math.floor((ms - seconds * 1000) * 1e6) };
      },
    });
  }

  /** A TCP transport, as `tcp` makes it, whose connections are recorded: under TLS, what it protects. */
  transport({ tls, ...options }: TcpTransportOptions): Transport {
    const { host, port, localAddress, ...asked } = options;
    const to = { host, port, ...(localAddress === undefined ? {} : { localAddress }) };
    const connector = tls === undefined ? tcpConnector(to) : tlsConnector(to, tls);
    return hostTransport({
      ...asked,
      address: { trtype: "tcp", traddr: host, trsvcid: String(port) },
      connector: tracedConnector(connector, this.#writer),
      clock: systemClock,
    });
  }

  /** A connector whose connections are recorded. */
  connector(connector: Connector): Connector {
    return tracedConnector(connector, this.#writer);
  }

  /** A listener whose connections are recorded. */
  listener(listener: TcpListener): TcpListener {
    return { ...tracedListener(listener, this.#writer), address: listener.address };
  }

  /** Writes what is held. @throws CliError where the file could not be written, now or before. */
  close(): void {
    try {
      this.#flush();
    } finally {
      closeSync(this.#file);
    }
    if (this.#failure !== undefined) throw fileError("write", this.#path, this.#failure);
  }

  /** Whether it has reached its limit. */
  get isFull(): boolean {
    return this.#writer.isFull;
  }

  #write(bytes: Uint8Array): void {
    if (this.#failure !== undefined) return;
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    if (this.#heldBytes >= HELD_BYTES_MAX) this.#flush();
  }

  /** At once and not later: the process may end in any way, and memory is bounded. */
  #flush(): void {
    const held = this.#held;
    this.#held = [];
    this.#heldBytes = 0;
    if (held.length === 0) return;
    const bytes = Buffer.concat(held);
    try {
      for (let at = 0; at < bytes.length;) at += writeSync(this.#file, bytes, at);
    } catch (error) {
      // The command goes on: it is told at its end.
      this.#failure = error;
    }
  }
}

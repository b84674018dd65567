// A socket of Node as a ByteStream: writes gathered, reset when it counts, and TLS over it where wanted.
// Read first: ../byte-stream.ts for the contract; node-ceilings.md §6 for one write and one buffer.

import type { Socket } from "node:net";
import type { NvmeofError } from "@nvmeof/codec";
import type { ByteStream, ByteStreamHandler, ProvenNames } from "../byte-stream.ts";
import { Region } from "../copy.ts";
import { TransportError } from "../errors.ts";
import { resetSocket } from "./reset-socket.ts";

/** An address and port to connect to or to listen on. */
export interface TcpAddress {
  /** IP address or host name. */
  readonly host: string;
  readonly port: number;
  /** To connect from, where the machine has several. Default: what the system chooses. */
  readonly localAddress?: string | undefined;
}

const reasonOf = (error: NodeJS.ErrnoException): string => {
  if (error instanceof AggregateError) return eachReason(error.errors as AddressFailure[]);
  return reasons[error.code ?? ""] ?? error.message;
};

/** In our words, where those of the platform are none. */
const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ENOTFOUND: "the name is unknown",
  EAI_AGAIN: "the name server does not answer",
};

/** What one of the addresses of a name answered. */
type AddressFailure = NodeJS.ErrnoException & { readonly address?: string };

/** A name stands for several addresses, all of which were tried: each has its own reason. */
function eachReason(failures: readonly AddressFailure[]): string {
  const reasons = new Set(failures.map(reasonOf));
  const addresses = failures.map(({ address }) => address ?? "?");
  if (failures.every(({ code }) => code === "ECONNREFUSED")) {
    return `connection refused (${addresses.join(", ")})`;
  }
  // Others name their address themselves.
  return [...reasons].join("; ");
}

const hints: Readonly<Record<string, string>> = {
  ECONNREFUSED: "Nothing listens there. Is the target running, and on this port?",
  ENOTFOUND: "Check the spelling of the name, or give an IP address.",
  EAI_AGAIN: "Try again, or give an IP address.",
  EHOSTUNREACH: "There is no route to that host.",
  ENETUNREACH: "There is no route to that network.",
  EACCES: "This machine does not allow it: a firewall, or a broadcast address.",
  EADDRNOTAVAIL: "This machine has no address, or no free port, to connect from.",
};

/** Errors that say that this machine, and not the peer, has too little of something. */
const shortages: Readonly<Record<string, string>> = {
  EMFILE: "This process may open no more files: close some, or raise its limit (ulimit -n).",
  ENFILE: "The system may open no more files.",
  ENOBUFS: "The system has no room for another socket.",
  ENOMEM: "The system has no memory for another socket.",
};

/** What it means to a person that the end of a connected stream has this reason. */
const lostBy = (error: Error & { readonly reason?: string }, remote: string): NvmeofError => {
  // TLS has a reason in words; its message is for those who debug it.
  const why = error.reason ?? error.message;
  return new TransportError("connection-lost", `connection to ${remote} lost: ${why}`, {
    cause: error,
  });
};

/** What it means that there was no connection, for this reason. */
export function unreachable(error: NodeJS.ErrnoException, remote: string): NvmeofError {
  const { code = "" } = error;
  const shortage = shortages[code];
  const failure = shortage === undefined ? "unreachable" : "resource";
  return new TransportError(failure, `cannot reach ${remote}: ${reasonOf(error)}`, {
    phase: "tcp",
    hint: shortage ?? hints[code],
    cause: error,
  });
}

/** Time that an orderly close may take, ms: a peer that does not read must not keep the socket. */
const CLOSE_LINGER_MS = 5_000;

/** Longest delay that `setTimeout` takes; a longer one would be over at once. */
const DELAY_MAX_MS = 0x7fff_ffff;

/** Timers of a socket never keep the process alive: the socket itself does, while there is one. */
const unref = (timer: NodeJS.Timeout): NodeJS.Timeout => timer.unref();

/** What becomes of a stream between the connection and its first byte; nothing, with plain TCP. */
export interface Opening {
  /** Why the stream ended while it was being opened; `undefined` for an end without a word. */
  explain(error: Error | undefined): NvmeofError;
}

export class SocketStream implements ByteStream {
  readonly remote: string;
  proven: ProvenNames | undefined;
  openingMs = 0;
  /** What bytes go by: the raw socket, or TLS that has taken it over. */
  #socket!: Socket;
  /** The connection itself, which alone can be reset. */
  #raw!: Socket;
  #handler: ByteStreamHandler | undefined;
  #opening: Opening | undefined;
  #connected = false;
  #over = false;
  #paused = false;
  #writes = 0;
  /** Writes that were out at once, and whose callbacks are yet to come: before those of later ones. */
  #early = 0;
  /** For the connection, then for its opening, later for an orderly close. */
  #timer: NodeJS.Timeout | undefined;
  readonly #written = (error?: Error | null): void => {
    if (this.#early > 0) {
      this.#early--;
      return;
    }
    this.#writes--;
    // A write that failed says so by the end of the stream.
    if (this.#writes === 0 && !this.#over && !error) this.#handler?.drained();
  };

  constructor(remote: string) {
    this.remote = remote;
  }

  /** Whether the stream has ended, for whatever reason. */
  get over(): boolean {
    return this.#over;
  }

  bind(socket: Socket): void {
    this.#raw = socket;
    socket.setNoDelay(true);
    this.#carry(socket);
  }

  handle(handler: ByteStreamHandler): void {
    this.#handler = handler;
  }

  /** @param then what follows when there is a connection; by default the stream is open then. */
  connect(address: TcpAddress, timeoutMs: number, then = (): void => this.connected()): void {
    this.#bound(timeoutMs, () => {
      const message = `no connection to ${this.remote} in ${timeoutMs} ms`;
      return new TransportError("connect-timeout", message, {
        phase: "tcp",
        hint: "The address does not answer: is it right, and does a firewall drop packets?",
      });
    });
    this.#raw.connect({ ...address, autoSelectFamily: true }, () => {
      if (!this.#over) then();
    });
  }

  /**
   * Bytes go by `socket` from now on, which has taken over the raw one. The stream is being opened until
   * `connected`, and ends with `tooLate` if that takes longer than `timeoutMs`.
   */
  secure(socket: Socket, opening: Opening, timeoutMs: number, tooLate: () => NvmeofError): void {
    this.#opening = opening;
    this.#carry(socket);
    this.#bound(timeoutMs, tooLate);
  }

  connected(): void {
    if (this.#over) return;
    clearTimeout(this.#timer);
    this.#opening = undefined;
    this.#connected = true;
    this.#handler?.opened();
  }

  received(region: Region, count: number): void {
    if (!this.#over) this.#handler?.received(region, 0, count);
  }

  /** The platform's own chunks, where there is no buffer of ours. */
  receiveChunks(): void {
    this.#socket.on("data", (chunk: Buffer) => this.received(new Region(chunk), chunk.length));
    if (!this.#paused) this.#socket.resume();
  }

  write(pieces: readonly Uint8Array[]): void {
    if (this.#over || !this.#connected) return;
    this.#writes++;
    const last = pieces.length - 1;
    if (last > 0) this.#socket.cork();
    for (let i = 0; i < last; i++) this.#socket.write(pieces[i]!);
    this.#socket.write(pieces[last]!, this.#written);
    if (last > 0) this.#socket.uncork();
  }

  writeNow(pieces: readonly Uint8Array[]): boolean {
    this.write(pieces);
    if (this.#writes !== 1 || this.#socket.writableLength > 0) return false;
    this.#writes = 0;
    this.#early++;
    return true;
  }

  pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#socket.resume();
  }

  close(lingerMs = CLOSE_LINGER_MS): void {
    if (this.#over) return;
    if (!this.#connected) {
      this.reset();
      return;
    }
    this.#silence();
    // Once the kernel has all of it, the rest happens without us, also when the process has ended.
    this.#socket.end(() => this.#socket.unref());
    // What the peer still sends is not for us; without a reader its FIN would not be seen either.
    this.#socket.resume();
    this.#timer = unref(setTimeout(() => this.reset(), Math.min(lingerMs, DELAY_MAX_MS)));
  }

  reset(): void {
    this.#silence();
    const socket = this.#socket;
    // On the connection itself: TLS cannot be reset, and would still deliver what it holds. It follows by
    // itself once the connection is gone; destroyed here, inside an event of its own, it crashes Node.
    this.#socket = this.#raw;
    if (this.#connected || this.#opening !== undefined) resetSocket(socket, this.#raw);
    else this.#raw.destroy();
  }

  /** Ends it from our side, and tells why. */
  fail(error: NvmeofError): void {
    this.#end(error);
  }

  #carry(socket: Socket): void {
    this.#socket = socket;
    socket.on("error", (error) => this.#ended(error));
    // What TLS tells its server, of which there is none here: after the handshake it tells nobody else.
    socket.on("_tlsError", (error: Error) => this.#ended(error));
    // NVMe/TCP has no half-open connections: the peer's FIN is the end.
    socket.on("end", () => this.#ended(undefined));
    socket.on("close", () => this.#ended(undefined));
  }

  #bound(timeoutMs: number, tooLate: () => NvmeofError): void {
    clearTimeout(this.#timer);
    this.#timer = unref(setTimeout(() => this.#end(tooLate()), Math.min(timeoutMs, DELAY_MAX_MS)));
  }

  /** No event follows; what the socket has yet to say concerns nobody. */
  #silence(): void {
    clearTimeout(this.#timer);
    this.#over = true;
    this.#handler = undefined;
  }

  #ended(error: Error | undefined): void {
    if (this.#over) this.#end(undefined);
    else if (this.#opening !== undefined) this.#end(this.#opening.explain(error));
    else if (error === undefined) this.#end(undefined);
    else this.#end(this.#connected ? lostBy(error, this.remote) : unreachable(error, this.remote));
  }

  #end(error: NvmeofError | undefined): void {
    const handler = this.#handler;
    this.#silence();
    this.#socket.destroy();
    handler?.ended(error);
  }
}

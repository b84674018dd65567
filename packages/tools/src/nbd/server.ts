// An NBD server: exports for clients, by any number of listeners, and one bounded close.
// Read first: export.ts for what is exported, connection.ts for a client; DESIGN.md §4 "Close".

import { Observers } from "@nvmeof/bdev";
import { NvmeofError } from "@nvmeof/codec";
import { BufferPool } from "@nvmeof/target";
import type { ByteStream, Clock, Listener } from "@nvmeof/transport";
import { type ConnectionOwner, NbdConnection } from "./connection.ts";
import { NbdCounting, type NbdCounters } from "./counters.ts";
import { NbdExport, type NbdExportOptions } from "./export.ts";
import type { TlsMode } from "./handshake.ts";
import { type NbdLimits, resolveNbdLimits } from "./limits.ts";
import { type NbdErrno, commandName, errnoName } from "./protocol.ts";
import type { NbdEnd, NbdEndReason } from "./session.ts";

/** What a server is made of. */
export interface NbdServerOptions {
  readonly clock: Clock;
  /** Bounds, in place of their defaults. */
  readonly limits?: Partial<NbdLimits> | undefined;
  /**
   * `on` lets clients have TLS, `require` lets nobody in without it. Default `off`. It needs streams that
   * can be encrypted: others are always without.
   */
  readonly tls?: TlsMode | undefined;
}

/** Something that happened on a server. Texts from a client are as they came. */
export type NbdServerEvent =
  /** A client has chosen an export. */
  | { readonly type: "connected"; readonly remote: string; readonly exportName: string }
  | {
      readonly type: "disconnected";
      readonly remote: string;
      /** Undefined for one that has chosen none. */
      readonly exportName: string | undefined;
      readonly reason: NbdEndReason;
      readonly limit: keyof NbdLimits | undefined;
      readonly message: string;
    }
  /** A connection was closed unread. */
  | { readonly type: "refused"; readonly remote: string; readonly limit: "connectionsMax" }
  /** A device could not do a request; its client was answered with `errno`, "EIO" and the like. */
  | {
      readonly type: "request-failed";
      readonly remote: string;
      readonly exportName: string;
      readonly command: string;
      readonly offset: number;
      readonly length: number;
      readonly errno: string;
      readonly error: NvmeofError;
    }
  /** Clients that are there go on with the old size; new ones are told the new one. */
  | { readonly type: "export-resized"; readonly exportName: string; readonly sizeBytes: number }
  | { readonly type: "export-removed"; readonly exportName: string; readonly reason: string };

/** What is in use now; all zero when no client is there and every device has settled. */
export interface NbdServerStatus {
  readonly connections: number;
  /** Requests that devices have and did not settle. */
  readonly requests: number;
  /** Buffers that requests hold, and their bytes. */
  readonly buffers: number;
  readonly bufferBytes: number;
}

/** How a close went. */
export interface NbdCloseReport {
  /** Time until everything was released, or given up, ms. */
  readonly tookMs: number;
  /** Requests that devices had not settled by then. Their buffers are the devices'. */
  readonly abandonedRequests: number;
}

interface Exported {
  readonly export: NbdExport;
  readonly stopObserving: () => void;
}

/** An NBD server in this process. It does nothing until it listens. */
export class NbdServer implements AsyncDisposable {
  readonly limits: NbdLimits;
  readonly #clock: Clock;
  readonly #exports = new Map<string, Exported>();
  readonly #connections = new Set<NbdConnection>();
  readonly #listeners = new Set<Listener>();
  readonly #observers: Observers<NbdServerEvent>;
  readonly #counting = new NbdCounting();
  readonly #pool: BufferPool;
  readonly #owner: ConnectionOwner;
  #requests = 0;
  #closed: Promise<NbdCloseReport> | undefined;
  /** Set while a close waits for clients and devices. */
  #idle: (() => void) | undefined;

  /** @throws RangeError for a limit that cannot be. */
  constructor(options: NbdServerOptions) {
    const { clock, tls = "off" } = options;
    const limits = resolveNbdLimits(options.limits);
    this.limits = limits;
    this.#clock = clock;
    this.#observers = new Observers(clock);
    this.#pool = new BufferPool(clock, limits.bufferBytesMax, limits.idleBufferBytesMax);
    const counting = this.#counting;
    this.#owner = {
      clock,
      limits,
      tls,
      pool: this.#pool,
      directory: this,
      begun: () => void this.#requests++,
      settled: (request, error) => {
        this.#requests--;
        if (error === undefined) counting.done(request);
        this.#checkIdle();
      },
      failed: (connection, request, errno, error) => {
        counting.failed++;
        const { type, offset, length } = request;
        this.#tellFailed(connection, { type, offset, length }, errno, error);
      },
      met: (limit) => counting.met(limit),
      entered: ({ remote }, { name }) =>
        this.#observers.tell({ type: "connected", remote, exportName: name }),
      ended: (connection, end) => this.#ended(connection, end),
    };
  }

  /** Exports, in the order in which they were added. */
  get exports(): readonly NbdExport[] {
    return [...this.#exports.values()].map((each) => each.export);
  }

  get status(): NbdServerStatus {
    const { loans: buffers, loanBytes: bufferBytes } = this.#pool;
    const { size: connections } = this.#connections;
    return { connections, requests: this.#requests, buffers, bufferBytes };
  }

  /** What was done since the server was made. */
  get counters(): NbdCounters {
    return this.#counting.snapshot();
  }

  /** Tells `observer` of what happens from now on, until the returned function is called. */
  observe(observer: (event: NbdServerEvent) => void): () => void {
    return this.#observers.add(observer);
  }

  /**
   * Exports a device. It stays its owner's; when it is removed, so is the export.
   *
   * @throws NvmeofError NVME_ERR_IN_USE for a name that is taken, NVME_ERR_LIMIT_REACHED, NVME_ERR_CLOSED;
   * RangeError for a name or description that the protocol does not allow.
   */
  addExport(options: NbdExportOptions): NbdExport {
    const { name, device } = options;
    const { exportsMax } = this.limits;
    if (this.#closed !== undefined)
      throw new NvmeofError("NVME_ERR_CLOSED", "the server is closed");
    if (this.#exports.has(name)) {
      throw new NvmeofError("NVME_ERR_IN_USE", `there is an export "${name}" already`);
    }
    if (this.#exports.size >= exportsMax) {
      const message = `the server has ${exportsMax} exports already`;
      throw new NvmeofError("NVME_ERR_LIMIT_REACHED", message, { limit: "exportsMax" });
    }
    const added = new NbdExport(options, this.#clock, this.limits);
    const stopObserving = device.observe((event) => {
      if (event.type === "removed") this.removeExport(name, event.reason);
      else {
        const { sizeBytes } = added;
        this.#observers.tell({ type: "export-resized", exportName: name, sizeBytes });
      }
    });
    this.#exports.set(name, { export: added, stopObserving });
    return added;
  }

  /**
   * Takes an export away. Its clients are answered what is under way, and ESHUTDOWN to all else, and
   * then disconnected. Returns whether there was one.
   */
  removeExport(name: string, reason = "its owner removed it"): boolean {
    const removed = this.#exports.get(name);
    if (removed === undefined) return false;
    this.#exports.delete(name);
    removed.stopObserving();
    this.#observers.tell({ type: "export-removed", exportName: name, reason });
    const end: NbdEnd = { reason: "export-removed", message: reason };
    const { closeTimeoutMs } = this.limits;
    for (const connection of this.#connections) {
      if (connection.to !== removed.export) continue;
      connection.leave(end);
      // A device that is gone may have requests all the same: nobody waits for them for ever.
      const timer = this.#clock.at(this.#clock.nowMs() + closeTimeoutMs, () =>
        connection.abandon(end),
      );
      connection.whenOver(() => timer.cancel());
    }
    return true;
  }

  /** See `ExportDirectory`. */
  find(name: string): NbdExport | undefined {
    const named = this.#exports.get(name);
    if (named !== undefined || name !== "") return named?.export;
    const [first] = this.#exports.values();
    return first?.export;
  }

  /**
   * Takes the clients that come in by a listener, until the server is closed.
   *
   * @throws NvmeofError NVME_ERR_CLOSED
   */
  listen(listener: Listener): void {
    if (this.#closed !== undefined) {
      listener.close();
      throw new NvmeofError("NVME_ERR_CLOSED", "the server is closed");
    }
    this.#listeners.add(listener);
    listener.listen((stream) => this.#accept(stream));
  }

  /**
   * Ends everything: takes no more clients, answers what is under way for half of the time there is, and
   * the rest with ESHUTDOWN. Resolves within `closeTimeoutMs`, whatever clients and devices do.
   */
  close(): Promise<NbdCloseReport> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<NbdCloseReport> {
    const startMs = this.#clock.nowMs();
    const { closeTimeoutMs } = this.limits;
    const end: NbdEnd = { reason: "server-closed", message: "" };
    for (const listener of this.#listeners) listener.close();
    for (const connection of this.#connections) connection.leave(end);
    const late = this.#clock.at(startMs + closeTimeoutMs / 2, () => {
      for (const connection of this.#connections) connection.abandon(end);
    });
    const idle = new Promise<void>((resolve) => {
      this.#idle = resolve;
      this.#checkIdle();
    });
    const over = new Promise<void>((resolve) => {
      const last = this.#clock.at(startMs + closeTimeoutMs, resolve);
      void idle.then(() => last.cancel());
    });
    await Promise.race([idle, over]);
    late.cancel();
    for (const { stopObserving } of this.#exports.values()) stopObserving();
    return { tookMs: this.#clock.nowMs() - startMs, abandonedRequests: this.#requests };
  }

  #accept(stream: ByteStream): NbdConnection | undefined {
    const { remote } = stream;
    if (this.#connections.size >= this.limits.connectionsMax || this.#closed !== undefined) {
      this.#counting.met("connectionsMax");
      this.#observers.tell({ type: "refused", remote, limit: "connectionsMax" });
      return undefined;
    }
    this.#counting.connections++;
    const connection = new NbdConnection(stream, this.#owner);
    this.#connections.add(connection);
    return connection;
  }

  #ended(connection: NbdConnection, { reason, message, limit }: NbdEnd): void {
    this.#connections.delete(connection);
    const { remote, to } = connection;
    const exportName = to?.name;
    this.#observers.tell({ type: "disconnected", remote, exportName, reason, message, limit });
    this.#checkIdle();
  }

  #tellFailed(
    { remote, to }: NbdConnection,
    request: { readonly type: number; readonly offset: number; readonly length: number },
    errno: NbdErrno,
    error: NvmeofError,
  ): void {
    const { type, offset, length } = request;
    this.#observers.tell({
      type: "request-failed",
      remote,
      exportName: to!.name,
      command: commandName(type),
      offset,
      length,
      errno: errnoName(errno),
      error,
    });
  }

  #checkIdle(): void {
    if (this.#connections.size === 0 && this.#requests === 0) this.#idle?.();
  }
}

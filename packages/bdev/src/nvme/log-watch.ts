// One discovery controller: kept connected, and its log read whenever it says that the log has changed.
// Read first: discovery-service.ts, whose logs these are; @nvmeof/core discovery.ts for the log itself;
// Base 2.0 §5.2, "Discovery Log Page Change".

import {
  AsyncEventType,
  AsyncNoticeInfo,
  DISCOVERY_NQN,
  type DiscoveryEntry,
  type DiscoveryLog,
  type NvmeofError,
  Subtype,
} from "@nvmeof/codec";
import {
  AbortedError,
  type CloseReport,
  Controller,
  type ControllerEvent,
  ControllerHandle,
  type HostIdentity,
  addressText,
  entryAddress,
  readDiscoveryLog,
  unprotected,
} from "@nvmeof/core";
import type { Clock, Timer, Transport } from "@nvmeof/transport";

/** Wait before a log that could not be read, or a lost connection, is tried again, ms. */
const RETRY_MS = 1_000;
const RETRY_MAX_MS = 30_000;
/** A discovery controller that does not answer a read of its log for this long, ms, is lost. */
const LOG_TIMEOUT_MS = 10_000;
/** Addresses of one discovery controller that are kept in mind. */
const ADDRESSES_MAX = 16;

/** Who asks, and where. */
export interface LogWatchOptions extends HostIdentity {
  readonly clock: Clock;
  /** The way to the discovery controller; several are tried in turn. */
  readonly transport: Transport | readonly Transport[];
  readonly keepAliveTimeoutMs: number;
  /** Makes the transport to another address of it; undefined to leave that alone. */
  readonly open: (entry: DiscoveryEntry) => Transport | undefined;
}

/** What a watch tells. */
export interface LogWatchEvents {
  log(log: DiscoveryLog): void;
  /** The log could not be read; it is tried again, later or when it can be reached. */
  failed(error: NvmeofError): void;
}

export class LogWatch {
  readonly #options: LogWatchOptions;
  readonly #events: LogWatchEvents;
  readonly #clock: Clock;
  /** The discovery controller, or the last one there was. */
  #controller: Controller | undefined;
  #phase: "new" | "running" | "stopped" = "new";
  #reading: "no" | "yes" | "again" = "no";
  #retry: Timer | undefined;
  #retryMs = RETRY_MS;
  #entries: readonly DiscoveryEntry[] = [];
  readonly #first: Promise<void>;
  #firstLog: { done: () => void; failed: (error: NvmeofError) => void } | undefined;
  #stopped: Promise<void> | undefined;

  constructor(options: LogWatchOptions, events: LogWatchEvents) {
    this.#options = options;
    this.#events = events;
    this.#clock = options.clock;
    this.#first = new Promise<void>((done, failed) => (this.#firstLog = { done, failed }));
    // Nobody has to wait for it.
    this.#first.catch(() => {});
  }

  /** Records of the log as it was last read; none before. */
  get entries(): readonly DiscoveryEntry[] {
    return this.#entries;
  }

  /** Addresses of the discovery controller, those that its log has for it included. */
  get addresses(): readonly string[] {
    const own = [this.#options.transport].flat().map(({ address }) => address);
    return (this.#controller?.addresses ?? own).map(addressText);
  }

  /** Resolves when the log was read once; rejects if that cannot be, at first. */
  get firstLog(): Promise<void> {
    return this.#first;
  }

  /**
   * Begins to connect. Resolves when the log was read once; rejects with what ended the first connection,
   * or the first read. The watch goes on in either case, until it is stopped.
   */
  start(): Promise<void> {
    this.#phase = "running";
    this.#connect();
    return this.#first;
  }

  /** Disconnects, whatever the peer does. Idempotent; never rejects. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.#phase = "stopped";
    this.#retry?.cancel();
    this.#firstLog?.failed(new AbortedError("aborted", "not-sent", true));
    const controller = this.#controller;
    if (controller === undefined) return;
    await new Promise<CloseReport>((resolve) => controller.close({}, resolve));
  }

  #connect(): void {
    const { transport, hostNqn, hostId, keepAliveTimeoutMs } = this.#options;
    const controller = new Controller({
      transport,
      hostNqn,
      hostId,
      subsystemNqn: DISCOVERY_NQN,
      ioQueues: 0,
      keepAliveTimeoutMs,
      adminTimeoutMs: LOG_TIMEOUT_MS,
      reconnect: { delayMs: RETRY_MS, delayMaxMs: RETRY_MAX_MS, lossMs: -1, fastFailMs: 0 },
    });
    this.#controller = controller;
    controller.observe((event) => this.#observe(controller, event));
    controller.start((error) => {
      if (error === undefined) return;
      this.#firstLog?.failed(error);
      if (this.#phase === "running") this.#events.failed(error);
    });
  }

  #observe(controller: Controller, event: ControllerEvent): void {
    if (this.#phase !== "running") return;
    if (event.type === "async-event") {
      const { aet, aei } = event.event;
      const { DiscoveryLogChange } = AsyncNoticeInfo;
      if (aet === AsyncEventType.Notice && aei === DiscoveryLogChange) this.#read();
    } else if (event.type === "state" && event.to === "live") {
      // What changed while nobody listened is in the log as well.
      this.#read();
    } else if (event.type === "state" && event.to === "closing") {
      // Refused for good, we may be welcome later. What is attached stays: the log has not lost it.
      controller.close({}, () => this.#retryLater(() => this.#connect()));
    }
  }

  /** Reads the log, now or once more after the read that is under way. */
  #read(): void {
    if (this.#reading !== "no") {
      this.#reading = "again";
      return;
    }
    this.#retry?.cancel();
    this.#reading = "yes";
    const controller = this.#controller!;
    readDiscoveryLog(new ControllerHandle(controller)).then(
      (log) => this.#readDone(log),
      (error: unknown) => this.#readFailed(error as NvmeofError, controller),
    );
  }

  #readDone(log: DiscoveryLog): void {
    if (this.#phase !== "running") return;
    this.#retryMs = RETRY_MS;
    this.#entries = log.entries;
    for (const entry of log.entries) {
      if (entry.subtype === Subtype.CurrentDiscovery) this.#alsoAt(entry);
    }
    this.#events.log(log);
    this.#firstLog?.done();
    this.#readAgain();
  }

  #readFailed(error: NvmeofError, controller: Controller): void {
    if (this.#phase !== "running") return;
    this.#events.failed(error);
    this.#firstLog?.failed(error);
    // A connection that is lost is read again when it is back.
    if (!this.#readAgain() && controller.state === "live") this.#retryLater(() => this.#read());
  }

  /** Whether something happened meanwhile, so that what was read may be older than that. */
  #readAgain(): boolean {
    const again = this.#reading === "again" && this.#controller?.state === "live";
    this.#reading = "no";
    this.#firstLog = undefined;
    if (again) this.#read();
    return again;
  }

  #retryLater(task: () => void): void {
    if (this.#phase !== "running") return;
    this.#retry?.cancel();
    this.#retry = this.#clock.at(this.#clock.nowMs() + this.#retryMs, task);
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS);
  }

  /** One more way to the same discovery subsystem, for when the current one fails. */
  #alsoAt(entry: DiscoveryEntry): void {
    const controller = this.#controller!;
    const known = controller.addresses.map(addressText);
    if (known.length >= ADDRESSES_MAX || known.includes(entryAddress(entry))) return;
    const transport = this.#options.open(entry);
    // What it is called there may differ from what the log calls it.
    if (transport === undefined || known.includes(addressText(transport.address))) return;
    if (unprotected(entry, transport) !== undefined) return;
    controller.addTransport(transport);
  }
}

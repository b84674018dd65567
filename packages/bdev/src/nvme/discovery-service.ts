// Discovery that goes on: what the log of a target has is attached, and what it loses is detached.
// Read first: discovered.ts for one record; @nvmeof/core discovery.ts for the log; Base 2.0 §5.2,
// "Discovery Log Page Change". Referrals are not followed: a service asks one discovery subsystem.

import {
  AsyncEventType,
  AsyncNoticeInfo,
  DISCOVERY_NQN,
  type DiscoveryEntry,
  type DiscoveryLog,
  type NvmeofError,
  Subtype,
  trtypeName,
} from "@nvmeof/codec";
import {
  AbortedError,
  type CloseReport,
  Controller,
  type ControllerEvent,
  ControllerHandle,
  type ControllerOptions,
  type HostIdentity,
  addressText,
  readDiscoveryLog,
} from "@nvmeof/core";
import type { Clock, Timer, Transport } from "@nvmeof/transport";
import { Observers } from "../observers.ts";
import type { ControllerPath } from "./controller-path.ts";
import { Discovered } from "./discovered.ts";
import { type GroupOptions, NvmeGroup } from "./group.ts";

/** What a service is made of. */
export interface DiscoveryServiceOptions extends HostIdentity {
  /** The way to the discovery controller; several are tried in turn. */
  readonly transport: Transport | readonly Transport[];
  /** Makes the transport to an address of the log; undefined to leave it alone. */
  readonly open: (entry: DiscoveryEntry) => Transport | undefined;
  /** Subsystems become groups `<name>0`, `<name>1` …, each with all its controllers. */
  readonly name: string;
  /** Options of every group. */
  readonly group?: Omit<GroupOptions, "name">;
  /** Options of every controller that is attached. */
  readonly controller?: Omit<
    Partial<ControllerOptions>,
    "transport" | "hostNqn" | "hostId" | "subsystemNqn"
  >;
  /** KATO of the discovery controller, ms. Default 30 s. */
  readonly keepAliveTimeoutMs?: number;
}

/** What a service tells those who observe it. */
export type DiscoveryServiceEvent =
  | { readonly type: "log"; readonly genctr: bigint; readonly records: number }
  /** The log could not be read; it is tried again, after `retryMs` or when it can be reached. */
  | { readonly type: "log-failed"; readonly error: NvmeofError }
  | { readonly type: "group-added" | "group-removed"; readonly group: NvmeGroup }
  | { readonly type: "attached"; readonly entry: DiscoveryEntry; readonly path: ControllerPath }
  | {
      readonly type: "attach-failed";
      readonly entry: DiscoveryEntry;
      readonly error: NvmeofError;
      /** Undefined: not before the log changes. */
      readonly retryMs: number | undefined;
    }
  | { readonly type: "detached"; readonly entry: DiscoveryEntry; readonly reason: string };

/** Wait before a log that could not be read, or a lost connection, is tried again, ms. */
const RETRY_MS = 1_000;
const RETRY_MAX_MS = 30_000;
const KEEP_ALIVE_MS = 30_000;
/** A discovery controller that does not answer a read of its log for this long, ms, is lost. */
const LOG_TIMEOUT_MS = 10_000;
/** Addresses of the discovery controller that are kept in mind. */
const ADDRESSES_MAX = 16;

/** A record of the log that is, or was, wanted. */
interface Followed {
  readonly subnqn: string;
  readonly discovered: Discovered;
}

const textOf = (entry: DiscoveryEntry): string =>
  addressText({ ...entry, trtype: trtypeName(entry.trtype).toLowerCase() });

const keyOf = (entry: DiscoveryEntry): string => `${textOf(entry)} ${entry.subnqn}`;

export class DiscoveryService implements AsyncDisposable {
  readonly #options: DiscoveryServiceOptions;
  readonly #clock: Clock;
  readonly #observers: Observers<DiscoveryServiceEvent>;
  readonly #groups = new Map<string, NvmeGroup>();
  readonly #records = new Map<string, Followed>();
  /** The discovery controller, or the last one there was. */
  #controller: Controller | undefined;
  #phase: "new" | "running" | "stopped" = "new";
  #reading: "no" | "yes" | "again" = "no";
  #retry: Timer | undefined;
  #retryMs = RETRY_MS;
  #firstLog: { done: () => void; failed: (error: NvmeofError) => void } | undefined;
  #stopped: Promise<void> | undefined;

  constructor(options: DiscoveryServiceOptions) {
    this.#options = options;
    this.#clock = [options.transport].flat()[0]!.clock;
    this.#observers = new Observers(this.#clock);
  }

  /** Groups of the subsystems that were found, in the order in which they were. */
  get groups(): readonly NvmeGroup[] {
    return [...this.#groups.values()];
  }

  observe(observer: (event: DiscoveryServiceEvent) => void): () => void {
    return this.#observers.add(observer);
  }

  /**
   * Resolves when the log was read once, and each of its records was attached or could not be. Rejects
   * with what ended the first connection, or the first read; the service has stopped then.
   */
  async start(): Promise<void> {
    if (this.#phase !== "new") throw new TypeError("a discovery service starts once");
    this.#phase = "running";
    const firstLog = new Promise<void>((done, failed) => (this.#firstLog = { done, failed }));
    this.#connect();
    try {
      await firstLog;
    } catch (error) {
      await this.stop();
      throw error;
    }
    await this.#settled();
  }

  /** Detaches everything, whatever the peers do. Idempotent; never rejects. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #stop(): Promise<void> {
    this.#phase = "stopped";
    this.#retry?.cancel();
    this.#firstLog?.failed(new AbortedError("aborted", "not-sent", true));
    for (const { discovered } of this.#records.values()) discovered.unwant();
    const controller = this.#controller;
    const closed =
      controller && new Promise<CloseReport>((resolve) => controller.close({}, resolve));
    await Promise.all([closed, this.#settled()]);
    this.#forgetIdle();
  }

  async #settled(): Promise<void> {
    const records = [...this.#records.values()];
    await Promise.all(records.map(({ discovered }) => discovered.settled()));
  }

  #connect(): void {
    const { transport, hostNqn, hostId, keepAliveTimeoutMs = KEEP_ALIVE_MS } = this.#options;
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
      if (error !== undefined) this.#firstLog?.failed(error);
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

  #readDone({ genctr, entries }: DiscoveryLog): void {
    if (this.#phase !== "running") return;
    this.#retryMs = RETRY_MS;
    this.#take(entries);
    this.#tell({ type: "log", genctr, records: entries.length });
    this.#firstLog?.done();
    this.#readAgain();
  }

  #readFailed(error: NvmeofError, controller: Controller): void {
    if (this.#phase !== "running") return;
    this.#tell({ type: "log-failed", error });
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

  #take(entries: readonly DiscoveryEntry[]): void {
    const wanted = new Map<string, DiscoveryEntry>();
    for (const entry of entries) {
      if (entry.subtype === Subtype.Nvm) wanted.set(keyOf(entry), entry);
      else if (entry.subtype === Subtype.CurrentDiscovery) this.#alsoAt(entry);
    }
    for (const [key, { discovered }] of this.#records) {
      if (!wanted.has(key)) discovered.unwant();
    }
    for (const [key, entry] of wanted) {
      const known = this.#records.get(key)?.discovered;
      const discovered = known ?? this.#discover(entry);
      if (discovered === undefined) continue;
      this.#records.set(key, { subnqn: entry.subnqn, discovered });
      discovered.want();
    }
    this.#forgetIdle();
  }

  /** One more way to the same discovery subsystem, for when the current one fails. */
  #alsoAt(entry: DiscoveryEntry): void {
    const controller = this.#controller!;
    const known = controller.addresses.map(addressText);
    if (known.length >= ADDRESSES_MAX || known.includes(textOf(entry))) return;
    const transport = this.#options.open(entry);
    // What it is called there may differ from what the log calls it.
    if (transport === undefined || known.includes(addressText(transport.address))) return;
    controller.addTransport(transport);
  }

  #discover(entry: DiscoveryEntry): Discovered | undefined {
    const transport = this.#options.open(entry);
    if (transport === undefined) return undefined;
    const { hostNqn, hostId, controller } = this.#options;
    const { subnqn } = entry;
    const options = { ...controller, transport, hostNqn, hostId, subsystemNqn: subnqn };
    return new Discovered(this.#clock, {
      attach: (signal) => this.#groupOf(subnqn).attach(options, signal),
      detach: async (path) => void (await this.#groups.get(subnqn)?.detach(path)),
      attached: (path) => this.#tell({ type: "attached", entry, path }),
      failed: (error, retryMs) => this.#tell({ type: "attach-failed", entry, error, retryMs }),
      detached: (reason) => this.#tell({ type: "detached", entry, reason }),
      over: () => this.#forgetIdle(),
    });
  }

  #groupOf(subnqn: string): NvmeGroup {
    const known = this.#groups.get(subnqn);
    if (known !== undefined) return known;
    const names = new Set(this.groups.map(({ name }) => name));
    let index = 0;
    while (names.has(`${this.#options.name}${index}`)) index++;
    const group = new NvmeGroup({ ...this.#options.group, name: `${this.#options.name}${index}` });
    this.#groups.set(subnqn, group);
    this.#tell({ type: "group-added", group });
    return group;
  }

  /** Records that are gone, and groups that nothing leads to. */
  #forgetIdle(): void {
    for (const [key, { discovered }] of this.#records) {
      if (discovered.isOver) this.#records.delete(key);
    }
    const wanted = new Set([...this.#records.values()].map(({ subnqn }) => subnqn));
    for (const [subnqn, group] of this.#groups) {
      if (wanted.has(subnqn) || group.controllers.length > 0) continue;
      this.#groups.delete(subnqn);
      this.#tell({ type: "group-removed", group });
    }
  }

  #tell(event: DiscoveryServiceEvent): void {
    this.#observers.tell(event);
  }
}

// Discovery that goes on: what the logs of a target have is attached, and what they lose is detached.
// Read first: log-watch.ts for one discovery controller, discovered.ts for one record; Base 2.0
// §3.1.2.3 "Discovery Controller", "Referral".

import { type DiscoveryEntry, type DiscoveryLog, NvmeofError, Subtype } from "@nvmeof/codec";
import {
  type ControllerOptions,
  type HostIdentity,
  addressText,
  entryAddress,
  outOfScope,
  unprotected,
} from "@nvmeof/core";
import type { Clock, Transport } from "@nvmeof/transport";
import { Observers } from "../observers.ts";
import type { ControllerPath } from "./controller-path.ts";
import { Discovered } from "./discovered.ts";
import { type GroupOptions, NvmeGroup } from "./group.ts";
import { LogWatch } from "./log-watch.ts";

/** Which of the discovery controllers that a log refers to are asked as well. */
export interface ReferralOptions {
  /** Referrals of referrals of …: 0 follows none, 1 those of the first log. Default 4. */
  readonly depthMax?: number;
  /** Discovery controllers that are referred to and kept connected, at most. Default 16. */
  readonly controllersMax?: number;
  /** Follow those to addresses of this machine or its link as well. Default false. */
  readonly anywhere?: boolean;
}

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
  /** KATO of each discovery controller, ms. Default 30 s. */
  readonly keepAliveTimeoutMs?: number;
  /** Bounds for the referrals that are followed. */
  readonly referrals?: ReferralOptions;
}

/** What a service tells those who observe it. `address` says of which discovery controller. */
export type DiscoveryServiceEvent =
  | {
      readonly type: "log";
      readonly address: string;
      readonly genctr: bigint;
      readonly records: number;
    }
  /** The log could not be read; it is tried again, later or when it can be reached. */
  | { readonly type: "log-failed"; readonly address: string; readonly error: NvmeofError }
  /** Another discovery controller is asked from now on, or is not any more. */
  | { readonly type: "referral-added" | "referral-removed"; readonly address: string }
  /** It is not asked, and why. Told once for each address, until a log does without it. */
  | { readonly type: "referral-ignored"; readonly address: string; readonly error: NvmeofError }
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

const KEEP_ALIVE_MS = 30_000;
const DEPTH_MAX = 4;
const REFERRALS_MAX = 16;
/** Records of all logs together that are attached. */
const RECORDS_MAX = 4_096;

/** A record of the log that is, or was, wanted. */
interface Followed {
  readonly subnqn: string;
  readonly discovered: Discovered;
}

const keyOf = (entry: DiscoveryEntry): string => `${entryAddress(entry)} ${entry.subnqn}`;

/** What all logs together come to. */
interface Findings {
  readonly records: Map<string, DiscoveryEntry>;
  /** Discovery controllers that some log refers to, by address. */
  readonly referrals: Map<string, DiscoveryEntry>;
  /** Those that are not followed, and why. */
  readonly ignored: Map<string, NvmeofError>;
}

/**
 * Follows the discovery log of a target, and what it refers to: subsystems come and go as the log
 * says.
 */
export class DiscoveryService implements AsyncDisposable {
  readonly #options: DiscoveryServiceOptions;
  readonly #clock: Clock;
  readonly #bounds: Required<ReferralOptions>;
  readonly #observers: Observers<DiscoveryServiceEvent>;
  readonly #groups = new Map<string, NvmeGroup>();
  readonly #records = new Map<string, Followed>();
  readonly #root: LogWatch;
  /** Discovery controllers that are referred to, by the address that they are referred to by. */
  readonly #referred = new Map<string, LogWatch>();
  /** Referrals that were told to be ignored. */
  #ignored = new Set<string>();
  /** Watches that are ending. */
  readonly #ending = new Set<Promise<void>>();
  #phase: "new" | "running" | "stopped" = "new";
  #stopped: Promise<void> | undefined;

  /** @throws RangeError for bounds of referrals that are none. */
  constructor(options: DiscoveryServiceOptions) {
    this.#options = options;
    this.#bounds = checkBounds(options.referrals);
    const [first] = [options.transport].flat();
    this.#clock = first!.clock;
    this.#observers = new Observers(this.#clock);
    this.#root = this.#watch(addressText(first!.address), options.transport);
  }

  /** Groups of the subsystems that were found, in the order in which they were. */
  get groups(): readonly NvmeGroup[] {
    return [...this.#groups.values()];
  }

  observe(observer: (event: DiscoveryServiceEvent) => void): () => void {
    return this.#observers.add(observer);
  }

  /**
   * Resolves when the log was read once, and those that it refers to, and each of their records was
   * attached or could not be. Rejects with what ended the first connection, or the first read; the
   * service has stopped then. A log that is referred to and cannot be read holds nobody up: see
   * `log-failed`.
   */
  async start(): Promise<void> {
    if (this.#phase !== "new") throw new TypeError("a discovery service starts once");
    this.#phase = "running";
    try {
      await this.#root.start();
    } catch (error) {
      await this.stop();
      throw error;
    }
    await this.#logsRead();
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
    for (const { discovered } of this.#records.values()) discovered.unwant();
    const watches = [this.#root, ...this.#referred.values()].map((watch) => watch.stop());
    await Promise.all([...watches, ...this.#ending, this.#settled()]);
    this.#forgetIdle();
  }

  async #settled(): Promise<void> {
    const records = [...this.#records.values()];
    await Promise.all(records.map(({ discovered }) => discovered.settled()));
  }

  /** Waits until every log that is referred to was read once, or could not be. */
  async #logsRead(): Promise<void> {
    const seen = new Set<LogWatch>();
    // Each may refer to more, and those to more again: as many rounds as there are levels.
    for (let depth = 0; depth <= this.#bounds.depthMax; depth++) {
      const fresh = [...this.#referred.values()].filter((watch) => !seen.has(watch));
      if (fresh.length === 0 || this.#phase !== "running") return;
      for (const watch of fresh) seen.add(watch);
      await Promise.allSettled(fresh.map((watch) => watch.firstLog));
    }
  }

  /** @param address what the discovery controller is called in events. */
  #watch(address: string, transport: Transport | readonly Transport[]): LogWatch {
    const { hostNqn, hostId, open, keepAliveTimeoutMs = KEEP_ALIVE_MS } = this.#options;
    const clock = this.#clock;
    const asked = { clock, transport, hostNqn, hostId, open, keepAliveTimeoutMs };
    return new LogWatch(asked, {
      log: ({ genctr, entries }: DiscoveryLog) => {
        this.#take();
        this.#tell({ type: "log", address, genctr, records: entries.length });
      },
      failed: (error) => this.#tell({ type: "log-failed", address, error }),
    });
  }

  /** Goes from log to log, as far as they refer to each other and the bounds allow. */
  #find(): Findings {
    const { depthMax, controllersMax } = this.#bounds;
    const found: Findings = { records: new Map(), referrals: new Map(), ignored: new Map() };
    // By every address that one is known by, or it would be asked again by a log that refers back.
    const seen = new Set(this.#root.addresses);
    let level = [this.#root];
    for (let depth = 1; level.length > 0; depth++) {
      const next: LogWatch[] = [];
      for (const entry of level.flatMap(({ entries }) => entries)) {
        const address = entryAddress(entry);
        if (entry.subtype === Subtype.CurrentDiscovery) seen.add(address);
        if (entry.subtype === Subtype.Nvm && found.records.size < RECORDS_MAX) {
          found.records.set(keyOf(entry), entry);
        }
      }
      for (const entry of level.flatMap(({ entries }) => entries)) {
        const address = entryAddress(entry);
        if (entry.subtype !== Subtype.Referral || seen.has(address)) continue;
        if (depth > depthMax) found.ignored.set(address, tooFar(`at depth ${depth}`, depthMax));
        else if (found.referrals.size >= controllersMax) {
          found.ignored.set(address, tooFar("one too many", controllersMax));
        } else {
          seen.add(address);
          found.referrals.set(address, entry);
          const watch = this.#referred.get(address);
          if (watch !== undefined) next.push(watch);
          for (const alias of watch?.addresses ?? []) seen.add(alias);
        }
      }
      level = next;
    }
    return found;
  }

  /** Some log has changed: follows what all of them say together. */
  #take(): void {
    const { records, referrals, ignored } = this.#find();
    this.#follow(referrals, ignored);
    for (const [address, error] of ignored) {
      if (!this.#ignored.has(address)) this.#tell({ type: "referral-ignored", address, error });
    }
    this.#ignored = new Set(ignored.keys());
    for (const [key, { discovered }] of this.#records) {
      if (!records.has(key)) discovered.unwant();
    }
    for (const [key, entry] of records) {
      const known = this.#records.get(key)?.discovered;
      const discovered = known ?? this.#discover(entry);
      if (discovered === undefined) continue;
      this.#records.set(key, { subnqn: entry.subnqn, discovered });
      discovered.want();
    }
    this.#forgetIdle();
  }

  /** Asks those that are referred to, and nobody else any more. */
  #follow(referrals: ReadonlyMap<string, DiscoveryEntry>, ignored: Map<string, NvmeofError>): void {
    for (const [address, watch] of this.#referred) {
      if (referrals.has(address)) continue;
      this.#referred.delete(address);
      const ended = watch.stop().then(() => void this.#ending.delete(ended));
      this.#ending.add(ended);
      this.#tell({ type: "referral-removed", address });
    }
    for (const [address, entry] of referrals) {
      if (this.#referred.has(address)) continue;
      const transport = this.#options.open(entry);
      if (transport === undefined) continue;
      const refusal = unprotected(entry, transport) ?? this.#outOfScope(entry);
      if (refusal !== undefined) {
        ignored.set(address, refusal);
        continue;
      }
      const watch = this.#watch(address, transport);
      this.#referred.set(address, watch);
      this.#tell({ type: "referral-added", address });
      // What comes of it is told by `log` and `log-failed`.
      watch.start().catch(() => {});
    }
  }

  #outOfScope(entry: DiscoveryEntry): NvmeofError | undefined {
    if (this.#bounds.anywhere) return undefined;
    const [first] = [this.#options.transport].flat();
    return outOfScope(first!.address, entry);
  }

  #discover(entry: DiscoveryEntry): Discovered | undefined {
    const transport = this.#options.open(entry);
    if (transport === undefined) return undefined;
    const { hostNqn, hostId, controller } = this.#options;
    const { subnqn } = entry;
    const options = { ...controller, transport, hostNqn, hostId, subsystemNqn: subnqn };
    const refusal = unprotected(entry, transport);
    return new Discovered(this.#clock, {
      attach: (signal) =>
        refusal === undefined
          ? this.#groupOf(subnqn).attach(options, signal)
          : Promise.reject(refusal),
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

function checkBounds({
  depthMax = DEPTH_MAX,
  controllersMax = REFERRALS_MAX,
  anywhere = false,
}: ReferralOptions = {}): Required<ReferralOptions> {
  for (const [name, value] of Object.entries({ depthMax, controllersMax })) {
    if (Number.isInteger(value) && value >= 0) continue;
    throw new RangeError(`referrals.${name} is ${value}; it must be a whole number, 0 or more`);
  }
  return { depthMax, controllersMax, anywhere };
}

const tooFar = (what: string, most: number): NvmeofError =>
  new NvmeofError("NVME_ERR_DISCOVERY_TOO_LARGE", `a referral ${what}; the limit is ${most}`, {
    phase: "discovery",
  });

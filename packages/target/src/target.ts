// A target: subsystems and that of discovery, behind any number of ports, for any number of hosts.
// Read first: DESIGN.md §4 "Close"; subsystem.ts and port.ts for the two things it is made of.

import { Observers } from "@nvmeof/bdev";
import { DISCOVERY_NQN } from "@nvmeof/codec";
import type { TlsKey, TlsPsk } from "@nvmeof/codec/auth";
import type { Random } from "@nvmeof/core";
import type { AuthCrypto } from "@nvmeof/core/auth";
import type { Clock, ProvenNames } from "@nvmeof/transport";
import { Notice } from "./async-events.ts";
import { AuthWatch } from "./auth/auth-watch.ts";
import { BufferPool } from "./buffer-pool.ts";
import type { TargetContext } from "./context.ts";
import { Counting, type TargetCounters } from "./counters.ts";
import { DiscoverySource, type Referral, checkReferral } from "./discovery.ts";
import { TargetError } from "./errors.ts";
import type { TargetEvent } from "./events.ts";
import { Gate, GateMode } from "./gate.ts";
import { type TargetLimits, checkRetryDelays, resolveLimits } from "./limits.ts";
import { ConnectionCounts, type ListenOptions, Port, type TargetPort } from "./port.ts";
import { Subsystem, type SubsystemOptions } from "./subsystem.ts";

/** What a target is made of. */
export interface TargetOptions {
  readonly clock: Clock;
  /**
   * Names incarnations of controllers (CIU, CIRN), so that a host can have one reset by way of
   * another (Cross-Controller Reset). It must not repeat itself after a restart: `systemRandom` of
   * `@nvmeof/target/node`, a seed in tests. Default none, and then no Cross-Controller Reset.
   */
  readonly random?: Random | undefined;
  /**
   * Hashes and chance for hosts that have to prove who they are: `authCrypto` of `@nvmeof/core/node`,
   * which `serve` brings. Default none; then no host can have a secret.
   */
  readonly authCrypto?: AuthCrypto | undefined;
  /** Bounds, in place of their defaults. */
  readonly limits?: Partial<TargetLimits> | undefined;
  /** Other discovery controllers that hosts are told of. */
  readonly referrals?: readonly Referral[] | undefined;
  /**
   * Any command keeps a controller alive (TBKAS), so that a busy host need not send Keep Alive. A
   * silent host is then noticed after up to twice its timeout. Default true.
   */
  readonly trafficKeepAlive?: boolean | undefined;
  /**
   * Times that a device may ask a host to wait before it retries (CRDT1 to CRDT3), ms: up to three
   * multiples of 100, at most 6,553,500. A device's error asks for the nth with CRD n in its status;
   * hosts that do not know of it (no ACRE) are not told. Default none.
   */
  readonly retryDelaysMs?: readonly number[] | undefined;
  /** Refuse a Host Identifier that is zero, or that another host NQN has. Default true. */
  readonly hostIdCheck?: boolean | undefined;
}

/** What is in use now; all zero when no host is there and every device has settled. */
export interface TargetStatus {
  readonly connections: number;
  readonly controllers: number;
  /** Requests that block devices have and did not settle. */
  readonly backendRequests: number;
  /** Buffers that commands hold, and their bytes. */
  readonly buffers: number;
  readonly bufferBytes: number;
}

/** How a close went. */
export interface TargetCloseReport {
  /** Time until everything was released, or given up, ms. */
  readonly tookMs: number;
  /** Requests that block devices had not settled by then. Their buffers are theirs. */
  readonly abandonedRequests: number;
}

/** The life of a target. */
type TargetState =
  | { readonly phase: "open" }
  | { readonly phase: "closed"; readonly report: Promise<TargetCloseReport> };

/** An NVMe over Fabrics target in this process. It does nothing until it listens. */
export class Target implements AsyncDisposable {
  readonly #context: TargetContext;
  readonly #discovery: Subsystem;
  readonly #discoverySource: DiscoverySource;
  readonly #subsystems = new Map<string, Subsystem>();
  readonly #ports = new Map<number, Port>();
  /** Ports that take no more hosts; some may still have connections. */
  readonly #retiredPorts = new Set<Port>();
  readonly #counts: ConnectionCounts;
  #referrals: readonly Referral[];
  #state: TargetState = { phase: "open" };

  /** @throws RangeError for a limit that cannot be. */
  constructor(options: TargetOptions) {
    const { clock, authCrypto } = options;
    const limits = resolveLimits(options.limits);
    const observers = new Observers<TargetEvent>(clock);
    const counting = new Counting(clock, observers, limits.transferBytesMax);
    const waits = "a command waits for a buffer";
    this.#context = {
      clock,
      limits,
      gate: new Gate(),
      pool: new BufferPool(clock, limits.bufferBytesMax, limits.idleBufferBytesMax, (limit) =>
        counting.met(limit, "", waits),
      ),
      usage: { connections: 0, controllers: 0, backendRequests: 0 },
      observers,
      counting,
      auth: authCrypto && new AuthWatch(clock, limits, authCrypto),
      random: options.random,
      startedMs: clock.nowMs(),
      trafficKeepAlive: options.trafficKeepAlive ?? true,
      hostIdCheck: options.hostIdCheck ?? true,
      retryDelaysMs: checkRetryDelays(options.retryDelaysMs ?? []),
      backendIdle: undefined,
    };
    this.#counts = new ConnectionCounts(this.#context);
    this.#referrals = (options.referrals ?? []).map(checkReferral);
    this.#discoverySource = new DiscoverySource(this, limits, (records) =>
      counting.met("discoveryRecordsMax", "", `the discovery log has ${records} records`),
    );
    const named = { nqn: DISCOVERY_NQN };
    this.#discovery = new Subsystem(this.#context, named, () => {}, this.#discoverySource);
  }

  /** Subsystems, without that of discovery. */
  get subsystems(): readonly Subsystem[] {
    return [...this.#subsystems.values()];
  }

  /** Ports that take hosts. */
  get ports(): readonly TargetPort[] {
    return [...this.#ports.values()];
  }

  /** Other discovery controllers that hosts are told of. */
  get referrals(): readonly Referral[] {
    return this.#referrals;
  }

  get limits(): TargetLimits {
    return this.#context.limits;
  }

  get status(): TargetStatus {
    const { usage, pool } = this.#context;
    return { ...usage, buffers: pool.loans, bufferBytes: pool.loanBytes };
  }

  /** What hosts did since the target was made: which bounds they met, and how often. */
  get counters(): TargetCounters {
    return this.#context.counting.counters;
  }

  /** Tells `observer` of what happens from now on, until the returned function is called. */
  observe(observer: (event: TargetEvent) => void): () => void {
    return this.#context.observers.add(observer);
  }

  /**
   * The TLS key of a host, by what subsystems know of their hosts (`allowedHosts`), for the `keyFor` of
   * a listener. For discovery it is the first that any of them has.
   */
  tlsKeyFor({ hostNqn, subsystemNqn }: ProvenNames): TlsKey | TlsPsk | undefined {
    if (subsystemNqn !== DISCOVERY_NQN) {
      return this.#subsystems.get(subsystemNqn)?.hosts.tlsKeyOf(hostNqn);
    }
    for (const { hosts } of this.#subsystems.values()) {
      const key = hosts.tlsKeyOf(hostNqn);
      if (key !== undefined) return key;
    }
    return undefined;
  }

  /**
   * Adds a subsystem, with or without namespaces, at all ports.
   *
   * @throws TargetError NVME_ERR_IN_USE, NVME_ERR_CLOSED, and what `Subsystem.addNamespace` raises;
   * NqnError; RangeError
   */
  addSubsystem(options: SubsystemOptions): Subsystem {
    this.#checkOpen();
    const { nqn } = options;
    if (nqn === DISCOVERY_NQN || this.#subsystems.has(nqn)) {
      throw new TargetError("in-use", `the target has a subsystem ${nqn} already`);
    }
    const subsystem = new Subsystem(this.#context, options, () => this.#discoveryChanged());
    this.#subsystems.set(nqn, subsystem);
    this.#discoveryChanged();
    return subsystem;
  }

  /** Removes a subsystem and ends its controllers. Returns whether there was one. */
  removeSubsystem(nqn: string): boolean {
    const subsystem = this.#subsystems.get(nqn);
    if (subsystem === undefined) return false;
    this.#subsystems.delete(nqn);
    subsystem.end("subsystem-removed");
    this.#discoveryChanged();
    return true;
  }

  /**
   * Takes the hosts that come in by a listener.
   *
   * @throws TargetError NVME_ERR_IN_USE, NVME_ERR_CLOSED; RangeError
   */
  listen(options: ListenOptions): TargetPort {
    this.#checkOpen();
    const portId = options.portId ?? this.#freePortId();
    if (!Number.isInteger(portId) || portId < 0 || portId > 0xffff) {
      throw new RangeError(`a port ID must be 0 to 65535, not ${portId}`);
    }
    if (this.#ports.has(portId)) throw new TargetError("in-use", `there is a port ${portId}`);
    const port = new Port(
      {
        context: this.#context,
        counts: this.#counts,
        find: (nqn) => (nqn === DISCOVERY_NQN ? this.#discovery : this.#subsystems.get(nqn)),
        portClosed: (closed, connections) => this.#portClosed(closed, connections),
      },
      portId,
      options,
    );
    this.#ports.set(portId, port);
    this.#discoveryChanged();
    return port;
  }

  /**
   * Sets the other discovery controllers that hosts are told of.
   *
   * @throws RangeError, NqnError
   */
  setReferrals(referrals: readonly Referral[]): void {
    this.#referrals = referrals.map(checkReferral);
    this.#discoveryChanged();
  }

  /**
   * Makes the target a silent peer: connections stay open, and nothing that arrives is looked at or
   * answered until {@link thaw}. Its own deadlines stand still meanwhile.
   */
  freeze(): void {
    this.#context.gate.freeze();
  }

  /** Goes on with what was held, oldest first. */
  thaw(): void {
    this.#context.gate.thaw();
  }

  /** Whether {@link freeze} holds. */
  get isFrozen(): boolean {
    return this.#context.gate.mode === GateMode.Frozen;
  }

  /**
   * Ends the target: no more hosts, no more commands; what devices have is answered if they settle
   * in half of `closeTimeoutMs`; then all connections end. Resolves when the devices have settled,
   * or after `closeTimeoutMs`. Idempotent; never rejects. The devices stay open.
   */
  close(): Promise<TargetCloseReport> {
    if (this.#state.phase === "open") this.#state = { phase: "closed", report: this.#close() };
    return this.#state.report;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<TargetCloseReport> {
    const { clock, gate, limits, usage } = this.#context;
    const startMs = clock.nowMs();
    gate.drain();
    for (const port of this.#ports.values()) port.close("keep");
    await this.#backendIdle(startMs + limits.closeTimeoutMs / 2);
    for (const subsystem of this.#subsystems.values()) subsystem.end("target-closed");
    this.#discovery.end("target-closed");
    // Connections that never became a queue of a controller.
    for (const port of this.#retiredPorts) port.endQueues("target-closed");
    await this.#backendIdle(startMs + limits.closeTimeoutMs);
    return { tookMs: clock.nowMs() - startMs, abandonedRequests: usage.backendRequests };
  }

  /** Waits until no device has a request of ours, at most until `untilMs`. */
  #backendIdle(untilMs: number): Promise<void> {
    const context = this.#context;
    const { clock, usage } = context;
    if (usage.backendRequests === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        timer.cancel();
        context.backendIdle = undefined;
        // A command of several requests may be about to submit the next.
        clock.defer(() => resolve(this.#backendIdle(untilMs)));
      };
      const timer = clock.at(untilMs, () => {
        context.backendIdle = undefined;
        resolve();
      });
      context.backendIdle = done;
    });
  }

  #portClosed(port: Port, connections: "keep" | "drop"): void {
    if (this.#ports.get(port.portId) === port) {
      this.#ports.delete(port.portId);
      for (const old of this.#retiredPorts) {
        if (old.connections === 0) this.#retiredPorts.delete(old);
      }
      this.#retiredPorts.add(port);
      this.#discoveryChanged();
    }
    if (connections === "keep") return;
    for (const subsystem of [this.#discovery, ...this.#subsystems.values()]) {
      for (const controller of subsystem.controllers.values()) {
        if (controller.admin.port === port) controller.remove("port-closed");
      }
    }
    port.endQueues("port-closed");
  }

  #discoveryChanged(): void {
    this.#discoverySource.generation++;
    for (const controller of this.#discovery.controllers.values()) {
      controller.notify(Notice.Discovery);
    }
  }

  #freePortId(): number {
    let portId = 1;
    while (this.#ports.has(portId)) portId++;
    return portId;
  }

  #checkOpen(): void {
    if (this.#state.phase !== "open") throw new TargetError("closed", "the target is closed");
  }
}

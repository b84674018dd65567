// A proxy that does what a plan says to the NVMe/TCP connections that pass through it.
// Read first: plan.ts for the plan, link.ts for a connection; docs/chaos.md.

import type { ByteStream, ByteStreamHandler, Clock, Connector, Listener } from "@nvmeof/transport";
import { ChaosLink, type LinkProxy } from "./link.ts";
import { type ChaosLimits, resolveChaosLimits } from "./limits.ts";
import type { ChaosEvent } from "./log.ts";
import { Matcher, type Tally, noTally } from "./matcher.ts";
import type { ChaosPlan, PduFault } from "./plan.ts";
import { isByteKind } from "./kinds.ts";

/** What a proxy does, between whom, and by whose clock. */
export interface ChaosProxyOptions {
  readonly plan: ChaosPlan;
  readonly clock: Clock;
  /** Where hosts come in. */
  readonly listener: Listener;
  /** Where they are passed on to. */
  readonly connector: Connector;
  readonly limits?: Partial<ChaosLimits>;
}

/** What a proxy has done. */
export interface ChaosCounters {
  readonly connections: number;
  /** Of them, those that are open. */
  readonly open: number;
  /** Bytes that wait in the proxy. */
  readonly heldBytes: number;
  /** How often each fault of the plan was carried out, in their order. */
  readonly done: readonly number[];
}

/** A proxy at work, from the moment that it is made until `close`. */
export class ChaosProxy {
  readonly #options: ChaosProxyOptions;
  readonly #limits: ChaosLimits;
  readonly #links = new Set<ChaosLink>();
  readonly #observers = new Set<(event: ChaosEvent) => void>();
  readonly #done: number[];
  readonly #matchers: readonly { readonly index: number; readonly matcher: Matcher }[];
  readonly #startMs: number;
  #connections = 0;
  #state: "open" | "closed" = "open";

  /** Begins to take connections. @throws TypeError, RangeError for limits that cannot be. */
  constructor(options: ChaosProxyOptions) {
    this.#options = options;
    this.#limits = resolveChaosLimits(options.limits);
    const { faults } = options.plan;
    this.#done = faults.map(() => 0);
    this.#matchers = faults.flatMap((fault, index) =>
      isByteKind(fault.kind) ? [] : [{ index, matcher: new Matcher(fault as PduFault, noTally()) }],
    );
    this.#startMs = options.clock.nowMs();
    options.listener.listen((stream) => this.#accept(stream));
  }

  get counters(): ChaosCounters {
    let heldBytes = 0;
    for (const link of this.#links) heldBytes += link.heldBytes;
    return {
      connections: this.#connections,
      open: this.#links.size,
      heldBytes,
      done: [...this.#done],
    };
  }

  /** Tells of everything from now on; returns how to stop that. Do not throw. */
  observe(tell: (event: ChaosEvent) => void): () => void {
    this.#observers.add(tell);
    return () => this.#observers.delete(tell);
  }

  /** Takes no more connections, and resets those that are open. */
  close(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#options.listener.close();
    for (const link of Array.from(this.#links)) link.destroy();
  }

  readonly #elapsedMs = (): number => this.#options.clock.nowMs() - this.#startMs;

  readonly #tell = (event: ChaosEvent): void => {
    for (const tell of this.#observers) tell(event);
  };

  #isDown(connection: number): boolean {
    const elapsedMs = this.#elapsedMs();
    return this.#options.plan.faults.some(({ kind, select }, index) => {
      if (kind !== "down" || elapsedMs < select.afterMs || elapsedMs >= select.untilMs)
        return false;
      if (select.connections.length > 0 && !select.connections.includes(connection)) return false;
      // Whose queue is not known yet cannot be chosen by it.
      if (select.queues.length > 0) return false;
      this.#done[index]!++;
      return true;
    });
  }

  #accept(stream: ByteStream): ByteStreamHandler | undefined {
    const connection = ++this.#connections;
    const at = { atMs: this.#elapsedMs(), connection, remote: stream.remote };
    const isFull = this.#links.size >= this.#limits.connectionsMax;
    if (this.#state === "closed" || isFull || this.#isDown(connection)) {
      this.#tell({ type: "refused", ...at });
      return undefined;
    }
    const { clock, connector, plan } = this.#options;
    const tallies: Tally[] = this.#matchers.map(noTally);
    const proxy: LinkProxy = {
      clock,
      connector,
      plan,
      limits: this.#limits,
      faults: this.#matchers.map((each, i) => ({ ...each, tally: tallies[i]! })),
      elapsedMs: this.#elapsedMs,
      tell: this.#tell,
      count: (index) => this.#done[index]!++,
      over: (link) => this.#links.delete(link),
    };
    const link = new ChaosLink(connection, proxy, stream);
    this.#links.add(link);
    this.#tell({ type: "opened", ...at });
    return link.start();
  }
}

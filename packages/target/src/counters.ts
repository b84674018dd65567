// How often hosts met a bound of a target, or did what no host does; and how watchers are told of it.
// Read first: limits.ts for the bounds, events.ts for what is told; docs/limits.md has both side by side.

import type { Observers } from "@nvmeof/bdev";
import { type NvmeofError, ProtocolError, Status, codeOf } from "@nvmeof/codec";
import { type Clock, type ControllerLink, TlsError, type TlsFailure } from "@nvmeof/transport";
import type { TargetEvent } from "./events.ts";

/** Bounds that hosts can meet: each is counted, and told in an event. */
export const metLimits = [
  "connectionsMax",
  "connectionsPerAddressMax",
  "connectingMax",
  "controllersMax",
  "controllersPerHostMax",
  "ioQueuesMax",
  "queueDepthMax",
  "adminQueueDepthMax",
  "handshakeTimeoutMs",
  "initializeTimeoutMs",
  "connectTimeoutMs",
  "refusedCommandsMax",
  "unauthenticatedMax",
  "authenticateTimeoutMs",
  "authenticationFailuresMax",
  "enableTimeoutMs",
  "partialPduTimeoutMs",
  "r2tTimeoutMs",
  "sendTimeoutMs",
  "keepAliveTimeoutMsMax",
  "inCapsuleBytes",
  "h2cDataBytesMax",
  "transferBytesMax",
  "connectionBufferBytesMax",
  "bufferBytesMax",
  "queuedBytesMax",
  "asyncEventRequestsMax",
  "crossControllerResetsMax",
  "crossControllerResetEntriesMax",
  "crossControllerResetTimeoutMs",
  "discoveryRecordsMax",
] as const;
/** A bound whose meetings are counted: see {@link metLimits}. */
export type MetLimit = (typeof metLimits)[number];

/** Statuses that say which bound a command met. */
const limitOf: Readonly<Record<number, MetLimit>> = {
  [Status.AerLimitExceeded]: "asyncEventRequestsMax",
  [Status.CcrLimitExceeded]: "crossControllerResetsMax",
  [Status.CcrLogPageFull]: "crossControllerResetEntriesMax",
  [Status.KeepAliveInvalid]: "keepAliveTimeoutMsMax",
};

/** What hosts did since the target was made. Numbers only grow. */
export interface TargetCounters {
  /** How often a host met each bound. */
  readonly limits: Readonly<Record<MetLimit, number>>;
  /** Times that a host has proven who it is, on a queue, and that one has not. */
  readonly authentications: { readonly succeeded: number; readonly failed: number };
  /** Connections that ended because the host broke the protocol. */
  readonly protocolErrors: number;
  /** Of these, those that spoke something else from their first byte: "HTTP", "TLS", "SSH". */
  readonly strangers: Readonly<Record<string, number>>;
  /** TLS handshakes that failed, by why: "wrong-key", "unknown-identity", "not-spoken" and so on. */
  readonly tlsRefusals: Readonly<Partial<Record<TlsFailure, number>>>;
}

/** Events about one bound in one second; more are counted, and not told one by one. */
const TOLD_MAX = 10;
const SECOND_MS = 1_000;

/** Counts for one target. */
export class Counting {
  readonly #clock: Clock;
  readonly #observers: Observers<TargetEvent>;
  readonly #transferBytesMax: number;
  readonly #limits = Object.fromEntries(metLimits.map((name) => [name, 0])) as Record<
    MetLimit,
    number
  >;
  readonly #strangers: Record<string, number> = {};
  readonly #tlsRefusals: Partial<Record<TlsFailure, number>> = {};
  #protocolErrors = 0;
  readonly #authentications = { succeeded: 0, failed: 0 };
  /** What was told of each bound in the second that began at `sinceMs`. */
  readonly #told = new Map<MetLimit, { sinceMs: number; count: number }>();

  constructor(clock: Clock, observers: Observers<TargetEvent>, transferBytesMax: number) {
    this.#transferBytesMax = transferBytesMax;
    this.#clock = clock;
    this.#observers = observers;
  }

  /** As they are now. */
  get counters(): TargetCounters {
    return {
      limits: { ...this.#limits },
      authentications: { ...this.#authentications },
      protocolErrors: this.#protocolErrors,
      strangers: { ...this.#strangers },
      tlsRefusals: { ...this.#tlsRefusals },
    };
  }

  /** A host met a bound, and the event about what follows says so. */
  count(limit: MetLimit): void {
    this.#limits[limit]++;
  }

  /** A host met a bound, of which no other event tells. */
  met(limit: MetLimit, remote: string, message: string): void {
    this.#limits[limit]++;
    if (!this.#mayTell(limit)) return;
    const count = this.#limits[limit];
    this.#observers.tell({ type: "limit-met", limit, remote, message, count });
  }

  /** A host has proven who it is. */
  authenticated(): void {
    this.#authentications.succeeded++;
  }

  /** A host has not. */
  authenticationFailed(): void {
    this.#authentications.failed++;
  }

  /** A command in slot `tag` of a queue of a controller is refused. */
  refused(link: ControllerLink, tag: number, status: number): void {
    const isLarge = link.transferBytes(tag) > this.#transferBytesMax;
    const limit = isLarge ? "transferBytesMax" : limitOf[codeOf(status)];
    if (limit !== undefined) this.met(limit, link.remote, "a command was refused");
  }

  /** A connection ended by an error. Returns the bound that it met, if that is what it did. */
  lost(error: NvmeofError): MetLimit | undefined {
    const { limit } = error;
    if (error instanceof ProtocolError) {
      this.#protocolErrors++;
      const { speaks } = error;
      if (speaks !== undefined) this.#strangers[speaks] = (this.#strangers[speaks] ?? 0) + 1;
    }
    if (limit === undefined || !(limit in this.#limits)) return undefined;
    this.count(limit as MetLimit);
    return limit as MetLimit;
  }

  /** A connection ended by an error. Returns it if it is one of TLS. */
  tlsRefused(error: NvmeofError): TlsError | undefined {
    if (!(error instanceof TlsError)) return undefined;
    const { failure } = error;
    this.#tlsRefusals[failure] = (this.#tlsRefusals[failure] ?? 0) + 1;
    return error;
  }

  #mayTell(limit: MetLimit): boolean {
    const nowMs = this.#clock.nowMs();
    const told = this.#told.get(limit);
    if (told === undefined || nowMs >= told.sinceMs + SECOND_MS) {
      this.#told.set(limit, { sinceMs: nowMs, count: 1 });
      return true;
    }
    told.count++;
    return told.count <= TOLD_MAX;
  }
}

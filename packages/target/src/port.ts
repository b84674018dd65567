// A port: a listener, the address that hosts know it by, and the connections that came in there.
// Read first: @nvmeof/transport byte-stream.ts `Listener`; reasons for the bounds: limits.ts.

import { DISCOVERY_NQN } from "@nvmeof/codec";
import {
  type ByteStream,
  type ByteStreamHandler,
  type ControllerEvents,
  type ControllerLink,
  type ControllerTransportOptions,
  type LinkListener,
  type Listener,
  type StreamSecurity,
  type TransportAddress,
  acceptQueue,
} from "@nvmeof/transport";
import { ConnectRole, type FindSubsystem } from "./connect.ts";
import type { TargetContext } from "./context.ts";
import { checkAddress, trtypeOf } from "./discovery.ts";
import { Queue, type QueuePort } from "./queue.ts";

/** Where a target listens. */
export interface ListenOptions extends Pick<
  ControllerTransportOptions,
  "headerDigest" | "dataDigest" | "pda"
> {
  /** Of byte streams, for NVMe/TCP, or of whole queues, for FC. */
  readonly listener: Listener | LinkListener;
  /** What the discovery log says of it; a host must be able to reach that. */
  readonly address: TransportAddress;
  /** Port ID, 0 to 65,535. Default: the lowest that is free, from 1. */
  readonly portId?: number | undefined;
  /** What hosts find here. Default `all`: every subsystem, and that of discovery. */
  readonly offers?: "all" | "discovery" | undefined;
}

/** A port of a target. */
export interface TargetPort extends AsyncDisposable {
  readonly portId: number;
  readonly address: TransportAddress;
  /** How hosts connect here, which is what the listener says; `undefined` for in clear. */
  readonly security: StreamSecurity | undefined;
  readonly offers: "all" | "discovery";
  /** Takes no more hosts. Those that came in here stay, unless they are to be dropped. */
  close(connections?: "keep" | "drop"): void;
}

/** Connections of a target, in total and by address. */
export class ConnectionCounts {
  readonly #context: TargetContext;
  readonly #byAddress = new Map<string, number>();
  /** Queues without a Connect, oldest first. */
  readonly #connecting = new Set<Queue>();

  constructor(context: TargetContext) {
    this.#context = context;
  }

  /** Counts a connection, unless it is one too many. Returns whether it may come in. */
  admit(remote: string): boolean {
    const { counting, limits, observers, usage } = this.#context;
    const address = addressOf(remote);
    const count = this.#byAddress.get(address) ?? 0;
    const total = usage.connections >= limits.connectionsMax;
    if (total || count >= limits.connectionsPerAddressMax) {
      const limit = total ? "connectionsMax" : "connectionsPerAddressMax";
      counting.count(limit);
      observers.tell({ type: "connection-refused", remote, limit });
      return false;
    }
    this.#byAddress.set(address, count + 1);
    usage.connections++;
    return true;
  }

  /** A queue came in. If too many have no Connect yet, the one that waits longest makes room. */
  begin(queue: Queue): void {
    this.#connecting.add(queue);
    if (this.#connecting.size <= this.#context.limits.connectingMax) return;
    const [oldest] = this.#connecting;
    oldest?.end("reset", "no Connect yet, and others want to come in", "connectingMax");
  }

  /** A queue is connected, or has ended. */
  settled(queue: Queue): void {
    this.#connecting.delete(queue);
  }

  /** A connection that was admitted has ended. */
  leave(remote: string): void {
    const address = addressOf(remote);
    const count = this.#byAddress.get(address) ?? 0;
    if (count > 1) this.#byAddress.set(address, count - 1);
    else this.#byAddress.delete(address);
  }
}

/** Without the TCP port, which is another for each connection. */
const addressOf = (remote: string): string => remote.replace(/:\d+$/, "");

/** What a port needs of its target. */
export interface PortOwner {
  readonly context: TargetContext;
  readonly counts: ConnectionCounts;
  readonly find: FindSubsystem;
  /** The port takes no more hosts. */
  portClosed(port: Port, connections: "keep" | "drop"): void;
}

/** See {@link TargetPort}. Made by `Target.listen`. */
export class Port implements TargetPort, QueuePort {
  readonly portId: number;
  readonly address: TransportAddress;
  readonly trtype: number;
  readonly security: StreamSecurity | undefined;
  readonly offers: "all" | "discovery";
  readonly #owner: PortOwner;
  readonly #options: ListenOptions;
  readonly #queues = new Set<Queue>();

  constructor(owner: PortOwner, portId: number, options: ListenOptions) {
    checkAddress(options.address);
    this.portId = portId;
    this.address = options.address;
    this.trtype = trtypeOf(options.address);
    this.offers = options.offers ?? "all";
    this.#owner = owner;
    this.#options = options;
    const { listener } = options;
    this.security = "yields" in listener ? undefined : listener.security;
    if ("yields" in listener) listener.listen((link) => this.#admit(link));
    else listener.listen((stream) => this.#accept(stream));
  }

  close(connections: "keep" | "drop" = "keep"): void {
    this.#options.listener.close();
    this.#owner.portClosed(this, connections);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close("drop");
  }

  /** Connections that came in here and are still there. */
  get connections(): number {
    return this.#queues.size;
  }

  /** Ends all that came in here. */
  endQueues(why: string): void {
    for (const queue of this.#queues) queue.end("by-load", why);
  }

  queueConnected(queue: Queue): void {
    this.#owner.counts.settled(queue);
  }

  queueEnded(queue: Queue): void {
    this.#queues.delete(queue);
    this.#owner.counts.settled(queue);
    this.#owner.counts.leave(queue.link.remote);
  }

  /** A subsystem that is not offered here is unknown here. */
  readonly #find: FindSubsystem = (nqn) =>
    this.offers === "all" || nqn === DISCOVERY_NQN ? this.#owner.find(nqn) : undefined;

  #accept(stream: ByteStream): ByteStreamHandler | undefined {
    const { context, counts } = this.#owner;
    if (!counts.admit(stream.remote)) return undefined;
    const { clock, limits } = context;
    const { headerDigest, dataDigest, pda } = this.#options;
    const options: ControllerTransportOptions = {
      clock,
      h2cDataBytesMax: limits.h2cDataBytesMax,
      initializeTimeoutMs: limits.initializeTimeoutMs,
      partialPduTimeoutMs: limits.partialPduTimeoutMs,
      r2tTimeoutMs: limits.r2tTimeoutMs,
      sendTimeoutMs: limits.sendTimeoutMs,
      queuedBytesMax: limits.queuedBytesMax,
      onPaused: this.#paused,
      ...(headerDigest === undefined ? {} : { headerDigest }),
      ...(dataDigest === undefined ? {} : { dataDigest }),
      ...(pda === undefined ? {} : { pda }),
    };
    return acceptQueue(options, stream, (link) => this.#serve(link));
  }

  readonly #paused = (remote: string): void => {
    const { counting } = this.#owner.context;
    counting.met("queuedBytesMax", remote, "nothing is read until the host takes what it was sent");
  };

  #admit(link: ControllerLink): ControllerEvents | undefined {
    return this.#owner.counts.admit(link.remote) ? this.#serve(link) : undefined;
  }

  #serve(link: ControllerLink): Queue {
    const { context } = this.#owner;
    const queue = new Queue(context, this, link, (each) => new ConnectRole(each, this.#find));
    this.#queues.add(queue);
    this.#owner.counts.begin(queue);
    return queue;
  }
}

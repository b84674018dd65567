// A host over FC as Transports: finds remote ports, keeps associations with their controllers.
// Read first: ../queue-link.ts for the contract; port.ts; host-association.ts.

import type { NvmeofError } from "@nvmeof/codec";
import { DisconnectAcc, LsCommand, LsReason, decodeLsRequest, encodeLs } from "@nvmeof/codec/fc";
import type { Clock } from "../clock.ts";
import type { QueueOptions, QueueOwner, Transport, TransportAddress } from "../queue-link.ts";
import { type AssociationOwner, HostAssociation } from "./host-association.ts";
import { HostQueue, type QueueRequest } from "./host-queue.ts";
import { namesOf } from "./names.ts";
import type { FcpRequest, HostPort, HostPortEvents, ReceivedLs, RemotePort } from "./port.ts";
import { rejectLs, rejection, rejectionFor } from "./rejection.ts";

/** What a host is over FC. */
export interface FcHostOptions {
  readonly port: HostPort;
  readonly clock: Clock;
  /**
   * How long a remote port that has gone is expected to come back (dev_loss_tmo), ms: a queue that
   * is opened meanwhile waits for it, as long as its own time lasts. Default 60 s.
   */
  readonly devLossMs?: number;
  /** Time for an answer to a disconnect, ms. Default 2 s. */
  readonly disconnectTimeoutMs?: number;
}

const DEV_LOSS_MS = 60_000;
const DISCONNECT_TIMEOUT_MS = 2_000;

/** A remote port that somebody has asked for. */
interface Destination {
  readonly portName: bigint;
  readonly text: string;
  remote: RemotePort | undefined;
  login: "idle" | "under-way";
  /** When it went away; it never was there if this is -Infinity. */
  lostAtMs: number;
  /** Associations that wait for it. */
  readonly waiting: Set<HostAssociation>;
  /** Those of them that the login under way is for: its failure is not that of who came later. */
  asking: readonly HostAssociation[];
}

/** A host: one local port, and associations by way of it. */
export class FcHost implements HostPortEvents, AssociationOwner {
  readonly port: HostPort;
  readonly clock: Clock;
  readonly disconnectTimeoutMs: number;
  readonly #devLossMs: number;
  readonly #destinations = new Map<bigint, Destination>();
  readonly #associations = new Set<HostAssociation>();
  readonly #byOwner = new WeakMap<QueueOwner, HostAssociation>();
  /** Names of the ports that associations are with. */
  readonly #wanted = new WeakMap<HostAssociation, bigint>();
  /** Queues with commands that the port had no room for, oldest first. */
  readonly #busy = new Set<HostQueue>();

  constructor(options: FcHostOptions) {
    this.port = options.port;
    this.clock = options.clock;
    this.#devLossMs = options.devLossMs ?? DEV_LOSS_MS;
    this.disconnectTimeoutMs = options.disconnectTimeoutMs ?? DISCONNECT_TIMEOUT_MS;
    this.port.attach(this);
  }

  /** Associations that are not over: until their last abort and disconnect are answered. */
  get associations(): readonly HostAssociation[] {
    return [...this.#associations];
  }

  /**
   * A transport to the port that `address` names: its `traddr` is nn-…:pn-…, unless `portName` says
   * it otherwise (0 for whatever port is at the other end).
   *
   * @throws TypeError for an address that is none.
   */
  transport(address: TransportAddress, portName = namesOf(address.traddr).portName): Transport {
    return {
      address,
      clock: this.clock,
      openQueue: (options, events) => {
        const association = this.#associationFor(options, portName, address);
        const queue = new HostQueue(association, options, events);
        // Nothing may come of it inside this call.
        this.clock.defer(() => queue.phase === "opening" && association.add(queue));
        return queue;
      },
    };
  }

  #associationFor(
    { qid, owner }: QueueOptions,
    portName: bigint,
    address: TransportAddress,
  ): HostAssociation {
    const present = owner === undefined ? undefined : this.#byOwner.get(owner);
    // A queue that comes after the end of its association finds no other one.
    if (present !== undefined && (present.isAlive || qid > 0)) return present;
    const association = new HostAssociation(this, textOf(address), owner);
    this.#destinations.set(portName, this.#destination(portName, address));
    this.#wanted.set(association, portName);
    if (owner !== undefined) this.#byOwner.set(owner, association);
    return association;
  }

  #destination(portName: bigint, address: TransportAddress): Destination {
    return (
      this.#destinations.get(portName) ?? {
        portName,
        text: textOf(address),
        remote: undefined,
        login: "idle",
        lostAtMs: -Infinity,
        waiting: new Set(),
        asking: [],
      }
    );
  }

  // What associations want.

  wantsRemote(association: HostAssociation): void {
    this.#associations.add(association);
    const destination = this.#destinations.get(this.#wanted.get(association)!)!;
    if (destination.remote !== undefined) {
      association.remoteReady(destination.remote);
      return;
    }
    destination.waiting.add(association);
    this.#logIn(destination);
  }

  portIsBusy(queue: HostQueue): void {
    this.#busy.add(queue);
  }

  isTaken(id: bigint, { remote }: HostAssociation): boolean {
    return [...this.#associations].some((each) => each.id === id && each.remote === remote);
  }

  over(association: HostAssociation): void {
    this.#associations.delete(association);
    for (const { waiting } of this.#destinations.values()) waiting.delete(association);
    if (this.#associations.size === 0) this.port.rest();
  }

  // What the port tells.

  remoteUp(portName: bigint, remote: RemotePort): void {
    const destination = this.#destinations.get(portName);
    if (destination === undefined) return;
    destination.login = "idle";
    destination.remote = remote;
    const waiting = [...destination.waiting];
    destination.waiting.clear();
    for (const association of waiting) association.remoteReady(remote);
  }

  loginFailed(portName: bigint, error: NvmeofError): void {
    const destination = this.#destinations.get(portName);
    if (destination === undefined) return;
    destination.login = "idle";
    const goneMs = this.clock.nowMs() - destination.lostAtMs;
    // Not in the fabric, but it was, not long ago: it is expected back.
    if (error.phase === "login" && goneMs < this.#devLossMs) return;
    for (const association of destination.asking) {
      if (destination.waiting.delete(association)) association.fail(error);
    }
    if (destination.waiting.size > 0) this.#logIn(destination);
  }

  remoteGone(remote: RemotePort, error: NvmeofError): void {
    for (const destination of this.#destinations.values()) {
      if (destination.remote !== remote) continue;
      destination.remote = undefined;
      destination.lostAtMs = this.clock.nowMs();
    }
    for (const association of this.#associations) {
      if (association.remote === remote) association.fail(error);
    }
  }

  changed(): void {
    for (const destination of this.#destinations.values()) {
      if (destination.waiting.size > 0) this.#logIn(destination);
    }
  }

  fcpDone(user: FcpRequest): void {
    const request = user as QueueRequest;
    request.queue.association.requestDone(request);
    if (this.#busy.size > 0) this.room();
  }

  room(): void {
    for (const queue of this.#busy) {
      if (!queue.sendWaiting()) return;
      this.#busy.delete(queue);
    }
  }

  lsReceived(ls: ReceivedLs): void {
    let request: ReturnType<typeof decodeLsRequest>;
    try {
      request = decodeLsRequest(ls.request);
    } catch (error) {
      rejectLs(this.port, ls, rejectionFor(error));
      return;
    }
    if (request.command === LsCommand.DisconnectAssociation) {
      const found = this.#find(ls, request.associationId);
      if (found === undefined) rejectLs(this.port, ls, rejection(LsReason.InvalidAssociation));
      else found.disconnectReceived(ls);
    } else if (request.command === LsCommand.DisconnectConnection) {
      const found = this.#find(ls, request.associationId);
      if (found?.connectionEnded(request.connectionId) === undefined) {
        rejectLs(this.port, ls, rejection(LsReason.InvalidConnection));
      } else {
        this.port.answerLs(ls, encodeLs(DisconnectAcc, { request: request.command }));
      }
    } else {
      rejectLs(this.port, ls, rejection(LsReason.Unsupported));
    }
  }

  #find(ls: ReceivedLs, id: bigint): HostAssociation | undefined {
    return [...this.#associations].find((each) => each.id === id && each.remote === ls.remote);
  }

  #logIn(destination: Destination): void {
    if (destination.login === "under-way") return;
    destination.login = "under-way";
    destination.asking = [...destination.waiting];
    this.port.login(destination.portName, LOGIN_TIMEOUT_MS);
  }
}

/** A login is over by then; who waits for it has a deadline of his own. */
const LOGIN_TIMEOUT_MS = 2_000;

const textOf = ({ trtype, traddr, trsvcid }: TransportAddress): string =>
  `${trtype} ${traddr} ${trsvcid}`.trimEnd();

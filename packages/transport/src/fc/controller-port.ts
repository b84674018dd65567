// A target over FC: associations and connections of hosts, as links that controllers serve.
// Read first: ../queue-link.ts `LinkListener`; linux-nvme-recovery.md §3.5, §3.7; controller-link.ts.

import type { NvmeofError } from "@nvmeof/codec";
import {
  CreateAssociationAcc,
  CreateConnectionAcc,
  DisconnectAcc,
  DisconnectAssociationLs,
  DisconnectConnectionLs,
  LsCommand,
  LsExplanation,
  LsReason,
  type LsRejection,
  type LsRequest,
  checkCmdIu,
  connectionIdHigh,
  connectionIdLow,
  decodeLsRequest,
  encodeLs,
  lsCommandOf,
  FcProtocolError,
} from "@nvmeof/codec/fc";
import type { Clock } from "../clock.ts";
import { TransportError } from "../errors.ts";
import type { ControllerEvents, ControllerLink, LinkListener } from "../queue-link.ts";
import { FcControllerLink, type LinkOwner } from "./controller-link.ts";
import {
  FcStatus,
  type ReceivedLs,
  type RemotePort,
  type TargetExchange,
  type TargetPort,
  type TargetPortEvents,
} from "./port.ts";
import { rejectLs, rejection, rejectionFor } from "./rejection.ts";

/** What a target is over FC. */
export interface FcControllerPortOptions {
  readonly port: TargetPort;
  readonly clock: Clock;
  /** Where it listens, as a person writes it. */
  readonly local: string;
  /** The host's address as a person writes it. Default: its names. */
  readonly remote?: string;
  /** 32 bits that make association identifiers hard to mistake for earlier ones. Default: counted. */
  readonly random32?: () => number;
  /** Associations that may exist. Default 1,024. */
  readonly associationsMax?: number;
  /** Connections of one association, the admin queue's included. Default 1,025. */
  readonly connectionsMax?: number;
  /** Time for an answer to a disconnect, ms. Default 2 s. */
  readonly disconnectTimeoutMs?: number;
}

const ASSOCIATIONS_MAX = 1_024;
const CONNECTIONS_MAX = 1_025;
const DISCONNECT_TIMEOUT_MS = 2_000;

type Accept = (link: ControllerLink) => ControllerEvents | undefined;

/** One association, as the target has it. */
interface Association {
  readonly remote: RemotePort;
  /** The upper half of its identifier; the lower one has its index, and the queue. */
  readonly high: number;
  readonly index: number;
  readonly links: Map<number, FcControllerLink>;
  phase: "open" | "over";
  /** Links that their controller has closed and of which the host was not told. */
  closed: FcControllerLink[];
}

const idOf = ({ high, index }: Association, qid: number): bigint =>
  (BigInt(high) << 32n) | BigInt(((index << 16) | qid) >>> 0);

/** A target's port that yields the ends of queues. */
export class FcControllerPort implements TargetPortEvents, LinkOwner, LinkListener {
  readonly yields = "links";
  readonly port: TargetPort;
  readonly local: string;
  readonly clock: Clock;
  readonly #options: FcControllerPortOptions;
  readonly #associations: (Association | undefined)[] = [];
  #accept: Accept | undefined;
  #count = 0;
  #review: "none" | "coming" = "none";

  constructor(options: FcControllerPortOptions) {
    this.port = options.port;
    this.local = options.local;
    this.clock = options.clock;
    this.#options = options;
  }

  /** Associations that exist. */
  get associations(): number {
    return this.#associations.filter((each) => each !== undefined).length;
  }

  listen(accept: Accept): void {
    this.#accept = accept;
    this.port.attach(this);
  }

  close(): void {
    this.#accept = undefined;
    this.port.retire();
  }

  // What the port tells.

  fcpReceived(exchange: TargetExchange): boolean {
    const { command } = exchange;
    try {
      checkCmdIu(command, 0, exchange.commandBytes);
    } catch {
      return false;
    }
    const low = connectionIdLow.get(command);
    const association = this.#associations[low >>> 16];
    const isIts =
      association?.high === connectionIdHigh.get(command) && association.remote === exchange.remote;
    return isIts && association.links.get(low & 0xffff)?.received(exchange) === true;
  }

  fcpAborted(exchange: TargetExchange): void {
    (exchange.owner as FcControllerLink | undefined)?.aborted(exchange);
  }

  opDone(exchange: TargetExchange): void {
    (exchange.owner as FcControllerLink | undefined)?.opDone(exchange);
  }

  hostGone(remote: RemotePort, error: NvmeofError): void {
    for (const association of this.#associations) {
      if (association?.remote === remote) this.#end(association, error, undefined);
    }
  }

  lsReceived(ls: ReceivedLs): void {
    let request: LsRequest;
    try {
      request = decodeLsRequest(ls.request);
    } catch (error) {
      rejectLs(this.port, ls, rejectionFor(error));
      return;
    }
    const refusal = this.#serveLs(ls, request);
    if (refusal !== undefined) rejectLs(this.port, ls, refusal);
  }

  // What links tell.

  linkClosed(link: FcControllerLink): void {
    const association = this.#associationOf(link);
    if (association === undefined) return;
    association.closed.push(link);
    if (this.#review === "coming") return;
    this.#review = "coming";
    this.clock.defer(() => {
      this.#review = "none";
      this.#reviewClosed();
    });
  }

  linkBroken(link: FcControllerLink, message: string): void {
    const association = this.#associationOf(link);
    if (association === undefined) return;
    this.clock.defer(() => {
      const error = new FcProtocolError("CMD IU", "csn", 16, message);
      this.#end(association, error, undefined);
    });
  }

  /** Returns what to reject it with, undefined where it was answered. */
  #serveLs(ls: ReceivedLs, request: LsRequest): LsRejection | undefined {
    if (request.command === LsCommand.CreateAssociation) {
      return this.#createAssociation(ls, request.sqsize, request.erspRatio);
    }
    if (request.command === LsCommand.CreateConnection) return this.#createConnection(ls, request);
    const { associationId } = request;
    return request.command === LsCommand.DisconnectAssociation
      ? this.#disconnectAssociation(ls, associationId)
      : this.#disconnectConnection(ls, associationId, request.connectionId);
  }

  #createAssociation(ls: ReceivedLs, entries: number, erspRatio: number): LsRejection | undefined {
    const max = this.#options.associationsMax ?? ASSOCIATIONS_MAX;
    let index = this.#associations.indexOf(undefined);
    if (index === -1) index = this.#associations.length;
    if (index >= max) return rejection(LsReason.InsufficientResources);
    const association: Association = {
      remote: ls.remote,
      high: this.#nextHigh(),
      index,
      links: new Map(),
      phase: "open",
      closed: [],
    };
    const link = this.#newLink(association, 0, entries, erspRatio);
    if (link === undefined) return rejection(LsReason.InsufficientResources);
    this.#associations[index] = association;
    const id = idOf(association, 0);
    const acc = { request: LsCommand.CreateAssociation, associationId: id, connectionId: id };
    this.port.answerLs(ls, encodeLs(CreateAssociationAcc, acc));
    this.clock.defer(() => link.open());
    return undefined;
  }

  #createConnection(
    ls: ReceivedLs,
    request: LsRequest & { readonly command: 4 },
  ): LsRejection | undefined {
    const association = this.#find(ls, request.associationId);
    if (association === undefined) return rejection(LsReason.InvalidAssociation);
    const { qid, sqsize, erspRatio } = request;
    if (association.links.has(qid)) {
      return rejection(LsReason.InvalidParameters, LsExplanation.QueueId);
    }
    const isFull = association.links.size >= (this.#options.connectionsMax ?? CONNECTIONS_MAX);
    const link = isFull ? undefined : this.#newLink(association, qid, sqsize, erspRatio);
    if (link === undefined) return rejection(LsReason.InsufficientResources);
    const connectionId = idOf(association, qid);
    const acc = { request: LsCommand.CreateConnection, connectionId };
    this.port.answerLs(ls, encodeLs(CreateConnectionAcc, acc));
    this.clock.defer(() => link.open());
    return undefined;
  }

  #disconnectAssociation(ls: ReceivedLs, id: bigint): LsRejection | undefined {
    const association = this.#find(ls, id);
    if (association === undefined) return rejection(LsReason.InvalidAssociation);
    const message = `${association.remote.text} ended the association`;
    this.#end(association, new TransportError("connection-lost", message), ls);
    return undefined;
  }

  #disconnectConnection(ls: ReceivedLs, id: bigint, connectionId: bigint): LsRejection | undefined {
    const association = this.#find(ls, id);
    if (association === undefined) return rejection(LsReason.InvalidAssociation);
    const qid = Number(connectionId & 0xffffn);
    const link = association.links.get(qid);
    if (link === undefined || idOf(association, qid) !== connectionId) {
      return rejection(LsReason.InvalidConnection);
    }
    association.links.delete(qid);
    const message = `${association.remote.text} ended the connection of queue ${qid}`;
    link.lose(new TransportError("connection-lost", message));
    this.port.answerLs(ls, encodeLs(DisconnectAcc, { request: LsCommand.DisconnectConnection }));
    if (association.links.size === 0) this.#forget(association);
    return undefined;
  }

  /**
   * Ends an association, once: its commands are aborted, then the host is told by a disconnect of our
   * own, then its own is answered, and only then are the identifiers free.
   */
  #end(association: Association, error: NvmeofError, asked: ReceivedLs | undefined): void {
    if (association.phase === "over") return;
    association.phase = "over";
    for (const link of association.links.values()) link.lose(error);
    association.links.clear();
    this.#tellHost(association, () => this.#forget(association));
    if (asked === undefined) return;
    const acc = encodeLs(DisconnectAcc, { request: LsCommand.DisconnectAssociation });
    this.port.answerLs(asked, acc);
  }

  #tellHost(association: Association, done: () => void): void {
    const sent =
      association.remote.state === "present" &&
      this.port.callLs({
        remote: association.remote,
        request: encodeLs(DisconnectAssociationLs, { associationId: idOf(association, 0) }),
        timeoutMs: this.#options.disconnectTimeoutMs ?? DISCONNECT_TIMEOUT_MS,
        done,
      });
    if (!sent) done();
  }

  #forget(association: Association): void {
    association.phase = "over";
    if (this.#associations[association.index] === association) {
      this.#associations[association.index] = undefined;
    }
  }

  /** What controllers have closed in one turn is told in one piece. */
  #reviewClosed(): void {
    for (const association of this.#associations) {
      if (association === undefined || association.phase === "over") continue;
      const closed = association.closed.splice(0);
      for (const link of closed) association.links.delete(link.qid);
      if (association.links.size === 0) {
        this.#end(association, new TransportError("connection-lost", "closed"), undefined);
      } else {
        for (const link of closed) this.#disconnectLink(association, link);
      }
    }
  }

  /** A host that does not know how to lose a single connection loses all of them. */
  #disconnectLink(association: Association, { qid }: FcControllerLink): void {
    const ids = { associationId: idOf(association, 0), connectionId: idOf(association, qid) };
    const giveUp = (): void => {
      const message = `${association.remote.text} keeps a connection that was ended`;
      this.#end(association, new TransportError("connection-lost", message), undefined);
    };
    const sent = this.port.callLs({
      remote: association.remote,
      request: encodeLs(DisconnectConnectionLs, ids),
      timeoutMs: this.#options.disconnectTimeoutMs ?? DISCONNECT_TIMEOUT_MS,
      done: (status, response) => {
        const isDone = status === FcStatus.Success && lsCommandOf(response!) === LsCommand.Accept;
        if (!isDone) giveUp();
      },
    });
    if (!sent) this.clock.defer(giveUp);
  }

  #newLink(
    association: Association,
    qid: number,
    entries: number,
    erspRatio: number,
  ): FcControllerLink | undefined {
    const remote = this.#options.remote ?? association.remote.text;
    const link = new FcControllerLink(this, remote, qid, entries, erspRatio);
    const events = this.#accept?.(link);
    if (events === undefined) return undefined;
    link.serve(events);
    association.links.set(qid, link);
    return link;
  }

  #find(ls: ReceivedLs, id: bigint): Association | undefined {
    const association = this.#associations[Number((id >> 16n) & 0xffffn)];
    const isIts =
      association?.phase === "open" &&
      association.remote === ls.remote &&
      idOf(association, 0) === id;
    return isIts ? association : undefined;
  }

  #associationOf(link: FcControllerLink): Association | undefined {
    return this.#associations.find((each) => each?.links.get(link.qid) === link);
  }

  #nextHigh(): number {
    this.#count = (this.#count + 1) >>> 0;
    return (this.#options.random32?.() ?? this.#count) >>> 0;
  }
}

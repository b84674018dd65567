// A host's association with one controller: made by its first queue, ended as a whole, in one order.
// Read first: FC-NVMe-2 §4.3 "Associations", §5; linux-nvme-recovery.md §3.5, whose order this keeps.

import { CNTLID_DYNAMIC, type NvmeofError, uuidBytes } from "@nvmeof/codec";
import {
  CreateAssociationAcc,
  CreateAssociationLs,
  CreateConnectionAcc,
  CreateConnectionLs,
  DisconnectAcc,
  DisconnectAssociationLs,
  DisconnectConnectionLs,
  FcProtocolError,
  LsCommand,
  LsReason,
  decodeLsAnswer,
  encodeLs,
  lsRejectText,
} from "@nvmeof/codec/fc";
import type { Clock } from "../clock.ts";
import { TransportError, type TransportFailure } from "../errors.ts";
import type { QueueOwner } from "../queue-link.ts";
import { FcRejectedError } from "./errors.ts";
import type { HostQueue, QueueRequest } from "./host-queue.ts";
import { FcStatus, type HostPort, type LsCall, type ReceivedLs, type RemotePort } from "./port.ts";
import { rejectLs, rejection } from "./rejection.ts";

/** What an association needs of who made it. */
export interface AssociationOwner {
  readonly port: HostPort;
  readonly clock: Clock;
  /** Time for an answer to a disconnect, ms. */
  readonly disconnectTimeoutMs: number;
  /** Wants the remote port; `remoteReady`, or `fail`, follows. */
  wantsRemote(association: HostAssociation): void;
  /** The port was busy: `sendWaiting` of the queue is wanted when it is not. */
  portIsBusy(queue: HostQueue): void;
  /** Whether another association of the same remote port has this identifier. */
  isTaken(id: bigint, association: HostAssociation): boolean;
  /** The association is over, and nothing of it is under way. */
  over(association: HostAssociation): void;
}

/**
 * `waiting`: for the remote port. `creating`: its first queue is being connected. `terminating`:
 * exchanges are being aborted; nothing is begun any more. `leaving`: the disconnect is under way.
 */
type Phase = "new" | "waiting" | "creating" | "open" | "terminating" | "leaving" | "over";

/** A name for hosts that gave none: a queue of its own, without a controller to speak of. */
const NOBODY: QueueOwner = {
  hostNqn: "nqn.2014-08.org.nvmexpress:uuid:00000000-0000-0000-0000-000000000000",
  hostId: "00000000-0000-0000-0000-000000000000",
  subsystemNqn: "nqn.2014-08.org.nvmexpress.discovery",
};

const erspRatioOf = (entries: number): number => Math.max(1, Math.floor(entries / 4));

/** One association. */
export class HostAssociation {
  readonly text: string;
  readonly clock: Clock;
  remote: RemotePort | undefined = undefined;
  /** Association Identifier, from the ACC to the end. */
  id: bigint | undefined = undefined;
  readonly #owner: AssociationOwner;
  readonly #controller: QueueOwner;
  readonly #queues: HostQueue[] = [];
  /** Link services under way that the end must wait for. */
  readonly #calls = new Set<LsCall>();
  /** Exchanges that were aborted and are not done: the association outlives them all. */
  #abortsUnderWay = 0;
  #phase: Phase = "new";
  #review: "none" | "coming" = "none";
  /** A disconnect of the target's; answered when our own exchanges are over. */
  #withheld: ReceivedLs | undefined;

  constructor(owner: AssociationOwner, text: string, controller: QueueOwner | undefined) {
    this.#owner = owner;
    this.text = text;
    this.clock = owner.clock;
    this.#controller = controller ?? NOBODY;
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** Whether a queue can still be added. */
  get isAlive(): boolean {
    return this.#phase === "new" || this.#phase === "waiting" || this.isConnected;
  }

  get isConnected(): boolean {
    return this.#phase === "creating" || this.#phase === "open";
  }

  /** What an opening that takes too long has failed by. */
  get lateness(): TransportFailure {
    return this.#phase === "waiting" ? "connect-timeout" : "initialize-timeout";
  }

  /** Exchanges that were aborted and of which the port has not said that they are done. */
  get abortsUnderWay(): number {
    return this.#abortsUnderWay;
  }

  add(queue: HostQueue): void {
    this.#queues.push(queue);
    if (this.#phase === "new") {
      this.#phase = "waiting";
      this.#owner.wantsRemote(this);
    } else if (this.#phase === "open") {
      this.#createConnection(queue);
    } else if (!this.isAlive && queue.lose()) {
      const message = `the association with ${this.text} is over`;
      queue.tellLost(new TransportError("connection-lost", message));
    }
  }

  /** The remote port is logged in. */
  remoteReady(remote: RemotePort): void {
    if (this.#phase !== "waiting") return;
    this.remote = remote;
    this.#phase = "creating";
    this.#createAssociation(this.#queues[0]!);
  }

  send(request: QueueRequest): boolean {
    request.remote = this.remote!;
    return this.#owner.port.submit(request);
  }

  portIsBusy(queue: HostQueue): void {
    this.#owner.portIsBusy(queue);
  }

  /** The port is done with a request of one of the queues. */
  requestDone(request: QueueRequest): void {
    const { queue } = request;
    const wasEnding = queue.phase === "closed" || queue.phase === "lost";
    queue.done(request);
    if (!wasEnding) return;
    if (this.#phase === "terminating") this.#abortDone();
    else if (queue.submitted === 0) this.#disconnectConnection(queue);
  }

  /** A queue was closed by its user: what becomes of it is decided when all that he closes are. */
  queueClosed(): void {
    if (this.#review === "coming") return;
    this.#review = "coming";
    this.clock.defer(() => {
      this.#review = "none";
      this.#reviewQueues();
    });
  }

  /** Ends the association for an error: every queue of it is lost. */
  fail(error: NvmeofError): void {
    this.#terminate(error);
  }

  /** The target disconnects. The newer of two replaces the older, which is answered. */
  disconnectReceived(ls: ReceivedLs): void {
    const older = this.#withheld;
    this.#withheld = ls;
    if (older !== undefined) {
      rejectLs(this.#owner.port, older, rejection(LsReason.UnableToPerform));
    }
    const message = `${this.text} ended the association`;
    this.#terminate(new TransportError("connection-lost", message));
    if (this.#phase !== "terminating") this.#answerWithheld();
  }

  /** The target ends one connection: undefined where it is none of ours. */
  connectionEnded(connectionId: bigint): HostQueue | undefined {
    const queue = this.#queues.find((each) => each.connectionId === connectionId);
    if (queue === undefined) return undefined;
    if (queue.lose()) {
      const message = `${this.text} ended the connection of queue ${queue.qid}`;
      this.#abortAll(queue);
      queue.tellLost(new TransportError("connection-lost", message));
      this.queueClosed();
    }
    return queue;
  }

  #reviewQueues(): void {
    if (!this.isAlive) return;
    const ended = this.#queues.filter(({ phase }) => phase === "closed" || phase === "lost");
    if (ended.length === this.#queues.length) {
      this.#terminate(undefined);
      return;
    }
    for (const queue of ended) {
      this.#abortAll(queue);
      if (queue.submitted === 0) this.#disconnectConnection(queue);
    }
  }

  /**
   * The one way in which an association ends. The order is that of delete_association: nothing new,
   * abort and count, wait for all aborts, disconnect, answer the target's own disconnect.
   */
  #terminate(error: NvmeofError | undefined): void {
    if (!this.isAlive) return;
    this.#phase = "terminating";
    const lost = error === undefined ? [] : this.#queues.filter((queue) => queue.lose());
    // Counted before the first one is aborted: none of them can make the count zero too early.
    const requests = this.#queues.flatMap((queue) => [...queue.outstanding()]);
    const calls = [...this.#calls];
    this.#abortsUnderWay = requests.length + calls.length;
    for (const request of requests) this.#owner.port.abort(request);
    for (const call of calls) this.#owner.port.abortLs(call);
    if (this.#abortsUnderWay === 0) this.#disconnect();
    for (const queue of lost) queue.tellLost(error!);
  }

  #abortDone(): void {
    this.#abortsUnderWay--;
    if (this.#abortsUnderWay === 0) this.#disconnect();
  }

  #abortAll(queue: HostQueue): void {
    for (const request of queue.outstanding()) this.#owner.port.abort(request);
  }

  /** All exchanges are over: the target is told, and then answered. */
  #disconnect(): void {
    this.#phase = "leaving";
    const { id } = this;
    this.id = undefined;
    const request =
      id === undefined ? undefined : encodeLs(DisconnectAssociationLs, { associationId: id });
    const isSent =
      request !== undefined &&
      this.#call(request, this.#owner.disconnectTimeoutMs, () => this.#left());
    this.#answerWithheld();
    if (!isSent) this.#left();
  }

  #answerWithheld(): void {
    const ls = this.#withheld;
    if (ls === undefined) return;
    this.#withheld = undefined;
    const acc = encodeLs(DisconnectAcc, { request: LsCommand.DisconnectAssociation });
    this.#owner.port.answerLs(ls, acc);
  }

  #left(): void {
    this.#phase = "over";
    this.#owner.over(this);
  }

  #createAssociation(queue: HostQueue): void {
    const { hostId, hostNqn, subsystemNqn } = this.#controller;
    const request = encodeLs(CreateAssociationLs, {
      erspRatio: erspRatioOf(queue.entries),
      cntlid: CNTLID_DYNAMIC,
      sqsize: queue.entries,
      hostid: uuidBytes(hostId),
      hostnqn: hostNqn,
      subnqn: subsystemNqn,
    });
    this.#create(queue, request, (response) => {
      const answer = decodeLsAnswer(CreateAssociationAcc, LsCommand.CreateAssociation, response);
      if (answer.outcome === "rejected") throw rejected("CREATE_ASSOCIATION", answer.values);
      const { associationId } = answer.values;
      // [L12] Ended with an identifier that is another's, it would take that one along.
      if (this.#owner.isTaken(associationId, this)) {
        const message = `${this.text} gave an identifier that another association has`;
        throw new FcProtocolError(
          "CREATE_ASSOCIATION ACC",
          "associationId",
          CreateAssociationAcc.associationId.offset,
          message,
        );
      }
      this.id = associationId;
      this.#phase = "open";
      this.#connected(queue, answer.values.connectionId);
      for (const other of this.#queues.slice(1)) this.#createConnection(other);
    });
  }

  #createConnection(queue: HostQueue): void {
    if (queue.phase !== "opening" || this.#phase !== "open") return;
    const request = encodeLs(CreateConnectionLs, {
      associationId: this.id!,
      erspRatio: erspRatioOf(queue.entries),
      qid: queue.qid,
      sqsize: queue.entries,
    });
    this.#create(queue, request, (response) => {
      const answer = decodeLsAnswer(CreateConnectionAcc, LsCommand.CreateConnection, response);
      if (answer.outcome === "rejected") throw rejected("CREATE_CONNECTION", answer.values);
      this.#connected(queue, answer.values.connectionId);
    });
  }

  #create(queue: HostQueue, request: Uint8Array, accepted: (response: Uint8Array) => void): void {
    const isSent = this.#call(request, queue.timeoutMs, (status, response) => {
      if (this.#phase === "terminating") {
        // It may have been made all the same, and is then ended with the rest.
        this.#noteLateId(response);
        this.#abortDone();
        return;
      }
      if (!this.isAlive) return;
      if (status !== FcStatus.Success) {
        const late = status === FcStatus.TimedOut;
        const message = `${this.text} did not answer a link service`;
        this.fail(new TransportError(late ? "initialize-timeout" : "connection-lost", message));
        return;
      }
      try {
        accepted(response!);
      } catch (error) {
        this.fail(error as NvmeofError);
      }
    });
    if (isSent) return;
    const message = `the port takes no link service for ${this.text}`;
    // Somebody may be opening a queue just now.
    this.clock.defer(() => this.fail(new TransportError("unreachable", message)));
  }

  #noteLateId(response: Uint8Array | undefined): void {
    if (response === undefined || response.length !== CreateAssociationAcc.size) return;
    const answer = decodeLsAnswer(CreateAssociationAcc, LsCommand.CreateAssociation, response);
    if (answer.outcome === "accepted") this.id = answer.values.associationId;
  }

  #connected(queue: HostQueue, connectionId: bigint): void {
    // [L12] Commands of two queues would go into one.
    if (this.#queues.some((other) => other.connectionId === connectionId)) {
      const message = `${this.text} gave an identifier that another queue has`;
      throw new FcProtocolError(
        "CREATE_CONNECTION ACC",
        "connectionId",
        CreateConnectionAcc.connectionId.offset,
        message,
      );
    }
    queue.connected(connectionId);
    // Closed while it was being made.
    if (queue.phase === "closed") this.queueClosed();
  }

  #disconnectConnection(queue: HostQueue): void {
    if (this.#phase !== "open") return;
    const { connectionId } = queue;
    const at = this.#queues.indexOf(queue);
    if (connectionId === undefined || at === -1) return;
    this.#queues.splice(at, 1);
    const request = encodeLs(DisconnectConnectionLs, { associationId: this.id!, connectionId });
    // A target that does not know it keeps an idle connection until the association ends.
    this.#call(request, this.#owner.disconnectTimeoutMs, () => {
      if (this.#phase === "terminating") this.#abortDone();
    });
  }

  #call(request: Uint8Array, timeoutMs: number, done: LsCall["done"]): boolean {
    const call: LsCall = {
      remote: this.remote!,
      request,
      timeoutMs,
      done: (status, response) => {
        this.#calls.delete(call);
        done(status, response);
      },
    };
    const isSent = this.#owner.port.callLs(call);
    if (isSent) this.#calls.add(call);
    return isSent;
  }
}

const rejected = (
  ls: string,
  { reason, explanation }: { readonly reason: number; readonly explanation: number },
): FcRejectedError => new FcRejectedError(ls, reason, lsRejectText(reason, explanation));

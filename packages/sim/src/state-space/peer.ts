// The controller's end for the state-space walk: it answers what it is told to, when it is told to.
// Read first: queue-link.ts in @nvmeof/transport for the contract; Base 2.0 §3.5 "Controller
// Initialization". It stands at the Transport interface, without bytes: a walk needs a bring-up in
// microseconds, and the session machine below has tests of its own.

import {
  AdminOpcode,
  Cap,
  Cc,
  ConnectCommand,
  Cqe,
  Csts,
  type DataDirection,
  Fctype,
  Fid,
  IDENTIFY_BYTES,
  IdentifyController,
  NumberOfQueues,
  type NvmeofError,
  Property,
  PropertyGetCommand,
  PropertySetCommand,
  SetFeaturesCommand,
  Shn,
  Shst,
  Sqe,
  Status,
  cqeStatus,
  decodeDwords,
  encode,
  encodeDword,
  encoded,
  statusOf,
  viewOf,
} from "@nvmeof/codec";
import {
  type Clock,
  type QueueEvents,
  type QueueLink,
  type QueueOptions,
  type Timer,
  type Transport,
  TransportError,
} from "@nvmeof/transport";

/** Name of the subsystem behind every address of a {@link WalkPeer}. */
export const SUBSYSTEM_NQN = "nqn.2024-01.org.example:walk";

/**
 * What the peer does about what waits for it, until it is silent again.
 *
 * - `silent`: nothing.
 * - `willing`: answers everything.
 * - `half-willing`: answers everything but the Connect of an I/O queue.
 * - `final`: refuses every Connect for good (DNR), and answers the rest.
 */
export type Attitude = "silent" | "willing" | "half-willing" | "final";

interface Waiting {
  readonly sqe: DataView;
  readonly data: Uint8Array | undefined;
}

const REFUSED = statusOf(0, 0, true) | Status.ConnectInvalidParameters;
const capView = viewOf(encoded(Cap, { mqes: 16, to: 10, ncss: 1 }));
const cqeView = viewOf(new Uint8Array(Cqe.size));
const QUEUES = encodeDword(NumberOfQueues, { nsq: 1, ncq: 1 });

const identifyBytes = new Uint8Array(IDENTIFY_BYTES);
encode(IdentifyController, viewOf(identifyBytes), 0, {
  subnqn: SUBSYSTEM_NQN,
  acl: 4,
  aerl: 1,
  kas: 1,
  maxcmd: 16,
  mdts: 4,
  ioccsz: 4,
});

/** One queue, as the peer sees it. */
class WalkLink implements QueueLink {
  readonly qid: number;
  readonly events: QueueEvents;
  readonly #peer: WalkPeer;
  readonly #timer: Timer;
  phase: "connecting" | "open" | "over" = "connecting";
  /** Commands that were not answered, by CID. */
  readonly waiting = new Map<number, Waiting>();

  constructor(peer: WalkPeer, { qid, timeoutMs }: QueueOptions, events: QueueEvents) {
    this.#peer = peer;
    this.qid = qid;
    this.events = events;
    const { clock } = peer;
    this.#timer = clock.at(clock.nowMs() + timeoutMs, () =>
      this.lose(new TransportError("connect-timeout", `nobody answers for ${timeoutMs} ms`)),
    );
  }

  /** Whether it waits for the peer: for its opening, or for an answer other than an event. */
  get waits(): boolean {
    if (this.phase === "connecting") return true;
    for (const { sqe } of this.waiting.values()) if (!isEventRequest(this.qid, sqe)) return true;
    return false;
  }

  open(): void {
    if (this.phase !== "connecting") return;
    this.#timer.cancel();
    this.phase = "open";
    this.events.opened();
  }

  lose(error: NvmeofError): void {
    if (this.phase === "over") return;
    this.#end();
    this.#peer.onLost();
    this.events.lost(error);
  }

  submit(cid: number, sqe: Uint8Array, _direction: DataDirection, data?: Uint8Array): void {
    this.waiting.set(cid, { sqe: viewOf(sqe.slice()), data });
    this.#peer.arrived(this);
  }

  detach(): void {}

  close(): void {
    this.#end();
  }

  #end(): void {
    this.#timer.cancel();
    this.phase = "over";
    this.waiting.clear();
    this.#peer.links.delete(this);
  }
}

const isEventRequest = (qid: number, sqe: DataView): boolean =>
  qid === 0 && Sqe.opc.get(sqe) === AdminOpcode.AsyncEventRequest;

const isConnect = (sqe: DataView): boolean =>
  Sqe.opc.get(sqe) === AdminOpcode.Fabrics && ConnectCommand.fctype.get(sqe) === Fctype.Connect;

/** A peer that is silent until the walk says otherwise. */
export class WalkPeer {
  readonly clock: Clock;
  /** Queues that are connected or being connected. */
  readonly links = new Set<WalkLink>();
  /** Told before a queue is opened. */
  onOpen: (qid: number) => void = () => {};
  /** Told before the host is told that a queue is lost. */
  onLost: () => void = () => {};
  /** Told after each thing that the peer has delivered. */
  onDelivered: () => void = () => {};
  /** When a Connect was refused for good. */
  readonly refusedMs: number[] = [];
  #attitude: Attitude = "silent";
  #delivery: "none" | "due" = "none";
  #cc = 0;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Address number `at` of the peer. */
  transport(at: number): Transport {
    const { clock } = this;
    return {
      address: { trtype: "loop", traddr: `walk-${at}`, trsvcid: "" },
      clock,
      openQueue: (options, events) => {
        this.onOpen(options.qid);
        const link = new WalkLink(this, options, events);
        this.links.add(link);
        this.arrived(link);
        return link;
      },
    };
  }

  /** Takes an attitude: what waits, and what comes until it takes another one, is treated by it. */
  be(attitude: Attitude): void {
    this.#attitude = attitude;
    for (const link of this.links) if (link.waits) this.arrived(link);
  }

  /** Answers what waits now, and nothing that follows from it. */
  answerOnce(): void {
    for (const link of this.links) {
      const cids = [...link.waiting.keys()];
      this.clock.defer(() => {
        for (const cid of cids) this.#complete(link, cid, false);
      });
    }
  }

  /** Drops the connections of queue `qid`, of all queues without one. */
  kill(qid?: number): void {
    // Before the drop is delivered they may be gone by themselves, so each is looked at then.
    for (const link of this.links) {
      if (qid !== undefined && link.qid !== qid) continue;
      const failure = link.phase === "connecting" ? "unreachable" : "connection-lost";
      this.clock.defer(() => {
        link.lose(new TransportError(failure, "the walk drops the connection"));
        this.onDelivered();
      });
    }
  }

  /** The queues, and what waits on each. */
  text(): string {
    let text = "";
    for (const { qid, phase, waiting } of this.links) {
      text += `${qid} ${phase}`;
      for (const [cid, { sqe }] of waiting) text += ` ${cid}:${Sqe.opc.get(sqe)}`;
      text += ";";
    }
    return text;
  }

  /** A queue, or a command on it, waits for the peer. */
  arrived(_link: WalkLink): void {
    if (this.#attitude === "silent" || this.#delivery === "due") return;
    this.#delivery = "due";
    this.clock.defer(() => {
      this.#delivery = "none";
      for (const link of this.links) this.#serve(link);
    });
  }

  #serve(link: WalkLink): void {
    if (link.phase === "connecting") {
      link.open();
      this.onDelivered();
      return;
    }
    for (const [cid, { sqe }] of link.waiting) {
      if (this.#attitude === "half-willing" && link.qid > 0 && isConnect(sqe)) continue;
      this.#complete(link, cid, this.#attitude === "final" && isConnect(sqe));
    }
  }

  #complete(link: WalkLink, cid: number, refused: boolean): void {
    const waiting = link.waiting.get(cid);
    // The host may have dropped the queue meanwhile.
    if (waiting === undefined || isEventRequest(link.qid, waiting.sqe)) return;
    link.waiting.delete(cid);
    if (refused) this.refusedMs.push(this.clock.nowMs());
    const [dw0, dw1] = refused ? [0, 0] : this.#answer(link.qid, waiting.sqe, waiting.data);
    cqeStatus.set(cqeView, 0, refused ? REFUSED : 0);
    Cqe.dw0.set(cqeView, 0, dw0);
    Cqe.dw1.set(cqeView, 0, dw1);
    link.events.completed(cid, cqeView, 0);
    this.onDelivered();
  }

  /** The honest answer: DW0 and DW1. */
  #answer(qid: number, sqe: DataView, data: Uint8Array | undefined): [number, number] {
    const opcode = Sqe.opc.get(sqe);
    if (qid > 0 && opcode !== AdminOpcode.Fabrics) return [0, 0];
    if (opcode === AdminOpcode.Fabrics) return this.#fabrics(sqe);
    if (opcode === AdminOpcode.Identify) data?.set(identifyBytes);
    const isQueues =
      opcode === AdminOpcode.SetFeatures && SetFeaturesCommand.fid.get(sqe) === Fid.NumberOfQueues;
    return [isQueues ? QUEUES : 0, 0];
  }

  #fabrics(sqe: DataView): [number, number] {
    const fctype = ConnectCommand.fctype.get(sqe);
    if (fctype === Fctype.Connect) {
      // A new association finds its controller disabled.
      if (ConnectCommand.qid.get(sqe) === 0) this.#cc = 0;
      return [0, 0];
    }
    if (fctype === Fctype.PropertySet) {
      this.#cc = PropertySetCommand.value.get(sqe);
      return [0, 0];
    }
    const { en, shn } = decodeDwords(Cc, this.#cc);
    switch (PropertyGetCommand.ofst.get(sqe)) {
      case Property.Cap:
        return [capView.getUint32(0, true), capView.getUint32(4, true)];
      case Property.Vs:
        return [0x2_0000, 0];
      case Property.Csts: {
        const shst = shn === Shn.None ? Shst.Normal : Shst.Complete;
        return [encodeDword(Csts, { rdy: en, shst }), 0];
      }
      default:
        return [this.#cc, 0];
    }
  }
}

// One connection through the proxy: the host's stream and the one to the controller, and both directions.
// Read first: lane.ts for a direction; byte-stream.ts of @nvmeof/transport.

import type { NvmeofError } from "@nvmeof/codec";
import type { ByteStream, ByteStreamHandler, Clock, Connector, Region } from "@nvmeof/transport";
import { Conversation } from "./conversation.ts";
import { Lane, type LaneFault, type LaneLink } from "./lane.ts";
import type { ChaosLimits } from "./limits.ts";
import { LinkToxics } from "./link-toxics.ts";
import { type Aside, type ChaosEvent, type PduFacts, noPdu, pduFacts } from "./log.ts";
import type { EndHow } from "./pipe.ts";
import { type ChaosDirection, type ChaosPlan, opposite } from "./plan.ts";
import type { LinkHands, Side } from "./turn.ts";

/** What a connection needs of its proxy. */
export interface LinkProxy {
  readonly clock: Clock;
  readonly connector: Connector;
  readonly plan: ChaosPlan;
  readonly limits: ChaosLimits;
  /** The faults of PDUs, with tallies of this connection. */
  readonly faults: readonly LaneFault[];
  readonly elapsedMs: () => number;
  readonly tell: (event: ChaosEvent) => void;
  /** A fault was carried out. */
  readonly count: (index: number) => void;
  readonly over: (link: ChaosLink) => void;
}

/** Bytes of one read from the controller. */
const RECEIVE_BYTES = 256 * 1024;

const sideOf = { upstream: "controller", downstream: "host" } as const;
const fromSide = { upstream: "host", downstream: "controller" } as const;
const directions = ["upstream", "downstream"] as const;

export class ChaosLink {
  readonly number: number;
  readonly #proxy: LinkProxy;
  readonly #conversation = new Conversation();
  readonly #lanes: Readonly<Record<ChaosDirection, Lane>>;
  readonly #streams: Record<Side, ByteStream | undefined> = {
    host: undefined,
    controller: undefined,
  };
  readonly #phase: Record<Side, "opening" | "open" | "gone"> = {
    host: "opening",
    controller: "opening",
  };
  readonly #toxics: LinkToxics;
  /** What was said about standing aside, which each PDU could be a reason for. */
  readonly #told = new Set<Aside>();
  #terms: Conversation["terms"];
  #qid: number | undefined;
  #state: "running" | "over" = "running";

  constructor(number: number, proxy: LinkProxy, host: ByteStream) {
    this.number = number;
    this.#proxy = proxy;
    this.#streams.host = host;
    const hands: LinkHands = {
      inject: (direction, bytes) => this.#lanes[direction].inject(bytes),
      silence: (direction, forMs) => this.#lanes[direction].silence(forMs),
      lose: (side) => this.#lose(side),
      end: (how) => this.end(how),
    };
    const link: LaneLink = {
      ...proxy,
      number,
      seed: proxy.plan.seed,
      conversation: this.#conversation,
      hands,
      did: (index, pdu, detail) => this.#did(index, pduFacts(pdu), detail),
      aside: (direction, why, detail) => this.#aside(direction, why, detail),
      heard: () => this.#heard(),
      ended: (direction, how) => this.#endSide(sideOf[direction], how),
      pressure: (direction, pauses) => this.#press(direction, pauses),
    };
    this.#terms = this.#conversation.terms;
    this.#toxics = new LinkToxics({
      ...link,
      plan: proxy.plan,
      end: (how) => this.end(how),
      did: (index, direction, detail) => this.#did(index, { ...noPdu, direction }, detail),
    });
    const lane = (direction: ChaosDirection): Lane =>
      new Lane(direction, link, this.#toxics.of(direction));
    this.#lanes = { upstream: lane("upstream"), downstream: lane("downstream") };
    // What nobody needs to know is not read.
    if (proxy.faults.length === 0 && !this.#toxics.needQueue) this.#standAside();
  }

  /** Bytes that wait in the proxy. */
  get heldBytes(): number {
    return this.#lanes.upstream.heldBytes + this.#lanes.downstream.heldBytes;
  }

  /** Ends both sides at once, whatever waits. */
  destroy(): void {
    for (const side of ["host", "controller"] as const) {
      if (this.#phase[side] === "gone") continue;
      this.#phase[side] = "gone";
      this.#streams[side]?.reset();
    }
    this.#finishIfOver();
  }

  /** Connects to the controller; gives who hears the host. */
  start(): ByteStreamHandler {
    const { connector, limits } = this.#proxy;
    const options = { receiveBytes: RECEIVE_BYTES, connectTimeoutMs: limits.connectTimeoutMs };
    this.#streams.controller = connector.connect(options, this.#handler("controller"));
    this.#toxics.arm();
    return this.#handler("host");
  }

  /** Ends both sides: after what is under way, or at once. */
  end(how: EndHow): void {
    for (const direction of directions) this.#lanes[direction].end(how);
  }

  #handler(side: Side): ByteStreamHandler {
    const direction: ChaosDirection = side === "host" ? "upstream" : "downstream";
    return {
      opened: () => {
        if (this.#phase[side] !== "opening") return;
        this.#phase[side] = "open";
        this.#lanes[opposite[direction]].open(this.#streams[side]!);
      },
      received: (buffer: Region, start: number, end: number) =>
        this.#lanes[direction].receive(buffer.bytes, start, end),
      drained: () => this.#lanes[opposite[direction]].drained(),
      ended: (error) => this.#gone(side, error),
    };
  }

  /** A side is gone by itself. */
  #gone(side: Side, error: NvmeofError | undefined): void {
    const { elapsedMs, tell } = this.#proxy;
    if (side === "controller" && this.#phase.controller === "opening") {
      tell({ type: "unreachable", atMs: elapsedMs(), connection: this.number, error });
      this.#phase.controller = "gone";
      this.#endSide("host", "reset");
      return;
    }
    this.#phase[side] = "gone";
    const direction = side === "host" ? "upstream" : "downstream";
    this.#lanes[opposite[direction]].stop();
    this.#lanes[direction].end(error === undefined ? "close" : "reset");
    this.#finishIfOver();
  }

  /** Ends the stream to a side. */
  #endSide(side: Side, how: EndHow): void {
    if (this.#phase[side] !== "gone") {
      this.#phase[side] = "gone";
      const stream = this.#streams[side]!;
      if (how === "reset") stream.reset();
      else stream.close(this.#proxy.limits.lingerMs);
    }
    this.#lanes[side === "host" ? "downstream" : "upstream"].stop();
    // What it still sends goes nowhere; the other side is told, unless it knows.
    if (this.#phase[side === "host" ? "controller" : "host"] !== "gone") {
      this.#lanes[side === "host" ? "upstream" : "downstream"].end(how);
    }
    this.#finishIfOver();
  }

  /** One side's connection is reset, and nobody else is told. */
  #lose(side: Side): void {
    if (this.#phase[side] === "gone") return;
    this.#phase[side] = "gone";
    this.#streams[side]!.reset();
    for (const direction of directions) this.#lanes[direction].silence(Infinity);
    this.#lanes[side === "host" ? "downstream" : "upstream"].stop();
    this.#finishIfOver();
  }

  #finishIfOver(): void {
    const { host, controller } = this.#phase;
    if (this.#state === "over" || host !== "gone" || controller !== "gone") return;
    this.#state = "over";
    this.#toxics.stop();
    for (const direction of directions) this.#lanes[direction].stop();
    const { elapsedMs, tell, over } = this.#proxy;
    const { upstream, downstream } = this.#lanes;
    tell({
      type: "closed",
      atMs: elapsedMs(),
      connection: this.number,
      queue: this.#conversation.queue,
      upstreamBytes: upstream.receivedBytes,
      downstreamBytes: downstream.receivedBytes,
    });
    over(this);
  }

  #press(direction: ChaosDirection, pauses: boolean): void {
    const side = fromSide[direction];
    if (this.#phase[side] === "gone") return;
    if (pauses) this.#streams[side]?.pause();
    else this.#streams[side]?.resume();
  }

  #standAside(): void {
    for (const direction of directions) this.#lanes[direction].standAside();
  }

  /** A PDU was heard: it may say how those behind it look, and what queue this is. */
  #heard(): void {
    const { terms, qid } = this.#conversation;
    if (terms !== this.#terms) {
      this.#terms = terms;
      const { header, data } = terms.digests;
      this.#lanes.upstream.agree(header, data, terms.controllerAlignment);
      this.#lanes.downstream.agree(header, data, terms.hostAlignment);
    }
    if (qid === this.#qid) return;
    this.#qid = qid;
    this.#toxics.arm();
  }

  #did(index: number, facts: PduFacts, detail: string): void {
    const { elapsedMs, tell, count, plan } = this.#proxy;
    const { kind, name } = plan.faults[index]!;
    count(index);
    tell({
      type: "fault",
      atMs: elapsedMs(),
      connection: this.number,
      fault: index,
      kind,
      name,
      qid: this.#conversation.qid,
      ...facts,
      detail,
    });
  }

  #aside(direction: ChaosDirection, why: Aside, detail: string): void {
    if (why === "tls" || why === "not-nvme") this.#standAside();
    if (this.#told.has(why)) return;
    this.#told.add(why);
    const { elapsedMs, tell } = this.#proxy;
    tell({ type: "aside", atMs: elapsedMs(), connection: this.number, why, direction, detail });
  }
}

// The TCP connections of a capture by their ends: found, begun, ended, forgotten.
// Read first: flow.ts for one of them; segment.ts for what comes in.

import type { CapturedFrame } from "../file/frame.ts";
import { type Endpoint, addressText, endpointKey } from "./address.ts";
import { Flow, type FlowContext, type FlowStart } from "./flow.ts";
import { type Segment, TcpFlag } from "./segment.ts";

/** Which flows are looked at, and how many are remembered. */
export interface FlowTableOptions {
  /** Ports at which controllers listen. */
  readonly ports: ReadonlySet<number>;
  /** More are forgotten, the oldest first. */
  readonly flowsMax: number;
}

/** A flow, and the key of the end that opened it or was seen first. */
interface Entry {
  flow: Flow;
  /** The host's end is the source of segments that come under this key. */
  readonly hostKey: string;
  /** Sequence number of the SYN that opened it. */
  syn: number | undefined;
}

export class FlowTable {
  readonly #options: FlowTableOptions;
  readonly #context: FlowContext;
  readonly #flows = new Map<string, Entry>();
  /** Connections that speak something else, by nobody's port. */
  others = 0;

  constructor(options: FlowTableOptions, context: FlowContext) {
    this.#options = options;
    this.#context = context;
  }

  segment(frame: CapturedFrame, segment: Segment): void {
    const { view } = frame;
    const { addressBytes, sourceAt, destinationAt, sourcePort, destinationPort, flags } = segment;
    const from = endpointKey(view, sourceAt, addressBytes, sourcePort);
    const to = endpointKey(view, destinationAt, addressBytes, destinationPort);
    let entry = this.#flows.get(from + to) ?? this.#flows.get(to + from);
    const opens = (flags & (TcpFlag.Syn | TcpFlag.Ack)) === TcpFlag.Syn;
    if (entry !== undefined && opens && (entry.flow.isOther || entry.syn !== segment.seq)) {
      // The ports are used again.
      entry.flow.finish("reused");
      this.#flows.delete(from + to);
      this.#flows.delete(to + from);
      entry = undefined;
    }
    entry ??= this.#begin(frame, segment, from, to);
    if (entry.flow.isOther) return;
    if (opens) entry.syn = segment.seq;
    this.#pass(frame, segment, entry, from);
  }

  /** The capture ends. */
  end(): void {
    for (const { flow } of this.#flows.values()) flow.finish("capture-end");
    this.#flows.clear();
  }

  #begin({ view }: CapturedFrame, segment: Segment, from: string, to: string): Entry {
    const { addressBytes, sourceAt, destinationAt, sourcePort, destinationPort, flags } = segment;
    const isSyn = (flags & TcpFlag.Syn) !== 0;
    const isAnswer = isSyn && (flags & TcpFlag.Ack) !== 0;
    const { ports } = this.#options;
    const isKnown = ports.has(sourcePort) || ports.has(destinationPort);
    // Whoever is asked is the controller: told by the SYN, else by the port.
    const toSource = isSyn ? isAnswer : !ports.has(destinationPort);
    const source: Endpoint = {
      address: addressText(view, sourceAt, addressBytes),
      port: sourcePort,
    };
    const destination: Endpoint = {
      address: addressText(view, destinationAt, addressBytes),
      port: destinationPort,
    };
    const start: FlowStart = {
      host: toSource ? destination : source,
      controller: toSource ? source : destination,
      begins: isSyn ? "seen" : "missed",
      by: isKnown ? "port" : "unknown",
    };
    const hostKey = toSource ? to : from;
    const entry: Entry = { flow: new Flow(start, this.#context), hostKey, syn: undefined };
    // The middle of a stream at nobody's port tells nothing.
    if (!isKnown && !isSyn) {
      entry.flow.finish("capture-end");
      this.others++;
    }
    this.#flows.set(from + to, entry);
    if (this.#flows.size > this.#options.flowsMax) this.#evict();
    return entry;
  }

  #pass(frame: CapturedFrame, segment: Segment, entry: Entry, from: string): void {
    const { flow, hostKey } = entry;
    const { seq, ack, flags, start, end, wireBytes } = segment;
    const isFromHost = from === hostKey;
    const lane = isFromHost ? flow.lanes.toController : flow.lanes.toHost;
    const other = isFromHost ? flow.lanes.toHost : flow.lanes.toController;
    if ((flags & TcpFlag.Syn) !== 0) {
      lane.begin(seq);
      // What a SYN acknowledges is a SYN, and no more.
      if ((flags & TcpFlag.Ack) !== 0) other.begin((ack - 1) >>> 0);
    }
    const dataSeq = (flags & TcpFlag.Syn) !== 0 ? (seq + 1) >>> 0 : seq;
    if ((flags & TcpFlag.Rst) !== 0) {
      flow.finish("reset");
      return;
    }
    // What is acknowledged was there, before what this segment brings was sent.
    if ((flags & TcpFlag.Ack) !== 0) other.acknowledged(ack);
    lane.segment(dataSeq, frame.bytes, frame.view, start, end, wireBytes);
    if ((flags & TcpFlag.Fin) !== 0) lane.finish(dataSeq, wireBytes);
    flow.passed("toController");
    flow.passed("toHost");
    if (flow.isOther) this.others++;
    else if (flow.isDone) flow.finish("fin");
  }

  /** Makes room: those that have ended or are of no interest first, else the oldest. */
  #evict(): void {
    let oldest: string | undefined;
    let looked = 0;
    for (const [key, { flow }] of this.#flows) {
      oldest ??= key;
      if (flow.isOther) {
        oldest = key;
        break;
      }
      if (++looked === EVICTION_LOOKS) break;
    }
    if (oldest === undefined) return;
    this.#flows.get(oldest)!.flow.finish("evicted");
    this.#flows.delete(oldest);
  }
}

/** How many of the oldest flows are looked at for one that can be forgotten without loss. */
const EVICTION_LOOKS = 64;

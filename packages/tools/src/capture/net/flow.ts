// One TCP connection of a capture: which protocol it speaks, which end is the controller.
// Read first: lane.ts; NVMe/TCP 1.0 §3.4 "Connection Establishment" for how one begins.

import { IcReq, PduHeader, PduType } from "@nvmeof/codec";
import { Connection, type EndedBy } from "../nvme/connection.ts";
import { Conversation, type ConversationContext } from "../nvme/conversation.ts";
import type { Direction } from "../nvme/pdu.ts";
import type { Endpoint } from "./address.ts";
import { Lane, type LaneLimits } from "./lane.ts";

/** What a flow has to know beside its bytes. */
export interface FlowContext extends ConversationContext {
  readonly limits: LaneLimits;
  /** Number of the next connection; called when one was recognised. */
  readonly nextNumber: () => number;
  readonly tap?: StreamTap | undefined;
}

/** Takes the bytes of a connection as they follow each other; they are valid during the call. */
export type StreamTap = (
  connection: Connection,
  direction: Direction,
  bytes: Uint8Array,
  start: number,
  end: number,
) => void;

/** A flow that nobody looks at again. */
type State =
  | { readonly kind: "undecided" }
  | {
      readonly kind: "nvme";
      readonly conversation: Conversation;
      readonly connection: Connection;
    }
  | { readonly kind: "other" };

/** How a flow was met. */
export interface FlowStart {
  readonly host: Endpoint;
  readonly controller: Endpoint;
  /** Whether its first segment was captured. */
  readonly begins: "seen" | "missed";
  /** `port`: it goes to a port of NVMe/TCP. `unknown`: its first bytes tell. */
  readonly by: "port" | "unknown";
}

/** Bytes that tell what a stream is: the common header of an ICReq. */
const SIGNATURE_BYTES = PduHeader.size;
const signature = Uint8Array.of(PduType.ICReq, 0, IcReq.size, 0, IcReq.size, 0, 0, 0);

export class Flow {
  readonly start: FlowStart;
  readonly lanes: Readonly<Record<Direction, Lane>>;
  readonly #context: FlowContext;
  #state: State = { kind: "undecided" };
  /** First bytes to the controller. */
  readonly #first = new Uint8Array(SIGNATURE_BYTES);
  #firstBytes = 0;
  /** Directions whose beginning was not captured. */
  readonly #joined = new Set<Direction>();
  readonly #closed: Record<Direction, "no" | "yes"> = { toController: "no", toHost: "no" };

  constructor(start: FlowStart, context: FlowContext) {
    this.start = start;
    this.#context = context;
    const lane = (direction: Direction): Lane =>
      new Lane(
        {
          joined: () => this.#join(direction),
          bytes: (bytes, view, from, to) => this.#bytes(direction, bytes, view, from, to),
          missing: (count) => this.#missing(direction, count),
          differs: () => this.#conversation?.differs(direction),
        },
        context.limits,
      );
    this.lanes = { toController: lane("toController"), toHost: lane("toHost") };
  }

  /** Whether it speaks something else, and nobody has to look at it again. */
  get isOther(): boolean {
    return this.#state.kind === "other";
  }

  /** Whether it was recognised as NVMe/TCP. */
  get isNvme(): boolean {
    return this.#state.kind === "nvme";
  }

  /** Whether both ends have closed it. */
  get isDone(): boolean {
    return this.lanes.toController.isDone && this.lanes.toHost.isDone;
  }

  /** The sender of a direction may have closed it, and all of that may have passed by now. */
  passed(direction: Direction): void {
    if (this.#closed[direction] === "yes" || !this.lanes[direction].isDone) return;
    this.#closed[direction] = "yes";
    this.#conversation?.closed(direction);
  }

  /** Nothing more comes. */
  finish(by: EndedBy): void {
    for (const direction of ["toController", "toHost"] as const) {
      this.lanes[direction].end();
      this.passed(direction);
    }
    // There is nothing that is half open: one end is enough.
    const isClosed = this.#closed.toController === "yes" || this.#closed.toHost === "yes";
    this.#conversation?.finish(isClosed && by !== "reset" ? "fin" : by);
    this.#state = { kind: "other" };
  }

  get #conversation(): Conversation | undefined {
    return this.#state.kind === "nvme" ? this.#state.conversation : undefined;
  }

  #bytes(
    direction: Direction,
    bytes: Uint8Array,
    view: DataView,
    start: number,
    end: number,
  ): void {
    if (this.#state.kind === "undecided") {
      if (this.start.by === "port") this.#decideByPort(view, start, end);
      else if (this.#decideByBytes(direction, bytes, start, end)) return;
    }
    this.#pass(direction, bytes, view, start, end);
  }

  #pass(direction: Direction, bytes: Uint8Array, view: DataView, start: number, end: number): void {
    if (this.#state.kind !== "nvme") return;
    this.#context.tap?.(this.#state.connection, direction, bytes, start, end);
    this.#state.conversation.bytes(direction, bytes, view, start, end);
  }

  #join(direction: Direction): void {
    this.#joined.add(direction);
    this.#conversation?.join(direction);
  }

  /** What was missed does not tell what it is: at a port of NVMe/TCP it is taken for that. */
  #missing(direction: Direction, count: number): void {
    if (this.#state.kind === "undecided") {
      if (this.start.by === "port") this.#recognise(undefined);
      else this.#state = { kind: "other" };
    }
    this.#conversation?.missing(direction, count);
  }

  #decideByPort(view: DataView, start: number, end: number): void {
    // A TLS record: its types are none of NVMe/TCP.
    const type = view.getUint8(start);
    const isTls =
      type >= 0x14 && type <= 0x17 && end - start >= 2 && view.getUint8(start + 1) === 3;
    this.#recognise(isTls ? "TLS" : undefined);
  }

  /** Returns whether the bytes are taken care of. */
  #decideByBytes(direction: Direction, bytes: Uint8Array, start: number, end: number): boolean {
    if (direction === "toHost") {
      // In NVMe/TCP the host speaks first.
      this.#state = { kind: "other" };
      return true;
    }
    let at = start;
    while (at < end && this.#firstBytes < SIGNATURE_BYTES) {
      if (bytes[at] !== signature[this.#firstBytes]) {
        this.#state = { kind: "other" };
        return true;
      }
      this.#first[this.#firstBytes++] = bytes[at++]!;
    }
    if (this.#firstBytes < SIGNATURE_BYTES) return true;
    this.#recognise(undefined);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const first = new DataView(this.#first.buffer);
    this.#pass(direction, this.#first, first, 0, SIGNATURE_BYTES);
    this.#pass(direction, bytes, view, at, end);
    return true;
  }

  #recognise(speaks: string | undefined): void {
    const { moment, tell, nextNumber } = this.#context;
    const { toController, toHost } = this.lanes;
    const connection = new Connection(
      nextNumber(),
      this.start,
      { begins: this.start.begins, frame: moment.frame, timeMs: moment.timeMs },
      { toController: toController.counts, toHost: toHost.counts },
    );
    const { frame, timeMs } = moment;
    tell({ type: "connection", connection, frame, timeMs, speaks });
    if (speaks !== undefined) {
      this.#state = { kind: "other" };
      return;
    }
    const conversation = new Conversation(connection, this.#context);
    this.#state = { kind: "nvme", conversation, connection };
    for (const direction of this.#joined) conversation.join(direction);
  }
}

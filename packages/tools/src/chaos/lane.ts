// One direction of a connection through the proxy: bytes, PDUs, faults of PDUs, faults of bytes, bytes.
// Read first: splitter.ts, matcher.ts, actions.ts, toxics.ts and pipe.ts for the steps, in this order.

import type { ProtocolError } from "@nvmeof/codec";
import type { ByteStream, Clock, Timer } from "@nvmeof/transport";
import { actionOf } from "./actions.ts";
import type { Conversation } from "./conversation.ts";
import { Dice } from "./dice.ts";
import { HeldPdus } from "./held-pdus.ts";
import type { ChaosLimits } from "./limits.ts";
import type { Aside } from "./log.ts";
import { type Matcher, type Tally, noTally } from "./matcher.ts";
import { ChaosPdu } from "./pdu.ts";
import { type EndHow, Pipe } from "./pipe.ts";
import type { ChaosDirection } from "./plan.ts";
import { PduSplitter } from "./splitter.ts";
import { type Toxic, Toxics } from "./toxics.ts";
import { type LinkHands, Turn } from "./turn.ts";

/** A fault of PDUs, as one direction of one connection has it. */
export interface LaneFault {
  readonly index: number;
  readonly matcher: Matcher;
  /** Of the connection. */
  readonly tally: Tally;
}

/** What a lane needs of its connection. */
export interface LaneLink {
  readonly number: number;
  readonly clock: Clock;
  readonly limits: ChaosLimits;
  readonly seed: number;
  readonly conversation: Conversation;
  readonly hands: LinkHands;
  readonly faults: readonly LaneFault[];
  readonly elapsedMs: () => number;
  /** A fault was carried out on this PDU. */
  readonly did: (index: number, pdu: ChaosPdu, detail: string) => void;
  readonly aside: (direction: ChaosDirection, why: Aside, detail: string) => void;
  /** The conversation may have agreed on something. */
  readonly heard: () => void;
  /** All is given on, and the receiver is to be ended. */
  readonly ended: (direction: ChaosDirection, how: EndHow) => void;
  /** The sender is to pause, or to go on. */
  readonly pressure: (direction: ChaosDirection, pauses: boolean) => void;
}

export class Lane {
  readonly direction: ChaosDirection;
  readonly #link: LaneLink;
  readonly #splitter: PduSplitter;
  readonly #held: HeldPdus;
  readonly #toxics: Toxics;
  readonly #pipe: Pipe;
  readonly #dice: readonly Dice[];
  #injected: Uint8Array[] = [];
  #silentUntilMs = 0;
  #silence: Timer | undefined;
  #receivedBytes = 0;
  #pressed: "no" | "yes" = "no";
  /** An end that silence keeps back. */
  #owedEnd: EndHow | undefined;

  constructor(direction: ChaosDirection, link: LaneLink, toxics: readonly Toxic[]) {
    this.direction = direction;
    this.#link = link;
    const { clock, limits, seed, number, faults } = link;
    const way = direction === "upstream" ? 0 : 1;
    this.#dice = faults.map(({ index }) => new Dice(seed, index, number, way));
    this.#pipe = new Pipe(
      clock,
      (heldBytes) => this.#press(heldBytes),
      (how) => link.ended(direction, how),
    );
    this.#toxics = new Toxics(toxics, {
      push: (bytes, dueMs) => this.#pipe.push(bytes, dueMs),
      close: () => link.hands.end("close"),
    });
    this.#held = new HeldPdus(clock, limits, (pieces) => this.#give(pieces, 0));
    this.#splitter = new PduSplitter(direction, limits.pduBytesMax, {
      pdu: (bytes, dataBytes) => this.#pdu(bytes, dataBytes),
      raw: (bytes) => this.#raw(bytes),
      oversized: (bytes) => link.aside(direction, "oversized", `a PDU of ${bytes} bytes`),
      lost: (error, first) => this.#lost(error, first),
    });
  }

  /** Bytes that came from the sender. */
  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** Bytes that wait here, in whatever way. */
  get heldBytes(): number {
    return this.#pipe.heldBytes + this.#held.bytes;
  }

  get isSilent(): boolean {
    return this.#link.clock.nowMs() < this.#silentUntilMs;
  }

  /** How PDUs look from here on. */
  agree(headerDigest: boolean, dataDigest: boolean, alignment: number): void {
    Object.assign(this.#splitter.context, { headerDigest, dataDigest, alignment });
  }

  /** Bytes from here on are no PDUs, or nobody's who reads them. */
  standAside(): void {
    this.#splitter.giveUp();
  }

  /** The receiver is there. */
  open(to: ByteStream): void {
    this.#pipe.open(to);
  }

  receive(bytes: Uint8Array, start: number, end: number): void {
    this.#receivedBytes += end - start;
    this.#splitter.write(bytes, start, end);
  }

  drained(): void {
    this.#pipe.drained();
  }

  /** A whole PDU of nobody, as soon as no other is under way. */
  inject(bytes: Uint8Array): void {
    if (this.#splitter.isInside) this.#injected.push(bytes);
    else this.#give([bytes], 0);
  }

  silence(forMs: number): void {
    const { clock } = this.#link;
    this.#silentUntilMs = Math.max(this.#silentUntilMs, clock.nowMs() + forMs);
    this.#silence?.cancel();
    if (this.#silentUntilMs === Infinity) return;
    this.#silence = clock.at(this.#silentUntilMs, () => this.#soundAgain());
  }

  /** The sender, or a fault, ends this direction: after what waits, or at once. */
  end(how: EndHow): void {
    this.#splitter.flush();
    if (how === "reset") this.#held.dropAll();
    else this.#held.giveAll();
    // Whoever does not hear anything does not hear of the end either.
    if (this.isSilent) this.#owedEnd = how;
    else this.#end(how);
  }

  /** Nobody is there any more. */
  stop(): void {
    this.#held.dropAll();
    this.#silence?.cancel();
    this.#pipe.stop();
  }

  #end(how: EndHow): void {
    this.#pipe.end(how, this.#link.clock.nowMs() + this.#toxics.closeDelayMs());
  }

  #soundAgain(): void {
    if (this.isSilent || this.#owedEnd === undefined) return;
    this.#end(this.#owedEnd);
    this.#owedEnd = undefined;
  }

  #pdu(bytes: Uint8Array, dataBytes: number): void {
    const { conversation, heard } = this.#link;
    const pdu = new ChaosPdu(this.direction, bytes, dataBytes, conversation.terms.digests);
    conversation.hear(pdu);
    heard();
    if (this.isSilent) return;
    const { hands } = this.#link;
    const { cid } = pdu;
    const turn = new Turn(pdu, conversation, hands, (count) => this.#held.hasRoom(count));
    for (const [i, fault] of this.#link.faults.entries()) {
      this.#try(fault, this.#dice[i]!, turn);
      if (turn.fate !== "passes") break;
    }
    this.#passOn(turn, cid);
  }

  #try({ index, matcher, tally }: LaneFault, dice: Dice, turn: Turn): void {
    const { number, conversation, elapsedMs, did, aside } = this.#link;
    const { fault } = matcher;
    const { fits, act } = actionOf(fault);
    const { direction } = this;
    const at = { connection: number, conversation, direction, elapsedMs: elapsedMs() };
    turn.dice = dice;
    const canAct = (): boolean => fits?.(turn, fault.values) !== false;
    if (!matcher.takes(turn.pdu, at, tally, dice, canAct)) return;
    const detail = act(turn, fault.values);
    if (detail === undefined) {
      aside(direction, "no-room", `${fault.name}: too much is held already`);
      return;
    }
    matcher.did(tally);
    did(index, turn.pdu, detail);
  }

  #passOn(turn: Turn, cid: number): void {
    const { pdu, before, after, fate, hold } = turn;
    if (fate === "held") this.#held.add(cid, [...before, pdu.bytes, ...after], hold!);
    else {
      this.#held.before(cid);
      const own = fate === "dropped" ? [] : [pdu.bytes];
      this.#give([...before, ...own, ...after], turn.delayMs);
      if (fate !== "dropped") this.#held.passed(cid);
    }
    for (const task of turn.afterwards) task();
  }

  #give(pieces: readonly Uint8Array[], delayMs: number): void {
    if (this.isSilent) return;
    const nowMs = this.#link.clock.nowMs();
    for (const bytes of pieces) this.#toxics.push(bytes, nowMs, nowMs + delayMs);
  }

  #raw(bytes: Uint8Array): void {
    this.#give([bytes], 0);
    if (this.#splitter.isInside || this.#injected.length === 0) return;
    this.#give(this.#injected, 0);
    this.#injected = [];
  }

  #lost(error: ProtocolError, first: boolean): void {
    const why = error.speaks === "TLS" ? "tls" : first ? "not-nvme" : "malformed";
    this.#link.aside(this.direction, why, error.message);
  }

  #press(heldBytes: number): void {
    const { bufferBytesMax } = this.#link.limits;
    if (this.#pressed === "no" && heldBytes > bufferBytesMax) {
      this.#pressed = "yes";
      this.#link.pressure(this.direction, true);
    } else if (this.#pressed === "yes" && heldBytes <= bufferBytesMax / 2) {
      this.#pressed = "no";
      this.#link.pressure(this.direction, false);
    }
  }
}

/** Tallies of a connection, one for each fault. */
export const freshTallies = (count: number): Tally[] => Array.from({ length: count }, noTally);

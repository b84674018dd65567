// The wire checker: reads what both ends send, on its own, and complains of what is against the rules.
// Read first: conversation.ts for the rules; invariants I32 to I39.

import type { EndHow } from "../network/end.ts";
import type { Direction, Side } from "../network/fault.ts";
import type { Moment, SimConnection } from "../network/link.ts";
import type { Complain } from "../violation.ts";
import { Conversation } from "./conversation.ts";
import type { ProofWays } from "./proof.ts";

/** Takes the `bytes` and `gone` events of a network. Not for a peer that misbehaves on purpose. */
export class WireChecker {
  readonly #complain: Complain;
  readonly #ways: ProofWays;
  readonly #conversations = new Map<string, { readonly talk: Conversation; ends: number }>();

  /** @param ways who has to prove who it is, on all connections. */
  constructor(complain: Complain, ways?: ProofWays) {
    this.#complain = complain;
    this.#ways = ways;
  }

  bytes(
    connection: SimConnection,
    direction: Direction,
    buffer: Uint8Array,
    start: number,
    end: number,
    moment: Moment,
  ): void {
    const { talk } = this.#of(connection);
    if (moment === "sent") talk.sent(direction, buffer, start, end);
    else talk.delivered(direction, end - start);
  }

  /** An end of a connection has gone: of its bytes, no more will come. */
  gone(connection: SimConnection, side: Side, how: EndHow): void {
    const known = this.#conversations.get(connection.name);
    if (known === undefined) return;
    if (how === "closed") known.talk.closed(side === "host" ? "toController" : "toHost");
    if (--known.ends === 0) this.#conversations.delete(connection.name);
  }

  #of(connection: SimConnection): { readonly talk: Conversation; ends: number } {
    const { name } = connection;
    let known = this.#conversations.get(name);
    if (known === undefined) {
      const complain = (invariant: string, message: string): void =>
        this.#complain(invariant, `${name}: ${message}`);
      known = { talk: new Conversation(complain, this.#ways), ends: 2 };
      this.#conversations.set(name, known);
    }
    return known;
  }
}

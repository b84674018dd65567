// What a fault may do with the PDU whose turn it is.
// Read first: actions.ts, which does it; lane.ts, which carries it out.

import type { Conversation } from "./conversation.ts";
import type { Dice } from "./dice.ts";
import type { ChaosPdu } from "./pdu.ts";
import type { EndHow } from "./pipe.ts";
import type { ChaosDirection } from "./plan.ts";

/** An end of the connection: whom the proxy speaks to there. */
export type Side = "host" | "controller";

/** What a fault may do to a connection as a whole. */
export interface LinkHands {
  /** Whole PDUs that do not come from the peer, as soon as none is under way. */
  inject(direction: ChaosDirection, bytes: Uint8Array): void;
  /** Nothing passes any more: for so many ms, Infinity for good. */
  silence(direction: ChaosDirection, forMs: number): void;
  /** The connection of one side is reset, and the other side is not told. */
  lose(side: Side): void;
  /** Both sides are ended, after what is under way. */
  end(how: EndHow): void;
}

/** When a PDU that is held goes on. */
export interface Hold {
  readonly forMs: number;
  /** PDUs of other commands after which it goes on as well. */
  readonly afterPdus: number;
}

export class Turn {
  readonly pdu: ChaosPdu;
  readonly conversation: Conversation;
  readonly link: LinkHands;
  /** That of the fault that acts. */
  dice!: Dice;
  /** What becomes of the PDU. `sealed`: it passes, and no other fault may touch it. */
  fate: "passes" | "sealed" | "dropped" | "held" = "passes";
  readonly before: Uint8Array[] = [];
  readonly after: Uint8Array[] = [];
  /** Done once it has passed. */
  readonly afterwards: (() => void)[] = [];
  /** It, and all behind it, leave so much later. */
  delayMs = 0;
  hold: Hold | undefined;
  readonly #hasRoom: (bytes: number) => boolean;

  constructor(
    pdu: ChaosPdu,
    conversation: Conversation,
    link: LinkHands,
    hasRoom: (bytes: number) => boolean,
  ) {
    this.pdu = pdu;
    this.conversation = conversation;
    this.link = link;
    this.#hasRoom = hasRoom;
  }

  drop(): void {
    this.fate = "dropped";
  }

  /** It is no PDU of its type any more. */
  seal(): void {
    this.fate = "sealed";
  }

  /** Keeps it back; `false` where too much is held already. */
  keep(hold: Hold): boolean {
    if (!this.#hasRoom(this.pdu.bytes.length)) return false;
    this.fate = "held";
    this.hold = hold;
    return true;
  }
}

// A queue whose host has to prove who it is: does anything else happen on it before?
// Read first: Base 2.0 §6.3 "Connect Command and Response", AUTHREQ; §8.13.5 "DH-HMAC-CHAP Protocol".
// It knows the order of the messages and not what is in them: whether a proof is right is told elsewhere.

import type { WireCommand } from "./command.ts";

const FABRICS = 0x7f;
const AUTHENTICATION_SEND = 0x05;
const AUTHENTICATION_RECEIVE = 0x06;
/** ATR in the result of Connect. */
const REQUIRED = 1 << 17;
/** AUTH_TYPE and AUTH_ID, as the first two bytes of a message. */
const SUCCESS1 = 0x0301;
const SUCCESS2 = 0x0401;

/** Whether a command carries messages of authentication. */
export const isAuthentication = ({ opcode, fctype }: WireCommand): boolean =>
  opcode === FABRICS && (fctype === AUTHENTICATION_SEND || fctype === AUTHENTICATION_RECEIVE);

/** Who proves what to whom in a run; undefined where nobody does. */
export type ProofWays = "one" | "both" | undefined;

export class Proof {
  readonly #ways: ProofWays;
  readonly #wrong: (direction: "toController" | "toHost", what: string) => void;
  /** Whether either side may do something else, as far as it knows. */
  #hostMay: "yes" | "no" = "yes";
  #controllerMay: "yes" | "no" = "yes";

  constructor(
    ways: ProofWays,
    wrong: (direction: "toController" | "toHost", what: string) => void,
  ) {
    this.#ways = ways;
    this.#wrong = wrong;
  }

  /** The host sends a command. */
  asks(command: WireCommand): void {
    if (this.#hostMay === "yes" || isAuthentication(command)) return;
    this.#wrong("toController", `command ${command.cid} before the authentication is over`);
  }

  /** The controller lets the host connect. Returns what the host knows when it hears of it. */
  connected(result: number): () => void {
    const isRequired = (result & REQUIRED) !== 0;
    if (this.#ways !== undefined && !isRequired) {
      this.#wrong("toHost", "Connect asks for no proof of a host that has a secret");
    }
    if (isRequired) this.#controllerMay = "no";
    return () => {
      if (isRequired) this.#hostMay = "no";
    };
  }

  /** The controller carries out a command. */
  serves(command: WireCommand): void {
    if (this.#controllerMay === "yes" || isAuthentication(command)) return;
    this.#wrong("toHost", `success of command ${command.cid} before the host has proven who it is`);
  }

  /**
   * A side sends a message of authentication.
   *
   * @param opening its first two bytes, the first one in the low half.
   * @returns what the other side knows when it gets it.
   */
  says(direction: "toController" | "toHost", opening: number): () => void {
    if (direction === "toHost" && opening === SUCCESS1 && this.#ways !== "both") {
      this.#controllerMay = "yes";
      return () => (this.#hostMay = "yes");
    }
    if (direction === "toController" && opening === SUCCESS2) {
      this.#hostMay = "yes";
      return () => (this.#controllerMay = "yes");
    }
    return () => {};
  }
}

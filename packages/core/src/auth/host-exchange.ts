// The host's side of one DH-HMAC-CHAP transaction, as a machine: messages in, messages out, a verdict.
// Read first: Base 2.0 §8.13.5 "DH-HMAC-CHAP Protocol". Ids in brackets are rows of the table of bad
// input. Who drives it sends and receives: authenticate.ts.

import { NvmeofError } from "@nvmeof/codec";
import {
  AUTH_REASON_FAILED,
  AuthExplanation,
  type AuthHash,
  type AuthMessage,
  AuthMessageError,
  type AuthMessageType,
  DhGroup,
  authExplanationName,
  authHashBytes,
  authHashName,
  decodeAuthMessage,
  dhGroupName,
  encodeAuthMessage,
  isAuthHash,
  isDhGroup,
  isDhPublicValue,
} from "@nvmeof/codec/auth";
import { type AuthFailureKind, AuthenticationError, failureKindOf } from "./errors.ts";
import type { ResolvedAuthentication } from "./options.ts";
import { type Transaction, controllerResponse, hostResponse, usedKey } from "./proof.ts";
import type { SequenceNumbers } from "./sequence-numbers.ts";

/**
 * - `idle`: nothing was sent.
 * - `negotiating`: AUTH_Negotiate is out, the challenge is to come.
 * - `proving`: the reply is out, the controller's verdict is to come.
 * - `over`: there is a verdict.
 */
export type HostAuthPhase = "idle" | "negotiating" | "proving" | "over";

/**
 * - `answer`: check the challenge, and reply.
 * - `conclude`: check the controller's proof, where one was asked for.
 * - `refused`: the controller says that it failed.
 * - `unexpected`: out of turn; the controller is told so.
 */
export type HostAuthCell = "answer" | "conclude" | "refused" | "unexpected";

type Row = Readonly<Record<AuthMessageType, HostAuthCell>>;

const nothing: Row = {
  negotiate: "unexpected",
  challenge: "unexpected",
  reply: "unexpected",
  success1: "unexpected",
  success2: "unexpected",
  failure1: "refused",
  failure2: "unexpected",
};

/** What a host does about a message from the controller. Every message in every phase. */
export const hostAuthTable: Readonly<Record<HostAuthPhase, Row>> = {
  idle: { ...nothing, failure1: "unexpected" },
  negotiating: { ...nothing, challenge: "answer" },
  proving: { ...nothing, success1: "conclude" },
  over: { ...nothing, failure1: "unexpected" },
};

/** What happened. */
export type HostAuthInput =
  | { readonly type: "begin" }
  /** Of what Authentication Receive has fetched, all of it. */
  | { readonly type: "received"; readonly message: Uint8Array };

/** What was agreed upon. */
export interface AuthResult {
  readonly hash: AuthHash;
  readonly group: DhGroup;
  /** The controller has proven who it is, too. */
  readonly mutual: boolean;
}

/** What to do. */
export type HostAuthOutput =
  | { readonly type: "send"; readonly message: Uint8Array }
  | { readonly type: "receive" }
  | { readonly type: "authenticated"; readonly result: AuthResult }
  /** What was sent before tells the controller; the queue is of no use any more. */
  | { readonly type: "failed"; readonly error: AuthenticationError };

/** Who talks to whom, and as which transaction. */
export interface HostExchangeOptions {
  readonly authentication: ResolvedAuthentication;
  readonly hostNqn: string;
  readonly subsystemNqn: string;
  /** Transaction ID, 0 to 65,535. */
  readonly tid: number;
  readonly numbers: SequenceNumbers;
}

/** A reason to end: what the host thinks of it, and what the controller is told. */
class Refusal extends NvmeofError {
  readonly kind: AuthFailureKind;
  readonly explanation: AuthExplanation;
  constructor(kind: AuthFailureKind, explanation: AuthExplanation, particulars: string) {
    super("NVME_ERR_AUTH_FAILED", particulars);
    this.kind = kind;
    this.explanation = explanation;
  }
}

const { Failed, HashUnusable, GroupUnusable, IncorrectPayload, IncorrectMessage } = AuthExplanation;

type Challenge = Extract<AuthMessage, { readonly type: "challenge" }>;
type Success1 = Extract<AuthMessage, { readonly type: "success1" }>;

/** Machine: `handle` an input, `poll` to `undefined`. It has no deadline of its own; its driver has. */
export class HostExchange {
  readonly #options: HostExchangeOptions;
  #phase: HostAuthPhase = "idle";
  #outputs: HostAuthOutput[] = [];
  #result: AuthResult | undefined;
  #failure: AuthenticationError | undefined;
  /** R2 as it has to be; undefined where the controller is not asked. */
  #expected: Uint8Array | undefined;

  constructor(options: HostExchangeOptions) {
    this.#options = options;
  }

  get phase(): HostAuthPhase {
    return this.#phase;
  }

  /** How it failed; undefined as long as it has not. */
  get failure(): AuthenticationError | undefined {
    return this.#failure;
  }

  handle(input: HostAuthInput): void {
    if (input.type === "begin") this.#begin();
    else this.#received(input.message);
  }

  poll(): HostAuthOutput | undefined {
    return this.#outputs.shift();
  }

  #begin(): void {
    const { authentication, tid } = this.#options;
    const { hashes, groups } = authentication;
    this.#send({ type: "negotiate", tid, scc: 0, hashes, groups });
    this.#outputs.push({ type: "receive" });
    this.#phase = "negotiating";
  }

  #received(bytes: Uint8Array): void {
    try {
      const message = decodeAuthMessage(bytes);
      const cell = hostAuthTable[this.#phase][message.type];
      // [A7] The type first: what came out of turn may belong to any transaction.
      if (cell === "unexpected") {
        throw new Refusal("broken", IncorrectMessage, `${message.type} came out of turn`);
      }
      // A failure counts whatever it refers to: a controller may not have been able to read that.
      if (message.tid !== this.#options.tid && message.type !== "failure1") {
        const said = `a message of transaction ${message.tid}, this is ${this.#options.tid}`; // [A10]
        throw new Refusal("broken", IncorrectPayload, said);
      }
      if (message.type === "failure1") this.#refused(message.explanation);
      else if (message.type === "challenge") this.#answer(message);
      else this.#conclude(message as Success1);
    } catch (error) {
      if (!(error instanceof Refusal || error instanceof AuthMessageError)) throw error;
      this.#fail(error);
    }
  }

  /** [A4] [A5] [A6] Everything that a challenge may get wrong, in the order of its fields. */
  #checkChallenge(challenge: Challenge): { hash: AuthHash; group: DhGroup } {
    const { hashes, groups } = this.#options.authentication;
    const { hash, group, seqnum, dhValue } = challenge;
    if (!isAuthHash(hash) || !hashes.includes(hash)) {
      const said = `the controller chose hash ${authHashName(hash)}, which was not offered`;
      throw new Refusal("unusable", HashUnusable, said);
    }
    const bytes = challenge.challenge.length;
    if (bytes !== authHashBytes(hash)) {
      const said = `a challenge of ${bytes} bytes for ${authHashName(hash)}`;
      throw new Refusal("broken", IncorrectPayload, said);
    }
    if (!isDhGroup(group) || !groups.includes(group)) {
      const said = `the controller chose group ${dhGroupName(group)}, which was not offered`;
      throw new Refusal("unusable", GroupUnusable, said);
    }
    if (group === DhGroup.Null ? dhValue.length > 0 : !isDhPublicValue(group, dhValue)) {
      throw new Refusal("broken", IncorrectPayload, "the controller's DH value cannot be used");
    }
    if (!this.#options.numbers.take(seqnum)) {
      throw new Refusal("broken", IncorrectPayload, `sequence number ${seqnum} is 0 or was used`);
    }
    return { hash, group };
  }

  #answer(challenge: Challenge): void {
    const { authentication, numbers, tid, hostNqn, subsystemNqn } = this.#options;
    const { crypto, hostKey, controllerKey } = authentication;
    const { hash, group } = this.#checkChallenge(challenge);
    const pair = group === DhGroup.Null ? undefined : crypto.dh(group);
    const dhSecret = pair?.secret(challenge.dhValue);
    const of: Transaction = { hash, tid, scc: 0, dhSecret, hostNqn, subsystemNqn };
    const key = usedKey(crypto, hostKey, hostNqn);
    const response = hostResponse(crypto, of, key, challenge.challenge, challenge.seqnum);
    key.fill(0);
    const isMutual = controllerKey !== undefined;
    const seqnum = isMutual ? numbers.next() : 0;
    const asked = isMutual ? crypto.random(authHashBytes(hash)) : undefined;
    if (asked !== undefined) {
      const other = usedKey(crypto, controllerKey!, subsystemNqn);
      this.#expected = controllerResponse(crypto, of, other, asked, seqnum);
      other.fill(0);
    }
    dhSecret?.fill(0);
    this.#result = { hash, group, mutual: isMutual };
    const dhValue = pair?.publicValue ?? new Uint8Array(0);
    this.#send({ type: "reply", tid, seqnum, response, challenge: asked, dhValue });
    this.#outputs.push({ type: "receive" });
    this.#phase = "proving";
  }

  #conclude({ hashBytes, response }: Success1): void {
    const { authentication, tid } = this.#options;
    const result = this.#result!;
    if (hashBytes !== authHashBytes(result.hash)) {
      const said = `a hash of ${hashBytes} bytes for ${authHashName(result.hash)}`;
      throw new Refusal("broken", IncorrectPayload, said);
    }
    const expected = this.#expected;
    if (expected !== undefined) {
      if (response === undefined) throw new Refusal("unasked", Failed, ""); // [A19]
      // [A16] A response that is ours, sent back, was made with another label.
      if (!authentication.crypto.equal(expected, response)) {
        throw new Refusal("unproven", Failed, "");
      }
      this.#send({ type: "success2", tid });
    }
    this.#end({ type: "authenticated", result });
  }

  #refused(explanation: number): void {
    const said = `${authExplanationName(explanation)} (${explanation})`;
    // With a secret of the controller's it may be that one which it does not have.
    const error = new AuthenticationError(failureKindOf(explanation), said, { explanation });
    this.#end({ type: "failed", error });
  }

  /** Tells the controller, and ends. */
  #fail(refusal: Refusal | AuthMessageError): void {
    const { tid } = this.#options;
    const { explanation, message } = refusal;
    const kind = refusal instanceof Refusal ? refusal.kind : "broken";
    this.#send({ type: "failure2", tid, reason: AUTH_REASON_FAILED, explanation });
    const error = new AuthenticationError(kind, message, { explanation });
    this.#end({ type: "failed", error });
  }

  #send(message: AuthMessage): void {
    this.#outputs.push({ type: "send", message: encodeAuthMessage(message) });
  }

  #end(output: HostAuthOutput): void {
    this.#expected?.fill(0);
    this.#expected = undefined;
    if (output.type === "failed") this.#failure = output.error;
    this.#phase = "over";
    this.#outputs.push(output);
  }
}

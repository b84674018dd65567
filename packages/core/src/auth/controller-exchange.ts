// The controller's side of DH-HMAC-CHAP on one queue, as a machine: what a host sends, what it gets.
// Read first: Base 2.0 §8.13.5 "DH-HMAC-CHAP Protocol"; controller-table.ts for what follows what. Ids in
// brackets are rows of the table of bad input.

import {
  AUTH_REASON_FAILED,
  AuthExplanation,
  type AuthHash,
  type AuthMessage,
  AuthMessageError,
  DhGroup,
  authHashBytes,
  authTidOf,
  decodeAuthMessage,
  encodeAuthMessage,
  isDhPublicValue,
} from "@nvmeof/codec/auth";
import { type ControllerAuthPhase, controllerAuthTable } from "./controller-table.ts";
import type { AuthCrypto, DhPair } from "./crypto.ts";
import type { AuthResult } from "./host-exchange.ts";
import { type Transaction, controllerResponse, hostResponse } from "./proof.ts";
import type { SequenceNumbers } from "./sequence-numbers.ts";

/** What a controller knows of a host. Keys are those that are used: transformed, if their form says so. */
export interface HostSecrets {
  readonly hostKey: Uint8Array;
  /** Undefined where the controller cannot prove who it is. */
  readonly controllerKey: Uint8Array | undefined;
  /** In order of preference. */
  readonly hashes: readonly AuthHash[];
  readonly groups: readonly DhGroup[];
}

/** Who talks to whom. */
export interface ControllerExchangeOptions {
  readonly crypto: AuthCrypto;
  readonly numbers: SequenceNumbers;
  readonly hostNqn: string;
  readonly subsystemNqn: string;
  /** What is known of the host now; asked anew, since it may be changed while an exchange runs. */
  readonly secrets: () => HostSecrets | undefined;
}

/** What happened. */
export type ControllerAuthInput =
  /** A message of the host, by Authentication Send. */
  | { readonly type: "message"; readonly message: Uint8Array }
  /** The host asks for a message, and has room for the one that is {@link ControllerExchange.pending}. */
  | { readonly type: "receive" };

/** What follows. */
export type ControllerAuthOutput =
  /** Answers `receive`. */
  | { readonly type: "give"; readonly message: Uint8Array }
  /** Answers `receive`: there is nothing to give, Command Sequence Error. */
  | { readonly type: "early" }
  | { readonly type: "authenticated"; readonly result: AuthResult }
  /** The host has failed, or has given up; `text` is for those who watch. */
  | { readonly type: "failed"; readonly explanation: number; readonly text: string }
  /** All is said: the connection ends. */
  | { readonly type: "end" };

/** Transactions that a host may begin and not finish; a decent one needs one. */
const UNFINISHED_MAX = 3;

const { Failed, ProtocolUnusable, ConcatenationMismatch, HashUnusable, GroupUnusable } =
  AuthExplanation;
const { IncorrectPayload, IncorrectMessage } = AuthExplanation;

type Negotiate = Extract<AuthMessage, { readonly type: "negotiate" }>;
type Reply = Extract<AuthMessage, { readonly type: "reply" }>;

/** What a transaction has come to. */
interface Running {
  readonly tid: number;
  readonly secrets: HostSecrets;
  readonly hash: AuthHash;
  readonly group: DhGroup;
  readonly seqnum: number;
  readonly challenge: Uint8Array;
  readonly pair: DhPair | undefined;
}

/** Machine: `handle` an input, `poll` to `undefined`. It has no deadline of its own; its driver has. */
export class ControllerExchange {
  readonly #options: ControllerExchangeOptions;
  #phase: ControllerAuthPhase = "idle";
  #outputs: ControllerAuthOutput[] = [];
  /** What the host is to fetch next. */
  #pending: Uint8Array | undefined;
  #running: Running | undefined;
  #result: AuthResult | undefined;
  #unfinished = 0;

  constructor(options: ControllerExchangeOptions) {
    this.#options = options;
  }

  get phase(): ControllerAuthPhase {
    return this.#phase;
  }

  /** The message that the next `receive` gets; undefined where there is none. */
  get pending(): Uint8Array | undefined {
    return this.#pending;
  }

  /** A transaction has begun and has not ended. */
  get isUnderWay(): boolean {
    return this.#phase !== "idle" && this.#phase !== "done" && this.#phase !== "over";
  }

  handle(input: ControllerAuthInput): void {
    if (input.type === "receive") this.#receive();
    else this.#message(input.message);
  }

  poll(): ControllerAuthOutput | undefined {
    return this.#outputs.shift();
  }

  #receive(): void {
    const message = this.#pending;
    if (controllerAuthTable[this.#phase].receive !== "give" || message === undefined) {
      this.#outputs.push({ type: "early" }); // [A14]
      return;
    }
    this.#pending = undefined;
    this.#outputs.push({ type: "give", message });
    if (this.#phase === "challenging") this.#phase = "challenged";
    else if (this.#phase === "failing") this.#end();
    else if (this.#result!.mutual) this.#phase = "confirming";
    else this.#done();
  }

  #message(bytes: Uint8Array): void {
    let message: AuthMessage;
    try {
      message = decodeAuthMessage(bytes);
    } catch (error) {
      if (!(error instanceof AuthMessageError)) throw error;
      this.#failAs(this.#running?.tid ?? authTidOf(bytes), error.explanation, error.message);
      return;
    }
    const cell = controllerAuthTable[this.#phase][message.type];
    if (cell === "ignore") return;
    if (cell === "unexpected") {
      const tid = this.#running?.tid ?? message.tid;
      this.#failAs(tid, IncorrectMessage, `${message.type} came out of turn`); // [A7]
    } else if (message.type === "negotiate") {
      this.#negotiate(message);
    } else if (message.tid !== this.#running!.tid) {
      this.#fail(IncorrectPayload, `a message of transaction ${message.tid}`); // [A10]
    } else if (message.type === "reply") {
      this.#verify(message);
    } else if (message.type === "failure2") {
      const { explanation } = message;
      this.#outputs.push({ type: "failed", explanation, text: "the host gave up" });
      this.#end();
    } else {
      this.#done();
    }
  }

  #negotiate(message: Negotiate): void {
    const { crypto, numbers, secrets: known } = this.#options;
    const { tid, scc, hashes: offered, groups = [] } = message;
    this.#forget();
    this.#running = undefined;
    this.#unfinished++;
    const secrets = known();
    const refusal = this.#unfinished > UNFINISHED_MAX || secrets === undefined;
    if (refusal) return this.#failAs(tid, Failed, "too many negotiations, or no secret");
    // [A3] In the order of the fields.
    if (scc !== 0) return this.#failAs(tid, ConcatenationMismatch, `SC_C ${scc}`);
    if (offered === undefined) return this.#failAs(tid, ProtocolUnusable, "no DH-HMAC-CHAP");
    const hash = secrets.hashes.find((each) => offered.includes(each));
    if (hash === undefined) return this.#failAs(tid, HashUnusable, "no hash in common");
    const group = secrets.groups.find((each) => groups.includes(each));
    if (group === undefined) return this.#failAs(tid, GroupUnusable, "no DH group in common");
    const pair = group === DhGroup.Null ? undefined : crypto.dh(group);
    const seqnum = numbers.next();
    const challenge = crypto.random(authHashBytes(hash));
    this.#running = { tid, secrets, hash, group, seqnum, challenge, pair };
    const dhValue = pair?.publicValue ?? new Uint8Array(0);
    const answer = { type: "challenge", tid, hash, group, seqnum, challenge, dhValue } as const;
    this.#pending = encodeAuthMessage(answer);
    this.#phase = "challenging";
  }

  /** [A5] [A6] [A8] What a reply may get wrong; undefined where nothing is. */
  #faultOf({ response, challenge, seqnum, dhValue }: Reply): string | undefined {
    const { hash, group } = this.#running!;
    if (response.length !== authHashBytes(hash)) return `a response of ${response.length} bytes`;
    if (group === DhGroup.Null ? dhValue.length > 0 : !isDhPublicValue(group, dhValue)) {
      return "the host's DH value cannot be used";
    }
    const isFresh = challenge === undefined || this.#options.numbers.take(seqnum);
    return isFresh ? undefined : `sequence number ${seqnum} is 0 or was used`;
  }

  #verify(reply: Reply): void {
    const { crypto, hostNqn, subsystemNqn, secrets: known } = this.#options;
    const { secrets, hash, group, tid, seqnum, challenge, pair } = this.#running!;
    const fault = this.#faultOf(reply);
    if (fault !== undefined) {
      this.#fail(IncorrectPayload, fault);
      return;
    }
    const dhSecret = pair?.secret(reply.dhValue);
    const of: Transaction = { hash, tid, scc: 0, dhSecret, hostNqn, subsystemNqn };
    const expected = hostResponse(crypto, of, secrets.hostKey, challenge, seqnum);
    // All is computed before any of it is judged: a wrong secret takes as long as a right one.
    const { challenge: asked } = reply;
    const key = secrets.controllerKey ?? secrets.hostKey;
    const response =
      asked === undefined ? undefined : controllerResponse(crypto, of, key, asked, reply.seqnum);
    const isProven = crypto.equal(expected, reply.response);
    dhSecret?.fill(0);
    expected.fill(0);
    const isAble = asked === undefined || secrets.controllerKey !== undefined;
    // [A18] A secret that is another by now proves nothing.
    if (!isProven || !isAble || known() !== secrets) {
      this.#fail(Failed, isProven ? "no controller secret, or another host secret" : "wrong proof");
      return;
    }
    this.#result = { hash, group, mutual: asked !== undefined };
    const answer = { type: "success1", tid, hashBytes: authHashBytes(hash), response } as const;
    this.#pending = encodeAuthMessage(answer);
    this.#phase = "succeeding";
  }

  #done(): void {
    this.#unfinished = 0;
    this.#phase = "done";
    this.#running = undefined;
    this.#outputs.push({ type: "authenticated", result: this.#result! });
  }

  #fail(explanation: AuthExplanation, text: string): void {
    this.#failAs(this.#running?.tid ?? 0, explanation, text);
  }

  /** The host learns of it when it asks next. */
  #failAs(tid: number, explanation: AuthExplanation, text: string): void {
    this.#forget();
    const answer = { type: "failure1", tid, reason: AUTH_REASON_FAILED, explanation } as const;
    this.#pending = encodeAuthMessage(answer);
    this.#phase = "failing";
    this.#outputs.push({ type: "failed", explanation, text });
  }

  #end(): void {
    this.#forget();
    this.#phase = "over";
    this.#outputs.push({ type: "end" });
  }

  #forget(): void {
    this.#pending = undefined;
    this.#result = undefined;
  }
}

// What a controller does about each message of a host, in each phase of an exchange: a table.
// Read first: Base 2.0 §8.13.5 "DH-HMAC-CHAP Protocol"; controller-exchange.ts carries it out.

import type { AuthMessageType } from "@nvmeof/codec/auth";

/**
 * - `idle`: nothing was ever said.
 * - `challenging`: the challenge is to be fetched.
 * - `challenged`: the reply is to come.
 * - `succeeding`: Success1 is to be fetched.
 * - `confirming`: the host is to say that it takes the controller's proof.
 * - `done`: the host has proven who it is; a new exchange may begin.
 * - `failing`: AUTH_Failure1 is to be fetched.
 * - `over`: there is nothing more to say.
 */
export type ControllerAuthPhase =
  "idle" | "challenging" | "challenged" | "succeeding" | "confirming" | "done" | "failing" | "over";

/**
 * - `begin`: a transaction, in place of one that the host has not finished.
 * - `verify`: the host's proof.
 * - `confirm`: the host takes the controller's.
 * - `give-up`: the host does not go on.
 * - `give`: what is to be fetched.
 * - `early`: there is nothing to be fetched.
 * - `ignore`: the host has yet to learn that it has failed, or has learnt it.
 * - `unexpected`: out of turn; that ends the exchange.
 */
export type ControllerAuthCell =
  "begin" | "verify" | "confirm" | "give-up" | "give" | "early" | "ignore" | "unexpected";

type Row = Readonly<Record<AuthMessageType | "receive", ControllerAuthCell>>;

const nothing: Row = {
  negotiate: "begin",
  challenge: "unexpected",
  reply: "unexpected",
  success1: "unexpected",
  success2: "unexpected",
  failure1: "unexpected",
  failure2: "give-up",
  receive: "early",
};

const deaf: Row = {
  negotiate: "ignore",
  challenge: "ignore",
  reply: "ignore",
  success1: "ignore",
  success2: "ignore",
  failure1: "ignore",
  failure2: "ignore",
  receive: "early",
};

/** Every message, and the request for one, in every phase. */
export const controllerAuthTable: Readonly<Record<ControllerAuthPhase, Row>> = {
  idle: { ...nothing, failure2: "unexpected" },
  challenging: { ...nothing, receive: "give" },
  challenged: { ...nothing, reply: "verify" },
  succeeding: { ...nothing, receive: "give" },
  confirming: { ...nothing, success2: "confirm" },
  done: { ...nothing, failure2: "unexpected" },
  failing: { ...deaf, receive: "give" },
  over: deaf,
};

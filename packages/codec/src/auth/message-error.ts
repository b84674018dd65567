// What is wrong with an authentication message, and the words of its Reason Code Explanation.
// Read first: Base 2.0 §8.13.4 "AUTH_Failure1 Message", table of Reason Code Explanations.

import { ParseError } from "../errors.ts";

/** Reason Code Explanation of AUTH_Failure1 and AUTH_Failure2. */
export const AuthExplanation = {
  Failed: 1,
  ProtocolUnusable: 2,
  ConcatenationMismatch: 3,
  HashUnusable: 4,
  GroupUnusable: 5,
  IncorrectPayload: 6,
  IncorrectMessage: 7,
} as const;
export type AuthExplanation = (typeof AuthExplanation)[keyof typeof AuthExplanation];

const words: readonly string[] = [
  "reserved",
  "Authentication failed",
  "Authentication protocol not usable",
  "Secure channel concatenation mismatch",
  "Hash function not usable",
  "DH group not usable",
  "Incorrect payload",
  "Incorrect protocol message",
];

/** An explanation in words; "unknown (n)" for what is none. */
export const authExplanationName = (explanation: number): string =>
  words[explanation] ?? `unknown (${explanation})`;

/** Bytes that are no authentication message. Raised by `decodeAuthMessage`. */
export class AuthMessageError extends ParseError {
  /** What to say of it in AUTH_Failure1 or AUTH_Failure2. */
  readonly explanation: AuthExplanation;

  constructor(explanation: AuthExplanation, offset: number, message: string) {
    super("authentication message", offset, message);
    this.explanation = explanation;
  }
}

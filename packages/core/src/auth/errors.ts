// Why a host could not authenticate: what it is called, whether to try again, and what to do about it.
// Read first: Base 2.0 §8.13.4 "AUTH_Failure1 Message"; host-exchange.ts for who raises which.

import { type ErrorDetails, NvmeofError, Status, codeOf } from "@nvmeof/codec";
import { AuthExplanation } from "@nvmeof/codec/auth";
import { NvmeStatusError } from "../errors.ts";

/** How authentication failed. */
export type AuthFailureKind =
  | "keyless" // the controller requires it, and there is no key
  | "refused" // the controller does not take the host's proof
  | "cut-off" // it has ended the connection instead of saying so, or the network has
  | "unproven" // the controller's proof is wrong
  | "unasked" // the controller was to prove itself, and has not
  | "unusable" // no hash, group or protocol that both can use
  | "secure-channel" // the controller wants TLS with keys from the exchange
  | "broken"; // a message that cannot be meant, or came out of turn

interface Row {
  readonly code: string;
  /** The same attempt would fail again. */
  readonly permanent: boolean;
  readonly message: string;
  readonly hint: string;
}

/** What follows from each: the one place that decides whether another attempt makes sense. */
export const authFailures: Readonly<Record<AuthFailureKind, Row>> = {
  keyless: {
    code: "NVME_ERR_AUTH_REQUIRED",
    permanent: true,
    message: "the controller requires authentication, and there is no key",
    hint: "Give the host's DH-HMAC-CHAP secret (--dhchap-secret-file).",
  },
  refused: {
    code: "NVME_ERR_AUTH_FAILED",
    permanent: true,
    message: "the controller does not accept the host's proof",
    hint:
      "The target does not know this host NQN (--hostnqn), has another secret for it, perhaps only with " +
      "other digits after DHHC-1:, or has no secret for itself where one was asked for.",
  },
  "cut-off": {
    code: "NVME_ERR_AUTH_FAILED",
    permanent: false,
    message: "the connection ended where the verdict on the host's proof was due",
    hint: "So do some targets end it where the secret is a wrong one; the log of the target says more.",
  },
  unproven: {
    code: "NVME_ERR_AUTH_CONTROLLER",
    permanent: true,
    message: "the controller has not proven who it is",
    hint:
      "The target has another controller secret, or none (--dhchap-ctrl-secret-file); or somebody else " +
      "answers at this address.",
  },
  unasked: {
    code: "NVME_ERR_AUTH_CONTROLLER",
    permanent: true,
    message: "the controller was asked to prove who it is, and did not",
    hint: "Set a controller secret on the target; or somebody else answers at this address.",
  },
  unusable: {
    code: "NVME_ERR_AUTH_UNUSABLE",
    permanent: true,
    message: "host and controller have no way to authenticate in common",
    hint: "Allow more hashes and groups on either side (--dhchap-digests, --dhchap-dhgroups).",
  },
  "secure-channel": {
    code: "NVME_ERR_AUTH_UNUSABLE",
    permanent: true,
    message: "the controller requires a secure channel made by authentication",
    hint: "That is not supported: set a TLS key on both sides, or turn concatenation off on the target.",
  },
  broken: {
    code: "NVME_ERR_AUTH_PROTOCOL",
    permanent: false,
    message: "the authentication went wrong",
    hint: "The target breaks the protocol at this place; report it to its makers.",
  },
};

/**
 * A host and a controller did not authenticate. What the secrets are is nowhere in it.
 *
 * Source: Base 2.0 §8.13.4 "AUTH_Failure1 Message".
 */
export class AuthenticationError extends NvmeofError {
  override readonly name = "AuthenticationError";
  readonly kind: AuthFailureKind;
  /** Reason Code Explanation that the controller gave, or that it was given; undefined for none. */
  readonly explanation: number | undefined;
  /** The failure is final: no other attempt to connect would fare better. */
  readonly permanent: boolean;

  constructor(
    kind: AuthFailureKind,
    particulars = "",
    details: ErrorDetails & { readonly explanation?: number | undefined } = {},
  ) {
    const { code, permanent, message, hint } = authFailures[kind];
    super(code, particulars === "" ? message : `${message}: ${particulars}`, {
      phase: "authenticate",
      hint,
      outcome: "failed",
      ...details,
    });
    this.kind = kind;
    this.explanation = details.explanation;
    this.permanent = permanent;
  }
}

/** What a controller means by an explanation. */
export function failureKindOf(explanation: number): AuthFailureKind {
  switch (explanation) {
    case AuthExplanation.ProtocolUnusable:
    case AuthExplanation.ConcatenationMismatch:
    case AuthExplanation.HashUnusable:
    case AuthExplanation.GroupUnusable:
      return "unusable";
    case AuthExplanation.IncorrectPayload:
    case AuthExplanation.IncorrectMessage:
      return "broken";
    default:
      return "refused";
  }
}

/** Whether a command was not carried out because the host has to prove, for the first time or anew, who it is. */
export const wantsProof = (error: NvmeofError | undefined): error is NvmeStatusError =>
  error instanceof NvmeStatusError && codeOf(error.status) === Status.AuthRequired;

// Exit codes, and the table that gives one to every error code. Both are stable within a major version.
// Read first: README.md "Exit codes".

import type { BlockFailure, RegistryFailure } from "@nvmeof/bdev";
import type { WorkerFailure } from "@nvmeof/bdev/nvme";
import type { AbortReason } from "@nvmeof/core";
import type { TargetFailure } from "@nvmeof/target";
import type { TlsFailure, TransportFailure } from "@nvmeof/transport";

export const ExitCode = {
  ok: 0,
  failed: 1, // anything not below
  usage: 2, // bad option or argument, missing confirmation
  notFound: 3, // no such subsystem, namespace, file
  unreachable: 4, // unknown host, refused, no route, ended before it was a controller
  rejected: 5, // Connect refused
  auth: 6, // host not allowed, or not proven to be who it says it is, or not proven to be who it says
  timeout: 7, // a deadline of ours passed
  nvmeStatus: 8, // a command completed with an error status
  protocol: 9, // the peer broke the protocol, or holds that we did
  dataMismatch: 10, // verify or compare
  partial: 11, // some of several targets failed
  threshold: 12, // a figure is worse than it may be
  resource: 13, // limits of this machine
  lost: 14, // connection lost and not recovered
  internal: 70, // a bug of ours
  sigint: 130,
  sigterm: 143,
} as const;
export type ExitName = keyof typeof ExitCode;

type Underscored<T extends string> = T extends `${infer Head}-${infer Tail}`
  ? `${Head}_${Underscored<Tail>}`
  : T;
type CodeOf<Failure extends string> = `NVME_ERR_${Uppercase<Underscored<Failure>>}`;

/** Codes of the command's own errors; two of them are those of the packages as well. */
export type CliCode =
  | "NVME_ERR_AUTH_KEY" // a DH-HMAC-CHAP secret that is none
  | "NVME_ERR_FILE"
  | "NVME_ERR_OUT_OF_RANGE"
  | "NVME_ERR_USAGE" // an option or argument that cannot be meant
  | "NVME_ERR_ADDRESS" // a URI or address that cannot be
  | "NVME_ERR_ALIAS" // an @name that nobody has set
  | "NVME_ERR_UNKNOWN_TERM" // what explain knows nothing of
  | "NVME_ERR_RISK" // doctor --strict has found some
  | "NVME_ERR_ERASE_FAILED" // a sanitize operation, or a self-test, that has failed
  | "NVME_ERR_CONFIG" // a file of configuration that cannot be understood
  | "NVME_ERR_TLS_KEY" // a file of keys that cannot be used
  | "NVME_ERR_UNALIGNED" // a size or offset that is no whole number of blocks
  | "NVME_ERR_COMMAND" // a command that was run for the user has failed
  | "NVME_ERR_CONFIRMATION" // something is overwritten, and nobody said yes
  | "NVME_ERR_FILE_NOT_FOUND"
  | "NVME_ERR_IDENTITY" // the file with the host's names cannot be read
  | "NVME_ERR_LISTEN" // an address that cannot be listened on
  | "NVME_ERR_DEADLINE" // --timeout
  | "NVME_ERR_INTERRUPTED" // SIGINT
  | "NVME_ERR_TERMINATED" // SIGTERM
  | "NVME_ERR_OUTPUT_CLOSED" // whoever read our stdout has gone
  | "NVME_ERR_MISMATCH"
  | "NVME_ERR_PARTIAL" // some of several addresses could not be reached
  | "NVME_ERR_FINDINGS" // a capture with what --fail-on names
  | "NVME_ERR_REGRESSION" // a measurement that is worse than the one before
  | "NVME_ERR_VIOLATION" // an invariant that the simulator saw broken
  | "NVME_ERR_UNSETTLED" // a demo whose reads did not settle, or whose close was not bounded
  | "NVME_ERR_INTERNAL";

/** Codes that have no union of their own in the packages. */
type SingleCode =
  | "NVME_ERR_AUTH_CONTROLLER" // the controller has not proven who it is
  | "NVME_ERR_AUTH_FAILED" // the host has not
  | "NVME_ERR_AUTH_KEY"
  | "NVME_ERR_AUTH_PROTOCOL"
  | "NVME_ERR_AUTH_REQUIRED"
  | "NVME_ERR_AUTH_UNUSABLE" // no way to authenticate in common
  | "NVME_ERR_CAPTURE" // a capture file that is damaged, or none
  | "NVME_ERR_CONNECT_REJECTED"
  | "NVME_ERR_CONTROL" // a control socket that is none, or cannot be had
  | "NVME_ERR_DISCOVERY_TOO_LARGE"
  | "NVME_ERR_DISCOVERY_UNSTABLE"
  | "NVME_ERR_DUPLICATE"
  | "NVME_ERR_FC_REJECTED"
  | "NVME_ERR_FILE"
  | "NVME_ERR_GROUP_MISMATCH"
  | "NVME_ERR_HOST_NOT_ALLOWED"
  | "NVME_ERR_KEEP_ALIVE"
  | "NVME_ERR_NO_NAMESPACE"
  | "NVME_ERR_NQN"
  | "NVME_ERR_PARSE"
  | "NVME_ERR_PEER_TERMINATED"
  | "NVME_ERR_PLAN" // a plan of faults that cannot be meant
  | "NVME_ERR_PROTOCOL"
  | "NVME_ERR_REFERRAL"
  | "NVME_ERR_STATE"
  | "NVME_ERR_STATUS"
  | "NVME_ERR_TIMEOUT"
  | "NVME_ERR_TLS_IDENTITY"
  | "NVME_ERR_TLS_KEY"
  | "NVME_ERR_UNSUPPORTED";

/** Every code that an error of this project can have. A new one does not compile without its row. */
export type ErrorCode =
  | CodeOf<
      | TransportFailure
      | `tls-${TlsFailure}`
      | AbortReason
      | BlockFailure
      | RegistryFailure
      | TargetFailure
      | WorkerFailure
    >
  | SingleCode
  | CliCode;

/** What an error means for whoever called the command. */
export interface Verdict {
  readonly exit: ExitName;
  /** Whether the same command may well succeed later. A status says so itself (DNR). */
  readonly retryable: boolean;
}

const final = (exit: ExitName): Verdict => ({ exit, retryable: false });
const again = (exit: ExitName): Verdict => ({ exit, retryable: true });

export const verdicts: Readonly<Record<ErrorCode, Verdict>> = {
  NVME_ERR_ABORTED: again("failed"),
  NVME_ERR_ADDRESS: final("usage"),
  NVME_ERR_ALIAS: final("notFound"),
  NVME_ERR_AUTH_CONTROLLER: final("auth"),
  NVME_ERR_AUTH_FAILED: final("auth"),
  NVME_ERR_AUTH_KEY: final("usage"),
  NVME_ERR_AUTH_PROTOCOL: again("auth"),
  NVME_ERR_AUTH_REQUIRED: final("auth"),
  NVME_ERR_AUTH_UNUSABLE: final("auth"),
  NVME_ERR_CAPACITY: final("nvmeStatus"),
  NVME_ERR_CAPTURE: final("failed"),
  NVME_ERR_CLAIMED: again("resource"),
  NVME_ERR_CLOSED: again("lost"),
  NVME_ERR_COMMAND: final("failed"),
  NVME_ERR_COMPARE_FAILURE: final("dataMismatch"),
  NVME_ERR_CONFIG: final("usage"),
  NVME_ERR_CONFIRMATION: final("usage"),
  NVME_ERR_CONNECTION_LOST: again("lost"),
  NVME_ERR_CONNECT_REJECTED: final("rejected"),
  NVME_ERR_CONNECT_TIMEOUT: again("timeout"),
  NVME_ERR_CONTROL: final("failed"),
  NVME_ERR_CONTROLLER_CLOSED: again("lost"),
  NVME_ERR_CONTROLLER_RESET: again("lost"),
  NVME_ERR_DEADLINE: again("timeout"),
  NVME_ERR_DISCOVERY_TOO_LARGE: final("protocol"),
  NVME_ERR_DISCOVERY_UNSTABLE: again("failed"),
  NVME_ERR_DUPLICATE: final("usage"),
  NVME_ERR_ERASE_FAILED: final("failed"),
  NVME_ERR_FC_REJECTED: again("rejected"),
  NVME_ERR_FILE: final("failed"),
  NVME_ERR_FILE_NOT_FOUND: final("notFound"),
  NVME_ERR_FINDINGS: final("threshold"),
  NVME_ERR_GROUP_MISMATCH: final("usage"),
  NVME_ERR_HOST_NOT_ALLOWED: final("auth"),
  NVME_ERR_IDENTITY: final("failed"),
  NVME_ERR_INITIALIZE_TIMEOUT: again("timeout"),
  NVME_ERR_INTERNAL: final("internal"),
  NVME_ERR_INTERRUPTED: again("sigint"),
  NVME_ERR_INVALID_REQUEST: final("usage"),
  NVME_ERR_IN_USE: final("usage"),
  NVME_ERR_KEEP_ALIVE: again("lost"),
  NVME_ERR_LIMIT_REACHED: final("resource"),
  NVME_ERR_LISTEN: final("resource"),
  NVME_ERR_MEDIA: final("nvmeStatus"),
  NVME_ERR_MISMATCH: final("dataMismatch"),
  NVME_ERR_NOT_CONNECTED: again("lost"),
  NVME_ERR_NOT_FOUND: final("notFound"),
  NVME_ERR_NAME_IN_USE: final("usage"),
  NVME_ERR_NO_DEVICE: final("notFound"),
  NVME_ERR_NO_NAMESPACE: final("notFound"),
  NVME_ERR_NO_PATH: again("lost"),
  NVME_ERR_NQN: final("usage"),
  NVME_ERR_NS_CHANGED: final("lost"),
  NVME_ERR_OUTPUT_CLOSED: final("ok"),
  NVME_ERR_OUT_OF_RANGE: final("usage"),
  NVME_ERR_PARSE: final("protocol"),
  NVME_ERR_PARTIAL: again("partial"),
  NVME_ERR_PEER_TERMINATED: final("protocol"),
  NVME_ERR_PLAN: final("usage"),
  NVME_ERR_PROTOCOL: final("protocol"),
  NVME_ERR_QUEUE_FULL: again("resource"),
  NVME_ERR_READ_ONLY: final("nvmeStatus"),
  NVME_ERR_RECEIVE_TIMEOUT: again("timeout"),
  NVME_ERR_REFERRAL: final("failed"),
  NVME_ERR_REGRESSION: final("threshold"),
  NVME_ERR_RISK: final("threshold"),
  NVME_ERR_RESOURCE: again("resource"),
  NVME_ERR_SEND_TIMEOUT: again("timeout"),
  NVME_ERR_STATE: again("lost"),
  NVME_ERR_STATUS: final("nvmeStatus"),
  NVME_ERR_TERMINATED: again("sigterm"),
  NVME_ERR_TIMEOUT: again("timeout"),
  NVME_ERR_TLS_HANDSHAKE: again("auth"),
  NVME_ERR_TLS_HASH_UNSUPPORTED: final("usage"),
  NVME_ERR_TLS_IDENTITY: final("usage"),
  NVME_ERR_TLS_KEY: final("usage"),
  NVME_ERR_TLS_NOT_SPOKEN: final("protocol"),
  NVME_ERR_TLS_NO_KEY: final("usage"),
  NVME_ERR_TLS_REJECTED: final("auth"),
  NVME_ERR_TLS_REQUIRED: final("auth"),
  NVME_ERR_TLS_TIMEOUT: again("timeout"),
  NVME_ERR_TLS_UNKNOWN_IDENTITY: final("auth"),
  NVME_ERR_TLS_WRONG_KEY: final("auth"),
  NVME_ERR_UNALIGNED: final("usage"),
  NVME_ERR_UNKNOWN_TERM: final("notFound"),
  NVME_ERR_UNREACHABLE: again("unreachable"),
  NVME_ERR_UNSETTLED: final("failed"),
  NVME_ERR_UNSUPPORTED: final("failed"),
  NVME_ERR_USAGE: final("usage"),
  NVME_ERR_VIOLATION: final("failed"),
  NVME_ERR_WORKER_GONE: again("lost"),
  NVME_ERR_WORKER_STUCK: again("timeout"),
};

/** The verdict on a code; "failed" for one that a newer package may have. */
export const verdictOf = (code: string): Verdict =>
  (verdicts as Readonly<Record<string, Verdict>>)[code] ?? final("failed");

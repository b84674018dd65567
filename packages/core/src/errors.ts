// Errors of commands and controllers: facts and blame, never advice on retry (that is a table's job).
// Read first: Base 2.0 §3.3.3.2.1 "Status Field Definition"; Fabrics: Base 2.0 §6.3 "Connect command".

import {
  ConnectInvalidParameter,
  type ErrorDetails,
  NvmeofError,
  type Outcome,
  Status,
  codeOf,
  describeStatus,
  dnrOf,
  hexh,
  scOf,
  sctOf,
  statusOf,
} from "@nvmeof/codec";

/** SCT 3h, SC 71h "Command Aborted By Host": what the host says for a command that it ended itself. */
export const hostAborted = (dnr: boolean): number => Status.HostAborted | statusOf(0, 0, dnr);

/** SCT 3h, SC 70h "Host Pathing Error": what the host says for a command that it could not send. */
export const hostPathError = (dnr: boolean): number => Status.HostPathError | statusOf(0, 0, dnr);

/**
 * A command completed with an error status.
 *
 * Raised by commands; never for a broken connection (`TransportError`), a malformed PDU
 * (`ProtocolError`), or a command that the host ended (`AbortedError`).
 * Source: Base 2.0 §3.3.3.2.1 "Status Field Definition".
 */
export class NvmeStatusError extends NvmeofError {
  override readonly name = "NvmeStatusError";
  declare readonly status: number;
  /** Status Code Type (SCT), 0 to 7. */
  readonly sct: number;
  /** Status Code (SC) within `sct`, 0 to 255. */
  readonly sc: number;
  /** Do Not Retry (DNR): the same command would fail again. */
  readonly dnr: boolean;

  constructor(command: string, status: number, fabrics = false, details: ErrorDetails = {}) {
    const { name } = describeStatus(status, { fabrics });
    const code = `${hexh(sctOf(status), 1)}/${hexh(scOf(status))}`;
    super("NVME_ERR_STATUS", `${command}: ${name} (${code})`, {
      ...details,
      status,
      outcome: "failed",
    });
    this.sct = sctOf(status);
    this.sc = scOf(status);
    this.dnr = dnrOf(status);
  }
}

/** Fields of Connect that a refusal may name, by IATTR and IPO. */
const connectFields: Readonly<Record<string, string>> = {
  "0/40": "RECFMT",
  "0/42": "QID",
  "0/44": "SQSIZE",
  "0/46": "CATTR",
  "0/48": "KATO",
  "1/0": "HOSTID",
  "1/16": "CNTLID",
  "1/256": "SUBNQN",
  "1/512": "HOSTNQN",
};

const connectHints: Readonly<Record<string, string>> = {
  SUBNQN: "No such subsystem there. `nvmeof discover` lists those that are.",
  HOSTNQN: "The subsystem does not know this host NQN (--hostnqn).",
  HOSTID: "The same host ID is in use with another host NQN, or it is not valid (--hostid).",
  CNTLID: "The controller is gone, or it is not this host's.",
  SQSIZE: "Ask for shorter queues (--queue-size).",
  KATO: "Ask for another keep-alive timeout (--keep-alive-tmo).",
};

/** What to do about a controller that refuses Connect itself for want of authentication. */
const AUTH_HINT = "Give the host's DH-HMAC-CHAP secret (--dhchap-secret-file).";

/**
 * The controller refused Connect.
 *
 * Source: Base 2.0 §6.3 "Connect command", "Connect Response".
 */
export class ConnectRejectedError extends NvmeofError {
  override readonly name = "ConnectRejectedError";
  declare readonly status: number;
  /** The field that the controller objects to, such as "SUBNQN"; undefined where it named none. */
  readonly field: string | undefined;
  /** Do Not Retry (DNR): the same Connect would be refused again. */
  readonly dnr: boolean;
  /** The refusal is final: no other attempt to connect would fare better. */
  readonly permanent: boolean;

  constructor(qid: number, status: number, dw0: number) {
    const code = codeOf(status);
    const { name } = describeStatus(status, { fabrics: true });
    const named = code === Status.ConnectInvalidParameters ? connectField(dw0) : undefined;
    const notAllowed = code === Status.ConnectInvalidHost;
    const wantsAuth = code === Status.AuthRequired;
    super(
      notAllowed
        ? "NVME_ERR_HOST_NOT_ALLOWED"
        : wantsAuth
          ? "NVME_ERR_AUTH_REQUIRED"
          : "NVME_ERR_CONNECT_REJECTED",
      `Connect of queue ${qid} refused: ${name}${named === undefined ? "" : ` (${named})`}`,
      {
        phase: "fabrics-connect",
        hint: notAllowed
          ? "Allow this host NQN on the target, or give one that is allowed (--hostnqn)."
          : wantsAuth
            ? AUTH_HINT
            : connectHints[named ?? ""],
        status,
        outcome: "failed",
      },
    );
    this.field = named;
    const isWho = named === "SUBNQN" || named === "HOSTNQN" || named === "HOSTID";
    this.dnr = dnrOf(status);
    // DNR of an I/O queue is about this association, which another attempt does not have.
    this.permanent = (this.dnr && qid === 0) || notAllowed || wantsAuth || isWho;
  }
}

function connectField(dw0: number): string {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, dw0, true);
  const iattr = ConnectInvalidParameter.iattr.get(view);
  const ipo = ConnectInvalidParameter.ipo.get(view);
  return connectFields[`${iattr}/${ipo}`] ?? `byte ${ipo} of the ${iattr === 1 ? "data" : "SQE"}`;
}

/** A deadline of ours passed. The command, if there was one, may still be executed. */
export class TimeoutError extends NvmeofError {
  override readonly name = "TimeoutError";
  /** How long was waited, ms. */
  readonly afterMs: number;

  /** @param message in place of what is said of a command that nobody answered. */
  constructor(
    what: string,
    afterMs: number,
    details: ErrorDetails = {},
    message = `${what}: no answer within ${afterMs} ms`,
  ) {
    super("NVME_ERR_TIMEOUT", message, {
      outcome: "unknown",
      status: hostAborted(false),
      ...details,
    });
    this.afterMs = afterMs;
  }
}

/**
 * The link of an I/O queue failed before the queue was connected, while the admin queue stood. `code`,
 * `phase` and `outcome` are those of the link's error, which is the `cause`.
 */
export class IoQueueError extends NvmeofError {
  override readonly name = "IoQueueError";
  /** Which queue, from 1; the ones before it are connected. */
  readonly qid: number;
  /** How many were wanted: what the controller granted, or what was asked for where that is less. */
  readonly queueCount: number;

  constructor(cause: NvmeofError, qid: number, queueCount: number) {
    super(cause.code, `I/O queue ${qid} of ${queueCount}: ${cause.message}`, {
      hint:
        "The target grants these queues and may yet have met a limit of its connections: ask for fewer " +
        "(--nr-io-queues), or let it take more (connectionsMax, connectionsPerAddressMax).",
      phase: cause.phase,
      outcome: cause.outcome,
      status: cause.status,
      limit: cause.limit,
      cause,
    });
    this.qid = qid;
    this.queueCount = queueCount;
  }
}

/** The controller did not answer Keep Alive: its association is as good as gone. */
export class KeepAliveError extends NvmeofError {
  override readonly name = "KeepAliveError";
  constructor(silentMs: number) {
    super("NVME_ERR_KEEP_ALIVE", `the controller has been silent for ${Math.round(silentMs)} ms`, {
      hint: "It is frozen, overloaded or unreachable. A longer keep-alive timeout tolerates more.",
    });
  }
}

/** Why the host ended a command by itself. */
export type AbortReason =
  | "controller-closed" // the controller was deleted
  | "controller-reset" // its queues were torn down, to be made anew
  | "aborted" // the caller asked for it
  | "not-connected" // it could not be sent, now
  | "no-path"; // no path leads to the namespace, and none is expected in time

/** Code and message, made once: a reset makes an error for each command that it ends. */
const abortReasons: Readonly<Record<AbortReason, readonly [code: string, message: string]>> = {
  "controller-closed": ["NVME_ERR_CONTROLLER_CLOSED", "command ended: the controller was closed"],
  "controller-reset": ["NVME_ERR_CONTROLLER_RESET", "command ended: the controller was reset"],
  aborted: ["NVME_ERR_ABORTED", "command ended: the caller aborted it"],
  "not-connected": ["NVME_ERR_NOT_CONNECTED", "command ended: the controller is not connected"],
  "no-path": ["NVME_ERR_NO_PATH", "command ended: no path leads to the namespace"],
};

/** A command that the host ended without an answer. */
export class AbortedError extends NvmeofError {
  override readonly name = "AbortedError";
  declare readonly outcome: Outcome;
  constructor(reason: AbortReason, outcome: Outcome, dnr: boolean, details: ErrorDetails = {}) {
    const [code, said] = abortReasons[reason];
    super(code, said, {
      ...details,
      status: outcome === "not-sent" ? hostPathError(dnr) : hostAborted(dnr),
      outcome,
    });
  }
}

/** What an attempt at one of several addresses came to. */
export interface FailedAddress {
  /** Transport, address and service in one line: "tcp 192.0.2.10 4420". */
  readonly address: string;
  readonly error: NvmeofError;
}

/**
 * Several addresses of one controller were tried, and none of them led to it. `code`, `phase`, `hint`,
 * `status` and `permanent` are those of the last one, as if it had been the only one.
 */
export class AddressesError extends NvmeofError {
  override readonly name = "AddressesError";
  /** Every address of the round, in the order in which they were tried. */
  readonly addresses: readonly FailedAddress[];
  /** Only where the last error says it. */
  declare readonly permanent?: boolean;

  /** @param addresses two or more. */
  constructor(addresses: readonly FailedAddress[]) {
    const last = addresses.at(-1)!.error;
    const each = addresses.map(({ address, error }) => `${address}: ${error.message}`);
    super(last.code, `no address leads to the controller: ${each.join("; ")}`, {
      hint: last.hint,
      phase: last.phase,
      outcome: last.outcome,
      status: last.status,
      cause: last,
    });
    this.addresses = [...addresses];
    const { permanent } = last as { permanent?: boolean };
    if (permanent !== undefined) this.permanent = permanent;
  }
}

/**
 * A request that the controller's state does not allow. `code` is NVME_ERR_CONTROLLER_CLOSED when
 * the controller is on its way out or gone, so that no state will ever allow it.
 */
export class StateError extends NvmeofError {
  override readonly name = "StateError";
  constructor(request: string, state: string, details: ErrorDetails = {}) {
    const isOver = state === "closing" || state === "closed";
    super(
      isOver ? "NVME_ERR_CONTROLLER_CLOSED" : "NVME_ERR_STATE",
      `${request} is not possible: the controller is ${state}`,
      { outcome: "not-sent", ...details },
    );
  }
}

/** What a controller says of itself cannot be worked with. */
export class UnsupportedError extends NvmeofError {
  override readonly name = "UnsupportedError";
  /** It will say the same the next time: no other attempt to connect would fare better. */
  readonly permanent: boolean;
  constructor(
    message: string,
    details: ErrorDetails & { readonly permanent?: boolean; readonly code?: string } = {},
  ) {
    super(details.code ?? "NVME_ERR_UNSUPPORTED", message, details);
    this.permanent = details.permanent ?? true;
  }
}

// Exchanges that a software port begins, and the remote ports that they are with.
// Read first: FC-FS-6 §12 "Exchange management"; soft-port.ts, which keeps them.

import { FcRctl, XID_UNASSIGNED } from "@nvmeof/codec/fc";
import type { FrameLink } from "./frame-link.ts";
import { type PortNames, traddrOf } from "./names.ts";
import { FcStatus, type LsCall, type RemotePort } from "./port.ts";

/** A remote port as a software port knows it. */
export class Remote implements RemotePort {
  readonly portId: number;
  readonly nodeName: bigint;
  readonly portName: bigint;
  readonly text: string;
  state: "present" | "gone" = "present";

  constructor(portId: number, names: PortNames, link: FrameLink) {
    this.portId = portId;
    this.nodeName = names.nodeName;
    this.portName = names.portName;
    this.text = `${traddrOf(names)} (${link.remote})`;
  }
}

/** An exchange that this port began. */
export abstract class Originated {
  readonly oxId: number;
  readonly portId: number;
  /** Undefined for a login, which has no remote port yet. */
  readonly remote: Remote | undefined;
  rxId = XID_UNASSIGNED;
  phase: "active" | "aborting" | "over" = "active";
  /** When the port looks at it again; what that means depends on the phase. */
  deadlineMs = Infinity;
  /** What it is settled with once its abort is answered. */
  failure: FcStatus = FcStatus.Aborted;

  constructor(oxId: number, portId: number, remote: Remote | undefined) {
    this.oxId = oxId;
    this.portId = portId;
    this.remote = remote;
  }

  /** A frame of it arrived. */
  abstract received(rCtl: number, view: DataView, payload: Uint8Array): void;
  /** Nothing was heard until the deadline, in phase `active`. */
  abstract expired(): void;
  /** It is over, without success. Called once, if `received` did not end it. */
  abstract failed(status: FcStatus): void;
}

/** What an exchange needs of its port. */
interface ExchangeOwner {
  finish(exchange: Originated): void;
  abortExchange(exchange: Originated): void;
}

/** A login: PLOGI, until its answer. */
export class LoginExchange extends Originated {
  readonly #answered: (payload: Uint8Array) => void;
  readonly #failed: (status: FcStatus) => void;

  constructor(
    oxId: number,
    portId: number,
    answered: (payload: Uint8Array) => void,
    failed: (status: FcStatus) => void,
  ) {
    super(oxId, portId, undefined);
    this.#answered = answered;
    this.#failed = failed;
  }

  received(_rCtl: number, _view: DataView, payload: Uint8Array): void {
    this.#answered(payload);
  }

  expired(): void {
    this.#failed(FcStatus.TimedOut);
  }

  failed(status: FcStatus): void {
    this.#failed(status);
  }
}

/** A link service of FC-NVMe that this port asks for. */
export class LsExchange extends Originated {
  readonly call: LsCall;
  readonly #port: ExchangeOwner;

  constructor(oxId: number, remote: Remote, call: LsCall, port: ExchangeOwner) {
    super(oxId, remote.portId, remote);
    this.call = call;
    this.#port = port;
  }

  received(rCtl: number, _view: DataView, payload: Uint8Array): void {
    if (rCtl !== FcRctl.LsResponse) return;
    this.#port.finish(this);
    this.call.done(FcStatus.Success, payload.slice());
  }

  expired(): void {
    this.failure = FcStatus.TimedOut;
    this.#port.abortExchange(this);
  }

  failed(status: FcStatus): void {
    this.call.done(status, undefined);
  }
}

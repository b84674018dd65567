// Connect: every check that a host has to pass, and the controller or queue that it then has.
// Read first: Base 2.0 §6.3 "Connect Command and Response"; ids in brackets are rows of the table of
// bad input.

import {
  CNTLID_DYNAMIC,
  ConnectResult,
  ConnectCommand,
  ConnectData,
  ConnectInvalidParameter,
  Fctype,
  NqnError,
  OPC_FABRICS,
  Sqe,
  Status,
  encodeDword,
  readNqn,
  viewOf,
} from "@nvmeof/codec";
import { ADMIN_CAPSULE_BYTES } from "@nvmeof/transport";
import { AdminRole } from "./admin.ts";
import type { Admission } from "./auth/allowed-hosts.ts";
import { AuthRole } from "./auth/auth-role.ts";
import { Controller } from "./controller.ts";
import type { MetLimit } from "./counters.ts";
import { DataIn } from "./data-in.ts";
import { final } from "./errors.ts";
import { type HostIdentity, sameBytes, sameHost } from "./host-identity.ts";
import { IoRole } from "./io.ts";
import type { TargetLimits } from "./limits.ts";
import { unprovenBecause } from "./proven-host.ts";
import type { Queue, QueueRole } from "./queue.ts";
import type { Subsystem } from "./subsystem.ts";

/** Why a Connect is refused. */
interface Refusal {
  readonly status: number;
  readonly dw0: number;
  readonly message: string;
  /** The bound that was met. */
  readonly limit?: MetLimit | undefined;
}

/** What a host asks for. */
interface Request {
  readonly qid: number;
  readonly queueDepth: number;
  readonly flowControl: boolean;
  readonly keepAliveTimeoutMs: number;
  readonly cntlid: number;
  readonly host: HostIdentity;
  readonly subsystem: Subsystem;
  readonly admission: Exclude<Admission, "refused">;
}

const refuse = (status: number, message: string, limit?: MetLimit): Refusal => ({
  status,
  dw0: 0,
  message,
  limit,
});

/** Connect Invalid Parameters, with the place: in the SQE, or in the data. */
const invalid = (
  place: "sqe" | "data",
  ipo: number,
  message: string,
  limit?: MetLimit,
): Refusal => ({
  status: final(Status.ConnectInvalidParameters),
  dw0: encodeDword(ConnectInvalidParameter, { ipo, iattr: place === "data" ? 1 : 0 }),
  message,
  limit,
});

const isRefusal = (value: object): value is Refusal => "status" in value;

/** Finds a subsystem, that of discovery too, by its NQN. */
export type FindSubsystem = (nqn: string) => Subsystem | undefined;

/** Serves a queue until a Connect succeeds. */
export class ConnectRole implements QueueRole {
  readonly #queue: Queue;
  readonly #find: FindSubsystem;
  readonly #dataIn: DataIn;
  #refusals = 0;
  /** Slot of the Connect whose data is under way. */
  #connecting: number | undefined;

  constructor(queue: Queue, find: FindSubsystem) {
    this.#queue = queue;
    this.#find = find;
    this.#dataIn = new DataIn(queue.link);
  }

  get inflight(): number {
    return this.#dataIn.count;
  }

  command(tag: number): void {
    const sqe = this.#queue.link.sqe(tag);
    const isConnect = Sqe.opc.get(sqe) === OPC_FABRICS && sqe.getUint8(4) === Fctype.Connect;
    if (!isConnect || this.#connecting !== undefined) {
      const message = isConnect ? "a second Connect" : "a command before Connect";
      this.#refuse(tag, refuse(final(Status.CommandSequenceError), message));
      return;
    }
    const { limits } = this.#queue.context;
    const refusal = checkCommand(sqe, this.#queue.link.transferBytes(tag), limits);
    if (refusal !== undefined) {
      this.#refuse(tag, refusal);
      return;
    }
    this.#connecting = tag;
    this.#dataIn.get(tag, (data) => this.#data(tag, sqe, data));
  }

  fetched(tag: number, status: number): void {
    const refusal = this.#dataIn.fetched(tag, status);
    if (refusal !== 0) this.#refuse(tag, refuse(refusal, "the data of Connect did not arrive"));
  }

  ended(): void {
    // No controller has heard of this queue yet.
  }

  #data(tag: number, sqe: DataView, data: Uint8Array): void {
    const request = readData(sqe, data, this.#find, this.#queue.context.hostIdCheck);
    const refusal = isRefusal(request)
      ? request
      : (this.#unproven(request) ?? this.#connect(tag, request));
    if (refusal !== undefined) this.#refuse(tag, refusal);
  }

  /** [S4] The connection may have proven another host, or be for another subsystem. */
  #unproven({ host, subsystem }: Request): Refusal | undefined {
    const { proven } = this.#queue.link;
    const names = { hostNqn: host.nqn, subsystemNqn: subsystem.nqn };
    const message = unprovenBecause(proven, names, subsystem.secureChannel);
    return message === undefined ? undefined : refuse(final(Status.ConnectInvalidHost), message);
  }

  #connect(tag: number, request: Request): Refusal | undefined {
    const { context, link } = this.#queue;
    if (request.admission === "proof" && context.auth!.isBarred(link.remote)) {
      const message = "hosts at this address failed to authenticate too often";
      return refuse(Status.ConnectControllerBusy, message, "authenticationFailuresMax");
    }
    return request.qid === 0 ? this.#connectAdmin(tag, request) : this.#connectIo(tag, request);
  }

  #connectAdmin(tag: number, request: Request): Refusal | undefined {
    const { host, subsystem } = request;
    const { limits } = this.#queue.context;
    if (request.cntlid !== CNTLID_DYNAMIC) {
      // [K8] We have dynamic controllers only.
      return invalid(
        "data",
        ConnectData.cntlid.offset,
        `CNTLID ${request.cntlid} on an admin queue`,
      );
    }
    // Who has yet to prove that he is this host does not keep it out.
    const ofHost = [...subsystem.controllers.values()].filter(
      (each) => each.host.nqn === host.nqn && each.standing !== "pending",
    );
    const full = ofHost.length >= limits.controllersPerHostMax;
    const cntlid = full ? undefined : subsystem.takeCntlid();
    if (cntlid === undefined) {
      // [K13] It may come again later.
      const message = `${subsystem.nqn} has no controller to spare`;
      const limit = full ? "controllersPerHostMax" : "controllersMax";
      return refuse(Status.ConnectControllerBusy, message, limit);
    }
    const controller = new Controller(this.#queue, subsystem, cntlid, host);
    const askedMs = request.keepAliveTimeoutMs;
    const isUnwatched = askedMs === 0 && subsystem.kind === "discovery";
    controller.keepAlive.start(isUnwatched ? limits.discoveryKeepAliveTimeoutMs : askedMs);
    if (request.admission === "proof") controller.standing = "pending";
    subsystem.admit(controller);
    const role = new AdminRole(this.#queue, controller);
    this.#serve(tag, request, controller, role, () => undefined);
    return undefined;
  }

  #connectIo(tag: number, request: Request): Refusal | undefined {
    const { qid, host, subsystem } = request;
    const qidAt = ConnectCommand.qid.offset;
    if (subsystem.kind === "discovery") {
      return invalid("sqe", qidAt, "an I/O queue to a discovery controller"); // [K12]
    }
    const controller = subsystem.controllers.get(request.cntlid);
    // [K9] One answer for all of these: what others have is nobody's business.
    if (controller === undefined || !sameHost(controller.host, host) || !controller.isReady) {
      const message = `CNTLID ${request.cntlid} is no enabled controller of this host`;
      return invalid("data", ConnectData.cntlid.offset, message);
    }
    if (qid > controller.features.queuesGranted) {
      return invalid("sqe", qidAt, `QID ${qid} was not granted`);
    }
    if (controller.hasQueue(qid)) return invalid("sqe", qidAt, `QID ${qid} is in use`);
    const role = new IoRole(this.#queue, controller, qid, request.queueDepth);
    const { incarnation } = controller;
    this.#serve(tag, request, controller, role, () => {
      // Asked once more: where a proof was waited for, much may have changed.
      if (!controller.isReady || controller.incarnation !== incarnation)
        return "another controller";
      if (controller.hasQueue(qid)) return `QID ${qid} is in use`;
      controller.attach(qid, this.#queue, role);
      return undefined;
    });
    return undefined;
  }

  /** @param attach makes the queue one of its controller; says why it cannot be any more. */
  #serve(
    tag: number,
    request: Request,
    controller: Controller,
    role: QueueRole,
    attach: () => string | undefined,
  ): void {
    const { qid, queueDepth, flowControl, admission } = request;
    const queue = this.#queue;
    const { link, context } = queue;
    const { cntlid } = controller;
    link.configure(queueDepth, flowControl, capsuleBytes(request, context.limits));
    if (admission === "free") {
      attach();
      queue.become(role);
      queue.answer(tag, 0, cntlid);
      return;
    }
    const admit = (): string | undefined => {
      const why = attach();
      if (why === undefined) controller.proven(auth);
      return why;
    };
    const options = { watch: context.auth!, queue, controller, qid, role, admit };
    const auth: AuthRole = new AuthRole(options);
    queue.auth = auth;
    queue.become(auth);
    queue.answer(tag, 0, encodeDword(ConnectResult, { cntlid, atr: 1 }));
  }

  #refuse(tag: number, { status, dw0, message, limit }: Refusal): void {
    if (this.#connecting === tag) this.#connecting = undefined;
    const { context, link } = this.#queue;
    const { remote } = link;
    if (limit !== undefined) context.counting.count(limit);
    context.observers.tell({ type: "connect-refused", remote, status, message, limit });
    this.#queue.answer(tag, status, dw0);
    this.#refusals++;
    // [K1] Whoever does not get it right by now does not mean to.
    if (this.#refusals >= context.limits.refusedCommandsMax) {
      this.#queue.end("orderly", message, "refusedCommandsMax");
    }
  }
}

/** What a queue's capsules may carry from now on. */
const capsuleBytes = ({ qid }: Request, { inCapsuleBytes }: TargetLimits): number =>
  qid === 0 ? ADMIN_CAPSULE_BYTES : inCapsuleBytes;

/** The checks of the SQE, in the order of its fields (K2, K3, K4, K11). */
function checkCommand(
  sqe: DataView,
  transferBytes: number,
  limits: TargetLimits,
): Refusal | undefined {
  if (transferBytes !== ConnectData.size) {
    const message = `${transferBytes} bytes of data with Connect`;
    return refuse(final(Status.SglDataLengthInvalid), message);
  }
  const recfmt = ConnectCommand.recfmt.get(sqe);
  if (recfmt !== 0) {
    return refuse(final(Status.ConnectIncompatibleFormat), `record format ${recfmt}`);
  }
  const qid = ConnectCommand.qid.get(sqe);
  if (qid > limits.ioQueuesMax) {
    const message = `QID ${qid} is beyond the limit`;
    return invalid("sqe", ConnectCommand.qid.offset, message, "ioQueuesMax");
  }
  const depth = ConnectCommand.sqsize.get(sqe);
  const depthMax = qid === 0 ? limits.adminQueueDepthMax : limits.queueDepthMax;
  if (depth < 2 || depth > depthMax) {
    const message = `a queue of ${depth} entries, ${depthMax} is the limit`;
    const limit = qid === 0 ? "adminQueueDepthMax" : "queueDepthMax";
    return invalid("sqe", ConnectCommand.sqsize.offset, message, depth < 2 ? undefined : limit);
  }
  if (qid === 0 && ConnectCommand.kato.get(sqe) > limits.keepAliveTimeoutMsMax) {
    const message = "the Keep Alive Timeout is beyond the limit";
    return refuse(final(Status.KeepAliveInvalid), message, "keepAliveTimeoutMsMax");
  }
  return undefined;
}

/** The checks of the data, in the order of its fields, but for CNTLID (K5, K6, K7). */
function readData(
  sqe: DataView,
  data: Uint8Array,
  find: FindSubsystem,
  hostIdCheck: boolean,
): Request | Refusal {
  const view = viewOf(data);
  const id = ConnectData.hostid.get(view);
  if (hostIdCheck && id.every((byte) => byte === 0)) {
    return invalid("data", ConnectData.hostid.offset, "the Host Identifier is zero");
  }
  const subsystemNqn = readName(view, ConnectData.subnqn.offset, "Subsystem NQN");
  if (typeof subsystemNqn !== "string") return subsystemNqn;
  const nqn = readName(view, ConnectData.hostnqn.offset, "Host NQN");
  if (typeof nqn !== "string") return nqn;
  const subsystem = find(subsystemNqn);
  if (subsystem === undefined) {
    return invalid("data", ConnectData.subnqn.offset, `there is no subsystem ${subsystemNqn}`);
  }
  const admission = subsystem.hosts.admission(nqn);
  if (admission === "refused") {
    const message = `${nqn} may not connect to ${subsystemNqn}`;
    return refuse(final(Status.ConnectInvalidHost), message);
  }
  if (hostIdCheck) {
    for (const { host, standing } of subsystem.controllers.values()) {
      if (standing === "pending" || host.nqn === nqn || !sameBytes(host.id, id)) continue;
      const message = `the Host Identifier of ${nqn} is that of ${host.nqn}`;
      return invalid("data", ConnectData.hostid.offset, message);
    }
  }
  return {
    qid: ConnectCommand.qid.get(sqe),
    queueDepth: ConnectCommand.sqsize.get(sqe),
    flowControl: ConnectCommand.dsqfc.get(sqe) === 0,
    keepAliveTimeoutMs: ConnectCommand.kato.get(sqe),
    cntlid: ConnectData.cntlid.get(view),
    host: { nqn, id },
    subsystem,
    admission,
  };
}

/** An NQN as a target must read it: the lowest fault is reported with its place. */
function readName(view: DataView, offset: number, what: string): string | Refusal {
  try {
    return readNqn(view, offset);
  } catch (error) {
    if (!(error instanceof NqnError)) throw error;
    return invalid("data", offset, `${what}: ${error.message}`);
  }
}

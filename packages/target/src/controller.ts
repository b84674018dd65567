// A controller: what one host has of a subsystem. Its state follows the table of controller-state.ts.
// Read first: Base 2.0 §3.1 "NVM Controller Architecture", §3.3.2 "Message-based Transport Queue Model".

import { Status } from "@nvmeof/codec";
import type { CloseHow } from "@nvmeof/transport";
import type { PortAna } from "./ana.ts";
import { AsyncEvents, Notice } from "./async-events.ts";
import { AuthDemand } from "./auth/auth-demand.ts";
import type { AuthRole } from "./auth/auth-role.ts";
import type { Attachment } from "./attachments.ts";
import type { TargetContext } from "./context.ts";
import type { MetLimit } from "./counters.ts";
import {
  type ControllerEffect,
  type ControllerEvent,
  type ControllerState,
  controllerTable,
} from "./controller-state.ts";
import { ErrorLog } from "./error-log.ts";
import { final } from "./errors.ts";
import { ResetLog } from "./cross-controller-reset.ts";
import type { ControllerEnd } from "./events.ts";
import { FeatureValues, asyncEventBits } from "./features.ts";
import { Deadline } from "./gate.ts";
import type { HostIdentity } from "./host-identity.ts";
import type { Incarnation } from "./incarnation.ts";
import { KeepAlive } from "./keep-alive.ts";
import { ioQueuesGrantable } from "./limits.ts";
import type { Namespace } from "./namespace.ts";
import type { Queue } from "./queue.ts";
import { ReservationNotices } from "./reservation-notices.ts";
import type { Subsystem } from "./subsystem.ts";
import { Telemetry } from "./telemetry.ts";

/** What a controller asks of an I/O queue of its own. */
export interface IoService {
  /** Uses a namespace no more; what its device has already still settles, the rest with `status`. */
  leave(namespace: Namespace, status: number): void;
  /** Aborts a command that its device does not have yet. Returns whether it did. */
  abort(cid: number): boolean;
  /** Commands that were taken and not answered. */
  readonly inflight: number;
}

interface IoQueue {
  readonly queue: Queue;
  readonly service: IoService;
}

/** A controller. */
export class Controller {
  readonly context: TargetContext;
  readonly subsystem: Subsystem;
  readonly cntlid: number;
  readonly host: HostIdentity;
  readonly admin: Queue;
  /** ANA states at the port that the host came in by. */
  readonly ana: PortAna;
  readonly errors: ErrorLog;
  readonly events: AsyncEvents;
  readonly keepAlive: KeepAlive;
  /** Cross-Controller Resets that came by this controller. */
  readonly resets: ResetLog;
  /** Of the last time that it became ready; `undefined` before the first. */
  incarnation: Incarnation | undefined;
  features: FeatureValues;
  /** Controller Configuration as last set. */
  cc = 0;
  /** What was said of namespaces for this controller, by NSID; others are as they are for all. */
  readonly attachments: Map<number, Attachment>;
  readonly reservationNotices = new ReservationNotices();
  readonly telemetry = new Telemetry();
  /** NSIDs that changed since the host read the list. */
  readonly changed = new Set<number>();
  /** Whether the host is who it says it is: its word alone, or what it has yet to prove, or has. */
  standing: "claimed" | "pending" | "proven" = "claimed";
  /** That it prove so anew; undefined where nobody asks for it. */
  demand: AuthDemand | undefined;
  /** Queues whose host has proven who it is, by QID. */
  readonly #proven = new Map<number, AuthRole>();
  /** Commands of all its queues: signs of life. */
  commandsSeen = 0;
  #state: ControllerState = "disabled";
  readonly #ioQueues: (IoQueue | undefined)[] = [];
  readonly #enableDeadline: Deadline;
  #end: ControllerEnd = "host-left";
  #how: CloseHow | "by-load" = "by-load";
  /** The bound that the host met, if that is why it ends. */
  #limit: MetLimit | undefined;

  constructor(admin: Queue, subsystem: Subsystem, cntlid: number, host: HostIdentity) {
    const { context } = admin;
    const { clock, gate, limits } = context;
    this.context = context;
    this.subsystem = subsystem;
    this.cntlid = cntlid;
    this.host = host;
    this.admin = admin;
    this.attachments = subsystem.attachmentsOf(host.nqn);
    this.ana = subsystem.ana.at(admin.port.portId);
    this.errors = new ErrorLog(limits.errorLogEntriesMax);
    this.events = new AsyncEvents(limits.asyncEventRequestsMax, (tag, status, dw0) =>
      admin.answer(tag, status, dw0),
    );
    this.features = new FeatureValues(ioQueuesGrantable(limits), clock.nowMs());
    this.keepAlive = new KeepAlive({
      clock,
      gate,
      granularityMs: limits.keepAliveGranularityMs,
      commandsSeen: () => (context.trafficKeepAlive ? this.commandsSeen : 0),
      expired: () => this.#expired(),
    });
    this.resets = new ResetLog({
      clock,
      gate,
      timeoutMs: limits.crossControllerResetTimeoutMs,
      completed: () => this.notify(Notice.CrossControllerReset),
      timedOut: () => {
        const { remote } = admin.link;
        const message = `controller ${cntlid}: devices did not end a reset controller's requests`;
        context.counting.met("crossControllerResetTimeoutMs", remote, message);
      },
    });
    this.#enableDeadline = new Deadline(clock, gate, () => {
      context.counting.count("enableTimeoutMs");
      this.remove("enable-timeout");
    });
    this.#enableDeadline.set(limits.enableTimeoutMs);
  }

  get state(): ControllerState {
    return this.#state;
  }

  /** Takes commands other than those of Fabrics. */
  get isReady(): boolean {
    return this.#state === "ready";
  }

  /** Bits of OAES. */
  get asyncEventsSupported(): number {
    return asyncEventBits[this.takesResets ? "resetting" : this.subsystem.kind];
  }

  /** Takes Cross-Controller Reset. Without chance, one incarnation could not be told from another. */
  get takesResets(): boolean {
    const { random, limits } = this.context;
    const isNamed = this.subsystem.kind === "nvm" && random !== undefined;
    return isNamed && limits.crossControllerResetsMax > 0;
  }

  /** Whether a namespace is attached to it. */
  sees({ nsid, attach }: Namespace): boolean {
    const said = this.attachments.get(nsid);
    return said === undefined ? attach === "all" : said === "attached";
  }

  /** Namespaces that are attached to it, by increasing NSID. */
  get namespaces(): Namespace[] {
    return this.subsystem.namespaces.filter((each) => this.sees(each));
  }

  /** The namespace of this NSID, if it is attached. */
  namespace(nsid: number): Namespace | undefined {
    const namespace = this.subsystem.byNsid[nsid];
    return namespace !== undefined && this.sees(namespace) ? namespace : undefined;
  }

  /** I/O queues that are connected. */
  get ioQueueCount(): number {
    return this.#ioQueues.reduce((count, each) => count + (each === undefined ? 0 : 1), 0);
  }

  /** Commands that its I/O queues took and did not answer. */
  get ioInflight(): number {
    return this.#ioQueues.reduce((sum, each) => sum + (each?.service.inflight ?? 0), 0);
  }

  hasQueue(qid: number): boolean {
    return this.#ioQueues[qid] !== undefined;
  }

  /** An I/O queue was connected. */
  attach(qid: number, queue: Queue, service: IoService): void {
    this.#ioQueues[qid] = { queue, service };
  }

  /** An I/O queue is gone, and nothing but it. */
  detach(qid: number): void {
    this.#ioQueues[qid] = undefined;
    this.#proven.delete(qid);
    this.demand?.settled(qid);
  }

  /** The host has proven on a queue who it is. */
  proven(role: AuthRole): void {
    this.standing = "proven";
    this.#proven.set(role.qid, role);
  }

  /** Has the host prove anew who it is, on all queues; whether there is anything to prove. */
  demandProof(): boolean {
    if (this.#proven.size === 0 || this.#state === "gone") return false;
    this.demand?.end();
    const { clock, gate, limits } = this.context;
    this.demand = new AuthDemand({
      clock,
      gate,
      timeoutMs: limits.authenticateTimeoutMs,
      roles: [...this.#proven.values()],
      met: () => {
        this.demand = undefined;
      },
      expired: () => this.remove("authentication-failed", "reset", "authenticateTimeoutMs"),
    });
    return true;
  }

  /** CC was written. */
  post(event: Exclude<ControllerEvent, "remove" | "fail">): void {
    this.#dispatch(event);
  }

  /** Ends the controller with all its queues, from whatever state; once. */
  remove(reason: ControllerEnd, how: CloseHow | "by-load" = "by-load", limit?: MetLimit): void {
    if (this.#state === "gone") return;
    this.#limit = limit;
    if (this.#state !== "failed") this.#end = reason;
    this.#how = how;
    this.#dispatch("remove");
  }

  /** Something changed that the host may want to know. */
  notify(notice: Notice): void {
    if (this.#state === "ready") this.events.notify(notice);
  }

  /** A namespace came, went or changed its size. */
  namespaceChanged(nsid: number, notice: Notice): void {
    if (this.#state !== "ready") return;
    this.changed.add(nsid);
    this.events.notify(notice);
  }

  /** A namespace is being removed, or detached: commands to it that are under way end with `status`. */
  leave(namespace: Namespace, status: number): void {
    for (const each of this.#ioQueues) each?.service.leave(namespace, status);
  }

  /** Aborts command `cid` of queue `sqid`, if it can be. Returns whether it was aborted. */
  abort(sqid: number, cid: number): boolean {
    return this.#ioQueues[sqid]?.service.abort(cid) ?? false;
  }

  #expired(): void {
    this.#end = "keep-alive-expired";
    // The host does not answer, or is gone: nothing is worth delivering.
    this.#how = "reset";
    this.#dispatch("fail");
  }

  #dispatch(event: ControllerEvent): void {
    const cell = controllerTable[this.#state][event];
    if (cell === "ignore") return;
    this.#state = cell.to;
    for (const effect of cell.run) this.#run(effect);
  }

  #run(effect: ControllerEffect): void {
    switch (effect) {
      case "stopEnableTimer":
        this.#enableDeadline.clear();
        break;
      case "beginIncarnation":
        this.resets.clear();
        this.incarnation = this.subsystem.incarnations.begin(
          this.cntlid,
          this.host,
          this.incarnation,
        );
        break;
      case "dropIoQueues":
        this.#dropIoQueues("the controller was reset");
        break;
      case "resetFeatures":
        this.features = this.#featuresAtReset();
        this.changed.clear();
        this.reservationNotices.clear();
        this.events.reset(final(Status.AbortRequested));
        break;
      case "dropAllQueues":
        this.events.forget();
        this.#dropIoQueues(this.#end);
        // Its end comes back to us as `remove`.
        this.admin.end(this.#how, this.#end, this.#limit);
        break;
      case "release":
        this.#enableDeadline.clear();
        this.demand?.end();
        this.keepAlive.stop();
        this.resets.clear();
        this.subsystem.dismiss(this, this.#end);
        break;
    }
  }

  #featuresAtReset(): FeatureValues {
    const { clock, limits } = this.context;
    return new FeatureValues(ioQueuesGrantable(limits), clock.nowMs());
  }

  #dropIoQueues(why: string): void {
    for (const each of this.#ioQueues) each?.queue.end(this.#how, why);
    this.incarnation?.end();
  }
}

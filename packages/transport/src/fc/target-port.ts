// A target's port in software: commands in, data both ways, responses out.
// Read first: port.ts for the rules; FC-NVMe-2 §9 "Exchanges"; linux-nvme-recovery.md §3.7.

import type { NvmeofError } from "@nvmeof/codec";
import { CmdIu, FcHeader, FcRctl, RSP_IU_BYTES, XferRdyIu } from "@nvmeof/codec/fc";
import { TransportError } from "../errors.ts";
import type { Remote } from "./exchange.ts";
import { FRAME_DATA_BYTES, type FrameRoute, abtsFrame, frameOf, routeBack } from "./frame.ts";
import { IdPool, NO_ID } from "./id-pool.ts";
import {
  FcpOp,
  FcStatus,
  type ReceivedLs,
  type RemotePort,
  type TargetExchange,
  type TargetPort,
  type TargetPortEvents,
} from "./port.ts";
import { Ranges } from "./ranges.ts";
import { SoftPort, type SoftPortOptions } from "./soft-port.ts";

/** Options of a target's port. */
export interface SoftTargetPortOptions extends SoftPortOptions {
  /** Time for a host to answer an XFER_RDY with all of its data, ms. Default 30 s. */
  readonly dataTimeoutMs?: number;
  /** Hosts that may be logged in. Default 1,024. */
  readonly hostsMax?: number;
}

const DATA_TIMEOUT_MS = 30_000;
const HOSTS_MAX = 1_024;
/** Aborted exchanges whose command has not come yet that are remembered. */
const REFUSED_MAX = 1_024;

/** See {@link TargetExchange}. One object for each RX_ID, used again and again. */
class Exchange implements TargetExchange {
  readonly rxId: number;
  remote!: Remote;
  oxId = 0;
  readonly command = new DataView(new ArrayBuffer(CmdIu.size));
  commandBytes = 0;
  op: FcpOp = FcpOp.Response;
  data: Uint8Array | undefined = undefined;
  offset = 0;
  dataBytes = 0;
  readonly response = new Uint8Array(32);
  responseBytes = 0;
  status: FcStatus = FcStatus.Success;
  owner: object | undefined = undefined;
  tag = 0;

  /** `aborted`: by the host. `aborting`: by us. Until it is released, in either case. */
  phase: "free" | "open" | "aborted" | "aborting" = "free";
  /** `done`: the user is about to be told. */
  opPhase: "none" | "running" | "done" = "none";
  /** What of an operation's data was sent. */
  sentBytes = 0;
  seqCnt = 0;
  seqId = 0;
  deadlineMs = Infinity;
  readonly ranges = new Ranges();

  constructor(rxId: number) {
    this.rxId = rxId;
  }
}

/** An abort overtook the command that it is about. */
interface Refused {
  readonly remote: Remote;
  readonly oxId: number;
  readonly untilMs: number;
}

/** See {@link TargetPort}. */
export class SoftTargetPort extends SoftPort implements TargetPort {
  readonly #dataTimeoutMs: number;
  readonly #hostsMax: number;
  #events!: TargetPortEvents;
  readonly #rxIds: IdPool;
  readonly #exchanges: Exchange[] = [];
  /** Exchanges with data to send, oldest first: each gets one frame in turn. */
  readonly #sending: Exchange[] = [];
  /** Operations that are done and of which nobody was told yet. */
  #done: Exchange[] = [];
  #refused: Refused[] = [];
  /** Exchanges that are not released, by host and OX_ID. */
  readonly #byOxId = new Map<Remote, Map<number, Exchange>>();
  #admission: "open" | "retired" = "open";
  /** When the next exchange that waits for data is due; may be too early. */
  #dataByMs = Infinity;
  /** Exchanges that wait for data. */
  #waiting = 0;

  constructor(options: SoftTargetPortOptions) {
    super(options);
    this.#dataTimeoutMs = options.dataTimeoutMs ?? DATA_TIMEOUT_MS;
    this.#hostsMax = options.hostsMax ?? HOSTS_MAX;
    this.#rxIds = new IdPool(this.exchangesMax);
  }

  /** Hosts that are logged in. */
  get hosts(): readonly RemotePort[] {
    return [...this.remotes.values()];
  }

  attach(events: TargetPortEvents): void {
    this.#events = events;
    this.#admission = "open";
    this.link.start(0);
  }

  operate(user: TargetExchange): void {
    const exchange = user as Exchange;
    exchange.opPhase = "running";
    exchange.status = FcStatus.Success;
    if (exchange.phase !== "open") {
      this.#opOver(exchange, FcStatus.Aborted);
      return;
    }
    exchange.seqId = (exchange.seqId + 1) & 0xff;
    exchange.seqCnt = 0;
    exchange.sentBytes = 0;
    switch (exchange.op) {
      case FcpOp.WriteData:
        this.#askForData(exchange);
        break;
      case FcpOp.ReadData:
      case FcpOp.ReadDataResponse:
        this.#sending.push(exchange);
        this.#pump();
        break;
      case FcpOp.Response:
        this.#respond(exchange);
    }
  }

  abort(user: TargetExchange): void {
    const exchange = user as Exchange;
    if (exchange.phase !== "open") return;
    exchange.phase = "aborting";
    this.link.send(abtsFrame(this.#route(exchange)));
    this.#cut(exchange);
  }

  release(user: TargetExchange): void {
    const exchange = user as Exchange;
    if (exchange.phase === "free") return;
    const { phase, rxId } = exchange;
    exchange.phase = "free";
    const ofHost = this.#byOxId.get(exchange.remote);
    ofHost?.delete(exchange.oxId);
    if (ofHost?.size === 0) this.#byOxId.delete(exchange.remote);
    exchange.opPhase = "none";
    exchange.data = undefined;
    this.#waitsNoMore(exchange);
    exchange.owner = undefined;
    // What the host sends for it may still be under way, if it was cut short.
    if (phase === "open") this.#rxIds.give(rxId);
    else this.#rxIds.keepUntil(rxId, this.clock.nowMs() + this.raTovMs);
  }

  retire(): void {
    this.#admission = "retired";
  }

  up(): void {}

  drained(): void {
    this.#pump();
  }

  protected loginAsked(): boolean {
    return this.#admission === "open" && this.remotes.size < this.#hostsMax;
  }

  protected remoteLost(remote: Remote, error: NvmeofError): void {
    this.#refused = this.#refused.filter((each) => each.remote !== remote);
    for (const exchange of this.#exchanges) {
      if (exchange.phase === "free" || exchange.remote !== remote) continue;
      exchange.phase = "aborted";
      this.#cut(exchange);
    }
    this.#events.hostGone(remote, error);
  }

  protected fabricChanged(): void {
    for (const remote of this.remotes.values()) {
      if (this.link.find(remote.portName) === remote.portId) continue;
      const message = `${remote.text} left the fabric`;
      this.lose(remote, new TransportError("connection-lost", message));
    }
  }

  protected lsAsked(ls: ReceivedLs): void {
    this.#events.lsReceived(ls);
  }

  protected othersFrame(remote: Remote, rCtl: number, view: DataView, payload: Uint8Array): void {
    if (rCtl === FcRctl.Command) {
      this.#command(remote, view, payload);
      return;
    }
    const exchange = this.#exchanges[FcHeader.rxId.get(view)];
    const isIts =
      exchange?.remote === remote &&
      exchange.oxId === FcHeader.oxId.get(view) &&
      exchange.phase === "open";
    if (isIts && rCtl === FcRctl.Data) this.#dataOut(exchange, view, payload);
    else this.strayFrames++;
  }

  protected othersAbort(remote: Remote, oxId: number): boolean {
    const exchange = this.#openWith(remote, oxId);
    if (exchange === undefined) {
      // Its command may still be under way, and must not be executed then.
      const untilMs = this.clock.nowMs() + this.raTovMs;
      this.#refused.push({ remote, oxId, untilMs });
      if (this.#refused.length > REFUSED_MAX) this.#refused.shift();
      return false;
    }
    if (exchange.phase !== "open") return true;
    exchange.phase = "aborted";
    this.#cut(exchange);
    this.#events.fcpAborted(exchange);
    return true;
  }

  protected ownDeadlineMs(): number {
    return this.#dataByMs;
  }

  protected tick(nowMs: number): void {
    if (this.#dataByMs > nowMs) return;
    this.#dataByMs = Infinity;
    for (const exchange of this.#exchanges) {
      if (exchange.deadlineMs <= nowMs) this.#opOver(exchange, FcStatus.TimedOut);
    }
    // That may have set it anew, for what is still waited for.
    for (const exchange of this.#waiting === 0 ? [] : this.#exchanges) {
      this.#dataByMs = Math.min(this.#dataByMs, exchange.deadlineMs);
    }
  }

  #openWith(remote: Remote, oxId: number): Exchange | undefined {
    return this.#byOxId.get(remote)?.get(oxId);
  }

  #command(remote: Remote, view: DataView, payload: Uint8Array): void {
    const oxId = FcHeader.oxId.get(view);
    if (this.#isRefused(remote, oxId) || this.#openWith(remote, oxId) !== undefined) {
      this.strayFrames++;
      return;
    }
    const rxId = this.#rxIds.take(this.clock.nowMs());
    if (rxId === NO_ID) {
      // No answer would keep the host waiting: it hears at once that there is no such exchange.
      this.link.send(abtsFrame(routeBack(view)));
      return;
    }
    const exchange = (this.#exchanges[rxId] ??= new Exchange(rxId));
    exchange.remote = remote;
    exchange.oxId = oxId;
    exchange.phase = "open";
    let ofHost = this.#byOxId.get(remote);
    if (ofHost === undefined) this.#byOxId.set(remote, (ofHost = new Map()));
    ofHost.set(oxId, exchange);
    exchange.commandBytes = payload.length;
    const bytes = Math.min(payload.length, CmdIu.size);
    for (let at = 0; at < bytes; at++) exchange.command.setUint8(at, payload[at]!);
    if (this.#events.fcpReceived(exchange)) return;
    this.abort(exchange);
    this.release(exchange);
  }

  #isRefused(remote: Remote, oxId: number): boolean {
    if (this.#refused.length === 0) return false;
    const nowMs = this.clock.nowMs();
    this.#refused = this.#refused.filter(({ untilMs }) => untilMs > nowMs);
    return this.#refused.some((each) => each.remote === remote && each.oxId === oxId);
  }

  #askForData(exchange: Exchange): void {
    exchange.ranges.clear();
    const payload = new Uint8Array(XferRdyIu.size);
    const view = new DataView(payload.buffer);
    XferRdyIu.relativeOffset.set(view, 0, exchange.offset);
    XferRdyIu.burstLength.set(view, 0, exchange.dataBytes);
    exchange.deadlineMs = this.clock.nowMs() + this.#dataTimeoutMs;
    this.#waiting++;
    this.#dataByMs = Math.min(this.#dataByMs, exchange.deadlineMs);
    this.watch(exchange.deadlineMs);
    this.send(this.#route(exchange), FcRctl.XferRdy, payload);
  }

  #dataOut(exchange: Exchange, view: DataView, payload: Uint8Array): void {
    const start = FcHeader.parameter.get(view) - exchange.offset;
    const end = start + payload.length;
    const isAsked = exchange.opPhase === "running" && exchange.op === FcpOp.WriteData && start >= 0;
    if (!isAsked || end > exchange.dataBytes || exchange.ranges.add(start, end) !== "new") {
      // Nothing that it sends for this command can be relied upon.
      this.strayFrames++;
      this.abort(exchange);
      this.#events.fcpAborted(exchange);
      return;
    }
    exchange.data?.set(payload, start);
    if (exchange.ranges.bytes === exchange.dataBytes) this.#opOver(exchange, FcStatus.Success);
  }

  #pump(): void {
    while (this.#sending.length > 0 && !this.link.clogged) {
      const exchange = this.#sending.shift()!;
      if (exchange.phase !== "open" || exchange.opPhase !== "running") continue;
      this.#dataIn(exchange);
      if (exchange.sentBytes < exchange.dataBytes) this.#sending.push(exchange);
      else if (exchange.op === FcpOp.ReadDataResponse) this.#respond(exchange);
      else this.#opOver(exchange, FcStatus.Success);
    }
  }

  #dataIn(exchange: Exchange): void {
    const from = exchange.sentBytes;
    const end = Math.min(from + FRAME_DATA_BYTES, exchange.dataBytes);
    const shape = {
      rCtl: FcRctl.Data,
      seqId: exchange.seqId,
      seqCnt: exchange.seqCnt++,
      isLast: end === exchange.dataBytes,
      offset: exchange.offset + from,
    };
    exchange.sentBytes = end;
    this.link.send(frameOf(this.#route(exchange), shape, exchange.data!.subarray(from, end)));
  }

  #respond(exchange: Exchange): void {
    const { response, responseBytes } = exchange;
    const rCtl = responseBytes <= RSP_IU_BYTES ? FcRctl.Response : FcRctl.ExtendedResponse;
    this.send(this.#route(exchange), rCtl, response.subarray(0, responseBytes));
    this.#opOver(exchange, FcStatus.Success);
  }

  /** An operation under way ends at once: nothing more is sent or placed for it. */
  #cut(exchange: Exchange): void {
    if (exchange.opPhase === "running") this.#opOver(exchange, FcStatus.Aborted);
  }

  #opOver(exchange: Exchange, status: FcStatus): void {
    if (exchange.opPhase !== "running") return;
    exchange.opPhase = "done";
    exchange.status = status;
    exchange.data = undefined;
    this.#waitsNoMore(exchange);
    this.#done.push(exchange);
    if (this.#done.length === 1) this.clock.defer(() => this.#tellDone());
  }

  /** No timer is left armed for what is not waited for: a program would not end before it. */
  #waitsNoMore(exchange: Exchange): void {
    if (exchange.deadlineMs === Infinity) return;
    exchange.deadlineMs = Infinity;
    if (--this.#waiting > 0) return;
    this.#dataByMs = Infinity;
    this.rewatch();
  }

  #tellDone(): void {
    const done = this.#done;
    this.#done = [];
    for (const exchange of done) {
      if (exchange.opPhase !== "done" || this.isClosed) continue;
      exchange.opPhase = "none";
      this.#events.opDone(exchange);
    }
  }

  #route({ remote, oxId, rxId }: Exchange): FrameRoute {
    return { sId: this.link.portId, dId: remote.portId, oxId, rxId, isResponder: true };
  }
}

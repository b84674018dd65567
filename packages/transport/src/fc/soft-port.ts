// What both kinds of software port have in common: logins, link services, aborts, and their time.
// Read first: port.ts for the rules; FC-FS-6 §12 "Exchange management"; frame.ts, els.ts.

import type { NvmeofError } from "@nvmeof/codec";
import { FcFctl, FcHeader, FcRctl, XID_UNASSIGNED, checkFrame } from "@nvmeof/codec/fc";
import type { Clock, Timer } from "../clock.ts";
import { TransportError } from "../errors.ts";
import { ElsCommand, elsAnswer, elsCommandOf, logo, namesIn, plogi } from "./els.ts";
import {
  type FrameRoute,
  abtsFrame,
  baAccFrame,
  baRjtFrame,
  frameOf,
  routeBack,
  routeTo,
  single,
} from "./frame.ts";
import type { FrameLink, FrameLinkEvents } from "./frame-link.ts";
import { LoginExchange, LsExchange, type Originated, Remote } from "./exchange.ts";
import { IdPool, NO_ID } from "./id-pool.ts";
import type { PortNames } from "./names.ts";
import { type CommonPort, FcStatus, type LsCall, type ReceivedLs } from "./port.ts";

/** Times and bounds of a software port. */
export interface SoftPortOptions {
  readonly link: FrameLink;
  readonly clock: Clock;
  readonly names: PortNames;
  /** Time for an answer to an abort, and for frames of a sequence that lag behind, ms. Default 2 s. */
  readonly edTovMs?: number;
  /** Time for which a frame may still be under way, ms. Default 10 s. */
  readonly raTovMs?: number;
  /** Exchanges of either direction that may be open, 32 to 65,535. Default 4,096. */
  readonly exchangesMax?: number;
}

const ED_TOV_MS = 2_000;
const RA_TOV_MS = 10_000;
const EXCHANGES_MAX = 4_096;
/** Exchanges that commands leave free. */
const SERVICES_MIN = 16;
/** Link services of others that may wait for an answer of ours; more are not heard. */
const RECEIVED_LS_MAX = 256;

interface OpenLs extends ReceivedLs {
  readonly remote: Remote;
  readonly route: FrameRoute;
}

/** See the two kinds: `SoftHostPort`, `SoftTargetPort`. */
export abstract class SoftPort implements CommonPort, FrameLinkEvents {
  readonly names: PortNames;
  protected readonly link: FrameLink;
  protected readonly clock: Clock;
  protected readonly edTovMs: number;
  protected readonly raTovMs: number;
  protected readonly exchangesMax: number;
  protected readonly remotes = new Map<number, Remote>();
  readonly #ids: IdPool;
  readonly #originated: (Originated | undefined)[] = [];
  /** How many of them there are. */
  #open = 0;
  readonly #received: OpenLs[] = [];
  #timer: Timer | undefined;
  #timerAtMs = Infinity;
  #phase: "open" | "closed" = "open";
  /** Frames that nobody here waits for: late, or of exchanges that are over. */
  strayFrames = 0;

  constructor(options: SoftPortOptions) {
    this.names = options.names;
    this.link = options.link;
    this.clock = options.clock;
    this.edTovMs = options.edTovMs ?? ED_TOV_MS;
    this.raTovMs = options.raTovMs ?? RA_TOV_MS;
    this.exchangesMax = options.exchangesMax ?? EXCHANGES_MAX;
    this.#ids = new IdPool(this.exchangesMax);
    this.link.attach(this);
  }

  protected get isClosed(): boolean {
    return this.#phase === "closed";
  }

  /** Whether an exchange of ours is open. */
  protected get isBusy(): boolean {
    return this.#open > 0;
  }

  callLs(call: LsCall): boolean {
    const remote = call.remote as Remote;
    const oxId = this.takeId("service");
    if (oxId === NO_ID || remote.state === "gone") {
      if (oxId !== NO_ID) this.#ids.give(oxId);
      return false;
    }
    const exchange = new LsExchange(oxId, remote, call, this);
    this.begin(exchange, this.clock.nowMs() + call.timeoutMs);
    this.send(routeTo(this.link.portId, remote.portId, oxId), FcRctl.LsRequest, call.request);
    return true;
  }

  abortLs(call: LsCall): void {
    const found = this.#originated.find((each) => each instanceof LsExchange && each.call === call);
    if (found !== undefined) this.abortExchange(found);
  }

  answerLs(ls: ReceivedLs, response: Uint8Array): void {
    const at = this.#received.indexOf(ls as OpenLs);
    if (at === -1) return;
    const { remote, route } = this.#received.splice(at, 1)[0]!;
    if (remote.state === "present") this.send(route, FcRctl.LsResponse, response);
  }

  /** Ends the port for good; no event follows. */
  close(): void {
    this.#phase = "closed";
    this.#timer?.cancel();
    for (const remote of this.remotes.values()) this.#sendLogo(remote);
    this.remotes.clear();
    this.#originated.length = 0;
    this.#open = 0;
    this.link.close();
  }

  abstract up(): void;
  abstract drained(): void;
  /** A remote port asks to log in: false for no. */
  protected abstract loginAsked(remote: Remote): boolean;
  /** A remote port has gone, and with it all exchanges that this port began. */
  protected abstract remoteLost(remote: Remote, error: NvmeofError): void;
  protected abstract fabricChanged(): void;
  protected abstract lsAsked(ls: ReceivedLs): void;
  /** A frame of an exchange that the other side began, other than a link service. */
  protected abstract othersFrame(
    remote: Remote,
    rCtl: number,
    view: DataView,
    payload: Uint8Array,
  ): void;
  /** The other side gives up an exchange that it began: false where there is no such. */
  protected abstract othersAbort(remote: Remote, oxId: number, rxId: number): boolean;
  /** When this port wants `tick`, beside the exchanges that it began. */
  protected abstract ownDeadlineMs(): number;
  protected abstract tick(nowMs: number): void;

  down(error: NvmeofError): void {
    for (const remote of this.remotes.values()) this.lose(remote, error);
    // Logins under way have no remote port yet.
    for (const each of this.#originated) {
      if (each?.remote === undefined && each !== undefined) this.#fail(each, FcStatus.Lost, "kept");
    }
  }

  received(frame: Uint8Array): void {
    if (this.isClosed) return;
    const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
    let payload: Uint8Array;
    try {
      const bytes = checkFrame(view, 0, frame.length);
      payload = frame.subarray(FcHeader.size, FcHeader.size + bytes);
    } catch {
      // A frame that no port could have sent is dropped, as hardware drops one with a bad CRC.
      this.strayFrames++;
      return;
    }
    this.#dispatch(FcHeader.rCtl.get(view), view, payload);
  }

  #dispatch(rCtl: number, view: DataView, payload: Uint8Array): void {
    if (rCtl === FcRctl.ElsRequest) {
      this.#els(view, payload);
      return;
    }
    const sId = FcHeader.sId.get(view);
    if (rCtl === FcRctl.ElsReply) {
      this.#ours(sId, rCtl, view, payload);
      return;
    }
    const remote = this.remotes.get(sId);
    if (remote === undefined) {
      this.#fromStranger(rCtl, view);
      return;
    }
    const isByResponder = (FcHeader.fCtl.get(view) & FcFctl.ExchangeResponder) !== 0;
    if (rCtl === FcRctl.Abts) this.#abts(remote, view);
    else if (isByResponder) this.#ours(sId, rCtl, view, payload);
    else if (rCtl === FcRctl.LsRequest) this.#lsRequest(remote, view, payload);
    else this.othersFrame(remote, rCtl, view, payload);
  }

  /** Who is not logged in is told so: it may think that it is. */
  #fromStranger(rCtl: number, view: DataView): void {
    this.strayFrames++;
    if (rCtl !== FcRctl.Command && rCtl !== FcRctl.LsRequest) return;
    const route = routeTo(this.link.portId, FcHeader.sId.get(view), XID_UNASSIGNED);
    this.send(route, FcRctl.ElsRequest, logo(this.link.portId, this.names));
  }

  /** A frame of an exchange that this port began. */
  #ours(sId: number, rCtl: number, view: DataView, payload: Uint8Array): void {
    const exchange = this.#originated[FcHeader.oxId.get(view)];
    const rxId = FcHeader.rxId.get(view);
    if (exchange === undefined || exchange.portId !== sId) {
      this.strayFrames++;
      return;
    }
    // Of an earlier exchange with the same OX_ID, if the RX_ID is another.
    if (exchange.rxId === XID_UNASSIGNED) exchange.rxId = rxId;
    else if (rxId !== XID_UNASSIGNED && rxId !== exchange.rxId) {
      this.strayFrames++;
      return;
    }
    if (rCtl === FcRctl.BaAcc) {
      if (exchange.phase === "aborting") this.#fail(exchange, exchange.failure, "free");
    } else if (rCtl === FcRctl.BaRjt) {
      if (exchange.phase === "aborting") this.#fail(exchange, exchange.failure, "kept");
    } else if (exchange.phase === "active") {
      exchange.received(rCtl, view, payload);
    } else {
      this.strayFrames++;
    }
  }

  #abts(remote: Remote, view: DataView): void {
    const back = routeBack(view);
    if (!back.isResponder) {
      // The responder gives up an exchange of ours.
      const exchange = this.#originated[back.oxId];
      const isKnown = exchange?.portId === remote.portId && exchange.phase !== "over";
      this.link.send(isKnown ? baAccFrame(back) : baRjtFrame(back));
      if (isKnown) this.#fail(exchange, FcStatus.Aborted, "free");
      return;
    }
    const at = this.#received.findIndex(
      (ls) => ls.remote === remote && ls.route.oxId === back.oxId,
    );
    if (at !== -1) this.#received.splice(at, 1);
    const isKnown = at !== -1 || this.othersAbort(remote, back.oxId, back.rxId);
    this.link.send(isKnown ? baAccFrame(back) : baRjtFrame(back));
  }

  #lsRequest(remote: Remote, view: DataView, payload: Uint8Array): void {
    if (this.#received.length >= RECEIVED_LS_MAX) {
      this.strayFrames++;
      return;
    }
    const ls: OpenLs = { remote, request: payload.slice(), route: routeBack(view) };
    this.#received.push(ls);
    this.lsAsked(ls);
  }

  #els(view: DataView, payload: Uint8Array): void {
    const command = elsCommandOf(payload);
    const back = routeBack(view);
    if (command === ElsCommand.Plogi) this.#plogi(back, payload);
    else if (command === ElsCommand.Rscn) this.fabricChanged();
    else if (command === ElsCommand.Logo) {
      const remote = this.remotes.get(back.dId);
      if (remote === undefined) return;
      this.lose(remote, new TransportError("connection-lost", `${remote.text} logged out`));
    }
  }

  #plogi(back: FrameRoute, payload: Uint8Array): void {
    const names = namesIn(payload);
    if (names === undefined) return;
    // A login ends what was before: the other side has forgotten it.
    const before = this.remotes.get(back.dId);
    if (before !== undefined) {
      this.lose(before, new TransportError("connection-lost", `${before.text} logged in anew`));
    }
    const remote = new Remote(back.dId, names, this.link);
    const accepted = this.loginAsked(remote);
    if (accepted) this.remotes.set(back.dId, remote);
    const answer = accepted ? plogi(this.names, "accepts") : elsAnswer(ElsCommand.Reject);
    this.send(back, FcRctl.ElsReply, answer);
  }

  /** Sends PLOGI. One of the two is called, once. */
  protected sendPlogi(
    portId: number,
    timeoutMs: number,
    accepted: (remote: Remote) => void,
    failed: (status: FcStatus) => void,
  ): void {
    const oxId = this.takeId("service");
    if (oxId === NO_ID) {
      this.clock.defer(() => failed(FcStatus.TimedOut));
      return;
    }
    const over = (status: FcStatus): void => {
      this.finish(exchange, "kept");
      failed(status);
    };
    const answered = (payload: Uint8Array): void => {
      const names = elsCommandOf(payload) === ElsCommand.Accept ? namesIn(payload) : undefined;
      if (names === undefined) {
        over(FcStatus.Broken);
        return;
      }
      this.finish(exchange);
      const remote = new Remote(portId, names, this.link);
      this.remotes.set(portId, remote);
      accepted(remote);
    };
    const exchange = new LoginExchange(oxId, portId, answered, over);
    this.begin(exchange, this.clock.nowMs() + timeoutMs);
    const route = routeTo(this.link.portId, portId, oxId);
    this.send(route, FcRctl.ElsRequest, plogi(this.names, "asks"));
  }

  /** Logs out of a remote port: what is under way to it is lost. Not inside a user's call. */
  protected logout(remote: Remote, why: string): void {
    this.#sendLogo(remote);
    this.lose(remote, new TransportError("connection-lost", why));
  }

  #sendLogo(remote: Remote): void {
    const route = routeTo(this.link.portId, remote.portId, XID_UNASSIGNED);
    this.send(route, FcRctl.ElsRequest, logo(this.link.portId, this.names));
  }

  /** A remote port is gone: what we began with it fails first, then it is told. */
  protected lose(remote: Remote, error: NvmeofError): void {
    if (remote.state === "gone") return;
    remote.state = "gone";
    this.remotes.delete(remote.portId);
    for (let at = this.#received.length - 1; at >= 0; at--) {
      if (this.#received[at]!.remote === remote) this.#received.splice(at, 1);
    }
    for (const exchange of this.#originated) {
      if (exchange?.remote === remote) this.#fail(exchange, FcStatus.Lost, "kept");
    }
    this.remoteLost(remote, error);
  }

  /** An OX_ID, or -1 for none. Commands leave some for logins and link services. */
  protected takeId(whatFor: "command" | "service"): number {
    const oxId = this.#ids.take(this.clock.nowMs());
    if (oxId === NO_ID || whatFor === "service" || this.#ids.free >= SERVICES_MIN) return oxId;
    this.#ids.give(oxId);
    return NO_ID;
  }

  /** When an identifier that is kept back is free again. */
  protected get nextIdMs(): number {
    return this.#ids.nextFreeMs;
  }

  protected begin(exchange: Originated, deadlineMs: number): void {
    this.#originated[exchange.oxId] = exchange;
    this.#open++;
    exchange.deadlineMs = deadlineMs;
    this.watch(deadlineMs);
  }

  /**
   * The exchange is over and tells nothing any more.
   *
   * @param id `kept`: frames of it may still be under way, and the other side may act on them.
   */
  finish(exchange: Originated, id: "free" | "kept" = "free"): void {
    if (exchange.phase === "over") return;
    exchange.phase = "over";
    this.#originated[exchange.oxId] = undefined;
    this.#open--;
    if (exchange.deadlineMs !== Infinity && exchange.deadlineMs <= this.#timerAtMs) this.rewatch();
    if (id === "free") this.#ids.give(exchange.oxId);
    else this.#ids.keepUntil(exchange.oxId, this.clock.nowMs() + this.raTovMs);
  }

  #fail(exchange: Originated, status: FcStatus, id: "free" | "kept"): void {
    if (exchange.phase === "over") return;
    this.finish(exchange, id);
    exchange.failed(status);
  }

  /** Sends ABTS; `failed` follows with the answer to it, or when there is none in time. */
  abortExchange(exchange: Originated): void {
    if (exchange.phase !== "active") return;
    exchange.phase = "aborting";
    exchange.deadlineMs = this.clock.nowMs() + this.edTovMs;
    this.watch(exchange.deadlineMs);
    if (exchange.remote?.state === "gone") return;
    const route = routeTo(this.link.portId, exchange.portId, exchange.oxId);
    this.link.send(abtsFrame({ ...route, rxId: exchange.rxId }));
  }

  protected send(route: FrameRoute, rCtl: number, payload: Uint8Array): void {
    this.link.send(frameOf(route, single(rCtl), payload));
  }

  /** Wants to be woken at `atMs`, if not before. */
  protected watch(atMs: number): void {
    if (atMs >= this.#timerAtMs || this.isClosed) return;
    this.#timer?.cancel();
    this.#timerAtMs = atMs;
    this.#timer = this.clock.at(atMs, () => this.#wake());
  }

  #wake(): void {
    this.#timer = undefined;
    this.#timerAtMs = Infinity;
    if (this.isClosed) return;
    const nowMs = this.clock.nowMs();
    this.tick(nowMs);
    for (const exchange of this.#originated) {
      if (exchange === undefined || exchange.deadlineMs > nowMs) continue;
      exchange.deadlineMs = Infinity;
      if (exchange.phase === "active") exchange.expired();
      else this.#fail(exchange, exchange.failure, "kept");
    }
    this.rewatch();
  }

  /** Arms the timer for what comes next, and none where nothing does. */
  protected rewatch(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerAtMs = Infinity;
    let next = this.ownDeadlineMs();
    for (const exchange of this.#open === 0 ? [] : this.#originated) {
      if (exchange !== undefined) next = Math.min(next, exchange.deadlineMs);
    }
    if (next !== Infinity) this.watch(next);
  }
}

// A host's port in software: commands out, data both ways, responses in, one exchange each.
// Read first: port.ts for the rules; FC-NVMe-2 §9 "Exchanges"; FC-FS-6 §16 "Abort Sequence".

import type { NvmeofError } from "@nvmeof/codec";
import {
  ErspIu,
  FcHeader,
  FcProtocolError,
  FcRctl,
  RSP_IU_BYTES,
  XferRdyIu,
  checkXferRdyIu,
} from "@nvmeof/codec/fc";
import { TransportError } from "../errors.ts";
import { Originated, type Remote } from "./exchange.ts";
import { FRAME_DATA_BYTES, type FrameRoute, frameOf, routeTo } from "./frame.ts";
import { NO_ID } from "./id-pool.ts";
import {
  type FcpRequest,
  FcStatus,
  type HostPort,
  type HostPortEvents,
  type ReceivedLs,
} from "./port.ts";
import { Ranges } from "./ranges.ts";
import { SoftPort } from "./soft-port.ts";

class FcpExchange extends Originated {
  readonly request: FcpRequest;
  readonly #port: SoftHostPort;
  readonly #ranges = new Ranges();
  /** The burst that the target asked for: what of it is still to be sent. */
  burstFrom = 0;
  burstEnd = 0;
  burstSeqCnt = 0;
  seqId = 0;
  /** The response is here, and not all of the data before it. */
  #missingBytes = 0;

  constructor(oxId: number, remote: Remote, request: FcpRequest, port: SoftHostPort) {
    super(oxId, remote.portId, remote);
    this.request = request;
    this.#port = port;
  }

  received(rCtl: number, view: DataView, payload: Uint8Array): void {
    switch (rCtl) {
      case FcRctl.Data:
        this.#data(FcHeader.parameter.get(view), payload);
        break;
      case FcRctl.XferRdy:
        this.#xferRdy(view, payload);
        break;
      case FcRctl.Response:
      case FcRctl.ExtendedResponse:
        this.#response(payload);
        break;
      default:
        this.#broken(`a frame with R_CTL ${rCtl} in the exchange of a command`);
    }
  }

  /** Data that lags behind its response did not come in time: the response says what is missing. */
  expired(): void {
    this.#port.completed(this, FcStatus.Success);
  }

  failed(status: FcStatus): void {
    this.#port.settled(this, status);
  }

  #data(offset: number, payload: Uint8Array): void {
    const { request } = this;
    const end = offset + payload.length;
    if (request.isWrite || end > request.transferBytes) {
      this.#broken(`data from ${offset} to ${end} of ${request.transferBytes} bytes`);
      return;
    }
    if (this.#ranges.add(offset, end) !== "new") {
      this.#broken(`data from ${offset} to ${end} came twice, or too far out of order`);
      return;
    }
    request.data?.set(payload, offset);
    request.transferredBytes = this.#ranges.bytes;
    if (this.deadlineMs !== Infinity && this.#ranges.bytes >= this.#missingBytes) {
      this.#port.completed(this, FcStatus.Success);
    }
  }

  #xferRdy(view: DataView, payload: Uint8Array): void {
    const { request } = this;
    try {
      const bytes = request.isWrite ? request.transferBytes : 0;
      checkXferRdyIu(view, FcHeader.size, payload.length, bytes);
    } catch (error) {
      this.#broken((error as FcProtocolError).message);
      return;
    }
    if (this.burstFrom < this.burstEnd) {
      this.#broken("XFER_RDY while another is outstanding");
      return;
    }
    this.burstFrom = XferRdyIu.relativeOffset.get(view, FcHeader.size);
    this.burstEnd = this.burstFrom + XferRdyIu.burstLength.get(view, FcHeader.size);
    this.burstSeqCnt = 0;
    this.seqId = (this.seqId + 1) & 0xff;
    this.#port.sendBurst(this);
  }

  #response(payload: Uint8Array): void {
    const { request } = this;
    if (payload.length > request.response.byteLength) {
      this.#broken(`a response of ${payload.length} bytes`);
      return;
    }
    for (let at = 0; at < payload.length; at++) request.response.setUint8(at, payload[at]!);
    request.responseBytes = payload.length;
    if (!request.isWrite) {
      const expected = this.#expectedBytes(payload.length);
      if (this.#ranges.bytes < expected) {
        this.#missingBytes = expected;
        this.#port.waitForData(this);
        return;
      }
    }
    this.#port.completed(this, FcStatus.Success);
  }

  /** Bytes that a read should have had, as its response says it. */
  #expectedBytes(responseBytes: number): number {
    const { request } = this;
    if (responseBytes <= RSP_IU_BYTES) return request.transferBytes;
    if (responseBytes < ErspIu.size) return 0;
    return Math.min(ErspIu.transferredLength.get(request.response), request.transferBytes);
  }

  #broken(message: string): void {
    const { request } = this;
    request.error = new FcProtocolError("exchange", "frame", 0, message);
    this.failure = FcStatus.Broken;
    this.#port.abortExchange(this);
  }
}

/** See {@link HostPort}. */
export class SoftHostPort extends SoftPort implements HostPort {
  #events!: HostPortEvents;
  /** Exchanges with a burst to send, oldest first: each gets one frame in turn. */
  readonly #sending: FcpExchange[] = [];
  /** Logins that wait for the link. */
  #logins: { readonly portName: bigint; readonly byMs: number }[] = [];
  #link: "down" | "up" = "down";
  /** Why the link went down. */
  #linkError: NvmeofError | undefined;
  /** Whether somebody waits for an exchange. */
  #refused: "no" | "yes" = "no";

  attach(events: HostPortEvents): void {
    this.#events = events;
  }

  login(portName: bigint, timeoutMs: number): void {
    const byMs = this.clock.nowMs() + timeoutMs;
    this.#logins.push({ portName, byMs });
    if (this.#link === "down") {
      this.watch(byMs);
      this.link.start(timeoutMs);
    } else {
      this.clock.defer(() => this.#logIn());
    }
  }

  submit(request: FcpRequest): boolean {
    const remote = request.remote as Remote;
    if (remote.state === "gone") return false;
    const oxId = this.takeId("command");
    if (oxId === NO_ID) {
      this.#refused = "yes";
      this.watch(this.nextIdMs);
      return false;
    }
    const exchange = new FcpExchange(oxId, remote, request, this);
    request.exchange = exchange;
    request.status = FcStatus.Success;
    request.error = undefined;
    request.transferredBytes = 0;
    request.responseBytes = 0;
    this.begin(exchange, Infinity);
    this.send(this.#route(exchange), FcRctl.Command, request.command);
    return true;
  }

  abort(request: FcpRequest): void {
    if (request.exchange !== undefined) this.abortExchange(request.exchange as FcpExchange);
  }

  rest(): void {
    if (this.isBusy) return;
    this.clock.defer(() => {
      if (this.isBusy || this.#logins.length > 0 || this.isClosed) return;
      this.link.rest();
      if (this.link.portId !== 0) return;
      this.down(new TransportError("connection-lost", `${this.link.remote} is not in use`));
    });
  }

  up(): void {
    this.#link = "up";
    this.#logIn();
  }

  override down(error: NvmeofError): void {
    this.#link = "down";
    this.#linkError = error;
    super.down(error);
    for (const { portName } of this.#logins.splice(0)) this.#events.loginFailed(portName, error);
  }

  drained(): void {
    this.#pump();
  }

  /** Sends the data of a burst, as far as the link takes it now. */
  sendBurst(exchange: FcpExchange): void {
    this.#sending.push(exchange);
    this.#pump();
  }

  /** The response overtook its data: that gets a moment more. */
  waitForData(exchange: FcpExchange): void {
    exchange.deadlineMs = this.clock.nowMs() + this.edTovMs;
    this.watch(exchange.deadlineMs);
  }

  completed(exchange: FcpExchange, status: FcStatus): void {
    this.finish(exchange);
    this.settled(exchange, status);
  }

  settled({ request }: FcpExchange, status: FcStatus): void {
    request.exchange = undefined;
    request.status = status;
    this.#events.fcpDone(request);
  }

  protected loginAsked(): boolean {
    return false;
  }

  protected remoteLost(remote: Remote, error: NvmeofError): void {
    this.#events.remoteGone(remote, error);
  }

  protected fabricChanged(): void {
    for (const remote of this.remotes.values()) {
      if (this.link.find(remote.portName) === remote.portId) continue;
      const message = `${remote.text} left the fabric`;
      this.lose(remote, new TransportError("connection-lost", message));
    }
    this.#events.changed();
  }

  protected lsAsked(ls: ReceivedLs): void {
    this.#events.lsReceived(ls);
  }

  protected othersFrame(): void {
    this.strayFrames++;
  }

  protected othersAbort(): boolean {
    return false;
  }

  protected ownDeadlineMs(): number {
    const nextIdMs = this.#refused === "yes" ? this.nextIdMs : Infinity;
    return this.#logins.reduce((least, { byMs }) => Math.min(least, byMs), nextIdMs);
  }

  protected tick(nowMs: number): void {
    if (this.#refused === "yes" && this.nextIdMs <= nowMs) {
      this.#refused = "no";
      this.#events.room();
    }
    const late = this.#logins.filter(({ byMs }) => byMs <= nowMs);
    this.#logins = this.#logins.filter(({ byMs }) => byMs > nowMs);
    for (const { portName } of late) {
      const message = `no link to ${this.link.remote} in time`;
      this.#events.loginFailed(portName, new TransportError("connect-timeout", message));
    }
  }

  #logIn(): void {
    if (this.#link === "down" || this.isClosed) return;
    for (const { portName, byMs } of this.#logins.splice(0)) {
      const portId = this.link.find(portName);
      const present = this.remotes.get(portId);
      if (present !== undefined) this.#events.remoteUp(portName, present);
      else if (portId === 0) this.#noSuchPort(portName);
      else this.#askLogin(portName, portId, byMs - this.clock.nowMs());
    }
    this.rewatch();
  }

  #askLogin(portName: bigint, portId: number, timeoutMs: number): void {
    this.sendPlogi(
      portId,
      timeoutMs,
      (remote) => this.#loggedIn(portName, remote),
      (status) => {
        if (status === FcStatus.Lost && this.#linkError !== undefined) {
          this.#events.loginFailed(portName, this.#linkError);
          return;
        }
        const late = status === FcStatus.TimedOut;
        const what = late ? "did not answer the login in time" : "refused the login, or went away";
        const failure = late ? "initialize-timeout" : "unreachable";
        const message = `the port at ${this.link.remote} ${what}`;
        this.#events.loginFailed(portName, new TransportError(failure, message));
      },
    );
  }

  #loggedIn(portName: bigint, remote: Remote): void {
    if (portName === 0n || remote.portName === portName) {
      this.#events.remoteUp(portName, remote);
      return;
    }
    this.logout(remote, `${remote.text} is not the port that was looked for`);
    this.#noSuchPort(portName);
  }

  #noSuchPort(portName: bigint): void {
    const message = `no port 0x${portName.toString(16)} at ${this.link.remote}`;
    const error = new TransportError("unreachable", message, { phase: "login" });
    this.#events.loginFailed(portName, error);
  }

  #route(exchange: FcpExchange): FrameRoute {
    return { ...routeTo(this.link.portId, exchange.portId, exchange.oxId), rxId: exchange.rxId };
  }

  #pump(): void {
    while (this.#sending.length > 0 && !this.link.clogged) {
      const exchange = this.#sending.shift()!;
      const { data } = exchange.request;
      // Whoever took the data away has aborted the command, or is about to.
      if (exchange.phase !== "active" || data === undefined) continue;
      this.#dataFrame(exchange, data);
      if (exchange.burstFrom < exchange.burstEnd) this.#sending.push(exchange);
    }
  }

  #dataFrame(exchange: FcpExchange, data: Uint8Array): void {
    const offset = exchange.burstFrom;
    const end = Math.min(offset + FRAME_DATA_BYTES, exchange.burstEnd);
    const shape = {
      rCtl: FcRctl.Data,
      seqId: exchange.seqId,
      seqCnt: exchange.burstSeqCnt++,
      isLast: end === exchange.burstEnd,
      offset,
    };
    exchange.burstFrom = end;
    exchange.request.transferredBytes += end - offset;
    this.link.send(frameOf(this.#route(exchange), shape, data.subarray(offset, end)));
  }
}

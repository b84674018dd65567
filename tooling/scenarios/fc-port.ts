// A port over FC whose network fails on demand: frames are lost, kept back, reordered; ports log out.
// Read first: network.ts; @nvmeof/transport fc/fabric.ts, whose frames these faults are about.

import {
  CreateAssociationAcc,
  CreateConnectionAcc,
  CreateConnectionLs,
  ErspIu,
  FcFctl,
  FcHeader,
  FcRctl,
  LsCommand,
  XferRdyIu,
  connectionIdLow,
} from "@nvmeof/codec/fc";
import {
  type Clock,
  type ControllerEvents,
  type ControllerLink,
  type LinkListener,
  type QueueEvents,
  type QueueLink,
  type QueueOptions,
  type Transport,
  TransportError,
} from "@nvmeof/transport";
import {
  Fabric,
  FcControllerPort,
  type FcControllerLink,
  FcHost,
  type FrameFate,
  type FrameOnTheWay,
  type PortNames,
  SoftHostPort,
  SoftTargetPort,
} from "@nvmeof/transport/fc";
import { MessageLane } from "./message-lane.ts";
import type { Climate, ScenarioLink, ScenarioPort } from "./network.ts";
import { OpenLinks } from "./open-links.ts";

const hostNames: PortNames = { nodeName: 0x2000n, portName: 0x2100n };
const targetNames: PortNames = { nodeName: 0x3000n, portName: 0x3100n };

/** A queue over FC: its connection, its exchanges, and both their directions. */
class FcLink implements ScenarioLink {
  readonly number: number;
  readonly qid: number;
  readonly toHost: MessageLane;
  readonly toController: MessageLane;
  /** Lower half of the Connection Identifier, which is its port's own; once it was seen. */
  connectionId: number | undefined;
  controller: ControllerLink | undefined;
  readonly #lost: (error: TransportError) => void;

  constructor(
    number: number,
    qid: number,
    lanes: { readonly toHost: MessageLane; readonly toController: MessageLane },
    lost: (error: TransportError) => void,
  ) {
    this.number = number;
    this.qid = qid;
    this.toHost = lanes.toHost;
    this.toController = lanes.toController;
    this.#lost = lost;
  }

  set climate({ toHost, toController }: Climate) {
    if (toHost !== undefined) this.toHost.weather = toHost;
    if (toController !== undefined) this.toController.weather = toController;
  }

  blackhole(): void {
    this.climate = { toHost: "silent", toController: "silent" };
  }

  reset(): void {
    this.#lost(new TransportError("connection-lost", "the network reset the connection"));
  }

  fin(): void {
    this.controller?.close("orderly");
  }
}

/** See {@link ScenarioPort}. A fabric of its own, with one host and one target. */
export class FcFaultyPort extends OpenLinks<FcLink> implements ScenarioPort, LinkListener {
  readonly yields = "links";
  /** ACC of CREATE_CONNECTION; XFER_RDY and ERSP of Connect; each in a frame. */
  readonly connectAnswerBytes =
    CreateConnectionAcc.size + XferRdyIu.size + ErspIu.size + 3 * FcHeader.size;
  readonly local: string;
  readonly remote: string;
  readonly fabric: Fabric;
  /** The target's end, for those who look into it. */
  readonly controllers: FcControllerPort;
  /** Decides over single frames before the weather does: for loss and disorder at will. */
  fateOf: (frame: FrameOnTheWay) => FrameFate = () => "pass";
  host: FcHost | undefined;
  readonly #clock: Clock;
  /** Frames that are of no queue: logins, and what ends associations. */
  readonly #others: { readonly toHost: MessageLane; readonly toController: MessageLane };
  readonly #byConnection = new Map<number, FcLink>();
  /** Exchanges of hosts, by OX_ID. */
  readonly #exchanges = new Map<number, FcLink>();
  /** Queues whose link service has reached the controller, which is about to accept them. */
  #creating: FcLink[] = [];

  constructor(name: string, clock: Clock) {
    super();
    this.#clock = clock;
    this.local = `fc:${name}`;
    this.remote = this.local;
    this.fabric = new Fabric(name, { clock, fateOf: (frame) => this.#fate(frame) });
    const port = new SoftTargetPort({
      link: this.fabric.link(targetNames),
      clock,
      names: targetNames,
    });
    this.controllers = new FcControllerPort({ port, clock, local: this.local });
    this.#others = {
      toHost: new MessageLane(clock, "clear"),
      toController: new MessageLane(clock, "clear"),
    };
  }

  get listener(): LinkListener {
    return this;
  }

  transport(clock: Clock): Transport {
    // The port is hardware: its own time goes on when the host's event loop does not.
    this.host ??= new FcHost({
      port: new SoftHostPort({
        link: this.fabric.link(hostNames),
        clock: this.#clock,
        names: hostNames,
      }),
      clock,
    });
    const address = { trtype: "fc", traddr: this.fabric.name, trsvcid: "" };
    const inner = this.host.transport(address, targetNames.portName);
    return { ...inner, openQueue: (options, events) => this.#open(inner, options, events) };
  }

  stopReading(): void {
    this.climate = { toController: "held" };
  }

  rechunk(): void {}

  /** The target's port comes up again after it was unplugged. */
  restart(): void {
    this.controllers.port.attach(this.controllers);
  }

  /** The host's cable is pulled and put back: both sides lose what they had. */
  reset(): void {
    this.fabric.unplug(hostNames.portName);
  }

  listen(accept: (link: ControllerLink) => ControllerEvents | undefined): void {
    this.controllers.listen((controller) => {
      const { qid } = controller as FcControllerLink;
      const at = this.#creating.findIndex((link) => link.qid === qid || qid === 0);
      const link = this.#creating.splice(at, at === -1 ? 0 : 1)[0];
      if (link !== undefined) link.controller = controller;
      return accept(controller);
    });
  }

  close(): void {
    this.controllers.close();
  }

  protected override weatherChanged({ toHost, toController }: Climate): void {
    if (toHost !== undefined) this.#others.toHost.weather = toHost;
    if (toController !== undefined) this.#others.toController.weather = toController;
  }

  #open(inner: Transport, options: QueueOptions, events: QueueEvents): QueueLink {
    const number = this.attempt();
    if (this.admission !== "open") return this.#turnedAway(options, events);
    const lanes = {
      toHost: new MessageLane(this.#clock, this.weather.toHost),
      toController: new MessageLane(this.#clock, this.weather.toController),
    };
    const end = (): void => {
      this.opened.delete(link);
      this.#creating = this.#creating.filter((each) => each !== link);
    };
    const link = new FcLink(number, options.qid, lanes, (error) => {
      end();
      queue.close("reset");
      events.lost(error);
    });
    this.opened.add(link);
    const queue = inner.openQueue(options, {
      opened: () => events.opened(),
      completed: (cid, view, base) => events.completed(cid, view, base),
      lost: (error) => {
        end();
        events.lost(error);
      },
    });
    this.show(link);
    return {
      submit: (cid, sqe, direction, data) => queue.submit(cid, sqe, direction, data),
      detach: (cid) => queue.detach(cid),
      close: (how) => {
        end();
        queue.close(how);
      },
    };
  }

  #turnedAway(options: QueueOptions, events: QueueEvents): QueueLink {
    const refused = this.admission === "refused";
    const error = refused
      ? new TransportError("unreachable", `${this.remote} refused the login`)
      : new TransportError("connect-timeout", `no connection to ${this.remote}`);
    const delayMs = refused ? 0 : options.timeoutMs;
    const { clock } = this.host!;
    const timer = clock.at(clock.nowMs() + delayMs, () => events.lost(error));
    return { submit: () => {}, detach: () => {}, close: () => timer.cancel() };
  }

  #fate(frame: FrameOnTheWay): FrameFate {
    const { from, to, view, deliver } = frame;
    if (from === undefined) return "pass";
    if (this.fateOf(frame) === "kept") return "kept";
    const isToHost = to.portName === hostNames.portName;
    const direction = isToHost ? "toHost" : "toController";
    // Data belongs to the answer behind it.
    if (isToHost && FcHeader.rCtl.get(view) !== FcRctl.Data) this.answered();
    const link = this.#linkOf(view, isToHost);
    const lane = link === undefined || !this.opened.has(link) ? this.#others : link;
    lane[direction].pass(frame.frame.length, deliver);
    return "kept";
  }

  /** The queue that a frame is about. */
  #linkOf(view: DataView, isToHost: boolean): FcLink | undefined {
    const isByResponder = (FcHeader.fCtl.get(view) & FcFctl.ExchangeResponder) !== 0;
    if (isByResponder !== isToHost) return undefined;
    const oxId = FcHeader.oxId.get(view);
    const rCtl = FcHeader.rCtl.get(view);
    if (rCtl === FcRctl.LsRequest) {
      const link = this.#createdBy(view);
      if (link === undefined) this.#exchanges.delete(oxId);
      else this.#exchanges.set(oxId, link);
      return link;
    }
    if (rCtl === FcRctl.Command) {
      const link = this.#byConnection.get(connectionIdLow.get(view, FcHeader.size));
      if (link !== undefined) this.#exchanges.set(oxId, link);
      return link;
    }
    const link = this.#exchanges.get(oxId);
    if (rCtl === FcRctl.LsResponse && link !== undefined) this.#noteConnection(link, view);
    return link;
  }

  /** The queue for which this link service asks. */
  #createdBy(view: DataView): FcLink | undefined {
    const command = view.getUint8(FcHeader.size);
    const waiting = this.links.filter(({ connectionId }) => connectionId === undefined);
    let link: FcLink | undefined;
    if (command === LsCommand.CreateAssociation) {
      link = waiting[0];
    } else if (command === LsCommand.CreateConnection) {
      const qid = CreateConnectionLs.qid.get(view, FcHeader.size);
      link = waiting.find((each) => each.qid === qid);
    }
    if (link !== undefined) this.#creating.push(link);
    return link;
  }

  #noteConnection(link: FcLink, view: DataView): void {
    const base = FcHeader.size;
    if (view.getUint8(base) !== LsCommand.Accept) return;
    const accepts = [CreateAssociationAcc, CreateConnectionAcc];
    const acc = accepts.find(({ size }) => size === view.byteLength - base);
    if (acc === undefined) return;
    link.connectionId = Number(acc.connectionId.get(view, base) & 0xffff_ffffn);
    this.#byConnection.set(link.connectionId, link);
  }
}

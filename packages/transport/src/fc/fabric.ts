// A fabric in this process: a switch that knows its ports by name and carries frames between them.
// Read first: frame-link.ts for the contract; FC-GS-8 (name server), FC-LS-5 RSCN.

import { FcHeader, FcRctl } from "@nvmeof/codec/fc";
import type { Clock } from "../clock.ts";
import { TransportError } from "../errors.ts";
import { rscn } from "./els.ts";
import type { FrameLink, FrameLinkEvents } from "./frame-link.ts";
import { FABRIC_CONTROLLER, frameOf, routeTo, single } from "./frame.ts";
import type { PortNames } from "./names.ts";

/** A frame under way, for who decides what becomes of it. */
export interface FrameOnTheWay {
  readonly frame: Uint8Array;
  readonly view: DataView;
  readonly from: PortNames | undefined;
  readonly to: PortNames;
  /** Delivers it now; at most once. For who kept it back. */
  readonly deliver: () => void;
}

/** `kept`: whoever said so delivers it by himself, or never. */
export type FrameFate = "pass" | "kept";

/** How frames travel. */
export interface FabricOptions {
  readonly clock: Clock;
  /** Time that frames are under way, ms. Default 0: they arrive after the current callback. */
  readonly latencyMs?: number;
  /** Bytes from one port that may be under way before it is clogged. Default 256 KiB. */
  readonly windowBytes?: number;
  /** Asked about each frame that is sent, for tests of what gets lost. Default: all pass. */
  readonly fateOf?: (frame: FrameOnTheWay) => FrameFate;
}

const WINDOW_BYTES = 256 * 1024;
/** IDs of ports begin here: domain 1, area 0. */
const FIRST_PORT_ID = 0x01_0001;

class FabricLink implements FrameLink {
  readonly remote: string;
  readonly names: PortNames;
  portId = 0;
  events: FrameLinkEvents | undefined;
  readonly #fabric: Fabric;
  readonly #clock: Clock;
  readonly #windowBytes: number;
  #underWay = 0;
  #phase: "down" | "rising" | "up" | "closed" = "down";

  constructor(fabric: Fabric, names: PortNames, { clock, windowBytes }: FabricOptions) {
    this.remote = fabric.name;
    this.names = names;
    this.#fabric = fabric;
    this.#clock = clock;
    this.#windowBytes = windowBytes ?? WINDOW_BYTES;
  }

  get clogged(): boolean {
    return this.#underWay > this.#windowBytes;
  }

  get isUp(): boolean {
    return this.#phase === "up";
  }

  attach(events: FrameLinkEvents): void {
    this.events = events;
  }

  start(_timeoutMs: number): void {
    if (this.#phase !== "down") return;
    this.#phase = "rising";
    this.#clock.defer(() => {
      if (this.#phase !== "rising") return;
      this.#phase = "up";
      this.portId = this.#fabric.joined(this);
      this.events?.up();
    });
  }

  find(portName: bigint): number {
    return this.isUp ? this.#fabric.idOf(portName, this) : 0;
  }

  send(frame: Uint8Array): void {
    if (!this.isUp) return;
    this.#underWay += frame.length;
    this.#fabric.carry(frame, this);
  }

  /** A frame of this port is not under way any more. */
  arrived(bytes: number): void {
    const wasClogged = this.clogged;
    this.#underWay -= bytes;
    if (wasClogged && !this.clogged && this.isUp) this.events?.drained();
  }

  rest(): void {}

  /** The cable is pulled: the port notices at once, and the fabric tells the others. */
  drop(): void {
    if (this.#phase === "down" || this.#phase === "closed") return;
    const wasUp = this.isUp;
    this.#phase = "down";
    if (wasUp) this.#fabric.left(this);
    const error = new TransportError("connection-lost", `the link to ${this.remote} is down`);
    this.events?.down(error);
  }

  close(): void {
    const wasUp = this.isUp;
    this.#phase = "closed";
    if (wasUp) this.#fabric.left(this);
  }
}

/** A switch. Ports that come and go are told to all others by RSCN. */
export class Fabric {
  readonly name: string;
  readonly #options: FabricOptions;
  readonly #ports = new Map<number, FabricLink>();
  readonly #links = new Set<FabricLink>();
  #nextId = FIRST_PORT_ID;
  #queue: (() => void)[] = [];

  constructor(name: string, options: FabricOptions) {
    this.name = name;
    this.#options = options;
  }

  /** A link for a port with these names; they must be unique here. */
  link(names: PortNames): FrameLink {
    const link = new FabricLink(this, names, this.#options);
    this.#links.add(link);
    return link;
  }

  /** Pulls the cable of a port. It comes up again when its port starts it. */
  unplug(portName: bigint): void {
    for (const link of this.#links) if (link.names.portName === portName) link.drop();
  }

  /** Tells all ports that something has changed, as a fabric does now and then for no good reason. */
  announce(portId: number): void {
    for (const link of this.#ports.values()) {
      if (link.portId !== portId) this.#notify(link, portId);
    }
  }

  joined(link: FabricLink): number {
    const id = this.#nextId++;
    this.#ports.set(id, link);
    this.announce(id);
    return id;
  }

  left(link: FabricLink): void {
    const { portId } = link;
    this.#ports.delete(portId);
    link.portId = 0;
    this.announce(portId);
  }

  idOf(portName: bigint, asking: FabricLink): number {
    for (const [id, link] of this.#ports) {
      const isMeant = portName === 0n ? link !== asking : link.names.portName === portName;
      if (isMeant) return id;
    }
    return 0;
  }

  /** Frames to a port that is not there are lost, as in class 3. */
  carry(frame: Uint8Array, from: FabricLink | undefined): void {
    const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
    const dId = FcHeader.dId.get(view);
    const to = this.#ports.get(dId);
    // Whatever becomes of it, it does not fill the sender's window for longer than the way takes.
    if (from !== undefined) this.#later(() => from.arrived(frame.length));
    if (to === undefined) return;
    const arrives = (): void => {
      if (to.isUp && to.portId === dId) to.events?.received(frame);
    };
    let phase: "waiting" | "delivered" = "waiting";
    const deliver = (): void => {
      if (phase === "delivered") return;
      phase = "delivered";
      this.#later(arrives);
    };
    const fate = this.#options.fateOf?.({ frame, view, from: from?.names, to: to.names, deliver });
    if (fate !== "kept") deliver();
  }

  #notify(link: FabricLink, portId: number): void {
    const route = routeTo(FABRIC_CONTROLLER, link.portId, 0xffff);
    this.carry(frameOf(route, single(FcRctl.ElsRequest), rscn(portId)), undefined);
  }

  /** Everything of one turn arrives in one later turn, in order. */
  #later(task: () => void): void {
    const { clock, latencyMs = 0 } = this.#options;
    if (latencyMs > 0) {
      clock.at(clock.nowMs() + latencyMs, task);
      return;
    }
    this.#queue.push(task);
    if (this.#queue.length > 1) return;
    clock.defer(this.#arrivals);
  }

  readonly #arrivals = (): void => {
    const queue = this.#queue;
    this.#queue = [];
    let arrived = 0;
    try {
      for (; arrived < queue.length; arrived++) queue[arrived]!();
    } finally {
      // Whoever throws keeps nothing from the others.
      const rest = queue.slice(arrived + 1);
      if (rest.length > 0) {
        if (this.#queue.length === 0) this.#options.clock.defer(this.#arrivals);
        this.#queue = [...rest, ...this.#queue];
      }
    }
  };
}

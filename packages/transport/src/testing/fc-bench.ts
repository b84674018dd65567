// A host and a target over a fabric in memory, with a say over each frame: for tests of FC alone.
// Read first: ../fc/fabric.ts, ../fc/host-transport.ts, ../fc/controller-port.ts.

import {
  Cqe,
  DataDirection,
  type NvmeofError,
  Sqe,
  cqeStatus,
  encode,
  viewOf,
} from "@nvmeof/codec";
import { FcControllerPort } from "../fc/controller-port.ts";
import { Fabric, type FabricOptions, type FrameFate, type FrameOnTheWay } from "../fc/fabric.ts";
import { SoftHostPort } from "../fc/host-port.ts";
import { FcHost, type FcHostOptions } from "../fc/host-transport.ts";
import { type PortNames, traddrOf } from "../fc/names.ts";
import type { RemotePort } from "../fc/port.ts";
import { SoftTargetPort } from "../fc/target-port.ts";
import type {
  ControllerEvents,
  ControllerLink,
  QueueEvents,
  QueueLink,
  QueueOwner,
  Transport,
} from "../queue-link.ts";
import { VirtualClock } from "./virtual-clock.ts";

/** Who the two are. */
export const hostNames: PortNames = {
  nodeName: 0x2000_0000_0000_0001n,
  portName: 0x2100_0000_0000_0001n,
};
export const targetNames: PortNames = {
  nodeName: 0x2000_0000_0000_0002n,
  portName: 0x2100_0000_0000_0002n,
};

const owner: QueueOwner = {
  hostNqn: "nqn.2014-08.org.nvmexpress:uuid:6d1f9c1e-0b5a-4f5e-9c39-0d8a4c0b7e11",
  hostId: "6d1f9c1e-0b5a-4f5e-9c39-0d8a4c0b7e11",
  subsystemNqn: "nqn.2026-01.dev.nvmeof:fc",
};

/** A host's end of a queue, and what it was told. */
export class BenchQueue implements QueueEvents {
  link!: QueueLink;
  readonly events: string[] = [];
  /** Completions as [CID, status, SQHD]. */
  readonly completions: [cid: number, status: number, sqhd: number][] = [];
  error: NvmeofError | undefined;
  /** Called inside each completion. */
  onCompleted: (cid: number) => void = () => {};
  /** Called inside the loss. */
  onLost: () => void = () => {};

  get isOpen(): boolean {
    return this.events.includes("opened");
  }

  /** Submits a command: opcode 1 writes `data`, 2 reads into it. */
  submit(cid: number, opc: number, data?: Uint8Array): void {
    const sqe = new Uint8Array(Sqe.size);
    encode(Sqe, viewOf(sqe), 0, { opc, nsid: 1 });
    const direction = data === undefined ? DataDirection.None : ((opc & 3) as DataDirection);
    this.link.submit(cid, sqe, direction, data);
  }

  opened(): void {
    this.events.push("opened");
  }

  completed(cid: number, view: DataView, base: number): void {
    this.events.push(`completed ${cid}`);
    this.completions.push([cid, cqeStatus.get(view, base), Cqe.sqhd.get(view, base)]);
    this.onCompleted(cid);
  }

  lost(error: NvmeofError): void {
    this.error = error;
    this.events.push("lost");
    this.onLost();
  }
}

/** A controller's end: writes are fetched and kept, reads are answered with them. */
export class BenchController implements ControllerEvents {
  readonly link: ControllerLink;
  readonly events: string[] = [];
  readonly store = new Uint8Array(1024 * 1024);
  answers: "at once" | "never" = "at once";

  constructor(link: ControllerLink) {
    this.link = link;
  }

  opened(): void {
    this.events.push("opened");
    this.link.configure(32, true, 0);
  }

  command(tag: number): void {
    const { link } = this;
    const opc = Sqe.opc.get(link.sqe(tag));
    const bytes = link.transferBytes(tag);
    this.events.push(`command ${Sqe.cid.get(link.sqe(tag))}`);
    if (this.answers === "never") return;
    if (opc === 1) link.fetch(tag, this.store.subarray(0, bytes));
    else if (opc === 2) link.respond(tag, 0, 0, 0, this.store.slice(0, bytes));
    else link.respond(tag, 0, 0, 0);
  }

  fetched(tag: number, status: number): void {
    this.events.push(status === 0 ? "fetched" : "not fetched");
    this.link.respond(tag, status, 0, 0);
  }

  lost(): void {
    this.events.push("lost");
  }
}

/** See the file's first line. */
export class FcBench {
  readonly clock = new VirtualClock();
  readonly fabric: Fabric;
  readonly hostPort: SoftHostPort;
  readonly targetPort: SoftTargetPort;
  readonly host: FcHost;
  readonly controllers: FcControllerPort;
  readonly transport: Transport;
  /** Controllers' ends, in the order of their connections. */
  readonly ends: BenchController[] = [];
  /** Frames so far, as "toHost"/"toTarget" and R_CTL in hexadecimal. */
  readonly frames: string[] = [];
  fateOf: (frame: FrameOnTheWay) => FrameFate = () => "pass";
  /** Called after each frame was decided upon. */
  onFrame: () => void = () => {};
  #owner: QueueOwner = { ...owner };

  constructor(options: Partial<FcHostOptions> = {}, fabric: Partial<FabricOptions> = {}) {
    const { clock } = this;
    const fateOf = (frame: FrameOnTheWay): FrameFate => this.#fate(frame);
    this.fabric = new Fabric("fabric", { ...fabric, clock, fateOf });
    const hostLink = this.fabric.link(hostNames);
    const targetLink = this.fabric.link(targetNames);
    this.hostPort = new SoftHostPort({ link: hostLink, clock, names: hostNames });
    this.targetPort = new SoftTargetPort({ link: targetLink, clock, names: targetNames });
    this.host = new FcHost({ port: this.hostPort, clock, ...options });
    this.controllers = new FcControllerPort({ port: this.targetPort, clock, local: "target" });
    this.controllers.listen((link) => {
      const end = new BenchController(link);
      this.ends.push(end);
      return end;
    });
    const address = { trtype: "fc", traddr: traddrOf(targetNames), trsvcid: "" };
    this.transport = this.host.transport(address);
    clock.settle();
  }

  /** Begins to open a queue; of the same association as the one before, unless it is queue 0. */
  open(qid: number, timeoutMs = 5_000): BenchQueue {
    if (qid === 0) this.#owner = { ...owner };
    const queue = new BenchQueue();
    const options = { qid, slots: 32, inCapsuleBytes: 0, timeoutMs, owner: this.#owner };
    queue.link = this.transport.openQueue(options, queue);
    return queue;
  }

  /** An association: its admin queue, and as many I/O queues. */
  associate(ioQueues = 1): BenchQueue[] {
    const queues = [this.open(0)];
    this.clock.settle();
    for (let qid = 1; qid <= ioQueues; qid++) queues.push(this.open(qid));
    this.clock.settle();
    return queues;
  }

  /** The target as the host's port has it. */
  targetAtHost(): RemotePort {
    return this.host.associations[0]!.remote!;
  }

  /** The host as the target's port has it. */
  hostAtTarget(): RemotePort {
    return this.targetPort.hosts[0]!;
  }

  #fate(frame: FrameOnTheWay): FrameFate {
    const way = frame.to.portName === hostNames.portName ? "toHost" : "toTarget";
    this.frames.push(`${way} ${frame.view.getUint8(0).toString(16)}`);
    const fate = this.fateOf(frame);
    this.onFrame();
    return fate;
  }
}

// A host for tests: queues over memory and SQEs made by hand, so that a test can say anything.
// Read first: @nvmeof/transport queue-link.ts; Base 2.0 §6 "Fabrics Command Set".

import {
  AdminOpcode,
  Cc,
  ConnectCommand,
  ConnectData,
  Cqe,
  DataDirection,
  type Decoded,
  Fctype,
  NvmOpcode,
  type NvmeofError,
  OPC_FABRICS,
  Property,
  PropertyGetCommand,
  PropertySetCommand,
  RwCommand,
  Sqe,
  codeOf,
  cqeStatus,
  directionOf,
  encodeDword,
  encoded,
  viewOf,
} from "@nvmeof/codec";
import { type CloseHow, MemoryPort, type QueueLink, hostTransport } from "@nvmeof/transport";
import type { VirtualClock } from "@nvmeof/transport/testing";
import { type SubsystemOptions, Target, type TargetOptions } from "../index.ts";

export const SUBSYSTEM_NQN = "nqn.2024-01.com.example:target";
export const HOST_NQN = "nqn.2024-01.com.example:host";

/** How a command ended. */
export interface Answer {
  /** SCT and SC; 0 for success. */
  readonly code: number;
  /** With Do Not Retry. */
  readonly status: number;
  readonly dw0: number;
  readonly dw1: number;
}

/** A target over memory, in virtual time, with one subsystem and one port. */
export class World {
  readonly clock: VirtualClock;
  readonly port: MemoryPort;
  readonly target: Target;

  constructor(
    clock: VirtualClock,
    subsystem: Partial<SubsystemOptions> = {},
    options: Omit<TargetOptions, "clock"> = {},
  ) {
    this.clock = clock;
    this.target = new Target({ ...options, clock });
    this.target.addSubsystem({ nqn: SUBSYSTEM_NQN, ...subsystem });
    this.port = this.listen("port");
  }

  get subsystem() {
    return this.target.subsystems[0]!;
  }

  /** One more port. */
  listen(name: string, latencyMs = 0, offers: "all" | "discovery" = "all"): MemoryPort {
    const listener = new MemoryPort(name, { clock: this.clock, latencyMs });
    const address = { trtype: "loop", traddr: name, trsvcid: "" };
    this.target.listen({ listener, address, offers });
    return listener;
  }

  /** A queue whose connection is initialised, and no more. */
  openQueue(port = this.port, slots = 32, inCapsuleBytes = 8192): RawQueue {
    const queue = new RawQueue(this.clock, port, slots, inCapsuleBytes);
    this.clock.settle();
    return queue;
  }

  /** A controller of the subsystem, connected and enabled. */
  connect(options: ConnectOptions = {}, port = this.port): RawController {
    const admin = this.openQueue(port);
    const { code, dw0 } = admin.run(connectSqe(options), connectData(options));
    if (code !== 0) throw new Error(`Connect was refused with ${code.toString(16)}h`);
    const controller = new RawController(this, admin, dw0 & 0xffff, options, port);
    controller.enable();
    return controller;
  }

  /** Lets a promise of the target resolve: virtual time does not run what promises wait for. */
  async resolved<T>(promise: Promise<T>): Promise<T> {
    const settled: T[] = [];
    void promise.then((value) => settled.push(value));
    // A few turns, each with all that it defers, then the time that bounds every close.
    for (let turn = 0; settled.length === 0 && turn < 100; turn++) {
      await Promise.resolve();
      if (turn % 10 === 9) this.clock.advance(500);
      else this.clock.settle();
    }
    return promise;
  }
}

/** What Connect says, in place of what a good one says. */
export interface ConnectOptions {
  readonly hostNqn?: string;
  readonly subsystemNqn?: string;
  /** Byte that fills the Host Identifier. Default 1. */
  readonly hostId?: number;
  readonly qid?: number;
  readonly queueDepth?: number;
  readonly cntlid?: number;
  readonly keepAliveTimeoutMs?: number;
  readonly flowControl?: boolean;
  readonly recfmt?: number;
}

export const connectSqe = (options: ConnectOptions = {}): Uint8Array =>
  encoded(ConnectCommand, {
    opc: OPC_FABRICS,
    fctype: Fctype.Connect,
    recfmt: options.recfmt ?? 0,
    qid: options.qid ?? 0,
    sqsize: options.queueDepth ?? 32,
    dsqfc: options.flowControl === false ? 1 : 0,
    kato: options.keepAliveTimeoutMs ?? 0,
  });

export const connectData = (options: ConnectOptions = {}): Uint8Array =>
  encoded(ConnectData, {
    hostid: new Uint8Array(16).fill(options.hostId ?? 1),
    cntlid: options.cntlid ?? 0xffff,
    subnqn: options.subsystemNqn ?? SUBSYSTEM_NQN,
    hostnqn: options.hostNqn ?? HOST_NQN,
  });

/** A host's end of one connection. */
export class RawQueue {
  /** Why the connection ended, by the target. */
  lost: NvmeofError | undefined;
  /** Answers by CID; a CID is given once. */
  readonly answers = new Map<number, Answer>();
  readonly #clock: VirtualClock;
  readonly #link: QueueLink;
  #nextCid = 0;
  readonly #slots: number;

  constructor(clock: VirtualClock, port: MemoryPort, slots: number, inCapsuleBytes: number) {
    this.#clock = clock;
    this.#slots = slots;
    const transport = hostTransport({
      address: { trtype: "loop", traddr: port.local, trsvcid: "" },
      connector: port,
      clock,
    });
    this.#link = transport.openQueue(
      { qid: 0, slots, inCapsuleBytes, timeoutMs: 1000 },
      {
        opened: () => {},
        completed: (cid, view, base) => this.#completed(cid, view, base),
        lost: (error) => {
          this.lost = error;
        },
      },
    );
  }

  /** Sends a command; its CID. */
  send(sqe: Uint8Array, data?: Uint8Array): number {
    const cid = this.#nextCid;
    this.#nextCid = (this.#nextCid + 1) % this.#slots;
    this.answers.delete(cid);
    const opcode = Sqe.opc.get(viewOf(sqe));
    const direction = directionOf(opcode === OPC_FABRICS ? sqe[4]! : opcode);
    const moved = direction === DataDirection.None ? DataDirection.ToController : direction;
    this.#link.submit(cid, sqe, moved, data);
    return cid;
  }

  /** Sends a command and lets its answer come. */
  run(sqe: Uint8Array, data?: Uint8Array): Answer {
    const cid = this.send(sqe, data);
    this.#clock.settle();
    const answer = this.answers.get(cid);
    if (answer === undefined)
      throw new Error(`no answer${this.lost ? `: ${this.lost.message}` : ""}`);
    return answer;
  }

  close(how: CloseHow = "reset"): void {
    this.#link.close(how);
    this.#clock.settle();
  }

  #completed(cid: number, view: DataView, base: number): void {
    const status = cqeStatus.get(view, base);
    this.answers.set(cid, {
      code: codeOf(status),
      status,
      dw0: Cqe.dw0.get(view, base),
      dw1: Cqe.dw1.get(view, base),
    });
  }
}

/** CC with EN, and what it needs. */
export const ENABLED: number = encodeDword(Cc, { en: 1, iosqes: 6, iocqes: 4 });

/** A host's view of a controller. */
export class RawController {
  readonly world: World;
  readonly admin: RawQueue;
  readonly cntlid: number;
  readonly #options: ConnectOptions;
  readonly #port: MemoryPort;

  constructor(
    world: World,
    admin: RawQueue,
    cntlid: number,
    options: ConnectOptions,
    port: MemoryPort,
  ) {
    this.world = world;
    this.admin = admin;
    this.cntlid = cntlid;
    this.#options = options;
    this.#port = port;
  }

  enable(): Answer {
    return this.setCc(ENABLED);
  }

  setCc(value: number): Answer {
    return this.admin.run(propertySet(Property.Cc, value));
  }

  /** An I/O queue, connected. */
  openIo(qid = 1, queueDepth = 32, options: ConnectOptions = {}): RawQueue {
    const queue = this.world.openQueue(this.#port, queueDepth);
    const asked = { ...this.#options, cntlid: this.cntlid, qid, queueDepth, ...options };
    const { code } = queue.run(connectSqe(asked), connectData(asked));
    if (code !== 0) throw new Error(`Connect of queue ${qid} was refused: ${code.toString(16)}h`);
    return queue;
  }

  /** An admin command; what it reads is in `data`. */
  read<L extends { readonly size: number }>(
    layout: L,
    values: Partial<Decoded<L>>,
    bytes = 4096,
  ): Answer & { readonly data: Uint8Array } {
    const data = new Uint8Array(bytes);
    return { ...this.admin.run(encoded(layout, values), data), data };
  }

  /** Asks for one asynchronous event; the CID of the request. */
  awaitEvent(): number {
    const cid = this.admin.send(encoded(Sqe, { opc: AdminOpcode.AsyncEventRequest }));
    this.world.clock.settle();
    return cid;
  }
}

export const propertySet = (ofst: number, value: number, attrib = 0): Uint8Array =>
  encoded(PropertySetCommand, {
    opc: OPC_FABRICS,
    fctype: Fctype.PropertySet,
    attrib,
    ofst,
    value,
  });

export const propertyGet = (ofst: number, attrib = 0): Uint8Array =>
  encoded(PropertyGetCommand, {
    opc: OPC_FABRICS,
    fctype: Fctype.PropertyGet,
    attrib,
    ofst,
  });

/** Read, Write, Compare and the like, of namespace 1 unless said otherwise. */
export const ioSqe = (
  opc: number,
  lba: number,
  blockCount: number,
  more: Partial<Decoded<typeof RwCommand>> = {},
): Uint8Array => encoded(RwCommand, { opc, nsid: 1, slba: lba, nlb: blockCount, ...more });

export const readSqe = (lba: number, blockCount: number): Uint8Array =>
  ioSqe(NvmOpcode.Read, lba, blockCount);

export const writeSqe = (lba: number, blockCount: number): Uint8Array =>
  ioSqe(NvmOpcode.Write, lba, blockCount);

/** Bytes that tell where they are. */
export const pattern = (bytes: number, seed = 7): Uint8Array =>
  Uint8Array.from({ length: bytes }, (_, i) => (i * 31 + seed) & 0xff);

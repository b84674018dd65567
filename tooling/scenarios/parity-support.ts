// What the parity scenarios share: a wire to look at and to cut, and a device that fails to order.
// Read first: world.ts and faulty-port.ts, which these stand beside; byte-stream.ts of the transport.

import {
  type BlockOp,
  type BlockRequest,
  type BlockSettle,
  type LocalChannel,
  LocalDevice,
  memoryDevice,
} from "@nvmeof/bdev";
import type { NvmeGroup } from "@nvmeof/bdev/nvme";
import {
  AdminOpcode,
  CAPSULE_OFFSET,
  DataPdu,
  IdentifyCommand,
  Lid,
  NvmeofError,
  PduType,
  Sqe,
} from "@nvmeof/codec";
import type { Controller, ControllerOptions, State } from "@nvmeof/core";
import { type NamespaceOptions, Target } from "@nvmeof/target";
import {
  type ByteStream,
  type ByteStreamHandler,
  type Connector,
  Region,
  type StreamOptions,
  type Transport,
  TransportError,
  hostTransport,
} from "@nvmeof/transport";
import { joined } from "@nvmeof/transport/testing";
import { FaultyPort } from "./faulty-port.ts";
import { BLOCK_BYTES, NQN, type Watched, World, type WorldOptions } from "./world.ts";

/** A PDU from the controller, before the host sees it. */
export interface WirePdu {
  /** Of which connection: 0 is the first that was opened on this wire. */
  readonly connection: number;
  /** Its number among all PDUs of this wire, from 0. */
  readonly number: number;
  readonly type: number;
  /** Data that it brings, bytes. */
  readonly dataBytes: number;
  /** What it brings data for: the opcode, and CNS or LID of the command; -1 for all other PDUs. */
  readonly opcode: number;
  readonly selector: number;
}

/** What a command asks for, as far as `WirePdu` tells it. */
interface Asked {
  readonly opcode: number;
  readonly selector: number;
}

const NOTHING: Asked = { opcode: -1, selector: -1 };

/** What becomes of a PDU: it arrives, or is lost, or arrives twice, or its connection is reset. */
export type WireFate = "arrives" | "lost" | "twice" | "reset";

interface WireStream {
  readonly stream: ByteStream;
  readonly handler: ByteStreamHandler;
  /** Commands that were sent, by CID. */
  readonly asked: Map<number, Asked>;
  over: "no" | "yes";
}

/**
 * The port as one of bytes, for scenarios about bytes: in a world over another transport, this one
 * port becomes one.
 */
export function bytesPort(world: World, at: number): FaultyPort {
  const port = world.ports[at];
  if (port instanceof FaultyPort) return port;
  const bytes = new FaultyPort(`port${at}`, world.clock);
  world.replacePort(at, bytes);
  return bytes;
}

/** A connector in front of a port that decides over each PDU on its way to the host. */
export class Wire implements Connector {
  readonly remote: string;
  /** Connections so far: of one association, the admin queue's comes first. */
  readonly streams: WireStream[] = [];
  /** PDUs that came from the controller so far. */
  pdus = 0;
  /** Connections beyond this many are refused. */
  connectionsMax = Infinity;
  fateOf: (pdu: WirePdu) => WireFate = () => "arrives";
  /** Changes the data of an answer, before `fateOf` is asked. */
  alter: (pdu: WirePdu, data: DataView) => void = () => {};
  readonly transport: Transport;
  readonly #port: FaultyPort;
  readonly #world: World;

  constructor(world: World, at = 0) {
    this.#world = world;
    this.#port = bytesPort(world, at);
    this.remote = this.#port.remote;
    this.transport = hostTransport({
      address: { trtype: "loop", traddr: `port${at}`, trsvcid: "" },
      connector: this,
      clock: world.hostClock,
    });
  }

  connect(options: StreamOptions, handler: ByteStreamHandler): ByteStream {
    if (this.streams.length >= this.connectionsMax) this.#port.refuse();
    const connection = this.streams.length;
    const stream = this.#port.connect(options, {
      opened: () => handler.opened(),
      received: (buffer, start, end) => this.#received(connection, buffer, start, end),
      drained: () => handler.drained(),
      ended: (error) => {
        if (this.#end(connection)) handler.ended(error);
      },
    });
    const asked = new Map<number, Asked>();
    this.streams.push({ stream, handler, asked, over: "no" });
    return {
      remote: stream.remote,
      write: (pieces) => {
        noteCommands(pieces, asked);
        stream.write(pieces);
      },
      pause: () => stream.pause(),
      resume: () => stream.resume(),
      close: () => stream.close(),
      reset: () => stream.reset(),
    };
  }

  /** One connection ends with a reset that both ends see; the others go on. */
  reset(connection: number): void {
    const { stream, handler } = this.streams[connection]!;
    if (!this.#end(connection)) return;
    stream.reset();
    const error = new TransportError("connection-lost", `${this.remote} reset the connection`);
    this.#world.clock.defer(() => handler.ended(error));
  }

  /** Lets the host receive bytes that its controller has not sent. */
  inject(connection: number, bytes: Uint8Array): void {
    this.streams[connection]!.handler.received(new Region(bytes), 0, bytes.length);
  }

  #end(connection: number): boolean {
    const each = this.streams[connection]!;
    if (each.over === "yes") return false;
    each.over = "yes";
    return true;
  }

  /** Over memory a controller's write arrives whole, so that PDUs need not be put together. */
  #received(connection: number, buffer: Region, start: number, end: number): void {
    const { asked, handler } = this.streams[connection]!;
    for (let at = start; at < end;) {
      const pduEnd = at + buffer.view.getUint32(at + 4, true);
      const type = buffer.bytes[at]!;
      const dataAt = at + buffer.bytes[at + 3]!;
      const dataBytes = type === PduType.C2HData ? pduEnd - dataAt : 0;
      const cid = buffer.view.getUint16(at + DataPdu.cccid.offset, true);
      const of = (dataBytes > 0 ? asked.get(cid) : undefined) ?? NOTHING;
      const pdu = { connection, number: this.pdus++, type, dataBytes, ...of };
      if (dataBytes > 0) this.alter(pdu, new DataView(buffer.bytes.buffer, dataAt, dataBytes));
      const fate = this.fateOf(pdu);
      if (this.streams[connection]!.over === "yes") return;
      if (fate === "reset") return this.reset(connection);
      if (fate !== "lost") handler.received(buffer, at, pduEnd);
      if (fate === "twice") handler.received(buffer, at, pduEnd);
      at = pduEnd;
    }
  }
}

/** A host's write is whole PDUs as well: those that carry commands say what they are for. */
function noteCommands(pieces: readonly Uint8Array[], asked: Map<number, Asked>): void {
  const bytes = joined(...pieces);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < bytes.length; at += view.getUint32(at + 4, true)) {
    if (bytes[at] !== PduType.CapsuleCmd) continue;
    const sqe = at + CAPSULE_OFFSET;
    const selector = IdentifyCommand.cns.get(view, sqe);
    asked.set(Sqe.cid.get(view, sqe), { opcode: Sqe.opc.get(view, sqe), selector });
  }
}

/** A memory of blocks that fails, or holds back, what it is told to. */
export class ObedientDevice extends LocalDevice {
  /** Requests that reached it, oldest first. */
  readonly seen: { readonly op: BlockOp; readonly lba: number; readonly blockCount: number }[] = [];
  /** Statuses for the next requests to fail with, oldest first; 0 stands for success. */
  statuses: number[] = [];
  answers: "at once" | "held" = "at once";
  readonly #memory;
  #held: { channel: LocalChannel; settle: BlockSettle; error: NvmeofError | undefined }[] = [];

  constructor(world: World, name = "obedient", blockCount = 4096) {
    const memory = memoryDevice({ name, clock: world.clock, blockBytes: BLOCK_BYTES, blockCount });
    super({
      name,
      clock: world.clock,
      blockBytes: BLOCK_BYTES,
      blockCount,
      limits: memory.limits,
      features: memory.features,
    });
    this.#memory = memory.openChannel();
  }

  /** Requests that it has and did not settle. */
  get held(): number {
    return this.#held.length;
  }

  /** Settles all that it holds, oldest first, and holds nothing more. */
  letGo(): void {
    this.answers = "at once";
    const held = this.#held;
    this.#held = [];
    for (const { channel, settle, error } of held) channel.finish(settle, error);
  }

  execute(channel: LocalChannel, request: BlockRequest, settle: BlockSettle): void {
    const { op, lba, blockCount } = request;
    this.seen.push({ op, lba, blockCount });
    const status = this.statuses.shift() ?? 0;
    const done = (error: NvmeofError | undefined): void => {
      if (this.answers === "held") this.#held.push({ channel, settle, error });
      else channel.finish(settle, error);
    };
    if (status === 0) this.#memory.submit(request, done);
    else this.clock.defer(() => done(new NvmeofError("NVME_ERR_TEST", "told to", { status })));
  }
}

/** A world whose only namespace is a device that does as it is told. */
export function obedientWorld(options: WorldOptions = {}, blockCount = 4096) {
  const world = new World({ ...options, namespaces: [] });
  const disk = new ObedientDevice(world, "obedient", blockCount);
  world.subsystem.addNamespace({ device: disk, anaGroup: 1 });
  return { world, disk };
}

/** One more port of the target. */
export function addPort(world: World): void {
  const at = world.ports.length;
  const listener = new FaultyPort(`port${at}`, world.clock);
  world.ports.push(listener);
  const address = { trtype: "loop", traddr: `port${at}`, trsvcid: "" };
  world.target.listen({ listener, portId: at + 1, address });
}

/** Options of a controller that connects by `wires`, one at a time. */
export const wired = (world: World, ...wires: Wire[]): ControllerOptions => ({
  ...world.controllerOptions(),
  transport: wires.map(({ transport }) => transport),
});

/** States that a controller enters from now on, in their order. */
export function statesOf(controller: Controller): State[] {
  const states: State[] = [];
  controller.observe((event) => {
    if (event.type === "state") states.push(event.to);
  });
  return states;
}

/** A second target, with a port of its own, whose subsystem claims the same name. */
export function impostor(world: World, namespace: Partial<NamespaceOptions> = {}): Transport {
  const port = new FaultyPort("impostor", world.clock);
  const address = { trtype: "loop", traddr: "impostor", trsvcid: "" };
  const target = new Target({ clock: world.clock });
  const device = memoryDevice({
    name: "other",
    clock: world.clock,
    blockBytes: BLOCK_BYTES,
    blockCount: 64,
  });
  target.addSubsystem({ nqn: NQN, namespaces: [{ device, nsid: 1, ...namespace }] });
  target.listen({ listener: port, address });
  return hostTransport({ address, connector: port, clock: world.hostClock });
}

/** Changes what controllers say of themselves, or of namespaces, in the structure that `cns` names. */
export function alterIdentify(wire: Wire, cns: number, alter: (page: DataView) => void): void {
  wire.alter = ({ opcode, selector }, data) => {
    if (opcode === AdminOpcode.Identify && selector === cns) alter(data);
  };
}

/** Whether a PDU brings a piece of the ANA log. */
export const bringsAnaLog = ({ opcode, selector }: WirePdu): boolean =>
  opcode === AdminOpcode.GetLogPage && selector === Lid.Ana;

/** The one controller of a group that has one. */
export function only(group: NvmeGroup): Controller {
  const [path, ...others] = group.controllers;
  if (path === undefined || others.length > 0) throw new Error("there is not exactly one");
  return path.controller;
}

/** A request to a controller as a promise that tells how it ended, and never rejects. */
export function asked(
  controller: Controller,
  what: "reset" | "disable" | "enable",
): Promise<NvmeofError | undefined> {
  return new Promise((resolve) => controller[what](resolve));
}

/** How requests ended: "ok", the code of the error, or how often it settled if not once. */
export const ends = (watched: readonly Watched[]): string[] =>
  watched.map(({ settled }) => {
    if (settled.length !== 1) return `settled ${settled.length} times`;
    return settled[0]!.error?.code ?? "ok";
  });

/** Do Not Retry of the error that a request ended with. */
export const isFinal = ({ settled }: Watched): boolean =>
  ((settled[0]?.error?.status ?? 0) & 0x4000) !== 0;

/** Any number of the same. */
export const times = <T>(count: number, value: T): T[] =>
  Array.from({ length: count }, () => value);

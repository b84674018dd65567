// Real hosts and real targets in virtual time, over streams that record themselves.
// Read first: recording.ts; the tests that use it say what must come of such captures.

import { type BlockChannel, BlockOp, type BlockOp as Op, memoryDevice } from "@nvmeof/bdev";
import { NvmeGroup } from "@nvmeof/bdev/nvme";
import { type ControllerHandle, discover, openController } from "@nvmeof/core";
import { Target } from "@nvmeof/target";
import { MemoryPort, hostTransport } from "@nvmeof/transport";
import { VirtualClock, eventually, resultOf } from "@nvmeof/transport/testing";
import { tracedConnector } from "../write/traced.ts";
import { Recording } from "./recording.ts";

export const NQN = "nqn.2026-01.dev.nvmeof:world";
const HOST_ID = "6d1f9c1e-0b5a-4f5e-9c39-0d8a4c0b7e11";
const BLOCK_BYTES = 512;
const address = { trtype: "tcp", traddr: "192.0.2.2", trsvcid: "4420" };

/** How host and target speak to each other. */
export interface Shape {
  readonly name: string;
  readonly headerDigest?: boolean;
  readonly dataDigest?: boolean;
  readonly pda?: number;
  readonly disableSqFlow?: boolean;
  readonly queueEntries?: number;
  readonly ioQueues?: number;
  /** Bytes that arrive together. */
  readonly chunkBytes?: number;
}

/** The shapes that every test of whole captures goes through. */
export const worldShapes: readonly Shape[] = [
  { name: "plain" },
  { name: "header digests", headerDigest: true },
  { name: "data digests", dataDigest: true },
  { name: "both digests, aligned to 128", headerDigest: true, dataDigest: true, pda: 31 },
  { name: "both digests", headerDigest: true, dataDigest: true },
  { name: "SQ flow control and a short queue", disableSqFlow: false, queueEntries: 4 },
  { name: "three queues without flow control", disableSqFlow: true, ioQueues: 3 },
  { name: "pieces of 100 bytes", headerDigest: true, chunkBytes: 100, ioQueues: 1 },
];

/** One request: what, where, how many blocks. */
type Request = readonly [op: Op, lba: number, blockCount: number];

/** A mix that moves data in every way: in the capsule, by R2T, in one C2HData or many. */
const usual: readonly Request[] = [
  [BlockOp.Write, 0, 1],
  [BlockOp.Write, 8, 16],
  [BlockOp.Write, 100, 300],
  [BlockOp.Read, 0, 1],
  [BlockOp.Read, 8, 16],
  [BlockOp.Flush, 0, 0],
  [BlockOp.Write, 500, 900],
  [BlockOp.Read, 500, 900],
  [BlockOp.WriteZeroes, 0, 8],
  [BlockOp.Read, 100, 300],
];

export class World {
  readonly clock = new VirtualClock();
  readonly recording = new Recording(() => this.clock.nowMs());
  readonly port: MemoryPort;
  readonly target: Target;
  group: NvmeGroup | undefined;
  readonly #shape: Shape;

  constructor(shape: Shape) {
    const { clock } = this;
    this.#shape = shape;
    const { chunkBytes, pda = 0 } = shape;
    this.port = new MemoryPort("port", {
      clock,
      latencyMs: 0.25,
      ...(chunkBytes === undefined ? {} : { chunkBytes: () => chunkBytes }),
    });
    const geometry = { blockBytes: BLOCK_BYTES, blockCount: 4096 };
    const device = memoryDevice({ name: "disk", clock, ...geometry });
    this.target = new Target({ clock });
    this.target.addSubsystem({ nqn: NQN, allowedHosts: "any", namespaces: [{ device }] });
    this.target.listen({ listener: this.port, portId: 1, address, pda });
  }

  #host() {
    return { hostNqn: `nqn.2014-08.org.nvmexpress:uuid:${HOST_ID}`, hostId: HOST_ID };
  }

  #transport() {
    const { headerDigest = false, dataDigest = false, pda = 0 } = this.#shape;
    const connector = tracedConnector(this.port, this.recording.writer);
    return hostTransport({ address, connector, clock: this.clock, headerDigest, dataDigest, pda });
  }

  /** Connects, as a host with all its queues. */
  async attach(): Promise<void> {
    const { disableSqFlow = true, queueEntries = 32, ioQueues = 1 } = this.#shape;
    this.group = new NvmeGroup({ name: "nvme0" });
    const asked = { ...this.#host(), subsystemNqn: NQN, disableSqFlow, queueEntries, ioQueues };
    await this.result(this.group.attach({ ...asked, transport: [this.#transport()] }));
  }

  /** Connects for admin commands alone. */
  async controller(): Promise<ControllerHandle> {
    const asked = { ...this.#host(), subsystemNqn: NQN, ioQueues: 0, transport: this.#transport() };
    return this.result(openController(asked));
  }

  /** Asks the target for its discovery log. */
  async discover(): Promise<void> {
    await this.result(discover({ ...this.#host(), transport: this.#transport() }));
  }

  /** Reads and writes; gives the errors of those that failed. */
  async load(requests: readonly Request[] = usual): Promise<unknown[]> {
    const channel: BlockChannel = this.group!.devices[0]!.openChannel();
    const errors: unknown[] = [];
    let open = 0;
    for (const [op, lba, blockCount] of requests) {
      const hasData = op === BlockOp.Read || op === BlockOp.Write;
      const data = hasData ? new Uint8Array(blockCount * BLOCK_BYTES).fill(lba) : undefined;
      open++;
      channel.submit({ op, lba, blockCount, data }, (error) => {
        open--;
        if (error !== undefined) errors.push(error);
      });
    }
    await eventually(this.clock, () => open === 0);
    channel.close();
    return errors;
  }

  async close(): Promise<void> {
    if (this.group !== undefined) await this.result(this.group.close());
    await this.result(this.target.close());
    this.clock.drain();
  }

  result<T>(promise: Promise<T>): Promise<T> {
    return resultOf(this.clock, promise);
  }
}

/** A capture of a host that connects, discovers, reads, writes and leaves. */
export async function worldCapture(shape: Shape): Promise<Uint8Array> {
  const world = new World(shape);
  await world.discover();
  await world.attach();
  const errors = await world.load();
  if (errors.length > 0) throw errors[0];
  await world.close();
  return world.recording.bytes;
}

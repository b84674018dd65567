// An NBD server in virtual time with devices in memory, and clients for it.
// Read first: nbd-client.ts.

import {
  type BlockDevice,
  type MemoryDevice,
  type MemoryDeviceOptions,
  memoryDevice,
} from "@nvmeof/bdev";
import { MemoryPort } from "@nvmeof/transport";
import { VirtualClock } from "@nvmeof/transport/testing";
import type { NbdExportOptions } from "../nbd/export.ts";
import type { NbdLimits } from "../nbd/limits.ts";
import { NbdServer, type NbdServerEvent } from "../nbd/server.ts";
import {
  type Answer,
  type Entered,
  RawNbdClient,
  type RequestFields,
  enter,
} from "./nbd-client.ts";

/** How a bench is set up. */
export interface NbdBenchOptions {
  readonly limits?: Partial<NbdLimits>;
  readonly device?: Partial<MemoryDeviceOptions>;
  readonly export?: Partial<NbdExportOptions>;
  /** In place of one in memory. */
  readonly backing?: (clock: VirtualClock) => BlockDevice;
  /** Most bytes that arrive together. */
  readonly chunkBytes?: () => number;
  /** Bytes that the client's side takes in without reading. */
  readonly windowBytes?: number;
}

/** One server with one export, called "disk". */
export class NbdBench {
  readonly clock = new VirtualClock();
  readonly server: NbdServer;
  readonly device: BlockDevice;
  readonly port: MemoryPort;
  readonly events: NbdServerEvent[] = [];
  readonly settle = (): void => this.clock.settle();

  constructor(options: NbdBenchOptions = {}) {
    const { clock } = this;
    const { limits, chunkBytes, windowBytes } = options;
    this.device =
      options.backing?.(clock) ??
      memoryDevice({ name: "m", clock, blockBytes: 512, blockCount: 4096, ...options.device });
    this.server = new NbdServer({ clock, limits });
    this.server.observe((event) => this.events.push(event));
    this.server.addExport({ name: "disk", device: this.device, ...options.export });
    this.port = new MemoryPort("nbd", {
      clock,
      ...(chunkBytes === undefined ? {} : { chunkBytes }),
      ...(windowBytes === undefined ? {} : { windowBytes }),
    });
    this.server.listen(this.port);
  }

  get memory(): MemoryDevice {
    return this.device as MemoryDevice;
  }

  /** A client that has said nothing. */
  connect(): RawNbdClient {
    const client = RawNbdClient.connect(this.port);
    this.settle();
    return client;
  }

  /** A client in the transmission phase. */
  client(how: Parameters<typeof enter>[2] = {}): RawNbdClient & { entered: Entered } {
    const client = this.connect();
    return Object.assign(client, { entered: enter(client, this.settle, how) });
  }

  /** One request and its answers. */
  ask(client: RawNbdClient, fields: RequestFields): Answer[] {
    client.request(fields);
    this.settle();
    return client.answers();
  }

  /** The error of a request; 0 for none. */
  errno(client: RawNbdClient, fields: RequestFields): number {
    const answers = this.ask(client, fields);
    if (answers.length === 0) throw new Error("no answer");
    return Math.max(...answers.map(({ errno }) => errno));
  }
}

// Workers of a world: the main side shares a namespace, and others open it, all in one thread and in
// virtual time. Read first: world.ts; packages/bdev/src/shared/shared-namespace.ts.

import type { BlockChannel } from "@nvmeof/bdev";
import {
  type HandleOptions,
  MemoryLink,
  NvmeHost,
  type OpenSharedOptions,
  type ShareLimits,
  type SharedHandle,
  type SharedNamespace,
  type WorkerDevice,
  openSharedOver,
} from "@nvmeof/bdev/nvme";
import type { Transport } from "@nvmeof/transport";
import { World, type WorldOptions } from "./world.ts";

type Handle = SharedHandle<MemoryLink>;

/** A worker that has the device. */
export interface Worker {
  readonly device: WorkerDevice;
  readonly channel: BlockChannel;
  /** Its end of the link. */
  readonly link: MemoryLink;
}

/** A transport to port `at` of a world, which says how another one is made. */
const withRecipe = (transport: Transport, at: number): Transport => ({
  ...transport,
  recipe: () => ({ trtype: "world", options: { at } }),
});

/** A world whose host shares namespace 1. */
export class SharedWorld extends World {
  host!: NvmeHost;
  shared!: SharedNamespace<MemoryLink>;
  /** Ends of the main side, in the order of the handles. */
  readonly ownEnds: MemoryLink[] = [];
  /** Ends of handles that were opened. */
  readonly workerEnds: MemoryLink[] = [];

  override transport(at: number): Transport {
    return withRecipe(super.transport(at), at);
  }

  /** Attaches all ports, and shares. */
  static async begin(options: WorldOptions = {}, limits: ShareLimits = {}): Promise<SharedWorld> {
    const world = new SharedWorld(options);
    const [first] = await world.attachAll();
    world.host = new NvmeHost(world.group, first!, world.controllerOptions());
    world.shared = world.host.share(1, { ...limits, channel: () => world.#channel() });
    return world;
  }

  handle(options: HandleOptions = {}): Handle {
    return this.shared.handle(options);
  }

  /** Opens a handle as a worker does. */
  open({ where, port }: Handle, options: OpenSharedOptions = {}): Promise<WorkerDevice> {
    this.workerEnds.push(port);
    const transportOf = (recipe: { readonly options: object }): Transport =>
      this.transport((recipe.options as { at: number }).at);
    // A handle goes to another thread as a copy.
    return openSharedOver(structuredClone(where), { link: port, transportOf }, options);
  }

  async worker(options: HandleOptions = {}): Promise<Worker> {
    const handle = this.handle(options);
    const device = await this.run(this.open(handle));
    await this.idle();
    return { device, channel: device.openChannel(), link: handle.port };
  }

  /** Connections of hosts, the main side's and those of workers. */
  get connections(): number {
    return this.ports.reduce((sum, port) => sum + port.connections, 0);
  }

  #channel(): { own: MemoryLink; other: MemoryLink } {
    const [own, other] = MemoryLink.pair(this.clock);
    this.ownEnds.push(own);
    return { own, other };
  }
}

// Load and faults by a seed, against a model of what each block may hold.
// Read first: reliability-anchors.md §4.1 (safety, then liveness), §4.2 (I21, I22); world.ts.

import { type BlockChannel, BlockOp } from "@nvmeof/bdev";
import type { Fencing, PathPolicy } from "@nvmeof/bdev/nvme";
import { AnaState } from "@nvmeof/codec";
import { type Random, seededRandom } from "@nvmeof/core";
import type { ScenarioPort, Silence } from "./network.ts";
import { BLOCK_BYTES, OVER, type Over, type Watched, World } from "./world.ts";
import { ZombieDisk } from "./zombie-disk.ts";

const BLOCKS = 16;
/** Less than any fence: what a disk does so late, fencing has to keep from doing harm. */
const DISK_DELAY_MAX_MS = 4_000;
const KATO_MS = 2_000;
/** Who is told that the outcome of a write is unknown has to fence by himself before he goes on. */
const OWN_FENCE_MS = 3 * KATO_MS + DISK_DELAY_MAX_MS + 1_000;

const policies: readonly PathPolicy[] = [
  { mode: "active-passive" },
  { mode: "active-passive", failback: false },
  { mode: "active-active", selector: "round-robin", minRequests: 2 },
  { mode: "active-active", selector: "queue-depth" },
];

/** What a block may hold: a writer at a time, so that the writes of a block have an order. */
class Block {
  /** Value of the last write that succeeded; 0 at first. */
  #settled = 0;
  /** Values of writes since then of which nobody knows whether they were done. */
  #uncertain: number[] = [];
  next = 1;

  wrote(value: number, outcome: string | undefined): void {
    if (outcome === "none") {
      this.#settled = value;
      this.#uncertain = [];
    } else if (outcome !== "not-sent") {
      this.#uncertain.push(value);
    }
  }

  /** A read that nothing else went on beside has found `value`: what was before it is history. */
  read(value: number): string | undefined {
    if (value === this.#settled) return undefined;
    const at = this.#uncertain.indexOf(value);
    if (at === -1) return `${value} where ${this.#settled} or [${this.#uncertain.join()}] may be`;
    this.#settled = value;
    // Earlier ones may not come back (I22); later ones may still come.
    this.#uncertain = this.#uncertain.slice(at + 1);
    return undefined;
  }
}

/** One run of a seed. `wrong` says what was not as it must be. */
export class Chaos {
  readonly world: World;
  readonly disk: ZombieDisk;
  readonly wrong: string[] = [];
  readonly faults: string[] = [];
  readonly #random: Random;
  readonly #blocks = Array.from({ length: BLOCKS }, () => new Block());
  readonly #channels: BlockChannel[] = [];
  #phase: "faults" | "rest" = "faults";
  #running = 0;

  constructor(seed: number, fencing: Fencing, over: Over = OVER) {
    const random = seededRandom(seed);
    this.#random = random;
    const disks: ZombieDisk[] = [];
    this.world = new World({
      over,
      ports: 2 + (seed % 2),
      namespaces: [64],
      group: {
        policy: policies[seed % policies.length]!,
        retry: { elapsedMaxMs: 20_000 },
        fencing,
      },
      controller: {
        keepAliveTimeoutMs: KATO_MS,
        ioTimeoutMs: 5_000,
        onTimeout: seed % 3 === 0 ? "abort" : "reset",
        ioQueues: 1 + (seed % 2),
        queueEntries: 5 + this.#below(12),
        connectTimeoutMs: 500,
        reconnect: { delayMs: 200, delayMaxMs: 1_000, fastFailMs: 5_000, lossMs: 3_600_000 },
      },
      disk: (clock, name, blockCount) => {
        disks.push(new ZombieDisk(clock, name, blockCount, random));
        return disks[0]!;
      },
    });
    this.disk = disks[0]!;
  }

  /** Load and faults for some time. */
  async begin(ms: number): Promise<void> {
    const { world } = this;
    await world.attachAll();
    this.disk.delayMaxMs = DISK_DELAY_MAX_MS;
    for (let i = 0; i < 2; i++) this.#channels.push(world.device().openChannel());
    for (let lba = 0; lba < BLOCKS; lba++) this.#user(lba);
    this.#nextFault();
    await world.pass(ms);
  }

  /** Nothing new from now on: neither load nor faults. What is broken stays broken. */
  stop(): void {
    this.#phase = "rest";
  }

  /** All is healed; I43: with healthy paths everything comes to an end, within the fence and the waits. */
  async rest(): Promise<void> {
    const { world } = this;
    this.stop();
    this.#healAll();
    this.disk.delayMaxMs = 0;
    world.subsystem.setAnaState({ group: 1, state: AnaState.Optimized });
    for (const { controller } of world.group.controllers) controller.enable(() => {});
    await world.runUntil(() => this.#running === 0, 120_000);
    await world.pass(OWN_FENCE_MS);
    const isLive = (): boolean =>
      world.group.controllers.every(({ controller }) => controller.state === "live");
    await world.runUntil(isLive, 60_000);
    for (const [lba, block] of this.#blocks.entries()) {
      const wrong = block.read(await world.readBack(this.#channels[0]!, lba));
      if (wrong !== undefined) this.wrong.push(`block ${lba} in the end: ${wrong}`);
    }
  }

  #below(limit: number): number {
    return this.#random.next32() % limit;
  }

  #pick<T>(values: readonly T[]): T {
    return values[this.#below(values.length)]!;
  }

  /** Reads and writes one block, one after another, with pauses. */
  #user(lba: number): void {
    if (this.#phase === "rest") return;
    this.#running++;
    const block = this.#blocks[lba]!;
    const channel = this.#pick(this.#channels);
    const value = block.next;
    const writes = this.#below(2) === 0 && value < 250;
    if (writes) block.next++;
    const request = writes
      ? { op: BlockOp.Write, lba, data: new Uint8Array(BLOCK_BYTES).fill(value) }
      : { lba };
    const watched = this.world.submit(channel, request);
    this.#then(watched, () => {
      const { error } = watched.settled[0]!;
      if (writes) block.wrote(value, error === undefined ? "none" : error.outcome);
      else if (error === undefined) this.#check(lba, block.read(watched.request.data![0]!));
      this.#running--;
      const unknown = writes && error?.outcome === "unknown";
      const pauseMs = unknown ? OWN_FENCE_MS : this.#below(200);
      this.world.clock.at(this.world.clock.nowMs() + pauseMs, () => this.#user(lba));
    });
    if (this.#below(50) === 0) this.#abort(watched);
  }

  #abort({ request }: Watched): void {
    for (const channel of this.world.device().channels) channel.abort(request);
  }

  #check(lba: number, wrong: string | undefined): void {
    if (wrong !== undefined)
      this.wrong.push(`block ${lba} at ${this.world.clock.nowMs()}: ${wrong}`);
  }

  #then(watched: Watched, task: () => void): void {
    const look = (): void => {
      if (watched.settled.length === 0) this.world.clock.at(this.world.clock.nowMs() + 1, look);
      else task();
    };
    look();
  }

  #nextFault(): void {
    if (this.#phase === "rest") return;
    const { clock } = this.world;
    const port = this.#pick(this.world.ports);
    const { group } = this.world;
    const path = this.#pick(group.controllers);
    const kinds: Record<string, () => void> = {
      reset: () => port.reset(),
      fin: () => port.fin(),
      refuse: () => port.refuse(),
      blackhole: () => this.#silence(port, { toHost: true, toController: true }),
      "silent to host": () => port.blackhole({ toHost: true, toController: false }),
      "silent to target": () => this.#silence(port, { toHost: false, toController: true }),
      hold: () => (port.climate = { toHost: "held" }),
      "one silent queue": () => (this.#thaw(), port.links.at(-1)?.blackhole()),
      rechunk: () => port.rechunk(1 + this.#below(200)),
      "stop reading": () => port.stopReading(),
      heal: () => port.heal(),
      "heal all": () => this.#healAll(),
      freeze: () => this.#freeze(),
      thaw: () => this.world.target.thaw(),
      ana: () =>
        this.world.subsystem.setAnaState({
          group: 1,
          state: this.#pick(Object.values(AnaState)),
          portId: 1 + this.#below(this.world.ports.length),
        }),
      "controller reset": () => path?.controller.reset(() => {}),
      disable: () => path?.controller.disable(() => {}),
      enable: () => path?.controller.enable(() => {}),
      rescan: () => path?.rescan(),
      "device reset": () =>
        void this.world
          .device()
          .reset()
          .catch(() => {}),
      prefer: () => this.world.device().prefer(this.#pick(this.world.device().paths)),
      "another way": () => void this.#detached(),
      policy: () => (group.policy = this.#pick(policies)),
    };
    const name = this.#pick(Object.keys(kinds));
    this.faults.push(`${clock.nowMs()} ${name} ${port.remote}`);
    kinds[name]!();
    clock.at(clock.nowMs() + this.#below(2_000), () => this.#nextFault());
  }

  /**
   * A target whose process stands still does not count the time, and what it held it may do when it
   * goes on: no fence by time holds against that, unless it learns that the host has gone.
   */
  #freeze(): void {
    for (const port of this.world.ports) port.climate = { toController: "clear" };
    const silent = this.world.ports.some(({ links }) =>
      links.some(({ toController }) => toController?.weather === "silent"),
    );
    if (!silent) this.world.target.freeze();
  }

  #thaw(): void {
    this.world.target.thaw();
  }

  #silence(port: ScenarioPort, silence: Silence): void {
    this.#thaw();
    port.blackhole(silence);
  }

  /** One path is taken away and attached again, as long as there is another one. */
  async #detached(): Promise<void> {
    const { group } = this.world;
    const { controllers } = group;
    const { paths } = this.world.device();
    if (paths.length < this.world.ports.length || this.#phase === "rest") return;
    const at = this.#below(controllers.length);
    const { traddr } = controllers[at]!.controller.options.transports[0]!.address;
    const port = Number(traddr.replace("port", ""));
    await group.detach(controllers[at]!);
    const { clock } = this.world;
    for (;;) {
      await new Promise<void>((resolve) => clock.at(clock.nowMs() + 500, resolve));
      if ((this.#phase as string) === "rest") return;
      try {
        await group.attach(this.world.controllerOptions([port]));
        return;
      } catch {
        // Refused, silent, frozen: again, as somebody would who wants his paths back.
      }
    }
  }

  #healAll(): void {
    for (const port of this.world.ports) {
      port.heal();
      port.rechunk(100_000);
    }
    this.world.target.thaw();
  }
}

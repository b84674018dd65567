// Hosts that come and go: connect, do a little, leave; in good order, in the middle of it, or not even that far.
// Read first: ledger.ts. Whatever a fault does to them, they end by typed errors only, and leave nothing.

import { BlockOp, openDisk } from "@nvmeof/bdev";
import { type ConnectOptions, type NvmeHost, connect } from "@nvmeof/bdev/nvme";
import { NvmeofError, isNvmeofError } from "@nvmeof/codec";
import type { Random } from "@nvmeof/core";
import { after } from "@nvmeof/tooling-support";
import { type Ledger, watched } from "./ledger.ts";

/** Least time from one host to the next, ms: addresses of closed connections stay in use for a minute. */
const PACE_MS = 40;
const READS = 8;
/** Time that somebody waits for a connection who then thinks better of it, at most, ms. */
const PATIENCE_MS = 30;

/** How those hosts fared. */
export interface ChurnCounts {
  /** Left in good order. */
  orderly: number;
  /** Left with requests under way. */
  abrupt: number;
  /** Gave up connecting. */
  given: number;
  /** Met a fault. */
  failed: number;
}

/** One host after another, until it is stopped. */
export class Churn {
  readonly #options: ConnectOptions;
  readonly #ledger: Ledger;
  readonly #random: Random;
  readonly counts: ChurnCounts = { orderly: 0, abrupt: 0, given: 0, failed: 0 };
  /** What no host may be told, the first of it. */
  wrong: unknown;
  #running = true;
  readonly #ended: Promise<void>;

  constructor(options: ConnectOptions, ledger: Ledger, random: Random) {
    this.#options = options;
    this.#ledger = ledger;
    this.#random = random;
    this.#ended = this.#run();
  }

  /** No host from now on. Resolves when the last one has left. */
  stop(): Promise<void> {
    this.#running = false;
    return this.#ended;
  }

  async #run(): Promise<void> {
    while (this.#running) {
      const pace = new Promise<void>((resolve) => after(PACE_MS, resolve));
      await Promise.all([this.#visit(), pace]);
    }
  }

  async #visit(): Promise<void> {
    const kind = (["orderly", "abrupt", "given"] as const)[this.#random.next32() % 3]!;
    try {
      if (kind === "given") await this.#giveUp();
      else await this.#stay(kind);
      this.counts[kind]++;
    } catch (error) {
      this.counts.failed++;
      if (!isNvmeofError(error)) this.wrong ??= error;
    }
  }

  async #stay(kind: "orderly" | "abrupt"): Promise<void> {
    const host = await connect(this.#options);
    try {
      if (kind === "orderly") await this.#work(host);
      else await this.#leave(host);
    } finally {
      await host.close();
    }
  }

  async #work(host: NvmeHost): Promise<void> {
    const disk = openDisk(watched(await host.openNamespace(1), this.#ledger));
    const data = new Uint8Array(disk.blockBytes);
    for (let lba = 0; lba < READS; lba++) await disk.read(lba, data);
    await disk.close();
  }

  /** Does not wait for what it asked for; all of it must be answered by the time that it is gone. */
  async #leave(host: NvmeHost): Promise<void> {
    const device = watched(await host.openNamespace(1), this.#ledger);
    const channel = device.openChannel();
    let answers = 0;
    for (let lba = 0; lba < READS; lba++) {
      const data = new Uint8Array(device.blockBytes);
      channel.submit({ op: BlockOp.Read, lba, blockCount: 1, data }, () => answers++);
    }
    await host.close();
    if (answers !== READS) this.wrong ??= new Error(`${READS - answers} reads outlived their host`);
  }

  async #giveUp(): Promise<void> {
    const control = new AbortController();
    const reason = new NvmeofError("SOAK_GAVE_UP", "its user gave up");
    const cancel = after(this.#random.next32() % PATIENCE_MS, () => control.abort(reason));
    try {
      await (await connect({ ...this.#options, signal: control.signal })).close();
    } catch (error) {
      if (error !== reason) throw error;
    } finally {
      cancel();
    }
  }
}

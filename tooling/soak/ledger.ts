// Every request in, and out again, once: what is lost or answered twice is noticed here.
// Read first: packages/bdev/src/block-device.ts for what a channel promises.

import { type BlockChannel, type BlockDevice, DelegatingDevice } from "@nvmeof/bdev";

/** Latencies that are remembered for the next sample. */
const LATENCIES_MAX = 4_096;

/** Requests of any number of channels. Its memory does not grow with time. */
export class Ledger {
  readonly #open = new Map<number, number>();
  readonly #latencies = new Float64Array(LATENCIES_MAX);
  readonly #nowMs: () => number;
  #next = 0;
  #measured = 0;
  #settled = 0;
  #doubled = 0;
  /** Times that requests failed, by code. */
  readonly codes = new Map<string, number>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Requests that were answered. */
  get settled(): number {
    return this.#settled;
  }

  /** Answers to requests that had been answered. */
  get doubled(): number {
    return this.#doubled;
  }

  /** Requests that were not answered yet. */
  get open(): number {
    return this.#open.size;
  }

  /** A request begins. Returns its number. */
  submit(): number {
    this.#open.set(this.#next, this.#nowMs());
    return this.#next++;
  }

  /** It is answered. Returns whether it was the first time. */
  settle(id: number, code?: string): boolean {
    const since = this.#open.get(id);
    if (since === undefined) {
      this.#doubled++;
      return false;
    }
    this.#open.delete(id);
    this.#settled++;
    this.#latencies[this.#measured++ % LATENCIES_MAX] = this.#nowMs() - since;
    if (code !== undefined) this.codes.set(code, (this.codes.get(code) ?? 0) + 1);
    return true;
  }

  /** Requests that have been open for longer than that. */
  overdue(mostMs: number): number {
    const untilMs = this.#nowMs() - mostMs;
    let count = 0;
    for (const since of this.#open.values()) {
      if (since > untilMs) break;
      count++;
    }
    return count;
  }

  /** Latencies since this was last asked, ascending, ms: of the last ones, if there were many. */
  takeLatencies(): Float64Array {
    const taken = this.#latencies.slice(0, Math.min(this.#measured, LATENCIES_MAX)).sort();
    this.#measured = 0;
    return taken;
  }
}

class LedgerDevice extends DelegatingDevice {
  readonly #ledger: Ledger;

  constructor(device: BlockDevice, ledger: Ledger) {
    super(device);
    this.#ledger = ledger;
  }

  openChannel(): BlockChannel {
    const channel = this.device.openChannel();
    const ledger = this.#ledger;
    return {
      get inflight() {
        return channel.inflight;
      },
      submit(request, settle) {
        const id = ledger.submit();
        channel.submit(request, (error) => {
          if (ledger.settle(id, error?.code)) settle(error);
        });
      },
      close: () => channel.close(),
    };
  }
}

/** The device, with all its requests in the ledger. */
export const watched = (device: BlockDevice, ledger: Ledger): BlockDevice =>
  new LedgerDevice(device, ledger);

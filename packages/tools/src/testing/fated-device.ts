// What tests of measurements have in common: virtual time that passes while a promise is open, and a
// device that does nothing for a while.

import {
  type BlockDevice,
  BlockOp,
  type BlockRequest,
  type BlockSettle,
  type LocalChannel,
  LocalDevice,
} from "@nvmeof/bdev";
import type { NvmeofError } from "@nvmeof/codec";
import type { VirtualClock } from "@nvmeof/transport/testing";
import { latencyHistogram } from "../node/index.ts";
import { type PerfOptions, type PerfOutcome, runPerf } from "../perf/run.ts";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Lets virtual time pass until `promise` is settled. */
export async function passing<T>(clock: VirtualClock, promise: Promise<T>): Promise<T> {
  const state = { over: false };
  const end = (): void => void (state.over = true);
  promise.then(end, end);
  for (await turn(); !state.over; await turn()) clock.advance(1);
  return promise;
}

/** A measurement in virtual time. */
export const measured = (
  clock: VirtualClock,
  options: Omit<PerfOptions, "clock" | "histogram">,
): Promise<PerfOutcome> =>
  passing(clock, runPerf({ ...options, clock, histogram: latencyHistogram }));

/** What a test wants to become of a request. */
export interface Fate {
  /** When it is to settle, ms. */
  readonly atMs: number;
  readonly error?: NvmeofError;
}

/** A device of zeroes; `fate` says for each request, by its number and time, what becomes of it. */
export class FatedDevice extends LocalDevice {
  readonly #fate: (request: BlockRequest, nowMs: number) => Fate;
  /** LBAs and operations, in their order. */
  readonly seen: { readonly op: BlockOp; readonly lba: number; readonly atMs: number }[] = [];

  constructor(clock: VirtualClock, fate: (request: BlockRequest, nowMs: number) => Fate) {
    super({
      name: "fated",
      clock,
      blockBytes: 512,
      blockCount: 1024,
      limits: { transferBlocksMax: 64, boundaryBlocks: 0, inflightMax: 256 },
      features: {
        readOnly: false,
        volatileCache: false,
        writeZeroes: false,
        deallocate: false,
        compare: false,
        verify: false,
      },
    });
    this.#fate = fate;
  }

  execute(channel: LocalChannel, request: BlockRequest, settle: BlockSettle): void {
    const nowMs = this.clock.nowMs();
    this.seen.push({ op: request.op, lba: request.lba, atMs: nowMs });
    if (request.op === BlockOp.Read) request.data?.fill(0);
    const { atMs, error } = this.#fate(request, nowMs);
    this.clock.at(atMs, () => channel.finish(settle, error));
  }
}

/** A device that answers after `latencyMs`, but nothing from `stall.fromMs` until `stall.toMs`. */
export function stallingDevice(
  clock: VirtualClock,
  latencyMs: number,
  stall: { readonly fromMs: number; readonly toMs: number },
): BlockDevice {
  return new FatedDevice(clock, (_request, nowMs) => {
    const atMs = nowMs + latencyMs;
    return { atMs: atMs >= stall.fromMs && atMs < stall.toMs ? stall.toMs : atMs };
  });
}

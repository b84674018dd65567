// Statistics: what was asked of a device, how much, how fast, and how it ended.
// Read first: block-device.ts. Counting costs no allocation per request.

import { type NvmeofError, codeOf, describeStatus } from "@nvmeof/codec";
import type { Clock } from "@nvmeof/transport";
import {
  type BlockChannel,
  type BlockDevice,
  BlockOp,
  type BlockRequest,
  type BlockSettle,
} from "./block-device.ts";
import { DelegatingDevice } from "./delegate.ts";

/** The name of an operation, as in `BlockOp`. */
export type BlockOpName = keyof typeof BlockOp;

/** What is known of all requests of one operation. */
export interface OperationStatistics {
  /** Requests that settled, errors included. */
  readonly count: number;
  /** Requests that settled with an error. */
  readonly errors: number;
  /** Blocks of the requests that succeeded. */
  readonly blockCount: number;
  /** Sum of the times from submitting to settling, ms; divided by `count`, the average. */
  readonly latencySumMs: number;
  /** The longest of them, ms. */
  readonly latencyMaxMs: number;
}

/** How often requests ended with one status. */
export interface StatusStatistics {
  /** The NVMe status, without Do Not Retry; -1 for errors that have none. */
  readonly status: number;
  /** What the specification calls it. */
  readonly name: string;
  readonly count: number;
}

/** Counters of a channel or a device at one moment. */
export interface BlockStatistics {
  readonly operations: Readonly<Record<BlockOpName, OperationStatistics>>;
  /** Only those that came up, most frequent first. */
  readonly statuses: readonly StatusStatistics[];
}

const opNames = Object.keys(BlockOp) as BlockOpName[];
const NO_STATUS = -1;

/** Counters by operation. One number each and no object per request. */
export class BlockCounters {
  readonly #counts = opNames.map(() => 0);
  readonly #errors = opNames.map(() => 0);
  readonly #blocks = opNames.map(() => 0);
  readonly #latencySumMs = opNames.map(() => 0);
  readonly #latencyMaxMs = opNames.map(() => 0);
  /** At most one for each of the 2,048 statuses there can be. */
  readonly #statuses = new Map<number, number>();

  /** Counts a request that settled after `latencyMs`. Unknown operations are not counted. */
  count(op: BlockOp, blockCount: number, latencyMs: number, error: NvmeofError | undefined): void {
    const count = this.#counts[op];
    if (count === undefined) return;
    this.#counts[op] = count + 1;
    this.#latencySumMs[op]! += latencyMs;
    if (latencyMs > this.#latencyMaxMs[op]!) this.#latencyMaxMs[op] = latencyMs;
    if (error === undefined) {
      this.#blocks[op]! += blockCount;
      return;
    }
    this.#errors[op]! += 1;
    const status = error.status === undefined ? NO_STATUS : codeOf(error.status);
    this.#statuses.set(status, (this.#statuses.get(status) ?? 0) + 1);
  }

  /** The counters as they are now; they go on counting. */
  snapshot(): BlockStatistics {
    const operations = opNames.map((name): [BlockOpName, OperationStatistics] => {
      const op = BlockOp[name];
      return [
        name,
        {
          count: this.#counts[op]!,
          errors: this.#errors[op]!,
          blockCount: this.#blocks[op]!,
          latencySumMs: this.#latencySumMs[op]!,
          latencyMaxMs: this.#latencyMaxMs[op]!,
        },
      ];
    });
    const statuses = [...this.#statuses]
      .map(([status, count]) => ({ status, name: statusName(status), count }))
      .sort((a, b) => b.count - a.count || a.status - b.status);
    return {
      operations: Object.fromEntries(operations) as Record<BlockOpName, OperationStatistics>,
      statuses,
    };
  }
}

const statusName = (status: number): string =>
  status === NO_STATUS ? "no status" : describeStatus(status).name;

/** A channel that counts. */
export interface MeasuredChannel extends BlockChannel {
  /** Counters of this channel since it was opened. */
  statistics(): BlockStatistics;
}

/** A device that counts. */
export interface MeasuredDevice extends BlockDevice {
  openChannel(): MeasuredChannel;
  /** Counters of all channels that were opened here, those that are closed included. */
  statistics(): BlockStatistics;
}

/** The same device, with statistics for each channel and for the whole. */
export function measuring(device: BlockDevice, clock: Pick<Clock, "nowMs">): MeasuredDevice {
  return new MeasuringDevice(device, clock);
}

class MeasuringDevice extends DelegatingDevice implements MeasuredDevice {
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #counters = new BlockCounters();

  constructor(device: BlockDevice, clock: Pick<Clock, "nowMs">) {
    super(device);
    this.#clock = clock;
  }

  openChannel(): MeasuredChannel {
    return new MeasuringChannel(this.device.openChannel(), this.#clock, [this.#counters]);
  }

  statistics(): BlockStatistics {
    return this.#counters.snapshot();
  }
}

/** A request under way. Reused: its settle is made once. */
class Measurement {
  op: BlockOp = BlockOp.Read;
  blockCount = 0;
  startedMs = 0;
  settle: BlockSettle | undefined;
  readonly settled: BlockSettle;

  constructor(settled: (measurement: Measurement, error: NvmeofError | undefined) => void) {
    this.settled = (error) => settled(this, error);
  }
}

/** Counts what goes through a channel, for itself and for what it belongs to. */
export class MeasuringChannel implements MeasuredChannel {
  readonly #channel: BlockChannel;
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #totals: readonly BlockCounters[];
  readonly #counters = new BlockCounters();
  readonly #idle: Measurement[] = [];
  readonly #settled = (measurement: Measurement, error: NvmeofError | undefined): void =>
    this.#count(measurement, error);

  /** `totals` count the same requests for whatever the channel belongs to. */
  constructor(
    channel: BlockChannel,
    clock: Pick<Clock, "nowMs">,
    totals: readonly BlockCounters[],
  ) {
    this.#channel = channel;
    this.#clock = clock;
    this.#totals = totals;
  }

  get inflight(): number {
    return this.#channel.inflight;
  }

  submit(request: BlockRequest, settle: BlockSettle): void {
    const measurement = this.#idle.pop() ?? new Measurement(this.#settled);
    measurement.op = request.op;
    measurement.blockCount = request.blockCount;
    measurement.startedMs = this.#clock.nowMs();
    measurement.settle = settle;
    this.#channel.submit(request, measurement.settled);
  }

  close(): void {
    this.#channel.close();
  }

  statistics(): BlockStatistics {
    return this.#counters.snapshot();
  }

  #count(measurement: Measurement, error: NvmeofError | undefined): void {
    const { op, blockCount, startedMs } = measurement;
    const settle = measurement.settle!;
    measurement.settle = undefined;
    this.#idle.push(measurement);
    const latencyMs = this.#clock.nowMs() - startedMs;
    this.#counters.count(op, blockCount, latencyMs, error);
    for (const total of this.#totals) total.count(op, blockCount, latencyMs, error);
    settle(error);
  }
}

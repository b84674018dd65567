// Counts the I/O commands of controllers, and how long they took: by operation, without allocating.
// Read first: @nvmeof/core command-watch.ts, whose watcher it is.

import {
  NvmOpcode,
  type NvmeofError,
  OPC_FABRICS,
  Sqe,
  codeOf,
  describeStatus,
} from "@nvmeof/codec";
import type { CommandWatcher, QueueWatcher } from "@nvmeof/core";
import type { Clock } from "@nvmeof/transport";

/** Operations that are told apart, as labels; all others are "other". */
const operations: readonly (readonly [label: string, opcode: number])[] = [
  ["read", NvmOpcode.Read],
  ["write", NvmOpcode.Write],
  ["flush", NvmOpcode.Flush],
  ["compare", NvmOpcode.Compare],
  ["write_zeroes", NvmOpcode.WriteZeroes],
  ["dataset_management", NvmOpcode.DatasetManagement],
  ["verify", NvmOpcode.Verify],
];
const OTHER = operations.length;
const labels = [...operations.map(([label]) => label), "other"];

/** Index of each opcode: looked up for every command. */
const indexOf = new Uint8Array(256).fill(OTHER);
for (const [index, [, opcode]] of operations.entries()) indexOf[opcode] = index;

/** Upper bounds of the buckets of durations, ms; beyond the last there is one more. */
export const durationBoundsMs: readonly number[] = [
  0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000,
];

/** Statuses that are told apart for one operation: a controller chooses them. More are "other". */
const STATUSES_MAX = 64;

/** What is known of one operation; numbers only grow. */
export interface OperationCount {
  readonly operation: string;
  readonly succeeded: number;
  /** Commands that ended with an error, by the name of the status, or by code where the host ended them. */
  readonly failed: ReadonlyMap<string, number>;
  /** Bytes of those that succeeded. */
  readonly dataBytes: number;
  /** Sum of all durations, ms. */
  readonly durationMs: number;
  /** How many took at most `durationBoundsMs[i]` and more than the bound before; the last: longer. */
  readonly buckets: readonly number[];
}

class Operation implements OperationCount {
  readonly operation: string;
  succeeded = 0;
  readonly failed = new Map<string, number>();
  dataBytes = 0;
  durationMs = 0;
  readonly buckets: number[] = Array.from({ length: durationBoundsMs.length + 1 }, () => 0);

  constructor(operation: string) {
    this.operation = operation;
  }

  ended(durationMs: number, dataBytes: number, error: NvmeofError | undefined): void {
    let bucket = 0;
    while (bucket < durationBoundsMs.length && durationMs > durationBoundsMs[bucket]!) bucket++;
    this.buckets[bucket]!++;
    this.durationMs += durationMs;
    if (error !== undefined) {
      this.#failed(nameOf(error));
      return;
    }
    this.succeeded++;
    this.dataBytes += dataBytes;
  }

  #failed(name: string): void {
    const known = this.failed.get(name);
    const key = known === undefined && this.failed.size >= STATUSES_MAX ? "other" : name;
    this.failed.set(key, (this.failed.get(key) ?? 0) + 1);
  }
}

/** What the controller said, or why the host did not wait for it. */
function nameOf({ code, status }: NvmeofError): string {
  return code === "NVME_ERR_STATUS" && status !== undefined
    ? describeStatus(codeOf(status)).name
    : code;
}

/** For any number of controllers; give it to `Controller.watchCommands`. */
export class CommandMeter implements CommandWatcher {
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #operations = labels.map((label) => new Operation(label));
  /** Commands that were seen to begin and not to end. */
  inflight = 0;

  constructor(clock: Pick<Clock, "nowMs">) {
    this.#clock = clock;
  }

  /** Those that came up, and what is known of each. */
  get operations(): readonly OperationCount[] {
    return this.#operations.filter(({ buckets }) => buckets.some((count) => count > 0));
  }

  queue(qid: number, slots: number): QueueWatcher {
    return qid === 0 ? unwatched : new QueueMeter(this, this.#clock, this.#operations, slots);
  }
}

/** Admin commands are few, and are not what a disk is asked for. */
const unwatched: QueueWatcher = { started: () => {}, ended: () => {} };

class QueueMeter implements QueueWatcher {
  readonly #meter: CommandMeter;
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #operations: readonly Operation[];
  /** By CID; NaN where nothing was seen to begin. */
  readonly #startedMs: Float64Array;
  readonly #dataBytes: Float64Array;
  readonly #operation: Uint8Array;

  constructor(
    meter: CommandMeter,
    clock: Pick<Clock, "nowMs">,
    all: readonly Operation[],
    slots: number,
  ) {
    this.#meter = meter;
    this.#clock = clock;
    this.#operations = all;
    this.#startedMs = new Float64Array(slots).fill(Number.NaN);
    this.#dataBytes = new Float64Array(slots);
    this.#operation = new Uint8Array(slots);
  }

  started(cid: number, sqe: DataView, dataBytes: number): void {
    const opcode = Sqe.opc.get(sqe);
    // Connect and its like are about the queue, and no I/O.
    if (opcode === OPC_FABRICS) return;
    this.#startedMs[cid] = this.#clock.nowMs();
    this.#dataBytes[cid] = dataBytes;
    this.#operation[cid] = indexOf[opcode]!;
    this.#meter.inflight++;
  }

  ended(cid: number, error: NvmeofError | undefined): void {
    const startedMs = this.#startedMs[cid]!;
    if (Number.isNaN(startedMs)) return;
    this.#startedMs[cid] = Number.NaN;
    this.#meter.inflight--;
    const durationMs = this.#clock.nowMs() - startedMs;
    this.#operations[this.#operation[cid]!]!.ended(durationMs, this.#dataBytes[cid]!, error);
  }
}

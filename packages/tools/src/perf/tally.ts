// What was measured so far: for reads and writes each their number, latencies and errors.
// Read first: load.ts, which tells of every request. Counting allocates nothing for one that succeeds.

import { BlockOp } from "@nvmeof/bdev";
import { type NvmeofError, codeOf, describeStatus } from "@nvmeof/codec";
import type { LatencyHistogram } from "../latency.ts";
import { LatencyBuckets } from "./buckets.ts";
import { Throughput } from "./throughput.ts";

/** How often requests failed in one way. */
export interface PerfError {
  /** Code of the error: "NVME_ERR_STATUS", "NVME_ERR_TIMEOUT", … */
  readonly code: string;
  /** NVMe status: Status Code Type × 256 + Status Code; null for an error that has none. */
  readonly status: number | null;
  /** What the specification calls the status; else the code. */
  readonly name: string;
  readonly count: number;
}

/** Of one direction. */
export class DirectionTally {
  readonly latency: LatencyHistogram;
  readonly buckets = new LatencyBuckets();
  count = 0;
  errors = 0;

  constructor(latency: LatencyHistogram) {
    this.latency = latency;
  }
}

export class Tally {
  readonly #histogram: () => LatencyHistogram;
  readonly #begun: () => void;
  readonly #failures = new Map<string, { -readonly [K in keyof PerfError]: PerfError[K] }>();
  #read: DirectionTally;
  #write: DirectionTally;
  /** undefined until measuring begins. */
  #throughput: Throughput | undefined;
  #startedMs = 0;
  #errors = 0;
  #abandoned = 0;
  #firstError: NvmeofError | undefined;

  /** @param begun is called when measuring begins. */
  constructor(histogram: () => LatencyHistogram, begun: () => void = () => {}) {
    this.#histogram = histogram;
    this.#begun = begun;
    this.#read = new DirectionTally(histogram());
    this.#write = new DirectionTally(histogram());
  }

  get read(): DirectionTally {
    return this.#read;
  }

  get write(): DirectionTally {
    return this.#write;
  }

  get throughput(): Throughput | undefined {
    return this.#throughput;
  }

  /** When measuring began. */
  get startedMs(): number {
    return this.#startedMs;
  }

  /** All errors, those before measuring included. */
  get errors(): number {
    return this.#errors;
  }

  /** Requests that failed because the measurement was being ended. */
  get abandoned(): number {
    return this.#abandoned;
  }

  get firstError(): NvmeofError | undefined {
    return this.#firstError;
  }

  /** Measures from now on. Errors up to now stay: what is wrong is wrong while warming up, too. */
  begin(nowMs: number): void {
    const { errors: readErrors } = this.#read;
    const { errors: writeErrors } = this.#write;
    this.#read = new DirectionTally(this.#histogram());
    this.#write = new DirectionTally(this.#histogram());
    this.#read.errors = readErrors;
    this.#write.errors = writeErrors;
    this.#startedMs = nowMs;
    this.#throughput = new Throughput(nowMs);
    this.#begun();
  }

  succeeded(op: BlockOp, latencyMs: number, nowMs: number): void {
    if (this.#throughput === undefined) return;
    const direction = op === BlockOp.Read ? this.#read : this.#write;
    direction.count++;
    direction.latency.record(latencyMs);
    direction.buckets.add(latencyMs);
    this.#throughput.add(op, latencyMs, nowMs);
  }

  failed(op: BlockOp, error: NvmeofError, nowMs: number): void {
    const direction = op === BlockOp.Read ? this.#read : this.#write;
    direction.errors++;
    this.#errors++;
    this.#firstError ??= error;
    this.#throughput?.addError(nowMs);
    const status = error.status === undefined ? null : codeOf(error.status);
    const key = `${error.code} ${status}`;
    const known = this.#failures.get(key);
    if (known !== undefined) known.count++;
    else {
      const name = status === null ? error.code : describeStatus(status).name;
      this.#failures.set(key, { code: error.code, status, name, count: 1 });
    }
  }

  abandon(): void {
    this.#abandoned++;
  }

  /** Most frequent first. */
  failures(): PerfError[] {
    return [...this.#failures.values()].sort((a, b) => b.count - a.count);
  }
}

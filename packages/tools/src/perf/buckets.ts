// The shape of a distribution of latencies: counts in buckets that grow with the value, eight to each
// power of two. For pictures and for files; percentiles come from a finer histogram (../latency.ts).

/** Units of 100 ns in a millisecond. The largest latency is that of 31 bits: 214 s. */
const UNITS_PER_MS = 10_000;
const UNITS_MAX = 0x7fff_ffff;
const FINE_BITS = 3;
const FINE = 1 << FINE_BITS;
const BUCKETS = (31 - FINE_BITS + 1) * FINE;

/** Values below 2 × FINE have a bucket each; above, a bucket is an eighth of a power of two. */
function bucketOf(units: number): number {
  const power = 31 - Math.clz32(units | 1);
  if (power <= FINE_BITS) return units;
  const shift = power - FINE_BITS;
  return shift * FINE + (units >> shift);
}

function firstOf(bucket: number): number {
  if (bucket < 2 * FINE) return bucket;
  const shift = Math.floor(bucket / FINE) - 1;
  return ((bucket % FINE) + FINE) * 2 ** shift;
}

/** A bucket: latencies from `fromUs` up to `toUs`, and how many there were. */
export type Bucket = readonly [fromUs: number, toUs: number, count: number];

export class LatencyBuckets {
  readonly #counts = new Float64Array(BUCKETS + FINE);

  /** Allocates nothing. */
  add(latencyMs: number): void {
    const units = latencyMs * UNITS_PER_MS;
    this.#counts[bucketOf(units < UNITS_MAX ? units | 0 : UNITS_MAX)]! += 1;
  }

  /** Those that are not empty, by increasing latency. */
  list(): Bucket[] {
    const list: Bucket[] = [];
    for (const [bucket, count] of this.#counts.entries()) {
      if (count > 0) list.push([firstOf(bucket) / 10, firstOf(bucket + 1) / 10, count]);
    }
    return list;
  }
}

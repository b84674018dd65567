// Does a curve grow? Robust against outliers: a median of slopes says how fast, a rank test whether it is chance.
// Theil (1950), Sen (1968); Mann (1945), Kendall (1975).

/** A curve, put into three numbers. */
export interface Trend {
  readonly median: number;
  /** From the first value to the last, by the median of the slopes of all pairs. */
  readonly growth: number;
  /** How far from chance, in standard deviations; above 0 it rises. 0 for too few values. */
  readonly z: number;
}

/** What counts as growth. */
export interface GrowthBound {
  /** Growth below this share of the median is none. */
  readonly share: number;
  /** Nor is growth below this. */
  readonly least: number;
}

/** Fewer values say nothing. */
export const VALUES_MIN = 8;
/** More are put together in blocks, of which the median counts: noise of a moment goes away. */
const BLOCKS_MAX = 200;
/** One run in a thousand is called growing by chance, and only if it is also above the bound. */
const Z_MIN = 3;
/** What is left out at the beginning: a quarter. */
const WARM_UP_SHARE = 0.25;

/** The middle one; of an even number, the mean of both. */
export function medianOf(values: ArrayLike<number>): number {
  const sorted = Float64Array.from(values).sort();
  const half = sorted.length >> 1;
  if (sorted.length === 0) return 0;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

/** At most `BLOCKS_MAX` values, each the median of as many neighbours. */
function blocksOf(values: Float64Array): Float64Array {
  const size = Math.ceil(values.length / BLOCKS_MAX);
  if (size <= 1) return values;
  const count = Math.floor(values.length / size);
  return Float64Array.from({ length: count }, (_, at) =>
    medianOf(values.subarray(at * size, (at + 1) * size)),
  );
}

/** Standard deviation of the rank test's sum, with what equal values take away from it. */
function deviationOf(values: Float64Array): number {
  const n = values.length;
  const ties = new Map<number, number>();
  for (const value of values) ties.set(value, (ties.get(value) ?? 0) + 1);
  const part = (t: number): number => t * (t - 1) * (2 * t + 5);
  let variance = part(n);
  for (const count of ties.values()) variance -= part(count);
  return Math.sqrt(variance / 18);
}

/** The trend of values that were taken at equal distances. */
export function trendOf(values: Float64Array): Trend {
  const median = medianOf(values);
  if (values.length < VALUES_MIN) return { median, growth: 0, z: 0 };
  const all = blocksOf(values);
  const n = all.length;
  const slopes = new Float64Array((n * (n - 1)) / 2);
  let sum = 0;
  let at = 0;
  for (let i = 0; i < n; i++) {
    for (let j = i + 1; j < n; j++) {
      const rise = all[j]! - all[i]!;
      sum += Math.sign(rise);
      slopes[at++] = rise / (j - i);
    }
  }
  const deviation = deviationOf(all);
  const z = deviation === 0 || sum === 0 ? 0 : (sum - Math.sign(sum)) / deviation;
  return { median, growth: medianOf(slopes) * (n - 1), z };
}

/** What is left when the beginning is left out. */
export const afterWarmUp = (values: Float64Array): Float64Array =>
  values.subarray(Math.floor(values.length * WARM_UP_SHARE));

/** Whether the curve grows by more than the bound, and not by chance. */
export function isGrowing({ median, growth, z }: Trend, { share, least }: GrowthBound): boolean {
  return z > Z_MIN && growth > Math.max(share * Math.abs(median), least);
}

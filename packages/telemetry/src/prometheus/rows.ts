// What a row of metrics is: a name that stays, and where its values come from when somebody asks.
// Read first: metrics.ts, which makes metrics of rows; "Metric and label naming" of Prometheus.

/** Labels of one value. */
export type Labels = Readonly<Record<string, string | number>>;

/** Takes one value; called once for each set of labels. */
export type Put = (labels: Labels, value: number) => void;

/** How values are shown. */
export interface ShowOptions {
  /** NQNs as labels. */
  readonly nqnLabels: boolean;
}

/** A metric, and how it is read of one source. */
export interface Row<Source> {
  /** Stable: `nvmeof_…`, with a unit where there is one, and `_total` for what only grows. */
  readonly name: string;
  readonly type: "counter" | "gauge";
  /** "seconds", "bytes", or "" for counts and states. */
  readonly unit: "seconds" | "bytes" | "";
  readonly labels: readonly string[];
  readonly help: string;
  readonly read: (source: Source, put: Put, options: ShowOptions) => void;
}

/** One series for each state there is, 1 for the one that holds. */
export function putState(put: Put, labels: Labels, states: readonly string[], now: string): void {
  for (const state of states) put({ ...labels, state }, state === now ? 1 : 0);
}

const MS_PER_SECOND = 1_000;

/** Prometheus counts in seconds. */
export const seconds = (ms: number): number => ms / MS_PER_SECOND;

// What the program itself takes while it measures, as a port: time of processors, and delays of the event
// loop. Read first: ../node/perf-meter.ts for that of Node.

/** What was taken between `start` and `stop`. */
export interface MeterReading {
  /** Time of processors in user and in kernel mode, all threads, ms. */
  readonly cpuUserMs: number;
  readonly cpuSystemMs: number;
  /** By how much timers were late, ms: the event loop had something else to do. */
  readonly loopDelay: {
    readonly meanMs: number;
    readonly p50Ms: number;
    readonly p99Ms: number;
    readonly maxMs: number;
  };
}

/** Used once for each measurement. */
export interface PerfMeter {
  start(): void;
  stop(): MeterReading;
}

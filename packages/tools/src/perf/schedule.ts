// An open loop's schedule: when each request is due, whatever became of those before it. What is late is
// not queued anywhere: it is the distance between what is due and what was started.

/** Requests at equal distances. */
export class Schedule {
  readonly #gapMs: number;
  readonly #startMs: number;
  #started = 0;
  #latestMs = 0;

  constructor(ratePerSecond: number, startMs: number) {
    this.#gapMs = 1000 / ratePerSecond;
    this.#startMs = startMs;
  }

  /** When the next request is due. Multiplied, so that no error adds up. */
  get dueMs(): number {
    return this.#startMs + this.#started * this.#gapMs;
  }

  /** The longest that a request had to wait after it was due, ms. */
  get latestMs(): number {
    return this.#latestMs;
  }

  /** Starts the next request. Returns when it was due. */
  take(nowMs: number): number {
    const dueMs = this.dueMs;
    if (nowMs - dueMs > this.#latestMs) this.#latestMs = nowMs - dueMs;
    this.#started++;
    return dueMs;
  }

  /** Measures from now on: what was late before does not count. */
  begin(): void {
    this.#latestMs = 0;
  }

  /** How many were due before `untilMs` and have not been started. */
  unstarted(untilMs: number): number {
    return Math.max(0, Math.ceil((untilMs - this.dueMs) / this.#gapMs));
  }
}

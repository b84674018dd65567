// How a fuzzing run goes, and how it went: a line while it runs, a table when it is over.

import type { WorkerMessage } from "./worker-words.ts";

/** Where progress is shown. */
export interface Screen {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

interface Row {
  cases: number;
  bytes: number;
  places: number;
}

const LINE_MS = 500;

export class FuzzReport {
  readonly #screen: Screen;
  readonly #rows: Map<string, Row>;
  readonly #keys = new Set<string>();
  readonly #startMs = performance.now();
  #shownMs = -Infinity;

  constructor(screen: Screen, targets: readonly string[]) {
    this.#screen = screen;
    this.#rows = new Map(targets.map((name) => [name, { cases: 0, bytes: 0, places: 0 }]));
  }

  /** Different findings so far. */
  get findings(): number {
    return this.#keys.size;
  }

  /** Whether nobody has found it before. */
  found(key: string): boolean {
    const isNew = !this.#keys.has(key);
    this.#keys.add(key);
    return isNew;
  }

  add({ target, cases, bytes, places }: WorkerMessage & { readonly type: "progress" }): void {
    const row = this.#rows.get(target);
    if (row === undefined) return;
    row.cases += cases;
    row.bytes += bytes;
    row.places = Math.max(row.places, places);
    this.#show();
  }

  /** Says something beside the line of progress. */
  say(text: string): void {
    this.#screen.write(`${this.#screen.isTTY === true ? "\r\u001b[K" : ""}${text}\n`);
  }

  table(): string {
    if (this.#screen.isTTY === true) this.#screen.write("\r\u001b[K");
    const seconds = (performance.now() - this.#startMs) / 1_000;
    const rows = [...this.#rows].map(([name, { cases, bytes, places }]) =>
      [
        name.padEnd(18),
        String(cases).padStart(10),
        (bytes / 1e6).toFixed(1).padStart(9),
        String(places).padStart(7),
      ].join(" "),
    );
    const head = [
      "target".padEnd(18),
      "cases".padStart(10),
      "MB".padStart(9),
      "places".padStart(7),
    ];
    const { findings } = this;
    const last = `${seconds.toFixed(0)} s, ${this.#cases} cases, ${findings} findings`;
    return [head.join(" "), ...rows, last].join("\n");
  }

  get #cases(): number {
    return [...this.#rows.values()].reduce((sum, { cases }) => sum + cases, 0);
  }

  #show(): void {
    const nowMs = performance.now();
    if (this.#screen.isTTY !== true || nowMs < this.#shownMs + LINE_MS) return;
    this.#shownMs = nowMs;
    const seconds = (nowMs - this.#startMs) / 1_000;
    const rate = Math.round(this.#cases / Math.max(seconds, 0.001));
    this.#screen.write(
      `\r\u001b[K${seconds.toFixed(0)} s, ${this.#cases} cases, ${rate}/s, ${this.findings} findings`,
    );
  }
}

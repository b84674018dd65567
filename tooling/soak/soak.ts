// A soak: traffic with faults for as long as one likes. Nothing may grow, be lost, be answered twice or be wrong.
// Read first: stage.ts for what runs, weather.ts and churn.ts for what happens to it, ledger.ts for the count.

import { inspect } from "node:util";
import { seededRandom } from "@nvmeof/core";
import { after, every } from "@nvmeof/tooling-support";
import type { VerifiedLoadReport } from "@nvmeof/tools";
import { Churn, type ChurnCounts } from "./churn.ts";
import { Ledger } from "./ledger.ts";
import { type JudgedCurve, Samples, handleCounts, memory, quantile } from "./samples.ts";
import { type Stage, openStage } from "./stage.ts";
import { type Fault, Weather } from "./weather.ts";

/** How long, and how hard. */
export interface SoakOptions {
  readonly durationMs: number;
  readonly seed: number;
  readonly sampleMs: number;
  /** Time between two faults, in the mean. */
  readonly faultMs: number;
  readonly keepAliveMs: number;
  /** Curves that grow are a fault. Default: in runs of a minute or more; a shorter one is all warm-up. */
  readonly judgesGrowth?: boolean | undefined;
  /** Ends it early, in good order. */
  readonly signal?: AbortSignal | undefined;
  /** Told after each sample. */
  readonly progress?: ((now: SoakProgress) => void) | undefined;
}

/** How it goes. */
export interface SoakProgress {
  readonly elapsedMs: number;
  readonly settled: number;
  readonly faults: number;
  readonly visits: number;
  readonly heapMiB: number;
  readonly handles: number;
}

/** How it went. */
export interface SoakReport {
  /** What is wrong, a line each; empty where nothing is. */
  readonly failures: readonly string[];
  readonly seed: number;
  readonly durationMs: number;
  readonly sampleMs: number;
  readonly curves: readonly JudgedCurve[];
  readonly requests: number;
  readonly doubled: number;
  readonly lost: number;
  readonly mismatches: number;
  readonly longestStallMs: number;
  readonly faults: Readonly<Record<Fault, number>>;
  readonly visits: Readonly<ChurnCounts>;
  readonly resets: number;
  readonly fences: number;
  readonly connections: number;
  /** Errors that visitors' requests ended with, by code. */
  readonly codes: ReadonlyMap<string, number>;
}

/** A request that takes longer is lost, ms: beyond every time limit of host and target together. */
const LOST_MS = 120_000;
/** Time for handles to be given back at the end, ms. */
const HANDLES_MS = 3_000;
const RESETS_PER_FAULT = 0.5;
/** Shorter runs are not judged by their curves, ms. */
const JUDGED_MS = 60_000;

class Soak {
  readonly #options: SoakOptions;
  readonly #startMs = performance.now();
  readonly #ledger = new Ledger(() => performance.now());
  readonly #samples: Samples;
  readonly #failures: string[] = [];
  readonly #handlesBefore = handleCounts();
  #sampledMs = this.#startMs;
  #settledBefore = 0;
  #resets = 0;
  #fences = 0;
  #stop = (): void => {};

  constructor(options: SoakOptions) {
    this.#options = options;
    this.#samples = new Samples(Math.ceil(options.durationMs / options.sampleMs) + 2);
  }

  async run(): Promise<SoakReport> {
    const { seed, keepAliveMs, faultMs, sampleMs } = this.#options;
    const random = seededRandom(seed);
    const stage = await openStage({ ledger: this.#ledger, random, keepAliveMs });
    const { first, second, guests } = stage.proxies;
    const places = [
      { name: "first way", proxy: first },
      { name: "second way", proxy: second },
      { name: "guests", proxy: guests },
    ];
    stage.host.group.observe(({ type }) => {
      if (type === "fence") this.#fences++;
    });
    for (const load of stage.loads) load.start();
    const churn = new Churn(stage.guest, this.#ledger, seededRandom(seed + 1));
    const weather = new Weather(places, seededRandom(seed + 2), faultMs);
    const endings = [
      every(sampleMs, () => this.#sample(stage, weather, churn)),
      every(faultMs / RESETS_PER_FAULT, () => this.#reset(stage)),
    ];
    await this.#untilOver();
    const durationMs = performance.now() - this.#startMs;
    for (const end of endings) end();
    weather.end();
    return this.#end(stage, churn, weather, durationMs);
  }

  /** Resolves when the time is over, somebody wants it to end, or going on is of no use. */
  #untilOver(): Promise<void> {
    const { signal, durationMs } = this.#options;
    return new Promise((resolve) => {
      const cancel = after(durationMs, resolve);
      this.#stop = () => {
        cancel();
        resolve();
      };
      if (signal?.aborted === true) this.#stop();
      signal?.addEventListener("abort", this.#stop, { once: true });
    });
  }

  #reset({ host }: Stage): void {
    const all = host.group.controllers;
    // One that is not live refuses: its connection is being made anew as it is.
    all[this.#resets % Math.max(1, all.length)]?.controller.reset(() => {});
    this.#resets++;
  }

  #sample({ served, loads }: Stage, weather: Weather, churn: Churn): void {
    const nowMs = performance.now();
    const latencies = this.#ledger.takeLatencies();
    const { settled } = this.#ledger;
    const handles = [...handleCounts().values()].reduce((sum, count) => sum + count, 0);
    const rate = ((settled - this.#settledBefore) * 1_000) / (nowMs - this.#sampledMs);
    this.#samples.add({
      ...memory(),
      handles,
      connections: served.target.status.connections,
      median: quantile(latencies, 0.5),
      slowest: quantile(latencies, 0.99),
      rate,
    });
    this.#sampledMs = nowMs;
    this.#settledBefore = settled;
    const overdue = this.#ledger.overdue(LOST_MS);
    const failed = loads.some(({ report }) => report.errors + report.mismatches > 0);
    if (overdue > 0 || failed || churn.wrong !== undefined) this.#stop();
    this.#options.progress?.({
      elapsedMs: nowMs - this.#startMs,
      settled,
      faults: sumOf(weather.counts),
      visits: sumOf(churn.counts),
      heapMiB: this.#samples.last("heap"),
      handles,
    });
  }

  /** Ends everything, looks at what is left, and judges. */
  async #end(
    stage: Stage,
    churn: Churn,
    weather: Weather,
    durationMs: number,
  ): Promise<SoakReport> {
    const { served, proxies, host, loads } = stage;
    const all = Object.values(proxies);
    const stopped = Promise.all([churn.stop(), ...loads.map((load) => load.stop())]);
    await withinMs(LOST_MS, stopped);
    const lost = this.#ledger.open;
    await host.close();
    const connections = all.reduce((sum, { connections: each }) => sum + each, 0);
    await served.close();
    for (const proxy of all) await proxy[Symbol.asyncDispose]();
    const { doubled, open, codes, settled } = this.#ledger;
    const reports = loads.map(({ report }) => report);
    const judged = this.#samples.judged();
    this.#judge({ lost, unsettled: open, doubled, reports, judged, wrong: churn.wrong });
    await this.#judgeHandles();
    return {
      failures: this.#failures,
      seed: this.#options.seed,
      sampleMs: this.#options.sampleMs,
      durationMs,
      curves: judged,
      requests: settled,
      doubled,
      lost,
      mismatches: reports.reduce((sum, { mismatches }) => sum + mismatches, 0),
      longestStallMs: Math.max(...reports.map(({ longestStallMs }) => longestStallMs)),
      faults: weather.counts,
      visits: churn.counts,
      resets: this.#resets,
      fences: this.#fences,
      connections,
      codes,
    };
  }

  #judge(of: {
    readonly lost: number;
    readonly unsettled: number;
    readonly doubled: number;
    readonly reports: readonly VerifiedLoadReport[];
    readonly judged: readonly JudgedCurve[];
    readonly wrong: unknown;
  }): void {
    const say = (text: string): void => void this.#failures.push(text);
    if (of.lost > 0) say(`${of.lost} requests were never answered`);
    if (of.unsettled > 0) say(`${of.unsettled} requests outlived the close of their host`);
    if (of.doubled > 0) say(`${of.doubled} requests were answered twice`);
    if (of.wrong !== undefined) say(`a guest was told ${inspect(of.wrong)}`);
    for (const { mismatches, errors, firstError, requests } of of.reports) {
      if (mismatches > 0) say(`${mismatches} blocks held something else than was written`);
      if (errors > 0) say(`${errors} requests failed, though a way came back: ${firstError}`);
      if (requests === 0) say("a load got no answer at all");
    }
    const { durationMs, judgesGrowth = durationMs >= JUDGED_MS } = this.#options;
    for (const { curve, grows, trend } of judgesGrowth ? of.judged : []) {
      if (grows) say(`${curve.title} grows: ${growthText(trend, curve.unit)}`);
    }
  }

  /** What there was before is there after: no socket, server or timer more. */
  async #judgeHandles(): Promise<void> {
    const left = (): string[] =>
      [...handleCounts()].flatMap(([kind, count]) => {
        const more = count - (this.#handlesBefore.get(kind) ?? 0);
        return more > 0 ? [`${more} ${kind}`] : [];
      });
    const untilMs = performance.now() + HANDLES_MS;
    // The platform closes its handles a turn or some later.
    while (left().length > 0 && performance.now() < untilMs) await turn();
    if (left().length > 0) this.#failures.push(`left behind: ${left().join(", ")}`);
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const sumOf = (counts: object): number =>
  (Object.values(counts) as number[]).reduce((sum, count) => sum + count, 0);

/** By how much it grew, from what, and how sure that is. */
export const growthText = ({ growth, median, z }: JudgedCurve["trend"], unit: string): string =>
  `by ${growth.toFixed(2)} ${unit} at ${median.toFixed(2)} ${unit} (z ${z.toFixed(1)})`;

/** When it is settled, or that time is over. */
function withinMs(ms: number, work: Promise<unknown>): Promise<void> {
  return new Promise((resolve, reject) => {
    const cancel = after(ms, resolve);
    work.then(() => resolve(), reject).finally(cancel);
  });
}

/** Runs one. Rejects only for what keeps it from running. */
export const soak = (options: SoakOptions): Promise<SoakReport> => new Soak(options).run();

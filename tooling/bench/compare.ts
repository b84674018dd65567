// Runs a row: ours and the ceiling by turns, a slice each, in several rounds; and what the medians say.
// Read first: README.md "How a round goes"; side.ts.

import { type Figures, Side, type Totals } from "./side.ts";
import type { Row } from "./rows.ts";

/** How often, and how long. */
export interface Plan {
  readonly rounds: number;
  /** Slices of each side in a round. */
  readonly slices: number;
  /** How long a slice is measured, and how long it runs before, ms. */
  readonly sliceMs: number;
  readonly sliceWarmMs: number;
  /** Before the first slice, ms. */
  readonly warmMs: number;
  /** Attempts at each round. */
  readonly tries: number;
  /** What others may use of the machine before a round counts as disturbed, in cores. */
  readonly foreignCoresMax: number;
}

/** What one side showed in a round, or in all of them: medians. */
export type SideFigures = Figures & Totals;

/** One round: ours and the ceiling. */
export interface Round {
  /** Median over the slices of ours over the ceiling's; for latency the difference, us. */
  readonly value: number;
  readonly cpuRatio: number | undefined;
  readonly ours: SideFigures;
  readonly base: SideFigures;
}

export interface Comparison {
  readonly row: Row;
  /** Median of the rounds. */
  readonly value: number;
  readonly worst: number;
  readonly best: number;
  /** The ceiling's CPU for an I/O over ours, of the side that the row is about. */
  readonly cpuRatio: number | undefined;
  readonly verdict: "aim" | "at least" | "below" | "watched";
  readonly ours: SideFigures;
  readonly base: SideFigures;
  /** Rounds that others disturbed, and that count for want of better ones. */
  readonly disturbed: number;
  readonly rounds: readonly Round[];
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[at]! : (sorted[at - 1]! + sorted[at]!) / 2;
}

/** The median of each figure; undefined where one is not known. */
function medians<F extends Figures | SideFigures>(all: readonly F[]): F {
  const names = Object.keys(all[0]!) as (keyof F)[];
  const entries = names.map((name) => {
    const known = all.map((each) => each[name]).filter((value) => typeof value === "number");
    return [name, known.length === all.length ? median(known) : undefined];
  });
  return Object.fromEntries(entries) as F;
}

function valueOf({ measure }: Row, ours: Figures, base: Figures): number {
  if (measure === "latency") return ours.meanUs - base.meanUs;
  return measure === "bytes" ? ours.bytesPerSecond / base.bytesPerSecond : ours.iops / base.iops;
}

function verdictOf({ measure, atLeast, aim }: Row, value: number): Comparison["verdict"] {
  if (atLeast === undefined || aim === undefined) return "watched";
  const reaches = (goal: number): boolean =>
    measure === "latency" ? value <= goal : value >= goal;
  if (reaches(aim)) return "aim";
  return reaches(atLeast) ? "at least" : "below";
}

/** CPU of the side that the row is about, us per I/O: the client, the server, or both. */
export function cpuOf({ ours, base }: Row, figures: SideFigures): number | undefined {
  const { clientCpuUs: client, serverUserUs, serverSystemUs } = figures;
  if (ours.server === base.server) return client;
  if (serverUserUs === undefined || serverSystemUs === undefined) return undefined;
  const server = serverUserUs + serverSystemUs;
  return ours.client === base.client ? server : client + server;
}

/** I/Os for each write of that side, where it is counted: how well it gathers what it sends. */
export const iosPerWriteOf = ({ ours, base }: Row, figures: SideFigures): number | undefined =>
  ours.server === base.server ? figures.iosPerWrite : figures.serverIosPerWrite;

const foreignOf = ({ ours, base }: Round): number =>
  Math.max(ours.foreignCores ?? 0, base.foreignCores ?? 0);

async function slicesOf(row: Row, plan: Plan, ours: Side, base: Side): Promise<Round> {
  await ours.warmUp(plan.warmMs);
  await base.warmUp(plan.warmMs);
  const slice = { warmMs: plan.sliceWarmMs, measureMs: plan.sliceMs };
  const all: { ours: Figures; base: Figures }[] = [];
  for (let i = 0; i < plan.slices; i++) {
    // Whoever goes first finds the machine as the other one did not: they change places.
    const first = i % 2 === 0 ? await ours.slice(slice) : await base.slice(slice);
    const second = i % 2 === 0 ? await base.slice(slice) : await ours.slice(slice);
    all.push(i % 2 === 0 ? { ours: first, base: second } : { ours: second, base: first });
  }
  const figures = {
    ours: { ...medians(all.map((each) => each.ours)), ...ours.totals() },
    base: { ...medians(all.map((each) => each.base)), ...base.totals() },
  };
  const oursCpu = cpuOf(row, figures.ours);
  const baseCpu = cpuOf(row, figures.base);
  return {
    value: median(all.map((each) => valueOf(row, each.ours, each.base))),
    cpuRatio: oursCpu === undefined || baseCpu === undefined ? undefined : baseCpu / oursCpu,
    ...figures,
  };
}

/**
 * Runs one round: both sides are there all the time, and one works while the other one waits.
 *
 * @throws Error where an I/O was lost, or failed.
 */
export async function runRound(row: Row, plan: Plan): Promise<Round> {
  const ours = await Side.start(row.ours, row.load);
  try {
    const base = await Side.start(row.base, row.baseLoad ?? row.load);
    try {
      const result = await slicesOf(row, plan, ours, base);
      await Promise.all([ours.end(), base.end()]);
      return result;
    } finally {
      await base.kill();
    }
  } finally {
    await ours.kill();
  }
}

/** A round, repeated while others disturb it; the least disturbed attempt counts. */
async function quietRound(row: Row, plan: Plan): Promise<Round> {
  let least = await runRound(row, plan);
  for (let attempt = 1; attempt < plan.tries; attempt++) {
    if (foreignOf(least) <= plan.foreignCoresMax) break;
    const again = await runRound(row, plan);
    if (foreignOf(again) < foreignOf(least)) least = again;
  }
  return least;
}

/**
 * Runs a row.
 *
 * @param tick called after each round.
 * @throws Error where an I/O was lost, or failed.
 */
export async function compare(row: Row, plan: Plan, tick: () => void): Promise<Comparison> {
  const rounds: Round[] = [];
  while (rounds.length < plan.rounds) {
    rounds.push(await quietRound(row, plan));
    tick();
  }
  const ascending = rounds.map(({ value }) => value).toSorted((a, b) => a - b);
  const value = median(ascending);
  const [low, high] = [ascending[0]!, ascending.at(-1)!];
  const cpuRatios = rounds.map(({ cpuRatio }) => cpuRatio).filter((each) => each !== undefined);
  return {
    row,
    value,
    worst: row.measure === "latency" ? high : low,
    best: row.measure === "latency" ? low : high,
    cpuRatio: cpuRatios.length > 0 ? median(cpuRatios) : undefined,
    verdict: verdictOf(row, value),
    ours: medians(rounds.map(({ ours }) => ours)),
    base: medians(rounds.map(({ base }) => base)),
    disturbed: rounds.filter((each) => foreignOf(each) > plan.foreignCoresMax).length,
    rounds,
  };
}

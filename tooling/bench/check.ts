// A quick check that nothing has become much dearer: robust on any machine, whoever else uses it.
// Read first: README.md "The check". What is checked are ratios of one run: I/Os for each write, and
// CPU for each I/O against bare sockets, beside what was kept.

import { type Plan, iosPerWriteOf, runRound } from "./compare.ts";
import { type Kept, keptRuns, lastKept } from "./history.ts";
import { rows } from "./rows.ts";

/** At QD 128 there are 40 to 120; a write for each command would be 1. */
const IOS_PER_WRITE_MIN = 20;
/**
 * What of the kept ratio of CPU must be reached. Others make it worse by up to a half, since they change how
 * much comes at a time; what this is to find costs a factor of three or more.
 */
const CPU_TOLERANCE = 0.4;
/** Rows that are in no history yet must reach this ratio of CPU. */
const CPU_RATIO_MIN = 0.15;
/** A check that fails is repeated: others may have disturbed it, but nobody makes it better than it is. */
const ATTEMPTS = 5;

const checked = ["host-r4k-qd128", "host-w4k-qd128", "target-r4k-qd128"] as const;

const plan: Plan = {
  rounds: 1,
  slices: 6,
  sliceMs: 100,
  sliceWarmMs: 20,
  warmMs: 300,
  tries: 1,
  foreignCoresMax: Infinity,
};

/** Least ratio of CPU that passes. */
export const cpuRatioMin = (kept: Kept | undefined): number =>
  kept?.cpuRatio === undefined ? CPU_RATIO_MIN : kept.cpuRatio * CPU_TOLERANCE;

/** What a round has shown; undefined for what is not counted on this machine. */
interface Shown {
  readonly iosPerWrite: number | undefined;
  readonly cpuRatio: number | undefined;
}

const percent = (ratio: number): string => `${(ratio * 100).toFixed(0)} %`;

/** What is wrong with it; nothing with what cannot be known. */
export function faultsOf({ iosPerWrite, cpuRatio }: Shown, kept: Kept | undefined): string[] {
  const faults: string[] = [];
  if (iosPerWrite !== undefined && iosPerWrite < IOS_PER_WRITE_MIN) {
    const found = iosPerWrite.toFixed(1);
    faults.push(`${found} I/Os for each write, must be at least ${IOS_PER_WRITE_MIN}`);
  }
  const least = cpuRatioMin(kept);
  if (cpuRatio !== undefined && cpuRatio < least) {
    faults.push(`${percent(cpuRatio)} of the ceiling by CPU, must be at least ${percent(least)}`);
  }
  return faults;
}

async function isPassed(name: string, kept: Kept | undefined, say: Say): Promise<boolean> {
  const row = rows.find((each) => each.name === name)!;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const { ours, cpuRatio } = await runRound(row, plan);
    const shown = { iosPerWrite: iosPerWriteOf(row, ours), cpuRatio };
    const faults = faultsOf(shown, kept);
    if (faults.length === 0) {
      const cpu = cpuRatio === undefined ? "CPU unknown" : `${percent(cpuRatio)} by CPU`;
      say(`ok      ${name}: ${cpu}, ${shown.iosPerWrite?.toFixed(0) ?? "?"} I/Os for each write`);
      return true;
    }
    say(`${attempt < ATTEMPTS ? "again " : "failed"}  ${name}: ${faults.join("; ")}`);
  }
  return false;
}

type Say = (line: string) => void;

/** @returns whether all is well. @throws Error where an I/O was lost. */
export async function check(say: Say): Promise<boolean> {
  const runs = keptRuns();
  let isWell = true;
  for (const name of checked) {
    if (!(await isPassed(name, lastKept(runs, name), say))) isWell = false;
  }
  return isWell;
}

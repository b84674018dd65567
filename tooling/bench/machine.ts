// What the machine says of itself and of processes: CPU time and system calls. Linux only; else undefined.
// Read first: proc(5): /proc/stat, /proc/[pid]/stat, /proc/[pid]/io.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";

/** Unit of times in /proc: 1/100 s on every Linux there is. */
const TICK_US = 10_000;

/** CPU time of a process since it began, us. */
export interface CpuTime {
  readonly userUs: number;
  readonly systemUs: number;
}

function file(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
}

/** CPU time that all of the machine has spent, us, whoever for. */
export function busyUs(): number | undefined {
  const line = file("/proc/stat")?.split("\n", 1)[0];
  if (line === undefined) return undefined;
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return (user + nice + system + irq + softirq + steal) * TICK_US;
}

export function cpuTime(pid: number): CpuTime | undefined {
  const text = file(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  // The name of the program, in parentheses, may hold anything.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { userUs: Number(fields[11]) * TICK_US, systemUs: Number(fields[12]) * TICK_US };
}

/** System calls that have written and read so far. */
export interface SystemCalls {
  readonly writes: number;
  readonly reads: number;
}

export function systemCalls(pid: number): SystemCalls | undefined {
  const text = file(`/proc/${pid}/io`);
  const value = (name: string): number =>
    Number(new RegExp(`^${name}: (\\d+)`, "m").exec(text!)?.[1] ?? Number.NaN);
  return text === undefined ? undefined : { writes: value("syscw"), reads: value("syscr") };
}

const hasTaskset =
  availableParallelism() > 1 && spawnSync("taskset", ["-c", "0", "true"]).status === 0;

/** What to put before a command to keep it on one core, where that can be done. */
export const pinnedTo = (core: number): string[] =>
  hasTaskset ? ["taskset", "-c", String(core)] : [];

/** What a figure is worth nothing without. */
export const machine = {
  engine: `node ${process.versions.node}`,
  platform: `${process.platform} ${process.arch}`,
  cores: availableParallelism(),
  cpu: cpus()[0]?.model ?? "unknown",
  isPinned: hasTaskset,
} as const;

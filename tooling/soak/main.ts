// `pnpm soak`: runs, tells how it goes, writes the page, and ends with 1 where anything is wrong.
// Read first: README.md, soak.ts.

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { type SoakCommand, parseOptions, usage } from "./options.ts";
import { soakPage } from "./page.ts";
import { type SoakProgress, soak } from "./soak.ts";

/** Where things are; run.mjs knows. */
declare const SOAK_FOLDER: string;

/** Samples of a run, about; the least and the most time between two, ms. */
const SAMPLES = 300;
const SAMPLE_MS_MIN = 500;
const SAMPLE_MS_MAX = 30_000;
/** Time between two faults, ms: long enough for a host to come back from most of them. */
const FAULT_MS = 1_500;
const KEEP_ALIVE_MS = 1_000;
/** Lines of progress where nobody looks at a screen. */
const LINES = 20;

class Progress {
  readonly #durationMs: number;
  #toldMs = 0;

  constructor(durationMs: number) {
    this.#durationMs = durationMs;
  }

  tell({ elapsedMs, settled, faults, visits, heapMiB, handles }: SoakProgress): void {
    const { stderr } = process;
    const share = `${Math.floor(Math.min(1, elapsedMs / this.#durationMs) * 100)} %`;
    const line =
      `${share}, ${(elapsedMs / 1_000).toFixed(0)} s: ${settled} requests, ${faults} faults, ` +
      `${visits} guests, heap ${heapMiB.toFixed(1)} MiB, ${handles} handles`;
    if (stderr.isTTY) stderr.write(`\r\u001b[K${line}`);
    else if (elapsedMs >= this.#toldMs + this.#durationMs / LINES) {
      this.#toldMs = elapsedMs;
      stderr.write(`${line}\n`);
    }
  }

  end(): void {
    if (process.stderr.isTTY) process.stderr.write("\r\u001b[K");
  }
}

async function run({ minutes, seed, page }: SoakCommand): Promise<number> {
  const durationMs = minutes * 60_000;
  const sampleMs = Math.min(SAMPLE_MS_MAX, Math.max(SAMPLE_MS_MIN, durationMs / SAMPLES));
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
  console.log(`seed ${seed}, ${minutes} minutes; Ctrl-C ends it, and it is judged all the same`);
  const progress = new Progress(durationMs);
  const report = await soak({
    durationMs,
    seed,
    sampleMs,
    faultMs: FAULT_MS,
    keepAliveMs: KEEP_ALIVE_MS,
    signal: stop.signal,
    progress: (now) => progress.tell(now),
  });
  progress.end();
  const file = resolve(page ?? `${SOAK_FOLDER}results/soak-${seed}.html`);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, soakPage(report, new Date().toISOString()));
  const { requests, lost, doubled, mismatches, failures } = report;
  console.log(
    `${requests} requests answered, ${lost} lost, ${doubled} doubled, ${mismatches} blocks wrong`,
  );
  console.log(`page: ${file}`);
  for (const failure of failures) console.error(`wrong: ${failure}`);
  if (failures.length === 0) console.log("nothing is wrong");
  return failures.length === 0 ? 0 : 1;
}

async function main(): Promise<number> {
  let command: SoakCommand;
  try {
    command = parseOptions(process.argv.slice(2));
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${usage}`);
    return 2;
  }
  if (!command.help) return run(command);
  console.log(usage);
  return 0;
}

process.exitCode = await main();

// `pnpm fuzz`: runs, tells how it goes, keeps what it finds, and says how to run that again.
// Read first: README.md, pool.ts.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { after } from "@nvmeof/tooling-support";
import { Finding, check } from "./check.ts";
import { formatHex, keep, parseHex } from "./corpus.ts";
import { type FuzzOptions, parseOptions, usage } from "./options.ts";
import { Pool } from "./pool.ts";
import { hashOf } from "./random.ts";
import { fuzzTargets, targetsNamed } from "./registry.ts";
import { FuzzReport } from "./report.ts";
import type { WorkerMessage } from "./worker-words.ts";

/** Files of the corpus that a run with --grow adds to each target, at most; and their size. */
const GROWN_MAX = 10;
const GROWN_BYTES_MAX = 4_096;

/** Where things are; run.mjs knows. */
declare const FUZZ_FOLDER: string;
declare const FUZZ_WORKER: string;

const findingsFolder = `${FUZZ_FOLDER}findings/`;
const corpusFolder = `${FUZZ_FOLDER}corpus/`;

async function readAgain({ targets, input: file }: FuzzOptions): Promise<number> {
  const [target] = targetsNamed(targets);
  const input = parseHex(readFileSync(file!, "utf8"));
  try {
    console.log(await check(target!, input));
    console.log(`${target!.name}: ${input.length} bytes, nothing is wrong`);
    return 0;
  } catch (error) {
    if (!(error instanceof Finding)) throw error;
    console.error(`${target!.name}: ${error.kind}: ${error.message}`);
    console.error(error.cause instanceof Error ? error.cause.stack : "");
    return 1;
  }
}

/** Writes down a finding; gives what to tell of it. */
function kept(message: WorkerMessage & { readonly type: "finding" }): string {
  const { target, seed, smallest, input, at } = message;
  const name = `${target}-${hashOf(message.key).toString(16).padStart(8, "0")}`;
  mkdirSync(findingsFolder, { recursive: true });
  const file = `${findingsFolder}${name}.hex`;
  writeFileSync(file, formatHex(smallest, message.message));
  writeFileSync(`${findingsFolder}${name}.full.hex`, formatHex(input, message.message));
  const hex = Buffer.from(smallest).toString("hex");
  return [
    "",
    `${target}: ${message.message}`,
    `  seed ${seed}, ${at < 0 ? "under way" : `case ${at}`}: ${input.length} bytes, made smaller: ${smallest.length}`,
    `  ${hex.length > 200 ? `${hex.slice(0, 200)}…` : hex}`,
    `  again: node tooling/fuzz/run.mjs ${target} --input ${file}`,
    "",
  ].join("\n");
}

async function main(): Promise<number> {
  let options: FuzzOptions;
  try {
    options = parseOptions(process.argv.slice(2));
    targetsNamed(options.targets);
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${usage}`);
    return 2;
  }
  if (options.help) {
    console.log(
      `${usage}\ntargets:\n${fuzzTargets.map(({ name, reads }) => `  ${name.padEnd(16)} ${reads}`).join("\n")}`,
    );
    return 0;
  }
  if (options.input !== undefined) return readAgain(options);
  return fuzz(options);
}

async function fuzz(options: FuzzOptions): Promise<number> {
  const { seed, workers, targets, cases, minutes, hang } = options;
  const names = targetsNamed(targets).map(({ name }) => name);
  console.log(`seed ${seed}, ${workers} workers: ${names.join(", ")}`);
  const report = new FuzzReport(process.stderr, names);
  const grown = new Map<string, number>();
  const tell = (message: WorkerMessage): void => {
    if (message.type === "finding") {
      if (report.found(`${message.target} ${message.key}`)) report.say(kept(message));
      return;
    }
    report.add(message);
    if (!options.grow) return;
    for (const input of message.news) {
      const count = grown.get(message.target) ?? 0;
      if (count >= GROWN_MAX || input.length > GROWN_BYTES_MAX) continue;
      grown.set(message.target, count + 1);
      const name = `grown-${hashOf(input).toString(16).padStart(8, "0")}`;
      keep(corpusFolder, message.target, name, formatHex(input, `seed ${seed}`));
    }
  };
  const hangMs = hang * 1_000;
  const shared = { file: FUZZ_WORKER, corpus: corpusFolder, hangMs, tell };
  const pool = new Pool({ ...shared, workers, seed, targets, cases });
  const stop = (): void => void pool.stop();
  const cancel = minutes === Infinity ? (): void => {} : after(minutes * 60_000, stop);
  process.once("SIGINT", stop).once("SIGTERM", stop);
  await pool.ended;
  cancel();
  console.log(report.table());
  return report.findings > 0 ? 1 : 0;
}

process.exitCode = await main();

// `pnpm bench`: what this project costs, against bare sockets on the same machine in the same seconds.
// Read first: README.md, which says what is compared, and how to read the ratios.

import { writeFileSync } from "node:fs";
import { check } from "./check.ts";
import { type CommandLine, commandLine } from "./command-line.ts";
import { type Comparison, type Plan, compare } from "./compare.ts";
import { keep } from "./history.ts";
import { machine } from "./machine.ts";
import { type Found, type Probe, probed, probes } from "./probes.ts";
import { profile } from "./profile.ts";
import { hasCompiler, killPrograms } from "./programs.ts";
import { Progress } from "./progress.ts";
import { comparisonLine, findingHead, findingLine, summary, tableHead } from "./report.ts";
import { type Row, rows } from "./rows.ts";

const PROFILE_MS = 4_000;
const SLICE_MS = 150;
const SLICE_WARM_MS = 25;

const planOf = ({ isQuick, rounds, measureMs }: CommandLine): Plan => ({
  rounds: rounds ?? (isQuick ? 2 : 5),
  slices: Math.max(1, Math.round((measureMs ?? (isQuick ? 750 : 1_500)) / SLICE_MS)),
  sliceMs: SLICE_MS,
  sliceWarmMs: SLICE_WARM_MS,
  warmMs: 400,
  tries: isQuick ? 1 : 2,
  foreignCoresMax: 0.2,
});

const PROBE_ROUNDS = 3;

interface Results {
  readonly comparisons: Comparison[];
  readonly findings: { readonly probe: string; readonly found: Found[] }[];
}

async function run(
  chosen: readonly Row[],
  probing: readonly Probe[],
  plan: Plan,
): Promise<Results> {
  const results: Results = { comparisons: [], findings: [] };
  const probeRounds = Math.min(plan.rounds, PROBE_ROUNDS);
  const progress = new Progress(chosen.length * plan.rounds + probing.length * probeRounds);
  if (chosen.length > 0) progress.log(tableHead);
  for (const row of chosen) {
    progress.says(row.work);
    const comparison = await compare(row, plan, () => progress.tick());
    results.comparisons.push(comparison);
    progress.log(comparisonLine(comparison));
  }
  for (const probe of probing) {
    progress.says(probe.work);
    const found = await probed(probe, probeRounds, () => progress.tick());
    results.findings.push({ probe: probe.name, found });
    progress.log(`\n${findingHead(probe.work)}`);
    for (const each of found) progress.log(findingLine(each));
  }
  progress.end();
  return results;
}

/** On Ctrl-C everything that was started ends with us. */
function endOnSignal(): void {
  process.on("exit", killPrograms);
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    process.on(signal, () => {
      process.stderr.write("\nbench: interrupted\n");
      process.exit(code);
    });
  }
}

/** Rows about C, and about digests, which the stand-in of the responder does not know. */
const needsCompiler = (name: string): boolean => /^(native|digests)-/.test(name);

const line = (text: string): void => void process.stdout.write(`${text}\n`);

async function profileOf(name: string, folder: string): Promise<void> {
  const row = rows.find((each) => each.name === name);
  if (row === undefined)
    throw new Error(`there is no row ${name}; --list names those that there are`);
  line(await profile(row, PROFILE_MS, folder));
}

async function main(asked: CommandLine): Promise<void> {
  const known = hasCompiler ? rows : rows.filter(({ name }) => !needsCompiler(name));
  const chosen = known.filter(({ name }) => asked.only(name));
  const probing = probes.filter(({ name }) => asked.only(name));
  if (asked.isList) {
    for (const { name, work } of [...chosen, ...probing]) line(`${name.padEnd(24)} ${work}`);
    return;
  }
  if (asked.profile !== undefined) return profileOf(asked.profile, asked.profileFolder);
  if (asked.isCheck) {
    process.exitCode = (await check(line)) ? 0 : 1;
    return;
  }
  if (chosen.length + probing.length === 0) throw new Error("no row has such a name; see --list");
  const { engine, platform, cores, cpu, isPinned } = machine;
  const pinned = isPinned ? "pinned to cores" : "not pinned";
  line(`${engine}, ${platform}, ${cores} cores of ${cpu}, ${pinned}`);
  if (!hasCompiler) {
    line(
      "no C compiler: programs in C are replaced by JavaScript, and rows that want them left out",
    );
  }
  const plan = planOf(asked);
  const results = await run(chosen, probing, plan);
  line(
    `\n${summary(
      results.comparisons,
      results.findings.flatMap(({ found }) => found),
    )}`,
  );
  const atIso = new Date().toISOString();
  if (asked.json !== undefined) {
    const report = { machine, hasCompiler, atIso, plan, ...results };
    writeFileSync(asked.json, `${JSON.stringify(report, undefined, 2)}\n`);
  }
  if (asked.isKept) line(`kept in ${keep(results.comparisons, atIso)}`);
}

endOnSignal();
try {
  await main(commandLine(process.argv.slice(2)));
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

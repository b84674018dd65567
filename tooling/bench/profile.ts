// A profile of our side under the load of a row: where its CPU time goes, by function.
// Read first: README.md "To find out where the time goes".

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { Side } from "./side.ts";
import type { Row } from "./rows.ts";

interface ProfileNode {
  readonly id: number;
  readonly callFrame: {
    readonly functionName: string;
    readonly url: string;
    readonly lineNumber: number;
  };
}

/** A .cpuprofile, as far as it matters here. */
interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** Sources of a bundle: the line that each one begins at, as a comment of the bundler says. */
type Places = readonly { readonly line: number; readonly source: string }[];

function placesIn(bundle: string): Places {
  return bundle.split("\n").flatMap((text, line) => {
    const source = /^\/\/ (\S+\.(?:ts|mjs|js))$/.exec(text)?.[1];
    return source === undefined ? [] : [{ line, source: source.replace(/^(\.\.\/)+/, "") }];
  });
}

/** Where a function is: its source and the line in the bundle, or the file of the platform. */
function placeOf(url: string, line: number, bundles: Map<string, Places>): string {
  if (url === "") return "";
  if (!url.startsWith("file:")) return `${url}:${line + 1}`;
  let places = bundles.get(url);
  if (places === undefined)
    bundles.set(url, (places = placesIn(readFileSync(new URL(url), "utf8"))));
  const source = places.findLast((place) => place.line <= line)?.source ?? basename(url);
  return `${source} (bundle:${line + 1})`;
}

/** Self time of each function, us, the largest first; without the time that nothing was done in. */
export function selfTimes({ nodes, samples, timeDeltas }: CpuProfile): [string, number][] {
  const bundles = new Map<string, Places>();
  const names = new Map(
    nodes.map(({ id, callFrame: { functionName, url, lineNumber } }) => {
      const name = functionName === "" ? "(anonymous)" : functionName;
      return [id, `${name}  ${placeOf(url, lineNumber, bundles)}`.trimEnd()];
    }),
  );
  const times = new Map<string, number>();
  for (const [i, id] of samples.entries()) {
    const name = names.get(id) ?? "?";
    times.set(name, (times.get(name) ?? 0) + (timeDeltas[i] ?? 0));
  }
  times.delete("(idle)");
  return [...times].sort(([, a], [, b]) => b - a);
}

const FUNCTIONS = 40;

/** Runs our side of the row once under the profiler, prints its functions, and says where it lies. */
export async function profile(row: Row, measureMs: number, folder: string): Promise<string> {
  mkdirSync(folder, { recursive: true });
  const work = `${folder}/.${row.name}`;
  rmSync(work, { recursive: true, force: true });
  const flags = ["--cpu-prof", "--cpu-prof-interval", "200", "--cpu-prof-dir", work];
  const ofServer = row.ours.client === row.base.client && row.ours.server !== row.base.server;
  const side = await Side.start(
    row.ours,
    row.load,
    ofServer ? { server: flags } : { client: flags },
  );
  // What warms up is in the profile as well: a short warm-up, and a long load.
  const figures = await side.slice({ warmMs: 300, measureMs });
  const { clientUserUs, clientSystemUs, serverUserUs = 0, serverSystemUs = 0 } = side.totals();
  await side.end();
  const [file] = readdirSync(work);
  if (file === undefined) throw new Error("the profiler has written nothing");
  const text = readFileSync(`${work}/${file}`, "utf8");
  const kept = `${folder}/${row.name}.cpuprofile`;
  writeFileSync(kept, text);
  rmSync(work, { recursive: true });
  const times = selfTimes(JSON.parse(text) as CpuProfile);
  const all = times.reduce((sum, [, us]) => sum + us, 0);
  const lines = times.slice(0, FUNCTIONS).map(([name, us]) => {
    const share = ((us / all) * 100).toFixed(1).padStart(6);
    return `${share} %  ${name}`;
  });
  const [user, system] = ofServer ? [serverUserUs, serverSystemUs] : [clientUserUs, clientSystemUs];
  return [
    `${row.name}: ${Math.round(figures.iops)} IOPS, ${user.toFixed(2)} us user and ${system.toFixed(2)} us system CPU per I/O, profiled`,
    "",
    ...lines,
    "",
    `written to ${kept}`,
  ].join("\n");
}

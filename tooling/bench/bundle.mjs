// Makes a benchmark one file of JavaScript, as a user of the packages would run it, and says how.
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** Flags that a benchmark of memory wants: its own collections, and none in between. */
export const quietHeap = ["--expose-gc", "--max-semi-space-size=512", "--min-semi-space-size=512"];

/** Bundles `name`.ts of this folder; gives the path of the bundle. */
export async function bundle(name) {
  const at = (path) => fileURLToPath(new URL(path, import.meta.url));
  const outfile = at(`./node_modules/.cache/bench/${name}.mjs`);
  await build({
    entryPoints: [at(`./${name}.ts`)],
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    conditions: ["@nvmeof/source"],
    logLevel: "silent",
  });
  return outfile;
}

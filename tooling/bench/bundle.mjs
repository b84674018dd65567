// Makes a benchmark one file of JavaScript, as a user of the packages would run it, and says how.
import { renameSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** Flags that a benchmark of memory wants: its own collections, and none in between. */
export const quietHeap = ["--expose-gc", "--max-semi-space-size=512", "--min-semi-space-size=512"];

/** Bundles `name`.ts of this folder; gives the path of the bundle. */
export async function bundle(name) {
  const at = (path) => fileURLToPath(new URL(path, import.meta.url));
  const outfile = at(`./node_modules/.cache/bench/${name}.mjs`);
  // Renamed when it is whole: another run may be about to start it.
  const whole = `${outfile}.${process.pid}`;
  await build({
    entryPoints: [at(`./${name}.ts`)],
    outfile: whole,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    conditions: ["@nvmeof/source"],
    external: ["esbuild", "cli-progress"],
    // Files of this folder find what lies beside them; one file elsewhere would not.
    define: { "import.meta.url": JSON.stringify(import.meta.url) },
    // Sources are named in comments, from there on.
    absWorkingDir: at("../.."),
    logLevel: "silent",
  });
  renameSync(whole, outfile);
  return outfile;
}

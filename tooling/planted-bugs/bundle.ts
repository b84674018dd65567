// The simulator as one file, with a bug planted in the sources that it is made of, or with none.
// Read first: planted-bug.ts. The packages' sources stay as they are: the text changes on its way in.

import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { type Plugin, build } from "esbuild";
import { root } from "@nvmeof/tooling-support";
import { type PlantedBug, planted, touches } from "./planted-bug.ts";

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** Replaces the text of the files that the bug is in. */
const planting = (bug: PlantedBug): Plugin => ({
  name: "planted-bug",
  setup(build) {
    const left = new Set(bug.changes.map(({ file }) => file));
    build.onLoad({ filter: /[\\/]packages[\\/].*\.ts$/ }, async ({ path }) => {
      const file = path.slice(root.length).replaceAll("\\", "/");
      if (!path.startsWith(root) || !touches(bug, file)) return undefined;
      left.delete(file);
      return { contents: planted(bug, file, await readFile(path, "utf8")), loader: "ts" };
    });
    // A file that is not part of the simulator would hide the bug from it, and that from us.
    build.onEnd(() => ({
      errors: [...left].map((file) => ({ text: `${bug.name}: ${file} is not bundled` })),
    }));
  },
});

/** What is bundled: a hunter of hunt.ts, or the whole command. */
const entries = {
  hunter: at("./hunter.ts"),
  command: `${root}apps/cli/src/index.ts`,
};

/**
 * Bundles, with a bug or with none, and gives the path of the file.
 *
 * @throws Error where the bug does not fit.
 */
export async function bundled(
  bug?: PlantedBug,
  what: keyof typeof entries = "hunter",
): Promise<string> {
  const outfile = at(`./node_modules/.cache/planted-bugs/${what}-${bug?.name ?? "none"}.mjs`);
  await build({
    entryPoints: [entries[what]],
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    conditions: ["@nvmeof/source", "import", "module"],
    // CommonJS dependencies of the command call `require`, which ESM does not have.
    banner: {
      js: 'import { createRequire as __r } from "node:module"; const require = __r(import.meta.url);',
    },
    plugins: bug === undefined ? [] : [planting(bug)],
    logLevel: "silent",
  });
  return outfile;
}

// `pnpm planted-bugs`: how many seeds the simulator needs to find each planted bug. Takes minutes.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const outfile = at("./node_modules/.cache/planted-bugs/measure.mjs");
await build({
  entryPoints: [at("./measure.ts")],
  outfile,
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20",
  external: ["esbuild", "prettier"],
  // The files of this folder find what lies beside them; one file elsewhere would not.
  define: { "import.meta.url": JSON.stringify(import.meta.url) },
  logLevel: "silent",
});
const { status } = spawnSync(process.execPath, [outfile, ...process.argv.slice(2)], {
  stdio: "inherit",
});
process.exit(status ?? 1);

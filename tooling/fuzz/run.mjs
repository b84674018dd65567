// `pnpm fuzz`: bundles the command and its worker from the sources, and runs it. README.md has the options.
import { fileURLToPath } from "node:url";
import { spawnSync } from "node:child_process";
import { build } from "esbuild";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const outdir = at("./node_modules/.cache/fuzz/");
await build({
  entryPoints: [at("./main.ts"), at("./worker.ts")],
  outdir,
  outExtension: { ".js": ".mjs" },
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20",
  conditions: ["@nvmeof/source"],
  // Some of what the command stands on is CommonJS.
  banner: {
    js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);',
  },
  // Names of files and lines in what a finding prints.
  sourcemap: "inline",
  define: {
    FUZZ_FOLDER: JSON.stringify(at("./")),
    FUZZ_WORKER: JSON.stringify(`${outdir}worker.mjs`),
  },
  logLevel: "warning",
});
const args = ["--enable-source-maps", `${outdir}main.mjs`, ...process.argv.slice(2)];
// Both hear of Ctrl-C; this one waits for the other to say what it found.
process.on("SIGINT", () => {});
const { status, signal } = spawnSync(process.execPath, args, { stdio: "inherit" });
if (signal !== null) console.error(`ended by ${signal}`);
process.exit(status ?? 1);

// `pnpm soak`: bundles the command from the sources, and runs it. README.md has the options.
import { fileURLToPath } from "node:url";
import { spawnSync } from "node:child_process";
import { build } from "esbuild";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const outfile = at("./node_modules/.cache/soak/main.mjs");
await build({
  entryPoints: [at("./main.ts")],
  outfile,
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20",
  conditions: ["@nvmeof/source"],
  // Some of what the command stands on is CommonJS.
  banner: {
    js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);',
  },
  define: { SOAK_FOLDER: JSON.stringify(at("./")) },
  logLevel: "warning",
});
// Both hear of Ctrl-C; this one waits for the other to say how it went.
process.on("SIGINT", () => {});
const { status, signal } = spawnSync(process.execPath, [outfile, ...process.argv.slice(2)], {
  stdio: "inherit",
});
if (signal !== null) console.error(`wrong: ended by ${signal}`);
process.exit(status ?? 1);

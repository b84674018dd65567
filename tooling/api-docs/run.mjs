// `npm run api-docs`: bundles the program from its sources, and runs it in this process.
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
// In this folder, so that what it imports is found from there.
const outfile = at("./node_modules/.cache/main.mjs");
await build({
  entryPoints: [at("./main.ts")],
  outfile,
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20",
  packages: "external",
  alias: { "@nvmeof/tooling-support": at("../support/index.ts") },
  // The repository is two folders up from any source in tooling.
  define: { "import.meta.url": JSON.stringify(new URL("./main.ts", import.meta.url).href) },
  logLevel: "warning",
});
await import(`file://${outfile}`);

// Runs an example from a clone, with any Node that the packages support: `npm run example read-one-block`.
// What it imports is bundled from the sources, so that nothing has to be built before.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const [, , name = "", ...args] = process.argv;

if (!existsSync(`${here}${name}.ts`) || name === "") {
  console.error("usage: npm run example <name>\n");
  for (const file of readdirSync(here).filter((file) => /^[a-z-]+\.ts$/.test(file))) {
    const [first = ""] = readFileSync(here + file, "utf8").split("\n");
    console.error(`  ${file.replace(".ts", "").padEnd(20)}${first.replace("// ", "")}`);
  }
  process.exit(2);
}
if (!existsSync(`${here}node_modules/esbuild`)) {
  console.error("Run `npm start` once: it installs what the project uses.");
  process.exit(1);
}

const { build } = await import("esbuild");
const outfile = `${here}node_modules/.cache/examples/${name}.mjs`;
await build({
  entryPoints: [`${here}${name}.ts`],
  outfile,
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20",
  conditions: ["@nvmeof/source"],
  logLevel: "error",
});
// The same process from here on: arguments, signals and the exit code are the example's own.
process.argv.splice(1, Infinity, outfile, ...args);
await import(pathToFileURL(outfile).href);

// How the packages are bundled: `library` for what others import, `program` for what people run.
import { readFileSync } from "node:fs";

/** The condition under which `exports` names sources; never shipped (see publishConfig). */
export const sourceCondition = "@nvmeof/source";

/** Entry points of the package in the working directory, read from its `exports`. */
function entries() {
  const { exports } = JSON.parse(readFileSync("package.json", "utf8"));
  return Object.fromEntries(
    Object.values(exports)
      .map((entry) => entry[sourceCondition])
      .filter((source) => source !== undefined)
      // Same folders in dist as in src, so that `tsc` puts each .d.ts beside its .js.
      .map((source) => [source.replace(/^\.\/src\/|\.ts$/g, ""), source]),
  );
}

export const library = () => ({
  entry: entries(),
  format: ["esm"],
  target: "es2022",
  platform: "neutral",
  sourcemap: true,
  splitting: true,
  clean: true, // what a source no longer gives must not be published
  silent: true,
  dts: false, // `tsc -b` writes the declarations
  removeNodeProtocol: false,
  external: [/^node:/],
  outExtension: () => ({ js: ".js" }),
});

/** One file that runs without node_modules. */
export const program = (entry) => ({
  entry,
  format: ["esm"],
  target: "node20",
  platform: "node",
  splitting: false,
  silent: true,
  dts: false,
  removeNodeProtocol: false,
  noExternal: [/.*/],
  outExtension: () => ({ js: ".js" }),
  // CommonJS dependencies call `require` for Node's own modules, which ESM does not have.
  banner: {
    js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
  },
  esbuildOptions(options) {
    options.conditions = [sourceCondition, "import", "module"];
  },
});

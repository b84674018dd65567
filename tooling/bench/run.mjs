// `pnpm bench`: makes the benchmarks one file, and runs them. What they are is in README.md.
import { pathToFileURL } from "node:url";
import { bundle } from "./bundle.mjs";

await import(pathToFileURL(await bundle("main")).href);

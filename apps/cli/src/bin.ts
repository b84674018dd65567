#!/usr/bin/env node
// What is installed as `nvmeof`: says its version at once, and leaves everything else to the program beside
// it, which is one file, can be run by itself, and takes longer to read than to say the version.

import { version } from "./version.ts";

const [only, ...more] = process.argv.slice(2);
if (more.length === 0 && (only === "--version" || only === "-V")) {
  process.stdout.write(`${version}\n`);
} else {
  await import(new URL("./nvmeof.js", import.meta.url).href);
}

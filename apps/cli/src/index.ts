#!/usr/bin/env node
// The nvmeof command: gives the process to `main`, and ends it with what that says.

import { main } from "./main.ts";

const { stdin, stdout, stderr, env } = process;
const quit = (exitCode: number): void => process.exit(exitCode);
const exitCode = await main(process.argv.slice(2), {
  stdin,
  stdout,
  stderr,
  env,
  signals: process,
  program: new URL(import.meta.url),
  quit,
});
// What is left open, a pipe that nobody writes to or a name that does not resolve, is not waited for;
// what was written is.
stdout.write("", () => process.exit(exitCode));

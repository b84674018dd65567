// The built `nvmeof` command, run as a user runs it: a process, a deadline, an exit code, JSON.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execute, Program } from "./programs.mjs";

const root = fileURLToPath(new URL("../../", import.meta.url));
const entry = process.env.NVMEOF_CLI ?? join(root, "apps/cli/dist/nvmeof.js");

/** Builds the command unless it is there. */
export async function buildCli({ log }) {
  if (existsSync(entry)) return;
  const args = [join(root, "scripts/run.mjs"), "build"];
  const program = await execute(process.execPath, args, { deadlineMs: 600_000, log });
  if (program.code !== 0) throw new Error(`the build failed: ${program.lastWords}`);
}

/** Runs `nvmeof ARGS`; its exit code must be `exitCode`, unless that is null. */
export async function nvmeof(args, { log, exitCode = 0, deadlineMs = 30_000 }) {
  const program = await execute(process.execPath, [entry, ...args], { deadlineMs, log });
  if (exitCode !== null && program.code !== exitCode) {
    const want = `nvmeof ${args.join(" ")}: exit code ${program.code}, not ${exitCode}`;
    throw new Error(`${want}\n${program.lastWords}`);
  }
  return program;
}

/** The same with `--json`: gives the envelope's `data`, or its `error` where one is expected. */
export async function nvmeofJson(args, options) {
  const { stdout } = await nvmeof([...args, "--json"], options);
  const { schema, version, tool, data, warnings, error } = JSON.parse(stdout);
  const isEnvelope =
    String(schema).startsWith("nvmeof/") &&
    version >= 1 &&
    Boolean(tool) &&
    Array.isArray(warnings);
  if (!isEnvelope) throw new Error(`not the envelope: ${stdout.slice(0, 300)}`);
  if ((options.exitCode ?? 0) !== 0) return error;
  if (error !== null) throw new Error(`exit code 0 with an error: ${JSON.stringify(error)}`);
  return data;
}

/** What `serve` wrote; `undefined` as long as it is not there as a whole. */
function ready(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}

/** Starts `nvmeof VERB ARGS`; resolves once it says that it is ready. */
async function start(verb, args, { log, readyFile }) {
  const program = new Program(process.execPath, [entry, verb, ...args, "--ready-file", readyFile], {
    log,
  });
  for (let waitedMs = 0; waitedMs < 20_000; waitedMs += 50) {
    const exited = await program.exitsWithin(50);
    const said = ready(readyFile);
    if (said !== undefined) return { ...said, program };
    if (exited) break;
  }
  await program.stop(1000);
  throw new Error(`nvmeof ${verb} did not become ready\n${program.lastWords}`);
}

/** `nvmeof serve ARGS` on ports of its choice. */
export const serve = (args, options) =>
  start("serve", [...args, "--listen", "127.0.0.1:0", "--discovery-port", "0"], options);

/** `nvmeof chaos proxy ARGS` on a port of its choice. */
export const chaosProxy = (args, options) =>
  start("chaos", ["proxy", ...args, "--listen", "127.0.0.1:0"], options);

/** `nvmeof export-nbd ARGS` on a port of its choice. */
export const exportNbd = (args, options) => start("export-nbd", [...args, "--port", "0"], options);

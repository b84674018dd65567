// `npm start` and `npm test` on a machine that has only Node and npm: fetches the pinned pnpm, then
// installs, builds and runs. Everything else in the repository assumes that this has run once.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = fileURLToPath(new URL("../", import.meta.url));
const { packageManager } = JSON.parse(readFileSync(`${root}package.json`, "utf8"));

const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`nvmeof needs Node 20.19 or newer; this is Node ${process.versions.node}.`);
  process.exit(1);
}

/** Runs a shell line with the pinned pnpm and node_modules/.bin on PATH; gives its exit status. */
function run(line, { quiet = false, env = {} } = {}) {
  const windows = process.platform === "win32";
  // Without --prefer-offline, npx waits a minute for the registry when there is no network.
  const args = ["--yes", "--prefer-offline", "--package", packageManager, "-c"];
  const { status, stdout, stderr } = spawnSync("npx", [...args, windows ? `"${line}"` : line], {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, TURBO_TELEMETRY_DISABLED: "1", DO_NOT_TRACK: "1", ...env },
    stdio: quiet ? ["ignore", "pipe", "pipe"] : "inherit",
    shell: windows,
  });
  if (quiet && status !== 0) process.stderr.write(`${stdout}${stderr}`);
  return status ?? 1;
}

const install = "pnpm install --frozen-lockfile";
const turbo = "turbo run --output-logs=errors-only --log-order=grouped";

function start(args) {
  if (process.stderr.isTTY) process.stderr.write("Installing and building, once…\n");
  const status = run(`${install} && ${turbo} build --filter=nvmeof`, { quiet: true });
  if (status !== 0) process.exit(status);
  // The same process from here on: arguments, signals and the exit code are the program's own.
  const cli = `${root}apps/cli/dist/nvmeof.js`;
  process.argv.splice(1, Infinity, cli, "demo", ...args);
  return import(pathToFileURL(cli).href);
}

function test() {
  if (run(install) !== 0) {
    console.log("0 passed, 1 failed"); // the closing line is promised, whatever happens
    process.exit(1);
  }
  // A failed check does not hide what the tests have to say: it is counted, and they still run.
  const checks = "build typecheck lint format:check --continue=dependencies-successful";
  const before = [`${turbo} ${checks}`, "turbo boundaries", "pnpm run coverage"];
  const failed = before.filter((line) => run(line) !== 0);
  const status = run("vitest run", { env: { FAILED_CHECKS: String(failed.length) } });
  process.exit(status || Math.min(failed.length, 1));
}

const [task, ...args] = process.argv.slice(2);
if (task === "start") await start(args);
else if (task === "test") test();
else process.exit(run(`${install} && ${turbo} ${task}`));

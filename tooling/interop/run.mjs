// `pnpm interop`: nvmeof and the Linux kernel, each as host and as target, over real sockets.
//
//   node tooling/interop/run.mjs [--only host|target|chaos|peer] [--kernel backports|stable] [--json FILE]
//                                [--grep TEXT]
//
//   --only    host: our host against the kernel's target; target: the kernel's host against `serve`;
//             chaos: the kernel against itself, with `chaos proxy` between them;
//             peer: the same without, which proves the peer
//   --kernel  which of Debian's kernels: backports, the newest (default), or stable
//   --json    also writes a summary
//   --grep    only the checks whose line matches this regular expression
//
// The last line is `N passed, N failed`, and the exit code 1 if anything failed. Where there can be
// no emulator everything is skipped, and it is 0.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildCli } from "./cli.mjs";
import { buildPeer, stopGuests, whyNoPeer } from "./peer.mjs";
import { chaosBetween, ourHost, ourTarget, peerItself } from "./phases.mjs";
import { killPrograms, stopPrograms } from "./programs.mjs";
import { Report } from "./report.mjs";

const phasesOf = {
  host: [ourHost],
  target: [ourTarget],
  chaos: [chaosBetween],
  peer: [peerItself],
};
/** Without --only. */
const usualPhases = [ourHost, ourTarget, chaosBetween];

function commandLine() {
  const kernel = { type: "string", default: "backports" };
  const options = {
    only: { type: "string" },
    kernel,
    json: { type: "string" },
    grep: { type: "string" },
  };
  const { values } = parseArgs({ options });
  const phases = values.only === undefined ? usualPhases : phasesOf[values.only];
  if (phases === undefined) throw new Error("--only takes host, target, chaos or peer");
  const grep = values.grep === undefined ? undefined : new RegExp(values.grep, "i");
  return { ...values, phases, grep };
}

async function checks({ report, folder, kernel, phases }) {
  const { log } = report;
  const reason = whyNoPeer() ?? (await buildPeer({ kernel, log }));
  if (reason !== undefined) {
    report.say(`interop skipped: ${reason}`);
    report.skip("all of it", reason);
    return;
  }
  if (!phases.includes(peerItself)) {
    report.group("nvmeof");
    if (!(await report.check("is built", () => buildCli({ log }), { needed: true }))) return;
  }
  for (const phase of phases) await phase({ report, folder, kernel });
}

/** On Ctrl-C all ends in order; on a second one, at once (see the handler of `exit`). */
function endOnSignal(end) {
  const codes = { SIGINT: 130, SIGTERM: 143 };
  let ending;
  for (const [signal, code] of Object.entries(codes)) {
    process.on(signal, () => {
      if (ending !== undefined) process.exit(code);
      process.stderr.write("\ninterop: interrupted, ending what was started\n");
      ending = end().finally(() => process.exit(code));
    });
  }
}

async function main({ kernel, phases, json, grep }) {
  const top = mkdtempSync(join(tmpdir(), "nvmeof-interop-"));
  const folder = join(top, "files");
  mkdirSync(folder);
  // Guests of this run have a folder of their own, so that runs side by side do not meet.
  process.env.NVMEOF_PEER_STATE = join(folder, "peer");
  const logFile = join(top, "interop.log");
  const report = new Report(logFile, grep);
  process.on("exit", () => {
    killPrograms();
    stopGuests();
    rmSync(folder, { recursive: true, force: true });
  });
  endOnSignal(async () => {
    report.mute();
    await stopPrograms(3000);
    stopGuests();
    rmSync(top, { recursive: true, force: true });
  });

  try {
    await checks({ report, folder, kernel, phases });
  } catch (error) {
    await report.check("the run itself", () => Promise.reject(error));
  }
  await stopPrograms(3000);
  stopGuests();
  if (json !== undefined) report.writeJson(json);
  const failed = report.count("failed") > 0;
  if (failed) report.say(`\nall that was said and done is in ${logFile}`);
  else rmSync(top, { recursive: true, force: true });
  process.stdout.write(`${report.closingLine}\n`);
  process.exitCode = failed ? 1 : 0;
}

let options;
try {
  options = commandLine();
} catch (error) {
  process.stderr.write(`interop: ${error.message}\n`);
  process.exit(2);
}
await main(options);

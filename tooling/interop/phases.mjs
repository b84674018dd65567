// The parts of a run: which guests and which `nvmeof` each needs, and what is checked with them.
import { truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { authenticateToKernel, kernelAuthenticates } from "./authentication.mjs";
import { kernelThroughChaos } from "./chaos.mjs";
import { serve } from "./cli.mjs";
import { digests } from "./digests.mjs";
import { closeWhilePaused } from "./host-closings.mjs";
import { destructWhilePaused, pathComesAndGoes } from "./host-faults.mjs";
import { HostChecks } from "./host-against-kernel-target.mjs";
import { KernelHostChecks, loopback } from "./kernel-host-against-serve.mjs";
import { kernelUsesNbd } from "./nbd.mjs";
import { Guest } from "./peer.mjs";
import { hostByTls, kernelHostByTls } from "./tls.mjs";

const mib = 2 ** 20;
const freePorts = ["--port", "0", "--discovery-port", "0"];
/** What target.sh makes. */
const interopNqn = "nqn.2024-01.org.example:linux:interop";

/** Boots a guest, as a check of its own; `undefined` if it does not come up. */
async function guestOf({ report, kernel }, mode, ...args) {
  let guest;
  report.group(`the kernel as ${mode}`);
  await report.check(
    "boot",
    async () => {
      guest = await Guest.start(mode, args, { kernel, log: report.log });
      report.facts = { kernel: guest.kernel, accelerator: guest.accelerator };
      return guest.kernel;
    },
    { needed: true },
  );
  return guest;
}

/** Our host against the kernel's target. */
export async function ourHost(run) {
  const config = fileURLToPath(new URL("target.sh", import.meta.url));
  const ports = ["--port", "0,0", "--discovery-port", "0"];
  const target = await guestOf(run, "target", ...ports, "--config", config);
  if (target === undefined) return;
  await new HostChecks({ ...run, target }).run();
  await authenticateToKernel({ ...run, target, nqn: interopNqn });
  run.report.group("our host while the kernel's target fails");
  await destructWhilePaused({ ...run, target, nqn: interopNqn });
  await closeWhilePaused({ ...run, target, nqn: interopNqn });
  await pathComesAndGoes({ ...run, target, nqn: interopNqn });
  await hostByTls({ ...run, target, nqn: interopNqn });
  target.stop();
}

/** The kernel's host against `nvmeof serve`. */
export async function ourTarget(run) {
  const host = await guestOf(run, "host");
  if (host === undefined) return;
  await served(run, host, 512, digests);
  await served(run, host, 4096, digests.slice(-1));
  await kernelAuthenticates({ ...run, host });
  await kernelHostByTls({ ...run, host });
  await kernelUsesNbd({ ...run, host });
  host.stop();
}

/** `serve` with a namespace in memory and one in a file, both with blocks of `blockBytes`. */
async function served({ report, folder }, host, blockBytes, combinations) {
  const title = `the kernel's host, our target, blocks of ${blockBytes} bytes`;
  const image = join(folder, `disk-${blockBytes}`);
  writeFileSync(image, "");
  truncateSync(image, 64 * mib);
  const namespaces = [256, 64].map((size, i) => ({ nsid: i + 1, bytes: size * mib, blockBytes }));
  const devices = ["--mem", "256M", "--file", image, "--block-size", String(blockBytes)];
  const readyFile = join(folder, `ready-${blockBytes}`);
  let served;
  report.group(title);
  const started = await report.check(
    "serve",
    async () => {
      served = await serve([...devices, "--advertise", loopback], { log: report.log, readyFile });
    },
    { needed: true },
  );
  if (!started) return;
  const { listen, discovery, nqn, program } = served;
  const endpoint = { port: listen.port, discoveryPort: discovery.port, nqn, namespaces };
  await new KernelHostChecks({ report, host, endpoint }).run(title, combinations);
  await report.check(
    "serve ends when told to",
    async () => {
      if (!(await program.stop(5000))) throw new Error("it was still running after 5 s");
    },
    { needed: true },
  );
}

/** The kernel's host against the kernel's target, with `chaos proxy` between them. */
export async function chaosBetween(run) {
  const config = fileURLToPath(new URL("target.sh", import.meta.url));
  // One processor each: with two, an emulated guest has been seen to miss a wake-up for minutes.
  const single = ["--cpus", "1"];
  const host = await guestOf(run, "host", ...single);
  const target =
    host && (await guestOf(run, "target", ...freePorts, ...single, "--config", config));
  if (target === undefined) return;
  await kernelThroughChaos({ ...run, host, target, nqn: interopNqn });
  target.stop();
  host.stop();
}

/** The kernel's host against the kernel's target: what fails here is not ours. */
export async function peerItself(run) {
  const host = await guestOf(run, "host");
  const target = host && (await guestOf(run, "target", ...freePorts, "--advertise", loopback));
  if (target === undefined) return;
  const nqn = "nqn.2024-01.org.example:linux:a";
  const namespaces = [512, 4096].map((blockBytes, i) => {
    return { nsid: i + 1, bytes: 256 * mib, blockBytes };
  });
  // The kernel's discovery log on a port lists what is on that same port.
  const { discoveryPort } = target;
  const endpoint = { port: discoveryPort, discoveryPort, nqn, namespaces };
  const title = "the kernel's host, the kernel's target";
  await new KernelHostChecks({ ...run, host, endpoint }).run(title);
  target.stop();
  host.stop();
}

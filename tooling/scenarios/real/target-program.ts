// A target in a process of its own, to be stopped and killed: serves memory until its stdin ends, or it is told to close.
// Arguments: host, port (0 for any), UUID of namespace 1, its blocks. Says where it listens, in JSON.

import { memoryDevice } from "@nvmeof/bdev";
import { serve } from "@nvmeof/target/node";
import { systemClock } from "@nvmeof/transport/node";

const [host = "127.0.0.1", port = "0", uuid, blockCount = "4096"] = process.argv.slice(2);
const disk = memoryDevice({
  name: "disk",
  clock: systemClock,
  blockBytes: 512,
  blockCount: Number(blockCount),
});
const served = await serve({
  host,
  port: Number(port),
  nqn: "nqn.2026-01.dev.nvmeof:scenario",
  allowedHosts: "any",
  namespaces: [{ device: disk, uuid }],
});

const turn = (): Promise<unknown> => new Promise((resolve) => setImmediate(resolve));

/** Closes, says which sockets and timers are left two turns later, and ends if nothing keeps it. */
async function close(): Promise<void> {
  process.stdin.destroy();
  await served.close();
  await turn();
  await turn();
  const left = process.getActiveResourcesInfo().filter((kind) => /TCP|Timeout/.test(kind));
  process.stdout.write(`${JSON.stringify({ left })}\n`);
}

process.stdin.resume().on("end", () => process.exit(0));
// Whoever asks is told what is in use, a line for a line.
process.stdin.on("data", (line: Buffer) => {
  if (String(line) === "close\n") void close();
  else process.stdout.write(`${JSON.stringify(served.target.status)}\n`);
});
process.stdout.write(`${JSON.stringify(served.address)}\n`);

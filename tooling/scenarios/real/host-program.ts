// A host in a process of its own: connects, reads, and closes, or does not. Arguments: port, and how.
//
// - `close`: closes, and then has to end by itself, since nothing of ours is left that keeps it. It
//   says what is left two turns of the event loop later, whatever the target does with its end.
// - `exit`: leaves with reads outstanding, by process.exit.
// - `forget`: never closes. Says what keeps it, and that it has come to its end, which it has not.

import { BlockOp } from "@nvmeof/bdev";
import { connect } from "@nvmeof/bdev/nvme";
import { tcp } from "@nvmeof/transport/node";

const [port, how] = process.argv.slice(2);
const hostId = "6d1f9c1e-0b5a-4f5e-9c39-0d8a4c0b7e11";
const host = await connect({
  transport: tcp({ host: "127.0.0.1", port: Number(port) }),
  hostNqn: `nqn.2014-08.org.nvmexpress:uuid:${hostId}`,
  hostId,
  subsystemNqn: "nqn.2026-01.dev.nvmeof:scenario",
});
const namespace = await host.openNamespace(1);
const channel = namespace.openChannel();
const read = (): Promise<unknown> =>
  new Promise((resolve) => {
    const data = new Uint8Array(512);
    channel.submit({ op: BlockOp.Read, lba: 0, blockCount: 1, data }, resolve);
  });
const error = await read();
process.stdout.write(`${JSON.stringify({ read: error === undefined ? "ok" : "failed" })}\n`);
if (how === "exit") {
  void read();
  process.exit(0);
}
const turn = (): Promise<unknown> => new Promise((resolve) => setImmediate(resolve));
/** Sockets and timers; the pipes are those by which this program is spoken to. */
const left = (): string[] =>
  process.getActiveResourcesInfo().filter((kind) => /TCP|Timeout|Immediate/.test(kind));
if (how === "close") {
  await host.close();
  await turn();
  await turn();
}
process.stdout.write(`${JSON.stringify({ left: left() })}\n`);

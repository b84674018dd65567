// A worker thread: opens the namespace that it was lent, reads, and goes on until the device is closed.
// Given: a handle, and how. With `stuck` it never looks at anything again once it has read, and has reads
// in flight then; with `gone` it ends without a word.

import { parentPort, workerData } from "node:worker_threads";
import { BlockOp } from "@nvmeof/bdev";
import { type ThreadHandle, openShared } from "@nvmeof/bdev/node";

const { handle, how } = workerData as { handle: ThreadHandle; how: "works" | "stuck" | "gone" };
const device = await openShared(handle);
const channel = device.openChannel();
const read = (): Promise<string> =>
  new Promise((resolve) => {
    const data = new Uint8Array(512);
    channel.submit({ op: BlockOp.Read, lba: 0, blockCount: 1, data }, (error) =>
      resolve(error?.code ?? "ok"),
    );
  });
parentPort!.postMessage({ read: await read() });
device.observe((event) => {
  if (event.type === "removed") parentPort!.postMessage({ removed: true });
});
if (how === "gone") process.exit(0);
if (how === "stuck") {
  void read();
  // After the read has gone out.
  setImmediate(() => {
    parentPort!.postMessage({ stuck: true });
    for (;;);
  });
}

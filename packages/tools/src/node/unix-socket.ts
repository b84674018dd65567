// Unix sockets that are their owner's alone, and those that somebody has left behind.
// Read first: unix(7). Windows has none that Node could use.

import { chmodSync, lstatSync, rmSync } from "node:fs";
import { type Server, connect } from "node:net";
import { isMainThread } from "node:worker_threads";
import { TransportError } from "@nvmeof/transport";
import { listening } from "@nvmeof/transport/node";

/** Longest path of a Unix socket that all systems take, bytes. */
const PATH_BYTES_MAX = 103;

/**
 * Listens at `path`, which nobody but its owner can use. One that nobody listens at any more is taken over.
 *
 * @throws TransportError NVME_ERR_UNREACHABLE where that cannot be.
 */
export async function listenAtPath(server: Server, path: string): Promise<void> {
  if (Buffer.byteLength(path) > PATH_BYTES_MAX) {
    const message = `cannot listen on ${path}: a path of ${Buffer.byteLength(path)} bytes`;
    const hint = `A Unix socket has a path of at most ${PATH_BYTES_MAX} bytes.`;
    throw new TransportError("unreachable", message, { hint });
  }
  if (await isStaleSocket(path)) rmSync(path, { force: true });
  await ownerOnly(() => listening(server, { path }, path));
  chmodSync(path, 0o600);
}

/** The socket appears inside the call: at no moment is it anybody's but its owner's. */
function ownerOnly(bind: () => Promise<void>): Promise<void> {
  // A thread cannot change it, and has that of the process.
  if (!isMainThread) return bind();
  const before = process.umask(0o177);
  try {
    return bind();
  } finally {
    process.umask(before);
  }
}

/** Whether a socket is there that nobody listens on: whoever made it has ended without a word. */
export async function isStaleSocket(path: string): Promise<boolean> {
  // To connect to a file is refused as well.
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() !== true) return false;
  return new Promise((resolve) => {
    const probe = connect({ path });
    probe.on("connect", () => {
      probe.destroy();
      resolve(false);
    });
    probe.on("error", (error: NodeJS.ErrnoException) => resolve(error.code === "ECONNREFUSED"));
  });
}

// What this machine lacks or forbids: each has a code and says what to do, and none makes us spin.
// Read first: docs/fault-matrix.md, F106 and F108.

import { type Server, createServer } from "node:net";
import { once } from "node:events";
import { expect, test } from "vitest";
import { TransportError } from "../errors.ts";
import { unreachable } from "./socket-stream.ts";
import { tcpConnector, tcpListen } from "./tcp.ts";

const systemError = (code: string): NodeJS.ErrnoException =>
  Object.assign(new Error(`connect ${code}`), { code });

test.each([
  ["F106", "EMFILE", "NVME_ERR_RESOURCE", "ulimit -n"],
  ["F106", "ENFILE", "NVME_ERR_RESOURCE", "no more files"],
  ["F106", "ENOBUFS", "NVME_ERR_RESOURCE", "no room for another socket"],
  ["F106", "ENOMEM", "NVME_ERR_RESOURCE", "no memory"],
  ["F108", "EACCES", "NVME_ERR_UNREACHABLE", "does not allow it"],
  ["F108", "EADDRNOTAVAIL", "NVME_ERR_UNREACHABLE", "no free port"],
  ["F108", "ENETUNREACH", "NVME_ERR_UNREACHABLE", "no route to that network"],
  ["F108", "EHOSTUNREACH", "NVME_ERR_UNREACHABLE", "no route to that host"],
  ["F108", "ECONNREFUSED", "NVME_ERR_UNREACHABLE", "Is the target running"],
])("%s: %s while connecting is %s, with what to do", (_row, errno, code, hint) => {
  const cause = systemError(errno);
  const error = unreachable(cause, "192.0.2.1:4420");
  expect(error).toBeInstanceOf(TransportError);
  expect(error).toMatchObject({ code, cause, phase: "tcp" });
  expect(error.hint).toContain(hint);
  expect(error.message).toContain("192.0.2.1:4420");
});

test("F108: what the system really says of an address is told with a hint", async () => {
  // A broadcast address is forbidden to TCP everywhere.
  const ended = new Promise((resolve) => {
    const handler = { opened() {}, received() {}, drained() {}, ended: resolve };
    const options = { receiveBytes: 1024, connectTimeoutMs: 5_000 };
    tcpConnector({ host: "255.255.255.255", port: 4420 }).connect(options, handler);
  });
  expect(await ended).toMatchObject({
    code: "NVME_ERR_UNREACHABLE",
    hint: expect.stringMatching(/does not allow|no route/),
  });
});

test("F108: an address that cannot be listened on is told with a hint", async () => {
  const foreign = tcpListen({ host: "192.0.2.1", port: 0 });
  await expect(foreign).rejects.toMatchObject({
    code: "NVME_ERR_UNREACHABLE",
    hint: expect.stringContaining("does not have that address"),
  });
  const taken: Server = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  const { port } = taken.address() as { port: number };
  await expect(tcpListen({ host: "127.0.0.1", port })).rejects.toMatchObject({
    hint: expect.stringContaining("The port is in use"),
  });
  taken.close();
});

// Bounds of real sockets: waits longer than a timer can be, and peers whose machine is gone.

import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { ByteStream } from "../byte-stream.ts";
import { tcpConnector, tcpListen } from "./tcp.ts";

/** A connected pair. */
async function pair(connectTimeoutMs: number) {
  const listener = await tcpListen({ host: "127.0.0.1", port: 0 });
  const quiet = { received() {}, drained() {}, ended() {} };
  let accepted: ByteStream | undefined;
  const both = new Promise<void>((resolve) => {
    let open = 0;
    const opened = (): void => {
      open++;
      if (open === 2) resolve();
    };
    listener.listen((stream) => {
      accepted = stream;
      return { ...quiet, opened };
    });
    const handler = { ...quiet, opened };
    tcpConnector(listener.address).connect({ receiveBytes: 1024, connectTimeoutMs }, handler);
  });
  await both;
  const close = (): void => {
    accepted?.reset();
    listener.close();
  };
  return { port: listener.address.port, close };
}

test("a connection may be waited for longer than a timer of the platform can be", async () => {
  const warnings: string[] = [];
  const note = ({ name }: Error): void => void warnings.push(name);
  process.on("warning", note);
  const { close } = await pair(Number.MAX_SAFE_INTEGER);
  close();
  // Node makes 1 ms of it, with a warning.
  await new Promise((done) => setImmediate(done));
  process.off("warning", note);
  expect(warnings).toEqual([]);
});

const table = "/proc/net/tcp";

test.skipIf(!existsSync(table))("[F91] the kernel asks after hosts that are silent", async () => {
  const { port, close } = await pair(5_000);
  const local = `0100007F:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const lines = readFileSync(table, "utf8").split("\n");
  // Established, and timer 2: that of keep-alive.
  const fields = lines.map((line) => line.trim().split(/\s+/));
  const found = fields.find(([, address, , state]) => address === local && state === "01");
  expect(found?.[5]).toMatch(/^02:/);
  close();
});

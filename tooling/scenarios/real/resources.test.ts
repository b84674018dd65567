// A target that may open no more files: it closes what it cannot keep, and does not spin.
// Read first: docs/fault-matrix.md, F106; processes.ts.

import { existsSync, readFileSync } from "node:fs";
import { type Socket, connect as connectSocket } from "node:net";
import { connect } from "@nvmeof/bdev/nvme";
import { expect, test } from "vitest";
import { startTarget } from "./processes.ts";
import { Requests, connectOptions } from "./requests.ts";

/** Time that a process has spent, in ticks of 10 ms; `undefined` where the system does not tell. */
function cpuTicks(pid: number): number | undefined {
  const file = `/proc/${pid}/stat`;
  if (!existsSync(file)) return undefined;
  const fields = readFileSync(file, "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

/** Enough for the program itself, a host with two queues, and some more. */
const FILES_MAX = 64;

test.skipIf(process.platform !== "linux")(
  "F106 (sockets): out of file descriptors it turns new hosts away, serves the others, and rests",
  async () => {
    const limited = ["sh", "-c", `ulimit -n ${FILES_MAX}; exec "$@"`, "sh"];
    const target = await startTarget({}, limited);
    await using _target = target.program;
    const host = await connect(connectOptions(target));
    const channel = (await host.openNamespace(1)).openChannel();
    const sockets: Socket[] = [];
    const ends = Array.from({ length: 2 * FILES_MAX }, () => {
      const socket = connectSocket(target.port, target.host);
      socket.on("error", () => {});
      sockets.push(socket);
      return new Promise<void>((resolve) => socket.on("close", () => resolve()));
    });
    // The first that is turned away says that there is no more room.
    await Promise.race(ends);
    const before = cpuTicks(target.program.child.pid!);
    const requests = new Requests().read(channel, 64);
    await requests.all;
    expect(requests.codes).toEqual(["none"]);
    // The others say nothing, and are closed in 5 s; a loop that spins takes all of that time.
    await Promise.all(ends);
    const after = cpuTicks(target.program.child.pid!);
    if (before !== undefined && after !== undefined) expect(after - before).toBeLessThan(150);
    await host.close();
    const again = await connect(connectOptions(target));
    await again.close();
  },
);

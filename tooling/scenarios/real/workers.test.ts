// Worker threads over real sockets: they share a namespace, are stuck, end, and are ended.
// Read first: ../workers.test.ts for the same in virtual time; worker-program.ts for the threads.

import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { share } from "@nvmeof/bdev/node";
import { type NvmeHost, connect } from "@nvmeof/bdev/nvme";
import { expect, test } from "vitest";
import { type Program, bundle, startTarget } from "./processes.ts";
import { connectOptions, nothingIsLeft } from "./requests.ts";

/** The bound of a close, and a tenth for the machine. */
const CLOSE_BOUND_MS = 2_200;

/** Starts a thread that opens namespace 1 of `host`; resolves when it has read. */
async function thread(host: NvmeHost, how: "works" | "stuck" | "gone", mayTerminate = false) {
  const shared = share(host, 1);
  const program = await bundle("worker-program");
  const terminate = (): unknown => worker.terminate();
  const handle = shared.handle({ name: how, ...(mayTerminate ? { terminate } : {}) });
  const worker: Worker = new Worker(program, {
    workerData: { handle, how },
    transferList: [handle.port],
  });
  const ended = once(worker, "exit").then(([code]) => code as number);
  const says = async (): Promise<unknown> => ((await once(worker, "message")) as [unknown])[0];
  expect(await says()).toEqual({ read: "ok" });
  return { shared, worker, ended, says };
}

async function connections(target: Program): Promise<number> {
  target.child.stdin!.write("?\n");
  return (await target.says<{ connections: number }>()).connections;
}

/** Asks until the target has so many; each answer is an event of its own. */
async function untilConnections(target: Program, count: number): Promise<void> {
  while ((await connections(target)) !== count);
}

test("threads have sockets of their own, and a close of the host ends them all", async () => {
  const target = await startTarget();
  await using program = target.program;
  const base = process.getActiveResourcesInfo();
  const host = await connect(connectOptions(target));
  const one = await thread(host, "works");
  const other = await thread(host, "works");
  await untilConnections(program, 6);
  expect(await one.shared.reset()).toMatchObject([{ error: undefined }]);
  await untilConnections(program, 6);
  const told = Promise.all([one.says(), other.says()]);
  const report = await host.close();
  expect(report.totalMs).toBeLessThanOrEqual(CLOSE_BOUND_MS);
  expect(report.workers.map(({ end, close }) => [end, close!.shutdown])).toEqual([
    ["closed", "complete"],
    ["closed", "complete"],
  ]);
  expect(await told).toEqual([{ removed: true }, { removed: true }]);
  // Nothing of ours is left in them: they come to their end by themselves.
  expect(await Promise.all([one.ended, other.ended])).toEqual([0, 0]);
  await untilConnections(program, 0);
  await nothingIsLeft(base);
});

test("a thread in an endless loop keeps no close beyond its bound: reported, its sockets left to it", async () => {
  const target = await startTarget();
  await using program = target.program;
  const host = await connect(connectOptions(target));
  const { worker, ended, says } = await thread(host, "stuck");
  expect(await says()).toEqual({ stuck: true });
  const startedMs = performance.now();
  const report = await host.close();
  expect(performance.now() - startedMs).toBeLessThanOrEqual(CLOSE_BOUND_MS);
  expect(report.workers).toMatchObject([{ name: "stuck", end: "stuck" }]);
  await untilConnections(program, 2);
  await worker.terminate();
  expect(await ended).toBe(1);
  await untilConnections(program, 0);
});

test("with permission such a thread is terminated within the bound, and its sockets end with it", async () => {
  const target = await startTarget();
  await using program = target.program;
  const base = process.getActiveResourcesInfo();
  const host = await connect(connectOptions(target));
  const { ended, says } = await thread(host, "stuck", true);
  expect(await says()).toEqual({ stuck: true });
  const startedMs = performance.now();
  const report = await host.close();
  expect(performance.now() - startedMs).toBeLessThanOrEqual(CLOSE_BOUND_MS);
  expect(report.workers).toMatchObject([{ name: "stuck", end: "terminated" }]);
  expect(await ended).toBe(1);
  await untilConnections(program, 0);
  await nothingIsLeft(base);
});

test("a thread that ends without a word is gone from the list, and from the target", async () => {
  const target = await startTarget();
  await using program = target.program;
  const host = await connect(connectOptions(target));
  const { shared, ended } = await thread(host, "gone");
  expect(await ended).toBe(0);
  await untilConnections(program, 2);
  expect(shared.workers).toEqual([]);
  expect(shared.ends.gone).toBe(1);
  expect((await host.close()).workers).toEqual([]);
});

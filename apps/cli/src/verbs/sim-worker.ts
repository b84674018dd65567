// `sim worker`: one thread of `sim run`. Not for people: it needs a thread that started it.

import { parentPort, workerData } from "node:worker_threads";
import type { Verb } from "../context.ts";
import { usage } from "../errors.ts";
import type { WorkerTask } from "../sim/pool.ts";
import { Shared, runSeeds } from "../sim/seeds.ts";

export const run: Verb = async () => {
  const port = parentPort;
  if (port === null) throw usage("sim worker is a part of sim run", "Use `nvmeof sim run`.");
  const { task, words } = workerData as WorkerTask;
  await runSeeds(task, new Shared(words), (batch) => port.postMessage(batch));
  return undefined;
};

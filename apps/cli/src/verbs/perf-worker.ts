// `perf worker`: one thread of `perf run --workers`. Not for people: it needs a thread that started it.

import { parentPort, workerData } from "node:worker_threads";
import type { Verb } from "../context.ts";
import { usage } from "../errors.ts";
import { type MemberData, runMember } from "../perf/member.ts";

export const run: Verb = async () => {
  if (parentPort === null)
    throw usage("perf worker is a part of perf run", "Use `nvmeof perf run`.");
  await runMember(workerData as MemberData);
  return undefined;
};

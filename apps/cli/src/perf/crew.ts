// Threads of `perf run --workers`: each is this command again, with a verb that nobody else calls, and
// has connections of its own. Read first: member.ts, what each does; @nvmeof/tools crew.ts.

import { MessageChannel, Worker } from "node:worker_threads";
import type { BlockDevice } from "@nvmeof/bdev";
import { portLink, share } from "@nvmeof/bdev/node";
import type { NvmeHost } from "@nvmeof/bdev/nvme";
import {
  type CrewMember,
  type PerfBoard,
  type PerfOutcome,
  type PerfProgress,
  type PerfWorkload,
  decideWorkload,
  runPerfCrew,
} from "@nvmeof/tools";
import { latencyHistogram, perfMeter } from "@nvmeof/tools/node";
import { systemClock } from "@nvmeof/transport/node";
import { CLOSE_BOUND_MS } from "../session.ts";
import { type MemberData, type QueueFacts, runMember } from "./member.ts";

/** What is measured by whom. */
export interface TogetherOptions {
  readonly host: NvmeHost;
  readonly nsid: number;
  readonly device: BlockDevice;
  readonly workload: PerfWorkload & { readonly workers: number };
  /** I/O queues of each thread. */
  readonly ioQueues: number;
  readonly board: PerfBoard;
  /** The file of the command; undefined where there is none: then all of it is in this thread. */
  readonly program: URL | undefined;
  readonly ready: (facts: readonly QueueFacts[]) => void;
  readonly progress: (progress: PerfProgress) => void;
  readonly signal: AbortSignal;
}

/** A thread, or what stands for one. */
interface Started {
  readonly member: CrewMember;
  readonly end: () => unknown;
}

/**
 * Measures by several threads. Rejects as `runPerfCrew`; no thread is left behind.
 *
 * @throws RangeError for a workload that the device cannot do.
 */
export async function measureTogether(options: TogetherOptions): Promise<PerfOutcome> {
  const { host, nsid, device, workload, board, ready, progress, signal } = options;
  decideWorkload(workload, device);
  const shared = share(host, nsid);
  const started: Started[] = [];
  const begin = (index: number): Started => {
    const name = `worker ${index + 1}`;
    const terminate = (): unknown => started[index]?.end();
    const handle = shared.handle({ name, terminate });
    const { port1, port2 } = new MessageChannel();
    const data: MemberData = {
      handle,
      port: port2,
      memory: board.memory,
      share: { index, count: workload.workers },
      workload,
      ioQueues: options.ioQueues,
    };
    const { end, fault } = startMember(data, options.program);
    return { member: { name, link: portLink(port1, { isAwaited: false }), fault }, end };
  };
  try {
    for (let index = 0; index < workload.workers; index++) started.push(begin(index));
    return await runPerfCrew({
      members: started.map(({ member }) => member),
      board,
      clock: systemClock,
      histogram: latencyHistogram,
      meter: perfMeter(),
      ready: (facts) => ready(facts as readonly (QueueFacts & (typeof facts)[number])[]),
      progress,
      signal,
    });
  } finally {
    await shared.close({ boundMs: CLOSE_BOUND_MS });
    for (const { end } of started) end();
  }
}

/** Starts a member in a thread of its own where there is a file to run. */
function startMember(
  data: MemberData,
  program: URL | undefined,
): { readonly end: () => unknown; readonly fault: () => unknown } {
  if (program === undefined) {
    void runMember(data);
    return { end: () => {}, fault: () => undefined };
  }
  const transferList = [data.handle.port, data.port];
  const thread = new Worker(program, { argv: ["perf", "worker"], workerData: data, transferList });
  const faults: unknown[] = [];
  thread.on("error", (error) => faults.push(error));
  return { end: () => thread.terminate(), fault: () => faults[0] };
}

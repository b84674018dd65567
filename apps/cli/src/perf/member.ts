// One thread of `perf run --workers`: opens the namespace that it was lent, measures with the others, ends.
// Read first: @nvmeof/tools member.ts; crew.ts, which starts the threads.

import type { MessagePort } from "node:worker_threads";
import { type ThreadHandle, openShared, portLink } from "@nvmeof/bdev/node";
import type { WorkerDevice } from "@nvmeof/bdev/nvme";
import {
  type LoadShare,
  type MemberFacts,
  PerfBoard,
  type PerfWorkload,
  runPerfMember,
} from "@nvmeof/tools";
import { latencyHistogram, perfMeter, soon } from "@nvmeof/tools/node";
import { systemClock } from "@nvmeof/transport/node";

/** What a thread is given. Both ports are transferred. */
export interface MemberData {
  readonly handle: ThreadHandle;
  readonly port: MessagePort;
  readonly memory: SharedArrayBuffer;
  readonly share: LoadShare;
  readonly workload: PerfWorkload;
  /** I/O queues of each of its controllers. */
  readonly ioQueues: number;
}

/** What a controller has granted: the figures are those of what there is. */
export interface QueueFacts {
  readonly ioQueues: number;
  /** Requests that the shortest of them holds. */
  readonly depth: number;
}

export async function runMember(data: MemberData): Promise<void> {
  const { handle, port, memory, share, workload, ioQueues } = data;
  const { nsid } = handle.where;
  const opened: WorkerDevice[] = [];
  await runPerfMember({
    ...workload,
    clock: systemClock,
    histogram: latencyHistogram,
    meter: perfMeter(),
    soon,
    link: portLink(port),
    board: new PerfBoard(memory),
    share,
    async open(signal) {
      const device = await openShared(handle, { controller: { ioQueues }, signal });
      opened.push(device);
      const own = device.group.devices.find((each) => each.nsid === nsid);
      return {
        device,
        facts: queueFacts(device) as QueueFacts & MemberFacts,
        paths: () => own?.paths.map(({ statistics }) => statistics) ?? [],
      };
    },
  });
  await Promise.all(opened.map((device) => device.close()));
}

function queueFacts({ group }: WorkerDevice): QueueFacts {
  const queues = group.controllers.map(({ controller }) => controller.ioQueues);
  return {
    ioQueues: Math.min(...queues.map(({ length }) => length)),
    depth: Math.min(...queues.flat().map(({ depth }) => depth)),
  };
}

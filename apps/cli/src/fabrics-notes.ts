// Options of nvme-cli that mean something to the kernel's host and nothing to ours: taken, and said so.

import type { Context } from "./context.ts";
import type { FabricsOptions } from "./options.ts";

const kernelOnly: Readonly<Partial<Record<keyof FabricsOptions, string>>> = {
  nrWriteQueues: "--nr-write-queues: one kind of I/O queue carries everything here",
  nrPollQueues: "--nr-poll-queues: there is nothing to poll in user space",
  tos: "--tos: Node gives no access to the type of service",
};

/** Tells of options that were given and do nothing. */
export function noteKernelOptions({ warn }: Context, options: FabricsOptions): void {
  for (const [name, text] of Object.entries(kernelOnly)) {
    if (options[name as keyof FabricsOptions] !== undefined) warn(`${text}; it has no effect`);
  }
}

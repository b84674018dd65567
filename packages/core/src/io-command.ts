// Single commands on an I/O queue, for those who do not want a block device: each goes out once.
// Read first: queue-pair.ts, `whenRoom`; admin.ts has the shape of a command.

import { DataDirection } from "@nvmeof/codec";
import type { AdminCommand } from "./admin.ts";
import type { CommandSettle } from "./command-table.ts";
import type { Controller } from "./controller.ts";
import { AbortedError } from "./errors.ts";
import { guarded } from "./guard.ts";
import type { QueuePair } from "./queue-pair.ts";

/** A command to be sent on an I/O queue: as an admin command is, with an opcode of its own set. */
export type IoCommand = AdminCommand;

/**
 * Sends a command on the first I/O queue; where that is full, once there is room. `settle` is called
 * exactly once, later. What was sent on a connection that is lost is not sent again.
 */
export function sendIo(controller: Controller, command: IoCommand, settle: CommandSettle): void {
  const [queue] = controller.ioQueues;
  if (queue === undefined) {
    const error = new AbortedError("not-connected", "not-sent", false, {
      cause: controller.reason,
    });
    refuse(controller, settle, error);
  } else if (queue.hasRoom) {
    submit(controller, queue, command, settle);
  } else {
    // Told when the queue is gone, too: then there is another one, or none.
    queue.whenRoom(() => sendIo(controller, command, settle));
  }
}

function submit(
  controller: Controller,
  queue: QueuePair,
  command: IoCommand,
  settle: CommandSettle,
): void {
  const { ioTimeoutMs } = controller.options;
  try {
    const sqe = queue.begin(command.opcode, command.nsid ?? 0);
    command.fill?.(sqe);
    const direction = command.direction ?? DataDirection.None;
    queue.submit(direction, command.data, settle, command.timeoutMs ?? ioTimeoutMs);
  } catch (thrown) {
    // The caller's own `fill`.
    refuse(controller, settle, thrown as AbortedError);
  }
}

function refuse({ options }: Controller, settle: CommandSettle, error: AbortedError): void {
  options.clock.defer(() => guarded(options.clock, () => settle(error, 0, 0)));
}

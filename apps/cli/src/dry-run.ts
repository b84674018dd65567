// --dry-run: what a verb would have sent, printed instead of sent. One mechanism for all verbs that have it.
// Read first: capsule.ts, which prints a command; Base 2.0 §3.3.3.1 "Common Command Format".

import { DataDirection, OPC_FABRICS, opcodeName, viewOf } from "@nvmeof/codec";
import type { AdminCommand } from "@nvmeof/core";
import { sqeFields, sqeOf, sqeText } from "./capsule.ts";
import type { Report } from "./context.ts";
import { hexDump } from "./hex-dump.ts";

/** Options of verbs that can be tried without anything being changed. */
export interface DryRunOptions {
  readonly dryRun?: boolean;
}

/** Parameters of commands have a page at most; what is longer is the user's own data. */
const SHOWN_BYTES_MAX = 4096;
/** Where a Fabrics command has its type. */
const FCTYPE_OFFSET = 4;

/** A command by the name that the specification gives it. */
function nameOf(queue: "admin" | "io", command: AdminCommand): string {
  const { opcode } = command;
  const fctype = opcode === OPC_FABRICS ? viewOf(sqeOf(command)).getUint8(FCTYPE_OFFSET) : -1;
  return opcodeName(queue === "admin", opcode, fctype);
}

/** What goes to the controller beside the SQE, where it is parameters. */
function parametersOf({ direction, data }: AdminCommand): Uint8Array | undefined {
  const goes = direction === DataDirection.ToController && data !== undefined;
  return goes && data.length <= SHOWN_BYTES_MAX ? data : undefined;
}

/**
 * What would have been sent to a queue.
 *
 * @param shows "sqe" for commands that move blocks, "all" for those whose data are parameters.
 */
export function dryRun(
  queue: "admin" | "io",
  commands: readonly AdminCommand[],
  shows: "sqe" | "all" = "all",
): Report {
  const shown = commands.map((command) => ({
    command,
    name: nameOf(queue, command),
    data: shows === "all" ? parametersOf(command) : undefined,
  }));
  return {
    data: {
      dryRun: shown.map(({ command, name, data }) => ({
        command: name,
        ...sqeFields(command),
        ...(data === undefined ? {} : { data }),
      })),
    },
    text: () =>
      shown
        .map(
          ({ command, name, data }) =>
            `${"command".padEnd(12)} : ${name}\n${sqeText(command)}` +
            (data === undefined ? "" : hexDump(data, 0)),
        )
        .join("\n"),
    // Nothing was received, and nothing goes where bytes are expected.
    binary: new Uint8Array(0),
  };
}

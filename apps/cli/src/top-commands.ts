// The row of `top` in the table of commands. Its keys and columns are those of nvme-cli's.
// Read first: command.ts for a row; commands.ts, of which this is a part.

import type { CommandSpec } from "./command.ts";
import { usage } from "./errors.ts";
import { commonOptions, valued, whole } from "./options.ts";
import { parseDuration } from "./units.ts";

const INTERVAL_MIN_MS = 200;
const INTERVAL_MAX_MS = 3_600_000;

function interval(text: string): number {
  const ms = parseDuration(text, "s");
  if (ms >= INTERVAL_MIN_MS && ms <= INTERVAL_MAX_MS) return ms;
  throw usage("an interval is 200ms to 1h");
}

const top: CommandSpec = {
  name: "top",
  args: [["[process]", "its number, or the path of its control socket; default: the only one"]],
  summary: "Watch what connect --hold, serve, export-nbd, perf run or a program of yours does",
  details: `
On a terminal it is a screen: subsystems, Enter for the controllers of one, for the paths of a controller, for a
namespace by all its paths; Esc goes back, Tab shows event loop and queues, ? all keys. Elsewhere, or with
--count, it prints a table for each interval; with -o ndjson a line for each, until Ctrl-C. Of several
processes a terminal lets you choose one; elsewhere, name it.

r_IOPS, w_IOPS, r_bw and w_bw are by the second, in the last interval; r_clat and w_clat the average time of
commands that ended in it, from sending to completion. Util% is the share of the interval with a command in
flight, and that of the busiest path where there are several. Inflights is now, and all other columns count from
the beginning: Failovers are commands that went to another path or waited for one, Requeue-IO requests that
found no path at all and waited, Fail-IO requests that were given back with an error. "-" is what nobody counts:
a target does not know latencies, for example. Of perf run --workers it sees the connection of the main thread.

It attaches by a Unix socket that only you can open; --no-control turns that off in the command that is watched.
A program has it with exposeControl of @nvmeof/tools/node. There is none on Windows.`,
  examples: [
    "nvmeof top",
    "nvmeof top 4711 --interval 2",
    "nvmeof top -o ndjson --count 10",
    "nvmeof top 4711 -o json",
  ],
  options: () => [
    valued(
      "--interval <duration>",
      "time between two looks; a plain number is in seconds",
      interval,
    ).default(1_000, "1s"),
    valued("--count <number>", "end after so many intervals", whole(1, 1_000_000_000)),
    ...commonOptions(["normal", "json", "ndjson"]),
  ],
  formats: ["normal", "json", "ndjson"],
  timeoutMs: undefined,
  schema: "top",
  load: () => import("./verbs/top.ts"),
};

/** In the order of the help. */
export const topCommands: readonly CommandSpec[] = [top];

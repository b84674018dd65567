// `top`: what another process of the user does now, on a screen, as a table, or as data.
// Read first: ../top/live.ts for the screen, ../top/sample.ts for the rest.

import {
  ControlClient,
  type ControlProcess,
  controlFolder,
  controlProcesses,
} from "@nvmeof/tools/node";
import { ControlError } from "@nvmeof/tools";
import type { Context, Report, Verb } from "../context.ts";
import { eventEnvelope, jsonText } from "../envelope.ts";
import { usage } from "../errors.ts";
import type { CommonOptions } from "../options.ts";
import { printable } from "../printable.ts";
import { choose } from "../top/choose.ts";
import { live } from "../top/live.ts";
import { sampleData, sampleText } from "../top/sample.ts";
import { isScreen } from "../top/terminal.ts";
import { type Sample, watched } from "../top/watch.ts";

interface TopOptions extends CommonOptions {
  readonly interval: number;
  readonly count?: number;
}

/** How many are named where somebody has to choose. */
const LISTED_MAX = 16;

const WHERE_FROM =
  "Start one: nvmeof connect --hold, serve, export-nbd and perf run can be watched, and programs that call " +
  "exposeControl().";

/** How a process is listed: number, what it does, and with which subsystems. */
function listed({ pid, hello }: ControlProcess): string {
  if (hello === undefined) return `${pid} (does not answer)`;
  const what = hello.subsystems.map(printable).join(", ");
  return `${pid} ${printable(hello.process.name)}${what === "" ? "" : ` ${what}`}`;
}

function notOne(processes: readonly ControlProcess[], pid: number | undefined): never {
  const some = processes.slice(0, LISTED_MAX).map(listed).join("; ");
  const all = processes.length > LISTED_MAX ? `${some}; …` : some;
  if (pid !== undefined) {
    const hint = processes.length === 0 ? WHERE_FROM : `There are: ${all}`;
    throw new ControlError("NVME_ERR_NOT_FOUND", `process ${pid} cannot be watched`, { hint });
  }
  if (processes.length === 0) {
    const message = "there is no process to watch";
    throw new ControlError("NVME_ERR_NOT_FOUND", message, { hint: WHERE_FROM });
  }
  throw usage(`which process? There are ${processes.length}`, `Name one by its number: ${all}`);
}

/** The path of the socket that is meant; undefined where somebody at a terminal chooses none. */
async function socketOf(
  context: Context,
  wanted: string | undefined,
  isLive: boolean,
): Promise<string | undefined> {
  const isPid = wanted !== undefined && /^\d+$/.test(wanted);
  if (wanted !== undefined && !isPid) return wanted;
  const pid = isPid ? Number(wanted) : undefined;
  const processes = await controlProcesses(controlFolder(context.io.env));
  const meant = processes.filter((each) => pid === undefined || each.pid === pid);
  // A process with several is one process: what it opened first is what it is about.
  const each = meant.filter((one, i) => meant.findIndex((other) => other.pid === one.pid) === i);
  const [first] = each;
  if (first === undefined || (each.length > 1 && !isLive)) {
    notOne(pid === undefined ? each : processes, pid);
  }
  const at = each.length === 1 ? 0 : await choose(context, each.map(listed));
  return at === undefined ? undefined : each[at]!.path;
}

export const run: Verb<TopOptions> = async (context, options, wanted?: string) => {
  const { format, io } = context;
  const { interval, count } = options;
  if (format === "json" && (count ?? 1) > 1) {
    throw usage(
      "json is one document, of one interval",
      "With -o ndjson there is a line for each.",
    );
  }
  const isLive = format === "normal" && count === undefined && isScreen(io);
  const socket = await socketOf(context, wanted, isLive);
  if (socket === undefined) return undefined;
  const client = await ControlClient.connect(socket);
  try {
    if (isLive) {
      await live(context, client, interval);
      return undefined;
    }
    return await tell(context, client, options);
  } finally {
    client.close();
  }
};

/** A table, a document or a line for each interval. Of scripts, only those with ndjson want to go on. */
async function tell(
  context: Context,
  client: ControlClient,
  { interval, count }: TopOptions,
): Promise<Report | undefined> {
  const { format, signal } = context;
  let left = count ?? (format === "ndjson" ? Infinity : 1);
  for await (const sample of watched(client, interval, signal)) {
    if (sample.rates === undefined) continue;
    left--;
    if (format === "json") return reportOf(sample);
    await write(context, sample);
    if (left === 0) break;
  }
  return undefined;
}

const reportOf = ({ snapshot, rates }: Sample): Report => ({
  data: sampleData(snapshot, rates!),
  text: (style) => sampleText(snapshot, rates!, style),
});

async function write({ format, out, style }: Context, { snapshot, rates }: Sample): Promise<void> {
  const text =
    format === "ndjson"
      ? jsonText(eventEnvelope("top", "sample", sampleData(snapshot, rates!)), false)
      : sampleText(snapshot, rates!, style);
  await out.write(text);
}

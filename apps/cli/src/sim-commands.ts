// The rows of the simulator in the table of commands. The simulator itself is loaded by the verbs.
// Read first: command.ts for a row; commands.ts, of which this is a part.

import { Option } from "commander";
import type { CommandSpec } from "./command.ts";
import { commonOptions, progressOption, valued, whole } from "./options.ts";

const SEED_MAX = 0xffff_ffff;
const which = ["<seed|plan.json>", "a seed, or a plan that sim shrink has written"] as const;

const simRun: CommandSpec = {
  name: "sim run",
  summary: "Simulate hosts, targets and a network that fails, seed after seed",
  details: `
Each seed is a world of its own: hosts and targets of this project, disks, users, a network, and what
befalls them, in virtual time. Every run is watched for what must always hold: every request settles
once, no data is lost or comes back from the past, every close ends. The exit code says whether it did.

Ctrl-C ends it with what was found so far.`,
  examples: ["nvmeof sim run --seeds 100", "nvmeof sim run --seeds 100000 --from 1000 --json"],
  options: () => [
    valued("--seeds <count>", "how many", whole(1, 2 ** 31 - 1)).default(1000),
    valued("--from <seed>", "the first one", whole(0, SEED_MAX)).default(1),
    valued("--workers <count>", "threads; default: one for each processor", whole(1, 1024)),
    valued("--failures <count>", "end after so many violations", whole(1, 1000)).default(1),
    ...progressOption(),
    ...commonOptions(["normal", "json"]),
  ],
  formats: ["normal", "json"],
  timeoutMs: undefined,
  schema: "sim-run",
  load: () => import("./verbs/sim-run.ts"),
};

const simReplay: CommandSpec = {
  name: "sim replay",
  args: [which],
  summary: "Run one seed again, and print all that happens",
  details: `
The same seed gives the same events, to the byte, on every machine. With --json each event is an
envelope on a line of its own, and so is the verdict, which comes last.`,
  examples: ["nvmeof sim replay 7", "nvmeof sim replay plan.json --last 100"],
  options: () => [
    valued("--last <count>", "print only the last events", whole(1, Number.MAX_SAFE_INTEGER)),
    ...commonOptions(["normal", "json"]),
  ],
  formats: ["normal", "json"],
  timeoutMs: undefined,
  schema: "sim-replay",
  load: () => import("./verbs/sim-replay.ts"),
};

const simShrink: CommandSpec = {
  name: "sim shrink",
  args: [which],
  summary: "Find the smallest plan that still breaks the same invariant",
  details: `
Leaves out what the violation does not need: faults, hosts, users, paths, requests, time. Ctrl-C gives
the smallest plan so far.`,
  examples: ["nvmeof sim shrink 4711 --output plan.json"],
  options: () => [
    new Option("--output <file>", "write the plan there; default: print it"),
    valued("--runs <count>", "most plans to be tried", whole(1, 1_000_000)).default(1000),
    ...progressOption(),
    ...commonOptions(["normal", "json"]),
  ],
  formats: ["normal", "json"],
  timeoutMs: undefined,
  schema: "sim-shrink",
  load: () => import("./verbs/sim-shrink.ts"),
};

const simStates: CommandSpec = {
  name: "sim states",
  summary: "Walk a controller through all short sequences of events, and count what it met",
  details: `
Not by chance: every sequence of so many events, also with two at the same moment, on the production
controller. The table has the states across and the events down.`,
  examples: ["nvmeof sim states", "nvmeof sim states --events 4 --json"],
  options: () => [
    valued("--events <count>", "length of the sequences", whole(1, 8)).default(4),
    ...progressOption(),
    ...commonOptions(["normal", "json"]),
  ],
  formats: ["normal", "json"],
  timeoutMs: undefined,
  schema: "sim-states",
  load: () => import("./verbs/sim-states.ts"),
};

const simWorker: CommandSpec = {
  name: "sim worker",
  visibility: "hidden",
  summary: "One thread of sim run",
  examples: [],
  options: () => commonOptions(["normal", "json"]),
  formats: ["normal", "json"],
  timeoutMs: undefined,
  schema: "sim-worker",
  load: () => import("./verbs/sim-worker.ts"),
};

/** In the order of the help. */
export const simCommands: readonly CommandSpec[] = [
  simRun,
  simReplay,
  simShrink,
  simStates,
  simWorker,
];

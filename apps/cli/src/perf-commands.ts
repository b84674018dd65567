// The rows of measuring in the table of commands. Their words are those of fio(1).
// Read first: command.ts for a row; commands.ts, of which this is a part.

import type { PerfKind } from "@nvmeof/tools";
import { Option } from "commander";
import type { CommandSpec } from "./command.ts";
import { controlOption } from "./control-options.ts";
import { metricsOptions } from "./metrics-options.ts";
import {
  commonOptions,
  connectionOptions,
  consentOption,
  namespaceOption,
  progressOption,
  size,
  targetOptions,
  valued,
  whole,
} from "./options.ts";
import { parseDuration } from "./units.ts";

const namespace = "nvme+tcp://127.0.0.1:4420/nqn.2024-01.com.example:disk1?nsid=1";
const seconds = (value: string): number => parseDuration(value, "s");

/** Named here as well: the table of commands loads no package. */
const kinds: Readonly<Record<PerfKind, true>> = {
  randread: true,
  randwrite: true,
  randrw: true,
  read: true,
  write: true,
};

const workloadOptions = (): Option[] =>
  [
    new Option("--rw <kind>", "which requests").choices(Object.keys(kinds)).default("randread"),
    valued("--rwmixread <percent>", "randrw: how many are reads", whole(0, 100)).default(50),
    valued("--bs <bytes>", "bytes of a request (4096, 128k); default: 4k, or a block", size),
    valued("--iodepth <count>", "requests in flight on each queue", whole(1, 1024)).default(32),
    valued("--queues <count>", "I/O queues", whole(1, 1024)).default(1),
    valued("--workers <count>", "threads that each do all of this (fio: numjobs)", whole(1, 64)),
    valued(
      "--rate <iops>",
      "open loop: so many requests are due every second, answered or not",
      whole(1, 10_000_000),
    ),
    valued("--time <duration>", "measure for so long; a plain number is in seconds", seconds),
    valued("--size <bytes>", "end after so many bytes; without --time, only then", size),
    valued(
      "--ramp-time <duration>",
      "run for so long before it counts; a plain number is in seconds",
      seconds,
    ).default(0, "0"),
    new Option("--verify", "write what can be checked, and check what is read"),
    valued("--seed <number>", "of places, mix and content", whole(0, 2 ** 32 - 1)).default(1),
    valued("--max-errors <count>", "end after so many", whole(1, 1_000_000_000)).default(1000),
  ].map((option) => option.helpGroup("Workload:"));

/** Queues have options of their own here. */
const connectionOptionsHere = (): Option[] => [
  ...connectionOptions().filter(({ long }) => long !== "--nr-io-queues" && long !== "--queue-size"),
  valued(
    "-Q, --queue-size <count>",
    "entries of each I/O queue; default: 64, or what --iodepth needs",
    whole(2, 65_536),
  ).helpGroup("Connection:"),
];

const perfRun: CommandSpec = {
  name: "perf run",
  args: [["[uri]", "nvme+tcp://host[:port][/<subnqn>][?nsid=1]"]],
  summary: "Measure a namespace: IOPS, bandwidth, latencies",
  details: `
Without --rate each answer is followed by the next request (closed loop). With --rate requests are due at
equal distances, and the latency of each counts from then: a target that stalls delays those behind it,
and that shows. An open loop waits busily, so that its requests are not late by a timer.

--verify writes a content that is a function of block and --seed, compares reads with it, and reads back
all that was written. With --rw read or randread it compares all there is: write it before, with the same
--seed.

--workers starts threads, as numjobs does in fio: each has connections of its own, and its own --iodepth,
--queues, --rate, --size and --max-errors. The figures are those of all together, and the JSON has those of
each as well. Sequential workers begin at equal distances. Without --workers there is no thread but that of
the command.

Without --time and --size it takes 10 s. Ctrl-C ends it with what was measured so far. What it writes
overwrites the namespace; --yes says that you want that.`,
  examples: [
    `nvmeof perf run ${namespace} --rw randread --bs 4k --iodepth 32 --time 30`,
    `nvmeof perf run ${namespace} --rw randrw --rwmixread 70 --rate 5000 --yes --json >a.json`,
    `nvmeof perf run ${namespace} --rw write --bs 128k --size 1G --verify --yes`,
    `nvmeof perf run ${namespace} --workers 4 --iodepth 32 --json`,
    `nvmeof perf run ${namespace} --report perf.html`,
  ],
  options: () => [
    ...workloadOptions(),
    new Option("--report <file>", "write a page with charts there (HTML)").helpGroup("Output:"),
    controlOption(),
    ...consentOption(),
    ...progressOption(),
    ...commonOptions(["normal", "json"]),
    ...targetOptions(),
    ...namespaceOption(),
    ...connectionOptionsHere(),
    ...metricsOptions(),
  ],
  formats: ["normal", "json"],
  timeoutMs: undefined,
  schema: "perf-run",
  load: () => import("./verbs/perf-run.ts"),
};

const perfWorker: CommandSpec = {
  name: "perf worker",
  visibility: "hidden",
  summary: "One thread of perf run",
  examples: [],
  options: () => commonOptions(["normal", "json"]),
  formats: ["normal", "json"],
  timeoutMs: undefined,
  schema: "perf-worker",
  load: () => import("./verbs/perf-worker.ts"),
};

const percent = (value: string): number => whole(0, 1_000_000)(value.replace(/%$/, ""));

const perfCompare: CommandSpec = {
  name: "perf compare",
  args: [
    ["<a.json>", "what perf run --json has printed"],
    ["<b.json>", "the same, of another run"],
  ],
  summary: "Compare two measurements: the ratio of each figure",
  details: `
A ratio is the second figure by the first. With --tolerance the exit code is 12 when IOPS, the mean, the
50th, 90th or 99th percentile of the latencies, or the number of errors is worse by more than that.`,
  examples: [
    "nvmeof perf compare a.json b.json",
    "nvmeof perf compare a.json b.json --tolerance 10",
  ],
  options: () => [
    valued("--tolerance <percent>", "how much worse the second may be", percent),
    ...commonOptions(["normal", "json"]),
  ],
  formats: ["normal", "json"],
  timeoutMs: 60_000,
  schema: "perf-compare",
  load: () => import("./verbs/perf-compare.ts"),
};

/** In the order of the help. */
export const perfCommands: readonly CommandSpec[] = [perfRun, perfCompare, perfWorker];

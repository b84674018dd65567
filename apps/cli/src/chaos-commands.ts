// The rows of faults on purpose in the table of commands. The engine is @nvmeof/tools/chaos.
// Read first: command.ts for a row; commands.ts, of which this is a part.

import { Option } from "commander";
import { parseListen } from "./address.ts";
import type { CommandSpec } from "./command.ts";
import {
  type CommonOptions,
  type ProgressOptions,
  commonOptions,
  duration,
  port,
  progressOption,
  repeated,
  valued,
  whole,
} from "./options.ts";
import type { ListenAddress } from "./serve-options.ts";
import { type TraceOptions, traceOption } from "./trace-options.ts";

const SEED_MAX = 0xffff_ffff;

/** What was said about a plan. */
export interface PlanOptions {
  readonly plan?: string;
  readonly example?: string;
  readonly seed?: number;
}

export interface ChaosProxyOptions extends CommonOptions, PlanOptions, TraceOptions {
  readonly listen: ListenAddress;
  readonly to: ListenAddress;
  readonly allowAnyHost?: boolean;
  readonly readyFile?: string;
}

export interface ChaosPlanOptions extends CommonOptions {
  readonly fromSeed?: number;
  readonly check?: string;
  readonly example?: string;
  readonly list?: boolean;
}

export interface ChaosReplayOptions extends CommonOptions, ProgressOptions {
  readonly to: ListenAddress;
  readonly connection?: readonly number[];
  readonly port?: readonly number[];
  readonly wait: number;
  readonly yes?: boolean;
}

const seed = (flags: string, text: string): Option => valued(flags, text, whole(0, SEED_MAX));

const proxyOptions = (): Option[] => [
  valued(
    "--to <host:port>",
    "the target that connections go to",
    parseListen,
  ).makeOptionMandatory(),
  valued(
    "--listen <host:port>",
    "where hosts connect; port 0 for any free one",
    parseListen,
  ).default({ host: "127.0.0.1", port: 4421 }, "127.0.0.1:4421"),
  new Option("--plan <file>", "the faults, as JSON; - for stdin. Without a plan all passes"),
  new Option("--example <name>", "a plan by its name: see `nvmeof chaos plan --list`"),
  seed("--seed <number>", "decides all chance; default: the plan's own, else 1"),
  new Option("--allow-any-host", "listen where other machines can connect"),
  new Option("--ready-file <file>", "write the addresses here as JSON, once it is ready"),
];

const chaosProxy: CommandSpec = {
  name: "chaos proxy",
  summary: "Stand between hosts and a target, and do to their connections what a plan says",
  details: `
Connect any host to --listen: this one, the kernel's, SPDK. Each connection goes on to --to, and the plan's
faults befall it: slow and broken networks, by the names of Toxiproxy, and PDUs that are lost, doubled,
late, changed, or answered wrongly. The same seed, plan and traffic give the same faults. Digests are made
right again after a change, unless the fault is the digest itself; under TLS only faults of bytes work.

Each fault is a line when it is carried out, with --json an envelope; Ctrl-C ends it with how often each
one was. --trace records both sides of each connection: host to proxy, and proxy to target.
docs/chaos.md has all faults and selectors; \`nvmeof chaos plan\` prints and checks plans.`,
  examples: [
    "nvmeof chaos proxy --to 127.0.0.1:4420 --example lost-completion",
    "nvmeof chaos proxy --to 192.0.2.10:4420 --listen 127.0.0.1:4421 --plan plan.json --seed 42",
    "nvmeof chaos proxy --to 127.0.0.1:4420 --plan plan.json --trace chaos.pcapng --json",
  ],
  options: () => [...proxyOptions(), ...commonOptions(["normal", "json"]), traceOption()],
  formats: ["normal", "json"],
  timeoutMs: undefined,
  schema: "chaos-proxy",
  load: () => import("./verbs/chaos-proxy.ts"),
};

const chaosPlan: CommandSpec = {
  name: "chaos plan",
  summary: "Print a plan of faults: an example, or one that a seed makes; or check one",
  details: `
The plan goes to stdout, to be kept in a file and changed; with --json in an envelope. A plan with a mistake
is refused with its place, such as faults[2].select.opcode, and what was probably meant.`,
  examples: [
    "nvmeof chaos plan --list",
    "nvmeof chaos plan --example lost-completion > plan.json",
    "nvmeof chaos plan --from-seed 42 > plan.json",
    "nvmeof chaos plan --check plan.json",
  ],
  options: () => [
    new Option("--example <name>", "the example of this name"),
    new Option("--list", "the names of all examples, and what they ask").conflicts("example"),
    seed("--from-seed <number>", "make one: the same seed gives the same plan").conflicts([
      "example",
      "list",
    ]),
    new Option("--check <file>", "read this one, and say what is in it; - for stdin").conflicts([
      "example",
      "list",
      "fromSeed",
    ]),
    ...commonOptions(["normal", "json"]),
  ],
  formats: ["normal", "json"],
  timeoutMs: 60_000,
  schema: "chaos-plan",
  load: () => import("./verbs/chaos-plan.ts"),
};

const chaosReplay: CommandSpec = {
  name: "chaos replay",
  args: [["<file>", "a pcap or pcapng file, also compressed with gzip; - for stdin"]],
  summary: "Send a target what the host of a capture sent, and tell where it answers otherwise",
  details: `
All connections of the capture are played, in its order and as fast as answers come: what was in flight
together is so again. PDUs go as they were, broken ones too, but for what is the target's to choose: the
controller ID in Connect, and transfer tags. Compared are what ICResp agrees on, the status and the number
of bytes of each answer, and what R2Ts ask for; not the data itself.

It writes what the host wrote: name a target whose data may change. What --trace of chaos proxy has recorded
holds each connection twice; --connection chooses. The exit code is 12 where an answer differs.`,
  examples: [
    "nvmeof chaos replay capture.pcapng --to 127.0.0.1:4420",
    "nvmeof chaos replay capture.pcapng --to 127.0.0.1:4420 --connection 1 --connection 2 --json",
  ],
  options: () => [
    valued("--to <host:port>", "the target", parseListen).makeOptionMandatory(),
    repeated("--connection <number>", "only this connection; repeat for more", whole(1, 2 ** 31)),
    repeated("--port <port>", "controllers listen there as well in the capture; repeat", port),
    valued("--wait <duration>", "for each answer, at most", duration).default(2_000, "2s"),
    new Option("--yes", "write to the target what the host wrote, without asking"),
    ...progressOption(),
    ...commonOptions(["normal", "json"]),
  ],
  formats: ["normal", "json"],
  timeoutMs: undefined,
  schema: "chaos-replay",
  load: () => import("./verbs/chaos-replay.ts"),
};

/** In the order of the help. */
export const chaosCommands: readonly CommandSpec[] = [chaosProxy, chaosPlan, chaosReplay];

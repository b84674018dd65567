// Benchmarks of one process: what they find, and what it should be.
// Read first: cost.ts; codec-cost.ts, crc-cost.ts, resources.ts and pdu-cost.ts are the programs.

import { quietHeap } from "./bundle.mjs";
import { median } from "./compare.ts";
import type { Finding } from "./cost.ts";
import { Running, program } from "./programs.ts";

/** What a figure may be at most, in its own unit. */
interface Goal {
  readonly atMost: number;
  readonly aim: number;
}

export interface Probe {
  readonly name: string;
  readonly work: string;
  readonly program: string;
  /** What it is told, but for what `with` adds. */
  readonly asked?: object;
  /** It is told the ports of bare responders, or the command of hosts that idle. */
  readonly with?: "responders" | "idle";
  /** By the name of what is found. */
  readonly goals?: Readonly<Record<string, Goal>>;
}

/** Namespaces of the responders: what each one costs should not depend on how many there are. */
const FEW_NAMESPACES = 64;
const MANY_NAMESPACES = 1_024;
/** Queues of each of four controllers. */
const QUEUES = 250;

export const probes: readonly Probe[] = [
  {
    name: "codec",
    work: "the codec, for each PDU",
    program: "codec-cost",
    goals: {
      "decode of a C2HData header": { atMost: 12, aim: 8 },
      // A number on the heap takes 12 bytes or more.
      "decode of a C2HData header, heap": { atMost: 0.5, aim: 0.5 },
    },
  },
  { name: "crc", work: "CRC32C, by size", program: "crc-cost" },
  { name: "pdu", work: "sessions, for each PDU", program: "pdu-cost" },
  {
    name: "idle-host",
    work: "what a host keeps while it idles",
    program: "host-resources",
    with: "responders",
    asked: { controllers: 1_000, queues: QUEUES, channels: 1_000 },
    goals: { "idle controller with one queue": { atMost: 64, aim: 24 } },
  },
  {
    name: "idle-target",
    work: "what a target keeps while it idles",
    program: "target-resources",
    with: "idle",
    asked: { controllers: 1_000, queues: QUEUES },
  },
];

/** A figure, and what is thought of it. */
export interface Found extends Finding {
  readonly goal: Goal | undefined;
  readonly verdict: "aim" | "at most" | "above" | "watched";
  readonly worst: number;
  readonly best: number;
}

/** A bare responder with so many namespaces, and its port. */
async function responder(namespaces: number): Promise<[Running, number]> {
  const running = new Running([...(await program("bare/responder.c")), String(namespaces)], 1);
  return [running, (await running.says<{ port: number }>()).port];
}

async function findings(probe: Probe): Promise<Finding[]> {
  const [file, ...rest] = await program(probe.program);
  const counts = probe.with === "responders" ? [FEW_NAMESPACES, MANY_NAMESPACES] : [];
  const responders = await Promise.all(counts.map(responder));
  try {
    const asked = {
      ...probe.asked,
      targets: responders.map(([, port], i) => ({ port, namespaces: counts[i] })),
      ...(probe.with === "idle" ? { idle: await program("bare/idle") } : {}),
    };
    const running = new Running([file!, ...quietHeap, ...rest, JSON.stringify(asked)], 0);
    const found = await running.saysAll<Finding>();
    const code = await running.exit;
    if (code !== 0) throw new Error(`${probe.program} ended with ${code}: ${running.errors}`);
    return found;
  } finally {
    await Promise.all(responders.map(([running]) => running.kill()));
  }
}

function verdictOf(goal: Goal | undefined, value: number): Found["verdict"] {
  if (goal === undefined) return "watched";
  if (value <= goal.aim) return "aim";
  return value <= goal.atMost ? "at most" : "above";
}

/** Runs a probe `rounds` times; the median of each figure counts. */
export async function probed(probe: Probe, rounds: number, tick: () => void): Promise<Found[]> {
  const runs: Finding[][] = [];
  while (runs.length < rounds) {
    runs.push(await findings(probe));
    tick();
  }
  return runs[0]!.map(({ name, unit }, i) => {
    const values = runs.map((run) => run[i]!.value);
    const thans = runs.map((run) => run[i]!.than).filter((than) => than !== undefined);
    const value = median(values);
    const goal = probe.goals?.[name];
    return {
      name,
      unit,
      value,
      ...(thans.length > 0 ? { than: median(thans) } : {}),
      goal,
      verdict: verdictOf(goal, value),
      worst: Math.max(...values),
      best: Math.min(...values),
    };
  });
}

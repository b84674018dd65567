// The rows of the table: who is compared with whom, under which load, and how near he should come.
// Read first: README.md "What is compared".

import type { Load, Pair } from "./side.ts";

/** What of two runs is compared. */
export type Measure =
  /** I/Os a second, ours divided by the ceiling's. */
  | "iops"
  /** Bytes a second, likewise. */
  | "bytes"
  /** Mean latency, ours less the ceiling's, us. */
  | "latency";

export interface Row {
  readonly name: string;
  /** What a person reads. */
  readonly work: string;
  readonly ours: Pair;
  readonly base: Pair;
  readonly load: Load;
  /** Of the ceiling, where it is another load. */
  readonly baseLoad?: Load;
  readonly measure: Measure;
  /** Ratio, or us for `latency`; none where it is only watched. */
  readonly atLeast?: number;
  readonly aim?: number;
}

const KIB = 1024;

const responder = "bare/responder.c";
const ceiling: Pair = { server: responder, client: "bare/client" };
const ourHost: Pair = { server: responder, client: "host-client" };
/** The raw responder that our target is compared with is JavaScript, as it is. */
const rawTarget: Pair = { server: "bare/responder", client: "bare/client.c" };
const ourTarget: Pair = { server: "target-server", client: "bare/client.c" };
/** Blocks that stay in the cache: the bare responder has but one, and it is the target that is measured. */
const CACHED_BLOCKS = 256;

const load = (op: "read" | "write", kib: number, depth: number): Load => ({
  op,
  bytes: kib * KIB,
  depth,
});

const shape = ({ op, bytes, depth }: Load): string =>
  `${op === "read" ? "r" : "w"}${bytes / KIB}k-qd${depth}`;

const words = ({ op, bytes, depth }: Load): string => `${bytes / KIB} KiB ${op}, QD ${depth}`;

/** Goals: at least, and aim. */
type Goals = readonly [atLeast: number, aim: number] | readonly [];

function row(
  prefix: string,
  what: string,
  load: Load,
  [ours, base]: readonly [Pair, Pair],
  measure: Measure,
  [atLeast, aim]: Goals,
): Row {
  return {
    name: prefix + shape(load),
    work: what + words(load),
    ours,
    base,
    load,
    measure,
    ...(atLeast === undefined ? {} : { atLeast }),
    ...(aim === undefined ? {} : { aim }),
  };
}

const host = (load: Load, goals: Goals, measure: Measure = "iops"): Row =>
  row("host-", "host: ", load, [ourHost, ceiling], measure, goals);

const digests = (plain: Load, goals: Goals, measure: Measure = "iops"): Row => ({
  ...row("digests-", "host, both digests: ", plain, [ourHost, ceiling], measure, goals),
  load: { ...plain, digests: true },
  baseLoad: plain,
});

const target = (load: Load, goals: Goals, measure: Measure = "iops"): Row => {
  const ours = { ...ourTarget, serverArguments: [JSON.stringify({ blocks: CACHED_BLOCKS })] };
  const cached = { ...load, blocks: CACHED_BLOCKS };
  return row("target-", "target: ", cached, [ours, rawTarget], measure, goals);
};

/** The same with 64 MiB of blocks, which come from memory, each for itself. */
const targetOfMemory = (load: Load): Row =>
  row("memory-", "target, blocks not in the cache: ", load, [ourTarget, rawTarget], "iops", []);

const both = (load: Load, goals: Goals, measure: Measure = "iops"): Row =>
  row(
    "both-",
    "host and target: ",
    load,
    [
      { server: "target-server", client: "host-client" },
      { server: "bare/responder", client: "bare/client" },
    ],
    measure,
    goals,
  );

/** Both over an opened namespace: what that costs by itself, `opened-*` says. */
const promises = (plain: Load, goals: Goals): Row => ({
  ...row("promise-", "promises over callbacks: ", plain, [ourHost, ourHost], "iops", goals),
  load: { ...plain, api: "disk" },
  baseLoad: { ...plain, api: "namespace" },
});

/** A namespace as its user opens it, who may ask for any size, over the device that it is. */
const namespaceOpened = (plain: Load): Row => ({
  ...row("opened-", "opened namespace over device: ", plain, [ourHost, ourHost], "iops", []),
  load: { ...plain, api: "namespace" },
  baseLoad: plain,
});

/** How fast the bare client is, measured by one in C: what the ceiling itself is worth. */
const native = (load: Load): Row =>
  row(
    "native-",
    "bare client over one in C: ",
    load,
    [ceiling, { server: responder, client: "bare/client.c" }],
    load.bytes > 64 * KIB ? "bytes" : "iops",
    [],
  );

/** How cost grows: the same bytes by more namespaces, queues or I/Os at a time. */
function growth(what: "depth" | "queues" | "namespaces", count: number): Row {
  const depth = what === "depth" ? count : 256;
  const spread = what === "depth" ? {} : { [what]: count };
  const plain = load("read", 4, depth);
  return {
    name: `${what}-${count}`,
    work: what === "depth" ? `host: ${words(plain)}` : `host: ${count} ${what}, ${words(plain)}`,
    ours: { ...ourHost, serverArguments: [String(what === "namespaces" ? count : 1)] },
    base: ceiling,
    load: { ...plain, ...spread },
    // The ceiling knows no namespaces.
    baseLoad: what === "queues" ? { ...plain, ...spread } : plain,
    measure: "iops",
  };
}

export const rows: readonly Row[] = [
  host(load("read", 4, 32), [0.8, 0.9]),
  host(load("read", 4, 128), [0.65, 0.8]),
  host(load("write", 4, 32), [0.65, 0.8]),
  host(load("write", 4, 128), [0.65, 0.8]),
  host(load("read", 4, 1), [12, 6], "latency"),
  host(load("write", 4, 1), [12, 6], "latency"),
  host(load("read", 128, 32), [0.85, 0.95], "bytes"),
  host(load("write", 128, 32), [0.8, 0.9], "bytes"),
  host(load("read", 128, 1), [], "latency"),
  host(load("write", 128, 1), [], "latency"),
  host(load("read", 128, 128), [], "bytes"),
  host(load("write", 128, 128), [], "bytes"),
  digests(load("read", 4, 128), [0.25, 0.35]),
  digests(load("read", 128, 32), [0.35, 0.45], "bytes"),
  digests(load("write", 4, 128), []),
  digests(load("write", 128, 32), [], "bytes"),
  target(load("read", 4, 128), [0.5, 0.7]),
  target(load("write", 4, 128), [0.5, 0.7]),
  target(load("read", 128, 32), [], "bytes"),
  target(load("write", 128, 32), [], "bytes"),
  target(load("read", 4, 1), [], "latency"),
  targetOfMemory(load("read", 4, 128)),
  targetOfMemory(load("write", 4, 128)),
  promises(load("read", 4, 128), [0.9, 0.95]),
  promises(load("read", 4, 32), []),
  namespaceOpened(load("read", 4, 128)),
  both(load("read", 4, 128), []),
  both(load("write", 4, 128), []),
  both(load("read", 128, 32), [], "bytes"),
  native(load("read", 4, 1)),
  native(load("read", 4, 32)),
  native(load("read", 4, 128)),
  native(load("write", 4, 128)),
  native(load("read", 128, 32)),
  native(load("write", 128, 32)),
  ...[1, 4, 16, 64, 256, 1_024].map((depth) => growth("depth", depth)),
  ...[1, 4, 16, 64, 256].map((queues) => growth("queues", queues)),
  ...[1, 16, 256, 1_024].map((namespaces) => growth("namespaces", namespaces)),
];

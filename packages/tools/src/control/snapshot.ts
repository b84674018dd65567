// What a process tells of itself over its control socket: plain data, at one moment.
// Read first: ../node/expose-control.ts, which sends it. Fields are only ever added within a version.

/** Of snapshots, requests and replies. */
export const CONTROL_VERSION = 1;

/** Counters of reads and writes. They only grow while `id` of what has them stays; null: not counted. */
export interface IoView {
  /** Done with success, and their bytes. */
  readonly reads: number;
  readonly writes: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
  /** Sums of what they took, ms. */
  readonly readMs: number | null;
  readonly writeMs: number | null;
  /** Time in which something was in flight, ms. */
  readonly busyMs: number | null;
  /** In flight now. */
  readonly inflight: number | null;
  /** Commands that ended with an error; how many of them were tried again here; and elsewhere. */
  readonly errors: number | null;
  readonly retries: number | null;
  readonly failovers: number | null;
}

/** An I/O queue of a host. */
export interface QueueView {
  readonly qid: number;
  /** Most commands in flight. */
  readonly depth: number;
  readonly inflight: number;
  /** Held by commands that were given up and not answered. */
  readonly abandoned: number;
}

/** A controller: of a host, the way to it; of a target, what one host has of it. */
export interface ControllerView {
  /** Nobody else has it, or had it, in this process. */
  readonly id: string;
  readonly cntlid: number | null;
  /** Of the other side: "tcp 192.0.2.10 4420". */
  readonly address: string;
  /** NQN of the host, on a target. */
  readonly host: string | null;
  readonly state: string;
  /** Why it is not live. */
  readonly reason: string | null;
  readonly resets: number | null;
  readonly losses: number | null;
  /** Attempts to connect again. */
  readonly reconnects: number | null;
  /** Commands of all its queues, on a target. */
  readonly commands: number | null;
  /** Of commands, on a target; on a host, paths have them. */
  readonly errors: number | null;
  /** I/O commands in flight, abandoned ones not counted. */
  readonly inflight: number;
  readonly ioQueues: number;
  /** Empty on a target. */
  readonly queues: readonly QueueView[];
}

/** A namespace by way of one controller. */
export interface PathView {
  readonly id: string;
  /** `id` of a controller of the same subsystem. */
  readonly controller: string;
  /** "optimized", "inaccessible" and so on; null where it is not known. */
  readonly anaState: string | null;
  readonly isUsable: boolean;
  readonly io: IoView;
}

/** A namespace, or any other block device. */
export interface NamespaceView {
  readonly id: string;
  /** 0 for what has none. */
  readonly nsid: number;
  readonly name: string;
  readonly blockBytes: number;
  readonly blockCount: number;
  /** Requests that users of the device wait for, and how many of those wait for a path or for room. */
  readonly inflight: number | null;
  readonly waiting: number | null;
  /** Times that a request found no path and waited for one. */
  readonly requeued: number | null;
  /** Requests that ended with an error; and those of them that found no path, or waited in vain. */
  readonly failed: number | null;
  readonly failedNoPath: number | null;
  /** On a target, where it is the same at all ports. */
  readonly anaState: string | null;
  /** Where there are no paths to sum up. */
  readonly io: IoView | null;
  readonly paths: readonly PathView[];
}

/** What a view is of: our host, our target, a server of block devices, a device by itself. */
export type SubsystemRole = "host" | "target" | "nbd" | "device";

/** A subsystem as its process has it: a host's, or a target's. */
export interface SubsystemView {
  readonly id: string;
  readonly role: SubsystemRole;
  /** What the program calls it. */
  readonly name: string;
  /** "" where it has none. */
  readonly nqn: string;
  readonly controllers: readonly ControllerView[];
  readonly namespaces: readonly NamespaceView[];
  /** Where namespaces have none. */
  readonly io: IoView | null;
}

/** Who is asked. */
export interface ProcessView {
  readonly pid: number;
  /** What it does: "serve", or what the program said. */
  readonly name: string;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly node: string;
}

/** Delays of the event loop since the snapshot before, whoever asked for that. */
export interface LoopDelayView {
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** How busy the event loop of the process is. */
export interface EventLoopView {
  /** Sums since the process began: divide differences of `activeMs` by those of both. */
  readonly idleMs: number;
  readonly activeMs: number;
  /** null where nothing was measured yet. */
  readonly delay: LoopDelayView | null;
}

/** What the process takes of the machine. */
export interface ResourcesView {
  /** Sums since the process began, ms. */
  readonly cpuUserMs: number;
  readonly cpuSystemMs: number;
  readonly rssBytes: number;
}

/** Everything, at one moment. */
export interface ControlSnapshot {
  /** Monotonic time of that process, ms: rates are differences of counters by differences of this. */
  readonly nowMs: number;
  /** The same moment, ISO 8601. */
  readonly at: string;
  readonly process: ProcessView;
  readonly eventLoop: EventLoopView;
  readonly resources: ResourcesView;
  readonly subsystems: readonly SubsystemView[];
  /** Controllers, namespaces, paths and queues that there was no room for. */
  readonly leftOut: number;
}

/** What a process says first: enough to choose among several. */
export interface ControlHello {
  readonly process: ProcessView;
  /** NQNs or names, at most eight. */
  readonly subsystems: readonly string[];
}

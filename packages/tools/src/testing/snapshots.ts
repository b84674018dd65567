// Snapshots for tests: as much of one as a test is about, the rest as of a process that does nothing.

import type {
  ControlSnapshot,
  ControllerView,
  IoView,
  NamespaceView,
  PathView,
  SubsystemView,
} from "../control/snapshot.ts";

export const io = (given: Partial<IoView> = {}): IoView => ({
  reads: 0,
  writes: 0,
  readBytes: 0,
  writtenBytes: 0,
  readMs: 0,
  writeMs: 0,
  busyMs: 0,
  inflight: 0,
  errors: 0,
  retries: 0,
  failovers: 0,
  ...given,
});

export const path = (id: string, controller: string, given: Partial<IoView> = {}): PathView => ({
  id,
  controller,
  anaState: "optimized",
  isUsable: true,
  io: io(given),
});

export const controller = (id: string, given: Partial<ControllerView> = {}): ControllerView => ({
  id,
  cntlid: 1,
  address: "tcp 127.0.0.1 4420",
  host: null,
  state: "live",
  reason: null,
  resets: 0,
  losses: 0,
  reconnects: 0,
  commands: null,
  errors: null,
  inflight: 0,
  ioQueues: 1,
  queues: [{ qid: 1, depth: 63, inflight: 0, abandoned: 0 }],
  ...given,
});

export const namespace = (
  id: string,
  paths: readonly PathView[],
  given: Partial<NamespaceView> = {},
): NamespaceView => ({
  id,
  nsid: 1,
  name: "nvme0n1",
  blockBytes: 512,
  blockCount: 2048,
  inflight: 0,
  waiting: 0,
  requeued: 0,
  failed: 0,
  failedNoPath: 0,
  anaState: null,
  io: null,
  paths,
  ...given,
});

export const subsystem = (
  controllers: readonly ControllerView[],
  namespaces: readonly NamespaceView[],
  given: Partial<SubsystemView> = {},
): SubsystemView => ({
  id: "s",
  role: "host",
  name: "nvme0",
  nqn: "nqn.2024-01.org.example:disk",
  controllers,
  namespaces,
  io: null,
  ...given,
});

/** A process `nowMs` after it began. */
export const snapshot = (
  nowMs: number,
  subsystems: readonly SubsystemView[],
  given: Partial<ControlSnapshot> = {},
): ControlSnapshot => ({
  nowMs,
  at: new Date(nowMs).toISOString(),
  process: { pid: 4711, name: "connect", startedAt: new Date(0).toISOString(), node: "20.19.0" },
  eventLoop: { idleMs: nowMs, activeMs: 0, delay: null },
  resources: { cpuUserMs: 0, cpuSystemMs: 0, rssBytes: 50_000_000 },
  subsystems,
  leftOut: 0,
  ...given,
});

// A process for tests of `top`: a host with two paths to a namespace, and a target with one host.

import {
  type ControlSnapshot,
  type ControllerView,
  type IoView,
  type SubsystemView,
  ratesBetween,
} from "@nvmeof/tools";
import type { Known } from "../top/screen.ts";

const none: IoView = {
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
};

const controller = (id: string, port: number, given: Partial<ControllerView>): ControllerView => ({
  id,
  cntlid: port - 4419,
  address: `tcp 192.0.2.10 ${port}`,
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
  queues: [{ qid: 1, depth: 63, inflight: 32, abandoned: 0 }],
  ...given,
});

/** `seconds` after it began: the first path does all, the second is lost. */
function hostAt(seconds: number): SubsystemView {
  const busy: IoView = {
    ...none,
    reads: 1_200 * seconds,
    readBytes: 1_200 * 4_096 * seconds,
    readMs: 1_200 * 0.25 * seconds,
    writes: 300 * seconds,
    writtenBytes: 300 * 4_096 * seconds,
    writeMs: 300 * 12.5 * seconds,
    busyMs: 750 * seconds,
    inflight: 32,
    errors: 4,
    retries: 1,
    failovers: 3,
  };
  return {
    id: "h",
    role: "host",
    name: "nvme0",
    nqn: "nqn.2024-01.com.example:disk1",
    controllers: [
      controller("c1", 4420, { resets: 1, inflight: 32 }),
      controller("c2", 4421, {
        state: "waiting",
        reason: "connect ECONNREFUSED",
        reconnects: 7,
        ioQueues: 0,
        queues: [],
      }),
    ],
    namespaces: [
      {
        id: "n1",
        nsid: 1,
        name: "nvme0n1",
        blockBytes: 4096,
        blockCount: 262_144,
        inflight: 40,
        waiting: 8,
        requeued: 5,
        failed: 2,
        failedNoPath: 1,
        anaState: null,
        io: null,
        paths: [
          { id: "p1", controller: "c1", anaState: "optimized", isUsable: true, io: busy },
          { id: "p2", controller: "c2", anaState: null, isUsable: false, io: none },
        ],
      },
    ],
    io: null,
  };
}

const targetAt = (seconds: number): SubsystemView => ({
  id: "t",
  role: "target",
  name: "nvmeof",
  nqn: "nqn.2026-01.dev.nvmeof:disk",
  controllers: [
    controller("tc", 4420, {
      host: "nqn.2014-08.org.nvmexpress:uuid:5c1b3d52",
      address: "192.0.2.99:51234",
      state: "ready",
      resets: null,
      losses: null,
      reconnects: null,
      errors: 1,
      commands: 50 * seconds,
      inflight: 2,
      queues: [],
    }),
  ],
  namespaces: [
    {
      id: "tn",
      nsid: 1,
      name: "memory 1",
      blockBytes: 512,
      blockCount: 2_097_152,
      inflight: null,
      waiting: null,
      requeued: null,
      failed: null,
      failedNoPath: null,
      anaState: "optimized",
      io: {
        ...none,
        readMs: null,
        writeMs: null,
        busyMs: null,
        inflight: null,
        retries: null,
        failovers: null,
        writes: 50 * seconds,
        writtenBytes: 50 * 512 * seconds,
      },
      paths: [],
    },
  ],
  io: null,
});

export const snapshotAt = (seconds: number): ControlSnapshot => ({
  nowMs: seconds * 1_000,
  at: new Date(seconds * 1_000).toISOString(),
  process: {
    pid: 4711,
    name: "connect --hold",
    startedAt: new Date(0).toISOString(),
    node: "20.19.0",
  },
  eventLoop: {
    idleMs: seconds * 900,
    activeMs: seconds * 100,
    delay: { meanMs: 0.1, p50Ms: 0.05, p99Ms: 0.8, maxMs: 12.3 },
  },
  resources: { cpuUserMs: seconds * 80, cpuSystemMs: seconds * 20, rssBytes: 58_000_000 },
  subsystems: [hostAt(seconds), targetAt(seconds)],
  leftOut: 0,
});

/** What is known 65 s after it began, of the last second. */
export const known: Known = {
  snapshot: snapshotAt(65),
  rates: ratesBetween(snapshotAt(64), snapshotAt(65)),
  intervalMs: 1_000,
};

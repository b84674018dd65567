// Block devices by themselves, and the NBD server that gives them to others, as views.
// Read first: snapshot.ts; @nvmeof/bdev statistics.ts.

import type { MeasuredDevice } from "@nvmeof/bdev";
import type { NbdExport } from "../nbd/export.ts";
import type { NbdServer } from "../nbd/server.ts";
import type { IoView, NamespaceView, SubsystemView } from "./snapshot.ts";
import { type ViewContext, bounded } from "./view-context.ts";

/** A device that counts: what `measuring` of `@nvmeof/bdev` makes. */
export function deviceView(device: MeasuredDevice, { ids }: ViewContext): SubsystemView {
  const { operations } = device.statistics();
  const { Read: read, Write: write } = operations;
  const { name, blockBytes, blockCount } = device;
  const failed = Object.values(operations).reduce((sum, { errors }) => sum + errors, 0);
  const io: IoView = {
    // Those that failed took their time as well: sums and numbers are of all.
    reads: read.count,
    writes: write.count,
    readBytes: read.blockCount * blockBytes,
    writtenBytes: write.blockCount * blockBytes,
    readMs: read.latencySumMs,
    writeMs: write.latencySumMs,
    busyMs: null,
    inflight: null,
    errors: failed,
    retries: null,
    failovers: null,
  };
  const size = { blockBytes, blockCount };
  return {
    id: ids.of(device),
    role: "device",
    name: bounded(name),
    nqn: "",
    controllers: [],
    namespaces: [{ ...plainNamespace(`${ids.of(device)}.1`, name), ...size, failed, io }],
    io: null,
  };
}

/** Its clients' requests; only all exports together are counted. */
export function nbdView(server: NbdServer, { ids, budget }: ViewContext): SubsystemView {
  const { reads, writes, readBytes, writtenBytes, failed } = server.counters;
  const { requests, connections } = server.status;
  return {
    id: ids.of(server),
    role: "nbd",
    name: `NBD server, ${connections === 1 ? "1 client" : `${connections} clients`}`,
    nqn: "",
    controllers: [],
    namespaces: budget.take(server.exports).map((each) => exportView(each, ids.of(each))),
    io: {
      reads,
      writes,
      readBytes,
      writtenBytes,
      errors: failed,
      inflight: requests,
      readMs: null,
      writeMs: null,
      busyMs: null,
      retries: null,
      failovers: null,
    },
  };
}

const exportView = (each: NbdExport, id: string): NamespaceView => ({
  ...plainNamespace(id, each.name === "" ? "export" : each.name),
  blockBytes: each.blockBytes,
  blockCount: Math.floor(each.sizeBytes / each.blockBytes),
});

const plainNamespace = (id: string, name: string): NamespaceView => ({
  id,
  nsid: 0,
  name: bounded(name),
  blockBytes: 0,
  blockCount: 0,
  inflight: null,
  waiting: null,
  requeued: null,
  failed: null,
  failedNoPath: null,
  anaState: null,
  io: null,
  paths: [],
});

// Why a write of unknown outcome is fenced: a path falls silent in the middle of writes, and its target
// carries them out late. Read first: late-device.ts; @nvmeof/bdev nvme/fences.ts for what holds them.

import { type BlockDevice, openDisk } from "@nvmeof/bdev";
import type { FenceReport, GroupEvent, NvmeGroup } from "@nvmeof/bdev/nvme";
import type { Clock } from "@nvmeof/transport";
import type { LateDevice } from "./late-device.ts";
import { Timeline, type TimelineEntry } from "./timeline.ts";
import { type Way, countText, noteStates, reached, secondsText, unlessAborted } from "./way.ts";

/** A host with two ways, and a target whose disk can be late. */
export interface FencingOptions {
  readonly device: BlockDevice;
  readonly group: NvmeGroup;
  readonly clock: Clock;
  /** The first of them carries the writes. */
  readonly ways: readonly Pick<Way, "name" | "path">[];
  /** Nothing passes on the first way any more, in either direction, and nobody is told. */
  readonly silence: () => void;
  /** The disk of the target. */
  readonly disk: LateDevice;
  /** How late its writes are, ms. Default 4 s: later than a host waits that is not told of it. */
  readonly lateMs?: number | undefined;
  /** Blocks that are written. Default 16. */
  readonly blocks?: number | undefined;
  readonly timeline?: Timeline | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What came of writes whose outcome nobody knew. */
export interface FencingReport {
  /** Writes of unknown outcome that were held. */
  readonly held: number;
  /** For how long, ms. */
  readonly heldMs: number;
  /** Why they could go; null where none was held, or the fence was given up. */
  readonly releasedBy: FenceReport["releasedBy"] | null;
  readonly blocks: number;
  /** Blocks that hold an older write at the end, though a newer one had succeeded. */
  readonly staleBlocks: number;
  readonly timeline: readonly TimelineEntry[];
}

const BLOCKS = 16;
const LATE_MS = 4_000;
const OLD = 1;
const NEW = 2;

type Held = Pick<FenceReport, "held" | "heldMs"> & { releasedBy: FencingReport["releasedBy"] };

/** Notes what fences do. Returns what the last one came to, and how to stop. */
function watchFences(group: NvmeGroup, timeline: Timeline) {
  const found: { last: Held } = { last: { held: 0, heldMs: 0, releasedBy: null } };
  const stop = group.observe((event: GroupEvent) => {
    if (event.type === "fence") {
      timeline.note("writes of unknown outcome are held: the target may still carry them out");
    } else if (event.type === "fence-over") {
      const { held, heldMs, releasedBy = null } = event;
      found.last = { held, heldMs, releasedBy };
      const how = releasedBy === null ? "given up" : `released by ${releasedBy}`;
      timeline.note(`${countText(held, "write")} ${how}, after ${secondsText(heldMs)}`);
    }
  });
  return { found, stop };
}

/**
 * Writes blocks, lets the way fall silent when the target has taken all of them, and once they are
 * done by the other way writes newer data to the same blocks. At the end no block may hold the older.
 *
 * Rejects with the error of a write, and with the signal's reason.
 */
export async function runFencing(options: FencingOptions): Promise<FencingReport> {
  const { device, group, clock, ways, disk, signal } = options;
  const { blocks = BLOCKS, lateMs = LATE_MS, timeline = new Timeline(clock) } = options;
  const io = openDisk(device);
  const watch = watchFences(group, timeline);
  const stops = [watch.stop, ...ways.map((way) => noteStates(way as Way, timeline))];
  const writeAll = (value: number): Promise<unknown> =>
    Promise.all(
      Array.from({ length: blocks }, (_, lba) =>
        io.write(lba, new Uint8Array(device.blockBytes).fill(value)),
      ),
    );
  try {
    const taken = disk.late(blocks, lateMs);
    const old = writeAll(OLD);
    await unlessAborted(signal, Promise.race([taken, old.then(() => taken)]));
    timeline.note(
      `the target has taken ${blocks} writes, and will do them in ${secondsText(lateMs)}`,
    );
    options.silence();
    timeline.note(`${ways[0]!.name}: silent from now on`);
    await unlessAborted(
      signal,
      reached(ways[0] as Way, (state) => state !== "live"),
    );
    await unlessAborted(signal, old);
    timeline.note(`${blocks} writes are done by the other path`);
    await unlessAborted(signal, writeAll(NEW));
    timeline.note("newer data is written to the same blocks");
    await unlessAborted(signal, disk.idle());
    const staleBlocks = await unlessAborted(signal, countStale(io, device, blocks));
    timeline.note(`${staleBlocks} of ${blocks} blocks hold the older data`);
    return { ...watch.found.last, blocks, staleBlocks, timeline: timeline.entries };
  } finally {
    for (const stop of stops) stop();
    await io.close();
  }
}

async function countStale(
  io: ReturnType<typeof openDisk>,
  { blockBytes }: BlockDevice,
  blocks: number,
): Promise<number> {
  let stale = 0;
  for (let lba = 0; lba < blocks; lba++) {
    const data = new Uint8Array(blockBytes);
    await io.read(lba, data);
    if (data.some((byte) => byte !== NEW)) stale++;
  }
  return stale;
}

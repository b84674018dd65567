// The register oracle: whatever users read must be what the writes of all users can have left there.
// Read first: reliability-anchors.md I6, I9, I21, I22, I24 to I26, I29; block-history.ts has the deduction.

import { BlockOp, type BlockRequest, changesBlocks } from "@nvmeof/bdev";
import { type NvmeofError, Status, codeOf } from "@nvmeof/codec";
import type { Clock } from "@nvmeof/transport";
import type { SimDisk } from "../storage/disk.ts";
import { type BlockContent, contentText, readStamp, writeStamp } from "../storage/stamp.ts";
import type { Complain } from "../violation.ts";
import { type Absence, BlockHistory, type WriteSpan, ZEROES } from "./block-history.ts";
import { type Fence, type Shaken, Standstill, isRisked, unshaken } from "./fence.ts";

/** A request that has not settled. */
interface Operation {
  readonly volume: Volume;
  readonly request: BlockRequest;
  readonly op: BlockOp;
  readonly lba: number;
  readonly blockCount: number;
  readonly fua: boolean;
  readonly start: number;
  readonly fence: Fence;
  readonly shaken: Shaken;
  /** Of what changes blocks. */
  readonly span: WriteSpan | undefined;
  /** What Compare was given, block by block. */
  readonly expected: readonly number[];
}

/** A write that may still take effect. */
interface Late {
  readonly volume: Volume;
  readonly span: WriteSpan;
  untilMs: number;
}

/** What is known of the blocks of a disk. */
interface Volume {
  readonly number: number;
  readonly blockBytes: number;
  readonly cache: "none" | "volatile";
  /** Blocks that anything is known of. */
  readonly blocks: Map<number, BlockHistory>;
}

const invariantOf: Readonly<Record<Absence, string>> = {
  overwritten: "I21",
  "seen later": "I22",
  "flushed over": "I25",
  "forced over": "I26",
  "never sent": "I9",
  "never written": "I24",
};

/** What buffers hold that nobody may read, or that nobody has filled: no stamp, and not zeroes (I28). */
export const POISON = 0xdb;

const FENCED: Fence = { lateMs: Infinity, success: "fenced" };

export class RegisterOracle {
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #complain: Complain;
  readonly #volumes = new Map<number, Volume>();
  readonly #operations = new Map<number, Operation>();
  #late: Late[] = [];
  readonly #still = new Standstill();
  #step = 0;

  constructor(clock: Pick<Clock, "nowMs">, complain: Complain) {
    this.#clock = clock;
    this.#complain = complain;
  }

  /** A disk of zeroes. */
  addVolume({ volume, blockBytes, cache }: Pick<SimDisk, "volume" | "blockBytes" | "cache">): void {
    this.#volumes.set(volume, { number: volume, blockBytes, cache, blocks: new Map() });
  }

  /**
   * A request is about to be submitted to the device of `volume`. The data of a Write is filled with
   * stamps, that of a Compare with what the blocks probably hold, that of a Read with {@link POISON}.
   *
   * @param id unique in the run, 1 to 2^32 - 1.
   */
  submitted(id: number, volume: number, request: BlockRequest, fence: Fence = FENCED): void {
    this.#expire();
    const start = ++this.#step;
    const known = this.#volumes.get(volume)!;
    const { op, lba, blockCount, fua = false } = request;
    const holds = op === BlockOp.Write ? id : ZEROES;
    const span = changesBlocks(op) ? { id, holds, start, end: Infinity } : undefined;
    const expected = op === BlockOp.Compare ? this.#fillExpected(known, request) : [];
    if (op === BlockOp.Read) request.data!.fill(POISON);
    if (op === BlockOp.Write) fillStamps(known, request, id);
    if (span !== undefined) {
      for (let at = 0; at < blockCount; at++) historyOf(known, lba + at).began(span);
    }
    this.#operations.set(id, {
      volume: known,
      request,
      op,
      lba,
      blockCount,
      fua,
      start,
      fence,
      shaken: unshaken(this.#still.has(volume)),
      span,
      expected,
    });
  }

  /**
   * A request settled: to be called inside its callback. Afterwards the data of a Write is
   * {@link POISON}, so that a disk which still gets it notices. A second settling is ignored here.
   */
  settled(id: number, error: NvmeofError | undefined): void {
    const operation = this.#operations.get(id);
    if (operation === undefined) return;
    this.#expire();
    this.#operations.delete(id);
    const step = ++this.#step;
    const { op, request, span } = operation;
    if (span !== undefined) this.#writeSettled(operation, span, error, step);
    else if (op === BlockOp.Flush) this.#flushSettled(operation, error, step);
    else if (op === BlockOp.Read && error === undefined) this.#readSettled(operation, step);
    else if (op === BlockOp.Compare) this.#compareSettled(operation, error, step);
    if (op === BlockOp.Write || op === BlockOp.Compare) request.data!.fill(POISON);
    this.#prune(operation);
  }

  /** Power was lost at the disk of `volume`. */
  crashed(volume: number): void {
    this.#expire();
    const step = ++this.#step;
    for (const history of this.#volumes.get(volume)?.blocks.values() ?? []) history.crashed(step);
  }

  /** The disk of `volume` has this size now; what was cut off is zeroes if it ever comes back. */
  resized(volume: number, blockCount: number): void {
    this.#expire();
    const step = ++this.#step;
    for (const [lba, history] of this.#volumes.get(volume)?.blocks ?? []) {
      if (lba >= blockCount) history.cleared(step);
    }
  }

  /**
   * The target or the disk of `volume` stands still from now on, until {@link RegisterOracle.stoodStill}. No
   * fence by time holds against that: a copy of a write that is under way may come late, even after
   * another one has succeeded. See {@link RegisterOracle.fencedByTime}.
   */
  standsStill(volume: number): void {
    this.#still.begin(volume);
    this.#risk(volume);
  }

  /** It goes on after so long, in which it counted no time. */
  stoodStill(volume: number, ms: number): void {
    this.#risk(volume);
    this.#still.end(volume);
    const nowMs = this.#clock.nowMs();
    for (const late of this.#late) {
      if (late.volume.number === volume && late.untilMs + ms >= nowMs) late.untilMs += ms;
    }
  }

  /**
   * Looks at every block of `disk` that was ever written, past all queues: as a read would that takes no
   * time. Blocks that nobody wrote must not have changed (I24).
   */
  audit(disk: SimDisk): void {
    this.#expire();
    const volume = this.#volumes.get(disk.volume)!;
    const start = ++this.#step;
    const step = ++this.#step;
    const block = new Uint8Array(volume.blockBytes);
    const known = Array.from(volume.blocks.keys()).filter((lba) => lba < disk.blockCount);
    const all = new Set([...known, ...disk.written]);
    for (const lba of Array.from(all).sort((a, b) => a - b)) {
      disk.peek(lba, block);
      this.#observe(volume, lba, readStamp(block, 0, volume.blockBytes), start, step);
    }
  }

  /** A fence that these requests may have waited behind was released for no reason but time. */
  fencedByTime(ids: readonly number[]): void {
    for (const id of ids) {
      const operation = this.#operations.get(id);
      if (operation !== undefined) operation.shaken.waited = "once";
    }
  }

  /** Requests that have not settled. */
  get open(): number {
    return this.#operations.size;
  }

  #risk(volume: number): void {
    for (const operation of this.#operations.values()) {
      if (operation.volume.number === volume) operation.shaken.stood = "once";
    }
  }

  #writeSettled(
    operation: Operation,
    span: WriteSpan,
    error: NvmeofError | undefined,
    step: number,
  ): void {
    const { volume, lba, blockCount, fua, fence, shaken, op } = operation;
    const histories = Array.from({ length: blockCount }, (_, at) => historyOf(volume, lba + at));
    if (error === undefined) {
      span.end = step;
      if (isRisked(fence, shaken)) this.#mayBeLate(volume, span, fence.lateMs);
      // What a deallocated block reads as is the device's affair: as if it may have been done.
      if (op === BlockOp.Deallocate) return;
      for (const history of histories) history.succeeded(span, step, fua);
    } else if (error.outcome === "not-sent") {
      span.end = -1;
      const shown = histories.map((history) => history.wasNotSent(span)).indexOf(true);
      if (shown !== -1) {
        const where = `block ${lba + shown} of volume ${volume.number}`;
        this.#complain("I9", `write ${span.id} settled as not sent, and was read from ${where}`);
      }
    } else if (error.outcome === "failed") {
      // Answered: it may have been done, in part or whole, but will not be done any more.
      span.end = step;
    } else {
      this.#mayBeLate(volume, span, fence.lateMs);
    }
  }

  #mayBeLate(volume: Volume, span: WriteSpan, lateMs: number): void {
    span.end = Infinity;
    if (lateMs === Infinity) return;
    this.#late.push({ volume, span, untilMs: this.#clock.nowMs() + lateMs });
  }

  /** Those whose time is over can take effect no more. */
  #expire(): void {
    if (this.#late.length === 0) return;
    const nowMs = this.#clock.nowMs();
    const isOver = ({ volume, untilMs }: Late): boolean =>
      untilMs < nowMs && !this.#still.has(volume.number);
    const over = this.#late.filter(isOver);
    if (over.length === 0) return;
    this.#late = this.#late.filter((late) => !isOver(late));
    for (const { span } of over) span.end = this.#step;
  }

  #flushSettled(operation: Operation, error: NvmeofError | undefined, step: number): void {
    if (error !== undefined) return;
    for (const history of operation.volume.blocks.values()) history.flushed(operation.start, step);
  }

  #readSettled(operation: Operation, step: number): void {
    const { volume, request, lba, blockCount, start } = operation;
    const { blockBytes } = volume;
    for (let at = 0; at < blockCount; at++) {
      const content = readStamp(request.data!, at * blockBytes, blockBytes);
      this.#observe(volume, lba + at, content, start, step);
    }
  }

  #compareSettled(operation: Operation, error: NvmeofError | undefined, step: number): void {
    const { volume, lba, start, expected } = operation;
    if (error === undefined) {
      for (const [at, holds] of expected.entries()) {
        const absence = historyOf(volume, lba + at).read(holds, start, step);
        if (absence !== undefined) this.#absent(volume, lba + at, `write ${holds}`, absence);
      }
    } else if (codeOf(error.status ?? 0) === Status.CompareFailure) {
      const differs = expected.some((holds, at) =>
        historyOf(volume, lba + at).mayHaveDiffered(holds, start),
      );
      if (differs) return;
      const what = `${expected.length} blocks at ${lba} of volume ${volume.number}`;
      this.#complain("I21", `a Compare of ${what} failed, which hold just that`);
    }
  }

  #observe(volume: Volume, lba: number, content: BlockContent, start: number, step: number): void {
    const where = `block ${lba} of volume ${volume.number}`;
    const text = contentText(content);
    if (content === "torn") {
      this.#complain("I6", `${where} was read as bytes that nobody wrote as a whole`);
      return;
    }
    if (content !== "zeroes" && content.volume !== volume.number) {
      this.#complain("I29", `${where} was read as ${text}`);
      return;
    }
    if (content !== "zeroes" && content.lba !== lba) {
      this.#complain("I24", `${where} was read as ${text}`);
      return;
    }
    const holds = content === "zeroes" ? ZEROES : content.write;
    const history = volume.blocks.get(lba);
    // A block that nobody ever wrote.
    if (history === undefined && holds === ZEROES) return;
    const absence = historyOf(volume, lba).read(holds, start, step);
    if (absence !== undefined) this.#absent(volume, lba, text, absence);
  }

  #absent(volume: Volume, lba: number, text: string, absence: Absence): void {
    const values = historyOf(volume, lba).values.join(", ");
    this.#complain(
      invariantOf[absence],
      `block ${lba} of volume ${volume.number} was read as ${text}: ${absence}; it may hold ${values}`,
    );
  }

  #fillExpected(volume: Volume, { lba, blockCount, data }: BlockRequest): number[] {
    const { blockBytes, number } = volume;
    return Array.from({ length: blockCount }, (_, at) => {
      const write = volume.blocks.get(lba + at)?.values.at(-1) ?? ZEROES;
      const start = at * blockBytes;
      if (write === ZEROES) data!.fill(0, start, start + blockBytes);
      else writeStamp(data!, start, blockBytes, { volume: number, write, lba: lba + at });
      return write;
    });
  }

  #prune({ volume, lba, blockCount }: Operation): void {
    // The map is in order of submission: its first entry is the oldest.
    const oldest = this.#operations.values().next().value?.start ?? this.#step;
    for (let at = 0; at < blockCount; at++) volume.blocks.get(lba + at)?.prune(oldest);
  }
}

function historyOf({ blocks, cache }: Volume, lba: number): BlockHistory {
  let history = blocks.get(lba);
  if (history === undefined) blocks.set(lba, (history = new BlockHistory(cache)));
  return history;
}

function fillStamps(volume: Volume, { lba, blockCount, data }: BlockRequest, write: number): void {
  const { blockBytes, number } = volume;
  for (let at = 0; at < blockCount; at++) {
    writeStamp(data!, at * blockBytes, blockBytes, { volume: number, write, lba: lba + at });
  }
}

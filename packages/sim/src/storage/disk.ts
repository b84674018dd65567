// A simulated disk: slow, late, forgetful, frozen, failing or of another size, as the plan has it.
// Read first: @nvmeof/bdev block-device.ts for the contract that it keeps all the same;
// reliability-anchors.md §1.3 (why late writes do harm), I7, I25, I26, I29; medium.ts, stamp.ts.

import {
  BlockError,
  type BlockIdentity,
  BlockOp,
  type BlockRequest,
  type BlockSettle,
  type LocalChannel,
  LocalDevice,
  changesBlocks,
} from "@nvmeof/bdev";
import { type NvmeofError, Status } from "@nvmeof/codec";
import type { Clock, Timer } from "@nvmeof/transport";
import type { SimRandom } from "../random.ts";
import type { Complain } from "../violation.ts";
import { Medium } from "./medium.ts";
import { contentText, readStamp } from "./stamp.ts";

/** What a disk tells of the writes that reach it. */
export interface DiskEvents {
  /**
   * A part of write `write` has come in, or is over: carried out, failed or lost. `way` is the number of
   * the channel that it came by: a queue of a controller has one of its own.
   */
  writeArrived(write: number, lba: number, way: number): void;
  writeEnded(write: number, lba: number, way: number, error: NvmeofError | undefined): void;
}

/** How long requests take. */
export interface DiskPace {
  /** One request in so many takes time; 0: none does, and all settle after the current callback. */
  readonly slowOneIn: number;
  /**
   * Longest time that it then takes, ms. Fencing by time holds only for a disk that is not slower than
   * KATO + CQT, time that it is frozen included.
   */
  readonly delayMaxMs: number;
}

/** What the next requests fail with. `crd`: 0 to 3, the delay index that a busy disk asks for. */
export interface DiskErrors {
  readonly count: number;
  readonly error: "media" | "busy";
  /** Default 0. */
  readonly crd?: number;
  /** `final`: with Do Not Retry. Default "passing". */
  readonly lasts?: "passing" | "final";
}

/** DNR, as in a packed status. */
const DNR = 0x4000;

export interface SimDiskOptions {
  readonly name: string;
  readonly clock: Clock;
  /** A generator of its own. */
  readonly random: SimRandom;
  readonly blockBytes: number;
  readonly blockCount: number;
  /** Who its data is: unique in a run, 1 to 65,535. Stamps and identity are made of it. */
  readonly volume: number;
  /** Default: nothing takes time. */
  readonly pace?: DiskPace | undefined;
  /** Default "none". */
  readonly cache?: "none" | "volatile" | undefined;
  /** Most blocks of one transfer. Default 256. */
  readonly transferBlocksMax?: number | undefined;
  /** Most requests in flight on one channel. Default 1,024. */
  readonly inflightMax?: number | undefined;
  /** `stamped`: every write that comes in has to carry stamps, or zeroes, for where it goes (I7, I29). */
  readonly data?: "stamped" | "any" | undefined;
  readonly complain: Complain;
  readonly events?: DiskEvents | undefined;
}

/** What a disk has done, for the figures of a run. */
export interface DiskFigures {
  requests: number;
  /** Requests that took time. */
  slow: number;
  /** Requests that were made to fail. */
  failed: number;
  /** Blocks of which a crash lost something. */
  lostBlocks: number;
}

/** A request under way. */
interface Job {
  readonly channel: LocalChannel;
  readonly way: number;
  readonly request: BlockRequest;
  readonly settle: BlockSettle;
  /** `before`: carried out, and not answered. */
  phase: "before" | "done";
  error: NvmeofError | undefined;
  timer: Timer | undefined;
}

/** Identity of a volume: the same for two disks of one number, and for no others. */
export const volumeIdentity = (volume: number): BlockIdentity => ({
  uuid: `5d15c000-0000-4000-8000-${volume.toString(16).padStart(12, "0")}`,
});

/** The volume behind an identity; undefined for devices that are no simulated disk. */
export function volumeOf({ uuid }: BlockIdentity): number | undefined {
  if (uuid === undefined || !uuid.startsWith("5d15c000-")) return undefined;
  return Number.parseInt(uuid.slice(-12), 16);
}

export class SimDisk extends LocalDevice {
  readonly volume: number;
  readonly cache: "none" | "volatile";
  readonly figures: DiskFigures = { requests: 0, slow: 0, failed: 0, lostBlocks: 0 };
  readonly #random: SimRandom;
  readonly #medium: Medium;
  readonly #data: "stamped" | "any";
  readonly #complain: Complain;
  readonly #events: DiskEvents | undefined;
  /** Numbers of channels. */
  readonly #ways = new WeakMap<LocalChannel, number>();
  #wayCount = 0;
  #pace: DiskPace;
  #errors: DiskErrors = { count: 0, error: "media" };
  /** What takes time, oldest first. */
  readonly #pending = new Set<Job>();
  /** What came, or became due, while it was frozen; undefined while it is not. */
  #frozen: Job[] | undefined;

  constructor(options: SimDiskOptions) {
    const cache = options.cache ?? "none";
    super({
      name: options.name,
      clock: options.clock,
      blockBytes: options.blockBytes,
      blockCount: options.blockCount,
      identity: volumeIdentity(options.volume),
      limits: {
        transferBlocksMax: options.transferBlocksMax ?? 256,
        boundaryBlocks: 0,
        inflightMax: options.inflightMax ?? 1024,
      },
      features: {
        readOnly: false,
        volatileCache: cache === "volatile",
        writeZeroes: true,
        deallocate: true,
        compare: true,
        verify: true,
      },
    });
    this.volume = options.volume;
    this.cache = cache;
    this.#random = options.random;
    this.#medium = new Medium(cache);
    this.#pace = options.pace ?? { slowOneIn: 0, delayMaxMs: 0 };
    this.#data = options.data ?? "stamped";
    this.#complain = options.complain;
    this.#events = options.events;
  }

  /** Requests that it has not answered, whoever still waits for them. */
  get inflight(): number {
    return this.#pending.size + (this.#frozen?.length ?? 0);
  }

  set pace(pace: DiskPace) {
    this.#pace = pace;
  }

  /** Makes the next requests fail. Replaces what was left of an earlier call. */
  fail(errors: DiskErrors): void {
    this.#errors = errors;
  }

  /** Does nothing any more, until it thaws. */
  freeze(): void {
    this.#frozen ??= [];
  }

  thaw(): void {
    const held = this.#frozen;
    this.#frozen = undefined;
    for (const job of held ?? []) this.#finish(job);
  }

  /** No errors, no delays for what comes from now on, not frozen. What is slow already ends in its time. */
  heal(): void {
    this.#errors = { count: 0, error: "media" };
    this.#pace = { slowOneIn: 0, delayMaxMs: 0 };
    this.thaw();
  }

  /** Changes the size. What is cut off is gone, and what is added reads as zeroes. */
  resize(blockCount: number): void {
    this.setBlockCount(blockCount);
    this.#medium.cut(this.blockCount);
  }

  /**
   * Loses power, and has it again: of the cache, any part is lost; each request under way was carried
   * out or was not, and fails with an unknown outcome.
   */
  crash(): void {
    const jobs = [...this.#pending, ...(this.#frozen ?? [])];
    this.#pending.clear();
    this.#frozen = undefined;
    for (const job of jobs) {
      job.timer?.cancel();
      if (job.phase === "before" && this.#random.oneIn(2)) this.#perform(job);
      job.error = new BlockError("media", Status.InternalError, "unknown", `${this.name} crashed`);
    }
    this.figures.lostBlocks += this.#medium.crash(this.#random);
    for (const job of jobs) this.#answerLater(job);
  }

  /** Numbers of the blocks that were ever written, in order. */
  get written(): number[] {
    return this.#medium.written;
  }

  /** Copies what a block holds now into `into`, past all queues: for checks. */
  peek(lba: number, into: Uint8Array): void {
    const block = this.#medium.get(lba);
    if (block === undefined) into.fill(0);
    else into.set(block);
  }

  execute(channel: LocalChannel, request: BlockRequest, settle: BlockSettle): void {
    const way = this.#wayOf(channel);
    const job: Job = {
      channel,
      way,
      request,
      settle,
      phase: "before",
      error: undefined,
      timer: undefined,
    };
    this.figures.requests++;
    if (request.op === BlockOp.Write) this.#arrived(job);
    if (this.#frozen !== undefined) {
      this.#frozen.push(job);
      return;
    }
    const { slowOneIn, delayMaxMs } = this.#pace;
    if (slowOneIn === 0 || delayMaxMs === 0 || !this.#random.oneIn(slowOneIn)) {
      this.#perform(job);
      this.#answerLater(job);
      return;
    }
    this.figures.slow++;
    this.#pending.add(job);
    // What is answered late was done early or late: both have been seen.
    if (this.#random.oneIn(2)) this.#perform(job);
    const delayMs = this.#random.between(1, delayMaxMs);
    job.timer = this.clock.at(this.clock.nowMs() + delayMs, () => this.#due(job));
  }

  #wayOf(channel: LocalChannel): number {
    let way = this.#ways.get(channel);
    if (way === undefined) this.#ways.set(channel, (way = ++this.#wayCount));
    return way;
  }

  #due(job: Job): void {
    this.#pending.delete(job);
    if (this.#frozen !== undefined) this.#frozen.push(job);
    else this.#finish(job);
  }

  #finish(job: Job): void {
    if (job.phase === "before") this.#perform(job);
    this.#ended(job);
    job.channel.finish(job.settle, job.error);
  }

  #answerLater(job: Job): void {
    this.#ended(job);
    job.channel.finishLater(job.settle, job.error);
  }

  /** Carries a request out; its data is the caller's, whose it is to keep it until it is settled. */
  #perform(job: Job): void {
    job.phase = "done";
    const { request } = job;
    job.error = this.#planned(request);
    if (job.error !== undefined) {
      // A write that failed may have been done in part.
      if (job.error.status === Status.WriteFault) this.#change(request, "in part");
      return;
    }
    const isWithin =
      request.op === BlockOp.Flush || request.lba + request.blockCount <= this.blockCount;
    if (!isWithin) {
      const text = `${this.name} has become smaller`;
      job.error = new BlockError("out-of-range", Status.LbaOutOfRange, "failed", text);
      return;
    }
    switch (request.op) {
      case BlockOp.Read:
        this.#read(request);
        break;
      case BlockOp.Compare:
        if (!this.#equals(request)) {
          const text = `${this.name} holds other data at ${request.lba}`;
          job.error = new BlockError("compare-failure", Status.CompareFailure, "failed", text);
        }
        break;
      case BlockOp.Write:
      case BlockOp.WriteZeroes:
        this.#change(request, "whole");
        break;
      case BlockOp.Deallocate:
        this.#change(request, "in part");
        break;
      case BlockOp.Flush:
        this.#medium.flush();
        break;
      case BlockOp.Verify:
        break;
    }
  }

  /** The error that the plan has for this request, if it has one. */
  #planned({ op, lba }: BlockRequest): NvmeofError | undefined {
    const { count, error, crd = 0, lasts = "passing" } = this.#errors;
    if (count === 0) return undefined;
    this.#errors = { ...this.#errors, count: count - 1 };
    this.figures.failed++;
    const text = `${this.name}, block ${lba}`;
    const dnr = lasts === "final" ? DNR : 0;
    if (error === "busy") {
      const status = Status.NamespaceNotReady | (crd << CRD_SHIFT) | dnr;
      return new BlockError("media", status, "failed", `${text}: not ready`);
    }
    const changes = changesBlocks(op) || op === BlockOp.Flush;
    const status = (changes ? Status.WriteFault : Status.UnrecoveredReadError) | dnr;
    return new BlockError("media", status, "failed", `${text}: the medium failed`);
  }

  #read({ lba, blockCount, data }: BlockRequest): void {
    const { blockBytes } = this;
    for (let at = 0; at < blockCount; at++) {
      const block = this.#medium.get(lba + at);
      if (block === undefined) data!.fill(0, at * blockBytes, (at + 1) * blockBytes);
      else data!.set(block, at * blockBytes);
    }
  }

  #equals({ lba, blockCount, data }: BlockRequest): boolean {
    const { blockBytes } = this;
    for (let at = 0; at < blockCount; at++) {
      const block = this.#medium.get(lba + at);
      const start = at * blockBytes;
      for (let byte = 0; byte < blockBytes; byte++) {
        if (data![start + byte] !== (block === undefined ? 0 : block[byte])) return false;
      }
    }
    return true;
  }

  #change({ op, lba, blockCount, data, fua }: BlockRequest, extent: "whole" | "in part"): void {
    const { blockBytes } = this;
    if (op === BlockOp.Flush) return;
    const blocks = Math.min(blockCount, this.blockCount - lba);
    for (let at = 0; at < blocks; at++) {
      if (extent === "in part" && this.#random.oneIn(2)) continue;
      const isData = op === BlockOp.Write;
      const block = isData ? data!.slice(at * blockBytes, (at + 1) * blockBytes) : undefined;
      this.#medium.put(lba + at, block, fua === true);
    }
  }

  /** I7 and I29: what comes in must be whole, and meant for where it has come to. */
  #arrived({ request, way }: Job): void {
    const { blockBytes, volume } = this;
    const { lba, blockCount, data } = request;
    let told = 0;
    for (let at = 0; at < blockCount; at++) {
      const content = readStamp(data!, at * blockBytes, blockBytes);
      if (content === "zeroes") continue;
      if (content !== "torn" && content.write !== told) {
        told = content.write;
        this.#events?.writeArrived(told, lba, way);
      }
      if (this.#data === "any") continue;
      const where = `block ${lba + at} of volume ${volume} was to be written with`;
      if (content === "torn") this.#complain("I7", `${where} bytes that are no whole block`);
      else if (content.volume !== volume) {
        this.#complain("I29", `${where} ${contentText(content)}`);
      } else if (content.lba !== lba + at) {
        this.#complain("I24", `${where} ${contentText(content)}`);
      }
    }
  }

  #ended(job: Job): void {
    const { way, request, error } = job;
    if (this.#events === undefined || request.op !== BlockOp.Write) return;
    const content = readStamp(request.data!, 0, this.blockBytes);
    if (typeof content !== "string") {
      this.#events.writeEnded(content.write, request.lba, way, error);
    }
  }
}

/** Where CRD stands in a packed status: see `crdOf`. */
const CRD_SHIFT = 11;

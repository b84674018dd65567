// Copies of writes as they reach the disks: none that was never sent, none too many, none past its fence.
// Read first: reliability-anchors.md I8, I9, I23 and §1.3; storage/disk.ts DiskEvents, which feeds it.

import { type NvmeofError, dnrOf } from "@nvmeof/codec";
import type { Clock } from "@nvmeof/transport";
import type { DiskEvents } from "../storage/disk.ts";
import type { Complain } from "../violation.ts";
import { type Fence, type Shaken, Standstill, isRisked, unshaken } from "./fence.ts";

/** What is known of a write. */
interface Write {
  readonly volume: number;
  readonly fence: Fence;
  readonly shaken: Shaken;
  /** How often one part of it may come in: first attempt and all retries. */
  readonly attemptsMax: number;
  readonly parts: Map<number, Part>;
  outcome: "open" | "done" | "failed" | "unknown" | "not-sent";
  /** No copy may come in after this. */
  untilMs: number;
}

/** The blocks of a write from one LBA on. */
interface Part {
  arrived: number;
  /** Ways by which it came in and is not over. */
  readonly ways: number[];
  /**
   * The way on which it was refused with Do Not Retry. A host that sends it again there has had that
   * answer; elsewhere it may be that the answer was lost with its connection.
   */
  refusedBy: number | undefined;
}

/** Counts the copies of each write that come to a disk. */
export class AttemptOracle implements DiskEvents {
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #complain: Complain;
  readonly #writes = new Map<number, Write>();
  readonly #still = new Standstill();

  constructor(clock: Pick<Clock, "nowMs">, complain: Complain) {
    this.#clock = clock;
    this.#complain = complain;
  }

  /** Write `id` is about to be submitted. @param attemptsMax Infinity where retries have no budget. */
  submitted(id: number, volume: number, fence: Fence, attemptsMax: number): void {
    this.#writes.set(id, {
      volume,
      fence,
      shaken: unshaken(this.#still.has(volume)),
      attemptsMax,
      parts: new Map(),
      outcome: "open",
      untilMs: Infinity,
    });
  }

  /** It settled. */
  settled(id: number, error: NvmeofError | undefined): void {
    const write = this.#writes.get(id);
    if (write === undefined || write.outcome !== "open") return;
    write.outcome = error === undefined ? "done" : (error.outcome ?? "unknown");
    const nowMs = this.#clock.nowMs();
    const isLate = write.outcome === "unknown" || isRisked(write.fence, write.shaken);
    write.untilMs = isLate ? nowMs + write.fence.lateMs : nowMs;
    if (write.outcome === "not-sent" && write.parts.size > 0) this.#wasSent(id);
  }

  /** See RegisterOracle: the target or the disk of `volume` stands still from now on. */
  standsStill(volume: number): void {
    this.#still.begin(volume);
    this.#risk(volume);
  }

  /** It goes on after so long. */
  stoodStill(volume: number, ms: number): void {
    this.#risk(volume);
    this.#still.end(volume);
    const nowMs = this.#clock.nowMs();
    for (const write of this.#writes.values()) {
      if (write.volume === volume && write.untilMs + ms >= nowMs) write.untilMs += ms;
    }
  }

  /** See RegisterOracle: a fence of these requests was released by time. */
  fencedByTime(ids: readonly number[]): void {
    for (const id of ids) {
      const write = this.#writes.get(id);
      if (write !== undefined) write.shaken.waited = "once";
    }
  }

  writeArrived(id: number, lba: number, way: number): void {
    const write = this.#writes.get(id);
    // Of a buffer that was filled for something else: the register oracle has more to say of it.
    if (write === undefined) return;
    const text = `write ${id}, block ${lba},`;
    let part = write.parts.get(lba);
    if (part === undefined)
      write.parts.set(lba, (part = { arrived: 0, ways: [], refusedBy: undefined }));
    if (write.outcome === "not-sent") this.#wasSent(id);
    else if (this.#clock.nowMs() > write.untilMs && !this.#still.has(write.volume)) {
      this.#complain("I23", `${text} came to the disk after it had settled: ${write.outcome}`);
    }
    if (part.refusedBy === way && !isRisked(write.fence, write.shaken)) {
      this.#complain("I8", `${text} was sent again in spite of DNR`);
    }
    const others = part.ways.filter((each) => each !== way);
    if (others.length > 0 && !isRisked(write.fence, write.shaken)) {
      this.#complain("I23", `${text} was sent again while the disk still had an earlier copy`);
    }
    part.ways.push(way);
    if (++part.arrived > write.attemptsMax) {
      this.#complain("I8", `${text} was sent ${part.arrived} times`);
    }
  }

  writeEnded(id: number, lba: number, way: number, error: NvmeofError | undefined): void {
    const part = this.#writes.get(id)?.parts.get(lba);
    if (part === undefined) return;
    const at = part.ways.indexOf(way);
    if (at !== -1) part.ways.splice(at, 1);
    if (error?.status !== undefined && dnrOf(error.status)) part.refusedBy = way;
  }

  #risk(volume: number): void {
    for (const write of this.#writes.values()) {
      if (write.volume === volume && write.outcome === "open") write.shaken.stood = "once";
    }
  }

  #wasSent(id: number): void {
    this.#complain("I9", `write ${id} came to a disk, and settled as not sent`);
  }
}

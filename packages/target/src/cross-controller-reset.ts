// Cross-Controller Reset: a host ends one of its controllers by way of another, and learns when
// nothing of it can reach a device any more. Read first: Base 2.3 §5.4.3 "Cross-Controller Reset
// command", §5.2.12.3.1 for the log; incarnation.ts for what is waited for.

import {
  CCR_ACID_NONE,
  CcrFlag,
  CcrStatus,
  CrossControllerResetCommand,
  CrossControllerResetEntry,
  EntryLogHeader,
  Status,
  encodeEntryLog,
} from "@nvmeof/codec";
import type { Clock } from "@nvmeof/transport";
import type { Controller } from "./controller.ts";
import { final } from "./errors.ts";
import { Deadline, type Gate } from "./gate.ts";
import { sameHost } from "./host-identity.ts";
import type { Incarnation } from "./incarnation.ts";

/** IRS in Dword 0: it is done already, and neither log nor event will tell of it. */
const IMMEDIATE = 1;

/**
 * The answer about a controller of another host. Recalled is "success with IRS", as for one that is
 * gone; but that would tell a host that uses two names that its writes have ended, while they have
 * not. See docs/spec-map.md.
 */
export const FOREIGN_CONTROLLER_STATUS: number = final(Status.InvalidField);

interface Entry {
  readonly incarnation: Incarnation;
  readonly deadline: Deadline;
  ccrs: CcrStatus;
}

/** What a log needs of its controller. */
export interface ResetLogOptions {
  readonly clock: Clock;
  readonly gate: Gate;
  /** Longest that an entry is in progress; then it has failed. */
  readonly timeoutMs: number;
  /** An entry is completed. */
  readonly completed: () => void;
  /** An entry has failed because it took too long; it is completed next. */
  readonly timedOut: () => void;
}

/** The resets that one controller was the source of: log page 1Eh. */
export class ResetLog {
  readonly #options: ResetLogOptions;
  #entries: Entry[] = [];

  constructor(options: ResetLogOptions) {
    this.#options = options;
  }

  /** Entries, completed ones too. */
  get size(): number {
    return this.#entries.length;
  }

  /** Entries in progress. */
  get pending(): number {
    return this.#entries.filter(({ ccrs }) => ccrs === CcrStatus.InProgress).length;
  }

  /** Whether a reset of `incarnation` is in progress. */
  awaits(incarnation: Incarnation): boolean {
    return this.#entries.some(
      (each) => each.incarnation === incarnation && each.ccrs === CcrStatus.InProgress,
    );
  }

  /** A reset began. */
  add(incarnation: Incarnation): void {
    const { clock, gate, timeoutMs } = this.#options;
    const deadline = new Deadline(clock, gate, () => {
      this.#options.timedOut();
      this.#complete(entry, CcrStatus.Failed);
    });
    const entry: Entry = { incarnation, deadline, ccrs: CcrStatus.InProgress };
    this.#entries.push(entry);
    if (incarnation.state === "draining") deadline.set(timeoutMs);
    // An event must not overtake the answer to the command.
    else clock.defer(() => this.ended(incarnation));
  }

  /** No device has a request of `incarnation` any more. */
  ended(incarnation: Incarnation): void {
    const ccrs = incarnation.state === "quiesced" ? CcrStatus.Successful : CcrStatus.Failed;
    for (const entry of this.#entries) {
      const waits = entry.incarnation === incarnation && entry.ccrs === CcrStatus.InProgress;
      if (waits) this.#complete(entry, ccrs);
    }
  }

  /** The log, oldest entry first. */
  page(): Uint8Array {
    return encodeEntryLog(
      CrossControllerResetEntry,
      this.#entries.map(({ incarnation, ccrs }) => ({
        icid: incarnation.cntlid,
        ciu: incarnation.ciu,
        acid: CCR_ACID_NONE,
        ccrs,
        ccrf: CcrFlag.Validated | CcrFlag.Initiated,
      })),
    );
  }

  /** Forgets the completed entries that lie whole in this part of the log, which was just read. */
  removeRead(offset: number, bytes: number): void {
    const { size } = CrossControllerResetEntry;
    this.#entries = this.#entries.filter(({ ccrs }, i) => {
      const at = EntryLogHeader.size + i * size;
      const wasRead = at >= offset && at + size <= offset + bytes;
      return ccrs === CcrStatus.InProgress || !wasRead;
    });
  }

  /** Forgets all: the controller becomes ready again, or is gone. */
  clear(): void {
    for (const { deadline } of this.#entries) deadline.clear();
    this.#entries = [];
  }

  #complete(entry: Entry, ccrs: CcrStatus): void {
    entry.deadline.clear();
    entry.ccrs = ccrs;
    this.#options.completed();
  }
}

/** What the command is answered with. */
export interface ResetAnswer {
  readonly status: number;
  readonly dw0: number;
}

const refused = (status: number): ResetAnswer => ({ status, dw0: 0 });
const immediate: ResetAnswer = { status: 0, dw0: IMMEDIATE };
const begun: ResetAnswer = { status: 0, dw0: 0 };

/**
 * Cross-Controller Reset, sent to `source`. The controller that it names is ended at once; the
 * answer says whether that is all, or whether devices have requests of it that must end first.
 */
export function crossControllerReset(source: Controller, sqe: DataView): ResetAnswer {
  const { subsystem, resets } = source;
  const { crossControllerResetsMax, crossControllerResetEntriesMax } = source.context.limits;
  const icid = CrossControllerResetCommand.icid.get(sqe);
  const ciu = CrossControllerResetCommand.ciu.get(sqe);
  if (icid === source.cntlid || ciu === 0) return refused(final(Status.InvalidField));
  const cirn = CrossControllerResetCommand.cirn.get(sqe);
  const impacted = subsystem.incarnations.find(icid, ciu, cirn);
  // Gone, or born again under another name: that one is not to be touched.
  if (impacted === undefined) return immediate;
  if (!sameHost(impacted.host, source.host)) return refused(FOREIGN_CONTROLLER_STATUS);
  if (resets.awaits(impacted)) return refused(Status.CcrInProgress);
  const mustWait = impacted.backendRequests > 0 || impacted.state === "doubtful";
  if (mustWait && resets.pending >= crossControllerResetsMax) {
    return refused(Status.CcrLimitExceeded);
  }
  if (mustWait && resets.size >= crossControllerResetEntriesMax) {
    return refused(Status.CcrLogPageFull);
  }
  if (impacted.state === "live") {
    // Nothing is delivered to a host that has given the path up.
    subsystem.controllers.get(icid)?.remove("cross-controller-reset", "reset");
  }
  if (!mustWait) return immediate;
  resets.add(impacted);
  return begun;
}

// A channel to a namespace over all its paths: chooses, sends, and when a path fails, decides again.
// Read first: path-policy.ts, retry.ts and availability.ts, which decide; this file only carries out.

import type { NvmeofError, Outcome } from "@nvmeof/codec";
import { AbortedError, NO_CID } from "@nvmeof/core";
import type { BlockChannel, BlockRequest, BlockSettle } from "../block-device.ts";
import type { BlockError } from "../errors.ts";
import { changesBlocks, checkRequest, closedError } from "../request-check.ts";
import { SettleQueue } from "../settle-queue.ts";
import { decideNoPath } from "./availability.ts";
import { dataOf, directionOfRequest, fillCommand, opcodeOf } from "./command.ts";
import type { MultipathTarget } from "./multipath-device.ts";
import type { NamespacePath } from "./namespace-path.ts";
import { NO_PATH, PathSelector } from "./path-policy.ts";
import { decideRetry } from "./retry.ts";
import { WaitingRoom } from "./waiting-room.ts";

/** A request under way. Slots are used again, so that a steady load makes no garbage. */
export class Slot {
  request!: BlockRequest;
  settle!: BlockSettle;
  /** The path that it is on, or was last on. */
  path: NamespacePath | undefined;
  /** A path that has just failed it. */
  avoid: NamespacePath | undefined;
  samePath = 0;
  switches = 0;
  /** When it first failed; the time budget runs from there, so that success costs no clock. */
  firstFailureMs = Infinity;
  /** Of all attempts the least certain: once unknown, it stays so. */
  outcome: Outcome = "not-sent";
  error: NvmeofError | undefined;
  /** Not before this moment, ms of the clock. */
  notBeforeMs = -Infinity;
  readonly done: (error: NvmeofError | undefined) => void;

  constructor(finished: (slot: Slot, error: NvmeofError | undefined) => void) {
    this.done = (error) => finished(this, error);
  }

  begin(request: BlockRequest, settle: BlockSettle): void {
    this.request = request;
    this.settle = settle;
    if (this.firstFailureMs === Infinity) return;
    this.avoid = undefined;
    this.samePath = 0;
    this.switches = 0;
    this.firstFailureMs = Infinity;
    this.outcome = "not-sent";
    this.error = undefined;
    this.notBeforeMs = -Infinity;
  }
}

export class MultipathChannel implements BlockChannel {
  readonly #target: MultipathTarget;
  readonly #lane: number;
  readonly #selector: PathSelector;
  readonly #settles: SettleQueue;
  readonly #waiting: WaitingRoom;
  readonly #idle: Slot[] = [];
  #inflight = 0;
  #closed: string | undefined;
  /** The device is being reset: what finds no path fails instead of waiting. */
  #frozen: "no" | "yes" = "no";

  constructor(target: MultipathTarget, lane: number) {
    this.#target = target;
    this.#lane = lane;
    this.#selector = new PathSelector(target.policy);
    this.#settles = new SettleQueue(target.clock, () => this.#release());
    this.#waiting = new WaitingRoom(target.clock, (slot) => this.#dispatch(slot));
  }

  get inflight(): number {
    return this.#inflight;
  }

  /** Requests that wait for a path, for room or for their time. */
  get waiting(): number {
    return this.#waiting.size;
  }

  get currentPath(): NamespacePath | undefined {
    const at = this.#selector.current;
    return at === undefined ? undefined : this.#target.paths[at];
  }

  submit(request: BlockRequest, settle: BlockSettle): void {
    const refused = checkRequest(request, this.#target, this.#inflight, this.#closed);
    this.#inflight++;
    if (refused !== undefined) {
      this.#settles.add(settle, refused);
      return;
    }
    const slot = this.#idle.pop() ?? new Slot(this.#finished);
    slot.begin(request, settle);
    // Those who wait go first: requests to the same blocks must not overtake each other.
    if (this.#waiting.size > 0 && this.#waiting.blocks) this.#waiting.add(slot);
    else this.#dispatch(slot);
  }

  close(reason = "its user closed the channel"): void {
    if (this.#closed !== undefined) return;
    this.#closed = reason;
    this.#waiting.flush((slot) => this.#fail(slot, slot.error ?? this.#closedError()));
    if (this.#inflight === 0) this.#target.channelEnded(this);
  }

  /** Paths came, went, or changed places. */
  pathsChanged(): void {
    this.#selector.forget();
    this.#waiting.kick();
  }

  pathImproved(): void {
    this.#selector.improved();
    this.#waiting.kick();
  }

  pathWorsened(): void {
    this.#waiting.kick();
  }

  policyChanged(): void {
    this.#selector.policy = this.#target.policy;
    this.#waiting.kick();
  }

  freeze(): void {
    this.#frozen = "yes";
    this.#waiting.kick();
  }

  thaw(): void {
    this.#frozen = "no";
    this.#waiting.kick();
  }

  #dispatch(slot: Slot): void {
    const { paths } = this.#target;
    const at = this.#selector.choose(paths, slot.avoid);
    const path = at === NO_PATH ? undefined : paths[at];
    const queue = path?.queue(this.#lane);
    if (path === undefined || queue === undefined) {
      this.#noPath(slot);
      return;
    }
    if (!queue.hasRoom) {
      this.#waiting.forRoom(slot, queue);
      return;
    }
    const { request } = slot;
    fillCommand(queue.begin(opcodeOf[request.op], path.nsid), request);
    const { ioTimeoutMs } = path.controllerPath.controller.options;
    const direction = directionOfRequest(request.op);
    slot.path = path;
    path.inflight++;
    if (queue.submit(direction, dataOf(request), slot.done, ioTimeoutMs) !== NO_CID) return;
    path.inflight--;
    this.#noPath(slot);
  }

  readonly #finished = (slot: Slot, error: NvmeofError | undefined): void => {
    slot.path!.inflight--;
    if (error === undefined) this.#settle(slot, undefined);
    else this.#failed(slot, error);
    if (this.#waiting.size > 0) this.#waiting.roomCame();
  };

  #failed(slot: Slot, error: NvmeofError): void {
    const path = slot.path!;
    const nowMs = this.#target.clock.nowMs();
    if (slot.firstFailureMs === Infinity) slot.firstFailureMs = nowMs;
    slot.error = error;
    const outcome = error.outcome ?? "unknown";
    if (slot.outcome !== "unknown") slot.outcome = outcome;
    const decision = decideRetry(
      {
        status: error.status ?? 0,
        outcome: slot.outcome,
        changesData: changesBlocks(slot.request.op),
      },
      {
        samePath: slot.samePath,
        switches: slot.switches,
        elapsedMs: nowMs - slot.firstFailureMs,
      },
      this.#target.retryLimits,
    );
    if (decision.do === "fail" || this.#closed !== undefined) {
      this.#settle(slot, error);
      return;
    }
    if (decision.do === "same-path") {
      slot.samePath++;
      const { identify } = path.controllerPath.controller.facts!;
      const delays = [0, identify.crdt1, identify.crdt2, identify.crdt3];
      this.#waiting.until(slot, nowMs + delays[decision.crd]! * 100);
      return;
    }
    slot.switches++;
    slot.avoid = path;
    if (decision.ana) path.doubt();
    // The controller may still carry out what it took: nothing else may change data before that.
    if (decision.fence) slot.notBeforeMs = Math.max(slot.notBeforeMs, this.#fenceMs(path, nowMs));
    this.#waiting.until(slot, slot.notBeforeMs);
  }

  #fenceMs(path: NamespacePath, nowMs: number): number {
    if (this.#target.fencing === "none") return nowMs;
    return Math.max(nowMs, path.controllerPath.fencedMs);
  }

  #noPath(slot: Slot): void {
    const outlooks = this.#target.paths.map((path) => path.outlook);
    const decision = decideNoPath(outlooks, this.#frozen === "yes");
    if (decision.do === "wait") {
      this.#waiting.forPath(slot);
      return;
    }
    const because = {
      "no-paths": "the namespace has no path left",
      "fast-fail": "no path came back in time",
      "ana-loss": "no path gives access to the namespace",
      frozen: "the device is being reset",
    }[decision.because];
    const details = { cause: slot.error };
    const error = new AbortedError(
      "no-path",
      slot.outcome,
      decision.because === "no-paths",
      details,
    );
    error.message = `${this.#target.name}: ${because}`;
    this.#fail(slot, error);
  }

  /** Settles after the current callback: the request may still be inside its own `submit`. */
  #fail(slot: Slot, error: NvmeofError): void {
    const { settle } = slot;
    this.#idle.push(slot);
    this.#settles.add(settle, error);
  }

  /** Settles now. Only from a completion. */
  #settle(slot: Slot, error: NvmeofError | undefined): void {
    const { settle } = slot;
    this.#idle.push(slot);
    this.#release();
    settle(error);
  }

  #closedError(): BlockError {
    return closedError(this.#target.name, this.#closed!);
  }

  #release(): void {
    this.#inflight--;
    if (this.#inflight === 0 && this.#closed !== undefined) this.#target.channelEnded(this);
  }
}

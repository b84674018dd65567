// A channel to a namespace over all its paths: chooses, sends, and when a path fails, decides again.
// Read first: path-policy.ts, retry.ts and availability.ts, which decide; this file only carries out.

import { type NvmeofError, crdOf } from "@nvmeof/codec";
import { AbortedError, NO_CID, type QueuePair } from "@nvmeof/core";
import {
  type BlockChannel,
  BlockOp,
  type BlockRequest,
  type BlockSettle,
} from "../block-device.ts";
import { rethrow } from "../observers.ts";
import { CHANNEL_CLOSED, changesBlocks, checkRequest } from "../request-check.ts";
import { SettleQueue } from "../settle-queue.ts";
import { type NoPathReason, decideNoPath } from "./availability.ts";
import type { ControllerPath } from "./controller-path.ts";
import { dataOf, directionOfRequest, fillCommand, opcodeOf } from "./command.ts";
import { type DeviceEnd, endedError, letsFinish, noPathError } from "./device-end.ts";
import type { MultipathTarget } from "./multipath-device.ts";
import type { NamespacePath } from "./namespace-path.ts";
import { NO_PATH, PathSelector, Rank } from "./path-policy.ts";
import { type RetryDecision, decideRetry } from "./retry.ts";
import { Slot, SlotPhase } from "./slot.ts";
import { WaitingRoom } from "./waiting-room.ts";

/** Unit of CRDT1 to CRDT3, and the longest delay that a controller gets, ms. */
const RETRY_DELAY_UNIT_MS = 100;
const RETRY_DELAY_MAX_MS = 10_000;

export class MultipathChannel implements BlockChannel {
  readonly #target: MultipathTarget;
  readonly #lane: number;
  readonly #selector: PathSelector;
  readonly #settles: SettleQueue;
  readonly #waiting: WaitingRoom;
  /** All that there are, and those of them that hold no request. */
  readonly #slots: Slot[] = [];
  readonly #idle: Slot[] = [];
  #inflight = 0;
  #end: DeviceEnd | undefined;
  /** The slot whose command is being sent: it must not settle before that returns. */
  #sending: Slot | undefined;

  constructor(target: MultipathTarget, lane: number) {
    this.#target = target;
    this.#lane = lane;
    this.#selector = new PathSelector(target.policy);
    this.#settles = new SettleQueue(target.clock, () => this.#release());
    const isHopeless = (): boolean => this.#isHopeless;
    const owner = {
      send: (slot: Slot) => this.#dispatch(slot),
      turnAway: (slot: Slot) => this.#turnAway(slot),
      unfenced: (slot: Slot) => this.#fail(slot, slot.judged(slot.error!)),
      get isHopeless() {
        return isHopeless();
      },
    };
    this.#waiting = new WaitingRoom(target.clock, owner, target.retryLimits.elapsedMaxMs);
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
    const refused =
      this.#end === undefined
        ? checkRequest(request, this.#target, this.#inflight, undefined)
        : endedError(this.#target.name, this.#end, "not-sent");
    this.#inflight++;
    if (refused !== undefined) {
      this.#settles.add(settle, refused);
      return;
    }
    const slot = this.#idle.pop() ?? this.#newSlot();
    slot.begin(request, settle);
    // Those who wait go first: requests to the same blocks must not overtake each other.
    if (this.#waiting.blocks) this.#waiting.add(slot);
    else this.#dispatch(slot);
  }

  close(): void {
    if (this.#end === undefined) this.end({ kind: "channel", reason: CHANNEL_CLOSED });
  }

  /**
   * For the device: nothing is taken from now on. What was submitted before is still done, unless
   * there is no way left to do it: then what waits is ended.
   */
  end(end: DeviceEnd): void {
    if (this.#end === undefined || letsFinish(this.#end)) this.#end = end;
    if (!letsFinish(end)) {
      this.#waiting.flush((slot) => this.#fail(slot, this.#endedError(slot)));
    }
    if (this.#inflight === 0) this.#target.channelEnded(this);
  }

  /**
   * Gives up a request: it settles after this call, with NVME_ERR_ABORTED. Of one that a controller
   * has, the outcome is unknown; the controller is told, and its data is the caller's again. Nothing
   * happens for a request that is not in flight on this channel.
   */
  abort(request: BlockRequest): void {
    const slot = this.#slots.find((each) => each.request === request);
    if (slot?.phase === SlotPhase.Waiting || slot?.phase === SlotPhase.Held) {
      this.#waiting.remove(slot);
      this.#fail(slot, this.#abortedError(slot));
    } else if (slot?.phase === SlotPhase.Sent) {
      const { cid, path, queue } = slot;
      const { controllerPath } = path!;
      slot.phase = SlotPhase.Aborting;
      const error = new AbortedError("aborted", "unknown", false);
      // Aborted or not, it has to be answered in the time that any command has.
      queue!.abandon(cid, error, controllerPath.controller.options.ioTimeoutMs);
      controllerPath.abort(queue!, cid);
    }
  }

  /** Whether a controller has requests of this channel that change data, or waits behind its fence. */
  hasChangesBy(controllerPath: ControllerPath): boolean {
    return this.#slots.some(
      ({ path, phase, request }) =>
        path?.controllerPath === controllerPath &&
        (phase === SlotPhase.Sent || phase === SlotPhase.Held) &&
        changesBlocks(request.op),
    );
  }

  /** Ends everything that waits, as a reset of the device does. */
  abortWaiting(): void {
    this.#waiting.flush((slot) => this.#fail(slot, this.#abortedError(slot)));
  }

  /** A path came, or others changed places. `order`: begin at the head of it. */
  pathsChanged(order: "kept" | "new"): void {
    if (order === "new") this.#selector.forget();
    else this.#selector.relocate(this.#target.paths);
    this.#waiting.kick();
  }

  /** A path became better. Those who wait may go; who has a path goes back only on `failback`. */
  pathImproved(): void {
    this.#waiting.kick();
  }

  /** What is best is chosen anew, as far as the policy allows it. */
  failback(): void {
    this.#selector.improved();
  }

  pathWorsened(path: NamespacePath): void {
    this.#selector.worsened(path);
    this.#waiting.kick();
  }

  policyChanged(): void {
    this.#selector.policy = this.#target.policy;
    this.#waiting.kick();
  }

  /** The device was frozen, or thawed: what waits is looked at anew. */
  frozenChanged(): void {
    this.#waiting.kick();
  }

  /** Whether requests that were submitted may still be done. */
  get #hasWays(): boolean {
    return this.#end === undefined || letsFinish(this.#end);
  }

  #newSlot(): Slot {
    const slot = new Slot(this.#finished);
    this.#slots.push(slot);
    return slot;
  }

  #dispatch(slot: Slot): void {
    const { paths } = this.#target;
    const { keep } = slot;
    const stays = keep !== undefined && keep.rank !== Rank.Unusable && paths.includes(keep);
    const at = stays ? paths.indexOf(keep) : this.#selector.choose(paths, slot.avoid);
    const path = at === NO_PATH ? undefined : this.#withRoom(paths[at]!);
    const queue = path?.queue(this.#lane);
    if (path === undefined || queue === undefined) this.#noPath(slot);
    else if (queue.hasRoom) this.#send(slot, path, queue);
    else this.#waiting.forRoom(slot, this.#queuesLike(path, queue));
  }

  /** `path`, or where it is full and any may be used, an equally good one that is not. */
  #withRoom(path: NamespacePath): NamespacePath {
    const { paths, policy } = this.#target;
    if (policy.mode === "active-passive" || path.queue(this.#lane)?.hasRoom === true) return path;
    const free = paths.find(
      (other) => other.rank === path.rank && other.queue(this.#lane)?.hasRoom === true,
    );
    return free ?? path;
  }

  /** Queues whose room would do as well: one path that is slow or silent holds up no other. */
  #queuesLike(path: NamespacePath, queue: QueuePair): readonly QueuePair[] {
    const { paths, policy } = this.#target;
    if (policy.mode === "active-passive") return [queue];
    return paths
      .filter(({ rank }) => rank === path.rank)
      .map((other) => other.queue(this.#lane))
      .filter((each) => each !== undefined);
  }

  #send(slot: Slot, path: NamespacePath, queue: QueuePair): void {
    const { request } = slot;
    const { op } = request;
    const lba = request.lba + slot.doneBlocks;
    const blocks = Math.min(request.blockCount - slot.doneBlocks, path.blocksMax(op));
    fillCommand(queue.begin(opcodeOf[op], path.nsid), request, lba, blocks);
    const data = dataOf(request, lba, blocks, this.#target.blockBytes);
    slot.phase = SlotPhase.Sent;
    slot.path = path;
    slot.queue = queue;
    slot.sentBlocks = blocks;
    slot.sentMs = path.counters.sent(path.inflight);
    path.inflight++;
    this.#sending = slot;
    const { ioTimeoutMs } = path.controllerPath.controller.options;
    slot.cid = queue.submit(directionOfRequest(op), data, slot.done, ioTimeoutMs);
    this.#sending = undefined;
    if (slot.cid !== NO_CID) return;
    // It had room a moment ago, so that it is being closed: the news is on its way.
    path.inflight--;
    path.counters.unsent(path.inflight);
    this.#waiting.forRoom(slot, [queue]);
  }

  readonly #finished = (slot: Slot, error: NvmeofError | undefined): void => {
    const path = slot.path!;
    const { counters } = path;
    path.inflight--;
    counters.ended(path.inflight);
    if (error !== undefined) {
      counters.errors++;
      this.#failed(slot, path, error);
      return;
    }
    const { op, blockCount } = slot.request;
    counters.moved(op, slot.sentBlocks * this.#target.blockBytes, slot.sentMs);
    slot.doneBlocks += slot.sentBlocks;
    if (slot.doneBlocks >= blockCount || op === BlockOp.Flush) this.#settle(slot, undefined);
    else if (this.#hasWays) this.#dispatch(slot);
    else this.#settle(slot, this.#endedError(slot));
  };

  #failed(slot: Slot, path: NamespacePath, error: NvmeofError): void {
    if (slot.phase === SlotPhase.Aborting) {
      this.#fail(slot, slot.judged(error));
      return;
    }
    const nowMs = this.#target.clock.nowMs();
    if (slot.firstFailureMs === Infinity) slot.firstFailureMs = nowMs;
    const decision = this.#decide(slot, path, error, nowMs);
    slot.outcome = slot.outcomeWith(error.outcome ?? "unknown");
    slot.error = error;
    // What a controller has answered is worth more than that there is no other.
    const isAnswer = error.outcome === "failed";
    if (decision.do === "fail" || (!this.#hasWays && isAnswer)) {
      this.#settle(slot, slot.judged(error));
    } else if (!this.#hasWays) this.#settle(slot, this.#endedError(slot));
    else if (decision.do === "same-path") this.#again(slot, path, decision.crd, nowMs);
    else this.#elsewhere(slot, path, decision, nowMs);
  }

  #decide(slot: Slot, path: NamespacePath, error: NvmeofError, nowMs: number): RetryDecision {
    const { fencing, retryLimits } = this.#target;
    const { controllerPath } = path;
    // Given up under a controller that lives on, it may still be carried out at any time.
    const lives =
      error.code === "NVME_ERR_TIMEOUT" && controllerPath.controller.options.onTimeout === "abort";
    const lasts = lives || !controllerPath.fenceHopes;
    return decideRetry(
      {
        status: error.status ?? 0,
        outcome: error.outcome ?? "unknown",
        changesData: changesBlocks(slot.request.op),
        harm: fencing === "none" ? "accepted" : lasts ? "may-last" : "ends",
      },
      {
        samePath: slot.samePath,
        switches: slot.switches,
        elapsedMs: nowMs - slot.firstFailureMs,
      },
      retryLimits,
    );
  }

  #again(slot: Slot, path: NamespacePath, crd: number, nowMs: number): void {
    path.counters.retries++;
    slot.samePath++;
    slot.keep = path;
    this.#waiting.until(slot, nowMs + retryDelayMs(path, crd));
  }

  #elsewhere(
    slot: Slot,
    path: NamespacePath,
    { ana, fence }: RetryDecision & { do: "other-path" },
    nowMs: number,
  ): void {
    path.counters.switches++;
    slot.switches++;
    slot.keep = undefined;
    slot.avoid = path;
    if (ana) path.doubt();
    // The controller may still carry out what it took: nothing else may change data before that.
    if (fence) this.#waiting.forFence(slot, path.controllerPath.fence);
    else
      this.#waiting.until(slot, Math.max(nowMs + this.#loneDelayMs(slot, path), slot.notBeforeMs));
  }

  /** Where no other path would take it now, it comes back to this one, which may want a delay. */
  #loneDelayMs({ error }: Slot, path: NamespacePath): number {
    const { paths } = this.#target;
    const others = paths.some((other) => other !== path && other.rank !== Rank.Unusable);
    return others ? 0 : retryDelayMs(path, crdOf(error?.status ?? 0));
  }

  get #isHopeless(): boolean {
    const { isFrozen, paths } = this.#target;
    if (paths.some(({ rank }) => rank !== Rank.Unusable)) return false;
    const outlooks = paths.map((path) => path.outlook);
    return decideNoPath(outlooks, isFrozen).do === "fail";
  }

  #noPath(slot: Slot): void {
    const outlooks = this.#target.paths.map((path) => path.outlook);
    const decision = decideNoPath(outlooks, this.#target.isFrozen);
    if (decision.do === "wait") {
      this.#target.counters.requeued++;
      this.#waiting.forPath(slot);
    } else this.#failForPath(slot, decision.because);
  }

  /** It has waited in vain. */
  #turnAway(slot: Slot): void {
    const outlooks = this.#target.paths.map((path) => path.outlook);
    const decision = decideNoPath(outlooks, this.#target.isFrozen);
    this.#failForPath(slot, decision.do === "wait" ? "patience" : decision.because);
  }

  #failForPath(slot: Slot, because: NoPathReason): void {
    const outcome = slot.outcomeWith("not-sent");
    this.#target.counters.failedNoPath++;
    this.#fail(slot, noPathError(this.#target.name, because, outcome, slot.error));
  }

  /** Settles after the current callback: the request may still be inside its own `submit`. */
  #fail(slot: Slot, error: NvmeofError): void {
    this.#target.counters.failed++;
    const settle = slot.end();
    this.#idle.push(slot);
    this.#settles.add(settle, error);
  }

  /** Settles now. Only from a completion. */
  #settle(slot: Slot, error: NvmeofError | undefined): void {
    if (error !== undefined) this.#target.counters.failed++;
    if (slot === this.#sending) {
      // A transport that answers before it returns; the caller is still in `submit`.
      const settle = slot.end();
      this.#idle.push(slot);
      this.#settles.add(settle, error);
      return;
    }
    const settle = slot.end();
    this.#idle.push(slot);
    this.#release();
    try {
      settle(error);
    } catch (thrown) {
      rethrow(this.#target.clock, thrown);
    }
  }

  #abortedError(slot: Slot): AbortedError {
    const details = { cause: slot.error };
    return new AbortedError("aborted", slot.outcomeWith("not-sent"), false, details);
  }

  #endedError(slot: Slot): NvmeofError {
    const outcome = slot.outcomeWith("not-sent");
    return endedError(this.#target.name, this.#end!, outcome, slot.error);
  }

  #release(): void {
    this.#inflight--;
    if (this.#inflight === 0 && this.#end !== undefined) this.#target.channelEnded(this);
  }
}

/** What the controller of a path wants a retry to wait: CRD is the number of one of its CRDTs, or 0. */
function retryDelayMs(path: NamespacePath, crd: number): number {
  const { crdt1, crdt2, crdt3 } = path.controllerPath.controller.facts!.identify;
  const delays = [0, crdt1, crdt2, crdt3];
  return Math.min(delays[crd]! * RETRY_DELAY_UNIT_MS, RETRY_DELAY_MAX_MS);
}

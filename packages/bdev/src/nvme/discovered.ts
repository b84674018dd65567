// One record of a discovery log, followed: attached while it is wanted, detached when it is not.
// Read first: discovery-service.ts, whose records these are; group.ts does the work.

import type { NvmeofError } from "@nvmeof/codec";
import type { Clock, Timer } from "@nvmeof/transport";
import type { ControllerPath } from "./controller-path.ts";

/** Wait before an attach that failed is tried again, ms; doubled each time, up to the maximum. */
const RETRY_MS = 1_000;
const RETRY_MAX_MS = 30_000;

/** What a record asks of the service. */
export interface DiscoveredWork {
  attach(signal: AbortSignal): Promise<ControllerPath>;
  /** Never rejects. */
  detach(path: ControllerPath): Promise<void>;
  attached(path: ControllerPath): void;
  /** `retryMs`: after which it is tried again; undefined if not before the log changes. */
  failed(error: NvmeofError, retryMs: number | undefined): void;
  detached(reason: string): void;
  /** {@link Discovered.isOver} is true now. */
  over(): void;
}

/**
 * - `none`: nothing is connected, and nothing is under way.
 * - `attaching`, `detaching`: under way; what is wanted by then is looked at when it is over.
 * - `attached`: there is a controller.
 * - `waiting`: until the next try.
 * - `left`: until the log changes: it was refused for good, or somebody detached it by hand.
 */
type Phase =
  | { readonly is: "none" }
  | { readonly is: "attaching"; readonly abort: AbortController }
  | { readonly is: "attached"; readonly path: ControllerPath; readonly stopObserving: () => void }
  | { readonly is: "detaching" }
  | { readonly is: "waiting"; readonly timer: Timer }
  | { readonly is: "left" };

export class Discovered {
  readonly #clock: Clock;
  readonly #work: DiscoveredWork;
  #wish: "wanted" | "unwanted" = "unwanted";
  #phase: Phase = { is: "none" };
  #retryMs = RETRY_MS;
  #waiters: (() => void)[] = [];

  constructor(clock: Clock, work: DiscoveredWork) {
    this.#clock = clock;
    this.#work = work;
  }

  /** Nothing is connected, wanted or under way: it may be forgotten. */
  get isOver(): boolean {
    return this.#wish === "unwanted" && this.#phase.is === "none";
  }

  /** The log has it, or has it still. */
  want(): void {
    this.#wish = "wanted";
    // The log changed, and so may have what it was refused for.
    if (this.#phase.is === "left") this.#phase = { is: "none" };
    this.#next();
  }

  /** The log does not have it any more. */
  unwant(): void {
    this.#wish = "unwanted";
    this.#next();
  }

  /** Resolves when nothing is under way; it may be waiting for its next try. */
  settled(): Promise<void> {
    const { is } = this.#phase;
    if (is !== "attaching" && is !== "detaching") return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** One step towards what is wanted. */
  #next(): void {
    const phase = this.#phase;
    if (this.#wish === "wanted") {
      if (phase.is === "none") this.#attach();
    } else if (phase.is === "attaching") {
      phase.abort.abort();
    } else if (phase.is === "attached") {
      phase.stopObserving();
      this.#detach(phase.path);
    } else if (phase.is !== "detaching") {
      if (phase.is === "waiting") phase.timer.cancel();
      this.#phase = { is: "none" };
    }
  }

  #attach(): void {
    const abort = new AbortController();
    this.#phase = { is: "attaching", abort };
    this.#work.attach(abort.signal).then(
      (path) => this.#attached(path),
      (error: unknown) => this.#failed(error as NvmeofError),
    );
  }

  #attached(path: ControllerPath): void {
    this.#retryMs = RETRY_MS;
    const { controller } = path;
    const stopObserving = controller.observe((event) => {
      if (event.type !== "state" || event.to !== "closing") return;
      stopObserving();
      const byHand = event.cause === "close";
      this.#lost(
        byHand ? "somebody detached it" : (event.reason?.message ?? "it was lost"),
        byHand,
      );
    });
    this.#phase = { is: "attached", path, stopObserving };
    this.#work.attached(path);
    this.#over();
  }

  /** The controller ends without our doing. */
  #lost(reason: string, byHand: boolean): void {
    this.#work.detached(reason);
    if (byHand) this.#phase = { is: "left" };
    else this.#wait();
  }

  #failed(error: NvmeofError): void {
    const { permanent } = error as { permanent?: boolean };
    if (this.#wish === "unwanted") {
      this.#phase = { is: "none" };
    } else if (permanent === true) {
      this.#phase = { is: "left" };
      this.#work.failed(error, undefined);
    } else {
      this.#work.failed(error, this.#wait());
    }
    this.#over();
  }

  #wait(): number {
    const retryMs = this.#retryMs;
    this.#retryMs = Math.min(retryMs * 2, RETRY_MAX_MS);
    const timer = this.#clock.at(this.#clock.nowMs() + retryMs, () => {
      this.#phase = { is: "none" };
      this.#next();
    });
    this.#phase = { is: "waiting", timer };
    return retryMs;
  }

  #detach(path: ControllerPath): void {
    this.#phase = { is: "detaching" };
    void this.#work.detach(path).then(() => {
      this.#phase = { is: "none" };
      this.#work.detached("the discovery log does not have it any more");
      this.#over();
    });
  }

  /** What was under way is over; what was wished for meanwhile comes next. */
  #over(): void {
    this.#next();
    const { is } = this.#phase;
    if (is === "attaching" || is === "detaching") return;
    for (const waiter of this.#waiters.splice(0)) waiter();
    if (this.isOver) this.#work.over();
  }
}

// One path that a host wants: attached while it is wanted, and again when it was lost.
// Read first: plan.ts GroupPlan; @nvmeof/bdev/nvme group.ts, which does the work.

import type { ControllerPath } from "@nvmeof/bdev/nvme";
import type { Transport } from "@nvmeof/transport";

/** What a keeper asks of its group. */
export interface KeeperWork {
  attach(signal: AbortSignal): Promise<ControllerPath>;
  detach(path: ControllerPath): Promise<unknown>;
  /** Wait before the next try, ms. */
  readonly retryMs: number;
  later(ms: number, task: () => void): void;
  track<T>(promise: Promise<T>, then: (value: T) => void, failed: (error: unknown) => void): void;
}

type Phase =
  | { readonly is: "none" }
  | { readonly is: "attaching"; readonly abort: AbortController }
  | { readonly is: "attached"; readonly path: ControllerPath }
  | { readonly is: "detaching" }
  | { readonly is: "waiting" };

export class PathKeeper {
  /** The ways of its controller, of the last one where there is none now. */
  transports: readonly Transport[];
  readonly #work: KeeperWork;
  #wish: "wanted" | "unwanted" = "unwanted";
  #phase: Phase = { is: "none" };

  constructor(transports: readonly Transport[], work: KeeperWork) {
    this.transports = transports;
    this.#work = work;
  }

  /** The controller, while there is one. */
  get path(): ControllerPath | undefined {
    return this.#phase.is === "attached" ? this.#phase.path : undefined;
  }

  want(): void {
    this.#wish = "wanted";
    this.#next();
  }

  unwant(): void {
    this.#wish = "unwanted";
    this.#next();
  }

  /** What is there may stay; once it is lost it is not wanted back. */
  leave(): void {
    if (this.#phase.is === "attached") this.#wish = "unwanted";
    else this.unwant();
  }

  /** The group is being closed, and whatever is there ends with it. */
  abandon(): void {
    this.#wish = "unwanted";
    if (this.#phase.is === "attaching") this.#phase.abort.abort();
  }

  #next(): void {
    const phase = this.#phase;
    if (this.#wish === "wanted") {
      if (phase.is === "none") this.#attach();
    } else if (phase.is === "attaching") {
      phase.abort.abort();
    } else if (phase.is === "attached") {
      this.#phase = { is: "detaching" };
      this.#work.track(
        this.#work.detach(phase.path),
        () => this.#over(),
        () => this.#over(),
      );
    } else if (phase.is === "waiting") {
      this.#phase = { is: "none" };
    }
  }

  #attach(): void {
    const abort = new AbortController();
    this.#phase = { is: "attaching", abort };
    this.#work.track(
      this.#work.attach(abort.signal),
      (path) => this.#attached(path),
      () => this.#wait(),
    );
  }

  #attached(path: ControllerPath): void {
    const { controller } = path;
    const isOver = controller.state === "closing" || controller.state === "closed";
    if (isOver) {
      this.#wait();
      return;
    }
    this.#phase = { is: "attached", path };
    const stop = controller.observe((event) => {
      if (event.type !== "state" || event.to !== "closing") return;
      stop();
      // By somebody else, or by itself: it is wanted back.
      if (this.#phase.is === "attached") this.#wait();
    });
    if (this.#wish === "unwanted") this.#next();
  }

  #wait(): void {
    const waiting: Phase = { is: "waiting" };
    this.#phase = waiting;
    if (this.#wish === "unwanted") {
      this.#phase = { is: "none" };
      return;
    }
    this.#work.later(this.#work.retryMs, () => {
      if (this.#phase !== waiting) return;
      this.#over();
    });
  }

  #over(): void {
    this.#phase = { is: "none" };
    this.#next();
  }
}

// A namespace that is lent to workers: handles for them, a list of them, and what they are told to do.
// Read first: attached-worker.ts (one worker), whereabouts.ts (what a handle says); DESIGN.md §4 "Close".

import type { NvmeofError } from "@nvmeof/codec";
import type { CloseOptions } from "@nvmeof/core";
import type { Clock } from "@nvmeof/transport";
import type { NvmeGroup } from "../nvme/group.ts";
import { type PathPolicy, checkPathPolicy } from "../nvme/path-policy.ts";
import { Observers } from "../observers.ts";
import { closedError } from "../request-check.ts";
import { AttachedWorker, type WorkerCloseReport, type WorkerView } from "./attached-worker.ts";
import { WorkerError } from "./errors.ts";
import type { MessageLink } from "./message-link.ts";
import type { Wish } from "./messages.ts";
import { type Whereabouts, whereaboutsOf } from "./whereabouts.ts";
import type { WorkerEnd } from "./worker-states.ts";

/** A link of which one end stays here, and the other one goes with a handle. */
export interface Channel<Port> {
  readonly own: MessageLink;
  readonly other: Port;
}

/** Bounds of what is shared. */
export interface ShareLimits {
  /** Handles that are not ended, 1 to 1,024. Default 64. */
  readonly workersMax?: number;
  /** Requests to a worker that it has not answered, 1 to 1,024. Default 16. */
  readonly asksMax?: number;
  /** Time for an answer, ms; a call may say otherwise. Default 10 s. */
  readonly askBoundMs?: number;
}

/** What is shared by, and its bounds. */
export interface ShareOptions<Port> extends ShareLimits {
  readonly channel: () => Channel<Port>;
}

/** What a worker is lent a namespace with: plain data, and a port that goes with it. For one worker. */
export interface SharedHandle<Port> {
  readonly name: string;
  readonly where: Whereabouts;
  /** To be transferred: it belongs into the transfer list of what the handle is sent with. */
  readonly port: Port;
}

/** Who gets a handle. */
export interface HandleOptions {
  /** For reports. Default "worker 1" and so on. */
  readonly name?: string;
  /**
   * Ends the worker's thread by force: called when it does not answer a close in time. Its sockets end
   * with it. Without it such a worker is left as it is, and reported as `stuck`.
   */
  readonly terminate?: () => unknown;
}

/** Options of a request to workers. */
export interface AskOptions {
  /** Time for an answer, ms. */
  readonly boundMs?: number;
  /** ID of the one that is asked. Default: all that have the device. */
  readonly worker?: number;
}

/** What a worker has answered. */
export interface WorkerAnswer {
  readonly id: number;
  readonly name: string;
  /** Why it could not, or did not answer; undefined for success. */
  readonly error: NvmeofError | undefined;
}

/** What a close came to. */
export interface SharedCloseReport {
  /** Of every worker that was there: none is left out. */
  readonly workers: readonly WorkerCloseReport[];
  /** Names of those that are stuck. */
  readonly stuck: readonly string[];
  readonly totalMs: number;
}

const WORKERS_MAX = 64;
const ASKS_MAX = 16;
const ASK_BOUND_MS = 10_000;
const CLOSE_BOUND_MS = 2_000;

/**
 * A namespace that workers have open, each by connections of its own. What is asked of it reaches them
 * as messages; no answer is waited for longer than its bound.
 */
export class SharedNamespace<Port> implements AsyncDisposable {
  readonly nsid: number;
  readonly #group: NvmeGroup;
  readonly #options: Required<ShareOptions<Port>>;
  readonly #clock: Clock;
  readonly #observers: Observers<WorkerView>;
  readonly #workers = new Map<number, AttachedWorker>();
  readonly #ends: Record<WorkerEnd, number> = {
    closed: 0,
    failed: 0,
    unopened: 0,
    gone: 0,
    terminated: 0,
    stuck: 0,
  };
  #lastId = 0;
  /** What workers were told, for those that come later. */
  #policy: PathPolicy | undefined;
  #service: "enabled" | "disabled" = "enabled";
  #closed: Promise<SharedCloseReport> | undefined;
  #phase: "open" | "closing" | "closed" = "open";

  /**
   * @throws RangeError for limits that cannot be.
   * @throws NvmeofError NVME_ERR_NO_NAMESPACE where the group has none such.
   * @throws UnsupportedError where workers cannot connect as the group does.
   */
  constructor(group: NvmeGroup, nsid: number, options: ShareOptions<Port>) {
    const {
      workersMax = WORKERS_MAX,
      asksMax = ASKS_MAX,
      askBoundMs = ASK_BOUND_MS,
      channel,
    } = options;
    checkCount("workersMax", workersMax);
    checkCount("asksMax", asksMax);
    checkBound("askBoundMs", askBoundMs);
    // Whatever is wrong shows now, and not when the first handle is made.
    whereaboutsOf(group, nsid, group.policy);
    this.nsid = nsid;
    this.#group = group;
    this.#options = { workersMax, asksMax, askBoundMs, channel };
    this.#clock = group.controllers[0]!.controller.options.clock;
    this.#observers = new Observers(this.#clock);
  }

  /** `closed`: no worker is left, but for those that are stuck. */
  get phase(): "open" | "closing" | "closed" {
    return this.#phase;
  }

  /** Those that have a handle and have not ended. */
  get workers(): readonly WorkerView[] {
    return [...this.#workers.values()];
  }

  /** How many have ended, and how. */
  get ends(): Readonly<Record<WorkerEnd, number>> {
    return { ...this.#ends };
  }

  /** Tells `observer` of workers whose state or status has changed, until the function is called. */
  observe(observer: (worker: WorkerView) => void): () => void {
    return this.#observers.add(observer);
  }

  /**
   * A handle for one worker, with the paths as they are now.
   *
   * @throws WorkerError NVME_ERR_LIMIT_REACHED
   * @throws BlockError NVME_ERR_CLOSED
   * @throws NvmeofError as the constructor does, since paths and namespaces come and go.
   */
  handle({ name, terminate }: HandleOptions = {}): SharedHandle<Port> {
    const { workersMax, asksMax, channel } = this.#options;
    const what = `namespace ${this.nsid}`;
    if (this.#closed !== undefined) throw closedError(what, "it is not shared any more");
    if (this.#workers.size >= workersMax) {
      const message = `${what} has ${workersMax} workers already`;
      throw new WorkerError("limit-reached", message, { hint: "Raise workersMax." });
    }
    const policy = this.#policy ?? this.#group.policy;
    const where = whereaboutsOf(this.#group, this.nsid, policy);
    const { own, other } = channel();
    const id = ++this.#lastId;
    const worker = new AttachedWorker({
      id,
      name: name ?? `worker ${id}`,
      link: own,
      clock: this.#clock,
      policy,
      asksMax,
      terminate,
      opened: (opened) => this.#catchUp(opened),
      changed: (changed) => this.#changed(changed),
    });
    this.#workers.set(id, worker);
    return { name: worker.name, where, port: other };
  }

  /** Resets the controllers of workers, of each one after another, as `reset` of a device does. */
  reset(options: AskOptions = {}): Promise<WorkerAnswer[]> {
    return this.#ask({ what: "reset" }, options);
  }

  /** Disconnects workers and keeps them so; those that come later as well, unless one was named. */
  disable(options: AskOptions = {}): Promise<WorkerAnswer[]> {
    if (options.worker === undefined) this.#service = "disabled";
    return this.#ask({ what: "disable" }, options);
  }

  /** Connects workers again. */
  enable(options: AskOptions = {}): Promise<WorkerAnswer[]> {
    if (options.worker === undefined) this.#service = "enabled";
    return this.#ask({ what: "enable" }, options);
  }

  /**
   * The path policy of workers; of those that come later as well, unless one was named. That of this
   * thread is `policy` of the group.
   *
   * @throws RangeError or TypeError for a policy that does not exist.
   */
  setPolicy(policy: PathPolicy, options: AskOptions = {}): Promise<WorkerAnswer[]> {
    checkPathPolicy(policy);
    if (options.worker === undefined) this.#policy = policy;
    return this.#ask({ what: "policy", policy }, options);
  }

  /** Asks workers how they are doing: `workers` has it when this resolves. */
  refresh(options: AskOptions = {}): Promise<WorkerAnswer[]> {
    return this.#ask({ what: "status" }, options);
  }

  /**
   * Ends the device in all workers, within the bound (default 2 s), whatever they do. Never rejects.
   * The options of the first call count.
   *
   * @throws RangeError for a bound that is none.
   */
  close({ boundMs = CLOSE_BOUND_MS }: CloseOptions = {}): Promise<SharedCloseReport> {
    if (!Number.isFinite(boundMs) || boundMs < 0) {
      throw new RangeError(`boundMs is ${boundMs}; it must be a number of ms`);
    }
    this.#closed ??= this.#close(boundMs);
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(boundMs: number): Promise<SharedCloseReport> {
    this.#phase = "closing";
    const startedMs = this.#clock.nowMs();
    const closes = [...this.#workers.values()].map(
      (worker) => new Promise<WorkerCloseReport>((resolve) => worker.close(boundMs, resolve)),
    );
    const workers = await Promise.all(closes);
    this.#phase = "closed";
    const stuck = workers.filter(({ end }) => end === "stuck").map(({ name }) => name);
    return { workers, stuck, totalMs: this.#clock.nowMs() - startedMs };
  }

  #ask(wish: Wish, options: AskOptions): Promise<WorkerAnswer[]> {
    const { boundMs = this.#options.askBoundMs, worker: id } = options;
    checkBound("boundMs", boundMs);
    const asked = [...this.#workers.values()].filter((worker) =>
      id === undefined ? worker.state === "open" : worker.id === id,
    );
    return Promise.all(
      asked.map(
        (worker) =>
          new Promise<WorkerAnswer>((resolve) => {
            const { id: of, name } = worker;
            worker.ask(wish, boundMs, (error) => resolve({ id: of, name, error }));
          }),
      ),
    );
  }

  #changed(worker: AttachedWorker): void {
    if (worker.end !== undefined && this.#workers.delete(worker.id)) this.#ends[worker.end]++;
    this.#observers.tell(viewOf(worker));
  }

  /** What was said while it was connecting, or before, it has not heard. */
  #catchUp(worker: AttachedWorker): void {
    const policy = this.#policy;
    const { askBoundMs } = this.#options;
    const tell = (wish: Wish): void => worker.ask(wish, askBoundMs, () => {});
    if (policy !== undefined && worker.policy !== policy) tell({ what: "policy", policy });
    if (this.#service === "disabled") tell({ what: "disable" });
  }
}

/** As it is now: observers are told later. */
const viewOf = ({ id, name, state, end, status, error, asked }: WorkerView): WorkerView => ({
  id,
  name,
  state,
  end,
  status,
  error,
  asked,
});

function checkCount(name: string, count: number): void {
  if (Number.isInteger(count) && count >= 1 && count <= 1_024) return;
  throw new RangeError(`${name} is ${count}; it must be a whole number, 1 to 1,024`);
}

function checkBound(name: string, ms: number): void {
  if (Number.isFinite(ms) && ms > 0) return;
  throw new RangeError(`${name} is ${ms}; it must be a number of ms above 0`);
}

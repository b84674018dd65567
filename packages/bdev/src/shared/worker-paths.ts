// The controllers of a worker: connected side by side, and those that could not be reached tried again.
// Read first: whereabouts.ts, which says which they are; ../nvme/group.ts.

import { isNvmeofError } from "@nvmeof/codec";
import type { ControllerOptions } from "@nvmeof/core";
import type { Clock, Timer, Transport, TransportAddress } from "@nvmeof/transport";
import type { ControllerPath } from "../nvme/controller-path.ts";
import type { NvmeGroup } from "../nvme/group.ts";

/** Wait before paths that could not be reached are tried again, ms. */
const AGAIN_MS = 10_000;

/** Whom it tells. */
export interface WorkerPathsEvents {
  attached(path: ControllerPath): void;
  /** Other paths are missing than before. */
  changed(): void;
}

interface Wanted {
  readonly options: ControllerOptions;
  readonly address: TransportAddress;
}

export class WorkerPaths {
  readonly #group: NvmeGroup;
  readonly #clock: Clock;
  readonly #events: WorkerPathsEvents;
  #missing: readonly Wanted[];
  readonly #stop = new AbortController();
  #timer: Timer | undefined;

  /** @param controllers what each is connected with: at least one. */
  constructor(
    group: NvmeGroup,
    controllers: readonly ControllerOptions[],
    events: WorkerPathsEvents,
  ) {
    this.#group = group;
    this.#events = events;
    this.#missing = controllers.map((options) => {
      const [first] = [options.transport].flat() as readonly Transport[];
      return { options, address: first!.address };
    });
    const { clock, transport } = controllers[0]!;
    this.#clock = clock ?? ([transport].flat() as readonly Transport[])[0]!.clock;
  }

  /** First addresses of those that are not connected, and that are tried again. */
  get missing(): readonly TransportAddress[] {
    return this.#missing.map(({ address }) => address);
  }

  /** Connects to all. Rejects with the first error where none can be reached, or when it is stopped. */
  async open(): Promise<void> {
    const wanted = this.#missing.length;
    const errors = await this.#attachMissing();
    if (this.#stop.signal.aborted) throw this.#stop.signal.reason;
    if (errors.length === wanted) throw errors[0];
    this.#again();
  }

  /** Connects to no more; attempts that are under way reject with the reason. */
  stop(reason: Error): void {
    this.#timer?.cancel();
    this.#stop.abort(reason);
  }

  async #attachMissing(): Promise<unknown[]> {
    const errors: unknown[] = [];
    const missing: Wanted[] = [];
    const attach = async (wanted: Wanted): Promise<void> => {
      try {
        this.#events.attached(await this.#group.attach(wanted.options, this.#stop.signal));
      } catch (error) {
        errors.push(error);
        if (!isFinal(error)) missing.push(wanted);
      }
    };
    await Promise.all(this.#missing.map(attach));
    this.#missing = missing;
    this.#events.changed();
    return errors;
  }

  #again(): void {
    if (this.#missing.length === 0 || this.#stop.signal.aborted) return;
    this.#timer = this.#clock.at(this.#clock.nowMs() + AGAIN_MS, () => {
      void this.#attachMissing().then(() => this.#again());
    });
  }
}

/** Whether another attempt would fare no better. */
const isFinal = (error: unknown): boolean =>
  !isNvmeofError(error) || ("permanent" in error && error.permanent === true);

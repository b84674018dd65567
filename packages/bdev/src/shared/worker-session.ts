// The worker's side of a shared namespace: does what the main side asks, tells it how things are, and
// ends the device when the main side says so or is gone.
// Read first: messages.ts; attached-worker.ts is the other side.

import type { CloseOptions, CloseReport, ControllerOptions } from "@nvmeof/core";
import { mergedReport } from "../nvme/close-report.ts";
import type { ControllerPath } from "../nvme/controller-path.ts";
import type { NvmeGroup } from "../nvme/group.ts";
import type { MultipathDevice } from "../nvme/multipath-device.ts";
import { closedError } from "../request-check.ts";
import { errorData } from "./error-data.ts";
import type { MessageHandler, MessageLink } from "./message-link.ts";
import type { ToMain, ToWorker, Wish, WorkerController, WorkerStatus } from "./messages.ts";
import { WorkerPaths } from "./worker-paths.ts";

/** How far a session is: each follows the one before. */
export type SessionPhase = "opening" | "open" | "closing" | "closed";

export class WorkerSession implements MessageHandler {
  readonly group: NvmeGroup;
  readonly paths: WorkerPaths;
  readonly #nsid: number;
  readonly #link: MessageLink;
  #phase: SessionPhase = "opening";
  #device: MultipathDevice | undefined;
  #closed: Promise<CloseReport> | undefined;
  #report: CloseReport | undefined;
  /** `sent`: the main side has not seen the last one; `stale`: and it has changed since. */
  #told: "seen" | "sent" | "stale" = "seen";

  /** @throws RangeError or TypeError for options that cannot be right. */
  constructor(
    group: NvmeGroup,
    nsid: number,
    controllers: readonly ControllerOptions[],
    link: MessageLink,
  ) {
    this.group = group;
    this.#nsid = nsid;
    this.#link = link;
    this.paths = new WorkerPaths(group, controllers, {
      attached: (path) => this.#watch(path),
      changed: () => this.#changed(),
    });
    group.observe(() => this.#changed());
    this.#post({ type: "hello" });
    link.receive(this);
  }

  get phase(): SessionPhase {
    return this.#phase;
  }

  /** What the close did; undefined before it is over. */
  get report(): CloseReport | undefined {
    return this.#report;
  }

  /**
   * The device is there, and its user has it from now on.
   *
   * @throws BlockError NVME_ERR_CLOSED where the main side has ended it meanwhile.
   */
  opened(): void {
    if (this.#phase !== "opening") throw this.#closedError();
    this.#phase = "open";
    this.#device = this.group.devices.find((each) => each.nsid === this.#nsid);
    this.#device?.observe(() => this.#changed());
    this.#post({ type: "opened", status: this.#status() });
  }

  /** It could not be opened: ends what was begun, and gives the error to reject with. */
  async failed(error: unknown): Promise<unknown> {
    if (this.#closed !== undefined) {
      await this.#closed;
      return this.#closedError();
    }
    this.#phase = "closing";
    this.paths.stop(this.#closedError());
    await this.group.close();
    this.#phase = "closed";
    this.#post({ type: "failed", error: errorData(error) });
    this.#link.close();
    return error;
  }

  /** Ends everything within the bound, and tells the main side. Callers share one close. */
  close(options: CloseOptions = {}): Promise<CloseReport> {
    this.#closed ??= this.#close(options);
    return this.#closed;
  }

  received(message: unknown): void {
    const said = message as ToWorker;
    if (said.type === "ask") void this.#answer(said.id, said.wish);
    else if (said.type === "close") void this.close({ boundMs: said.boundMs });
    else if (said.type === "seen") this.#seen();
  }

  /** Nobody is left who could tell it to end. */
  ended(): void {
    void this.close();
  }

  async #close(options: CloseOptions): Promise<CloseReport> {
    this.#phase = "closing";
    const closes = this.group.close(options);
    this.paths.stop(this.#closedError());
    const report = mergedReport(await closes);
    this.#phase = "closed";
    this.#report = report;
    const { reason, ...done } = report;
    this.#post({ type: "closed", close: { ...done, reason: reason && errorData(reason) } });
    this.#link.close();
    return report;
  }

  #closedError(): Error {
    return closedError(`namespace ${this.#nsid}`, "it is not shared any more");
  }

  async #answer(id: number, wish: Wish): Promise<void> {
    let error: unknown;
    try {
      await this.#grant(wish);
    } catch (thrown) {
      error = thrown;
    }
    const said = error === undefined ? undefined : errorData(error);
    this.#post({ type: "answer", id, error: said, status: this.#status() });
  }

  async #grant(wish: Wish): Promise<void> {
    const device = this.#device;
    if (this.#phase !== "open" || device === undefined) throw this.#closedError();
    switch (wish.what) {
      case "reset":
        await device.reset();
        break;
      case "disable":
        await this.#all((path) => this.group.disable(path));
        break;
      case "enable":
        await this.#all((path) => this.group.enable(path));
        break;
      case "policy":
        this.group.policy = wish.policy;
        break;
      case "status":
        break;
    }
  }

  /** Side by side: what one of them cannot do is no reason to leave out the others. */
  async #all(ask: (path: ControllerPath) => Promise<void>): Promise<void> {
    const asked = await Promise.allSettled(this.group.controllers.map(ask));
    const failed = asked.filter((each) => each.status === "rejected");
    if (failed.length > 0 && failed.length === asked.length) throw failed[0]!.reason;
  }

  #watch(path: ControllerPath): void {
    path.controller.observe((event) => {
      if (event.type === "state") this.#changed();
    });
  }

  /** Tells how things are, unless the main side has yet to see how they were. */
  #changed(): void {
    if (this.#phase !== "open") return;
    if (this.#told !== "seen") {
      this.#told = "stale";
      return;
    }
    this.#told = "sent";
    this.#post({ type: "status", status: this.#status() });
  }

  #seen(): void {
    const isStale = this.#told === "stale";
    this.#told = "seen";
    if (isStale) this.#changed();
  }

  #status(): WorkerStatus {
    const device = this.#device;
    return {
      blockCount: device?.blockCount ?? 0,
      removed: device?.closedReason ?? null,
      controllers: this.group.controllers.map(({ controller }): WorkerController => {
        const { address, state, facts, reason } = controller;
        const isLive = state === "live" || reason === undefined;
        const cntlid = facts?.cntlid ?? null;
        return { address, state, cntlid, reason: isLive ? null : errorData(reason) };
      }),
      missing: this.paths.missing,
      paths: device?.paths.map(({ statistics }) => statistics) ?? [],
    };
  }

  #post(message: ToMain): void {
    this.#link.post(message);
  }
}

// The host as people use it: connect to a subsystem, open its namespaces as disks.
// Read first: EXAMPLES "A public API"; group.ts for what is behind it.

import {
  type CloseOptions,
  type CloseReport,
  ControllerHandle,
  type ControllerOptions,
  noNamespace,
} from "@nvmeof/core";
import type { Transport } from "@nvmeof/transport";
import type { BlockDevice } from "../block-device.ts";
import { closedError } from "../request-check.ts";
import type { WorkerCloseReport } from "../shared/attached-worker.ts";
import { type ShareOptions, SharedNamespace } from "../shared/shared-namespace.ts";
import { mergedReport } from "./close-report.ts";
import type { ControllerPath } from "./controller-path.ts";
import { checkFormat } from "./device-facts.ts";
import { type GroupOptions, NvmeGroup } from "./group.ts";
import type { MultipathDevice } from "./multipath-device.ts";
import { OpenNamespace } from "./open-namespace.ts";

/** Options of {@link connect}. */
export interface ConnectOptions extends ControllerOptions, Omit<GroupOptions, "name"> {
  /** Namespaces are called `<name>n<nsid>`. Default "nvme0". */
  readonly name?: string;
  /** Gives up connecting when it aborts. */
  readonly signal?: AbortSignal;
}

/** What the close of a host did. */
export interface HostCloseReport extends CloseReport {
  /** Workers that namespaces were shared with. */
  readonly workers: readonly WorkerCloseReport[];
}

/** A connected subsystem. Closing it closes its namespaces, within the bound of the close. */
export class NvmeHost implements AsyncDisposable {
  /** The controllers and the devices that their namespaces are merged into. */
  readonly group: NvmeGroup;
  /** The first controller, for everything that is not block I/O. */
  readonly controller: ControllerHandle;
  readonly #options: ControllerOptions;
  #shared: SharedNamespace<unknown>[] = [];
  #closed: Promise<HostCloseReport> | undefined;

  constructor(group: NvmeGroup, first: ControllerPath, options: ControllerOptions) {
    this.group = group;
    this.controller = new ControllerHandle(first.controller);
    this.#options = options;
  }

  /**
   * Opens a namespace as a block device that takes requests of any size. It is the caller's own:
   * closing it ends his channels and nobody else's, and the namespace can be opened again.
   *
   * Rejects with NVME_ERR_NO_NAMESPACE, `ParseError` or `UnsupportedError`.
   */
  async openNamespace(nsid: number): Promise<BlockDevice> {
    const device = this.device(nsid);
    if (device !== undefined) return new OpenNamespace(device);
    // Asked for once more, for the error that says why there is none.
    checkFormat(await this.controller.namespace(nsid));
    throw noNamespace(nsid);
  }

  /** The device that the namespace is, with its paths; undefined where there is none. */
  device(nsid: number): MultipathDevice | undefined {
    return this.group.devices.find((device) => device.nsid === nsid);
  }

  /** Connects to the subsystem by another way as well. Rejects as {@link connect} does. */
  addPath(
    transport: Transport | readonly Transport[],
    signal?: AbortSignal,
  ): Promise<ControllerPath> {
    return this.group.attach({ ...this.#options, transport }, signal);
  }

  /**
   * Lends a namespace to workers. What is shared ends with the host; it may be ended before.
   *
   * @throws RangeError, NvmeofError or UnsupportedError, as the constructor of {@link SharedNamespace}.
   */
  share<Port>(nsid: number, options: ShareOptions<Port>): SharedNamespace<Port> {
    if (this.#closed !== undefined) throw closedError(this.group.name, "its user closed it");
    const shared = new SharedNamespace(this.group, nsid, options);
    this.#shared = [...this.#shared.filter(({ phase }) => phase !== "closed"), shared];
    return shared;
  }

  /** Ends everything, whatever the peers do, and workers, and whoever holds a handle. Never rejects. */
  close(options: CloseOptions = {}): Promise<HostCloseReport> {
    this.#closed ??= this.#close(options);
    return this.#closed;
  }

  async #close(options: CloseOptions): Promise<HostCloseReport> {
    const lent = this.#shared.filter(({ phase }) => phase !== "closed");
    const [reports, shared] = await Promise.all([
      this.group.close(options),
      Promise.all(lent.map((each) => each.close(options))),
    ]);
    const report = mergedReport(reports);
    const totalMs = Math.max(report.totalMs, ...shared.map((each) => each.totalMs));
    return { ...report, totalMs, workers: shared.flatMap(({ workers }) => workers) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/**
 * Connects to a subsystem.
 *
 * Rejects with what ended the first attempt: `TransportError`, `ProtocolError`,
 * `ConnectRejectedError`, `TimeoutError`, `UnsupportedError`; with the signal's reason when that
 * aborts. Nothing is left behind then.
 *
 * @throws RangeError, TypeError or NqnError for options that cannot be right.
 */
export async function connect(options: ConnectOptions): Promise<NvmeHost> {
  const { name = "nvme0", policy, retry, fencing, fenceLimits, signal, ...controller } = options;
  const group = new NvmeGroup({
    name,
    ...(policy === undefined ? {} : { policy }),
    ...(retry === undefined ? {} : { retry }),
    ...(fencing === undefined ? {} : { fencing }),
    ...(fenceLimits === undefined ? {} : { fenceLimits }),
  });
  const first = await group.attach(controller, signal);
  return new NvmeHost(group, first, controller);
}

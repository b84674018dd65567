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

/** A connected subsystem. Closing it closes its namespaces, within the bound of the close. */
export class NvmeHost implements AsyncDisposable {
  /** The controllers and the devices that their namespaces are merged into. */
  readonly group: NvmeGroup;
  /** The first controller, for everything that is not block I/O. */
  readonly controller: ControllerHandle;
  readonly #options: ControllerOptions;
  #closed: Promise<CloseReport> | undefined;

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

  /** Ends everything, whatever the peers do and whoever holds a handle. Never rejects. */
  close(options: CloseOptions = {}): Promise<CloseReport> {
    this.#closed ??= this.group.close(options).then((reports) => merged(reports));
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** One report for closes that ran side by side: the longest of each phase, the sum of what ended. */
function merged(reports: readonly CloseReport[]): CloseReport {
  const phasesMs: Record<string, number> = {};
  for (const report of reports) {
    for (const [phase, ms] of Object.entries(report.phasesMs)) {
      phasesMs[phase] = Math.max(phasesMs[phase] ?? 0, ms);
    }
  }
  const shutdowns = new Set(reports.map(({ shutdown }) => shutdown));
  return {
    reason: reports.find(({ reason }) => reason !== undefined)?.reason,
    phasesMs,
    totalMs: Math.max(0, ...reports.map(({ totalMs }) => totalMs)),
    abortedCommands: reports.reduce((sum, report) => sum + report.abortedCommands, 0),
    shutdown: shutdowns.size === 1 ? reports[0]!.shutdown : "unanswered",
    openHandles: reports.flatMap(({ openHandles }) => openHandles),
  };
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
  const { name = "nvme0", policy, retry, fencing, signal, ...controller } = options;
  const group = new NvmeGroup({
    name,
    ...(policy === undefined ? {} : { policy }),
    ...(retry === undefined ? {} : { retry }),
    ...(fencing === undefined ? {} : { fencing }),
  });
  const first = await group.attach(controller, signal);
  return new NvmeHost(group, first, controller);
}

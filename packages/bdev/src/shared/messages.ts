// What threads that share a namespace tell each other: few messages, all of plain data.
// Read first: attached-worker.ts (the main side), worker-device.ts (the worker's).
//
// The number that can be under way is bounded at both ends. The main side asks so much and no more; the
// worker tells its status, whatever it was that changed, and does so again only when the last was seen.

import type { CloseReport, State } from "@nvmeof/core";
import type { TransportAddress } from "@nvmeof/transport";
import type { PathPolicy } from "../nvme/path-policy.ts";
import type { PathStatistics } from "../nvme/path-statistics.ts";
import type { ErrorData } from "./error-data.ts";

/** What a worker may be asked to do. */
export type Wish =
  /** As `reset` of the device: the controllers of all paths, one after another. */
  | { readonly what: "reset" }
  /** Disconnect all controllers and keep them so; connect them again. */
  | { readonly what: "disable" | "enable" }
  | { readonly what: "policy"; readonly policy: PathPolicy }
  /** Nothing but its status, which is part of every answer. */
  | { readonly what: "status" };

/** A controller of a worker. */
export interface WorkerController {
  readonly address: TransportAddress;
  readonly state: State;
  /** null before it was live. */
  readonly cntlid: number | null;
  /** Why it is not live. */
  readonly reason: ErrorData | null;
}

/** How a worker is doing. */
export interface WorkerStatus {
  readonly blockCount: number;
  /** Why the device is gone; null while it is there. */
  readonly removed: string | null;
  readonly controllers: readonly WorkerController[];
  /** Paths that could not be reached when the worker opened the device; they are tried again. */
  readonly missing: readonly WorkerController["address"][];
  /** Of each path to the namespace. */
  readonly paths: readonly PathStatistics[];
}

/** What a close did, with its reason as data. */
export type CloseData = Omit<CloseReport, "reason"> & { readonly reason: ErrorData | undefined };

export type ToWorker =
  | { readonly type: "ask"; readonly id: number; readonly wish: Wish }
  /** End the device within this bound. */
  | { readonly type: "close"; readonly boundMs: number }
  /** The last status was seen. */
  | { readonly type: "seen" };

export type ToMain =
  /** The worker begins to connect. */
  | { readonly type: "hello" }
  | { readonly type: "opened"; readonly status: WorkerStatus }
  /** It could not; nothing is left there. */
  | { readonly type: "failed"; readonly error: ErrorData }
  | {
      readonly type: "answer";
      readonly id: number;
      readonly error: ErrorData | undefined;
      readonly status: WorkerStatus;
    }
  | { readonly type: "status"; readonly status: WorkerStatus }
  /** It has ended the device, asked or not. */
  | { readonly type: "closed"; readonly close: CloseData };

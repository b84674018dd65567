// What all parts of one target share. Made once by target.ts, and handed down.

import type { Observers } from "@nvmeof/bdev";
import type { Random } from "@nvmeof/core";
import type { Clock } from "@nvmeof/transport";
import type { AuthWatch } from "./auth/auth-watch.ts";
import type { BufferPool } from "./buffer-pool.ts";
import type { Counting } from "./counters.ts";
import type { TargetEvent } from "./events.ts";
import type { Gate } from "./gate.ts";
import type { TargetLimits } from "./limits.ts";

/** What a target has in use now; zero throughout when all hosts are gone. */
export interface TargetUsage {
  connections: number;
  controllers: number;
  /** Requests that a block device has and did not settle, also for hosts that are gone. */
  backendRequests: number;
}

/** Shared by all parts of a target. */
export interface TargetContext {
  readonly clock: Clock;
  readonly limits: TargetLimits;
  readonly gate: Gate;
  readonly pool: BufferPool;
  readonly usage: TargetUsage;
  readonly observers: Observers<TargetEvent>;
  readonly counting: Counting;
  /** What hosts are authenticated with; undefined where there is no cryptography. */
  readonly auth: AuthWatch | undefined;
  /** Where CIU and CIRN come from; without it there is no Cross-Controller Reset. */
  readonly random: Random | undefined;
  /** When the target was made, for Power On Hours. */
  readonly startedMs: number;
  /** Commands other than Keep Alive keep a controller alive, too (TBKAS). */
  readonly trafficKeepAlive: boolean;
  /** CRDT1 to CRDT3, ms; as many as there are. */
  readonly retryDelaysMs: readonly number[];
  /** Host Identifiers are checked: not zero, and of one host NQN only. */
  readonly hostIdCheck: boolean;
  /** Called when `backendRequests` has come down to zero, if somebody waits for that. */
  backendIdle: (() => void) | undefined;
}

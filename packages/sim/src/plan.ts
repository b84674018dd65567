// The plan of a run: the world, its users and what befalls them, as data. All of it can be JSON.
// Read first: README.md; plan-of.ts makes a plan of a seed, run.ts carries it out.

import type { PathPolicy } from "@nvmeof/bdev/nvme";
import type { FenceLimits, Fencing, RetryLimits } from "@nvmeof/bdev/nvme";
import type { AnaState } from "@nvmeof/codec";
import type { ReconnectPolicy, State, TimeoutAction } from "@nvmeof/core";
import type { TargetLimits } from "@nvmeof/target";
import type { NetworkFault } from "./network/fault.ts";
import type { PortTransport } from "./network/ways.ts";
import type { Weather } from "./network/weather.ts";
import type { DiskErrors, DiskPace } from "./storage/disk.ts";

/** Size of the blocks of all namespaces. */
export const BLOCK_BYTES = 512;

/** How a disk behaves: see storage/disk.ts. */
export interface DiskPlan {
  readonly pace: DiskPace;
  /** `volatile`: writes may be lost at a loss of power, until a flush. */
  readonly cache: "none" | "volatile";
  /** Most blocks of one transfer: a larger command reaches it in several. */
  readonly transferBlocksMax: number;
  /** Most requests in flight on one channel: further commands wait at the target. */
  readonly inflightMax: number;
}

/** A namespace, and the disk behind it. */
export interface NamespacePlan {
  readonly nsid: number;
  readonly blockCount: number;
  /** ANA group, from 1. */
  readonly anaGroup: number;
  readonly disk: DiskPlan;
}

/** A subsystem. */
export interface SubsystemPlan {
  readonly namespaces: readonly NamespacePlan[];
}

/** A target: its ports, subsystems and limits. */
export interface TargetPlan {
  /** Number of ports; all subsystems are behind each of them. */
  readonly ports: number;
  /** Of each port. Default "tcp". */
  readonly transports?: readonly PortTransport[];
  readonly subsystems: readonly SubsystemPlan[];
  readonly limits: Partial<TargetLimits>;
  readonly trafficKeepAlive: boolean;
  /** CPDA of its connections. */
  readonly pda: number;
  /**
   * Whether its controllers have names, so that one of them can reset another (Cross-Controller Reset).
   * A new process of such a target takes no hosts before the disks have ended what they had of the former
   * one: it would say of those controllers that nothing is left of them. Default "unnamed".
   */
  readonly incarnations?: "named" | "unnamed";
}

/** Options of the controllers of a group: see ControllerOptions. */
export interface ControllerPlan {
  readonly ioQueues: number;
  readonly queueEntries: number;
  readonly keepAliveTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly fabricsTimeoutMs: number;
  readonly ioTimeoutMs: number;
  readonly adminTimeoutMs: number;
  readonly onTimeout: TimeoutAction;
  readonly disableSqFlow: boolean;
  readonly transferBytesMax: number;
  readonly reconnect: Partial<ReconnectPolicy>;
}

/** A subsystem as one host uses it. */
export interface GroupPlan {
  /** Tells its chance from that of the others of the host, whoever is left out of the plan. */
  readonly id: number;
  readonly target: number;
  readonly subsystem: number;
  /** A controller for each; it tries these ports of the target in turn. */
  readonly paths: readonly (readonly number[])[];
  readonly policy: PathPolicy;
  readonly fencing: Fencing;
  /** Default: none of its own. */
  readonly fenceLimits?: Partial<FenceLimits>;
  /** One notice in so many that a reset is completed is lost on its way; 0, the default, for none. */
  readonly noticeLostOneIn?: number;
  readonly retry: Partial<RetryLimits>;
  readonly controller: ControllerPlan;
  readonly headerDigest: boolean;
  readonly dataDigest: boolean;
  readonly pda: number;
}

/** A host: its groups, each with paths of its own. */
export interface HostPlan {
  /** Its chance, and its name: as for a group. */
  readonly id: number;
  readonly groups: readonly GroupPlan[];
}

/** Shares of operations; those that the device lacks are left out. */
export interface Mix {
  readonly read: number;
  readonly write: number;
  readonly flush: number;
  readonly writeZeroes: number;
  readonly compare: number;
  readonly deallocate: number;
  readonly verify: number;
}

/** Somebody who reads and writes. */
export interface UserPlan {
  /** His chance: as for a group. */
  readonly id: number;
  readonly host: number;
  readonly group: number;
  readonly nsid: number;
  /** The blocks that he touches; others may touch them as well. */
  readonly firstLba: number;
  readonly blockCount: number;
  /** Requests at the same time. */
  readonly depth: number;
  /** Mean pause between a request and the next, ms. */
  readonly pauseMs: number;
  /** Most blocks of one request. */
  readonly blocksMax: number;
  readonly mix: Mix;
  /** One request in so many is given up by him; 0 for none. */
  readonly abortOneIn: number;
  /** One write in so many asks for stable media; 0 for none. */
  readonly fuaOneIn: number;
  /** Whether he waits, after a write of unknown outcome, until it can do no more harm. */
  readonly afterUnknown: "waits" | "goes-on";
  /**
   * - `steady`: one channel for as long as the device is there.
   * - `restless`: closes his channel now and then, also with requests in flight, and opens another.
   * - `clinging`: keeps the channel of a device that is gone for a while, and submits to it.
   */
  readonly manner: "steady" | "restless" | "clinging";
  /** Whether the next request is submitted from inside the completion of the last. */
  readonly next: "later" | "at-once";
  /** Requests in all. */
  readonly requests: number;
}

/** A step that concerns one controller of a host. */
export interface PathStep {
  readonly host: number;
  readonly group: number;
  readonly path: number;
}

/** What a host does, or has done to it. */
export type HostStep =
  | ({ readonly kind: "reset" | "disable" | "enable" | "lost" | "rescan" | "prefer" } & PathStep)
  /** Takes a controller out, and wants it back `againMs` later. */
  | ({ readonly kind: "detach"; readonly againMs: number } & PathStep)
  /** Takes an address out of a controller that has several, or the last, and gives it back. */
  | ({ readonly kind: "move"; readonly againMs: number } & PathStep)
  /** An admin command: an Identify, a log page, or keep-alive. */
  | ({
      readonly kind: "admin";
      readonly what: "identify" | "log";
      readonly timeoutMs: number;
    } & PathStep)
  /** Resets all paths of a device, as a user would who sees no other way. */
  | {
      readonly kind: "device-reset";
      readonly host: number;
      readonly group: number;
      readonly nsid: number;
    }
  /** The device is closed by its user, and opened anew later: by attaching its controllers again. */
  | {
      readonly kind: "device-close";
      readonly host: number;
      readonly group: number;
      readonly nsid: number;
      readonly againMs: number;
    }
  | {
      readonly kind: "policy";
      readonly host: number;
      readonly group: number;
      readonly policy: PathPolicy;
    }
  /** Ends the group in whatever state it is, and makes it anew. */
  | {
      readonly kind: "destroy";
      readonly host: number;
      readonly group: number;
      readonly againMs: number;
    }
  /** The event loop stands still. */
  | { readonly kind: "stall"; readonly host: number; readonly ms: number }
  /** Does `does` from inside an observer, the next time that a controller enters `state`. */
  | ({
      readonly kind: "meddle";
      readonly state: State;
      readonly does: "reset" | "disable" | "detach" | "destroy" | "submit";
    } & PathStep);

/** What a target does, or has done to it. */
export type TargetStep =
  /** It is silent: connections stay open. */
  | { readonly kind: "freeze"; readonly target: number; readonly ms: number }
  /**
   * Its process ends, and another begins. `other`: with other data under the same names. `lost`: the
   * disks lose their power along with it; else they do what they were asked, late perhaps.
   */
  | {
      readonly kind: "restart";
      readonly target: number;
      readonly downMs: number;
      readonly data: "same" | "other";
      readonly power: "on" | "lost";
    }
  | {
      readonly kind: "ana";
      readonly target: number;
      readonly subsystem: number;
      readonly anaGroup: number;
      readonly state: AnaState;
      readonly port: number;
    }
  | {
      readonly kind: "namespace-removed";
      readonly target: number;
      readonly subsystem: number;
      readonly nsid: number;
      readonly againMs: number;
    }
  | {
      readonly kind: "resized";
      readonly target: number;
      readonly subsystem: number;
      readonly nsid: number;
      readonly blockCount: number;
    }
  /** Hosts are not allowed, for a time. */
  | {
      readonly kind: "forbid";
      readonly target: number;
      readonly subsystem: number;
      readonly ms: number;
    }
  /** A port takes no more hosts, for a time, and drops or keeps those that it has. */
  | {
      readonly kind: "port-closed";
      readonly target: number;
      readonly port: number;
      readonly ms: number;
      readonly connections: "keep" | "drop";
    }
  /** The disk behind a namespace does nothing for a time. */
  | {
      readonly kind: "disk-frozen";
      readonly target: number;
      readonly subsystem: number;
      readonly nsid: number;
      readonly ms: number;
    }
  /** The next requests to the disk fail. */
  | {
      readonly kind: "disk-errors";
      readonly target: number;
      readonly subsystem: number;
      readonly nsid: number;
      readonly errors: DiskErrors;
    };

/** What the network does. */
export interface NetworkStep {
  readonly kind: "network";
  readonly fault: NetworkFault;
}

/** Something that happens, ms after the beginning. */
export type Step = (HostStep | TargetStep | NetworkStep) & { readonly atMs: number };

/** A part that is never healed. */
export interface DeadPort {
  readonly target: number;
  readonly port: number;
  readonly how: "refuses" | "silent";
}

/** Everything that a run is made of. */
export interface Plan {
  /** Of what follows by chance while it runs. */
  readonly seed: number;
  readonly targets: readonly TargetPlan[];
  readonly hosts: readonly HostPlan[];
  /** What the network is like where no fault says otherwise. */
  readonly weather: Weather;
  readonly users: readonly UserPlan[];
  readonly steps: readonly Step[];
  /** Length of the phase with faults, ms. */
  readonly safetyMs: number;
  /** What stays broken in the liveness phase. */
  readonly dead: readonly DeadPort[];
  /** `midst`: no liveness phase; all is ended in the midst of the faults. */
  readonly ending: "rest" | "midst";
}

/** The world that steps are for. */
export type Scene = Pick<Plan, "targets" | "hosts" | "users" | "safetyMs">;

// A fault plan: which faults befall which connections and PDUs, as data that a person can read and keep.
// Read first: kinds.ts for the faults; parse.ts makes one of JSON; docs/chaos.md.

import type { QueueKind } from "../capture/nvme/command.ts";
import type { ByteFaultKind, FaultKind, FaultValues, PduFaultKind, PduName } from "./kinds.ts";

/** The way of bytes, in Toxiproxy's words: `upstream` from the host, `downstream` to it. */
export type ChaosDirection = "upstream" | "downstream";

export const opposite = { upstream: "downstream", downstream: "upstream" } as const;

/** An opcode that a plan names: by number, or by a name, which says the kind of queue as well. */
export interface WantedOpcode {
  readonly opcode: number;
  /** FCTYPE of a Fabrics command; -1 for any. */
  readonly fctype: number;
  /** undefined: on any queue. */
  readonly queue: QueueKind | undefined;
}

/** Which connections, and which moments, a fault is about. */
export interface Scope {
  /** By number: 1 is the first that the proxy took. Empty: all. */
  readonly connections: readonly number[];
  /** "admin", "io", or the number of a queue. Empty: all, and those not yet known. */
  readonly queues: readonly ("admin" | "io" | number)[];
  /** undefined: whatever the kind acts on. */
  readonly direction: ChaosDirection | undefined;
  /** Since the proxy began, ms. */
  readonly afterMs: number;
  /** Infinity: to the end. */
  readonly untilMs: number;
}

/** Which PDUs a fault is about: those that all of it is true of. */
export interface Select extends Scope {
  /** Empty: all that the kind acts on. */
  readonly pdus: readonly PduName[];
  /** Of the command that the PDU is of. Empty: any, and PDUs of no command. */
  readonly opcodes: readonly WantedOpcode[];
  readonly nsids: readonly number[];
  /** Blocks that the command touches at least one of. */
  readonly lba: { readonly first: number; readonly last: number } | undefined;
  /** Which of those that fit, counted from 1. Empty: each. */
  readonly nth: readonly number[];
  /** Each so manieth of those that fit. */
  readonly every: number;
  /** No more than so many are harmed. */
  readonly count: number;
  /** What `nth`, `every` and `count` count: PDUs of the whole run, or of each connection. */
  readonly per: "run" | "connection";
  /** Of those that all else is true of, 0 to 1. */
  readonly probability: number;
}

/** A fault of bytes. */
export type ByteFault<K extends ByteFaultKind = ByteFaultKind> = {
  readonly [Kind in K]: {
    readonly kind: Kind;
    readonly name: string;
    readonly select: Scope;
    readonly values: FaultValues<Kind>;
  };
}[K];

/** A fault of PDUs. */
export type PduFault<K extends PduFaultKind = PduFaultKind> = {
  readonly [Kind in K]: {
    readonly kind: Kind;
    readonly name: string;
    readonly select: Select;
    readonly values: FaultValues<Kind>;
  };
}[K];

/** A fault, whatever it is done to. */
export type Fault = ByteFault | PduFault;

/** What a proxy does to its connections. Faults act in their order. */
export interface ChaosPlan {
  /** Of all chance, 0 to 2^32 - 1. */
  readonly seed: number;
  readonly faults: readonly Fault[];
}

/** A plan as it is written: JSON, with what is left out. */
export interface ChaosPlanJson {
  readonly version: 1;
  readonly seed?: number;
  readonly faults: readonly ({ readonly kind: FaultKind } & Readonly<Record<string, unknown>>)[];
}

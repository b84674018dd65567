// What a scripted controller sees of a command, and what it may answer.
// Read first: Base 2.0 §6 "Fabrics Command Set", §5 "Admin Command Set".

import {
  AdminOpcode,
  Cns,
  ConnectCommand,
  Fctype,
  Fid,
  IdentifyCommand,
  NvmOpcode,
  Property,
  PropertyGetCommand,
  SetFeaturesCommand,
  Sqe,
} from "@nvmeof/codec";

/** Steps of a bring-up, in their order; a host takes them all when it is given one I/O queue. */
export const bringUpSteps = [
  "connect",
  "get-cap",
  "get-vs",
  "get-cc",
  "set-cc",
  "get-csts",
  "identify-controller",
  "set-async-events",
  "set-host-behavior",
  "set-number-of-queues",
  "connect-io",
] as const;

const laterSteps = [
  "auth-send",
  "auth-receive",
  "identify",
  "get-property",
  "set-property",
  "set-features",
  "get-features",
  "log",
  "keep-alive",
  "async-event",
  "abort",
  "read",
  "write",
  "flush",
  "other",
] as const;

/** What a command is for, so that a script can speak of it. */
export type ScriptedStep = (typeof bringUpSteps)[number] | (typeof laterSteps)[number];

/** A command as it arrived. */
export interface SeenCommand {
  readonly step: ScriptedStep;
  /** CNTLID of the association that it came on; undefined before Connect. */
  readonly cntlid: number | undefined;
  readonly qid: number;
  readonly cid: number;
  /** A copy of its 64 bytes. */
  readonly sqe: DataView;
  /** Bytes that it transfers, either way. */
  readonly transferBytes: number;
  /** What it brought along. */
  readonly data: Uint8Array;
  readonly atMs: number;
}

/** A completion, with read data if there is any. Success where nothing else is said. */
export interface Answer {
  readonly status?: number;
  readonly dw0?: number;
  readonly dw1?: number;
  readonly data?: Uint8Array;
}

const properties: Readonly<Record<number, ScriptedStep>> = {
  [Property.Cap]: "get-cap",
  [Property.Vs]: "get-vs",
  [Property.Cc]: "get-cc",
  [Property.Csts]: "get-csts",
};

const features: Readonly<Record<number, ScriptedStep>> = {
  [Fid.AsyncEventConfiguration]: "set-async-events",
  [Fid.HostBehaviorSupport]: "set-host-behavior",
  [Fid.NumberOfQueues]: "set-number-of-queues",
};

const adminSteps: Readonly<Record<number, ScriptedStep>> = {
  [AdminOpcode.GetFeatures]: "get-features",
  [AdminOpcode.GetLogPage]: "log",
  [AdminOpcode.KeepAlive]: "keep-alive",
  [AdminOpcode.AsyncEventRequest]: "async-event",
  [AdminOpcode.Abort]: "abort",
};

const ioSteps: Readonly<Record<number, ScriptedStep>> = {
  [NvmOpcode.Read]: "read",
  [NvmOpcode.Write]: "write",
  [NvmOpcode.Flush]: "flush",
};

/** What the command in `sqe`, on queue `qid`, is for. */
export function stepOf(qid: number, sqe: DataView): ScriptedStep {
  const opcode = Sqe.opc.get(sqe);
  if (opcode === AdminOpcode.Fabrics) return fabricsStep(sqe);
  if (qid > 0) return ioSteps[opcode] ?? "other";
  if (opcode === AdminOpcode.Identify) {
    return IdentifyCommand.cns.get(sqe) === Cns.Controller ? "identify-controller" : "identify";
  }
  if (opcode === AdminOpcode.SetFeatures) {
    return features[SetFeaturesCommand.fid.get(sqe)] ?? "set-features";
  }
  return adminSteps[opcode] ?? "other";
}

function fabricsStep(sqe: DataView): ScriptedStep {
  const fctype = ConnectCommand.fctype.get(sqe);
  if (fctype === Fctype.Connect)
    return ConnectCommand.qid.get(sqe) === 0 ? "connect" : "connect-io";
  const offset = PropertyGetCommand.ofst.get(sqe);
  if (fctype === Fctype.PropertyGet) return properties[offset] ?? "get-property";
  if (fctype === Fctype.AuthenticationSend) return "auth-send";
  if (fctype === Fctype.AuthenticationReceive) return "auth-receive";
  if (fctype === Fctype.PropertySet) return offset === Property.Cc ? "set-cc" : "set-property";
  return "other";
}

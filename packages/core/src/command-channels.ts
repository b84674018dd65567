// The channels of commands: a message for each that begins, and the same one again when it ends.
// Read first: command-watch.ts; channels.ts for the message.

import {
  ConnectCommand,
  NvmOpcode,
  type NvmeofError,
  OPC_FABRICS,
  RwCommand,
  Sqe,
  opcodeName,
} from "@nvmeof/codec";
import type { Clock, Diagnostics, DiagnosticsChannel, TransportAddress } from "@nvmeof/transport";
import type { QueueWatcher } from "./command-watch.ts";
import { type CommandMessage, type ControllerName, hostChannels } from "./channels.ts";

/** I/O opcodes with SLBA and NLB where Read has them. */
const withBlocks: ReadonlySet<number> = new Set([
  NvmOpcode.Read,
  NvmOpcode.Write,
  NvmOpcode.WriteUncorrectable,
  NvmOpcode.Compare,
  NvmOpcode.WriteZeroes,
  NvmOpcode.Verify,
]);

/** By opcode; to find a name takes longer than a command. */
const ioNames: string[] = [];

function operationOf(qid: number, sqe: DataView): string {
  const opcode = Sqe.opc.get(sqe);
  if (qid === 0 || opcode === OPC_FABRICS) {
    const fctype = opcode === OPC_FABRICS ? ConnectCommand.fctype.get(sqe) : undefined;
    return opcodeName(qid === 0, opcode, fctype);
  }
  return (ioNames[opcode] ??= opcodeName(false, opcode));
}

/** The three channels of one controller. They are asked for each command whether anybody listens. */
export class CommandChannels {
  readonly start: DiagnosticsChannel;
  readonly complete: DiagnosticsChannel;
  readonly error: DiagnosticsChannel;
  readonly clock: Clock;
  readonly nameOf: () => ControllerName;

  constructor(diagnostics: Diagnostics, clock: Clock, nameOf: () => ControllerName) {
    this.start = diagnostics(hostChannels.commandStart);
    this.complete = diagnostics(hostChannels.commandComplete);
    this.error = diagnostics(hostChannels.commandError);
    this.clock = clock;
    this.nameOf = nameOf;
  }

  get hasSubscribers(): boolean {
    return this.start.hasSubscribers || this.complete.hasSubscribers || this.error.hasSubscribers;
  }

  queue(qid: number, slots: number): QueueWatcher {
    return new QueueChannels(this, qid, slots);
  }
}

/** A class and no literal: what has one shape is made several times as fast. */
class Command implements CommandMessage {
  readonly address: TransportAddress;
  readonly subsystemNqn: string;
  readonly hostNqn: string;
  readonly cntlid: number | undefined;
  readonly qid: number;
  readonly cid: number;
  readonly opcode: number;
  readonly operation: string;
  readonly nsid: number;
  readonly lba: number | undefined;
  readonly blockCount: number | undefined;
  readonly dataBytes: number;
  durationMs: number | undefined;
  error: NvmeofError | undefined;

  constructor(name: ControllerName, qid: number, cid: number, sqe: DataView, dataBytes: number) {
    const opcode = Sqe.opc.get(sqe);
    const hasBlocks = qid > 0 && withBlocks.has(opcode);
    this.address = name.address;
    this.subsystemNqn = name.subsystemNqn;
    this.hostNqn = name.hostNqn;
    this.cntlid = name.cntlid;
    this.qid = qid;
    this.cid = cid;
    this.opcode = opcode;
    this.operation = operationOf(qid, sqe);
    this.nsid = Sqe.nsid.get(sqe);
    this.lba = hasBlocks ? RwCommand.slba.get(sqe) : undefined;
    this.blockCount = hasBlocks ? RwCommand.nlb.get(sqe) : undefined;
    this.dataBytes = dataBytes;
    this.durationMs = undefined;
    this.error = undefined;
  }
}

class QueueChannels implements QueueWatcher {
  readonly #channels: CommandChannels;
  readonly #qid: number;
  /** By CID; nothing where nobody listened when it began. */
  readonly #started: (Command | undefined)[];
  readonly #startedMs: Float64Array;

  constructor(channels: CommandChannels, qid: number, slots: number) {
    this.#channels = channels;
    this.#qid = qid;
    this.#started = Array.from({ length: slots }, () => undefined);
    this.#startedMs = new Float64Array(slots);
  }

  started(cid: number, sqe: DataView, dataBytes: number): void {
    const channels = this.#channels;
    if (!channels.hasSubscribers) return;
    const message = new Command(channels.nameOf(), this.#qid, cid, sqe, dataBytes);
    this.#started[cid] = message;
    this.#startedMs[cid] = channels.clock.nowMs();
    if (channels.start.hasSubscribers) channels.start.publish(message);
  }

  ended(cid: number, error: NvmeofError | undefined): void {
    const message = this.#started[cid];
    if (message === undefined) return;
    const { clock, complete, error: failed } = this.#channels;
    this.#started[cid] = undefined;
    message.durationMs = clock.nowMs() - this.#startedMs[cid]!;
    message.error = error;
    const channel = error === undefined ? complete : failed;
    if (channel.hasSubscribers) channel.publish(message);
  }
}

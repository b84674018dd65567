// The controllers that connections belong to: one controller has many queues, and one keep-alive timer.
// Read first: Base 2.0 §3.9 "Keep Alive", §3.3.2.2 "Queue Creation"; §5.17 for CTRATT and IOCCSZ.

import {
  AdminOpcode,
  Ctratt,
  Fctype,
  Fid,
  IdentifyController,
  OPC_FABRICS,
  SetFeaturesCommand,
  viewOf,
} from "@nvmeof/codec";
import type { CapturedCommand } from "./command.ts";
import type { Connection } from "./connection.ts";

/** What is known of a controller. */
export interface CapturedController {
  /** 0 where nobody keeps it alive. */
  keepAliveTimeoutMs: number;
  /** Whether any command keeps it alive, and not Keep Alive alone; `undefined` where nobody said. */
  isTrafficBased: boolean | undefined;
  /** When it last heard of its host, ms since the first frame. */
  heardMs: number;
  /** Bytes of data in a capsule of an I/O queue; `Infinity` where nobody said. */
  inCapsuleBytesMax: number;
}

/** Controllers that are remembered. */
const CONTROLLERS_MAX = 4096;

export class Controllers {
  readonly #byName = new Map<string, CapturedController>();

  /** An admin queue was connected: a new controller. */
  create(connection: Connection, timeMs: number): CapturedController {
    const made: CapturedController = {
      keepAliveTimeoutMs: connection.connect?.keepAliveTimeoutMs ?? 0,
      isTrafficBased: undefined,
      heardMs: timeMs,
      inCapsuleBytesMax: Infinity,
    };
    const name = nameOf(connection);
    this.#byName.delete(name);
    this.#byName.set(name, made);
    if (this.#byName.size > CONTROLLERS_MAX) {
      const oldest = this.#byName.keys().next();
      if (oldest.done !== true) this.#byName.delete(oldest.value);
    }
    return made;
  }

  /** An I/O queue was connected. */
  find(connection: Connection): CapturedController | undefined {
    return this.#byName.get(nameOf(connection));
  }
}

const nameOf = ({ host, connect }: Connection): string =>
  [host.address, connect?.hostNqn, connect?.subsystemNqn, connect?.cntlid].join(" ");

/**
 * A command has reached the controller: how long it had not heard of its host, if that was longer than
 * the keep-alive timeout.
 */
export function heardOf(
  controller: CapturedController,
  command: CapturedCommand,
  timeMs: number,
): number | undefined {
  const isKeepAlive = command.queue === "admin" && command.opcode === AdminOpcode.KeepAlive;
  // Where nobody said what counts, everything does: rather no warning than a false one.
  if (!isKeepAlive && controller.isTrafficBased === false) return undefined;
  const gapMs = silenceOf(controller, timeMs);
  controller.heardMs = timeMs;
  return gapMs;
}

/** How long it has not heard of its host, if that is longer than the keep-alive timeout. */
export function silenceOf(
  { keepAliveTimeoutMs, heardMs }: CapturedController,
  timeMs: number,
): number | undefined {
  const gapMs = timeMs - heardMs;
  return keepAliveTimeoutMs > 0 && gapMs > keepAliveTimeoutMs ? gapMs : undefined;
}

/** An admin command was answered with success: what it tells of the controller. */
export function learn(controller: CapturedController, command: CapturedCommand): void {
  const { opcode, sqe, data } = command;
  if (opcode === AdminOpcode.Identify && sqe.getUint8(40) === CNS_CONTROLLER) {
    if (data === undefined || data.length < IdentifyController.size) return;
    const view = viewOf(data);
    const ctratt = IdentifyController.ctratt.get(view);
    controller.isTrafficBased = (ctratt & Ctratt.TrafficBasedKeepAlive) !== 0;
    controller.inCapsuleBytesMax = Math.max(0, IdentifyController.ioccsz.get(view) * 16 - 64);
  } else if (
    opcode === AdminOpcode.SetFeatures &&
    SetFeaturesCommand.fid.get(sqe) === Fid.KeepAliveTimer
  ) {
    controller.keepAliveTimeoutMs = SetFeaturesCommand.cdw11.get(sqe);
  }
}

const CNS_CONTROLLER = 1;

/** Whether a command is a Connect. */
export const isConnect = ({ opcode, fctype }: CapturedCommand): boolean =>
  opcode === OPC_FABRICS && fctype === Fctype.Connect;

// Whether a fault befalls a PDU: everything that its selector says, in an order that keeps runs repeatable.
// Read first: plan.ts for the selector.

import { PduType } from "@nvmeof/codec";
import type { CapturedCommand } from "../capture/nvme/command.ts";
import type { Conversation } from "./conversation.ts";
import type { Dice } from "./dice.ts";
import { type PduName, faultKinds } from "./kinds.ts";
import type { ChaosPdu } from "./pdu.ts";
import type { ChaosDirection, PduFault, Scope, Select, WantedOpcode } from "./plan.ts";

/** PDUs that a selector has counted. */
export interface Tally {
  /** That it would take, but for their number. */
  fit: number;
  /** That were harmed. */
  done: number;
}

export const noTally = (): Tally => ({ fit: 0, done: 0 });

/** Whom a scope is asked about. */
export interface Whereabouts {
  readonly connection: number;
  readonly conversation: Pick<Conversation, "qid" | "queue">;
  readonly direction: ChaosDirection;
  /** Since the proxy began, ms. */
  readonly elapsedMs: number;
}

/** Whether a scope covers a connection, as far as it is known by its number and its queue. */
export function coversConnection(
  scope: Scope,
  connection: number,
  talk: Whereabouts["conversation"],
) {
  const { connections, queues } = scope;
  if (connections.length > 0 && !connections.includes(connection)) return false;
  return queues.length === 0 || queues.some((queue) => queue === talk.queue || queue === talk.qid);
}

/** Whether a scope covers this direction of this connection, now. */
export function covers(scope: Scope, at: Whereabouts): boolean {
  if (scope.direction !== undefined && scope.direction !== at.direction) return false;
  if (at.elapsedMs < scope.afterMs || at.elapsedMs >= scope.untilMs) return false;
  return coversConnection(scope, at.connection, at.conversation);
}

const isWanted = ({ opcode, fctype, queue }: WantedOpcode, command: CapturedCommand): boolean =>
  command.opcode === opcode &&
  (fctype < 0 || command.fctype === fctype) &&
  (queue === undefined || command.queue === queue);

function touches({ slba, blockCount = 1 }: CapturedCommand, lba: NonNullable<Select["lba"]>) {
  return slba !== undefined && slba <= lba.last && slba + blockCount > lba.first;
}

function coversCommand(select: Select, command: CapturedCommand | undefined): boolean {
  const { opcodes, nsids, lba } = select;
  if (opcodes.length === 0 && nsids.length === 0 && lba === undefined) return true;
  if (command === undefined) return false;
  if (opcodes.length > 0 && !opcodes.some((wanted) => isWanted(wanted, command))) return false;
  if (nsids.length > 0 && !nsids.includes(command.nsid)) return false;
  return lba === undefined || touches(command, lba);
}

const typesOf = (names: readonly PduName[]): ReadonlySet<number> | undefined =>
  names.length === 0 ? undefined : new Set(names.map((name) => PduType[name]));

/** A fault's selector at work. */
export class Matcher {
  readonly fault: PduFault;
  /** Of the whole run. */
  readonly #tally: Tally;
  readonly #types: ReadonlySet<number> | undefined;

  constructor(fault: PduFault, tally: Tally) {
    this.fault = fault;
    this.#tally = tally;
    const { pdus } = fault.select;
    this.#types = typesOf(pdus.length > 0 ? pdus : faultKinds[fault.kind].acts);
  }

  /**
   * Whether the fault is to befall `pdu`. One that it takes is counted by `of`, which is the connection's.
   *
   * @param fits whether the fault's kind can act on this very PDU.
   */
  takes(pdu: ChaosPdu, at: Whereabouts, of: Tally, dice: Dice, fits: () => boolean): boolean {
    const { select } = this.fault;
    if (this.#types !== undefined && !this.#types.has(pdu.type)) return false;
    if (!covers(select, at) || !coversCommand(select, pdu.command) || !fits()) return false;
    const tally = select.per === "run" ? this.#tally : of;
    const number = ++tally.fit;
    if (select.nth.length > 0 && !select.nth.includes(number)) return false;
    if (number % select.every !== 0) return false;
    // The chance is taken for each that fits, so that a limit on their number moves no other.
    const isHit = dice.happens(select.probability);
    return isHit && tally.done < select.count;
  }

  /** The fault was carried out. */
  did(of: Tally): void {
    this.#tally.done++;
    if (of !== this.#tally) of.done++;
  }
}

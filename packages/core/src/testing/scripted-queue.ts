// A scripted controller's end of one queue: commands with all their data in, answers out.
// Read first: @nvmeof/transport queue-link.ts, ControllerLink.

import { AdminOpcode, DataDirection, Sqe, directionOf } from "@nvmeof/codec";
import type { Clock, CloseHow, ControllerEvents, ControllerLink, Timer } from "@nvmeof/transport";
import type { ScriptedAssociation } from "./association.ts";
import { type Answer, type SeenCommand, stepOf } from "./command.ts";

/** Whom a queue tells of what it gets. */
export interface QueueOwner {
  readonly clock: Clock;
  /** Runs `task` now, or when the controller is no longer frozen. */
  whenAwake(task: () => void): void;
  arrived(queue: ScriptedQueue, tag: number, command: SeenCommand): void;
  ended(queue: ScriptedQueue): void;
}

export class ScriptedQueue implements ControllerEvents {
  readonly #owner: QueueOwner;
  readonly #link: ControllerLink;
  readonly #unanswered = new Map<number, SeenCommand>();
  /** Buffers for data that the host has been asked for. */
  readonly #fetching = new Map<number, Uint8Array>();
  readonly #timers = new Set<Timer>();
  #phase: "open" | "ended" = "open";
  /** Which queue it is, and of whom, once Connect has said so. */
  qid = 0;
  association: ScriptedAssociation | undefined;

  constructor(owner: QueueOwner, link: ControllerLink) {
    this.#owner = owner;
    this.#link = link;
  }

  /** Commands that were not answered, by the slot they stand in; oldest first. */
  get unanswered(): ReadonlyMap<number, SeenCommand> {
    return this.#unanswered;
  }

  /** Connect was accepted: takes `entries` commands from now on. */
  configure(entries: number, flowControl: boolean, inCapsuleBytes: number): void {
    this.#link.configure(entries, flowControl, inCapsuleBytes);
  }

  /** Completes a command, unless that was done before or the queue is gone. */
  answer(tag: number, { status = 0, dw0 = 0, dw1 = 0, data }: Answer): void {
    if (!this.#unanswered.delete(tag)) return;
    this.#link.respond(tag, status, dw0, dw1, status === 0 ? data : undefined);
  }

  /** Runs `task` in `ms`, if the queue is still there. */
  later(ms: number, task: () => void): void {
    const { clock } = this.#owner;
    const timer = clock.at(clock.nowMs() + ms, () => {
      this.#timers.delete(timer);
      task();
    });
    this.#timers.add(timer);
  }

  /** Ends the queue from this side. */
  kill(how: CloseHow): void {
    if (this.#phase === "ended") return;
    this.#link.close(how);
    this.#end();
  }

  opened(): void {}

  command(tag: number): void {
    const sqe = this.#link.sqe(tag);
    const opcode = Sqe.opc.get(sqe);
    const code = opcode === AdminOpcode.Fabrics ? sqe.getUint8(4) : opcode;
    const bytes = this.#link.transferBytes(tag);
    const data = this.#link.capsuleData(tag)?.slice() ?? new Uint8Array(0);
    const owed = directionOf(code) === DataDirection.ToController && data.length < bytes;
    if (!owed) {
      this.#arrived(tag, data);
      return;
    }
    const buffer = new Uint8Array(bytes);
    this.#fetching.set(tag, buffer);
    this.#owner.whenAwake(() => this.#link.fetch(tag, buffer));
  }

  fetched(tag: number, status: number): void {
    const data = this.#fetching.get(tag)!;
    this.#fetching.delete(tag);
    if (status === 0) this.#arrived(tag, data);
    else this.#link.respond(tag, status, 0, 0);
  }

  lost(): void {
    this.#end();
  }

  #arrived(tag: number, data: Uint8Array): void {
    const bytes = new Uint8Array(Sqe.size);
    const view = this.#link.sqe(tag);
    for (let at = 0; at < Sqe.size; at++) bytes[at] = view.getUint8(at);
    const sqe = new DataView(bytes.buffer);
    const command: SeenCommand = {
      step: stepOf(this.qid, sqe),
      cntlid: this.association?.cntlid,
      qid: this.qid,
      cid: Sqe.cid.get(sqe),
      sqe,
      transferBytes: this.#link.transferBytes(tag),
      data,
      atMs: this.#owner.clock.nowMs(),
    };
    this.#unanswered.set(tag, command);
    this.#owner.arrived(this, tag, command);
  }

  #end(): void {
    this.#phase = "ended";
    this.#unanswered.clear();
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
    this.#owner.ended(this);
  }
}

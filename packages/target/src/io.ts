// An I/O queue: from a command in a slot to a request of a block device and back to a completion.
// Read first: io-command.ts; NVM Command Set 1.0 §3 "I/O Commands"; Base 2.0 §6.4 "Disconnect". Per
// Read and Write nothing is made: no promise, no closure, no entry in a map.

import { BlockOp } from "@nvmeof/bdev";
import {
  DisconnectCommand,
  Fctype,
  NvmOpcode,
  type NvmeofError,
  OPC_FABRICS,
  Sct,
  SglId,
  Sqe,
  Status,
  codeOf,
  sctOf,
} from "@nvmeof/codec";
import { CopyCommand } from "@nvmeof/codec/management";
import { anaRefusal } from "./ana.ts";
import { type AuthRole, isAuthCommand } from "./auth/auth-role.ts";
import type { Loan } from "./buffer-pool.ts";
import type { Controller, IoService } from "./controller.ts";
import { statusOfDevice } from "./device-status.ts";
import { final } from "./errors.ts";
import { Deadline, GateMode } from "./gate.ts";
import { guardRefusal } from "./guard.ts";
import { IoCommand, IoPhase, NOTHING_TO_DO } from "./io-command.ts";
import { changeReservations, copyPlanOf, reservationReport } from "./io-rare.ts";
import type { Incarnation } from "./incarnation.ts";
import type { Namespace } from "./namespace.ts";
import type { Queue, QueueRole } from "./queue.ts";
import { Seat } from "./seat.ts";

const sequenceError = final(Status.CommandSequenceError);
const invalidField = final(Status.InvalidField);
const invalidOpcode = final(Status.InvalidOpcode);
const invalidNamespace = final(Status.InvalidNamespace);

/** FUSE, in the SQE's second byte. */
const FUSE_MASK = 3;

/** Where an I/O queue stands. */
type IoState =
  | { readonly phase: "serving" }
  /** Disconnect came in slot `tag`: what was there before is finished first. */
  | { readonly phase: "disconnecting"; readonly tag: number }
  | { readonly phase: "ended" };

const SERVING: IoState = { phase: "serving" };
const ENDED: IoState = { phase: "ended" };

/** Serves an I/O queue. */
export class IoRole implements QueueRole, IoService {
  inflight = 0;
  readonly #queue: Queue;
  readonly #controller: Controller;
  /** The time that the controller is ready now: what devices are given is counted there. */
  readonly #incarnation: Incarnation;
  readonly #qid: number;
  readonly #transferBytesMax: number;
  readonly #commands: IoCommand[] = [];
  /** Namespaces in use, by NSID. */
  readonly #seats: (Seat | undefined)[] = [];
  /** Slots of commands that wait for a buffer or for room, oldest first; later ones stand behind. */
  #waiting: number[] = [];
  #wake: "none" | "asked" = "none";
  #state: IoState = SERVING;
  readonly #lingerDeadline: Deadline;

  constructor(queue: Queue, controller: Controller, qid: number, queueDepth: number) {
    const { clock, gate, limits } = queue.context;
    this.#queue = queue;
    this.#controller = controller;
    this.#incarnation = controller.incarnation!;
    this.#qid = qid;
    this.#transferBytesMax = limits.transferBytesMax;
    const settled = (command: IoCommand, error: NvmeofError | undefined): void =>
      this.#settled(command, error);
    for (let tag = 0; tag < queueDepth; tag++) this.#commands.push(new IoCommand(tag, settled));
    this.#lingerDeadline = new Deadline(clock, gate, () => queue.end("orderly", "disconnected"));
  }

  command(tag: number): void {
    const command = this.#commands[tag]!;
    this.inflight++;
    this.#controller.commandsSeen++;
    if (this.#waiting.length > 0) {
      command.phase = IoPhase.NoBuffer;
      this.#waiting.push(tag);
    } else if (!this.#begin(command)) {
      this.#wait(command);
    }
  }

  fetched(tag: number, status: number): void {
    const command = this.#commands[tag]!;
    if (status !== 0) {
      this.#finish(command, status);
      return;
    }
    if (!this.#arrived(command)) this.#wait(command);
  }

  leave(namespace: Namespace, status: number): void {
    const seat = this.#seats[namespace.nsid];
    if (seat?.namespace === namespace) seat.close(status);
  }

  abort(cid: number): boolean {
    const { link } = this.#queue;
    const at = this.#waiting.findIndex((tag) => Sqe.cid.get(link.sqe(tag)) === cid);
    if (at === -1) return false;
    const command = this.#commands[this.#waiting[at]!]!;
    this.#waiting.splice(at, 1);
    this.#finish(command, final(Status.AbortRequested));
    return true;
  }

  ended(): void {
    this.#state = ENDED;
    this.#lingerDeadline.clear();
    this.#waiting = [];
    this.inflight = 0;
    for (const command of this.#commands) {
      // What its device has is kept until that settles: the device may still write to it.
      if (command.phase !== IoPhase.Backend) this.#release(command.clear());
    }
    for (const seat of Array.from(this.#seats)) seat?.close(Status.SqDeleted);
    this.#seats.length = 0;
    this.#controller.detach(this.#qid);
  }

  /** Returns false when the command has to wait. */
  #begin(command: IoCommand): boolean {
    const { link, context } = this.#queue;
    const { tag } = command;
    const sqe = link.sqe(tag);
    const opcode = Sqe.opc.get(sqe);
    if (opcode === OPC_FABRICS) {
      this.#fabrics(command, sqe);
      return true;
    }
    const transferBytes = link.transferBytes(tag);
    const refusal =
      this.#admit(command, sqe) ||
      command.prepare(sqe, opcode, transferBytes, this.#transferBytesMax);
    if (refusal !== 0) {
      this.#finish(command, refusal === NOTHING_TO_DO ? 0 : refusal);
      return true;
    }
    command.fua ||= !this.#controller.features.writeCache;
    if (command.dataBytes === 0) return this.#submit(command);
    if (command.toController && Sqe.sglId.get(sqe) === SglId.InCapsule) {
      if (this.#wroteAtOnce(command)) return true;
      command.data = link.capsuleData(tag);
      return this.#arrived(command);
    }
    if (command.readsAtHand && this.#readAtOnce(command)) return true;
    const loan = context.pool.take(command.dataBytes, this.#queue.account);
    if (loan === undefined) {
      command.phase = IoPhase.NoBuffer;
      return false;
    }
    command.loan = loan;
    command.data = loan.first(command.dataBytes);
    if (!command.toController) return this.#submit(command);
    command.phase = IoPhase.Fetching;
    link.fetch(tag, command.data);
    return true;
  }

  /** What holds for every command, whatever it does. Takes its seat. */
  #admit(command: IoCommand, sqe: DataView): number {
    const controller = this.#controller;
    if (this.#state.phase !== "serving") return Status.SqDeleted;
    if (!controller.isReady) return sequenceError;
    if ((sqe.getUint8(1) & FUSE_MASK) !== 0) return invalidField;
    const nsid = Sqe.nsid.get(sqe);
    const seat = nsid < this.#seats.length ? this.#seats[nsid] : undefined;
    command.seat = seat ?? this.#sit(nsid);
    if (command.seat === undefined) return invalidNamespace;
    const { anaGroup, guard } = command.seat.namespace;
    const refusal = anaRefusal(controller.ana.states[anaGroup]!);
    return refusal !== 0 || guard === 0 ? refusal : guardRefusal(command.seat, Sqe.opc.get(sqe));
  }

  /** The first command to a namespace. */
  #sit(nsid: number): Seat | undefined {
    const { byNsid } = this.#controller.subsystem;
    const namespace = nsid < byNsid.length ? byNsid[nsid] : undefined;
    if (namespace === undefined || !this.#controller.sees(namespace)) return undefined;
    const seat = new Seat(namespace, this.#controller.host, this.#left);
    while (this.#seats.length <= nsid) this.#seats.push(undefined);
    this.#seats[nsid] = seat;
    return seat;
  }

  readonly #left = (seat: Seat): void => {
    const { nsid } = seat.namespace;
    if (this.#seats[nsid] === seat) this.#seats[nsid] = undefined;
  };

  /** Data goes from the device's memory to where it is sent from, and nobody waits for anything. */
  #readAtOnce(command: IoCommand): boolean {
    const { link, context } = this.#queue;
    if (link.respondFrom === undefined || context.gate.mode !== GateMode.Open) return false;
    const { dataBytes, tag, seat } = command;
    if (!link.respondFrom(tag, dataBytes, command)) return false;
    this.#readDone(seat!, dataBytes);
    this.#over(command);
    return true;
  }

  /** Data goes from where it was received to the device's memory. */
  #wroteAtOnce(command: IoCommand): boolean {
    const { link } = this.#queue;
    const { tag } = command;
    const received = link.arrivedIn?.(tag);
    if (received === undefined) return false;
    if (!command.writeAtHand(received, link.arrivedAt!(tag))) return false;
    this.#finish(command, 0);
    return true;
  }

  /** The command's data is there. Returns false when the command has to wait. */
  #arrived(command: IoCommand): boolean {
    const result = command.dataArrived();
    if (result === 0) return this.#submit(command);
    this.#finish(command, result === NOTHING_TO_DO ? 0 : result);
    return true;
  }

  /** Gives the command to its device. Returns false when that has enough to do. */
  #submit(command: IoCommand): boolean {
    const seat = command.seat!;
    const { channel, namespace } = seat;
    // It may have waited, and the world has changed meanwhile.
    const refusal = seat.closedWith || (namespace.guard === 0 ? 0 : this.#guardRefusal(command));
    if (refusal !== 0) {
      this.#finish(command, refusal);
      return true;
    }
    if (command.rare !== 0) return this.#rare(command, seat);
    if (channel.inflight >= namespace.device.limits.inflightMax) {
      command.phase = IoPhase.NoRoom;
      return false;
    }
    this.#submitNext(command, seat);
    return true;
  }

  #guardRefusal({ seat, tag }: IoCommand): number {
    return guardRefusal(seat!, Sqe.opc.get(this.#queue.link.sqe(tag)));
  }

  /** A command of io-rare.ts. Returns false when it has to wait. */
  #rare(command: IoCommand, seat: Seat): boolean {
    const { tag, rare } = command;
    const { link } = this.#queue;
    const sqe = link.sqe(tag);
    if (rare === NvmOpcode.Copy) return this.#copy(command, seat, sqe);
    if (rare === NvmOpcode.ReservationReport) {
      const { namespace } = seat;
      this.#finishWith(
        command,
        reservationReport(this.#controller, namespace, link.transferBytes(tag)),
      );
      return true;
    }
    command.phase = IoPhase.Waiting;
    changeReservations(this.#controller, seat.namespace, sqe, command.data!, (status) => {
      // The queue may have ended meanwhile.
      if (command.phase === IoPhase.Waiting) this.#finish(command, status);
    });
    return true;
  }

  #copy(command: IoCommand, seat: Seat, sqe: DataView): boolean {
    const { context, account } = this.#queue;
    if (command.plan === undefined) {
      const fua = CopyCommand.fua.get(sqe) === 1 || !this.#controller.features.writeCache;
      const bytesMax = this.#transferBytesMax;
      const plan = copyPlanOf(sqe, command.data!, seat.namespace, fua, bytesMax);
      if (typeof plan === "number") {
        this.#finish(command, plan);
        return true;
      }
      command.plan = plan;
      // The ranges are read; their place is worth more to others.
      this.#release(command.loan);
      command.loan = undefined;
    }
    const loan = context.pool.take(command.plan.bufferBytes, account);
    if (loan === undefined) {
      command.phase = IoPhase.NoCopyBuffer;
      return false;
    }
    command.loan = loan;
    command.plan.begin(loan.first(command.plan.bufferBytes));
    command.rare = 0;
    return this.#submit(command);
  }

  #submitNext(command: IoCommand, seat: Seat): void {
    command.phase = IoPhase.Backend;
    command.fillRequest();
    const { usage } = this.#queue.context;
    usage.backendRequests++;
    seat.submitted();
    this.#incarnation.submitted();
    try {
      seat.channel.submit(command.request, command.settle);
    } catch {
      // A device must not throw, but one that does fails its own request only.
      this.#backendDone(seat, undefined);
      this.#finish(command, Status.InternalError);
    }
  }

  #settled(command: IoCommand, error: NvmeofError | undefined): void {
    // A device that settles twice is not listened to again.
    if (command.phase !== IoPhase.Backend) return;
    const seat = command.seat!;
    this.#backendDone(seat, error);
    if (this.#state.phase === "ended") this.#release(command.clear());
    // What was not begun because its seat was closed ends as that says.
    else if (error?.outcome === "not-sent" && seat.closedWith !== 0) {
      this.#finish(command, seat.closedWith);
    } else if (error !== undefined) this.#finish(command, statusOfDevice(error, this.#controller));
    else if (!command.advance()) this.#finish(command, 0);
    else if (seat.closedWith !== 0) this.#finish(command, seat.closedWith);
    else this.#submitNext(command, seat);
  }

  #backendDone(seat: Seat, error: NvmeofError | undefined): void {
    const { context } = this.#queue;
    context.usage.backendRequests--;
    seat.settled();
    this.#incarnation.settled(error?.outcome === "unknown");
    if (context.usage.backendRequests === 0) context.backendIdle?.();
  }

  /** The one place where a command of this queue ends while the queue is there. */
  #finish(command: IoCommand, status: number): void {
    const { op, dataBytes, tag, seat } = command;
    const loan = command.clear();
    this.inflight--;
    if (status !== 0) {
      this.#release(loan);
      this.#failed(command, status);
      this.#queue.answer(tag, status);
    } else if (op === BlockOp.Read && loan !== undefined) {
      this.#readDone(seat!, dataBytes);
      this.#queue.answerLoan(tag, loan, dataBytes);
    } else {
      if (op === BlockOp.Write && seat !== undefined) {
        seat.namespace.counters.writeCommands++;
        seat.namespace.counters.writtenBytes += dataBytes;
      }
      this.#release(loan);
      this.#queue.answer(tag, 0);
    }
    this.#afterOne();
  }

  /** The other place where one ends: with data that is nobody's any more. */
  #finishWith(command: IoCommand, data: Uint8Array): void {
    this.#queue.answerBytes(command.tag, data);
    this.#over(command);
  }

  /** It is answered. */
  #over(command: IoCommand): void {
    this.#release(command.clear());
    this.inflight--;
    this.#afterOne();
  }

  #readDone(seat: Seat, dataBytes: number): void {
    const { counters } = seat.namespace;
    counters.readCommands++;
    counters.readBytes += dataBytes;
  }

  #afterOne(): void {
    if (this.#state.phase === "disconnecting") this.#disconnectWhenDone();
    if (this.#waiting.length > 0 && this.#wake === "none") this.#resume();
  }

  #failed(command: IoCommand, status: number): void {
    const { context, link, port } = this.#queue;
    const { seat } = command;
    context.counting.refused(link, command.tag, status);
    this.#controller.errors.note(this.#qid, link.sqe(command.tag), status, port.trtype);
    const isMedia = sctOf(status) === Sct.Media && codeOf(status) !== Status.CompareFailure;
    if (isMedia && seat !== undefined) seat.namespace.counters.mediaErrors++;
  }

  #release(loan: Loan | undefined): void {
    if (loan !== undefined) this.#queue.context.pool.giveBack(loan);
  }

  #wait(command: IoCommand): void {
    this.#waiting.push(command.tag);
    this.#askToWake(command);
  }

  /** Who waits for room is woken by a command that settles, so only buffers are asked for. */
  #askToWake(command: IoCommand): void {
    if (command.phase === IoPhase.NoRoom || this.#wake === "asked") return;
    this.#wake = "asked";
    this.#queue.context.pool.whenFreed(() => {
      this.#wake = "none";
      this.#resume();
    });
  }

  #resume(): void {
    while (this.#waiting.length > 0) {
      const command = this.#commands[this.#waiting[0]!]!;
      // Taken out first: what ends at once looks for those who wait.
      this.#waiting.shift();
      const waits =
        command.phase === IoPhase.NoBuffer ? !this.#begin(command) : !this.#submit(command);
      if (!waits) continue;
      this.#waiting.unshift(command.tag);
      this.#askToWake(command);
      return;
    }
  }

  /** The host proves again who it is: what sees to that serves the queue until it is done. */
  #authenticate(command: IoCommand, auth: AuthRole): void {
    command.clear();
    this.inflight--;
    auth.begin(command.tag);
  }

  #fabrics(command: IoCommand, sqe: DataView): void {
    const fctype = sqe.getUint8(4);
    const { auth } = this.#queue;
    if (auth !== undefined && isAuthCommand(sqe)) this.#authenticate(command, auth);
    else if (fctype === Fctype.Connect) this.#finish(command, sequenceError);
    else if (fctype !== Fctype.Disconnect) this.#finish(command, invalidOpcode);
    else if (this.#state.phase !== "serving") this.#finish(command, Status.SqDeleted);
    else if (DisconnectCommand.recfmt.get(sqe) !== 0) {
      this.#finish(command, final(Status.ConnectIncompatibleFormat));
    } else {
      this.#state = { phase: "disconnecting", tag: command.tag };
      this.#disconnectWhenDone();
    }
  }

  /** Disconnect is answered last; the host then closes, or we do. */
  #disconnectWhenDone(): void {
    if (this.#state.phase !== "disconnecting" || this.inflight !== 1) return;
    const { tag } = this.#state;
    this.inflight = 0;
    this.#queue.answer(tag, 0);
    this.#lingerDeadline.set(this.#queue.context.limits.lingerMs);
  }
}

// Both ends of queues under test: a host that counts what settles, a controller that keeps a store.
// Read first: transport.ts, the suite that uses them.

import {
  Cqe,
  DataDirection,
  type NvmeofError,
  Sqe,
  cqeStatus,
  encode,
  viewOf,
} from "@nvmeof/codec";
import type {
  CloseHow,
  ControllerEvents,
  ControllerLink,
  QueueEvents,
  QueueLink,
  Transport,
} from "../queue-link.ts";
import { Bench } from "./bench.ts";
import { type Pace, mustEqual } from "./case.ts";

/** What the suite asks of an implementation, anew for each case. */
export interface TransportWorld extends Pace {
  readonly transport: Transport;
  /** Takes the queues that `transport` opens, from now on. Before that, nobody is there. */
  serve(accept: (link: ControllerLink) => ControllerEvents): void;
  /** Called after every event, for a world that waits for them. */
  happened?(): void;
}

/** A command as a controller of the suite sees it. */
export interface SeenCommand {
  readonly tag: number;
  readonly cid: number;
  readonly opc: number;
  readonly bytes: number;
}

/** Counts calls into a link under way: no event may come inside one. */
abstract class Side {
  readonly events: string[] = [];
  error: NvmeofError | undefined;
  protected readonly bench: QueueBench;
  #calls = 0;
  #left = false;

  constructor(bench: QueueBench) {
    this.bench = bench;
  }

  get isOpen(): boolean {
    return this.events.includes("opened");
  }

  get isLost(): boolean {
    return this.events.includes("lost");
  }

  /** Whether the event is good to act upon. */
  protected event(name: string): void {
    this.expect(this.#calls === 0, `${name} inside a call to the link`);
    this.expect(!this.isLost, `${name} after lost`);
    this.expect(!this.#left, `${name} after this end closed`);
    this.expect(name !== "opened" || !this.isOpen, "opened twice");
    this.expect(name === "opened" || name === "lost" || this.isOpen, `${name} before opened`);
    this.events.push(name);
    this.bench.world.happened?.();
  }

  /** Not thrown: it would be thrown at the implementation. */
  protected expect(condition: boolean, what: string): void {
    if (!condition) this.bench.faults.push(what);
  }

  protected inside(call: () => void): void {
    this.#calls++;
    call();
    this.#calls--;
  }

  protected leaving(call: () => void): void {
    this.#left = true;
    this.inside(call);
  }
}

/** The host's end of a queue: settles are counted per CID. */
export class Host extends Side implements QueueEvents {
  link!: QueueLink;
  /** Completions, oldest first, as [CID, status]. */
  readonly completions: [cid: number, status: number][] = [];
  readonly dw0s: number[] = [];
  onOpened: (() => void) | undefined;
  onCompleted: ((cid: number) => void) | undefined;
  readonly #inFlight = new Set<number>();

  get inFlight(): number {
    return this.#inFlight.size;
  }

  open(transport: Transport, qid: number, slots: number, inCapsuleBytes: number): void {
    this.inside(() => {
      this.link = transport.openQueue({ qid, slots, inCapsuleBytes, timeoutMs: 5_000 }, this);
    });
  }

  submit(cid: number, opc: number, data?: Uint8Array, fields = {}): void {
    const sqe = new Uint8Array(Sqe.size);
    encode(Sqe, viewOf(sqe), 0, { opc, nsid: 1, ...fields });
    const direction = data === undefined ? DataDirection.None : ((opc & 3) as DataDirection);
    this.#inFlight.add(cid);
    this.inside(() => this.link.submit(cid, sqe, direction, data));
    sqe.fill(0xdd); // it was copied
  }

  detach(cid: number): void {
    this.inside(() => this.link.detach(cid));
  }

  close(how: CloseHow): void {
    this.leaving(() => this.link.close(how));
  }

  opened(): void {
    this.event("opened");
    this.onOpened?.();
  }

  completed(cid: number, view: DataView, base: number): void {
    this.expect(this.#inFlight.delete(cid), `a completion for CID ${cid}, which is idle`);
    this.expect(Cqe.cid.get(view, base) === cid, "a completion names another CID in its entry");
    this.completions.push([cid, cqeStatus.get(view, base)]);
    this.dw0s.push(Cqe.dw0.get(view, base));
    this.event("completed");
    this.onCompleted?.(cid);
  }

  lost(error: NvmeofError): void {
    this.error = error;
    this.event("lost");
  }
}

/**
 * The controller's end of a queue: opcode 1 writes the store from its beginning, opcode 2 reads it,
 * any other succeeds with DW0 and DW1 of the command's CDW10 and CDW11.
 */
export class Controller extends Side implements ControllerEvents {
  readonly link: ControllerLink;
  readonly store = new Uint8Array(2 * 1024 * 1024);
  /** Instead of `answer`: for a case that answers by itself. */
  onCommand: ((command: SeenCommand) => void) | undefined;
  /** Buffers lent to the link and not given back. */
  lent = 0;

  constructor(bench: QueueBench, link: ControllerLink) {
    super(bench);
    this.link = link;
  }

  /** As the opcode wants it. */
  answer({ tag, opc, bytes }: SeenCommand): void {
    if (opc === 2) {
      this.respond(tag, 0, this.store.slice(0, bytes));
    } else if (opc !== 1) {
      this.respond(tag, 0);
    } else {
      const inCapsule = this.link.capsuleData(tag);
      if (inCapsule === undefined && bytes > 0) {
        this.inside(() => this.link.fetch(tag, this.store.subarray(0, bytes)));
        return;
      }
      if (inCapsule !== undefined) this.store.set(inCapsule);
      this.respond(tag, 0);
    }
  }

  respond(tag: number, status: number, data?: Uint8Array): void {
    const sqe = this.link.sqe(tag);
    const [dw0, dw1] = data === undefined ? [Sqe.cdw10.get(sqe), Sqe.cdw11.get(sqe)] : [0, 0];
    if (data !== undefined) this.lent++;
    const release = (back: Uint8Array): void => {
      this.lent--;
      this.expect(back === data, "another buffer was given back than was lent");
      back.fill(0xdd); // it is ours again
      this.bench.world.happened?.();
    };
    this.inside(() => this.link.respond(tag, status, dw0, dw1, data, release));
  }

  close(how: CloseHow): void {
    this.leaving(() => this.link.close(how));
  }

  opened(): void {
    this.inside(() => this.link.configure(this.bench.slots, true, this.bench.inCapsuleBytes));
    this.event("opened");
  }

  command(tag: number): void {
    const sqe = this.link.sqe(tag);
    const bytes = this.link.transferBytes(tag);
    const command = { tag, cid: Sqe.cid.get(sqe), opc: Sqe.opc.get(sqe), bytes };
    this.event("command");
    if (this.onCommand === undefined) this.answer(command);
    else this.onCommand(command);
  }

  fetched(tag: number, status: number): void {
    this.event("fetched");
    this.respond(tag, status);
  }

  lost(error: NvmeofError): void {
    this.error = error;
    this.event("lost");
  }
}

/** One case's world, and what went wrong inside events. */
export class QueueBench extends Bench<TransportWorld> {
  readonly slots = 16;
  readonly inCapsuleBytes = 8192;
  readonly controllers: Controller[] = [];
  readonly #hosts: Host[] = [];

  serve(): void {
    this.world.serve((link) => {
      const controller = new Controller(this, link);
      this.controllers.push(controller);
      return controller;
    });
  }

  open(qid = 1): Host {
    const host = new Host(this);
    this.#hosts.push(host);
    host.open(this.world.transport, qid, this.slots, this.inCapsuleBytes);
    return host;
  }

  /** A queue with both its ends, open. */
  async pair(qid = 1): Promise<[host: Host, controller: Controller]> {
    if (this.controllers.length === 0) this.serve();
    const at = this.controllers.length;
    const host = this.open(qid);
    await this.until(() => host.isOpen && this.controllers[at]?.isOpen === true);
    return [host, this.controllers[at]!];
  }

  /** Until all that the host has submitted is settled: each once, by the check of the host. */
  async settled(host: Host, completions: number): Promise<void> {
    await this.until(() => host.inFlight === 0 || host.isLost);
    mustEqual(host.error?.code, undefined, "the queue was lost");
    mustEqual(host.completions.length, completions, "completions");
  }

  protected leave(): void {
    for (const end of [...this.#hosts, ...this.controllers]) end.close("reset");
  }
}

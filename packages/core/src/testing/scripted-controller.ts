// A controller that does what a test tells it: small and honest where it is not told otherwise.
// It stands behind a port in this process, speaks NVMe/TCP like any other, and lives by its clock.

import { AsyncEvent, AsyncEventBit, type Decoded, encodeDword } from "@nvmeof/codec";
import {
  type ByteStreamHandler,
  type Clock,
  type CloseHow,
  MemoryPort,
  type Transport,
  acceptQueue,
  hostTransport,
} from "@nvmeof/transport";
import type { ControllerOptions } from "../options.ts";
import type { ScriptedAssociation, ScriptedFacts } from "./association.ts";
import type { Answer, ScriptedStep, SeenCommand } from "./command.ts";
import { type QueueOwner, ScriptedQueue } from "./scripted-queue.ts";
import { type Subsystem, usual } from "./usual.ts";

/** What a scripted controller is made of; it has a sensible value for what is not given. */
export interface ScriptedOptions extends Partial<ScriptedFacts> {
  readonly clock: Clock;
  /** Name of the port. Default "scripted". */
  readonly name?: string;
}

/** Makes the answer to a command; `undefined` leaves it unanswered. `usual` makes the honest one. */
export type Reply = (command: SeenCommand, usual: () => Answer | undefined) => Answer | undefined;

/** What is done about a command of some step. */
interface Rule {
  readonly act: (queue: ScriptedQueue, tag: number, command: SeenCommand) => void;
  times: number;
}

const SUBSYSTEM_NQN = "nqn.2024-01.org.example:scripted";
const HOST_ID = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
const IN_CAPSULE_BYTES = 8192;

/** Takes what arrives and says nothing: a connection to somebody who is frozen. */
const silent: ByteStreamHandler = {
  opened: () => {},
  received: () => {},
  drained: () => {},
  ended: () => {},
};

/** A controller in this process: honest, but for what a test tells it to do. */
export class ScriptedController {
  readonly clock: Clock;
  /** Every command that arrived, in this order. */
  readonly seen: SeenCommand[] = [];
  /** Where hosts connect to. */
  readonly port: MemoryPort;
  /** What the controller says of itself, from the next association on. */
  facts: ScriptedFacts;
  readonly #name: string;
  readonly #queues = new Set<ScriptedQueue>();
  readonly #associations = new Map<number, ScriptedAssociation>();
  readonly #rules = new Map<ScriptedStep, Rule>();
  #frozen: (() => void)[] | undefined;
  #cntlid = 0;
  #connections = 0;

  constructor(options: ScriptedOptions) {
    const { clock, name = "scripted", ...facts } = options;
    this.clock = clock;
    this.#name = name;
    this.facts = {
      subsystemNqn: SUBSYSTEM_NQN,
      version: 0x2_0000,
      ioQueues: 4,
      ...facts,
      cap: { mqes: 128, to: 10, ncss: 1, ...facts.cap },
      identify: {
        acl: 4,
        aerl: 1,
        crdt1: 1,
        kas: 1,
        maxcmd: 128,
        mdts: 8,
        oaes: AsyncEventBit.NamespaceAttribute | AsyncEventBit.AnaChange,
        ioccsz: (64 + IN_CAPSULE_BYTES) / 16,
        ...facts.identify,
      },
    };
    this.port = new MemoryPort(name, { clock });
    this.acceptConnections();
  }

  /** A host's way to this controller. */
  transport(): Transport {
    return hostTransport({
      address: { trtype: "loop", traddr: this.#name, trsvcid: "" },
      connector: this.port,
      clock: this.clock,
      receiveBytes: 64 * 1024,
    });
  }

  /** Options with which a host gets in. */
  hostOptions(): ControllerOptions {
    return {
      transport: this.transport(),
      subsystemNqn: this.facts.subsystemNqn,
      hostNqn: `nqn.2014-08.org.nvmexpress:uuid:${HOST_ID}`,
      hostId: HOST_ID,
    };
  }

  /** Connections that are open. */
  get queueCount(): number {
    return this.#queues.size;
  }

  /** Connections that were ever accepted. */
  get connectionCount(): number {
    return this.#connections;
  }

  /** Steps of the commands that arrived, in this order. */
  get steps(): ScriptedStep[] {
    return this.seen.map(({ step }) => step);
  }

  /** Commands of a step that arrived. */
  seenOf(step: ScriptedStep): SeenCommand[] {
    return this.seen.filter((command) => command.step === step);
  }

  /** Answers the commands of a step with what `reply` makes. */
  on(step: ScriptedStep, reply: Reply, times = Infinity): void {
    this.#rule(step, times, (queue, tag, command) => {
      const answer = reply(command, () => this.#usual(queue, command));
      if (answer !== undefined) queue.answer(tag, answer);
    });
  }

  /** Leaves the commands of a step unanswered. */
  drop(step: ScriptedStep, times = Infinity): void {
    this.on(step, () => undefined, times);
  }

  /** Completes the commands of a step with an error status. */
  refuse(step: ScriptedStep, status: number, dw0 = 0, times = Infinity): void {
    this.on(step, () => ({ status, dw0 }), times);
  }

  /** Answers the commands of a step as usual, but `ms` late. */
  delay(step: ScriptedStep, ms: number, times = Infinity): void {
    this.#rule(step, times, (queue, tag, command) =>
      queue.later(ms, () => this.#whenAwake(() => this.#answerAsUsual(queue, tag, command))),
    );
  }

  /** Drops the connection on which a command of a step arrives. */
  killOn(step: ScriptedStep, times = Infinity): void {
    this.#rule(step, times, (queue) => queue.kill("reset"));
  }

  /** Answers the commands of a step as usual from now on. */
  usual(step: ScriptedStep): void {
    this.#rules.delete(step);
  }

  /** Answers, now, a command that was left unanswered. */
  answer({ qid, cid, cntlid }: SeenCommand, answer: Answer): void {
    for (const queue of this.#queues) {
      if (queue.qid !== qid || queue.association?.cntlid !== cntlid) continue;
      for (const [tag, command] of queue.unanswered) {
        if (command.cid === cid) queue.answer(tag, answer);
      }
    }
  }

  /** Reports an asynchronous event; says whether a host had asked for one. */
  event(event: Partial<Decoded<typeof AsyncEvent>>): boolean {
    for (const queue of this.#queues) {
      for (const [tag, { step }] of queue.unanswered) {
        if (step !== "async-event") continue;
        queue.answer(tag, { dw0: encodeDword(AsyncEvent, event) });
        return true;
      }
    }
    return false;
  }

  /** From now on nothing is answered, not even a new connection; what exists stays connected. */
  freeze(): void {
    this.#frozen ??= [];
  }

  /** Goes on as if nothing had been, with what has arrived meanwhile. */
  thaw(): void {
    const held = this.#frozen ?? [];
    this.#frozen = undefined;
    for (const task of held) task();
  }

  /** Drops the connections of queue `qid`; of all queues without one. */
  kill(qid?: number, how: CloseHow = "reset"): void {
    const killed = [...this.#queues].filter((queue) => qid === undefined || queue.qid === qid);
    for (const queue of killed) queue.kill(how);
  }

  /** Connecting fails, as to a port where nobody listens; connections that exist go on. */
  refuseConnections(): void {
    this.port.close();
  }

  /** Takes connections again. */
  acceptConnections(): void {
    this.port.listen((stream) => {
      this.#connections++;
      if (this.#frozen !== undefined) return silent;
      return acceptQueue({ clock: this.clock }, stream, (link) => {
        const queue = new ScriptedQueue(this.#owner, link);
        this.#queues.add(queue);
        return queue;
      });
    });
  }

  get #owner(): QueueOwner {
    return {
      clock: this.clock,
      whenAwake: (task) => this.#whenAwake(task),
      arrived: (queue, tag, command) => this.#arrived(queue, tag, command),
      ended: (queue) => {
        this.#queues.delete(queue);
        queue.association?.queueEnded(queue.qid);
      },
    };
  }

  #rule(step: ScriptedStep, times: number, act: Rule["act"]): void {
    this.#rules.set(step, { act, times });
  }

  #arrived(queue: ScriptedQueue, tag: number, command: SeenCommand): void {
    this.seen.push(command);
    this.#whenAwake(() => this.#act(queue, tag, command));
  }

  #whenAwake(task: () => void): void {
    if (this.#frozen === undefined) task();
    else this.#frozen.push(task);
  }

  #act(queue: ScriptedQueue, tag: number, command: SeenCommand): void {
    const rule = this.#rules.get(command.step);
    if (rule === undefined || rule.times <= 0) {
      this.#answerAsUsual(queue, tag, command);
      return;
    }
    rule.times--;
    rule.act(queue, tag, command);
  }

  #answerAsUsual(queue: ScriptedQueue, tag: number, command: SeenCommand): void {
    const answer = this.#usual(queue, command);
    if (answer !== undefined) queue.answer(tag, answer);
  }

  #usual(queue: ScriptedQueue, command: SeenCommand): Answer | undefined {
    return usual[command.step](this.#subsystem, queue, command);
  }

  get #subsystem(): Subsystem {
    return {
      facts: this.facts,
      queues: this.#queues,
      associations: this.#associations,
      newCntlid: () => ++this.#cntlid,
    };
  }
}

// One production controller under the walk, its silent peer, and a record of all that it was asked.
// Read first: controller.ts in @nvmeof/core; peer.ts; watch.ts for what is held against it.

import { DataDirection, Fid, NvmOpcode, type NvmeofError } from "@nvmeof/codec";
import {
  type CommandSettle,
  Controller,
  type ControllerEvent,
  type State,
  getFeatureCommand,
} from "@nvmeof/core";
import type { CountingTable } from "./coverage.ts";
import { WalkFence } from "./fence.ts";
import { SUBSYSTEM_NQN, WalkPeer } from "./peer.ts";
import type { Profile } from "./profile.ts";
import { WalkClock } from "./walk-clock.ts";
import { Watch } from "./watch.ts";

/** What users ask of a controller; `lost` is a monitor that has found it gone. */
export const requests = ["close", "reset", "disable", "enable", "lost"] as const;
export type Request = (typeof requests)[number];

const HOST_ID = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
/** Jitter is off, so this is only asked, never heard. */
const random = { next32: (): number => 0x8000_0000 };

/** Something that calls back into whoever uses the controller. */
export type Callback = "news" | "completion" | "answer";

export class Subject {
  readonly clock = new WalkClock();
  readonly peer: WalkPeer;
  readonly fence: WalkFence;
  readonly controller: Controller;
  readonly watch: Watch;
  /** States that it has been in, callbacks, and changes of state, since the move began. */
  readonly passed = new Set<State>();
  readonly callbacks = new Set<Callback>();
  changes = 0;
  /** Effects of the transitions, and when they were. */
  readonly #trail: { readonly atMs: number; readonly effects: string }[] = [];
  /** Run at the next callback of its kind, once. */
  #ambush: { readonly on: Callback; readonly task: () => void } | undefined;
  /** When an attempt lost a queue, whether or not anything came of it. */
  readonly #failuresMs = new Set<number>();
  /** Commands of the load that are in flight. */
  #reads = 0;
  /** Reads of the connection whose outcome nobody knows. */
  #doubts = 0;
  readonly #block = new Uint8Array(512);
  #admins = 0;

  constructor(profile: Profile, counting: CountingTable) {
    this.peer = new WalkPeer(this.clock);
    this.fence = new WalkFence(this.clock, () => this.#reads + this.#doubts > 0);
    counting.onMeet = (cell) => {
      if (typeof cell !== "object") return;
      this.#trail.push({ atMs: this.clock.nowMs(), effects: `${cell.to} ${cell.run.join()}` });
    };
    this.peer.onLost = () => {
      const { state } = this.controller;
      if (state === "connecting" || state === "recovering")
        this.#failuresMs.add(this.clock.nowMs());
    };
    const transport = Array.from({ length: profile.addresses }, (_, at) => this.peer.transport(at));
    const own = { transport, clock: this.clock, random, subsystemNqn: SUBSYSTEM_NQN };
    const who = { hostNqn: "nqn.2024-01.org.example:host", hostId: HOST_ID };
    const fence = profile.fence === "wanted" ? { fence: this.fence } : {};
    const size = { ioQueues: 1, queueEntries: 4 };
    const options = { ...own, ...who, ...size, ...fence, ...profile.options };
    this.controller = new Controller(options, counting.table);
    this.watch = new Watch(this);
    this.controller.observe((event) => this.#heard(event));
  }

  /** Commands of users that are in flight. */
  get inflight(): number {
    return this.#reads + this.#admins;
  }

  /** Begins to connect, and lets the attempt come to where it waits for the peer. */
  start(): void {
    this.controller.start(this.watch.requested("start"));
    this.clock.settle();
  }

  ask(request: Request): void {
    const { controller, watch } = this;
    if (request === "close") controller.close({}, watch.askedClose());
    else if (request === "lost") controller.lost(watch.outsideLoss);
    else {
      const answered = watch.requested(request);
      controller[request]((error) => {
        answered(error);
        this.#spring("answer");
      });
    }
  }

  /** The next callback of that kind makes one more request, from inside. */
  ambush(on: Callback, request: Request): void {
    this.#ambush = { on, task: () => this.ask(request) };
  }

  /** An ambush that has found nobody is called off. */
  endAmbush(): void {
    this.#ambush = undefined;
  }

  /** A live controller always has a read and an admin command of a user in flight. */
  load(): void {
    const [queue] = this.controller.ioQueues;
    if (queue === undefined) return;
    if (this.#reads === 0 && queue.hasRoom) {
      this.#reads++;
      queue.begin(NvmOpcode.Read, 1);
      const settle = this.#command("read", (error) => {
        this.#reads--;
        if (error?.outcome === "unknown") this.#doubts++;
      });
      const { ioTimeoutMs } = this.controller.options;
      queue.submit(DataDirection.ToHost, this.#block, settle, ioTimeoutMs);
    }
    if (this.#admins > 0) return;
    this.#admins++;
    const command = getFeatureCommand(Fid.NumberOfQueues);
    this.controller.admin(
      command,
      this.#command("admin", () => this.#admins--),
    );
  }

  /**
   * What has moved it, and how it looks now, as text; times are told from now. Subjects with the same
   * text go on alike: see walk.ts.
   */
  fingerprint(): string {
    const { controller, peer, clock, watch } = this;
    const nowMs = clock.nowMs();
    const trail = this.#trail.map(({ atMs, effects }) => `${nowMs - atMs} ${effects}`);
    const asked = [controller.closeRequested, watch.isJoined, this.#reads, this.#admins];
    const shown = [controller.state, controller.address.traddr, controller.mayComeBack];
    const fenced = this.fence.isOpen ? "fenced" : "";
    const failures = [...this.#failuresMs].map((atMs) => `lost ${nowMs - atMs}`);
    const refusals = peer.refusedMs.map((atMs) => `refused ${nowMs - atMs}`);
    const past = [...trail, ...failures, ...refusals];
    return [...shown, fenced, ...asked, ...clock.dueInMs, peer.text(), ...past].join(";");
  }

  #command(what: string, ended: (error: NvmeofError | undefined) => void): CommandSettle {
    const settled = this.watch.asked(what);
    return (error) => {
      ended(error);
      settled();
      this.#spring("completion");
    };
  }

  #heard(event: ControllerEvent): void {
    if (event.type === "state") {
      this.passed.add(event.to);
      if (event.to === "live") this.#doubts = 0;
      this.changes++;
      this.watch.moved(event);
    }
    this.#spring("news");
  }

  #spring(on: Callback): void {
    this.callbacks.add(on);
    if (this.#ambush?.on !== on) return;
    const { task } = this.#ambush;
    this.#ambush = undefined;
    task();
  }
}

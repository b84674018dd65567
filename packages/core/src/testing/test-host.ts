// A controller under test, its peer, and a record of all that happened to them.
// For the tests of this package; a stranger wants scripted-controller.ts.

import { DataDirection, NvmOpcode, type NvmeofError, RwCommand } from "@nvmeof/codec";
import type { VirtualClock } from "@nvmeof/transport/testing";
import type { AdminCommand } from "../admin.ts";
import type { CloseOptions, CloseReport } from "../close.ts";
import type { CommandSettle } from "../command-table.ts";
import { Controller } from "../controller.ts";
import type { State } from "../lifecycle.ts";
import type { ControllerEvent } from "../observers.ts";
import type { ControllerOptions } from "../options.ts";
import { ScriptedController, type ScriptedOptions } from "./scripted-controller.ts";

/** How a command or request has ended: each settlement counts, so that a second one shows. */
export interface Ended {
  /** Times that it was settled. */
  count: number;
  error: NvmeofError | undefined;
  dw0: number;
  atMs: number;
}

/** What is to be different from a usual host and a usual peer. */
export interface TestHostOptions {
  readonly clock: VirtualClock;
  readonly host?: Partial<ControllerOptions>;
  readonly peer?: Omit<ScriptedOptions, "clock">;
}

const BLOCK_BYTES = 512;

export class TestHost {
  readonly clock: VirtualClock;
  readonly peer: ScriptedController;
  readonly controller: Controller;
  readonly events: ControllerEvent[] = [];
  /** States, from the first on. */
  readonly states: State[];

  constructor({ clock, host, peer }: TestHostOptions) {
    this.clock = clock;
    this.peer = new ScriptedController({ ...peer, clock });
    this.controller = new Controller({ ...this.peer.hostOptions(), ...host });
    this.states = [this.controller.state];
    this.controller.observe((event) => {
      this.events.push(event);
      if (event.type === "state") this.states.push(event.to);
    });
  }

  /** Begins to connect. */
  start(): Ended {
    return this.request((done) => this.controller.start(done));
  }

  /** Connects, which with a usual peer takes no time. */
  connect(): void {
    const started = this.start();
    this.clock.settle();
    if (started.error !== undefined) throw started.error;
    if (this.controller.state !== "live") throw new Error(`it is ${this.controller.state}`);
  }

  /** Sends a read of one block on the first I/O queue. */
  read(lba = 0, settle?: CommandSettle): Ended {
    const [queue] = this.controller.ioQueues;
    const [ended, note] = this.#ended();
    RwCommand.slba.set(queue!.begin(NvmOpcode.Read, 1), 0, lba);
    RwCommand.nlb.set(queue!.sqe, 0, 1);
    const { ioTimeoutMs } = this.controller.options;
    const both: CommandSettle = (error, dw0, dw1) => {
      note(error, dw0, dw1);
      settle?.(error, dw0, dw1);
    };
    queue!.submit(DataDirection.ToHost, new Uint8Array(BLOCK_BYTES), both, ioTimeoutMs);
    return ended;
  }

  admin(command: AdminCommand): Ended {
    const [ended, note] = this.#ended();
    this.controller.admin(command, note);
    return ended;
  }

  /** A request to the controller, such as a reset. */
  request(ask: (done: (error: NvmeofError | undefined) => void) => void): Ended {
    const [ended, note] = this.#ended();
    ask((error) => note(error, 0, 0));
    return ended;
  }

  reset(): Ended {
    return this.request((done) => this.controller.reset(done));
  }

  /** Closes and lets time pass until that is over. */
  close(options: CloseOptions = {}): CloseReport {
    let report: CloseReport | undefined;
    this.controller.close(options, (given) => {
      report = given;
    });
    this.clock.runUntil(() => report !== undefined, 3_600_000);
    this.clock.settle();
    return report!;
  }

  #ended(): [Ended, CommandSettle] {
    const ended: Ended = { count: 0, error: undefined, dw0: 0, atMs: Number.NaN };
    return [
      ended,
      (error, dw0) => {
        ended.count++;
        ended.error = error;
        ended.dw0 = dw0;
        ended.atMs = this.clock.nowMs();
      },
    ];
  }
}

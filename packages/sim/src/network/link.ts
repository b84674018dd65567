// A connection: two ends, two directions, and what the network does to them.
// Read first: end.ts, pipe.ts, fault.ts.

import type { ByteStream, ByteStreamHandler, Clock } from "@nvmeof/transport";
import type { SimRandom } from "../random.ts";
import { type Climate, type LastingFault, worse } from "./climate.ts";
import { End, type EndEvents, type EndHow } from "./end.ts";
import type { Direction, Side } from "./fault.ts";
import { Pipe, type PipeEvents } from "./pipe.ts";
import type { Part, Slab } from "./slab.ts";

/** A connection as an observer sees it. */
export interface SimConnection {
  /** Counts the connections that this host has tried to open to this port, from 0. */
  readonly number: number;
  readonly host: string;
  readonly port: string;
  /** All three as one word: "host0>port1#2". */
  readonly name: string;
}

/** When bytes are seen: as an end has written them, or as the other is given them. */
export type Moment = "sent" | "delivered";

/** What the network tells those who watch it. All are called inside the calls and events of streams. */
export interface NetworkEvents {
  /** A connection came to be, or was refused by the listener in the next moment. */
  connected?(connection: SimConnection): void;
  /**
   * Bytes `start` to `end` of `buffer`, which stay as they are during this call only. `sent` bytes
   * are unharmed; those `delivered` come before the end that they are for is told.
   */
  bytes?(
    connection: SimConnection,
    direction: Direction,
    buffer: Uint8Array,
    start: number,
    end: number,
    moment: Moment,
  ): void;
  /** An end has gone. */
  gone?(connection: SimConnection, side: Side, how: EndHow): void;
  /** The network has done something to a connection by chance, or a trip wire was reached. */
  befell?(connection: SimConnection, direction: Direction, what: "harmed" | "tripped"): void;
  /** An end broke its part of the contract of a stream (I28). */
  complain(invariant: string, message: string): void;
}

/** What a connection asks of the port that it goes to. */
export interface LinkOwner {
  readonly events: NetworkEvents;
  readonly slab: Slab;
  accepting(stream: ByteStream): ByteStreamHandler | undefined;
  /** Both ends are gone. */
  over(link: Link): void;
}

export class Link implements SimConnection, PipeEvents, EndEvents {
  readonly number: number;
  readonly host: string;
  readonly port: string;
  readonly name: string;
  readonly hostEnd: End;
  readonly controllerEnd: End;
  readonly toHost: Pipe;
  readonly toController: Pipe;
  readonly #clock: Clock;
  readonly #owner: LinkOwner;
  #climate: Climate;

  constructor(
    name: { readonly number: number; readonly host: string; readonly port: string },
    clock: Clock,
    random: SimRandom,
    climate: Climate,
    owner: LinkOwner,
  ) {
    this.number = name.number;
    this.host = name.host;
    this.port = name.port;
    this.name = `${name.host}>${name.port}#${name.number}`;
    this.#clock = clock;
    this.#owner = owner;
    this.#climate = climate;
    const chance = random.fork(this.name);
    const { toHost, toController } = climate.weather;
    this.toHost = new Pipe("toHost", clock, chance.fork("h"), toHost, this);
    this.toController = new Pipe("toController", clock, chance.fork("c"), toController, this);
    this.hostEnd = new End("host", name.port, clock, this.toController, this.toHost, this);
    this.controllerEnd = new End(
      "controller",
      `${name.host} at ${name.port}`,
      clock,
      this.toHost,
      this.toController,
      this,
    );
    this.toHost.join(this.controllerEnd, this.hostEnd);
    this.toController.join(this.hostEnd, this.controllerEnd);
    this.#setTrip();
    this.#live();
  }

  end(side: Side): End {
    return side === "host" ? this.hostEnd : this.controllerEnd;
  }

  pipe(direction: Direction): Pipe {
    return direction === "toHost" ? this.toHost : this.toController;
  }

  /** Lives in this climate from now on. */
  adopt(climate: Climate): void {
    const { trip } = this.#climate;
    this.#climate = climate;
    // A wire that was tripped over stays down.
    if (climate.trip !== trip) this.#setTrip();
    this.#live();
  }

  /** Has one thing wrong in addition. */
  suffer(fault: LastingFault): void {
    this.adopt(worse(this.#climate, fault));
  }

  /** A reset from in between. */
  reset(seenBy: Side | "both"): void {
    if (seenBy !== "controller") this.toHost.reset();
    if (seenBy !== "host") this.toController.reset();
  }

  /** An end of bytes that seems to come from `side`. */
  fin(side: Side): void {
    this.pipe(side === "host" ? "toController" : "toHost").endNow();
  }

  delivered(direction: Direction, { region, start, end }: Part): void {
    this.#owner.events.bytes?.(this, direction, region.bytes, start, end, "delivered");
  }

  get slab(): Slab {
    return this.#owner.slab;
  }

  wrote(side: Side, pieces: readonly Uint8Array[]): void {
    const { events } = this.#owner;
    if (events.bytes === undefined) return;
    const direction = side === "host" ? "toController" : "toHost";
    for (const piece of pieces) events.bytes(this, direction, piece, 0, piece.length, "sent");
  }

  loanChanged(direction: Direction): void {
    const who = direction === "toHost" ? "controller" : "host";
    this.#owner.events.complain(
      "I28",
      `${this.name}: the ${who} changed a buffer that it had given to write, before drained`,
    );
  }

  harmed(direction: Direction): void {
    this.#owner.events.befell?.(this, direction, "harmed");
  }

  tripped(direction: Direction, arrivalMs: number): void {
    const how = this.#climate.trip!.how;
    this.#owner.events.befell?.(this, direction, "tripped");
    const pipe = this.pipe(direction);
    const back = this.pipe(direction === "toHost" ? "toController" : "toHost");
    if (how === "fin") pipe.endNow();
    else if (how === "reset") {
      pipe.resetLast();
      back.reset();
    } else {
      this.#clock.at(arrivalMs, () => this.suffer({ kind: "silence" }));
    }
  }

  accepting(stream: ByteStream): ByteStreamHandler | undefined {
    return this.#owner.accepting(stream);
  }

  gone(side: Side, how: EndHow): void {
    this.#owner.events.gone?.(this, side, how);
    this.settle();
  }

  /** Whether the network has nothing more to do with it. */
  settle(): void {
    const { hostEnd, controllerEnd, toController } = this;
    const noController = controllerEnd.isGone || (controllerEnd.isUnborn && toController.isDone);
    if (!hostEnd.isGone || !noController) return;
    this.toHost.drop();
    this.toController.drop();
    this.#owner.over(this);
  }

  #live(): void {
    const { weather, flow, reading } = this.#climate;
    for (const direction of ["toHost", "toController"] as const) {
      const pipe = this.pipe(direction);
      pipe.passage.weather = weather[direction];
      if (flow[direction] === "silent") pipe.silence();
      else pipe.heal();
    }
    for (const side of ["host", "controller"] as const) {
      if (reading[side] === "stopped") this.end(side).stopProcess();
      else this.end(side).continueProcess();
    }
  }

  #setTrip(): void {
    const { trip } = this.#climate;
    this.toHost.trip(trip?.direction === "toHost" ? trip : undefined);
    this.toController.trip(trip?.direction === "toController" ? trip : undefined);
  }
}

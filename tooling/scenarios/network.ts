// What a scenario may do to the network of a port, whatever the transport is: bytes, frames, messages.
// Read first: faulty-port.ts (bytes), fc-port.ts (frames), the ports that keep this.

import type { Clock, LinkListener, Listener, Transport } from "@nvmeof/transport";
import type { Weather } from "./lane.ts";

/** What the network does with what is sent, by direction. */
export interface Silence {
  /** What the host sends is lost. */
  readonly toController: boolean;
  /** What the controller sends is lost. */
  readonly toHost: boolean;
}

/** Weather of both directions. */
export interface Climate {
  readonly toController?: Weather;
  readonly toHost?: Weather;
}

/** One direction of one connection. */
export interface ScenarioLane {
  weather: Weather;
  /** Lets `afterBytes` more pass and then runs `task`; what comes after is lost. */
  cutAfter(afterBytes: number, task: () => void): void;
}

/** One connection of a host: a queue. Numbered from 0: the first is the admin queue, if all went well. */
export interface ScenarioLink {
  readonly number: number;
  readonly toHost: ScenarioLane;
  readonly toController: ScenarioLane | undefined;
  climate: Climate;
  /** Nothing arrives any more, in either direction, and nobody is told. */
  blackhole(): void;
  /** An end that both sides see. */
  reset(): void;
  /** The controller's end says that it sends no more. */
  fin(): void;
}

/** A port with a network that fails on demand. */
export interface ScenarioPort {
  /** Where it is, as a person writes it. */
  readonly remote: string;
  /** For the target. */
  readonly listener: Listener | LinkListener;
  /** For a host that lives by `clock`. */
  transport(clock: Clock): Transport;
  /** Bytes that a controller sends on an I/O queue until its Connect is answered. */
  readonly connectAnswerBytes: number;
  /** Connections that hosts have open. */
  readonly connections: number;
  /** Connections that hosts have open, oldest first. */
  readonly links: readonly ScenarioLink[];
  /** Times that a host has tried to connect. */
  readonly attempts: number;
  /** Shows `task` every link that comes to be, before anything has passed. */
  onLink(task: ((link: ScenarioLink) => void) | undefined): void;
  /** Pieces that controllers have sent so far. */
  readonly answers: number;
  /** Runs `task` when so many more pieces have come from controllers, before the next one arrives. */
  afterAnswers(count: number, task: () => void): void;
  /** For all links, those to come included. */
  climate: Climate;
  /** Silence, in both directions or in one. */
  blackhole(silence?: Silence): void;
  /** Connections are refused from now on; those that exist go on. */
  refuse(): void;
  /** Connections are not answered from now on; those that exist go on. */
  ignore(): void;
  /** As it was: what was lost stays lost, what was held arrives. */
  heal(): void;
  /** The controller stops reading. */
  stopReading(): void;
  /** From now on no more than so many bytes arrive together, where bytes are what arrives. */
  rechunk(chunkBytes: number): void;
  /** All connections end, seen by both ends. */
  reset(): void;
  /** The controller's end of all connections says that it sends no more. */
  fin(): void;
}

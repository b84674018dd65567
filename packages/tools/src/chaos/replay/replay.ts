// A capture played again: the host's side of its connections, to a live controller.
// Read first: script.ts, which is made of the capture; player.ts for one connection.

import type { Clock, Connector } from "@nvmeof/transport";
import { Player, type ReplayDifference, type Stage } from "./player.ts";
import type { Script } from "./script.ts";

/** What is played, and to whom. */
export interface ReplayOptions {
  readonly script: Script;
  readonly clock: Clock;
  /** Where the live controller is. */
  readonly connector: Connector;
  /** Time that each answer may take, ms. Default 2 s. */
  readonly waitMs?: number;
  /** Default 3 s. */
  readonly connectTimeoutMs?: number;
  readonly differs: (difference: ReplayDifference) => void;
  /** Some of it was played. */
  readonly moved?: () => void;
  /** All is played. Called once, unless `close` was. */
  readonly ended: () => void;
}

/** How far it has come. */
export interface ReplayCounters {
  readonly connections: number;
  readonly sentPdus: number;
  readonly answers: number;
  readonly differences: number;
}

/**
 * All steps of all connections are done in the order of the capture: an I/O queue belongs to a controller
 * that must be there, and what was in flight together is in flight together again.
 */
export class Replay {
  readonly #players: readonly Player[];
  readonly #options: ReplayOptions;
  #differences = 0;
  #state: "playing" | "ended" = "playing";

  /** Begins. */
  constructor(options: ReplayOptions) {
    this.#options = options;
    const { script, clock, connector, waitMs = 2_000, connectTimeoutMs = 3_000 } = options;
    const stage: Stage = {
      clock,
      connector,
      waitMs,
      connectTimeoutMs,
      cntlids: new Map(),
      differs: (difference) => {
        this.#differences++;
        options.differs(difference);
      },
      moved: () => clock.defer(() => this.#look()),
    };
    this.#players = script.connections.map((connection) => new Player(connection, stage));
    clock.defer(() => this.#look());
  }

  get counters(): ReplayCounters {
    const sum = (of: (player: Player) => number): number =>
      this.#players.reduce((total, player) => total + of(player), 0);
    return {
      connections: this.#players.filter(({ hasBegun }) => hasBegun).length,
      sentPdus: sum(({ sentPdus }) => sentPdus),
      answers: sum(({ answers }) => answers),
      differences: this.#differences,
    };
  }

  /** Ends it at once; `ended` is not called. */
  close(): void {
    this.#state = "ended";
    for (const player of this.#players) player.destroy();
  }

  #look(): void {
    while (this.#state === "playing") {
      const next = this.#players.reduce<Player | undefined>(
        (first, player) => (player.order < (first?.order ?? Infinity) ? player : first),
        undefined,
      );
      if (next === undefined) return this.#end();
      if (!next.step() && next.order !== Infinity) break;
    }
    this.#options.moved?.();
  }

  #end(): void {
    this.#state = "ended";
    for (const player of this.#players) player.close();
    this.#options.ended();
  }
}

// Those who watch a controller: what they are told, and how they are kept from breaking it.
// Read first: controller.ts; lifecycle.ts for states and events.

import type { AsyncEvent, Decoded, NvmeofError } from "@nvmeof/codec";
import type { Clock } from "@nvmeof/transport";
import type { AuthResult } from "./auth/host-exchange.ts";
import { guarded } from "./guard.ts";
import type { Event, State } from "./lifecycle.ts";

/** What a controller tells those who observe it. */
export type ControllerEvent =
  /** The state has changed; what follows from it, such as commands that fail, comes after this. */
  | {
      readonly type: "state";
      readonly from: State;
      readonly to: State;
      readonly cause: Event;
      readonly reason: NvmeofError | undefined;
    }
  /** Step 3 of a close: work moves to other paths, or the removal is announced. */
  | { readonly type: "closing"; readonly reason: NvmeofError | undefined }
  | { readonly type: "async-event"; readonly event: Decoded<typeof AsyncEvent> }
  /** A queue was authenticated, when it was connected or again. */
  | { readonly type: "authenticated"; readonly qid: number; readonly result: AuthResult }
  /** A command has passed its deadline; what follows is decided by `onTimeout`. */
  | {
      readonly type: "timeout";
      readonly qid: number;
      readonly cid: number;
      readonly command: string;
    }
  /** Fast-fail: from now on commands fail instead of waiting for the controller to come back. */
  | { readonly type: "fast-fail" }
  /** Attempt number `attempt` failed; the next one follows after `delayMs`. */
  | { readonly type: "retry"; readonly attempt: number; readonly delayMs: number };

/** Observers are told in the order in which they came, while the controller does its work. */
export class Observers {
  readonly #clock: Clock;
  readonly #observers = new Set<{ readonly tell: (event: ControllerEvent) => void }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Tells `tell` of everything from now on, until the returned function is called. */
  add(tell: (event: ControllerEvent) => void): () => void {
    const entry = { tell };
    this.#observers.add(entry);
    return () => void this.#observers.delete(entry);
  }

  /** What one of them throws is nobody else's affair: it is thrown again in a task of its own. */
  tell(event: ControllerEvent): void {
    // A set visits neither who leaves during the walk, nor anybody twice.
    for (const { tell } of this.#observers) guarded(this.#clock, () => tell(event));
  }
}

// A way to a device that a scenario takes away and gives back, and what people are told of it.
// Read first: @nvmeof/core lifecycle.ts for the states.

import type { ControllerPath } from "@nvmeof/bdev/nvme";
import { type Controller, type ControllerEvent, StateError } from "@nvmeof/core";
import type { Clock } from "@nvmeof/transport";
import type { Timeline } from "./timeline.ts";

/** One way: the host's end of it, and how to take away the target's. */
export interface Way {
  /** As people are told of it. */
  readonly name: string;
  readonly path: ControllerPath;
  /** Takes the target's port away, with its connections. */
  readonly drop: () => void;
  /** Gives it back at the same address. */
  readonly restore: () => Promise<void>;
}

/** "2.04 s" */
export const secondsText = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;

/** "1 write", "3 writes" */
export const countText = (count: number, what: string): string =>
  `${count} ${what}${count === 1 ? "" : "s"}`;

function eventText(name: string, event: ControllerEvent): string | undefined {
  if (event.type === "retry") return `${name}: next attempt in ${secondsText(event.delayMs)}`;
  if (event.type !== "state") return undefined;
  const why = event.reason === undefined ? "" : `: ${event.reason.message}`;
  return `${name}: ${event.from} → ${event.to}${why}`;
}

/** Notes every change of state. Returns how to stop. */
export function noteStates({ name, path }: Way, timeline: Timeline): () => void {
  return path.controller.observe((event) => {
    const what = eventText(name, event);
    if (what !== undefined) timeline.note(what);
  });
}

type State = Controller["state"];

/** Resolves once the state is one that was asked for; rejects when the controller ends instead. */
export function reached(
  { path: { controller } }: Way,
  isMeant: (state: State) => boolean,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const look = (): boolean => {
      const { state } = controller;
      if (isMeant(state)) resolve();
      else if (state !== "closing" && state !== "closed") return false;
      else reject(controller.reason ?? new StateError("close", state));
      return true;
    };
    if (look()) return;
    const stop = controller.observe(({ type }) => {
      if (type === "state" && look()) stop();
    });
  });
}

/** Resolves after `ms` of the clock. */
export const pause = (clock: Clock, ms: number): Promise<void> =>
  new Promise((resolve) => void clock.at(clock.nowMs() + ms, resolve));

/** Gives back what `work` does, unless the signal aborts: then it rejects with its reason. */
export function unlessAborted<T>(signal: AbortSignal | undefined, work: Promise<T>): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

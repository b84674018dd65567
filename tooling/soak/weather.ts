// Which fault comes when: drawn from a seed, so that a run can be had again, as far as real time allows.
// Read first: proxy.ts.

import type { Random } from "@nvmeof/core";
import { after } from "@nvmeof/tooling-support";
import type { SoakProxy } from "./proxy.ts";

/** Kinds of faults. */
export const faults = ["delay", "black hole", "reset", "close", "refusal"] as const;
export type Fault = (typeof faults)[number];

/** A proxy, by the name that people know it by. */
export interface WeatherPlace {
  readonly name: string;
  readonly proxy: SoakProxy;
}

const DELAY_MS_MAX = 80;

/** Faults at all places, again and again, until it is ended; it leaves fair weather behind. */
export class Weather {
  readonly #places: readonly WeatherPlace[];
  readonly #random: Random;
  readonly #everyMs: number;
  readonly #endings = new Map<SoakProxy, () => void>();
  #cancel: () => void = () => {};
  /** How many faults there were, of each kind. */
  readonly counts: Record<Fault, number> = {
    delay: 0,
    "black hole": 0,
    reset: 0,
    close: 0,
    refusal: 0,
  };

  /** @param everyMs is the time between two faults, in the mean. */
  constructor(places: readonly WeatherPlace[], random: Random, everyMs: number) {
    this.#places = places;
    this.#random = random;
    this.#everyMs = everyMs;
    this.#next();
  }

  /** No fault from now on. */
  end(): void {
    this.#cancel();
    for (const clear of this.#endings.values()) clear();
    this.#endings.clear();
  }

  #below(limit: number): number {
    return this.#random.next32() % limit;
  }

  #next(): void {
    this.#cancel = after(this.#everyMs * (0.5 + this.#below(1_000) / 1_000), () => {
      const { proxy } = this.#places[this.#below(this.#places.length)]!;
      this.#strike(proxy, faults[this.#below(faults.length)]!);
      this.#next();
    });
  }

  #strike(proxy: SoakProxy, fault: Fault): void {
    this.#endings.get(proxy)?.();
    this.counts[fault]++;
    // Short ones nobody should notice, long ones end connections: both sides of every time limit.
    const lengthMs = (this.#everyMs * (1 + this.#below(40))) / 20;
    if (fault === "reset" || fault === "close") return proxy.cut(fault);
    if (fault === "delay") proxy.delayMs = 1 + this.#below(DELAY_MS_MAX);
    if (fault === "black hole") proxy.isHeld = true;
    if (fault === "refusal") {
      proxy.refuses = true;
      proxy.cut("reset");
    }
    const cancel = after(lengthMs, () => clear());
    const clear = (): void => {
      cancel();
      this.#endings.delete(proxy);
      proxy.delayMs = 0;
      proxy.refuses = false;
      proxy.isHeld = false;
    };
    this.#endings.set(proxy, clear);
  }
}

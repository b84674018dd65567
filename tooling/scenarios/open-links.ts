// What a port with faults has whatever it carries: the links that are open, the weather, the door.
// Read first: network.ts for what is promised; faulty-port.ts, fc-port.ts for the rest of it.

import type { Climate, ScenarioLink, Silence } from "./network.ts";

/** What becomes of those who connect. */
export type Admission = "open" | "refused" | "unanswered";

export abstract class OpenLinks<L extends ScenarioLink> {
  protected readonly opened = new Set<L>();
  protected weather: Required<Climate> = { toController: "clear", toHost: "clear" };
  protected admission: Admission = "open";
  #attempts = 0;
  #onLink: ((link: ScenarioLink) => void) | undefined;
  #answers = 0;
  #onAnswer: { readonly number: number; readonly task: () => void } | undefined;

  get connections(): number {
    return this.opened.size;
  }

  get links(): readonly L[] {
    return [...this.opened];
  }

  get attempts(): number {
    return this.#attempts;
  }

  onLink(task: ((link: ScenarioLink) => void) | undefined): void {
    this.#onLink = task;
  }

  get answers(): number {
    return this.#answers;
  }

  afterAnswers(count: number, task: () => void): void {
    this.#onAnswer = { number: this.#answers + count, task };
  }

  set climate(climate: Climate) {
    this.weather = { ...this.weather, ...climate };
    this.weatherChanged(climate);
    for (const link of this.opened) link.climate = climate;
  }

  blackhole(silence: Silence = { toController: true, toHost: true }): void {
    if (silence.toController) this.climate = { toController: "silent" };
    if (silence.toHost) this.climate = { toHost: "silent" };
    if (silence.toController && silence.toHost) this.admission = "unanswered";
  }

  refuse(): void {
    this.admission = "refused";
  }

  ignore(): void {
    this.admission = "unanswered";
  }

  heal(): void {
    this.climate = { toController: "clear", toHost: "clear" };
    this.admission = "open";
    this.#onAnswer = undefined;
  }

  fin(): void {
    for (const link of this.links) link.fin();
  }

  /** For what is sent and is of no link. */
  protected weatherChanged(_climate: Climate): void {}

  /** A host tries to connect: gives the number of the attempt, from 0. */
  protected attempt(): number {
    return this.#attempts++;
  }

  /** Shows a new link to who waits for it. */
  protected show(link: L): void {
    this.#onLink?.(link);
  }

  /** A piece comes from a controller, and is about to be given on. */
  protected answered(): void {
    const due = this.#onAnswer;
    if (due !== undefined && this.#answers >= due.number) {
      this.#onAnswer = undefined;
      due.task();
    }
    this.#answers++;
  }
}

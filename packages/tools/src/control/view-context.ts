// What views are made with: names that stay, and a bound on how much is told.
// Read first: snapshot.ts.

import { AnaState } from "@nvmeof/codec";

/** Names objects: the same object has the same name for ever, and no other one gets it. */
export class Ids {
  readonly #ids = new WeakMap<object, string>();
  #last = 0;

  of(object: object): string {
    let id = this.#ids.get(object);
    if (id === undefined) {
      id = (++this.#last).toString(36);
      this.#ids.set(object, id);
    }
    return id;
  }
}

/** Rows that one snapshot may have: what is too much is counted, and left out. */
export class RowBudget {
  #left: number;
  #leftOut = 0;

  constructor(rowsMax: number) {
    this.#left = rowsMax;
  }

  get leftOut(): number {
    return this.#leftOut;
  }

  /** As many of `all`, from the first, as there is room for. */
  take<T>(all: readonly T[]): readonly T[] {
    const taken = all.length <= this.#left ? all : all.slice(0, this.#left);
    this.#left -= taken.length;
    this.#leftOut += all.length - taken.length;
    return taken;
  }
}

/** What a view is made with. */
export interface ViewContext {
  readonly ids: Ids;
  readonly budget: RowBudget;
}

const TEXT_MAX = 256;

/** Texts of peers and devices have a bound. */
export const bounded = (text: string): string =>
  text.length <= TEXT_MAX ? text : `${text.slice(0, TEXT_MAX - 1)}…`;

const anaNames: Readonly<Record<AnaState, string>> = {
  [AnaState.Optimized]: "optimized",
  [AnaState.NonOptimized]: "non-optimized",
  [AnaState.Inaccessible]: "inaccessible",
  [AnaState.PersistentLoss]: "persistent-loss",
  [AnaState.Change]: "change",
};

/** The name of an ANA state; null for one that is not known. */
export const anaName = (state: number | undefined): string | null =>
  (anaNames as Readonly<Record<number, string>>)[state ?? 0] ?? null;

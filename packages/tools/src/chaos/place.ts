// Reads values of JSON of which nothing is known, and says where one is wrong.
// Read first: plan-error.ts; parse.ts, which walks a plan with it.

import { nearestName } from "@nvmeof/core";
import type { Param } from "./param.ts";
import { PlanError } from "./plan-error.ts";

/** Most of a wrong value that an error repeats. */
const SHOWN_MAX = 60;

function shown(value: unknown): string {
  const text = value === undefined ? "nothing" : JSON.stringify(value);
  return text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text;
}

/** A value, and where in the plan it stands. */
export class Place {
  readonly path: string;
  readonly value: unknown;

  constructor(path: string, value: unknown) {
    this.path = path;
    this.value = value;
  }

  refuse(message: string, hint?: string): PlanError {
    return new PlanError(this.path, message, { hint });
  }

  wrong(expects: string): PlanError {
    return this.refuse(`is ${shown(this.value)}, and must be ${expects}`);
  }

  /** The value as an object with no names but these. */
  object(known: readonly string[]): ObjectPlace {
    const { value } = this;
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw this.wrong("an object");
    }
    for (const name of Object.keys(value)) {
      if (known.includes(name)) continue;
      const meant = nearestName(name, known);
      const hint = meant === undefined ? `Known: ${known.join(", ")}.` : `Did you mean ${meant}?`;
      throw this.refuse(`"${name.slice(0, SHOWN_MAX)}" is not known here`, hint);
    }
    return new ObjectPlace(this.path, value);
  }

  /** The value as a list of at most `max` values. */
  list(max: number): Place[] {
    const { value, path } = this;
    if (!Array.isArray(value)) throw this.wrong("a list");
    if (value.length > max) throw this.refuse(`has ${value.length} entries; ${max} may be`);
    return value.map((each, i) => new Place(`${path}[${i}]`, each));
  }

  /** The value as a list, or as the only one of a list; none where there is nothing. */
  oneOrMore(max: number): Place[] {
    if (this.value === undefined) return [];
    return Array.isArray(this.value) ? this.list(max) : [this];
  }

  read<T>(param: Param<T>): T {
    if (this.value === undefined) {
      if (param.fallback !== undefined || param.need === "optional") return param.fallback as T;
      throw this.refuse(`is missing; it must be ${param.expects}`);
    }
    const found = param.read(this.value);
    if (found === undefined) throw this.wrong(param.expects);
    return found;
  }
}

/** An object, and where in the plan it stands. */
export class ObjectPlace {
  readonly path: string;
  readonly #values: Readonly<Record<string, unknown>>;

  constructor(path: string, values: object) {
    this.path = path;
    this.#values = values as Readonly<Record<string, unknown>>;
  }

  at(name: string): Place {
    const path = this.path === "" ? name : `${this.path}.${name}`;
    return new Place(path, Object.hasOwn(this.#values, name) ? this.#values[name] : undefined);
  }

  has(name: string): boolean {
    return this.at(name).value !== undefined;
  }
}

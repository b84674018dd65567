// What a value in a fault plan may be: a number with its bounds, a choice, a yes or no.
// Read first: kinds.ts, which is written in these; parse.ts, which reads plans with them.

/** One value of a fault. */
export interface Param<T> {
  /** What it must be, for errors and for the documentation: "a whole number from 1 to 65535". */
  readonly expects: string;
  /** What it is where a plan does not say; undefined where the plan must, or may leave it open. */
  readonly fallback: T | undefined;
  /** `optional` may be left out without having a fallback. */
  readonly need: "required" | "optional";
  /** The value as it is used; undefined for one that cannot be. */
  read(value: unknown): T | undefined;
}

/** The value that a parameter gives. */
export type ValueOf<P> = P extends Param<infer T> ? T : never;

const number = (expects: string, fits: (value: number) => boolean, fallback?: number) =>
  ({
    expects,
    fallback,
    need: "required",
    read: (value) => (typeof value === "number" && fits(value) ? value : undefined),
  }) satisfies Param<number>;

/** A whole number from `first` to `last`. */
export const whole = (first: number, last: number, fallback?: number): Param<number> =>
  number(
    `a whole number from ${first} to ${last}`,
    (value) => Number.isInteger(value) && value >= first && value <= last,
    fallback,
  );

/** A share of all: 0 to 1. */
export const share = (fallback?: number): Param<number> =>
  number("a number from 0 to 1", (value) => value >= 0 && value <= 1, fallback);

/** The longest time in a plan, ms: a day. */
export const TIME_MAX_MS = 86_400_000;

/** A time in ms. */
export const time = (fallback?: number): Param<number> =>
  number(
    `a time in ms, 0 to ${TIME_MAX_MS}`,
    (value) => value >= 0 && value <= TIME_MAX_MS,
    fallback,
  );

/** One of some words. */
export const oneOf = <const T extends string>(words: readonly T[], fallback?: T): Param<T> => ({
  expects: words.map((word) => `"${word}"`).join(", "),
  fallback,
  need: "required",
  read: (value) => words.find((word) => word === value),
});

/** Yes or no. */
export const yesNo = (fallback: boolean): Param<boolean> => ({
  expects: "true or false",
  fallback,
  need: "required",
  read: (value) => (typeof value === "boolean" ? value : undefined),
});

/** The same, but it may be left open. */
export const open = <T>(param: Param<T>): Param<T | undefined> => ({ ...param, need: "optional" });

// What a conformance suite is made of: cases that throw, and need no test runner.
// Read first: byte-stream.ts and transport.ts beside this file, the suites.

/** One promise of an interface, and the test of it. `World` is what the implementation provides. */
export interface ConformanceCase<World> {
  /** Reads as a sentence. */
  readonly name: string;
  /** Throws, or rejects, when the promise is not kept. Wants a world of its own. */
  readonly run: (world: World) => Promise<void>;
}

/** How a case lets things happen: virtual time advances, or real events are waited for. */
export interface Pace {
  /** Until `done` holds. Rejects when that takes longer than the world allows. */
  until(done: () => boolean): Promise<void>;
  /** Until nothing more is likely to happen: to show that something does not. */
  quiet(): Promise<void>;
}

/** An implementation does not keep a promise of its interface. */
export class ConformanceError extends Error {
  override readonly name = "ConformanceError";
}

/** @throws ConformanceError when `condition` does not hold. */
export function must(condition: boolean, what: string): asserts condition {
  if (!condition) throw new ConformanceError(what);
}

/** @throws ConformanceError when the two differ; for strings, numbers and lists of them. */
export function mustEqual(actual: unknown, expected: unknown, what: string): void {
  const [a, b] = [JSON.stringify(actual) ?? "undefined", JSON.stringify(expected) ?? "undefined"];
  if (a !== b) throw new ConformanceError(`${what}: expected ${b}, got ${a}`);
}

/** @throws ConformanceError where the bytes differ, naming the first that does. */
export function mustHold(actual: Uint8Array, expected: Uint8Array, what: string): void {
  mustEqual(actual.length, expected.length, `${what}, bytes`);
  const at = actual.findIndex((byte, i) => byte !== expected[i]);
  if (at !== -1) throw new ConformanceError(`${what}: byte ${at} of ${actual.length} differs`);
}

/** Whole numbers below `limit` that look random and are the same each time. */
export function numbers(seed: number): (limit: number) => number {
  let state = seed >>> 0;
  return (limit) => {
    // Numerical Recipes' linear congruential generator; its high bits are good enough here.
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 0x1_0000_0000) * limit);
  };
}

/** Bytes that tell where in a stream they belong: a shift or a swap shows. */
export function pattern(bytes: number, from = 0): Uint8Array {
  const out = new Uint8Array(bytes);
  for (let i = 0; i < bytes; i++) {
    const at = i + from;
    out[i] = (at ^ ((at >>> 8) * 31) ^ ((at >>> 16) * 17)) & 0xff;
  }
  return out;
}

// The engine of cp: all bytes, in their place, with bounded memory; and an end in every case.

import { expect, test } from "vitest";
import { type Destination, type Source, copy } from "./copy.ts";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Bytes 0, 1, 2, …; reads end out of order where they may. */
function counting(bytes: number, known: boolean): Source {
  let calls = 0;
  return {
    bytes: known ? bytes : undefined,
    order: known ? "any" : "forward",
    async read(at, into) {
      if (calls++ % 3 === 0) await turn();
      const got = Math.max(0, Math.min(into.length, bytes - at));
      for (let i = 0; i < got; i++) into[i] = (at + i) & 0xff;
      return got;
    },
  };
}

function keeping(order: "any" | "forward") {
  const written: { at: number; data: number[] }[] = [];
  const seen = { inflight: 0, most: 0, finished: 0 };
  const destination: Destination = {
    order,
    async write(at, data) {
      seen.most = Math.max(seen.most, ++seen.inflight);
      await turn();
      written.push({ at, data: [...data] });
      seen.inflight--;
    },
    finish: () => {
      seen.finished++;
      return Promise.resolve();
    },
  };
  return { written, seen, destination };
}

interface Setup {
  readonly source: Source;
  readonly destination: Destination;
  readonly count?: number;
  readonly signal?: AbortSignal;
}

const run = ({ count, signal = new AbortController().signal, ...ends }: Setup): Promise<number> =>
  copy({ ...ends, count, signal, pieceBytes: 10, lanes: 4, progress: () => {} });

const expected = (bytes: number): number[] => Array.from({ length: bytes }, (_, i) => i & 0xff);

test.each([
  [95, true, "any"],
  [100, true, "forward"],
  [95, false, "any"],
  [100, false, "forward"],
  [0, true, "any"],
  [0, false, "forward"],
  [7, false, "any"],
] as const)(
  "%d bytes of known (%s) length arrive at a destination that takes %s",
  async (bytes, known, order) => {
    const { written, seen, destination } = keeping(order);
    await expect(run({ source: counting(bytes, known), destination })).resolves.toBe(bytes);
    if (order === "any") written.sort((a, b) => a.at - b.at);
    expect(written.flatMap(({ data }) => data)).toEqual(expected(bytes));
    expect(seen.finished).toBe(1);
    expect(seen.most).toBeLessThanOrEqual(order === "forward" ? 1 : 4);
  },
);

test("several pieces are under way where the ends allow it", async () => {
  const { seen, destination } = keeping("any");
  await run({ source: counting(200, true), destination });
  expect(seen.most).toBe(4);
});

test("--count ends a copy early, also of a stream that goes on", async () => {
  for (const known of [true, false]) {
    const { written, destination } = keeping("forward");
    await expect(run({ source: counting(1000, known), destination, count: 33 })).resolves.toBe(33);
    expect(written.flatMap(({ data }) => data)).toEqual(expected(33));
  }
});

test.each(["source", "destination"])(
  "an error of the %s ends everything, and is told",
  async (which) => {
    const broken = (): Promise<never> => Promise.reject(new Error("broken"));
    const source = counting(1000, false);
    const { seen, destination } = keeping("forward");
    const ends =
      which === "source"
        ? {
            source: {
              ...source,
              read: (at: number, into: Uint8Array) =>
                at === 50 ? broken() : source.read(at, into),
            },
            destination,
          }
        : {
            source,
            destination: {
              ...destination,
              write: (at: number, data: Uint8Array) =>
                at === 50 ? broken() : destination.write(at, data),
            },
          };
    await expect(run(ends)).rejects.toThrow("broken");
    expect(seen).toMatchObject({ inflight: 0, finished: 0 });
  },
);

test("a signal ends a copy with its reason, once what is under way has ended", async () => {
  const abort = new AbortController();
  const { seen, destination } = keeping("forward");
  const source = counting(1000, false);
  const read = async (at: number, into: Uint8Array): Promise<number> => {
    if (at === 30) abort.abort(new Error("enough"));
    return source.read(at, into);
  };
  const copied = run({ source: { ...source, read }, destination, signal: abort.signal });
  await expect(copied).rejects.toThrow("enough");
  expect(seen).toMatchObject({ inflight: 0, finished: 0 });
});

// Pieces out of a stream: the same ones however it is cut.

import { Region } from "@nvmeof/transport";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { type CutterSink, StreamCutter } from "./stream-cutter.ts";

/** Pieces: a byte says what follows, and how much. 0 gathers, 1 places, 2 skips, 3 holds. */
class Sink implements CutterSink {
  readonly cutter = new StreamCutter(this, 16);
  readonly seen: string[] = [];
  readonly #into = new Region(new Uint8Array(64));
  #wanted = -1;

  constructor() {
    this.cutter.gather(1);
  }

  gathered(view: DataView, base: number): void {
    if (this.#wanted === -1) {
      const kind = view.getUint8(base) % 4;
      const bytes = view.getUint8(base) >> 4;
      this.#wanted = bytes;
      if (kind === 0) this.cutter.gather(bytes);
      else if (kind === 1) this.cutter.place(this.#into, 3, bytes);
      else if (kind === 2) this.cutter.skip(bytes);
      else this.cutter.hold();
      return;
    }
    const bytes = Array.from({ length: this.#wanted }, (_, i) => view.getUint8(base + i));
    this.#next(`gathered ${bytes.join()}`);
  }

  placed(): void {
    this.#next(`placed ${this.#into.bytes.subarray(3, 3 + this.#wanted).join()}`);
  }

  skipped(): void {
    this.#next(`skipped ${this.#wanted}`);
  }

  /** Ends a hold. */
  resume(): void {
    this.#next("held");
    this.cutter.pump();
  }

  #next(what: string): void {
    this.seen.push(what);
    this.#wanted = -1;
    this.cutter.gather(1);
  }
}

function run(stream: Uint8Array, cuts: readonly number[]): readonly string[] {
  const sink = new Sink();
  const bounds = [0, ...cuts.map((cut) => cut % (stream.length + 1)), stream.length].sort(
    (a, b) => a - b,
  );
  const region = new Region(stream);
  for (let i = 1; i < bounds.length; i++) {
    sink.cutter.receive(region, bounds[i - 1]!, bounds[i]!);
    while (sink.cutter.isHeld) sink.resume();
  }
  return sink.seen;
}

test("pieces do not depend on how the stream is cut", () => {
  const bytes = fc.uint8Array({ maxLength: 200 });
  fc.assert(
    fc.property(bytes, fc.array(fc.nat(), { maxLength: 40 }), (stream, cuts) => {
      expect(run(stream, cuts)).toEqual(run(stream, []));
    }),
    { numRuns: 500 },
  );
});

test("what comes while it holds is kept in order, and looked at when it goes on", () => {
  const sink = new Sink();
  // Hold; gather 2; skip 1.
  const stream = new Region(Uint8Array.of(3, 0x20, 7, 8, 0x12, 9));
  for (let at = 0; at < 6; at++) sink.cutter.receive(stream, at, at + 1);
  expect(sink.seen).toEqual([]);
  expect(sink.cutter).toMatchObject({ isHeld: true, backlogBytes: 5 });
  sink.resume();
  expect(sink.seen).toEqual(["held", "gathered 7,8", "skipped 1"]);
  expect(sink.cutter).toMatchObject({ backlogBytes: 0, cutBytes: 6, pieces: 5 });
});

test("a piece that has begun is owed; between pieces nothing is", () => {
  const sink = new Sink();
  const stream = new Region(Uint8Array.of(0x21, 1, 2));
  expect(sink.cutter.midPiece).toBe(false);
  sink.cutter.receive(stream, 0, 1);
  expect(sink.cutter.midPiece).toBe(true);
  sink.cutter.receive(stream, 1, 3);
  expect(sink.cutter.midPiece).toBe(false);
  sink.cutter.stop();
  sink.cutter.receive(stream, 0, 3);
  expect(sink.seen).toEqual(["placed 1,2"]);
});

// Segments in any order into bytes in theirs: retransmissions, overlaps, holes, the wrap of numbers.

import * as fc from "fast-check";
import { expect, test } from "vitest";
import { Lane, type LaneLimits } from "./lane.ts";

/** Keeps what a lane gives out; "." stands for a byte that is missing. */
class Kept {
  text = "";
  differences = 0;
  joins = 0;
  readonly lane: Lane;

  constructor(limits: Partial<LaneLimits> = {}) {
    this.lane = new Lane(
      {
        joined: () => {
          this.joins++;
        },
        bytes: (bytes, _view, start, end) => {
          this.text += String.fromCharCode(...bytes.subarray(start, end));
        },
        missing: (count) => {
          this.text += ".".repeat(count);
        },
        differs: () => {
          this.differences++;
        },
      },
      { waitingBytesMax: 1000, waitingPiecesMax: 100, historyBytes: 64, ...limits },
    );
  }

  /** `captured`: how much of it the snapshot length left. */
  segment(seq: number, text: string, captured = text.length): this {
    const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    this.lane.segment(seq >>> 0, bytes, view, 0, Math.min(captured, text.length), text.length);
    return this;
  }
}

const begun = (limits?: Partial<LaneLimits>): Kept => {
  const kept = new Kept(limits);
  kept.lane.begin(99);
  return kept;
};

test("in order", () => {
  expect(begun().segment(100, "abc").segment(103, "def").text).toBe("abcdef");
});

test("out of order", () => {
  const kept = begun().segment(106, "ghi").segment(103, "def").segment(100, "abc");
  expect(kept.text).toBe("abcdefghi");
  expect(kept.lane.counts).toMatchObject({ outOfOrder: 2, gaps: 0, bytes: 9 });
});

test("P5: a retransmission, whole or in part, is taken once", () => {
  const kept = begun().segment(100, "abcdef").segment(100, "abcdef").segment(103, "defghi");
  expect([kept.text, kept.differences]).toEqual(["abcdefghi", 0]);
  expect(kept.lane.counts.retransmissions).toBe(2);
});

test("P5: a retransmission with other bytes: those that came first count, and somebody is told", () => {
  const kept = begun().segment(100, "abcdef").segment(102, "XXefgh");
  expect([kept.text, kept.differences]).toEqual(["abcdefgh", 1]);
});

test("P5: the same among those that wait", () => {
  const kept = begun().segment(104, "efgh").segment(102, "cdEFghij").segment(100, "ab");
  expect([kept.text, kept.differences]).toEqual(["abcdefghij", 1]);
});

test("P5: overlaps of what waits are joined without doubling", () => {
  const kept = begun()
    .segment(110, "klm")
    .segment(103, "def")
    .segment(105, "fghijkl")
    .segment(100, "abcd");
  expect([kept.text, kept.differences]).toEqual(["abcdefghijklm", 0]);
});

test("P5: sequence numbers wrap", () => {
  const kept = new Kept();
  kept.lane.begin(0xffff_fffc);
  kept.segment(3, "ghi").segment(0xffff_fffd, "abcdef").segment(6, "jk");
  expect(kept.text).toBe("abcdefghijk");
});

test("a keep-alive probe is nothing, whatever it holds", () => {
  const kept = begun().segment(100, "abc").segment(102, "?").segment(103, "d");
  expect([kept.text, kept.differences]).toEqual(["abcd", 0]);
});

test("P5: a hole that is acknowledged is one that the capture has", () => {
  const kept = begun().segment(100, "abc").segment(107, "hij");
  expect(kept.text).toBe("abc");
  kept.lane.acknowledged(107);
  expect(kept.text).toBe("abc....hij");
  expect(kept.lane.counts).toMatchObject({ gaps: 1, missingBytes: 4 });
});

test("an acknowledgement of what was never captured is a hole at the end", () => {
  const kept = begun().segment(100, "abc");
  kept.lane.acknowledged(108);
  expect(kept.segment(108, "ijk").text).toBe("abc.....ijk");
});

test("SYN and FIN are acknowledged like a byte, and no hole", () => {
  const kept = begun().segment(100, "abc");
  kept.lane.acknowledged(104);
  expect(kept.text).toBe("abc");
  expect(kept.lane.counts.gaps).toBe(0);
});

test("P5: a hole that is never filled is given up at the end", () => {
  const kept = begun().segment(100, "abc").segment(105, "fg").segment(110, "k");
  kept.lane.end();
  expect(kept.text).toBe("abc..fg...k");
  expect(kept.lane.counts.gaps).toBe(2);
});

test("a hole is given up when too much waits behind it", () => {
  const kept = begun({ waitingBytesMax: 10 }).segment(101, "12345678").segment(110, "abcd");
  expect(kept.text).toBe(".12345678");
  const pieces = begun({ waitingPiecesMax: 2 });
  for (const seq of [102, 104, 106]) pieces.segment(seq, "x");
  expect(pieces.text).toBe("..x");
});

test("what a snapshot length cut is missing, and no gap of the stream", () => {
  const kept = begun().segment(100, "abcdefgh", 3).segment(108, "ijk");
  expect(kept.text).toBe("abc.....ijk");
  expect(kept.lane.counts).toMatchObject({ gaps: 0, missingBytes: 5 });
});

test("P5: a stream that is joined in its middle begins with its first segment", () => {
  const kept = new Kept().segment(5000, "abc").segment(5003, "def");
  expect(kept.text).toBe("abcdef");
  expect(kept.joins).toBe(1);
  const acknowledged = new Kept();
  acknowledged.lane.acknowledged(5000);
  expect(acknowledged.segment(5003, "def").joins).toBe(1);
  expect(begun().segment(100, "abc").joins).toBe(0);
});

test("a number far from all that is expected is not of this stream", () => {
  expect(
    begun()
      .segment(100 + 2 ** 30 + 1, "zzz")
      .segment(100, "abc").text,
  ).toBe("abc");
});

test("a lane is done when its FIN and all before it have come", () => {
  const kept = begun();
  kept.lane.finish(103, 3);
  expect(kept.segment(103, "def").lane.isDone).toBe(false);
  expect(kept.segment(100, "abc").lane.isDone).toBe(true);
});

test("segments that cover a stream give it out whole, in whatever order, however they overlap", () => {
  const whole = Array.from({ length: 60 }, (_, i) => String.fromCharCode(65 + i)).join("");
  const piece = fc.tuple(fc.nat(59), fc.integer({ min: 1, max: 20 }));
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), fc.nat(2 ** 32 - 1), (pieces, isn) => {
      const kept = new Kept({ historyBytes: 32 });
      kept.lane.begin(isn);
      for (const [at, length] of pieces) kept.segment(isn + 1 + at, whole.slice(at, at + length));
      for (let at = 0; at < 60; at += 10) kept.segment(isn + 1 + at, whole.slice(at, at + 10));
      expect(kept.text).toBe(whole);
      expect(kept.differences).toBe(0);
      expect(kept.lane.counts.gaps).toBe(0);
    }),
  );
});

// Bytes out: in the order they were appended, as they were when they were copied, none twice.

import * as fc from "fast-check";
import { crc32c, viewOf } from "@nvmeof/codec";
import { expect, test } from "vitest";
import { present } from "../testing/present.ts";
import { joined } from "../testing/raw-pdu.ts";
import { COPY_BYTES_MAX, SendQueue } from "./send-queue.ts";

const ramp = (count: number, from: number): Uint8Array =>
  Uint8Array.from({ length: count }, (_, i) => (i + from) & 0xff);

type Step =
  | { do: "header"; bytes: number }
  | { do: "append"; bytes: number }
  | { do: "copy"; bytes: number }
  | { do: "digested"; bytes: number }
  | { do: "write" };

const size = fc.oneof(
  fc.integer({ min: 1, max: 200 }),
  fc.constantFrom(COPY_BYTES_MAX - 1, COPY_BYTES_MAX, COPY_BYTES_MAX + 1, 16_384, 300_000),
);

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant("header" as const), bytes: fc.integer({ min: 8, max: 256 }) }),
  fc.record({ do: fc.constant("append" as const), bytes: size }),
  fc.record({ do: fc.constant("copy" as const), bytes: size }),
  fc.record({ do: fc.constant("digested" as const), bytes: size }),
  fc.record({ do: fc.constant("write" as const) }),
);

/** Does one step to the queue, and gives the bytes that it must send for it. */
function append(out: SendQueue, { do: what, bytes }: Exclude<Step, { do: "write" }>): Uint8Array {
  const payload = ramp(bytes, bytes & 0xff);
  if (what === "header") {
    const base = out.reserve(bytes);
    for (let i = 0; i < bytes; i++) out.view.setUint8(base + i, present(payload[i]));
    return payload;
  }
  if (what === "append") {
    out.append(payload);
    return payload;
  }
  if (what === "copy") {
    const owned = joined(new Uint8Array(3), payload, new Uint8Array(3));
    out.copy(owned, 3, 3 + bytes);
    owned.fill(0xdd); // its owner has it back
    return payload;
  }
  out.appendDigested(payload);
  const digest = new Uint8Array(4);
  viewOf(digest).setInt32(0, crc32c(viewOf(payload)), true);
  return joined(payload, digest);
}

test("whatever is appended leaves in order and unharmed, though chunks are used again", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 60 }), (steps) => {
      const out = new SendQueue();
      let expected: Uint8Array[] = [];
      let underWay: { pieces: Uint8Array[]; expected: Uint8Array } | undefined;
      const settle = (): void => {
        if (underWay !== undefined) {
          // Nothing that was appended since may have touched what is being written.
          expect(Buffer.compare(joined(...underWay.pieces), underWay.expected)).toBe(0);
          out.drained();
        }
        underWay = { pieces: out.take(), expected: joined(...expected) };
        expected = [];
      };
      for (const one of steps) {
        if (one.do === "write") settle();
        else expected.push(append(out, one));
        const staged = expected.reduce((sum, { length }) => sum + length, 0);
        expect(out.isEmpty).toBe(staged === 0);
        expect(out.queuedBytes).toBe(staged + (underWay?.expected.length ?? 0));
      }
      settle();
      expect(Buffer.compare(joined(...underWay!.pieces), underWay!.expected)).toBe(0);
    }),
    { numRuns: 200, seed: 7 },
  );
});

test("small payloads are copied at once, large ones go by reference: that is the promise", () => {
  const out = new SendQueue();
  const small = ramp(COPY_BYTES_MAX, 1);
  const large = ramp(COPY_BYTES_MAX + 1, 1);
  out.append(small);
  out.append(large);
  small.fill(0);
  const pieces = out.take();
  expect(pieces).toHaveLength(2);
  expect(pieces[0]).toEqual(ramp(COPY_BYTES_MAX, 1));
  expect(pieces[1]).toBe(large);
});

test("what is discarded is not sent, and what comes after it is", () => {
  const out = new SendQueue();
  out.append(ramp(100, 1));
  out.append(ramp(20_000, 1));
  out.discard();
  expect(out.isEmpty).toBe(true);
  out.append(ramp(24, 9));
  expect(joined(...out.take())).toEqual(ramp(24, 9));
});

test("a steady load uses the same chunks again", () => {
  const out = new SendQueue();
  const memory = new Set<ArrayBufferLike>();
  const payload = ramp(4096, 1);
  for (let turn = 0; turn < 200; turn++) {
    for (let i = 0; i < 60; i++) out.append(payload);
    const pieces = out.take();
    if (turn > 20) for (const piece of pieces) memory.add(piece.buffer);
    out.drained();
  }
  expect(memory.size).toBeLessThan(6);
});

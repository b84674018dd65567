// The pair of streams in memory keeps the promises of a byte stream, however it cuts and delays.

import { describe, expect, test } from "vitest";
import { byteStreamConformance } from "./conformance/index.ts";
import { numbers } from "./conformance/case.ts";
import { MemoryPort } from "./memory.ts";
import { VirtualClock } from "./testing/index.ts";

const shapes = [
  { name: "as written", options: {} },
  { name: "cut at random", options: { chunk: 5_000 } },
  { name: "with latency", options: { latencyMs: 5 } },
  {
    name: "with latency, cut at random, and a small window",
    options: { latencyMs: 1, chunk: 50_000, windowBytes: 1 },
  },
];

describe.each(shapes)(
  "$name",
  ({
    options: { chunk, ...options },
  }: (typeof shapes)[number] & { options: { chunk?: number } }) => {
    test.each(byteStreamConformance.map((one) => [one.name, one] as const))(
      "%s",
      async (_name, one) => {
        const clock = new VirtualClock();
        const next = numbers(11);
        const cut = chunk === undefined ? {} : { chunkBytes: () => 1 + next(chunk) };
        const port = new MemoryPort("test", { clock, ...options, ...cut });
        await one.run({
          listener: port,
          connector: port,
          nowhere: new MemoryPort("nowhere", { clock }),
          until: async (done) => {
            expect(clock.runUntil(done), "it takes more than ten minutes").toBe(true);
          },
          quiet: async () => clock.drain(),
        });
        clock.drain();
        expect(clock.armed).toBe(0);
      },
    );
  },
);

test("time passes for bytes under way", () => {
  const clock = new VirtualClock();
  const port = new MemoryPort("test", { clock, latencyMs: 20 });
  let arrivedMs = 0;
  const silent = { opened() {}, received() {}, drained() {}, ended() {} };
  port.listen(() => ({ ...silent, received: () => void (arrivedMs = clock.nowMs()) }));
  const stream = port.connect({ receiveBytes: 1, connectTimeoutMs: 1 }, silent);
  clock.settle();
  stream.write([Uint8Array.of(1)]);
  clock.drain();
  expect(arrivedMs).toBe(20);
});

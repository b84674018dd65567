// Bytes of many clients in the same blocks: none is lost, whatever goes on at the same time.

import { memoryDevice, openDisk } from "@nvmeof/bdev";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { NbdBench } from "../testing/nbd-bench.ts";
import { CommandFlag, NbdCommand } from "./protocol.ts";

const BLOCK = 512;
const SIZE = 32 * BLOCK;
const CLIENTS = 3;

const change = fc.record({
  /** Where the next change begins: changes are of different bytes, but of the same blocks. */
  bytes: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 3 * BLOCK })),
  kind: fc.constantFrom("write", "zero", "zero without a hole"),
  client: fc.nat(CLIENTS - 1),
  waitMs: fc.oneof(fc.constant(0), fc.nat(4)),
  order: fc.nat(),
});

test("changes of different bytes all count, in whatever order and by whatever connection", async () => {
  const changes = fc.array(change, { minLength: 1, maxLength: 60 });
  await fc.assert(
    fc.asyncProperty(changes, fc.integer({ min: 0, max: 3 }), async (all, latencyMs) => {
      const bench = new NbdBench({
        backing: (clock) =>
          memoryDevice({
            name: "m",
            clock,
            blockBytes: BLOCK,
            blockCount: SIZE / BLOCK,
            latencyMs,
          }),
      });
      const clients = Array.from({ length: CLIENTS }, () => bench.client());
      const expected = new Uint8Array(SIZE).fill(0xaa);
      clients[0]!.request({ type: NbdCommand.Write, data: expected.slice(), cookie: 1_000 });
      bench.clock.advance(10);
      clients[0]!.answers();
      let at = 0;
      const placed = all.map((each) => {
        const offset = at;
        at += each.bytes;
        return { ...each, offset };
      });
      const fitting = placed.filter(({ offset, bytes }) => offset + bytes <= SIZE);
      for (const each of [...fitting].sort((a, b) => a.order - b.order)) {
        const { offset, bytes, kind, client } = each;
        const value = kind === "write" ? (offset % 251) + 1 : 0;
        expected.fill(value, offset, offset + bytes);
        const flags = kind === "zero without a hole" ? CommandFlag.NoHole : 0;
        clients[client]!.request(
          kind === "write"
            ? { type: NbdCommand.Write, offset, data: new Uint8Array(bytes).fill(value) }
            : { type: NbdCommand.WriteZeroes, flags, offset, length: bytes },
        );
        bench.clock.advance(each.waitMs);
      }
      bench.clock.advance(2_000);
      for (const client of clients)
        expect(client.answers().every(({ errno }) => errno === 0)).toBe(true);
      expect(bench.server.exports[0]!.lock.count).toBe(0);
      const disk = openDisk(bench.device);
      const reading = disk.read(0, SIZE / BLOCK);
      for (let turn = 0; turn < 10; turn++) {
        bench.clock.advance(5);
        await Promise.resolve();
      }
      expect(Buffer.compare(await reading, expected)).toBe(0);
    }),
    { numRuns: 150 },
  );
}, 60_000);

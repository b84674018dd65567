// NVMe/TCP over memory keeps the promises of a transport, in every shape of its connection.

import { describe, expect, test } from "vitest";
import { numbers } from "../conformance/case.ts";
import { transportConformance } from "../conformance/index.ts";
import { type MemoryLinkOptions, MemoryPort } from "../memory.ts";
import { VirtualClock } from "../testing/index.ts";
import { acceptQueue } from "./controller-link.ts";
import { type HostTransportOptions, hostTransport } from "./host-link.ts";

interface Shape {
  readonly name: string;
  readonly host?: Partial<HostTransportOptions>;
  readonly controllerPda?: number;
  readonly memory?: Omit<MemoryLinkOptions, "clock">;
}

const cut = (limit: number): (() => number) => {
  const next = numbers(5);
  return () => 1 + next(limit);
};

const digests = { headerDigest: true, dataDigest: true };

const shapes: Shape[] = [
  { name: "plain" },
  { name: "header digest", host: { headerDigest: true } },
  { name: "data digest", host: { dataDigest: true } },
  { name: "digests, aligned to 128", host: { ...digests, pda: 31 }, controllerPda: 31 },
  { name: "cut at random", host: digests, memory: { chunkBytes: cut(3_000) } },
  { name: "slow, with a small window", memory: { latencyMs: 3, windowBytes: 5_000 } },
];

describe.each(shapes)("$name", ({ host = {}, controllerPda = 0, memory = {} }) => {
  test.each(transportConformance.map((one) => [one.name, one] as const))("%s", async (_n, one) => {
    const clock = new VirtualClock();
    const port = new MemoryPort("test", { clock, ...memory });
    await one.run({
      transport: hostTransport({
        address: { trtype: "loop", traddr: "test", trsvcid: "" },
        connector: port,
        clock,
        ...host,
      }),
      serve: (accept) =>
        port.listen((stream) => acceptQueue({ clock, pda: controllerPda }, stream, accept)),
      until: async (done) => {
        expect(clock.runUntil(done), "it takes more than ten minutes").toBe(true);
      },
      quiet: async () => clock.advance(200),
    });
    clock.drain();
    expect(clock.armed).toBe(0);
  });
});

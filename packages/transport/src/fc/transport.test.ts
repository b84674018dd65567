// FC over a fabric in memory keeps the promises of a transport, in every shape of the way.

import { describe, expect, test } from "vitest";
import { numbers } from "../conformance/case.ts";
import { transportConformance } from "../conformance/index.ts";
import { type MemoryLinkOptions, MemoryPort } from "../memory.ts";
import { VirtualClock } from "../testing/index.ts";
import { FcControllerPort } from "./controller-port.ts";
import { Fabric, type FabricOptions } from "./fabric.ts";
import { SoftHostPort } from "./host-port.ts";
import { FcHost } from "./host-transport.ts";
import { traddrOf } from "./names.ts";
import { StreamLink } from "./stream-link.ts";
import { fcListener } from "./stream-listener.ts";
import { SoftTargetPort } from "./target-port.ts";

const hostNames = { nodeName: 0x2000_0000_0000_0001n, portName: 0x2100_0000_0000_0001n };
const targetNames = { nodeName: 0x2000_0000_0000_0002n, portName: 0x2100_0000_0000_0002n };

interface Shape {
  readonly name: string;
  readonly fabric?: Partial<FabricOptions>;
  readonly exchangesMax?: number;
}

const shapes: Shape[] = [
  { name: "plain" },
  { name: "slow, with a small window", fabric: { latencyMs: 3, windowBytes: 5_000 } },
  { name: "a host's port with few exchanges", exchangesMax: 32 },
];

describe.each(shapes)("$name", ({ fabric: options = {}, exchangesMax = 4_096 }) => {
  test.each(transportConformance.map((one) => [one.name, one] as const))("%s", async (_n, one) => {
    const clock = new VirtualClock();
    const fabric = new Fabric("fabric", { clock, ...options });
    const hostPort = new SoftHostPort({
      link: fabric.link(hostNames),
      clock,
      names: hostNames,
      exchangesMax,
    });
    const host = new FcHost({ port: hostPort, clock });
    const targetPort = new SoftTargetPort({
      link: fabric.link(targetNames),
      clock,
      names: targetNames,
    });
    const controllers = new FcControllerPort({ port: targetPort, clock, local: "target" });
    await one.run({
      transport: host.transport({ trtype: "fc", traddr: traddrOf(targetNames), trsvcid: "" }),
      serve: (accept) => controllers.listen(accept),
      until: async (done) => {
        expect(clock.runUntil(done), "it takes more than ten minutes").toBe(true);
      },
      quiet: async () => clock.advance(200),
    });
    clock.drain();
    expect(clock.armed).toBe(0);
    expect(host.associations).toEqual([]);
    expect(controllers.associations).toBe(0);
  });
});

const cut = numbers(5);

const streams: { readonly name: string; readonly memory: Omit<MemoryLinkOptions, "clock"> }[] = [
  { name: "over a stream", memory: {} },
  { name: "over a stream, cut at random", memory: { chunkBytes: () => 1 + cut(3_000) } },
  { name: "over a slow stream", memory: { latencyMs: 3, windowBytes: 5_000 } },
];

describe.each(streams)("$name", ({ memory }) => {
  test.each(transportConformance.map((one) => [one.name, one] as const))("%s", async (_n, one) => {
    const clock = new VirtualClock();
    const port = new MemoryPort("test", { clock, ...memory });
    const link = new StreamLink({ connector: port }, clock);
    const host = new FcHost({ port: new SoftHostPort({ link, clock, names: hostNames }), clock });
    await one.run({
      transport: host.transport({ trtype: "fc", traddr: "test", trsvcid: "" }, 0n),
      serve: (accept) => fcListener({ listener: port, clock, names: targetNames }).listen(accept),
      until: async (done) => {
        expect(clock.runUntil(done), "it takes more than ten minutes").toBe(true);
      },
      quiet: async () => clock.advance(200),
    });
    clock.drain();
    expect(clock.armed).toBe(0);
    expect(host.associations).toEqual([]);
  });
});

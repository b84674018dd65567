// The simulated network keeps the promises of a byte stream, whatever its weather.

import { byteStreamConformance } from "@nvmeof/transport/conformance";
import { VirtualClock } from "@nvmeof/transport/testing";
import { describe, expect, test } from "vitest";
import { SimRandom } from "../random.ts";
import { SimNetwork } from "./network.ts";
import { CALM, type Weather } from "./weather.ts";

const weathers: Readonly<Record<string, Partial<Weather>>> = {
  calm: {},
  "no latency at all": { latencyMs: 0, jitterMs: 0 },
  "cut at random, with jitter": { jitterMs: 5, cut: "random" },
  "a byte at a time": { cut: "bytes" },
  "with losses": { jitterMs: 2, cut: "random", lossOneIn: 20 },
  "little bandwidth": { bytesPerMs: 20_000, cut: "random" },
};

/** Nobody breaks the contract here, and nothing is left. */
const complain = (invariant: string, message: string): void => {
  throw new Error(`${invariant}: ${message}`);
};

describe.each(Object.entries(weathers))("%s", (_name, weather) => {
  test.each(byteStreamConformance.map((one) => [one.name, one] as const))("%s", async (_n, one) => {
    const clock = new VirtualClock();
    const network = new SimNetwork(clock, new SimRandom(1), { complain }, { ...CALM, ...weather });
    const port = network.port("port0");
    await one.run({
      listener: port,
      connector: port.connectorOf("host0"),
      nowhere: network.port("nowhere").connectorOf("host0"),
      until: async (done) => {
        expect(clock.runUntil(done), "it takes more than ten minutes").toBe(true);
      },
      quiet: async () => clock.drain(),
    });
    clock.drain();
    expect(clock.armed).toBe(0);
    expect(network.connections).toBe(0);
    expect(network.openEnds("host") + network.openEnds("controller")).toBe(0);
  });
});

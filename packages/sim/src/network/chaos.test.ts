// Whatever befalls the network, a stream stays a stream: in order, a prefix of what was sent, one end.

import { expect, test } from "vitest";
import { SimRandom } from "../random.ts";
import { type KeptEnd, NetworkBench } from "./bench.ts";
import type { FaultScope, NetworkFault } from "./fault.ts";

const directions = ["toController", "toHost"] as const;
const sides = ["host", "controller"] as const;

function anyFault(random: SimRandom): NetworkFault {
  const scope: FaultScope = { pick: random.pick(["all", "oldest", "newest", random.below(5)]) };
  switch (random.below(9)) {
    case 0:
      return { ...scope, kind: "silence" };
    case 1:
      return { ...scope, kind: "silence", direction: random.pick(directions) };
    case 2:
      return { ...scope, kind: "reset", seenBy: random.pick(["both", ...sides]) };
    case 3:
      return { ...scope, kind: "fin", from: random.pick(sides) };
    case 4:
      return { ...scope, kind: "vanish", side: random.pick(sides) };
    case 5: {
      const how = random.pick(["reset", "fin", "silence"] as const);
      const direction = random.pick(directions);
      const [afterWrites, bytes] = [random.below(4), random.below(100)];
      return { ...scope, kind: "trip", direction, afterWrites, bytes, how };
    }
    case 6: {
      const admission = random.pick(["refused", "unanswered", 500, "open"] as const);
      return { kind: "admission", admission };
    }
    case 7:
      return { ...scope, kind: "stop-reading", side: random.pick(sides) };
    default: {
      const cut = random.pick(["whole", "random", "bytes"] as const);
      const weather = { jitterMs: random.below(50), cut, lossOneIn: random.below(20) };
      return { ...scope, kind: "weather", weather };
    }
  }
}

/** An end that writes numbers in a row, so that what arrives tells what is missing. */
class Counting {
  readonly end: KeptEnd;
  #next = 0;

  constructor(end: KeptEnd) {
    this.end = end;
  }

  write(count: number): void {
    if (this.end.told[0] !== "opened" || this.end.told.length > 1) return;
    const bytes = Uint8Array.from({ length: count }, (_, at) => this.#next + at);
    this.#next += count;
    this.end.stream.write([bytes]);
  }
}

function run(seed: number): void {
  const random = new SimRandom(seed);
  const bench = new NetworkBench({ cut: "random", jitterMs: 2 }, {}, seed);
  const hosts: Counting[] = [];
  const controllers = (): Counting[] => bench.controllers.map((end) => counted(end));
  const known = new Map<KeptEnd, Counting>();
  const counted = (end: KeptEnd): Counting => {
    let one = known.get(end);
    if (one === undefined) known.set(end, (one = new Counting(end)));
    return one;
  };
  for (let step = 0; step < 60; step++) {
    const dice = random.below(10);
    if (dice === 0) hosts.push(new Counting(bench.connect("host0", 3_000)));
    else if (dice === 1) bench.network.apply(anyFault(random));
    else if (dice === 2) bench.network.healAll();
    else {
      const ends = [...hosts, ...controllers()];
      if (ends.length > 0) {
        const one = random.pick(ends);
        if (dice === 3) one.end.stream.pause();
        else if (dice === 4) one.end.stream.resume();
        else if (dice === 5 && random.oneIn(4)) one.end.stream.close();
        else if (dice === 6 && random.oneIn(4)) one.end.stream.reset();
        else one.write(random.between(1, random.pick([10, 3_000])));
      }
    }
    bench.clock.advance(random.pick([0, 1, 10, 500]));
  }
  const ends = [...hosts, ...controllers()];
  for (const { end } of ends) {
    expect(end.bytes.every((byte, at) => byte === (at & 0xff))).toBe(true);
    expect(end.told.length).toBeLessThanOrEqual(2);
    if (end.told.length === 2) expect(end.told[0]).toBe("opened");
  }
  expect(bench.complaints).toEqual([]);
  // In the midst of whatever is wrong: who leaves is gone in time, and leaves nothing.
  bench.network.port("port0").close();
  for (const { end } of ends) if (random.oneIn(2)) end.stream.reset();
  for (const { end } of ends) end.stream.close();
  bench.clock.drain(10_000);
  expect(bench.network.openEnds("host") + bench.network.openEnds("controller")).toBe(0);
  expect(bench.clock.armed).toBe(0);
  bench.network.healAll();
  bench.clock.drain();
  expect(bench.network.connections).toBe(0);
}

test("in 500 runs of random faults", () => {
  for (let seed = 1; seed <= 500; seed++) {
    try {
      run(seed);
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
});

// Whatever happens in whatever order: every interleaving of two things, and random ones of many.
// The invariants are those of the simulator: everything settles once, every close ends in time.

import { Cns } from "@nvmeof/codec";
import { VirtualClock } from "@nvmeof/transport/testing";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { identifyBuffer, identifyCommand } from "./admin.ts";
import { type Ended, TestHost } from "./testing/test-host.ts";

const BOUND_MS = 2_000;
/** A bring-up takes fewer turns than this. */
const TURNS = 150;

function afterTurns(clock: VirtualClock, turns: number, task: () => void): void {
  if (turns === 0) task();
  else clock.defer(() => afterTurns(clock, turns - 1, task));
}

/** Nothing settles after the end, no timer is left, and no assertion of ours has failed. */
function expectEnded(host: TestHost, all: readonly Ended[]): void {
  expect(host.controller.state).toBe("closed");
  const counts = all.map(({ count }) => count);
  host.clock.settle();
  expect(host.clock.armed).toBe(0);
  host.clock.advance(600_000);
  expect(counts).toEqual(all.map(() => 1));
  expect(all.map(({ count }) => count)).toEqual(counts);
}

const scenarios: Readonly<Record<string, (host: TestHost) => Ended[]>> = {
  "connecting succeeds": (host) => [host.start()],
  "connecting fails": (host) => {
    host.peer.killOn("connect-io");
    return [host.start()];
  },
  "a live controller is lost, and comes back": (host) => {
    host.connect();
    const read = host.read();
    host.peer.kill();
    return [read];
  },
  "a live controller is lost, and the attempt fails": (host) => {
    host.connect();
    const read = host.read();
    host.peer.killOn("get-csts");
    host.peer.kill();
    return [read];
  },
  "a live controller is reset": (host) => {
    host.connect();
    return [host.read(), host.reset()];
  },
};

const actions: Readonly<Record<string, (host: TestHost) => Ended[]>> = {
  reset: (host) => [host.reset()],
  disable: (host) => [host.request((done) => host.controller.disable(done))],
  close: (host) => {
    host.controller.close({}, () => {});
    return [];
  },
  "loss of all queues": (host) => {
    host.peer.kill();
    return [];
  },
};

describe.each(Object.keys(scenarios))("while %s", (scenario) => {
  test.each(Object.keys(actions))("there may be a %s in every turn", (action) => {
    for (let turns = 0; turns < TURNS; turns++) {
      const host = new TestHost({ clock: new VirtualClock() });
      const all = scenarios[scenario]!(host);
      afterTurns(host.clock, turns, () => all.push(...actions[action]!(host)));
      host.clock.advance(0);
      host.peer.usual("get-csts");
      host.peer.usual("connect-io");
      const closing = ["closing", "closed"].includes(host.controller.state);
      host.clock.advance(30_000);
      if (action === "disable" && !closing) expect(host.controller.state).toBe("disabled");
      else if (!closing && scenario !== "connecting fails") {
        expect([action, host.controller.state]).not.toEqual(["reset", "waiting"]);
      }
      host.close();
      expectEnded(host, all);
    }
  });
});

/** Anything that may happen to a controller. */
const moves = fc.array(
  fc.oneof(
    fc.constantFrom(
      "read" as const,
      "admin" as const,
      "reset" as const,
      "disable" as const,
      "enable" as const,
      "lost" as const,
      "freeze" as const,
      "thaw" as const,
      "refuse" as const,
      "accept" as const,
      "kill admin" as const,
      "kill io" as const,
      "drop reads" as const,
      "answer reads" as const,
    ),
    fc.record({ turns: fc.nat(40) }),
    fc.record({ ms: fc.constantFrom(1, 10, 500, 3_000, 5_000, 12_000, 31_000) }),
  ),
  { maxLength: 40 },
);

type Move = typeof moves extends fc.Arbitrary<(infer M)[]> ? M : never;

function play(host: TestHost, move: Move, all: Ended[]): void {
  const { controller, peer, clock } = host;
  if (typeof move === "object") {
    if ("ms" in move) clock.advance(move.ms);
    else afterTurns(clock, move.turns, () => all.push(host.reset()));
    return;
  }
  const acts: Record<typeof move, () => unknown> = {
    read: () => (controller.ioQueues[0]?.hasRoom === true ? all.push(host.read()) : 0),
    admin: () => all.push(host.admin(identifyCommand(Cns.ActiveNamespaces, identifyBuffer()))),
    reset: () => all.push(host.reset()),
    disable: () => all.push(host.request((done) => controller.disable(done))),
    enable: () => all.push(host.request((done) => controller.enable(done))),
    lost: () => controller.lost(new Error("seen from outside") as never),
    freeze: () => peer.freeze(),
    thaw: () => peer.thaw(),
    refuse: () => peer.refuseConnections(),
    accept: () => peer.acceptConnections(),
    "kill admin": () => peer.kill(0),
    "kill io": () => peer.kill(1),
    "drop reads": () => peer.drop("read"),
    "answer reads": () => peer.usual("read"),
  };
  acts[move]();
}

test.each(["none", "abort", "reset"] as const)(
  "I1, I2, I11, I12, I17: whatever happens, all settles once and a close ends in time (%s)",
  (onTimeout) => {
    fc.assert(
      fc.property(moves, fc.boolean(), (script, silentAtTheEnd) => {
        const host = new TestHost({ clock: new VirtualClock(), host: { onTimeout, ioQueues: 2 } });
        const all = [host.start()];
        for (const move of script) play(host, move, all);
        if (silentAtTheEnd) host.peer.freeze();
        const askedMs = host.clock.nowMs();
        const report = host.close();
        if (report.reason === undefined) {
          expect(host.clock.nowMs() - askedMs).toBeLessThanOrEqual(BOUND_MS);
        }
        expect(report.totalMs).toBeLessThanOrEqual(BOUND_MS);
        expectEnded(host, all);
        expect(host.states.filter((state) => state === "closed")).toHaveLength(1);
        expect(host.states.at(-1)).toBe("closed");
      }),
      { seed: 7, numRuns: 100 },
    );
  },
);

test("I43: with a peer that is well again, whatever happened before, the controller comes back", () => {
  fc.assert(
    fc.property(moves, (script) => {
      const host = new TestHost({
        clock: new VirtualClock(),
        host: { reconnect: { lossMs: -1, jitter: 0 } },
      });
      host.connect();
      for (const move of script) play(host, move, []);
      host.clock.advance(10_000);
      host.peer.thaw();
      host.peer.acceptConnections();
      host.peer.usual("read");
      host.request((done) => host.controller.enable(done));
      // Longest wait, time to connect, and a keep-alive that was lost.
      host.clock.advance(10_000 + 3_000 + 15_000);
      expect(host.controller.state).toBe("live");
      const read = host.read();
      host.clock.settle();
      expect(read).toMatchObject({ count: 1, error: undefined });
      host.close();
      expectEnded(host, [read]);
    }),
    { seed: 11, numRuns: 100 },
  );
});

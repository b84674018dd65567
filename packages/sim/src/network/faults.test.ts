// Each fault of the network does what it says, to whom it says, and no longer.

import { expect, test } from "vitest";
import { NetworkBench } from "./bench.ts";

test("silence loses nothing for good: a stream repeats it, later than the network is back", () => {
  const bench = new NetworkBench();
  const [host, controller] = bench.pair();
  bench.network.apply({ kind: "silence" });
  host.write(1, 2, 3);
  controller.write(4);
  bench.clock.advance(1_000);
  expect([controller.bytes, host.bytes]).toEqual([[], []]);
  bench.network.healAll();
  bench.clock.advance(50);
  expect(controller.bytes).toEqual([]);
  bench.clock.advance(1_000);
  expect([controller.bytes, host.bytes]).toEqual([[1, 2, 3], [4]]);
  expect([host.told, controller.told]).toEqual([["opened"], ["opened"]]);
});

test("silence in one direction leaves the other", () => {
  const bench = new NetworkBench();
  const [host, controller] = bench.pair();
  bench.network.apply({ kind: "silence", direction: "toHost" });
  host.write(1);
  controller.write(2);
  bench.clock.advance(1_000);
  expect([controller.bytes, host.bytes]).toEqual([[1], []]);
});

test("who connects in silence is answered once it is over, if he has waited for it", () => {
  const bench = new NetworkBench();
  bench.pair();
  bench.network.apply({ kind: "silence", direction: "toHost" });
  const patient = bench.connect();
  const hasty = bench.connect("host0", 500);
  bench.clock.advance(2_000);
  expect([patient.told, hasty.told]).toEqual([[], ["NVME_ERR_CONNECT_TIMEOUT"]]);
  expect(hasty.endedAtMs).toBe(600);
  bench.network.healAll();
  bench.clock.advance(2_000);
  expect(patient.told).toEqual(["opened"]);
});

test("a reset in silence is not seen; who sends afterwards learns that nobody is there", () => {
  const bench = new NetworkBench();
  const [host, controller] = bench.pair();
  bench.network.apply({ kind: "silence" });
  host.stream.reset();
  bench.clock.advance(100);
  bench.network.healAll();
  bench.clock.advance(60_000);
  expect(controller.told).toEqual(["opened"]);
  controller.write(1);
  bench.clock.advance(10);
  expect(controller.told).toEqual(["opened", "NVME_ERR_CONNECTION_LOST"]);
  expect(bench.network.connections).toBe(0);
});

test("an orderly close in silence sends until its time is over, and then forgets", () => {
  const bench = new NetworkBench();
  const [host, controller] = bench.pair();
  bench.network.apply({ kind: "silence" });
  host.write(1);
  host.stream.close();
  bench.clock.advance(5_000);
  bench.network.healAll();
  bench.clock.advance(60_000);
  expect([controller.bytes, controller.told]).toEqual([[], ["opened"]]);
});

test("an orderly close takes as long as its user says", () => {
  const bench = new NetworkBench();
  const [host] = bench.pair();
  bench.network.apply({ kind: "silence" });
  const beganMs = bench.clock.nowMs();
  host.stream.close(700);
  bench.clock.drain();
  expect(bench.clock.nowMs() - beganMs).toBe(700);
});

test.each(["host", "controller"] as const)("a reset that only the %s sees", (side) => {
  const bench = new NetworkBench();
  const [host, controller] = bench.pair();
  bench.network.apply({ kind: "reset", seenBy: side });
  bench.clock.advance(1_000);
  const [seeing, blind] = side === "host" ? [host, controller] : [controller, host];
  expect(seeing.told).toEqual(["opened", "NVME_ERR_CONNECTION_LOST"]);
  expect(blind.told).toEqual(["opened"]);
  blind.write(1);
  bench.clock.advance(10);
  expect(blind.told).toEqual(["opened", "NVME_ERR_CONNECTION_LOST"]);
});

test("a reset in the midst of silence comes all the same", () => {
  const bench = new NetworkBench();
  const [host, controller] = bench.pair();
  bench.network.apply({ kind: "silence" });
  bench.clock.advance(100);
  bench.network.apply({ kind: "reset", seenBy: "both" });
  bench.clock.advance(10);
  expect(host.told.at(-1)).toBe("NVME_ERR_CONNECTION_LOST");
  expect(controller.told.at(-1)).toBe("NVME_ERR_CONNECTION_LOST");
});

test("a reset that both see, of one host alone", () => {
  const bench = new NetworkBench();
  const [host, controller] = bench.pair("host0");
  const [other] = bench.pair("host1");
  expect(bench.network.apply({ kind: "reset", seenBy: "both", host: "host0" })).toBe(1);
  bench.clock.advance(10);
  expect(host.told.at(-1)).toBe("NVME_ERR_CONNECTION_LOST");
  expect(controller.told.at(-1)).toBe("NVME_ERR_CONNECTION_LOST");
  expect(other.told).toEqual(["opened"]);
  expect(bench.network.connections).toBe(1);
});

test("an end of bytes in the name of the controller, who learns of it by the host's own", () => {
  const bench = new NetworkBench();
  const [host, controller] = bench.pair();
  bench.network.apply({ kind: "fin", from: "controller" });
  controller.write(1);
  bench.clock.advance(10);
  expect([host.told, host.bytes]).toEqual([["opened", "ended"], []]);
  expect(controller.told).toEqual(["opened", "ended"]);
  bench.clock.drain();
  expect(bench.network.connections).toBe(0);
});

test("an end that has lost its power says nothing, and its peer knows nothing", () => {
  const bench = new NetworkBench();
  const [host, controller] = bench.pair();
  bench.network.apply({ kind: "vanish", side: "controller" });
  bench.clock.advance(60_000);
  expect([host.told, controller.told]).toEqual([["opened"], ["opened"]]);
  expect(bench.network.openEnds("controller")).toBe(0);
  host.write(1);
  bench.clock.advance(10);
  expect([host.told.at(-1), controller.bytes]).toEqual(["NVME_ERR_CONNECTION_LOST", []]);
});

const ways = [
  { how: "fin", host: "ended", controller: "ended" },
  { how: "reset", host: "NVME_ERR_CONNECTION_LOST", controller: "NVME_ERR_CONNECTION_LOST" },
  { how: "silence", host: "opened", controller: "opened" },
] as const;

test.each(ways)("a connection that comes to $how in the midst of its second answer", (way) => {
  const bench = new NetworkBench();
  bench.pair();
  const trip = { kind: "trip", direction: "toHost", afterWrites: 1, bytes: 2 } as const;
  bench.network.apply({ ...trip, how: way.how });
  const [host, controller] = bench.pair();
  controller.write(1);
  bench.clock.advance(10);
  controller.write(2, 3, 4, 5);
  bench.clock.advance(10);
  expect(host.bytes).toEqual([1, 2, 3]);
  controller.write(6);
  bench.clock.advance(60_000);
  expect([host.bytes, host.told.at(-1)]).toEqual([[1, 2, 3], way.host]);
  expect(controller.told.at(-1)).toBe(way.controller);
  bench.network.healAll();
  bench.clock.advance(120_000);
  expect(host.bytes).toEqual(way.how === "silence" ? [1, 2, 3, 4, 5, 6] : [1, 2, 3]);
});

test("a port that refuses, answers late, or not at all", () => {
  const bench = new NetworkBench();
  bench.pair();
  bench.network.apply({ kind: "admission", admission: "refused" });
  const refused = bench.connect();
  bench.clock.advance(10);
  expect(refused.told).toEqual(["NVME_ERR_UNREACHABLE"]);
  bench.network.apply({ kind: "admission", admission: 3_000 });
  const late = bench.connect();
  bench.clock.advance(2_999);
  expect(late.told).toEqual([]);
  bench.clock.advance(10);
  expect(late.told).toEqual(["opened"]);
  bench.network.apply({ kind: "admission", admission: "unanswered" });
  const unanswered = bench.connect();
  bench.clock.advance(10_000);
  expect(unanswered.told).toEqual(["NVME_ERR_CONNECT_TIMEOUT"]);
});

test("a process that does not read holds back who writes, and hears of no end", () => {
  const bench = new NetworkBench();
  const [host, controller] = bench.pair();
  bench.network.apply({ kind: "stop-reading", side: "controller" });
  host.stream.write([new Uint8Array(1024 * 1024)]);
  bench.clock.advance(60_000);
  expect([host.drains, controller.bytes]).toEqual([0, []]);
  bench.network.apply({ kind: "reset", seenBy: "controller" });
  bench.clock.advance(1_000);
  expect(controller.told).toEqual(["opened"]);
  bench.network.healAll();
  bench.clock.advance(1_000);
  expect(controller.told).toEqual(["opened", "NVME_ERR_CONNECTION_LOST"]);
});

test("a fault that picks one connection leaves the others, and those to come", () => {
  const bench = new NetworkBench();
  const pairs = [bench.pair(), bench.pair(), bench.pair()];
  bench.network.apply({ kind: "silence", pick: 4 });
  pairs.push(bench.pair());
  for (const [host] of pairs) host.write(1);
  bench.clock.advance(10);
  expect(pairs.map(([, controller]) => controller.bytes.length)).toEqual([1, 0, 1, 1]);
});

test("what is dead for good is not healed", () => {
  const bench = new NetworkBench();
  const [host, controller] = bench.pair();
  bench.network.apply({ kind: "silence", port: "port0" });
  bench.network.healAll(["port0"]);
  host.write(1);
  bench.clock.advance(600_000);
  expect(controller.bytes).toEqual([]);
});

test("a buffer that changes before drained is found out, and what was changed is sent", () => {
  const bench = new NetworkBench();
  const [host, controller] = bench.pair();
  const buffer = Uint8Array.of(1, 2, 3);
  host.stream.write([buffer]);
  buffer[1] = 9;
  bench.clock.advance(10);
  expect([bench.complaints, controller.bytes]).toEqual([["I28"], [1, 9, 3]]);
  host.stream.write([buffer]);
  host.stream.reset();
  buffer[1] = 7;
  bench.clock.advance(10);
  expect(bench.complaints).toEqual(["I28"]);
});

test("a buffer that a handler keeps after the call holds nothing of use", () => {
  const bench = new NetworkBench();
  const [host, controller] = bench.pair();
  const kept: Uint8Array[] = [];
  controller.received = (buffer, start, end) => void kept.push(buffer.bytes.subarray(start, end));
  host.write(1, 2, 3);
  bench.clock.advance(10);
  expect(kept).toEqual([Uint8Array.of(0xa5, 0xa5, 0xa5)]);
});

/** CapsuleCmd with data, both digests announced: header 72 + 4, data 32 + 4. */
function digestedPdu(): Uint8Array {
  const pdu = new Uint8Array(112);
  pdu.set([4, 3, 72, 76, 112]);
  return pdu;
}

test.each([
  { harm: "header", from: 0, to: 76 },
  { harm: "payload", from: 76, to: 112 },
] as const)(
  "a wrong bit in the $harm is one bit, in what a digest covers",
  ({ harm, from, to }) => {
    const seen = new Set<number>();
    for (let seed = 1; seed <= 100; seed++) {
      const bench = new NetworkBench({ harmOneIn: 1, harm, cut: "random" }, {}, seed);
      const [host, controller] = bench.pair();
      host.stream.write([digestedPdu()]);
      bench.clock.advance(10);
      const before = digestedPdu();
      const wrong = controller.bytes.flatMap((byte, at) => (byte === before[at] ? [] : [at]));
      for (const at of wrong) seen.add(at);
      expect(wrong.every((at) => at >= from && at < to)).toBe(true);
    }
    expect(seen.size).toBeGreaterThan(20);
  },
);

test("nothing is harmed that no digest covers", () => {
  const bench = new NetworkBench({ harmOneIn: 1 });
  const [host, controller] = bench.pair();
  const bare = digestedPdu();
  bare[1] = 0;
  host.stream.write([bare]);
  bench.clock.advance(10);
  expect(controller.bytes).toEqual([...bare]);
});

test("both moments of all bytes are seen, as sent and as delivered", () => {
  const seen = { sent: 0, delivered: 0 };
  const events: string[] = [];
  const bench = new NetworkBench(
    { cut: "random" },
    {
      connected: ({ name }) => events.push(name),
      bytes: (_connection, _direction, _buffer, start, end, moment) =>
        void (seen[moment] += end - start),
      gone: ({ number }, side, how) => events.push(`${number} ${side} ${how}`),
    },
  );
  const [host, controller] = bench.pair();
  host.stream.write([new Uint8Array(3_000), new Uint8Array(40)]);
  controller.write(1);
  bench.clock.advance(10);
  expect(seen).toEqual({ sent: 3_041, delivered: 3_041 });
  host.stream.reset();
  bench.clock.advance(10);
  expect(events).toEqual(["host0>port0#0", "0 host reset", "0 controller lost"]);
});

test("the same seed gives the same network; another connection changes nothing for the first", () => {
  const times = (seed: number, others: number): number[] => {
    const bench = new NetworkBench({ jitterMs: 20, cut: "random" }, {}, seed);
    const [host, controller] = bench.pair();
    for (let at = 0; at < others; at++) bench.pair("another")[0].write(1, 2, 3);
    const beganMs = bench.clock.nowMs();
    const at: number[] = [];
    controller.received = (_region, start, end) =>
      void at.push(Math.round((bench.clock.nowMs() - beganMs) * 1000), end - start);
    host.stream.write([new Uint8Array(5_000)]);
    bench.clock.advance(1_000);
    return at;
  };
  expect(times(5, 0)).toEqual(times(5, 0));
  expect(times(5, 3)).toEqual(times(5, 0));
  expect(times(6, 0)).not.toEqual(times(5, 0));
});

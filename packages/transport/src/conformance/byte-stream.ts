// What every byte stream must do: the suite that memory, TCP and TLS pass, and a stranger's too.
// Read first: ../byte-stream.ts, the contract that this holds an implementation to.

import { type ConformanceCase, must, mustEqual, mustHold, numbers, pattern } from "./case.ts";
import { type ByteStreamWorld, StreamBench } from "./stream-bench.ts";

type Case = ConformanceCase<StreamBench>;

const chunkBytes = 64 * 1024;

/** More than any kernel holds for a peer that does not read. */
const bufferedBytesMax = 16 * 1024 * 1024;

const opening: Case[] = [
  {
    name: "both ends are opened, once, before anything else",
    async run(bench) {
      const [host, target] = await bench.pair();
      await bench.quiet();
      mustEqual([host.events, target.events], [["opened"], ["opened"]], "events");
      must(host.stream.remote !== "" && target.stream.remote !== "", "both ends name their peer");
    },
  },
  {
    name: "connecting to nobody ends with NVME_ERR_UNREACHABLE",
    async run(bench) {
      const host = bench.connect(bench.world.nowhere);
      await bench.until(() => host.isOver);
      mustEqual(host.events, ["ended"], "events");
      mustEqual(host.error?.code, "NVME_ERR_UNREACHABLE", "error");
    },
  },
  {
    name: "a stream that its user leaves before it is opened tells nothing",
    async run(bench) {
      bench.serve();
      const hosts = [bench.connect(), bench.connect(), bench.connect(bench.world.nowhere)];
      hosts[0]!.reset();
      hosts[1]!.close();
      hosts[2]!.reset();
      const witness = bench.connect();
      await bench.until(() => witness.isOpen);
      await bench.quiet();
    },
  },
  {
    name: "a connection that is refused ends",
    async run(bench) {
      bench.world.listener.listen(() => undefined);
      const host = bench.connect();
      await bench.until(() => host.isOver);
    },
  },
  {
    name: "a listener that is closed takes nobody more, and keeps those it has",
    async run(bench) {
      const [host, target] = await bench.pair();
      bench.world.listener.close();
      const late = bench.connect();
      await bench.until(() => late.isOver);
      mustEqual(late.events, ["ended"], "a late connection");
      host.write(pattern(10));
      await bench.until(() => target.receivedBytes === 10);
    },
  },
];

const bytesBothWays: Case[] = [
  {
    name: "bytes arrive in order and unharmed, in both directions at once",
    async run(bench) {
      const [host, target] = await bench.pair();
      const next = numbers(7);
      const total = 1_000_000;
      const whole = pattern(total);
      for (let at = 0; at < total;) {
        const sizes = [1 + next(20), 1 + next(3_000), 1 + next(60_000)];
        const pieces: Uint8Array[] = [];
        for (const size of sizes) {
          pieces.push(whole.subarray(at, at + size));
          at = Math.min(total, at + size);
        }
        host.write(...pieces);
        target.write(...pieces);
      }
      await bench.until(() => host.receivedBytes === total && target.receivedBytes === total);
      mustHold(host.bytes, whole, "what the host received");
      mustHold(target.bytes, whole, "what the target received");
    },
  },
  {
    name: "drained comes when all that was written is out, and its buffers are free then",
    async run(bench) {
      const [host, target] = await bench.pair();
      const buffers = [new Uint8Array(100), new Uint8Array(50_000)];
      const rounds = 40;
      const roundBytes = 50_100;
      let round = 0;
      const write = (): void => {
        const content = pattern(roundBytes, round * roundBytes);
        buffers[0]!.set(content.subarray(0, 100));
        buffers[1]!.set(content.subarray(100));
        round++;
        host.write(...buffers);
      };
      host.onEvent = (event) => {
        if (event === "drained" && round < rounds) write();
      };
      write();
      await bench.until(() => target.receivedBytes === rounds * roundBytes);
      await bench.until(() => host.drains >= rounds);
      mustHold(target.bytes, pattern(rounds * roundBytes), "what arrived");
    },
  },
  {
    name: "drained is not told for a write while another is not out",
    async run(bench) {
      const [host, target] = await bench.pair();
      target.pause();
      await bench.quiet();
      const small = pattern(1_000);
      const large = new Uint8Array(bufferedBytesMax);
      host.write(small);
      host.write(large);
      await bench.quiet();
      mustEqual(host.drains, 0, "drained, though the peer has not read");
      target.resume();
      await bench.until(() => host.drains > 0);
      // Free by the first drained, whichever write it was for.
      large.fill(1);
      await bench.until(() => target.receivedBytes === small.length + large.length);
      const bytes = target.bytes;
      mustHold(bytes.subarray(0, small.length), small, "the first write");
      must(
        bytes.subarray(small.length).every((byte) => byte === 0),
        "the second write was sent from a buffer that was free",
      );
    },
  },
];

const backPressure: Case[] = [
  {
    name: "an end that is paused is told nothing, and the one who writes is held back",
    async run(bench) {
      const [host, target] = await bench.pair();
      target.pause();
      await bench.quiet();
      const before = target.receivedBytes;
      const chunk = new Uint8Array(chunkBytes);
      let written = 0;
      const write = (): void => {
        must(written < bufferedBytesMax, `${written} bytes went to an end that does not read`);
        written += chunkBytes;
        host.write(chunk);
      };
      host.onEvent = (event) => {
        if (event === "drained") write();
      };
      write();
      for (let last = 0; last !== written;) {
        last = written;
        await bench.quiet();
      }
      mustEqual(target.receivedBytes, before, "bytes received while paused");
      host.onEvent = undefined;
      target.resume();
      await bench.until(() => target.receivedBytes === written);
    },
  },
  {
    name: "pausing inside opened, and inside received, holds from then on",
    async run(bench) {
      const ends = bench.serve((end) => {
        end.onEvent = (event) => {
          if (event !== "ended") end.pause();
        };
      });
      const host = bench.connect();
      await bench.until(() => host.isOpen && ends[0]?.isOpen === true);
      const target = ends[0]!;
      host.write(pattern(1_000_000));
      await bench.quiet();
      mustEqual(target.receivedBytes, 0, "bytes received though paused in opened");
      target.resume();
      await bench.until(() => target.receivedBytes > 0);
      const after = target.receivedBytes;
      await bench.quiet();
      mustEqual(target.receivedBytes, after, "bytes received though paused in received");
      target.onEvent = undefined;
      target.resume();
      await bench.until(() => target.receivedBytes === 1_000_000);
      mustHold(target.bytes, pattern(1_000_000), "what arrived");
    },
  },
];

const endings: Case[] = [
  {
    name: "close delivers what was written, then ends the peer without an error",
    async run(bench) {
      const [host, target] = await bench.pair();
      const whole = pattern(3_000_000);
      host.write(whole.subarray(0, 1_000_000));
      host.write(whole.subarray(1_000_000));
      host.close();
      host.write(pattern(10)); // too late: goes nowhere
      await bench.until(() => target.isOver);
      mustHold(target.bytes, whole, "what arrived");
      mustEqual(target.error?.code, undefined, "error");
      await bench.quiet();
    },
  },
  {
    name: "reset ends the peer with NVME_ERR_CONNECTION_LOST",
    async run(bench) {
      const [host, target] = await bench.pair();
      host.reset();
      host.reset();
      await bench.until(() => target.isOver);
      mustEqual(target.error?.code, "NVME_ERR_CONNECTION_LOST", "error");
      await bench.quiet();
    },
  },
  {
    name: "reset drops what the peer has not taken, and frees the buffers at once",
    async run(bench) {
      const [host, target] = await bench.pair();
      target.pause();
      await bench.quiet();
      const whole = pattern(bufferedBytesMax);
      const given = whole.slice();
      host.write(given);
      await bench.quiet();
      host.reset();
      given.fill(0xdd);
      target.resume();
      await bench.until(() => target.isOver);
      must(target.receivedBytes < bufferedBytesMax, "all was delivered in spite of the reset");
      mustHold(target.bytes, whole.subarray(0, target.receivedBytes), "what arrived");
      // With an error or without: a kernel that hands out unread bytes first may tell only of an end.
    },
  },
  {
    name: "reset works after close, when the peer does not read",
    async run(bench) {
      const [host, target] = await bench.pair();
      target.pause();
      await bench.quiet();
      host.write(pattern(bufferedBytesMax));
      host.close();
      await bench.quiet();
      host.reset();
      target.resume();
      await bench.until(() => target.isOver);
      must(target.receivedBytes < bufferedBytesMax, "all was delivered in spite of the reset");
    },
  },
  {
    name: "ended comes once to both when both leave at the same time, in any way",
    async run(bench) {
      const targets = bench.serve();
      const ways = ["close", "reset"] as const;
      for (const [i, way] of [...ways, ...ways].entries()) {
        const host = bench.connect();
        await bench.until(() => host.isOpen && targets[i]?.isOpen === true);
        host.write(pattern(1_000));
        targets[i]!.write(pattern(1_000));
        host[way]();
        targets[i]![ways[i >> 1]!]();
        await bench.quiet();
      }
    },
  },
  {
    name: "leaving inside an event is the end of events",
    async run(bench) {
      for (const way of ["close", "reset"] as const) {
        for (const when of ["opened", "received", "drained"]) {
          const targets = bench.serve((end) => {
            end.onEvent = (event) => {
              if (event === "opened") end.write(pattern(100_000));
            };
          });
          const host = bench.connect();
          host.onEvent = (event) => {
            if (event === when) host[way]();
            else if (event === "opened") host.write(pattern(100_000));
          };
          await bench.until(() => targets[0]?.isOver === true);
          await bench.quiet();
        }
      }
    },
  },
];

/** The suite. Each case wants a world of its own. */
export const byteStreamConformance: readonly ConformanceCase<ByteStreamWorld>[] = [
  ...opening,
  ...bytesBothWays,
  ...backPressure,
  ...endings,
].map(({ name, run }) => ({
  name,
  run: (world) => new StreamBench(world).run(run),
}));

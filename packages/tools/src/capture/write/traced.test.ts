// Streams that record themselves: the contract of streams still holds, and what is recorded is right.

import { byteStreamConformance } from "@nvmeof/transport/conformance";
import { MemoryPort } from "@nvmeof/transport";
import { RawPeer, VirtualClock } from "@nvmeof/transport/testing";
import { describe, expect, test } from "vitest";
import { Recording, told } from "../testing/recording.ts";
import { CaptureReader } from "../file/reader.ts";
import { emptySegment, readSegment, TcpFlag } from "../net/segment.ts";
import { tracedConnector, tracedListener } from "./traced.ts";

/** Every TCP segment of a file: who, which flags, how many bytes. */
function segmentsIn(file: Uint8Array): string[] {
  const segment = emptySegment();
  const found: string[] = [];
  const reader = new CaptureReader({
    frame: (frame) => {
      if (readSegment(frame, segment) !== 0) throw new Error("a frame that is no segment");
      const { flags, sourcePort, destinationPort, wireBytes } = segment;
      const names = Object.entries(TcpFlag)
        .filter(([, flag]) => (flags & flag) !== 0)
        .map(([name]) => name);
      const who = destinationPort === 4420 ? "host" : sourcePort === 4420 ? "controller" : "nobody";
      found.push(`${who} ${names.join("+")} ${wireBytes}`);
    },
    blockSkipped: (_offset, why) => {
      throw new Error(why);
    },
  });
  reader.write(file);
  reader.end();
  if (reader.error !== undefined) throw reader.error;
  return found;
}

test.each(byteStreamConformance.map((one) => [one.name, one] as const))(
  "recorded at both ends, a stream is still one: %s",
  async (_name, one) => {
    const clock = new VirtualClock();
    const recording = new Recording(() => clock.nowMs());
    const port = new MemoryPort("test", { clock, latencyMs: 1 });
    await one.run({
      listener: tracedListener(port, recording.writer),
      connector: tracedConnector(port, recording.writer),
      nowhere: tracedConnector(new MemoryPort("nowhere", { clock }), recording.writer),
      until: async (done) => {
        expect(clock.runUntil(done), "it takes more than ten minutes").toBe(true);
      },
      quiet: async () => clock.drain(),
    });
    clock.drain();
    expect(told(recording.bytes).decoder.error).toBeUndefined();
  },
);

const hello = new TextEncoder().encode("hello");

interface Pair {
  readonly clock: VirtualClock;
  readonly recording: Recording;
  readonly host: RawPeer;
  readonly controller: RawPeer;
}

/** Two raw peers over memory, recorded at the end that is named. */
function pair(at: "host" | "controller", bytesMax?: number): Pair {
  const clock = new VirtualClock();
  const recording = new Recording(() => clock.nowMs(), bytesMax);
  const port = new MemoryPort("port", { clock });
  const isHost = at === "host";
  const controllers = RawPeer.serve(isHost ? port : tracedListener(port, recording.writer));
  const host = RawPeer.connect(isHost ? tracedConnector(port, recording.writer) : port);
  clock.settle();
  return { clock, recording, host, controller: controllers[0]! };
}

describe.each(["host", "controller"] as const)("recorded by the %s", (at) => {
  test("bytes of both directions, and an orderly end", () => {
    const { clock, recording, host, controller } = pair(at);
    host.send(hello);
    clock.settle();
    controller.send(hello, hello);
    clock.settle();
    host.close();
    clock.settle();
    expect(segmentsIn(recording.bytes)).toEqual([
      "host Syn 0",
      "controller Syn+Ack 0",
      "host Ack 0",
      "host Psh+Ack 5",
      "controller Psh+Ack 10",
      "host Fin+Ack 0",
    ]);
  });

  test("a reset, by whoever does it", () => {
    const { clock, recording, host } = pair(at);
    host.reset();
    clock.settle();
    expect(segmentsIn(recording.bytes).at(-1)).toBe("host Rst+Ack 0");
  });

  test("a long write is several frames of one stream", () => {
    const { clock, recording, controller } = pair(at);
    controller.send(new Uint8Array(100_000).fill(1));
    clock.settle();
    const data = segmentsIn(recording.bytes).filter((line) => line.startsWith("controller Psh"));
    const bytes = data.map((line) => Number(line.split(" ").at(-1)));
    expect(bytes.reduce((sum, each) => sum + each, 0)).toBe(100_000);
    expect(Math.max(...bytes)).toBeLessThanOrEqual(65_495);
  });

  test("what the streams say of themselves is passed on", () => {
    const { host, controller } = pair(at);
    expect(host.stream.remote).toBe("loop:port");
    expect(controller.stream.remote).toBe("loop:port (host)");
  });
});

test("a file that is full takes no more, and stays whole", () => {
  const { clock, recording, host } = pair("host", 2_000);
  for (let i = 0; i < 20; i++) host.send(new Uint8Array(300).fill(1));
  clock.settle();
  expect(recording.writer.isFull).toBe(true);
  expect(recording.bytes.length).toBeLessThanOrEqual(2_000);
  expect(recording.writer.bytes).toBe(recording.bytes.length);
  expect(told(recording.bytes).decoder.error).toBeUndefined();
});

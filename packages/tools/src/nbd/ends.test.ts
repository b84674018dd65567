// How a server, an export and a client end: within a bound, whatever the others do.

import { memoryDevice } from "@nvmeof/bdev";
import { expect, test } from "vitest";
import { FatedDevice } from "../testing/fated-device.ts";
import { NbdBench, type NbdBenchOptions } from "../testing/nbd-bench.ts";
import { infoData, optionOf, requestOf } from "../testing/nbd-client.ts";
import { NbdCommand, NbdErrno, NbdOption, OptionReply } from "./protocol.ts";
import type { NbdCloseReport } from "./server.ts";

const { Read, Write, Flush } = NbdCommand;
const { ESHUTDOWN } = NbdErrno;

/** A device that answers after `ms`. */
const taking = (ms: number): Pick<NbdBenchOptions, "backing"> => ({
  backing: (clock) => new FatedDevice(clock, (_request, nowMs) => ({ atMs: nowMs + ms })),
});

/** Closes, and lets time pass until that is done. */
async function closed(bench: NbdBench): Promise<NbdCloseReport> {
  let report: NbdCloseReport | undefined;
  void bench.server.close().then((done) => (report = done));
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  bench.settle();
  await turn();
  for (let ms = 0; report === undefined && ms < 10_000; ms += 10) {
    bench.clock.advance(10);
    await turn();
  }
  if (report === undefined) throw new Error("it does not close");
  return report;
}

test("a close with nothing under way is done at once, and can be asked for twice", async () => {
  const bench = new NbdBench();
  const client = bench.client();
  expect(await closed(bench)).toEqual({ tookMs: 0, abandonedRequests: 0 });
  bench.settle();
  expect(client.state).toBe("ended");
  expect(await bench.server.close()).toEqual({ tookMs: 0, abandonedRequests: 0 });
  expect(bench.clock.armed).toBe(0);
  expect(bench.connect().state).toBe("ended");
  expect(() => bench.server.listen(bench.port)).toThrow("closed");
  expect(() => bench.server.addExport({ name: "b", device: bench.device })).toThrow("closed");
});

test("what is under way is answered first; what comes meanwhile is told of the end", async () => {
  const bench = new NbdBench(taking(300));
  const client = bench.client();
  const handshaking = bench.connect();
  client.request({ type: Write, data: new Uint8Array(512), cookie: 1 });
  bench.settle();
  const closing = closed(bench);
  bench.settle();
  expect(handshaking.state).toBe("ended");
  client.request({ type: Flush, cookie: 2 });
  client.request({ type: Write, data: new Uint8Array(512), cookie: 3 });
  const report = await closing;
  expect(report).toEqual({ tookMs: 300, abandonedRequests: 0 });
  bench.settle();
  expect(client.answers().map(({ cookie, errno }) => [cookie, errno])).toEqual([
    [2, ESHUTDOWN],
    [3, ESHUTDOWN],
    [1, 0],
  ]);
  expect(client.state).toBe("ended");
});

test("a device that does not answer bounds nothing: its requests are answered with ESHUTDOWN", async () => {
  const bench = new NbdBench(taking(60_000));
  const client = bench.client({ structured: true });
  client.request({ type: Read, offset: 100, length: 8192, cookie: 1 });
  client.request({ type: Write, offset: 100, data: new Uint8Array(512), cookie: 2 });
  bench.settle();
  const report = await closed(bench);
  expect(report).toEqual({ tookMs: 2_000, abandonedRequests: 2 });
  expect(client.answers().map(({ cookie, errno }) => [cookie, errno])).toEqual([
    [1, ESHUTDOWN],
    [2, ESHUTDOWN],
  ]);
  expect(client.state).toBe("ended");
  // Buffers are the device's until it has settled, and then nobody's.
  expect(bench.server.status).toMatchObject({ requests: 2, buffers: 2, connections: 0 });
  bench.clock.drain();
  expect(bench.server.status).toMatchObject({ requests: 0, buffers: 0, bufferBytes: 0 });
});

test("a client that does not read keeps no server from closing", async () => {
  const bench = new NbdBench({ windowBytes: 1 });
  const client = bench.client();
  client.stream.pause();
  for (let i = 0; i < 200; i++) client.send(requestOf({ type: Read, length: 65_536 }));
  bench.settle();
  const { tookMs } = await closed(bench);
  expect(tookMs).toBeLessThanOrEqual(2_000);
  expect(bench.server.status.connections).toBe(0);
});

test("a device that is removed takes its export along, and only its own clients", async () => {
  const bench = new NbdBench();
  const other = memoryDevice({ name: "b", clock: bench.clock, blockBytes: 512, blockCount: 8 });
  bench.server.addExport({ name: "other", device: other });
  const [client, survivor] = [bench.client(), bench.client({ name: "other" })];
  void bench.device.close();
  bench.settle();
  expect(client.state).toBe("ended");
  expect(bench.events).toContainEqual({
    type: "export-removed",
    exportName: "disk",
    reason: "its owner closed the device",
  });
  expect(bench.events.at(-1)).toMatchObject({ type: "disconnected", reason: "export-removed" });
  expect(bench.errno(survivor, { type: Flush })).toBe(0);
  const late = bench.connect();
  late.hello();
  late.send(optionOf(NbdOption.Go, infoData("disk")));
  bench.settle();
  expect(late.optionAnswers()).toMatchObject([{ type: OptionReply.Unknown }]);
  // The first that is left is now the default.
  expect(bench.server.find("")?.name).toBe("other");
});

test("requests to a device that is removed are answered, then ESHUTDOWN, then the end", () => {
  const bench = new NbdBench(taking(100));
  const client = bench.client();
  client.request({ type: Write, data: new Uint8Array(512), cookie: 1 });
  bench.settle();
  void bench.device.close();
  bench.settle();
  client.request({ type: Read, length: 512, cookie: 2 });
  bench.clock.advance(200);
  expect(client.answers().map(({ cookie, errno }) => [cookie, errno])).toEqual([
    [2, ESHUTDOWN],
    [1, 0],
  ]);
  expect(client.state).toBe("ended");
  expect(bench.clock.armed).toBe(0);
});

test("a removed device that never settles keeps no client waiting", () => {
  const bench = new NbdBench(taking(1_000_000));
  const client = bench.client();
  client.request({ type: Read, length: 512, cookie: 1 });
  bench.settle();
  bench.server.removeExport("disk");
  bench.clock.advance(2_000);
  bench.settle();
  expect(client.answers()).toMatchObject([{ cookie: 1, errno: ESHUTDOWN }]);
  expect(client.state).toBe("ended");
  expect(bench.server.removeExport("disk")).toBe(false);
});

test("an export that was removed can be added again, also for the same device", () => {
  const bench = new NbdBench();
  bench.server.removeExport("disk");
  bench.server.addExport({ name: "disk", device: bench.device });
  expect(bench.errno(bench.client(), { type: Flush })).toBe(0);
  expect(() => bench.server.addExport({ name: "disk", device: bench.device })).toThrow(
    'there is an export "disk" already',
  );
  for (const name of ["a\0b", "x".repeat(4097)]) {
    expect(() => bench.server.addExport({ name, device: bench.device })).toThrow(RangeError);
  }
});

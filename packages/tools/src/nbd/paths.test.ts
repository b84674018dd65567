// A namespace with several paths behind an export: what its clients see of paths that come and go.

import type { NvmeHost } from "@nvmeof/bdev/nvme";
import { seededRandom } from "@nvmeof/core";
import { MemoryPort } from "@nvmeof/transport";
import { expect, test } from "vitest";
import { RawNbdClient, enter } from "../testing/nbd-client.ts";
import { PathLab, during } from "../testing/path-lab.ts";
import { NbdCommand, NbdErrno } from "./protocol.ts";
import { NbdServer, type NbdServerEvent } from "./server.ts";

const { Read, Write } = NbdCommand;
const SIZE = 4096 * 512;

/** An export of the lab's disk, and a client for it. */
class PathBench {
  readonly lab = new PathLab();
  readonly server: NbdServer;
  readonly events: NbdServerEvent[] = [];
  host!: NvmeHost;
  client!: RawNbdClient;

  constructor() {
    this.server = new NbdServer({ clock: this.lab.clock });
    this.server.observe((event) => this.events.push(event));
  }

  static async open(paths: number, fastFailMs = 10_000): Promise<PathBench> {
    const bench = new PathBench();
    const { lab } = bench;
    const reconnect = { delayMs: 200, delayMaxMs: 500, fastFailMs };
    bench.host = await lab.connect(lab.transport(0), { reconnect });
    for (let at = 1; at < paths; at++) {
      await during(lab.clock, bench.host.addPath(lab.transport(at)));
    }
    const device = await bench.host.openNamespace(1);
    bench.server.addExport({ name: "disk", device });
    const port = new MemoryPort("nbd", { clock: lab.clock });
    bench.server.listen(port);
    bench.client = RawNbdClient.connect(port);
    enter(bench.client, () => lab.clock.settle(), { structured: true });
    return bench;
  }

  /** Lets time pass until so many answers have come, at most `ms`; gives their errors. */
  async answers(count: number, ms: number): Promise<number[]> {
    const errors: number[] = [];
    for (let passed = 0; errors.length < count && passed < ms; passed++) {
      this.lab.clock.advance(1);
      if (passed % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
      errors.push(...this.client.answers().flatMap(({ isLast, errno }) => (isLast ? [errno] : [])));
    }
    return errors;
  }

  async close(): Promise<void> {
    const { lab } = this;
    const report = await during(lab.clock, this.server.close());
    expect(report).toMatchObject({ abandonedRequests: 0 });
    await lab.close(this.host);
    expect(this.server.status).toEqual({ connections: 0, requests: 0, buffers: 0, bufferBytes: 0 });
  }
}

test("a path that is lost under load is not seen by clients while another one lives", async () => {
  const bench = await PathBench.open(2);
  const { lab, host, client } = bench;
  const ways = [lab.way(host, 0), lab.way(host, 1)];
  const random = seededRandom(5);
  const expected = new Uint8Array(SIZE);
  let cookie = 0;
  for (let round = 0; round < 4; round++) {
    // Ranges of their own, so that the order of writes does not matter; aligned and not.
    const before = cookie;
    const load = (count: number): void => {
      for (let i = 0; i < count; i++) {
        const offset = cookie * 4500;
        const data = new Uint8Array(1 + (random.next32() % 4400)).fill((cookie % 255) + 1);
        expected.set(data, offset);
        client.request({ type: Write, offset, data, cookie: cookie++ });
        const place = random.next32() % (SIZE - 8192);
        client.request({ type: Read, offset: place, length: 8192, cookie: cookie++ });
      }
      lab.clock.advance(1);
    };
    load(10);
    const way = ways[round % 2]!;
    way.drop();
    load(10);
    const errors = await bench.answers(cookie - before, 10_000);
    expect(errors).toEqual(Array.from({ length: cookie - before }, () => 0));
    await during(lab.clock, way.restore());
    await during(
      lab.clock,
      new Promise<void>((resolve) => {
        const { controller } = way.path;
        const look = (): void => {
          if (controller.state === "live") resolve();
          else lab.clock.at(lab.clock.nowMs() + 5, look);
        };
        look();
      }),
    );
  }
  expect(bench.events.filter(({ type }) => type === "request-failed")).toEqual([]);
  client.request({ type: Read, length: SIZE, cookie: 1 });
  for (let i = 0; i < 200; i++) lab.clock.advance(1);
  const [whole] = client.answers();
  expect(Buffer.compare(whole!.data, expected)).toBe(0);
  await bench.close();
});

test("when the last path is lost, requests wait, then fail with EIO, and go on when it is back", async () => {
  const bench = await PathBench.open(1, 1_000);
  const { lab, host, client } = bench;
  const way = lab.way(host, 0);
  way.drop();
  lab.clock.advance(5);
  client.request({ type: Read, length: 4096, cookie: 1 });
  expect(await bench.answers(1, 900)).toEqual([]);
  expect(await bench.answers(1, 500)).toEqual([NbdErrno.EIO]);
  expect(bench.events.at(-1)).toMatchObject({
    type: "request-failed",
    command: "Read",
    errno: "EIO",
    error: { code: "NVME_ERR_NO_PATH" },
  });
  await during(lab.clock, way.restore());
  for (let i = 0; i < 60; i++) {
    lab.clock.advance(20);
    await new Promise((resolve) => setImmediate(resolve));
  }
  client.request({ type: Read, length: 4096, cookie: 2 });
  expect(await bench.answers(1, 500)).toEqual([0]);
  expect(client.state).toBe("open");
  await bench.close();
});

test("a namespace that the subsystem takes away is ESHUTDOWN and the end for its clients", async () => {
  const bench = await PathBench.open(1);
  const { lab, client } = bench;
  lab.target.subsystems[0]!.removeNamespace(1);
  client.request({ type: Read, length: 4096, cookie: 1 });
  for (let i = 0; i < 100; i++) {
    lab.clock.advance(5);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(client.answers().every(({ errno }) => errno !== 0)).toBe(true);
  expect(client.state).toBe("ended");
  expect(bench.events).toContainEqual(
    expect.objectContaining({ type: "export-removed", exportName: "disk" }),
  );
  expect(bench.events.at(-1)).toMatchObject({ type: "disconnected", reason: "export-removed" });
  await bench.close();
});

test("a host that is closed under its clients answers them before it lets them go", async () => {
  const bench = await PathBench.open(1);
  const { lab, host, client } = bench;
  lab.target.freeze();
  client.request({ type: Write, data: new Uint8Array(512), cookie: 1 });
  client.request({ type: Read, length: 512, cookie: 2 });
  lab.clock.advance(10);
  const startMs = lab.clock.nowMs();
  await during(lab.clock, host.close());
  lab.clock.advance(5);
  expect(lab.clock.nowMs() - startMs).toBeLessThan(2_200);
  expect(client.answers().map(({ errno }) => errno)).toEqual([
    NbdErrno.ESHUTDOWN,
    NbdErrno.ESHUTDOWN,
  ]);
  expect(client.state).toBe("ended");
  lab.target.thaw();
  await bench.close();
});

// Path loss over real sockets: targets that are killed and come back, networks that vanish.
// Read first: ../path-loss.test.ts for the same rows in virtual time; reliability-anchors.md §3.3.

import { connect } from "@nvmeof/bdev/nvme";
import { tcp } from "@nvmeof/transport/node";
import { expect, test } from "vitest";
import { canVanish, vanishingNetwork } from "./network.ts";
import { startTarget } from "./processes.ts";
import { Requests, connectOptions, nothingIsLeft, resourcesBeyond } from "./requests.ts";

const CLOSE_BOUND_MS = 2_200;

test("F30 (sockets): reads in flight when a target is killed are done by the other path", async () => {
  const [one, other] = await Promise.all([startTarget(), startTarget()]);
  await using _one = one.program;
  await using _other = other.program;
  const base = process.getActiveResourcesInfo();
  const host = await connect(connectOptions(one, { ioQueues: 2 }));
  // Two processes cannot know of each other's IDs; this one's first controller is thrown away.
  const spare = await connect(connectOptions(other));
  await host.addPath(tcp({ host: other.host, port: other.port }));
  await spare.close();
  const channel = (await host.openNamespace(1)).openChannel();
  one.program.child.kill("SIGSTOP");
  const requests = new Requests().read(channel, 64);
  one.program.child.kill("SIGKILL");
  await requests.all;
  expect(requests.codes).toEqual(["none"]);
  const later = new Requests().read(channel, 64);
  await later.all;
  expect(later.codes).toEqual(["none"]);
  await host.close();
  await nothingIsLeft(base);
});

test("F49 (sockets): a target that is killed and starts again at its address is found again", async () => {
  const first = await startTarget();
  await using _first = first.program;
  const base = process.getActiveResourcesInfo();
  const reconnect = { delayMs: 50, delayMaxMs: 200, fastFailMs: 30_000, lossMs: 60_000 };
  const host = await connect(connectOptions(first, { reconnect }));
  const channel = (await host.openNamespace(1)).openChannel();
  first.program.child.kill("SIGSTOP");
  const requests = new Requests().read(channel, 64);
  await first.program[Symbol.asyncDispose]();
  const second = await startTarget({ port: first.port });
  await using _second = second.program;
  await requests.all;
  expect(requests.codes).toEqual(["none"]);
  expect(host.controller.controller.state).toBe("live");
  await host.close();
  await nothingIsLeft(base);
});

test("F36 (sockets): a target that is stopped is lost by the keep-alive, not by TCP", async () => {
  const target = await startTarget();
  await using _target = target.program;
  const base = process.getActiveResourcesInfo();
  const host = await connect(connectOptions(target, { keepAliveTimeoutMs: 1_000 }));
  const { controller } = host.controller;
  const lost = new Promise<string | undefined>((resolve) => {
    controller.observe((event) => {
      if (event.type === "state" && event.from === "live") resolve(event.reason?.code);
    });
  });
  const startedMs = performance.now();
  target.program.child.kill("SIGSTOP");
  expect(await lost).toBe("NVME_ERR_KEEP_ALIVE");
  expect(performance.now() - startedMs).toBeLessThanOrEqual(1_500 * 1.1);
  await host.close();
  expect(await resourcesBeyond(base)).toEqual([]);
});

test.skipIf(!canVanish)(
  "F1 (network): reads into a network that has vanished settle once when the host closes, in time",
  async () => {
    await using network = vanishingNetwork();
    const target = await startTarget({ host: network.far }, network.inside);
    await using _target = target.program;
    const base = process.getActiveResourcesInfo();
    const host = await connect(connectOptions(target, { ioQueues: 2 }));
    const namespace = await host.openNamespace(1);
    const channels = [namespace.openChannel(), namespace.openChannel()];
    network.vanish();
    const requests = new Requests();
    for (const channel of channels) requests.read(channel, 64);
    const startedMs = performance.now();
    await host.close();
    expect(performance.now() - startedMs).toBeLessThanOrEqual(CLOSE_BOUND_MS);
    await requests.all;
    expect(requests.settled.map(({ length }) => length)).toEqual(requests.settled.map(() => 1));
    expect(await resourcesBeyond(base)).toEqual([]);
    network.comeBack();
    const again = await connect(connectOptions(target));
    await again.close();
    await nothingIsLeft(base);
  },
);

test.skipIf(!canVanish)(
  "F32, F33 (network): a network that vanishes under load is noticed in KATO, and found again",
  async () => {
    await using network = vanishingNetwork();
    const target = await startTarget({ host: network.far }, network.inside);
    await using _target = target.program;
    const base = process.getActiveResourcesInfo();
    const reconnect = { delayMs: 50, delayMaxMs: 200, fastFailMs: 30_000, lossMs: 60_000 };
    const options = { keepAliveTimeoutMs: 1_000, connectTimeoutMs: 300, reconnect };
    const host = await connect(connectOptions(target, options));
    const { controller } = host.controller;
    const channel = (await host.openNamespace(1)).openChannel();
    const lost = new Promise<number>((resolve) => {
      controller.observe((event) => {
        if (event.type === "state" && event.from === "live") resolve(performance.now());
      });
    });
    const startedMs = performance.now();
    network.vanish();
    const requests = new Requests().read(channel, 64);
    expect((await lost) - startedMs).toBeLessThanOrEqual(1_500 * 1.1);
    network.comeBack();
    await requests.all;
    expect(requests.codes).toEqual(["none"]);
    await host.close();
    await nothingIsLeft(base);
  },
);

test.skipIf(!canVanish)(
  "F47 (network): a SYN that nobody answers is given up in T_conn",
  async () => {
    await using network = vanishingNetwork();
    const target = await startTarget({ host: network.far }, network.inside);
    await using _target = target.program;
    const base = process.getActiveResourcesInfo();
    network.vanish();
    const startedMs = performance.now();
    const connecting = connect(connectOptions(target, { connectTimeoutMs: 1_000 }));
    await expect(connecting).rejects.toMatchObject({ code: "NVME_ERR_CONNECT_TIMEOUT" });
    expect(performance.now() - startedMs).toBeLessThanOrEqual(1_100);
    expect(await resourcesBeyond(base)).toEqual([]);
  },
);

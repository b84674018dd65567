// What the multipath driver offers beside I/O: reset, counters, controls of a group, handles.
// Read first: packages/bdev/src/nvme/multipath-device.ts, group.ts, host.ts.

import { BlockOp } from "@nvmeof/bdev";
import { type MultipathChannel, type MultipathDevice, NvmeHost } from "@nvmeof/bdev/nvme";
import { AnaState, Cns } from "@nvmeof/codec";
import { identifyBuffer, identifyCommand } from "@nvmeof/core";
import { expect, test } from "vitest";
import {
  codesOf,
  expectCleanEnd,
  expectNoErrors,
  expectNothingLeft,
  expectSettledOnce,
  outcomesOf,
  slowestMs,
} from "./expectations.ts";
import { Wire } from "./parity-support.ts";
import { BLOCK_BYTES, World } from "./world.ts";

const opened = (device: MultipathDevice): MultipathChannel =>
  device.openChannel() as MultipathChannel;

test("reset of a device: its controllers are reset one after another, and requests go round it", async () => {
  const world = new World({ ports: 2 });
  const paths = await world.attachAll();
  const channel = world.device().openChannel();
  const log: string[] = [];
  for (const [at, { controller }] of paths.entries()) {
    controller.observe((event) => event.type === "state" && log.push(`${at} ${event.to}`));
  }
  const reads = world.reads(channel, 64);
  await world.run(world.device().reset());
  expect(log).toEqual(["0 recovering", "0 live", "1 recovering", "1 live"]);
  await world.runUntil(() => world.unsettled === 0);
  expectSettledOnce(reads);
  // What was in flight on one path was done by the other one.
  expectNoErrors(reads);
  expect(world.device().isFrozen).toBe(false);
  await expectCleanEnd(world);
});

test("reset of a device: who asks meanwhile shares it; success needs one controller, disabled ones count", async () => {
  const world = new World({ ports: 2 });
  const [first, second] = await world.attachAll();
  const device = world.device();
  expect(device.reset()).toBe(device.reset());
  await world.run(device.reset());
  // One of two cannot be: still a success.
  world.port.refuse();
  await world.run(device.reset());
  await world.runUntil(() => first!.controller.state === "waiting");
  // None of both, but one of them is disabled on purpose.
  await world.run(world.group.disable(second!));
  await world.run(device.reset());
  world.ports[1]!.refuse();
  void world.group.enable(second!).catch(() => {});
  await world.pass(10);
  await expect(world.run(device.reset())).rejects.toMatchObject({ code: "NVME_ERR_UNREACHABLE" });
  expect(device.isFrozen).toBe(false);
  await expectCleanEnd(world);
});

test("reset of a device: what finds no path fails at once, on channels opened meanwhile as well", async () => {
  const world = new World();
  await world.attach();
  const device = world.device();
  const channel = device.openChannel();
  world.port.blackhole();
  const before = world.reads(channel, 8);
  await world.idle();
  const reset = device.reset().catch((error: unknown) => error);
  await world.pass(10);
  const during = [world.submit(channel), world.submit(device.openChannel())];
  await world.idle();
  expect(codesOf([...before, ...during])).toEqual(["NVME_ERR_NO_PATH"]);
  expect(outcomesOf(during)).toEqual(["not-sent", "not-sent"]);
  expect(await world.run(reset)).toBeInstanceOf(Error);
  await expectCleanEnd(world);
});

test("reset of a device: what still waits when it is over is aborted", async () => {
  const world = new World({ ports: 2 });
  await world.attachAll();
  const device = world.device();
  const channel = opened(device);
  world.target.freeze();
  const writes = world.writes(channel, 8);
  await world.idle();
  world.target.thaw();
  const reset = device.reset();
  await world.run(reset);
  await world.idle();
  // Held for their fence, which a reset does not wait for.
  expect(codesOf(writes)).toEqual(["NVME_ERR_ABORTED"]);
  expect(new Set(outcomesOf(writes))).toEqual(new Set(["unknown"]));
  expect(channel.waiting).toBe(0);
  await expectCleanEnd(world);
});

test("reset of a device: a close in the middle of it ends both, in time", async () => {
  const world = new World({ ports: 2 });
  await world.attachAll();
  const device = world.device();
  for (const port of world.ports) port.blackhole();
  const reset = device.reset().then(
    () => "reset",
    () => "failed",
  );
  await world.pass(100);
  await expectCleanEnd(world);
  expect(await world.run(reset)).toBe("failed");
  await expect(device.reset()).rejects.toMatchObject({ code: "NVME_ERR_CLOSED" });
});

test("counters of a path: what it carried, what failed, and how long it stood still", async () => {
  const world = new World({ ports: 2, controller: { ioTimeoutMs: 5_000 } });
  const [first, second] = await world.attachAll();
  const channel = world.device().openChannel();
  world.reads(channel, 10);
  world.writes(channel, 5);
  await world.idle();
  const path = first!.namespaces.get(1)!;
  expect(path.statistics).toMatchObject({
    requests: 15,
    reads: 10,
    writes: 5,
    readBytes: 10 * BLOCK_BYTES,
    writtenBytes: 5 * BLOCK_BYTES,
    errors: 0,
    retries: 0,
    switches: 0,
    longestStallMs: 0,
  });
  world.port.links[1]!.climate = { toHost: "held" };
  world.reads(channel, 4);
  await world.pass(1_500);
  // It is not over, and counts already.
  expect(path.statistics.longestStallMs).toBe(1_500);
  world.port.heal();
  await world.pass(10_000);
  expect(path.statistics).toMatchObject({ requests: 19, longestStallMs: 1_500 });
  world.port.links[1]!.climate = { toHost: "silent" };
  world.reads(channel, 4);
  await world.pass(6_000);
  expect(path.statistics).toMatchObject({
    requests: 23,
    errors: 4,
    switches: 4,
    longestStallMs: 5_000,
  });
  expect(second!.namespaces.get(1)!.statistics).toMatchObject({ requests: 4, errors: 0 });
  await expectCleanEnd(world);
});

test("admin commands of a group go by the first controller that takes any", async () => {
  const world = new World({ ports: 2 });
  const [first, second] = await world.attachAll();
  const cntlid = async (): Promise<number> => {
    const page = identifyBuffer();
    await world.run(world.group.admin(identifyCommand(Cns.Controller, page)));
    return new DataView(page.buffer).getUint16(78, true);
  };
  expect(await cntlid()).toBe(first!.controller.facts!.cntlid);
  await world.run(world.group.disable(first!));
  expect(await cntlid()).toBe(second!.controller.facts!.cntlid);
  await world.run(world.group.disable());
  const refused = world.group.admin(identifyCommand(Cns.Controller, identifyBuffer()));
  await expect(refused).rejects.toMatchObject({
    code: "NVME_ERR_NOT_CONNECTED",
    outcome: "not-sent",
  });
  const unknown = world.group.admin({ opcode: 0xc5 });
  await expect(unknown).rejects.toMatchObject({ code: "NVME_ERR_NOT_CONNECTED" });
  await world.run(world.group.enable());
  await expect(world.run(world.group.admin({ opcode: 0xc5 }))).rejects.toMatchObject({
    code: "NVME_ERR_STATUS",
  });
  await expectCleanEnd(world);
});

test("controls of a group act on its controllers in turn, and stop at the first error", async () => {
  const world = new World({ ports: 3 });
  const paths = await world.attachAll();
  const log: string[] = [];
  for (const [at, { controller }] of paths.entries()) {
    controller.observe((event) => event.type === "state" && log.push(`${at} ${event.to}`));
  }
  await world.run(world.group.reset());
  expect(log).toEqual(paths.flatMap((_, at) => [`${at} recovering`, `${at} live`]));
  log.length = 0;
  world.ports[1]!.refuse();
  await expect(world.run(world.group.reset())).rejects.toMatchObject({
    code: "NVME_ERR_UNREACHABLE",
  });
  expect(log.filter((line) => line.startsWith("2"))).toEqual([]);
  await world.run(world.group.disable());
  expect(paths.map(({ controller }) => controller.state)).toEqual([
    "disabled",
    "disabled",
    "disabled",
  ]);
  await expect(world.run(world.group.reset(paths[2]!))).rejects.toMatchObject({
    code: "NVME_ERR_STATE",
  });
  world.ports[1]!.heal();
  await world.run(world.group.enable());
  expect(paths.map(({ controller }) => controller.state)).toEqual(["live", "live", "live"]);
  await expectCleanEnd(world);
});

test("an open namespace is its user's own: closing it leaves the others, and it can be opened again", async () => {
  const world = new World();
  const path = await world.attach();
  const host = new NvmeHost(world.group, path, world.controllerOptions());
  const [mine, yours] = [await host.openNamespace(1), await host.openNamespace(1)];
  const told: string[] = [];
  mine.observe((event) => told.push(`mine ${event.type}`));
  yours.observe((event) => told.push(`yours ${event.type}`));
  const channels = [mine.openChannel(), yours.openChannel()];
  const reads = channels.map((channel) => world.submit(channel, { blockCount: 4_096 }));
  const closed = mine.close();
  await world.run(closed);
  expect(mine.close()).toBe(closed);
  await world.runUntil(() => world.unsettled === 0);
  expectNoErrors(reads);
  expect(told).toEqual(["mine removed"]);
  const late = [world.submit(channels[0]!), world.submit(mine.openChannel())];
  await world.idle();
  expect(codesOf(late)).toEqual(["NVME_ERR_CLOSED"]);
  const again = await host.openNamespace(1);
  const fine = [world.submit(again.openChannel()), world.submit(channels[1]!)];
  await world.idle();
  expectNoErrors(fine);
  await world.run(host.close());
  await world.idle();
  expect(told).toEqual(["mine removed", "yours removed"]);
  await world.run(again.close());
  expectNothingLeft(world);
});

test("F69: a namespace that was refused for its NSID is taken when that becomes free", async () => {
  const world = new World({ ports: 2 });
  await world.attachAll();
  const events: string[] = [];
  world.group.observe((event) => events.push(event.type));
  for (const port of world.ports) port.refuse();
  world.restartTarget(
    [{ device: world.disks[0]!, uuid: "0e4a1c9c-98a3-4a0f-8c9e-0f6f6b7e1d22" }],
    {},
  );
  await world.idle();
  // One comes back before the other: its namespace is other data under an NSID that is in use.
  world.port.heal();
  await world.pass(5_000);
  expect(events).toContain("path-refused");
  world.ports[1]!.heal();
  await world.pass(20_000);
  expect(world.group.devices).toHaveLength(1);
  expect(world.device().paths).toHaveLength(2);
  await expectCleanEnd(world);
});

test("an observer that throws harms neither the group nor the others", async () => {
  const world = new World();
  const boom = new Error("a bug of the observer");
  const stop = world.group.observe(() => {
    throw boom;
  });
  await expect(world.attach()).rejects.toBe(boom);
  // What each of the two events threw is thrown again, in a task of its own.
  await expect(world.idle()).rejects.toBe(boom);
  stop();
  await world.runUntil(() => world.group.devices.length === 1 && world.told.length >= 2);
  expect(world.told).toEqual(["device-added", "path-added"]);
  await world.idle().catch(() => {});
  await expectCleanEnd(world);
});

test("a write that two paths have failed says what is least certain of both", async () => {
  const world = new World({ ports: 2, group: { fencing: "none" } });
  await world.attachAll();
  const channel = world.device().openChannel();
  world.target.freeze();
  const write = world.submit(channel, { op: BlockOp.Write });
  await world.idle();
  world.port.refuse();
  world.port.reset();
  world.target.thaw();
  // The other path refuses, for good: that the first attempt may have worked stays true.
  world.subsystem.setAnaState({ group: 1, state: AnaState.PersistentLoss });
  await world.runUntil(() => world.unsettled === 0, 30_000);
  expect(outcomesOf([write])).toEqual(["unknown"]);
  expect(slowestMs([write])).toBeLessThanOrEqual(10_000);
  await expectCleanEnd(world);
});

test("one namespace that makes no sense, or cannot be asked for now, keeps no other one away", async () => {
  const world = new World({ namespaces: [64, 64, 64] });
  const wire = new Wire(world);
  const refused: string[] = [];
  world.group.observe((event) => event.type === "path-refused" && refused.push(event.reason));
  // Pages of 4,096 bytes: Identify Controller, the list, then two for each namespace.
  let pages = 0;
  wire.alter = ({ dataBytes }, page) => {
    if (dataBytes !== 4096) return;
    // FLBAS of namespace 1 names a format that there is not.
    if (pages === 2) page.setUint8(26, 0x0f);
    pages++;
  };
  await world.run(world.group.attach({ ...world.controllerOptions(), transport: wire.transport }));
  expect(world.group.devices.map(({ nsid }) => nsid)).toEqual([2, 3]);
  expect(refused).toHaveLength(1);
  wire.alter = () => {};
  const [path] = world.group.controllers;
  path!.rescan();
  await world.idle();
  expect(world.group.devices.map(({ nsid }) => nsid).sort()).toEqual([1, 2, 3]);
  await world.close();
  expect(world.group.devices).toEqual([]);
});

test("a namespace whose description stops making sense is gone, and comes back as another device", async () => {
  const world = new World({ namespaces: [64] });
  const wire = new Wire(world);
  await world.run(world.group.attach({ ...world.controllerOptions(), transport: wire.transport }));
  const device = world.device();
  const channel = device.openChannel();
  const [path] = world.group.controllers;
  let pages = 0;
  wire.alter = ({ dataBytes }, page) => {
    if (dataBytes === 4096 && pages++ === 1) page.setUint8(26, 0x0f);
  };
  path!.rescan();
  await world.idle();
  const read = world.submit(channel);
  await world.idle();
  expect(codesOf([read])).toEqual(["NVME_ERR_NS_CHANGED"]);
  expect(world.group.devices).toEqual([]);
  wire.alter = () => {};
  path!.rescan();
  await world.idle();
  expect(world.device()).not.toBe(device);
  await world.close();
});

test.each(["channel", "device"])(
  "closing a %s takes nothing back: what waits is done when a path returns, or ends with the controller",
  async (what) => {
    for (const end of ["path returns", "controller closes"]) {
      const world = new World();
      const path = await world.attach();
      const device = world.device();
      const channel = device.openChannel();
      world.port.refuse();
      world.port.reset();
      const reads = world.reads(channel, 8);
      await world.pass(100);
      let closed: "no" | "yes" = "no";
      if (what === "channel") channel.close();
      else void device.close().then(() => (closed = "yes"));
      const late = world.submit(channel);
      await world.pass(100);
      expect(codesOf([late])).toEqual(["NVME_ERR_CLOSED"]);
      expect(reads.every(({ settled }) => settled.length === 0)).toBe(true);
      expect(closed).toBe("no");
      if (end === "path returns") {
        world.port.heal();
        path.controller.reset(() => {});
        await world.runUntil(() => world.unsettled === 0);
        expectNoErrors(reads);
      } else {
        await world.close();
        expectSettledOnce(reads);
        expect(codesOf(reads)).toEqual(["NVME_ERR_CLOSED"]);
      }
      await world.idle();
      expect([...device.channels]).toEqual([]);
      expect(closed).toBe(what === "device" ? "yes" : "no");
      await expectCleanEnd(world);
    }
  },
);

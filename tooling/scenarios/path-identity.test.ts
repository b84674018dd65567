// Who is at the other end: controllers that claim to be one, addresses that lead elsewhere, and what the
// lost one still says. Rows F64, F68 to F70 and F112 of the fault matrix.
// Read first: docs/fault-matrix.md; packages/bdev/src/nvme/group.ts; lying-port.ts.

import { BlockOp } from "@nvmeof/bdev";
import type { FenceReport, GroupEvent } from "@nvmeof/bdev/nvme";
import { seededRandom } from "@nvmeof/core";
import { type Connector, hostTransport } from "@nvmeof/transport";
import { expect, test } from "vitest";
import { expectCleanEnd, expectNoErrors, expectSettledOnce } from "./expectations.ts";
import type { FaultyPort } from "./faulty-port.ts";
import { heldWorld } from "./held-disk.ts";
import { LyingPort } from "./lying-port.ts";
import { World } from "./world.ts";

const KATO_MS = 2_000;

/** Where the serial number lies in a C2HData with Identify Controller, behind 24 bytes of header. */
const SERIAL_AT = 24 + 4;
const IDENTIFY_PDU_BYTES = 24 + 4_096;

test("F64: what the lost controller says once its fence has begun reaches nobody", async () => {
  const { world, disk } = heldWorld({
    ports: 2,
    target: { random: seededRandom(1) },
    controller: { keepAliveTimeoutMs: KATO_MS },
  });
  const [first] = await world.attachAll();
  const channel = world.device().openChannel();
  disk.answers = "held";
  const requests = world.writes(channel, 4, 7);
  await world.runUntil(() => disk.seen.length === 4);
  // The answers are under way, and come when the host has given the controller up.
  world.port.climate = { toHost: "held" };
  disk.answerAll();
  await world.runUntil(() => first!.controller.state !== "live");
  await world.runUntil(() => world.unsettled === 0);
  // Done twice: the first answers are still under way.
  expect(disk.seen).toHaveLength(8);
  const told = world.told.length;
  world.port.heal();
  await world.pass(100);
  expectNoErrors(requests);
  expect(world.told.slice(told)).toEqual([]);
  expectSettledOnce(requests);
  await expectCleanEnd(world);
});

test("F68: controllers of one NQN with two serial numbers are not merged", async () => {
  const world = new World({ over: "tcp", ports: 2 });
  const port = new LyingPort("liar", world.clock);
  world.replacePort(1, port);
  await world.attach(0);
  let identified = 0;
  port.lie = (pdu) => {
    if (pdu.name !== "C2HData" || pdu.bytes.length !== IDENTIFY_PDU_BYTES) return undefined;
    // Identify Controller comes first.
    if (identified++ > 0) return undefined;
    const bytes = pdu.bytes.slice();
    bytes.set(new TextEncoder().encode("another-serial      "), SERIAL_AT);
    return [bytes];
  };
  await expect(world.attach(1)).rejects.toMatchObject({
    code: "NVME_ERR_GROUP_MISMATCH",
    message: expect.stringContaining('serial number "another-serial"') as string,
    hint: expect.stringContaining("Two targets claim") as string,
  });
  expect(world.group.controllers).toHaveLength(1);
  expect(world.device().paths).toHaveLength(1);
  await expectCleanEnd(world);
});

test("F70: a controller ID that a restarted target gives again is not taken for the old controller", async () => {
  const { world, disk } = heldWorld({
    target: { random: seededRandom(1) },
    controller: { keepAliveTimeoutMs: KATO_MS },
  });
  const reports: FenceReport[] = [];
  world.group.observe((event: GroupEvent) => {
    if (event.type === "fence-over") reports.push(event);
  });
  const { controller } = await world.attach();
  const before = controller.facts!;
  const channel = world.device().openChannel();
  disk.answers = "held";
  const [write] = world.writes(channel, 1, 7);
  await world.runUntil(() => disk.seen.length === 1);
  world.restartTarget([{ device: disk }], { random: seededRandom(2) });
  disk.answerAll();
  await world.runUntil(() => write!.settled.length > 0);
  const after = controller.facts!;
  expect(after.cntlid).toBe(before.cntlid);
  expect(after.identify.cirn).not.toBe(before.identify.cirn);
  expectNoErrors([write!]);
  expect(reports).toHaveLength(1);
  expect(disk.seen.filter(({ op }) => op === BlockOp.Write)).toHaveLength(2);
  await expectCleanEnd(world);
});

test("F112: an interface that is gone and back with another address costs the other path nothing", async () => {
  const world = new World({ over: "tcp", ports: 3, controller: { keepAliveTimeoutMs: KATO_MS } });
  let address = 0;
  const connector: Connector = {
    remote: "storage.example",
    connect: (options, handler) => (world.ports[address] as FaultyPort).connect(options, handler),
  };
  const named = { trtype: "tcp", traddr: "storage.example", trsvcid: "4420" };
  const transport = hostTransport({ address: named, connector, clock: world.hostClock });
  await world.run(world.group.attach({ ...world.controllerOptions(), transport }));
  const other = await world.attach(1);
  const states: string[] = [];
  other.controller.observe((event) => event.type === "state" && states.push(event.to));
  const channel = world.device().openChannel();
  // No packet passes, and nobody is told; the name leads elsewhere from now on.
  world.ports[0]!.blackhole();
  address = 2;
  const startedMs = world.clock.nowMs();
  const reads = world.reads(channel, 16);
  await world.runUntil(() => world.unsettled === 0);
  expectNoErrors(reads);
  expect(world.clock.nowMs() - startedMs).toBeLessThanOrEqual(2 * KATO_MS);
  await world.runUntil(() => world.ports[2]!.connections === 2);
  expect(world.device().paths).toHaveLength(2);
  expect(states).toEqual([]);
  await expectCleanEnd(world);
});

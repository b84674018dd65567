// Keep Alive: who is silent for too long is gone, with everything; who speaks in time is not.
import { AdminOpcode, Sqe, encoded } from "@nvmeof/codec";
import { VirtualClock } from "@nvmeof/transport/testing";
import { expect, test } from "vitest";
import { Gate } from "./gate.ts";
import type { TargetEvent, TargetOptions } from "./index.ts";
import { KeepAlive } from "./keep-alive.ts";
import { HeldDevice } from "./testing/held-device.ts";
import { World, readSqe, writeSqe } from "./testing/raw-host.ts";

const keepAlive = encoded(Sqe, { opc: AdminOpcode.KeepAlive });

function connected(options: Omit<TargetOptions, "clock"> = {}, keepAliveTimeoutMs = 5_000) {
  const clock = new VirtualClock();
  const device = new HeldDevice({ clock });
  const world = new World(clock, { namespaces: [{ device }] }, options);
  const seen: TargetEvent[] = [];
  world.target.observe((event) => seen.push(event));
  const controller = world.connect({ keepAliveTimeoutMs });
  return { clock, device, world, controller, seen };
}

test("[F91] a host that vanishes with I/O in flight is gone after its timeout, and all is freed", () => {
  const { clock, device, world, controller, seen } = connected();
  const io = controller.openIo();
  io.send(readSqe(0, 64), new Uint8Array(64 * 512));
  io.send(writeSqe(0, 64), new Uint8Array(64 * 512));
  clock.advance(12_000);
  expect([controller.admin.lost, io.lost].every((error) => error !== undefined)).toBe(true);
  expect(world.target.status).toMatchObject({ connections: 0, controllers: 0 });
  expect(world.target.status.backendRequests).toBe(2);
  expect(seen.filter(({ type }) => type === "controller-removed")).toMatchObject([
    { reason: "keep-alive-expired", cntlid: controller.cntlid },
  ]);
  device.settleAll();
  clock.settle();
  expect(world.target.status).toMatchObject({ backendRequests: 0, buffers: 0, bufferBytes: 0 });
  expect(clock.armed).toBe(0);
});

test("a host that sends Keep Alive in time stays, as long as it does", () => {
  const { clock, controller } = connected({ trafficKeepAlive: false });
  for (let i = 0; i < 20; i++) {
    clock.advance(4_900);
    expect(controller.admin.run(keepAlive).code).toBe(0);
  }
  clock.advance(4_900);
  expect(controller.admin.lost).toBeUndefined();
  clock.advance(200);
  expect(controller.admin.lost).toBeDefined();
});

test("other commands keep a controller alive where that is announced, and only there", () => {
  for (const trafficKeepAlive of [true, false]) {
    const { clock, controller, device } = connected({ trafficKeepAlive });
    device.settling = "now";
    const io = controller.openIo();
    for (let i = 0; i < 10 && io.lost === undefined; i++) {
      io.run(readSqe(0, 1), new Uint8Array(512));
      clock.advance(2_000);
    }
    expect(io.lost === undefined).toBe(trafficKeepAlive);
  }
});

test("a timeout is rounded up to the granularity", () => {
  const { clock, controller } = connected({ trafficKeepAlive: false }, 1);
  clock.advance(900);
  expect(controller.admin.lost).toBeUndefined();
  clock.advance(200);
  expect(controller.admin.lost).toBeDefined();
});

test("without a timeout a host may be silent for ever", () => {
  const { clock, controller } = connected({}, 0);
  clock.advance(3_600_000);
  expect(controller.admin.run(keepAlive).code).toBe(0);
  // A last look at whether the answer was taken.
  clock.advance(20_000);
  expect(clock.armed).toBe(0);
});

/** Time that jumps: timers that were due meanwhile go off late, and all at once. */
class StoppedClock {
  #nowMs = 0;
  readonly #tasks: { atMs: number; task: () => void }[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  at(atMs: number, task: () => void) {
    const entry = { atMs, task };
    this.#tasks.push(entry);
    return { cancel: () => void this.#tasks.splice(this.#tasks.indexOf(entry), 1) };
  }

  defer(task: () => void): void {
    task();
  }

  jumpTo(nowMs: number): void {
    this.#nowMs = nowMs;
    const due = this.#tasks.filter(({ atMs }) => atMs <= nowMs);
    for (const entry of due) {
      this.#tasks.splice(this.#tasks.indexOf(entry), 1);
      entry.task();
    }
  }
}

test("after our process stood still, there is time to read before a host is judged", () => {
  const clock = new StoppedClock();
  let expired = 0;
  const watch = new KeepAlive({
    clock,
    gate: new Gate(),
    granularityMs: 1_000,
    commandsSeen: () => 0,
    expired: () => expired++,
  });
  watch.start(5_000);
  clock.jumpTo(60_000);
  expect(expired).toBe(0);
  // The Keep Alive that waited in a buffer.
  watch.heard();
  clock.jumpTo(60_500);
  expect(expired).toBe(0);
  clock.jumpTo(90_000);
  clock.jumpTo(90_500);
  expect(expired).toBe(1);
});

// Options: their defaults, and what cannot be right is refused before anything is sent.

import { VirtualClock } from "@nvmeof/transport/testing";
import { expect, test } from "vitest";
import { type ControllerOptions, resolveOptions } from "./options.ts";
import { ScriptedController } from "./testing/index.ts";

const peer = new ScriptedController({ clock: new VirtualClock() });
const resolve = (given: Partial<ControllerOptions> = {}) =>
  resolveOptions({ ...peer.hostOptions(), ...given });

test("what is not given has a default", () => {
  expect(resolve()).toMatchObject({
    ioQueues: 1,
    queueEntries: 128,
    adminQueueEntries: 32,
    keepAliveTimeoutMs: 10_000,
    connectTimeoutMs: 3_000,
    fabricsTimeoutMs: 5_000,
    ioTimeoutMs: 30_000,
    adminTimeoutMs: 60_000,
    onTimeout: "reset",
    disableSqFlow: true,
    transferBytesMax: 1024 * 1024,
    adminWaitingMax: 128,
    reconnect: {
      delayMs: 2_000,
      delayMaxMs: 10_000,
      jitter: 0.2,
      fastFailMs: 10_000,
      lossMs: 60_000,
    },
  });
});

test("what is given as undefined was not given", () => {
  const given = { ioTimeoutMs: undefined, clock: undefined } as unknown as ControllerOptions;
  expect(resolve(given)).toMatchObject({ ioTimeoutMs: 30_000, clock: peer.clock });
});

test("time and chance come from the transport, unless they are given", () => {
  const clock = new VirtualClock();
  const random = { next32: () => 4 };
  expect(resolve().clock).toBe(peer.clock);
  expect(resolve({ clock, random })).toMatchObject({ clock, random });
});

test("hosts that lose a target at the same moment do not come back in step", () => {
  const one = resolve().random;
  const other = resolve({ hostId: "00000000-0000-4000-8000-000000000001" }).random;
  expect(one.next32()).not.toBe(other.next32());
});

test("one transport or several are given alike", () => {
  const transport = peer.transport();
  expect(resolve({ transport }).transports).toEqual([transport]);
  expect(resolve({ transport: [transport, transport] }).transports).toHaveLength(2);
  expect(() => resolve({ transport: [] })).toThrow(TypeError);
});

test.each<[name: keyof ControllerOptions, ...values: number[]]>([
  ["ioQueues", -1, 65_536, 1.5, Number.NaN],
  ["queueEntries", 1, 65_537, Infinity],
  ["adminQueueEntries", 31, 4_097],
  ["keepAliveTimeoutMs", -1, 2 ** 32, 0.5],
  ["transferBytesMax", 4_095, 2 ** 29],
  ["adminWaitingMax", -1, 1.5],
  ["connectTimeoutMs", 0, -1, Infinity, Number.NaN],
  ["fabricsTimeoutMs", 0, Infinity, Number.NaN],
  ["ioTimeoutMs", 0, -1, Number.NaN],
  ["adminTimeoutMs", 0, -1, Number.NaN],
])("%s cannot be %d …", (name, ...values) => {
  for (const value of values) {
    expect(() => resolve({ [name]: value })).toThrow(RangeError);
    expect(() => resolve({ [name]: value })).toThrow(name);
  }
});

test.each<[name: keyof ControllerOptions, ...values: number[]]>([
  ["ioQueues", 0, 65_535],
  ["queueEntries", 2, 65_536],
  ["keepAliveTimeoutMs", 0, 0xffff_ffff],
  ["ioTimeoutMs", 0.5, Infinity],
  ["adminTimeoutMs", Infinity],
])("%s may be %d …", (name, ...values) => {
  for (const value of values) expect(resolve({ [name]: value })).toHaveProperty(name, value);
});

test.each([
  ["the host NQN", { hostNqn: "" }],
  ["the subsystem NQN", { subsystemNqn: `nqn.2024-01.org.example:${"x".repeat(230)}` }],
  ["the host ID", { hostId: "not-a-uuid" }],
])("%s must be one", (_name, given) => {
  expect(() => resolve(given)).toThrow(expect.objectContaining({ code: "NVME_ERR_NQN" }));
});

test("an action on timeouts must be one that there is", () => {
  const onTimeout = "explode" as unknown as "none";
  expect(() => resolve({ onTimeout })).toThrow("onTimeout is explode");
});

test("a reconnect policy that contradicts itself is refused", () => {
  expect(() => resolve({ reconnect: { delayMs: 5, lossMs: 2 } })).toThrow(
    "the reconnect delay is longer than the loss timeout",
  );
});

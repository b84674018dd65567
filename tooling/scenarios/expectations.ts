// What every scenario must end in: each request settled once, nothing left behind, the name free.
// Read first: reliability-anchors.md §4.2, I1, I2, I11 and I20.

import { AnaState } from "@nvmeof/codec";
import type { CloseReport } from "@nvmeof/core";
import { expect } from "vitest";
import type { Watched, World } from "./world.ts";

/** A close takes no longer than this, whatever the peer does. */
export const CLOSE_BOUND_MS = 2_000;

/** I1: each request settled, exactly once. */
export function expectSettledOnce(requests: readonly Watched[]): void {
  const times = requests.map(({ settled }) => settled.length);
  expect(times).toEqual(times.map(() => 1));
}

/** All went well, as far as the caller can see. */
export function expectNoErrors(requests: readonly Watched[]): void {
  expectSettledOnce(requests);
  const errors = requests.map(({ settled }) => settled[0]!.error?.message);
  expect(errors.filter((message) => message !== undefined)).toEqual([]);
}

/** What each request failed with. */
export const codesOf = (requests: readonly Watched[]): string[] => [
  ...new Set(requests.map(({ settled }) => settled[0]?.error?.code ?? "none")),
];

export const outcomesOf = (requests: readonly Watched[]): (string | undefined)[] =>
  requests.map(({ settled }) => settled[0]?.error?.outcome);

/** Do Not Retry, packed. */
export const DNR = 0x4000;

/** How long the slowest of some requests took since `sinceMs`. */
export const slowestMs = (requests: readonly Watched[], sinceMs = 0): number =>
  Math.max(...requests.map(({ settled }) => (settled[0]?.atMs ?? Infinity) - sinceMs));

/** No socket, timer, device or request is left of the host; I11. */
export function expectNothingLeft(world: World): void {
  world.clock.settle();
  expectSettledOnce(world.requests);
  expect(world.hostClock.armed).toBe(0);
  expect(world.ports.map(({ connections }) => connections)).toEqual(world.ports.map(() => 0));
  expect(world.group.controllers).toEqual([]);
  expect(world.group.devices).toEqual([]);
}

/**
 * Closes the group within the bound; nothing is left then, and the name can be attached at once.
 *
 * @returns the reports of the close.
 */
export async function expectCleanEnd(world: World): Promise<CloseReport[]> {
  const startedMs = world.clock.nowMs();
  const reports = await world.close();
  expect(world.clock.nowMs() - startedMs).toBeLessThanOrEqual(CLOSE_BOUND_MS);
  expectNothingLeft(world);
  await expectAttachable(world);
  return reports;
}

/** The group, under its name, does its work again, and ends again. */
export async function expectAttachable(world: World): Promise<void> {
  for (const port of world.ports) port.heal();
  world.target.thaw();
  for (const { anaGroup } of world.subsystem.namespaces) {
    world.subsystem.setAnaState({ group: anaGroup, state: AnaState.Optimized });
  }
  await world.attach(0);
  const channel = world.group.devices[0]!.openChannel();
  const read = world.submit(channel);
  await world.runUntil(() => read.settled.length > 0);
  expect(read.settled[0]!.error).toBeUndefined();
  channel.close();
  await world.close();
  expectNothingLeft(world);
}

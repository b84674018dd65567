// Failover and reconnect against a target in this process, in virtual time: nothing here is a mock.

import { seededRandom } from "@nvmeof/core";
import { expect, test } from "vitest";
import { runFailover, runReconnect } from "./outage.ts";
import { PathLab, during } from "./testing/path-lab.ts";
import type { Way } from "./way.ts";

const random = seededRandom(7);

test("with two paths, writes go on over the other one and nothing is lost or wrong", async () => {
  const lab = new PathLab();
  const host = await lab.connect(lab.transport(0));
  await during(lab.clock, host.addPath(lab.transport(1)));
  const device = await host.openNamespace(1);
  const ways = [lab.way(host, 0), lab.way(host, 1)];
  const { clock } = lab;
  const report = await during(clock, runFailover({ device, clock, random, ways, rounds: 3 }));
  expect(report).toMatchObject({ rounds: 3, errors: 0, mismatches: 0, fenceMs: 2_000 });
  expect(report.heldWrites).toBeGreaterThan(0);
  // Only writes of unknown outcome wait; others are answered by the other path at once.
  expect(report.longestStallMs).toBeGreaterThanOrEqual(2_000);
  expect(report.longestStallMs).toBeLessThan(2_200);
  expect(report.longestSilenceMs).toBeLessThan(100);
  const told = report.timeline.map(({ what }) => what);
  expect(told.filter((what) => / live → (recovering|waiting)/.test(what))).toHaveLength(3);
  expect(told.filter((what) => / recovering → live/.test(what))).toHaveLength(3);
  expect(told.some((what) => what.includes("held for 2.00 s (2 × KATO)"))).toBe(true);
  await lab.close(host);
});

test("with one path, requests wait until the port is back and then go on", async () => {
  const lab = new PathLab();
  const host = await lab.connect(lab.transport(0));
  const device = await host.openNamespace(1);
  const { clock } = lab;
  const way = lab.way(host, 0);
  const report = await during(clock, runReconnect({ device, clock, random, way, outageMs: 4_000 }));
  expect(report).toMatchObject({ errors: 0, mismatches: 0 });
  expect(report.outageMs).toBeGreaterThanOrEqual(4_000);
  expect(report.outageMs).toBeLessThan(4_700);
  expect(report.attempts).toBeGreaterThan(4);
  expect(report.longestSilenceMs).toBeGreaterThanOrEqual(4_000);
  const told = report.timeline.map(({ what }) => what).join("\n");
  expect(told).toMatch(/live → recovering[^]*recovering → waiting[^]*recovering → live/);
  await lab.close(host);
});

test("a controller that gives up ends the scenario with its reason", async () => {
  const lab = new PathLab();
  const host = await lab.connect(lab.transport(0));
  const device = await host.openNamespace(1);
  const { clock } = lab;
  const way: Way = { ...lab.way(host, 0), restore: async () => void (await host.close()) };
  const scenario = runReconnect({ device, clock, random, way, outageMs: 300 });
  await expect(during(clock, scenario)).rejects.toMatchObject({ code: "NVME_ERR_UNREACHABLE" });
  await lab.close(host);
});

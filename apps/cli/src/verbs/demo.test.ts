// demo: the self test that people run first.

import { expect, test } from "vitest";
import { nvmeof, nvmeofJson, start } from "../testing/run.ts";

const small = ["--seconds", "1", "--size", "1M"];

test("as JSON it is one document that says that all is well", { timeout: 20_000 }, async () => {
  const { data, error, exitCode } = await nvmeofJson(["demo", ...small, "-g", "-G"]);
  expect(error).toBeNull();
  expect(exitCode).toBe(0);
  expect(data).toMatchObject({
    write: { bytes: 2 ** 20 },
    verify: { bytes: 2 ** 20, mismatches: 0, first: null },
    perf: { readBytes: 4096, queueDepth: 32 },
    destruct: {
      outstanding: 64,
      settled: 64,
      settledWith: { NVME_ERR_CONTROLLER_CLOSED: 64 },
      boundMs: 2000,
      close: { shutdown: "not-told" },
    },
  });
  const { perf, destruct } = data as {
    perf: { iops: number; latency: { p50Us: number; p99Us: number } };
    destruct: { closedMs: number; timeline: { what: string }[] };
  };
  expect(perf.iops).toBeGreaterThan(100);
  expect(perf.latency.p99Us).toBeGreaterThanOrEqual(perf.latency.p50Us);
  expect(destruct.closedMs).toBeLessThan(2500);
  expect(destruct.timeline.map(({ what }) => what)).toContain("64 of 64 reads have settled");
});

test(
  "for people it tells the story with its times, and ends with the verdict",
  { timeout: 20_000 },
  async () => {
    const { stdout, stderr, exitCode } = await nvmeof(["demo", ...small]);
    expect(exitCode).toBe(0);
    expect(stderr).toBe("");
    expect(stdout).toMatch(/^ +\d\.\d{3} s {2}verified in .*: 0 mismatches$/m);
    expect(stdout).toMatch(/^ +\d\.\d{3} s {2}64 of 64 reads have settled$/m);
    expect(stdout.endsWith("All reads settled, and the close was bounded.\n")).toBe(true);
  },
);

test("Ctrl-C ends it in order, wherever it is", async () => {
  const run = start(["demo", "--seconds", "60", "--size", "1M"]);
  await run.stdout.contains("reading 4096 bytes at random");
  run.signal("SIGINT");
  expect(await run.ended).toBe(130);
  expect(run.stderr.text).toContain("interrupted by SIGINT (NVME_ERR_INTERRUPTED)");
});

test("a disk of less than a block is refused", async () => {
  const { error } = await nvmeofJson(["demo", "--size", "100"]);
  expect(error).toMatchObject({ code: "NVME_ERR_UNALIGNED", exitCode: 2 });
});

type Timed = { readonly timeline: readonly { readonly what: string }[] };

const told = (data: unknown): string => (data as Timed).timeline.map(({ what }) => what).join("\n");

test("the scenario destruct is its last part alone", { timeout: 20_000 }, async () => {
  const { data, error } = await nvmeofJson(["demo", "--scenario", "destruct", "--size", "1M"]);
  expect(error).toBeNull();
  expect(data).toMatchObject({
    scenario: "destruct",
    destruct: { outstanding: 64, settled: 64, boundMs: 2000, close: { shutdown: "not-told" } },
  });
  expect(data).not.toHaveProperty("perf");
  expect(told(data)).toContain("64 of 64 reads have settled");
});

test("the scenario failover loses a path, and no request", { timeout: 20_000 }, async () => {
  const args = ["demo", "--scenario", "failover", "--rounds", "2", "--size", "1M"];
  const { data, error } = await nvmeofJson(args);
  expect(error).toBeNull();
  expect(data).toMatchObject({
    scenario: "failover",
    failover: { rounds: 2, errors: 0, mismatches: 0, fenceMs: 2000 },
  });
  expect(told(data)).toMatch(/round 2 of 2\npath [12] \(port \d+\): the target drops the port\n/);
  expect(told(data)).toMatch(/path [12] \(port \d+\): recovering → live/);
});

test("the scenario reconnect waits for the target and goes on", { timeout: 20_000 }, async () => {
  const args = ["demo", "--scenario", "reconnect", "--outage", "1s", "--size", "1M"];
  const { stdout, stderr, exitCode } = await nvmeof(args);
  expect([exitCode, stderr]).toEqual([0, ""]);
  expect(stdout).toMatch(/live → recovering[^]*recovering → waiting[^]*recovering → live/);
  expect(stdout).toMatch(/without a target: requests waited, no error, no mismatch\.\n$/);
});

test("the scenario fencing holds writes until the lost controller was reset", async () => {
  const { data, error } = await nvmeofJson(["demo", "--scenario", "fencing", "--size", "1M"]);
  expect(error).toBeNull();
  expect(data).toMatchObject({
    scenario: "fencing",
    fencing: { held: 16, releasedBy: "ccr", staleBlocks: 0 },
  });
  expect(told(data)).toMatch(/16 writes released by ccr[^]*newer data[^]*0 of 16 blocks/);
});

test("without fencing the same scenario loses newer data, and shows it", async () => {
  const args = ["demo", "--scenario", "fencing", "--without-fencing", "--size", "1M"];
  const { data, error } = await nvmeofJson(args);
  expect(error).toBeNull();
  expect(data).toMatchObject({ fencing: { held: 0, releasedBy: null } });
  expect((data as { fencing: { staleBlocks: number } }).fencing.staleBlocks).toBeGreaterThan(0);
});

test("Ctrl-C ends a scenario in order", { timeout: 20_000 }, async () => {
  const run = start(["demo", "--scenario", "reconnect", "--outage", "1h", "--size", "1M"]);
  await run.stdout.contains("requests wait for this one");
  run.signal("SIGINT");
  expect(await run.ended).toBe(130);
});

test("a disk that is too small for the writers of a scenario is refused", async () => {
  const { error } = await nvmeofJson(["demo", "--scenario", "failover", "--size", "8k"]);
  expect(error).toMatchObject({ code: "NVME_ERR_UNALIGNED", exitCode: 2 });
});

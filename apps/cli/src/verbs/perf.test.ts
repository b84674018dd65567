// Measuring as a command, against a target over loopback: all kinds of requests, what it prints, what it
// refuses, and how it ends. Small and short: it is no benchmark.

import { readFileSync, writeFileSync } from "node:fs";
import { type PerfResult, perfKinds, perfResultOf } from "@nvmeof/tools";
import { afterAll, expect, test } from "vitest";
import { failure, freshPath, nvmeof, nvmeofJson, start } from "../testing/run.ts";
import { testTarget } from "../testing/target.ts";

const target = await testTarget([{}, { readOnly: true }, { blockBytes: 4096, blockCount: 64 }]);
afterAll(() => target.served.close());
const uri = target.namespace(1);

async function measured(...args: string[]): Promise<PerfResult> {
  const { data, error, exitCode } = await nvmeofJson(["perf", "run", uri, "--yes", ...args]);
  expect({ error, exitCode }).toEqual({ error: null, exitCode: 0 });
  return perfResultOf(data);
}

test.each(perfKinds)("%s: 32 requests, verified", async (rw) => {
  if (rw.endsWith("read")) await measured("--rw", "write", "--size", "1M", "--verify");
  const size = ["--size", "128k", "--bs", "4k", "--iodepth", "4", "--verify"];
  const result = await measured("--rw", rw, ...size);
  expect(result).toMatchObject({ end: "size", errors: [], workload: { rw, requestBytes: 4096 } });
  expect(result.read.count + result.write.count).toBe(32);
  expect(result.verify).toMatchObject({ mismatches: 0 });
  expect(result.verify!.checkedBlocks).toBeGreaterThan(0);
  expect(result.paths).toMatchObject({ count: 1, retries: 0 });
  expect(result.platform!.cpuUsPerRequest).toBeGreaterThan(0);
  const { latency } = rw.endsWith("read") ? result.read : result.write;
  expect(latency.p50Us).toBeGreaterThan(0);
  expect(latency.maxUs).toBeGreaterThanOrEqual(latency.p50Us * 0.999);
});

test("an open loop does as many as are due", async () => {
  const result = await measured("--rate", "400", "--time", "200ms", "--bs", "512");
  expect(result).toMatchObject({ end: "time", schedule: { ratePerSecond: 400 } });
  expect(result.read.count + result.schedule!.unstarted).toBe(80);
});

test("each queue is an I/O queue of the controller", async () => {
  const run = ["perf", "run", uri, "--queues", "3", "--iodepth", "2", "--size", "64k"];
  const { data, warnings } = await nvmeofJson(run);
  expect(perfResultOf(data).workload).toMatchObject({ queues: 3, queueDepth: 2 });
  expect(warnings).toEqual([]);
  const shallow = await nvmeofJson([...run, "--iodepth", "8", "-Q", "4"]);
  expect(shallow.warnings).toEqual(["a queue holds 3 requests; the rest of 8 wait"]);
});

test("workers have connections of their own, and each does what one alone would", async () => {
  const before = target.served.target.status.controllers;
  const each = ["--workers", "3", "--queues", "2", "--iodepth", "4", "--size", "64k"];
  const { data, warnings } = await nvmeofJson(["perf", "run", uri, ...each]);
  const result = perfResultOf(data);
  expect(result).toMatchObject({
    end: "size",
    errors: [],
    workload: { workers: 3, queues: 2, queueDepth: 4 },
    paths: { count: 3 },
  });
  expect(result.read.count).toBe(3 * 16);
  expect(result.read.latency.count).toBe(3 * 16);
  expect(result.workers!.map(({ name, read }) => [name, read.count])).toEqual([
    ["worker 1", 16],
    ["worker 2", 16],
    ["worker 3", 16],
  ]);
  expect(warnings).toEqual([]);
  const shallow = await nvmeofJson(["perf", "run", uri, ...each, "--iodepth", "8", "-Q", "4"]);
  expect(shallow.warnings).toEqual(["a queue holds 3 requests; the rest of 8 wait"]);
  expect(target.served.target.status.controllers).toBe(before);
});

test("workers that write all write the same, and read back what they wrote", async () => {
  const verified = ["--workers", "2", "--verify", "--size", "256k", "--iodepth", "4"];
  const result = await measured("--rw", "randrw", ...verified);
  expect(result.verify).toMatchObject({ mismatches: 0, readBack: "complete" });
  const paced = await measured("--workers", "2", "--rate", "200", "--time", "200ms");
  expect(paced.schedule).toMatchObject({ ratePerSecond: 400 });
});

test("Ctrl-C ends workers in bounded time, with what was measured so far", async () => {
  const run = start(
    ["perf", "run", uri, "--workers", "2", "--time", "1h", "--json", "--progress", "json"],
    {},
  );
  await run.stderr.contains('"progress"');
  const startMs = performance.now();
  run.signal("SIGINT");
  expect(await run.ended).toBe(130);
  expect(performance.now() - startMs).toBeLessThan(2_500);
  const { data, error } = JSON.parse(run.stdout.text) as { data: unknown; error: object };
  const result = perfResultOf(data);
  expect(result).toMatchObject({ end: "interrupted", errors: [] });
  expect(result.workers).toHaveLength(2);
  expect(result.read.count).toBeGreaterThan(0);
  expect(error).toMatchObject({ code: "NVME_ERR_INTERRUPTED" });
});

test("an error of a worker ends the run with it", async () => {
  const own = await testTarget();
  const lost = ["--no-retries", "--time", "1h", "--progress", "json", "--workers", "2"];
  const run = start(["perf", "run", own.namespace(1), "--json", ...lost], {});
  await run.stderr.contains('"progress"');
  await own.served.close();
  expect(await run.ended).toBe(14);
  const result = perfResultOf((JSON.parse(run.stdout.text) as { data: unknown }).data);
  expect(["removed", "errors"]).toContain(result.end);
  expect(result.errors.length).toBeGreaterThan(0);
});

test("people read fio's words, and a page is written if they like", async () => {
  const page = freshPath("perf.html");
  const { stdout, exitCode } = await nvmeof(
    ["perf", "run", uri, "--size", "64k", "--report", page],
    {},
  );
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/^randread: bs=4KiB, iodepth=32, queues=1\n/);
  expect(stdout).toMatch(/^ {2}read: IOPS=[\d.]+k?, BW=/m);
  expect(stdout).toMatch(/^ {4}lat percentiles \(.sec\): 50th=/m);
  expect(stdout).toMatch(/^ {2}errors: none$/m);
  expect(readFileSync(page, "utf8")).toMatch(/^<!doctype html>[^]*<svg [^]*<svg /);
});

test("Ctrl-C ends it with what was measured so far", async () => {
  const page = freshPath("perf.html");
  const progress = ["--progress", "json"];
  const run = start(
    ["perf", "run", uri, "--time", "1h", "--json", "--report", page, ...progress],
    {},
  );
  await run.stderr.contains('"progress"');
  run.signal("SIGINT");
  expect(await run.ended).toBe(130);
  const { data, error } = JSON.parse(run.stdout.text) as { data: unknown; error: object };
  const result = perfResultOf(data);
  expect(result).toMatchObject({ end: "interrupted", errors: [] });
  expect(result.read.count).toBeGreaterThan(0);
  expect(error).toMatchObject({ code: "NVME_ERR_INTERRUPTED" });
  expect(readFileSync(page, "utf8")).toContain("interrupted");
});

test("on a terminal it shows how far it is", async () => {
  const run = start(["perf", "run", uri, "--time", "1h"], { tty: true });
  await run.stderr.contains(" of 60 min 0 s  ");
  run.signal("SIGINT");
  expect(await run.ended).toBe(130);
  expect(run.stderr.text).toMatch(/randread {2}[\d.]+ \w+ of 60 min 0 s {2}[\d,]+ IOPS {2}/);
  expect(run.stdout.text).toMatch(/^randread: .*\n.*, interrupted\n/);
});

test("what differs gives 10, and the result all the same", async () => {
  const args = ["perf", "run", target.namespace(3), "--verify", "--size", "16k"];
  const { data, error, exitCode } = await nvmeofJson(args);
  expect(exitCode).toBe(10);
  expect(error).toMatchObject({ code: "NVME_ERR_MISMATCH" });
  expect(perfResultOf(data).verify).toMatchObject({ checkedBlocks: 4, mismatches: 4 });
  const { stdout, stderr } = await nvmeof(args);
  expect(stdout).toContain("verify: 4 blocks, 4 mismatches");
  expect(stderr).toContain("NVME_ERR_MISMATCH");
});

test("a target that goes ends it, and the exit code says so", async () => {
  const own = await testTarget();
  const lost = ["--no-retries", "--time", "1h", "--progress", "json"];
  const run = start(["perf", "run", own.namespace(1), "--json", ...lost], {});
  await run.stderr.contains('"progress"');
  await own.served.close();
  expect(await run.ended).toBe(14);
  const { data } = JSON.parse(run.stdout.text) as { data: unknown };
  const result = perfResultOf(data);
  // Requests fail before the last attempt to reconnect has, and soon there are too many.
  expect(["removed", "errors"]).toContain(result.end);
  expect(result.errors.length).toBeGreaterThan(0);
});

test.each([
  ["writes without consent", ["--rw", "randrw"], "NVME_ERR_CONFIRMATION"],
  ["requests that are no whole blocks", ["--bs", "1000"], "NVME_ERR_USAGE"],
  ["requests that are larger than the namespace", ["--bs", "2M"], "NVME_ERR_USAGE"],
  ["kinds that do not exist", ["--rw", "trim"], "NVME_ERR_USAGE"],
  ["more reads than all", ["--rwmixread", "101"], "NVME_ERR_USAGE"],
  ["a rate of nothing", ["--rate", "0"], "NVME_ERR_USAGE"],
  ["no time", ["--time", "0"], "NVME_ERR_USAGE"],
  ["no workers", ["--workers", "0"], "NVME_ERR_USAGE"],
  ["requests that no worker can do", ["--workers", "2", "--bs", "1000"], "NVME_ERR_USAGE"],
  ["a read-only namespace", ["--rw", "write", "--yes", "-N", "2"], "NVME_ERR_USAGE"],
  [
    "a report in no folder",
    ["--size", "4k", "--report", "/none/x.html"],
    "NVME_ERR_FILE_NOT_FOUND",
  ],
])("%s are refused", async (_what, args, code) => {
  expect(await failure(["perf", "run", uri, ...args])).toMatchObject({ code });
});

/** A result in a file, with reads that are slower by a factor. */
async function kept(factor: number): Promise<string> {
  const { data } = await nvmeofJson(["perf", "run", uri, "--size", "64k"]);
  const result = perfResultOf(data);
  const { read } = result;
  const file = freshPath("perf.json");
  const fixed = { iops: 1000 / factor, bytesPerSecond: 4_096_000 / factor };
  const latency = { ...read.latency, meanUs: 100 * factor, p50Us: 100, p90Us: 100, p99Us: 100 };
  writeFileSync(file, JSON.stringify({ ...result, read: { ...read, ...fixed, latency } }));
  return file;
}

test("compare prints the ratio of each figure, and says what is worse than it may be", async () => {
  const [a, b] = [await kept(1), await kept(2)];
  const { stdout, exitCode } = await nvmeof(["perf", "compare", a, b]);
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/^Figure +First +Second +Ratio/);
  expect(stdout).toMatch(/^read iops +1,000 +500 +0.500/m);
  expect(stdout).toMatch(/^read latency p50 +100 µs +100 µs +1.000/m);
  const worse = await nvmeofJson(["perf", "compare", a, b, "--tolerance", "20%"]);
  expect(worse).toMatchObject({ exitCode: 12, error: { code: "NVME_ERR_REGRESSION" } });
  expect(worse.data).toMatchObject({ first: a, second: b, tolerancePercent: 20 });
  const { figures } = worse.data as { figures: { figure: string; regressed: boolean }[] };
  expect(figures.filter(({ regressed }) => regressed).map(({ figure }) => figure)).toEqual([
    "read iops",
    "read latency mean",
  ]);
  const people = await nvmeof(["perf", "compare", a, b, "--tolerance", "20"]);
  expect(people.exitCode).toBe(12);
  expect(people.stdout).toMatch(/^read iops .* worse$/m);
  expect((await nvmeof(["perf", "compare", b, a, "--tolerance", "20"])).exitCode).toBe(0);
});

test("compare warns of workloads that differ, and refuses what is no result", async () => {
  const a = await kept(1);
  const b = freshPath("b.json");
  const run = ["perf", "run", uri, "--size", "64k", "--iodepth", "2"];
  writeFileSync(b, (await nvmeof([...run, "--json"])).stdout);
  const { warnings } = await nvmeofJson(["perf", "compare", a, b]);
  expect(warnings).toEqual(["the workloads differ in queueDepth: 32 and 2"]);
  const wrong = freshPath("wrong.json");
  for (const text of ["{", "{}", '{ "data": null }']) {
    writeFileSync(wrong, text);
    const error = await failure(["perf", "compare", a, wrong]);
    expect(error).toMatchObject({ code: "NVME_ERR_USAGE" });
    expect(error.message).toContain(wrong);
  }
  const none = await failure(["perf", "compare", a, freshPath("none.json")]);
  expect(none.code).toBe("NVME_ERR_FILE_NOT_FOUND");
});

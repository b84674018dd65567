// A result that was read from a file: checked as far as comparisons rely on it. Read first: result.ts.

import { PERF_VERSION, type PerfResult } from "./result.ts";

type Fields = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const hasNumbers = (value: unknown, ...names: string[]): boolean =>
  isObject(value) && names.every((name) => Number.isFinite(value[name]));

const isDirection = (value: unknown): boolean =>
  hasNumbers(value, "count", "errors", "bytes", "iops", "bytesPerSecond") &&
  hasNumbers((value as Fields)["latency"], "meanUs", "p50Us", "p90Us", "p99Us", "p999Us", "maxUs");

const isPaths = (value: unknown): boolean => value === null || hasNumbers(value, "retries");

const isPlatform = (value: unknown): boolean =>
  value === null ||
  (hasNumbers(value, "cpuUsPerRequest") && hasNumbers((value as Fields)["loopDelay"], "p99Ms"));

/**
 * The result that a parsed JSON document holds: itself, or under `data`, as `nvmeof perf run --json`
 * prints it.
 *
 * @throws TypeError for anything else, and for a version that is not known here.
 */
export function perfResultOf(document: unknown): PerfResult {
  const inner = isObject(document) && "data" in document ? document["data"] : document;
  if (!isObject(inner)) throw new TypeError("no result of perf run");
  const { version, workload, read, write, paths, platform } = inner;
  if (version !== PERF_VERSION) {
    throw new TypeError(`no result of perf run in version ${PERF_VERSION}`);
  }
  const isComplete =
    isObject(workload) &&
    isDirection(read) &&
    isDirection(write) &&
    isPaths(paths) &&
    isPlatform(platform);
  if (!isComplete) throw new TypeError("a result of perf run with parts missing");
  return inner as unknown as PerfResult;
}

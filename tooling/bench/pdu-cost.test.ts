// What a PDU leaves on the heap: shown by the benchmark, in a process of its own, since that of the tests
// is never quiet.
import { fileURLToPath } from "node:url";
import { execute } from "@nvmeof/tooling-support";
import { expect, test } from "vitest";
import { bundle, quietHeap } from "./bundle.mjs";
import type { Finding } from "./cost.ts";

/** Without data nothing is made: a small object is 16 bytes. */
const NO_DATA_BYTES_MAX = 8;
/** Copying makes a view for each piece (see @nvmeof/transport copy.ts), which takes some 100 bytes. */
const VIEW_BYTES_MAX = 128;

/** Pieces that a PDU is copied in: 4 KiB whole; more in parts, and once more to be digested. */
function piecesOf(name: string): number {
  const isDigested = name.includes("digests");
  if (name.includes("128 KiB")) return isDigested ? 6 : 2;
  return isDigested ? 2 : 1;
}

const limitOf = ({ name }: Finding): number =>
  name.includes("commands of reads") ? NO_DATA_BYTES_MAX : piecesOf(name) * VIEW_BYTES_MAX;

test(
  "a received PDU leaves a view for each of its pieces on the heap, one sent nothing",
  {
    timeout: 120_000,
  },
  async () => {
    const file = await bundle("pdu-cost");
    const { code, stdout, output } = await execute(process.execPath, [...quietHeap, file], {
      cwd: fileURLToPath(new URL(".", import.meta.url)),
      deadlineMs: 100_000,
    });
    expect(code, output).toBe(0);
    const findings = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Finding);
    const results = findings.filter(({ name }) => name.endsWith(", received, heap"));
    expect(results).toHaveLength(9);
    const wasteful = results.filter((result) => result.value > limitOf(result));
    expect(wasteful).toEqual([]);
    const sent = findings.filter(({ name }) => name.endsWith(", sent, heap"));
    expect(sent.filter(({ value }) => value > NO_DATA_BYTES_MAX)).toEqual([]);
  },
);

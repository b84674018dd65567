// Receiving allocates nothing per PDU: shown by the benchmark, in a process of its own, since that of
// the tests is never quiet.
import { fileURLToPath } from "node:url";
import { execute } from "@nvmeof/tooling-support";
import { expect, test } from "vitest";
import { bundle, quietHeap } from "./bundle.mjs";

const PAGE_BYTES = 4096;

/** Objects of any kind take more: a small one 16 bytes, a view some 100. */
const BYTES_MAX = 8;

interface Result {
  readonly name: string;
  readonly dataBytes: number;
  readonly bytesPerPdu: number;
}

test(
  "a received PDU of up to 4 KiB leaves less than 8 bytes, as does each 4 KiB of a larger one",
  {
    timeout: 120_000,
  },
  async () => {
    const file = await bundle("receive-allocations");
    const { code, stdout, output } = await execute(
      process.execPath,
      [...quietHeap, file, "--json"],
      {
        cwd: fileURLToPath(new URL(".", import.meta.url)),
        deadlineMs: 100_000,
      },
    );
    expect(code, output).toBe(0);
    const results = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Result);
    expect(results).toHaveLength(9);
    const wasteful = results.filter(
      ({ bytesPerPdu, dataBytes }) =>
        bytesPerPdu / Math.max(1, dataBytes / PAGE_BYTES) >= BYTES_MAX,
    );
    expect(wasteful).toEqual([]);
  },
);

// Receiving allocates nothing per PDU: shown by the benchmark, in a process of its own, since that of
// the tests is never quiet.
import { fileURLToPath } from "node:url";
import { execute } from "@nvmeof/tooling-support";
import { expect, test } from "vitest";
import { bundle, quietHeap } from "./bundle.mjs";

/** Objects of any kind take more: a small one 16 bytes, a view some 100. */
const BYTES_MAX = 8;
/** A large PDU comes in several reads, and a read may cost a number or two. */
const LARGE_BYTES_MAX = 64;

const limitOf = ({ dataBytes }: Result): number =>
  dataBytes <= 4096 ? BYTES_MAX : LARGE_BYTES_MAX;

interface Result {
  readonly name: string;
  readonly dataBytes: number;
  readonly bytesPerPdu: number;
}

test(
  "a received PDU leaves less on the heap than a view of it would, whatever its size",
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
    const wasteful = results.filter((result) => result.bytesPerPdu >= limitOf(result));
    expect(wasteful).toEqual([]);
  },
);

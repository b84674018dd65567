// One input against everything that must hold: typed errors, no hang, bounded memory, any chunking.
// Read first: fuzz-target.ts.

import { getHeapStatistics } from "node:v8";
import { isNvmeofError } from "@nvmeof/codec";
import { Broken, type Cuts, type FuzzTarget } from "./fuzz-target.ts";
import { Random, hashOf } from "./random.ts";

/** Why an input is a finding. */
export type FindingKind = "threw" | "broke" | "chunking" | "changing" | "slow" | "memory";

/** An input that something does not hold for. */
export class Finding extends Error {
  override readonly name = "Finding";
  readonly kind: FindingKind;
  /** Tells one finding from another: without numbers. */
  readonly key: string;

  constructor(kind: FindingKind, message: string, cause?: unknown) {
    super(message, { cause });
    this.kind = kind;
    this.key = `${kind}: ${message.split("\n")[0]!.replace(/\d+/g, "#").slice(0, 120)}`;
  }
}

const MS_MAX = 50;
const MS_PER_BYTE = 0.05;
const BYTES_MAX = 4 * 1024 * 1024;
/** Beyond this length a stream is not given byte by byte: that takes too long for what it shows. */
const BYTEWISE_MAX = 1_024;
/** Tries before an input counts as slow: the machine may have been busy. */
const SLOW_TRIES = 4;

/** What came of an input. Typed errors are for the target to put into words; all others are findings. */
async function verdictOf(target: FuzzTarget, input: Uint8Array, cuts: Cuts): Promise<string> {
  try {
    return await target.run(input, cuts);
  } catch (error) {
    if (error instanceof Broken) throw new Finding("broke", error.message, error);
    const { message, stack = "" } = error as Error;
    const where = stack.split("\n").find((line) => line.trim().startsWith("at ")) ?? "";
    const typed = isNvmeofError(error) ? "a typed error in a place where none may be: " : "";
    throw new Finding(
      "threw",
      `${typed}${(error as Error).name}: ${message} ${where.trim()}`,
      error,
    );
  }
}

const everyByte = (length: number): Cuts => Array.from({ length: length - 1 }, (_, at) => at + 1);

/** Places to cut at, in the order of the input; the same for the same input. */
function someCuts(input: Uint8Array, most: number): Cuts {
  const random = new Random(hashOf(input));
  const cuts = new Set<number>();
  for (let times = 0; times < most; times++)
    cuts.add(random.between(1, Math.max(1, input.length - 1)));
  return [...cuts].filter((cut) => cut < input.length).sort((a, b) => a - b);
}

const difference = (one: string, other: string): string => {
  const [a, b] = [one.split("\n"), other.split("\n")];
  const at = a.findIndex((line, i) => line !== b[i]);
  const place = at === -1 ? a.length : at;
  return `line ${place + 1}: "${a[place] ?? "nothing"}", else "${b[place] ?? "nothing"}"`;
};

/** Memory outside the heap; allocations of a moment ago are in it. */
const externalBytes = (): number => getHeapStatistics().external_memory;

/**
 * Reads an input in every way. Returns what came of it.
 *
 * @throws Finding
 */
export async function check(target: FuzzTarget, input: Uint8Array): Promise<string> {
  const copy = input.slice();
  const beforeBytes = externalBytes();
  const startMs = performance.now();
  const verdict = await verdictOf(target, copy, []);
  const tookMs = performance.now() - startMs;
  const allocated = externalBytes() - beforeBytes;
  const bytesMax = (target.bytesMax ?? BYTES_MAX) + 8 * input.length;
  if (allocated > bytesMax) {
    throw new Finding("memory", `${allocated} bytes allocated for an input of ${input.length}`);
  }
  if (Buffer.compare(copy, input) !== 0) throw new Finding("broke", "the input was written to");
  await checkTime(target, input, tookMs);
  if (target.chunked !== true) {
    const again = await verdictOf(target, input, []);
    if (again === verdict) return verdict;
    throw new Finding("changing", `not the same twice: ${difference(verdict, again)}`);
  }
  const ways: [how: string, cuts: Cuts][] = [["in a few pieces", someCuts(input, 6)]];
  if (input.length <= BYTEWISE_MAX) ways.push(["byte by byte", everyByte(input.length)]);
  else ways.push(["in many pieces", someCuts(input, 200)]);
  for (const [how, cuts] of ways) {
    const other = await verdictOf(target, input, cuts);
    if (other !== verdict) throw new Finding("chunking", `${how}: ${difference(verdict, other)}`);
  }
  return verdict;
}

/** Slow is what stays slow. */
async function checkTime(target: FuzzTarget, input: Uint8Array, firstMs: number): Promise<void> {
  const mostMs = (target.msMax ?? MS_MAX) + (target.msPerByte ?? MS_PER_BYTE) * input.length;
  let leastMs = firstMs;
  for (let tries = 1; tries < SLOW_TRIES && leastMs > mostMs; tries++) {
    const startMs = performance.now();
    await verdictOf(target, input, []);
    leastMs = Math.min(leastMs, performance.now() - startMs);
  }
  if (leastMs <= mostMs) return;
  throw new Finding("slow", `${Math.round(leastMs)} ms for ${input.length} bytes`);
}

// What CRC32C costs by size, beside Node's built-in CRC32 (another polynomial, the same work).
// Read first: cost.ts; node:zlib crc32, which Node has from 20.15 on.

import * as zlib from "node:zlib";
import { CRC32C_INITIAL, crc32cUpdate, viewOf } from "@nvmeof/codec";
import { DIGEST_BLOCK_BYTES, digestWindow } from "@nvmeof/codec/digest";
import { type Finding, type Subject, costsOf, report } from "./cost.ts";
import { patternOf } from "./meter.ts";

const sizes = [16, 24, 72, 512, 4_096, 16_384, 131_072] as const;
/** Not in the types of the oldest Node that we run on. */
const { crc32 } = zlib as { readonly crc32?: (bytes: Uint8Array) => number };
const window = digestWindow();

/** Data far larger than a cache line, and never at the same place twice in a row. */
const PLACES = 8;

function subjects(size: number): Record<string, Subject> {
  const bytes = patternOf(size * PLACES);
  const view = viewOf(bytes);
  const parts = Array.from({ length: PLACES }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
  const script: Subject = (count) => {
    let sum = 0;
    for (let i = 0; i < count; i++) {
      const at = (i % PLACES) * size;
      sum = (sum + crc32cUpdate(CRC32C_INITIAL, view, at, at + size)) | 0;
    }
    return sum;
  };
  const all: Record<string, Subject> = { script };
  if (window !== undefined && size % DIGEST_BLOCK_BYTES === 0) {
    all["vector"] = (count) => {
      let sum = 0;
      for (let i = 0; i < count; i++) {
        let running = CRC32C_INITIAL;
        const part = parts[i % PLACES]!;
        for (let at = 0; at < size; at += window.bytes.length) {
          const end = Math.min(size, at + window.bytes.length);
          window.bytes.set(at === 0 && end === size ? part : part.subarray(at, end));
          running = window.update(running, end - at);
        }
        sum = (sum + running) | 0;
      }
      return sum;
    };
  }
  if (crc32 !== undefined) {
    all["builtIn"] = (count) => {
      let sum = 0;
      for (let i = 0; i < count; i++) sum = (sum + crc32(parts[i % PLACES]!)) | 0;
      return sum;
    };
  }
  return all;
}

const findings: Finding[] = [];
for (const size of sizes) {
  const costs = costsOf(subjects(size));
  const builtIn = costs["builtIn"];
  const than = builtIn === undefined ? {} : { than: builtIn.ns };
  const { script, vector } = costs;
  findings.push({ name: `CRC32C of ${size} bytes`, value: script!.ns, unit: "ns", ...than });
  if (vector !== undefined) {
    const name = `CRC32C of ${size} bytes, vector instructions, copied in`;
    findings.push({ name, value: vector.ns, unit: "ns", ...than });
  }
}
report(findings);

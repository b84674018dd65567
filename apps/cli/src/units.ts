// Sizes and durations: as people type them, and as they are printed.

import { usage } from "./errors.ts";

const KIBI = 1024;
const powers = ["", "k", "m", "g", "t", "p"];

/**
 * Bytes of "4096", "64k", "1.5G", "10GB": k, M, G, T are powers of 1024 (also as KiB, MiB, …), and
 * kB, MB, GB, TB powers of 1000.
 */
export function parseSize(text: string): number {
  const [, number, unit = "", kind = ""] = /^(\d+(?:\.\d+)?)\s*([kmgtp]?)(i?b?)$/i.exec(text) ?? [];
  const power = powers.indexOf(unit.toLowerCase());
  const hasUnitMissing = power === 0 && kind.toLowerCase().startsWith("i");
  if (number === undefined || hasUnitMissing) {
    throw usage(`"${text}" is not a size`, "Write it as 4096, 64k, 1.5G or 10GB.");
  }
  const base = kind.toLowerCase() === "b" ? 1000 : KIBI;
  const bytes = Number(number) * base ** power;
  if (!Number.isSafeInteger(bytes)) {
    throw usage(`"${text}" is not a whole number of bytes below 2^53`);
  }
  return bytes;
}

const durations: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds of "500ms", "2s", "1.5m"; a plain number is in `plain`. */
export function parseDuration(text: string, plain: "ms" | "s" = "ms"): number {
  const [, number, unit = plain] = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h)?$/.exec(text) ?? [];
  if (number === undefined) {
    const said = `Write it as 500ms, 2s or 1.5m; a plain number is in ${plain}.`;
    throw usage(`"${text}" is not a duration`, said);
  }
  const ms = Math.round(Number(number) * durations[unit]!);
  if (ms > DURATION_MAX_MS) throw usage(`"${text}" is longer than 24 days`);
  return ms;
}

/** Longest that a timer of the platform can be; a longer one would be over at once. */
const DURATION_MAX_MS = 0x7fff_ffff;

/** A whole number from `least` to `most`; hexadecimal with 0x. */
export function parseWhole(text: string, least: number, most: number): number {
  const value = /^(\d+|0x[\da-f]+)$/i.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(value) && value >= least && value <= most) return value;
  throw usage(`"${text}" is not a whole number from ${least} to ${most}`);
}

/** "67.11 MB": capacities are told in powers of 1000. */
export function formatBytes(bytes: number | bigint): string {
  let value = Number(bytes);
  if (value < 1000) return `${value} B`;
  let unit = "";
  for (unit of ["kB", "MB", "GB", "TB", "PB", "EB"]) {
    value /= 1000;
    if (value < 999.995) break;
  }
  return `${value.toFixed(2)} ${unit}`;
}

/** "64 MiB" for whole powers of 1024, "" for sizes that have no such name. */
export function formatBinary(bytes: number): string {
  let value = bytes;
  let power = 0;
  while (value >= KIBI && value % KIBI === 0 && power < 5) {
    value /= KIBI;
    power++;
  }
  return power === 0 ? "" : `${value} ${["", "KiB", "MiB", "GiB", "TiB", "PiB"][power]}`;
}

/** "412 µs", "12.3 ms", "4.56 s", "2 min 5 s". */
export function formatMs(ms: number): string {
  if (ms < 1) return `${Math.round(ms * 1000)} µs`;
  if (ms < 100) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(2)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

/** "312.50 MB/s". */
export const formatRate = (bytes: number, ms: number): string =>
  `${formatBytes(Math.round(ms > 0 ? (bytes / ms) * 1000 : 0))}/s`;

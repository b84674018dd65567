// Numbers as fio(1) writes them: 24.5k, 95.8MiB/s, 12.3 usec.

const scaled = (value: number, base: number, units: readonly string[]): string => {
  let power = 0;
  let left = value;
  // 999.6 would be written as 1000.
  while (left >= base - 0.5 && power < units.length - 1) {
    left /= base;
    power++;
  }
  return `${shortNumber(left)}${units[power]}`;
};

/** Three or four figures: 0.123, 1.23, 12.3, 123, 1234. */
export function shortNumber(value: number): string {
  if (Number.isInteger(value) || value >= 99.95) return value.toFixed(0);
  return value.toFixed(value >= 9.995 ? 1 : value >= 0.9995 ? 2 : 3);
}

/** "24.5k" */
export const countText = (count: number): string => scaled(count, 1000, ["", "k", "M", "G"]);

const binary = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const decimal = ["B", "kB", "MB", "GB", "TB", "PB"];

/** "95.8MiB", in powers of 1024. */
export const binaryText = (bytes: number): string => scaled(bytes, 1024, binary);

/** "100MB", in powers of 1000. */
export const decimalText = (bytes: number): string => scaled(bytes, 1000, decimal);

/** "412 usec", "12.3 msec", "1.50 sec". */
export function latencyText(us: number): string {
  if (us < 10_000) return `${shortNumber(us)} usec`;
  return us < 1e6 ? `${shortNumber(us / 1000)} msec` : `${(us / 1e6).toFixed(2)} sec`;
}

/** "500 msec", "10.0 sec". */
export const durationText = (ms: number): string =>
  ms < 1000 ? `${shortNumber(ms)} msec` : `${(ms / 1000).toFixed(1)} sec`;

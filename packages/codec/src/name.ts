// Names for people: from the key of a constant, and numbers as the specifications write them.
// Read first: Base 2.0 §1.4 "Conventions" (numbers end in h when hexadecimal).

// Written in capitals, or otherwise than a key may spell them.
const acronyms =
  /\b(ana|ccr|cdc|cq|fc|fdp|ib|id|io|ip|kv|lba|mi|nqn|nvm|nvme|rdma|smart|sq|tcp|tls|uuid)\b/gi;

/** The words of a constant's key: "GetLogPage" gives "Get Log Page". */
const words = (key: string): string =>
  key
    .replace(/([a-z\d])(?=[A-Z])/g, "$1 ")
    .replace(acronyms, (word) =>
      word === "Nvme" ? "NVMe" : word === "Io" ? "I/O" : word.toUpperCase(),
    );

/** A number as the specifications write it: `hexh(0x2c)` gives "2Ch". */
export const hexh = (value: number, digits = 2): string =>
  `${value.toString(16).toUpperCase().padStart(digits, "0")}h`;

/**
 * The name of `value` in a table of constants such as `AdminOpcode` or `Lid`: the words of its key,
 * or "unknown (C5h)" when the table does not have it.
 */
export function nameIn(table: Readonly<Record<string, number>>, value: number): string {
  const key = Object.keys(table).find((key) => table[key] === value);
  return key === undefined ? `unknown (${hexh(value)})` : words(key);
}

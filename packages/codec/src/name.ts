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

type Table = Readonly<Record<string, number>>;

/** The names of each table, once somebody has asked: a capture asks for one with every command. */
const known = new WeakMap<Table, ReadonlyMap<number, string>>();

function namesOf(table: Table): ReadonlyMap<number, string> {
  const names = new Map<number, string>();
  // Where two keys have one value, the first is its name.
  for (const key of Object.keys(table).reverse()) names.set(table[key]!, words(key));
  known.set(table, names);
  return names;
}

/**
 * The name of `value` in a table of constants such as `AdminOpcode` or `Lid`: the words of its key,
 * or "unknown (C5h)" when the table does not have it. A table must not change.
 */
export const nameIn = (table: Table, value: number): string =>
  (known.get(table) ?? namesOf(table)).get(value) ?? `unknown (${hexh(value)})`;

// A decoded structure as lines: name and value of each field, in the order of the structure; with -H also
// what its bits mean.

import { hexText } from "@nvmeof/codec";
import { bitNames } from "./bit-names.ts";
import { facts } from "./table.ts";

function shown(value: unknown, hex: boolean): string {
  if (value instanceof Uint8Array) return hexText(value);
  if ((typeof value === "number" || typeof value === "bigint") && hex)
    return `0x${value.toString(16)}`;
  return String(value);
}

/** Tables of the bits of fields, by the name of the field. */
export type FieldBits = Readonly<Record<string, Readonly<Record<string, number>>>>;

/**
 * @param inHex names of the fields that are printed in hexadecimal.
 * @param bits fields of which it is said what their bits mean.
 */
export const fieldLines = (
  structure: object,
  inHex: ReadonlySet<string> = new Set(),
  bits: FieldBits = {},
): string =>
  facts(
    Object.entries(structure).map(([name, value]) => {
      const text = shown(value, inHex.has(name) || name in bits);
      const table = bits[name];
      const said = table === undefined ? "" : ` (${bitNames(table, Number(value))})`;
      return [name, `${text}${said}`] as const;
    }),
  );

// A decoded structure as lines: name and value of each field, in the order of the structure.

import { hexText } from "@nvmeof/codec";
import { facts } from "./table.ts";

function shown(value: unknown, hex: boolean): string {
  if (value instanceof Uint8Array) return hexText(value);
  if ((typeof value === "number" || typeof value === "bigint") && hex)
    return `0x${value.toString(16)}`;
  return String(value);
}

/** @param inHex names of the fields that are printed in hexadecimal. */
export const fieldLines = (structure: object, inHex: ReadonlySet<string>): string =>
  facts(
    Object.entries(structure).map(
      ([name, value]) => [name, shown(value, inHex.has(name))] as const,
    ),
  );

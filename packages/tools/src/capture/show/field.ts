// Fields of a structure as they are shown: a name to filter by, the value on the wire, what it means.
// Read first: field.ts and layout.ts of @nvmeof/codec, whose declarations are read here.
//
// Names are Wireshark's where it has one, misspellings included, so that what was learned there serves
// here. Values are those on the wire: a 0's based count stands as it is there, its meaning beside it,
// unless Wireshark shows the count itself.

import { type Field, fieldsOf, viewOf } from "@nvmeof/codec";

/** What a field holds, as the codec reads it. */
export type FieldValue = number | bigint | string | Uint8Array;

/** One field of one structure. */
export interface ShownField {
  /** "nvme-tcp.plen", "nvme.cmd.slba". */
  readonly name: string;
  readonly value: FieldValue;
  /** What it means, where the value alone does not say it. */
  readonly text: string | undefined;
}

/** The fields of one structure. */
export interface Section {
  readonly title: string;
  readonly fields: readonly ShownField[];
}

type Meaning = (value: FieldValue) => string | undefined;

/** How a field is shown. */
export interface FieldSpec {
  readonly name: string;
  readonly field: Field<FieldValue>;
  readonly meaning: Meaning | undefined;
  /** The count is one more than what the wire has. */
  readonly zeroBased: boolean;
}

/** 0's based fields read 1 where the wire has 0; no other field does. */
function isZeroBased(field: Field<FieldValue>): boolean {
  return field.get(viewOf(new Uint8Array(field.offset + field.bytes)), 0) === 1;
}

/** A field by its name, with a function for what its values mean. */
export const spec = <T extends FieldValue>(
  name: string,
  field: Field<T>,
  meaning?: (value: T) => string | undefined,
): FieldSpec => {
  // Nothing is ever written by it, and what is read goes to its own function.
  const any = field as Field<unknown> as Field<FieldValue>;
  return { name, field: any, meaning: meaning as Meaning | undefined, zeroBased: isZeroBased(any) };
};

/** A 0's based field that is shown as the count itself, as Wireshark does with some. */
export const counted = (
  name: string,
  field: Field<number>,
  meaning?: (value: number) => string | undefined,
): FieldSpec => ({ ...spec(name, field, meaning), zeroBased: false });

/** How the fields of a whole layout are named. */
export interface LayoutNames {
  /** Of fields whose name is not their key. `undefined` leaves the field out. */
  readonly renamed?: Readonly<Record<string, string | undefined>>;
  readonly meanings?: Readonly<Record<string, (value: never) => string | undefined>>;
}

/** All fields of a layout: each is named by `prefix` and its key. */
export function layoutSpecs(prefix: string, layout: object, names: LayoutNames = {}): FieldSpec[] {
  const { renamed = {}, meanings = {} } = names;
  return fieldsOf(layout).flatMap(([key, field]) => {
    const rest = key in renamed ? renamed[key] : key;
    if (rest === undefined) return [];
    const meaning = meanings[key] as ((value: FieldValue) => string | undefined) | undefined;
    return [spec(`${prefix}.${rest}`, field as Field<FieldValue>, meaning)];
  });
}

/** Reads the fields of a structure at `base` behind others; those that are not all there are left out. */
export function addFields(
  fields: ShownField[],
  view: DataView,
  base: number,
  specs: readonly FieldSpec[],
): void {
  const { byteLength } = view;
  for (const { name, field, meaning, zeroBased } of specs) {
    if (base + field.offset + field.bytes > byteLength) continue;
    const value = field.get(view, base);
    if (zeroBased && typeof value === "number") {
      fields.push({ name, value: value - 1, text: meaning?.(value) ?? String(value) });
    } else fields.push({ name, value, text: meaning?.(value) });
  }
}

/** The fields of a structure at `base`. */
export function sectionOf(
  title: string,
  view: DataView,
  base: number,
  specs: readonly FieldSpec[],
): Section {
  const fields: ShownField[] = [];
  addFields(fields, view, base, specs);
  return { title, fields };
}

/** A field whose value is known otherwise. */
export const shown = (name: string, value: FieldValue, text?: string): ShownField => ({
  name,
  value,
  text,
});

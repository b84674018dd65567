// What can be done with a whole declared structure: decode, encode, check its layout, list its fields.

import type { Field } from "./field.ts";

/** A wire structure: its size in bytes, and its fields by name. */
export type Layout = { readonly size: number } & Readonly<Record<string, Field<never> | number>>;

/** The plain object that a structure decodes to: one property per declared field. */
export type Decoded<L> = {
  -readonly [K in keyof L as L[K] extends Field<infer _T> ? K : never]: L[K] extends Field<infer T>
    ? T
    : never;
};

/** A field of any value. */
export type AnyField = Field<unknown>;

const isField = (value: unknown): value is AnyField =>
  typeof value === "object" && value !== null && "get" in value && "offset" in value;

/** Name and field of every declared field, in declaration order. */
export function fieldsOf(layout: object): [name: string, field: AnyField][] {
  return Object.entries(layout).filter((entry): entry is [string, AnyField] => isField(entry[1]));
}

/** What coding needs of a layout, found out once: layouts are constants. */
interface Plan {
  readonly fields: readonly [name: string, field: AnyField][];
  /** Those whose empty value is not zeroes: text, which is padded with spaces. */
  readonly texts: readonly [name: string, field: AnyField][];
}

const plans = new WeakMap<object, Plan>();

function planOf(layout: { readonly size: number }): Plan {
  const known = plans.get(layout);
  if (known !== undefined) return known;
  const fields = fieldsOf(layout);
  const empty = new DataView(new ArrayBuffer(layout.size));
  const texts = fields.filter(([, field]) => typeof field.get(empty, 0) === "string");
  const plan: Plan = { fields, texts };
  plans.set(layout, plan);
  return plan;
}

/** A view of exactly these bytes. */
export const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/**
 * Reads a structure into a plain object that outlives the buffer. For Identify, logs and other cold
 * structures; the I/O path reads single fields in place.
 *
 * @throws RangeError when the view holds fewer than `layout.size` bytes after `base`.
 */
export function decode<L extends { readonly size: number }>(
  layout: L,
  view: DataView,
  base = 0,
): Decoded<L> {
  if (view.byteLength - base < layout.size) {
    throw new RangeError(`${view.byteLength - base} bytes, the structure has ${layout.size}`);
  }
  const out: Record<string, unknown> = {};
  for (const [name, field] of planOf(layout).fields) out[name] = field.get(view, base);
  return out as Decoded<L>;
}

/**
 * Writes a structure: every byte of it, so that what is not named becomes zero whatever the buffer
 * held before.
 *
 * @throws RangeError when the view holds fewer than `layout.size` bytes after `base`.
 */
export function encode<L extends { readonly size: number }>(
  layout: L,
  view: DataView,
  base: number,
  values: Partial<Decoded<L>>,
): void {
  new Uint8Array(view.buffer, view.byteOffset + base, layout.size).fill(0);
  const given = values as Record<string, unknown>;
  const { fields, texts } = planOf(layout);
  for (const [name, field] of texts) if (given[name] === undefined) field.set(view, base, "");
  for (const [name, field] of fields) {
    if (given[name] !== undefined) field.set(view, base, given[name]);
  }
}

/** {@link encode} into a new buffer of the structure's size. */
export function encoded<L extends { readonly size: number }>(
  layout: L,
  values: Partial<Decoded<L>>,
): Uint8Array {
  const out = new Uint8Array(layout.size);
  encode(layout, viewOf(out), 0, values);
  return out;
}

/**
 * What is wrong with a declaration: fields outside the structure, or two that share a bit. Empty
 * when it is sound. Run over every layout by layout.test.ts.
 */
export function layoutFaults(layout: { readonly size: number }): string[] {
  const faults: string[] = [];
  const owner = new Map<number, string>();
  for (const [name, field] of fieldsOf(layout)) {
    if (field.offset + field.bytes > layout.size) faults.push(`${name} ends beyond ${layout.size}`);
    const { shift, width } = field.bit ?? { shift: 0, width: field.bytes * 8 };
    if (shift + width > field.bytes * 8) faults.push(`${name} has bits beyond its container`);
    for (let bit = shift; bit < shift + width; bit++) {
      const at = field.offset * 8 + bit;
      const other = owner.get(at);
      if (other !== undefined) {
        faults.push(`${name} overlaps ${other}`);
        break;
      }
      owner.set(at, name);
    }
  }
  return faults;
}

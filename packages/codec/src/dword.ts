// Structures as small as an integer: completion results, feature values, properties.
// Read first: Base 2.0 §3.3.3.2 "Common Completion Queue Entry" (Dword 0 and Dword 1).

import { decode, encode, type Decoded } from "./layout.ts";

/**
 * Reads a layout of 4 or 8 bytes out of a completion's result. On a CQE in a buffer the same
 * layouts work in place, since its Dword 0 is at offset 0.
 */
export function decodeDwords<L extends { readonly size: number }>(
  layout: L,
  low: number,
  high = 0,
): Decoded<L> {
  const view = new DataView(new ArrayBuffer(8));
  view.setUint32(0, low, true);
  view.setUint32(4, high, true);
  return decode(layout, view);
}

/** Builds the value of a layout of 4 bytes; fields that are not named are zero. */
export function encodeDword<L extends { readonly size: number }>(
  layout: L,
  values: Partial<Decoded<L>>,
): number {
  const view = new DataView(new ArrayBuffer(layout.size));
  encode(layout, view, 0, values);
  return view.getUint32(0, true);
}

// What another thread can be given a copy of: numbers, texts, bytes, and lists and records of them.
// Read first: message-link.ts.

/** Deeper than this is a mistake, or a circle. */
const DEPTH_MAX = 8;

/** Where in `value` something stands that is no plain data, as "a.b"; undefined where nothing is. */
export function strangeIn(value: unknown, at: string, depthMax = DEPTH_MAX): string | undefined {
  if (typeof value !== "object" || value === null) {
    return typeof value === "function" || typeof value === "symbol" ? at : undefined;
  }
  if (value instanceof Uint8Array) return undefined;
  const kind: unknown = Object.getPrototypeOf(value);
  const isPlain = Array.isArray(value) || kind === Object.prototype || kind === null;
  if (!isPlain || depthMax === 0) return at;
  for (const [key, part] of Object.entries(value)) {
    const found = strangeIn(part, `${at}.${key}`, depthMax - 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

// Stdin as one piece of bytes: all of it, or as much as is asked for.

import type { Context } from "./context.ts";
import { usage } from "./errors.ts";
import { RANGE_BYTES_MAX } from "./range.ts";
import { formatBytes } from "./units.ts";

/** All of stdin, or as much as is wanted. Refuses more than one command should hold. */
export async function inputBytes(
  { io, signal }: Context,
  wanted: number | undefined,
): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  const { stdin } = io;
  const stop = (): void => void stdin.destroy();
  signal.addEventListener("abort", stop, { once: true });
  try {
    for await (const piece of stdin as AsyncIterable<Uint8Array>) {
      pieces.push(piece);
      bytes += piece.length;
      if (bytes > RANGE_BYTES_MAX) {
        throw usage(`more than ${formatBytes(RANGE_BYTES_MAX)} came in`, "Use cp.");
      }
      if (wanted !== undefined && bytes >= wanted) break;
    }
  } finally {
    signal.removeEventListener("abort", stop);
  }
  signal.throwIfAborted();
  return Buffer.concat(pieces).subarray(0, wanted);
}

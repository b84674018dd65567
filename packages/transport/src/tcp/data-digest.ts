// The data digest of payload: by the engine's vector instructions where it has them, else byte by byte.
// Read first: @nvmeof/codec digest/, the window; NVMe/TCP 1.0 §3.3.1.1 "PDU Header and Data Digests".

import { crc32cUpdate } from "@nvmeof/codec";
import { DIGEST_BLOCK_BYTES, type DigestWindow, digestWindow } from "@nvmeof/codec/digest";
import { Region } from "../copy.ts";

/** The window of this thread with a region over it; `null` where there is none. */
let place: { readonly window: DigestWindow; readonly region: Region } | null | undefined;

function findPlace(): typeof place {
  const window = digestWindow();
  return window === undefined ? null : { window, region: new Region(window.bytes) };
}

/** Takes bytes `start` to `end` of `data` into a running digest, as `crc32cUpdate` does. */
export function digestUpdate(running: number, data: Region, start: number, end: number): number {
  let digest = running;
  let at = start;
  if (end - start >= DIGEST_BLOCK_BYTES) {
    if (place === undefined) place = findPlace();
    if (place !== null) {
      const { window, region } = place!;
      while (end - at >= DIGEST_BLOCK_BYTES) {
        const left = end - at;
        const whole = left - (left % DIGEST_BLOCK_BYTES);
        const count = Math.min(whole, window.bytes.length);
        region.copy(0, data, at, at + count);
        digest = window.update(digest, count);
        at += count;
      }
    }
  }
  return at === end ? digest : crc32cUpdate(digest, data.view, at, end);
}

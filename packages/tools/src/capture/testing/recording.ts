// A capture file in memory, for tests: written by our own writer, and what a decoder makes of a file.
// Read first: ../write/capture-writer.ts, ../decoder.ts.

import { CaptureDecoder, type DecoderOptions } from "../decoder.ts";
import type { CaptureEvent, PduEvent, VerdictEvent } from "../events.ts";
import { CaptureWriter } from "../write/capture-writer.ts";

/** When test captures begin: seconds since 1970. */
export const BEGIN_SECONDS = 1_700_000_000;

/** Bytes one after the other. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** A file under way. Time is what the test says. */
export class Recording {
  readonly #chunks: Uint8Array[] = [];
  readonly writer: CaptureWriter;

  constructor(nowMs: () => number, bytesMax?: number) {
    this.writer = new CaptureWriter({
      write: (bytes) => void this.#chunks.push(bytes),
      now: () => {
        const ms = nowMs();
        const seconds = Math.floor(ms / 1000);
        const nanoseconds = Math.round((ms - seconds * 1000) * 1e6);
        return { seconds: BEGIN_SECONDS + seconds, nanoseconds };
      },
      ...(bytesMax === undefined ? {} : { bytesMax }),
    });
  }

  get bytes(): Uint8Array {
    return joined(this.#chunks);
  }
}

/** What a decoder told of a file. */
export interface Told {
  readonly events: readonly CaptureEvent[];
  readonly pdus: readonly PduEvent[];
  readonly verdicts: readonly VerdictEvent[];
  readonly decoder: CaptureDecoder;
}

/** Decodes a whole file; in chunks of `chunkBytes`, if that is given. */
export function told(file: Uint8Array, options: DecoderOptions = {}, chunkBytes = Infinity): Told {
  const events: CaptureEvent[] = [];
  const decoder = new CaptureDecoder((event) => void events.push(event), options);
  for (let at = 0; at < file.length; at += chunkBytes) {
    decoder.write(file.subarray(at, Math.min(file.length, at + chunkBytes)));
  }
  decoder.end();
  return {
    events,
    pdus: events.filter((event) => event.type === "pdu"),
    verdicts: events.filter((event) => event.type === "verdict"),
    decoder,
  };
}

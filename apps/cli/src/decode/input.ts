// The bytes of a capture: from a file or from stdin, as they are or compressed with gzip.
// Read first: ../files.ts for errors of files.

import { Readable, pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import type { Io } from "../io.ts";
import { fileError, openForReading } from "../files.ts";

/** Bytes that are read at once: what comes of them is written before the next are read. */
const CHUNK_BYTES = 256 * 1024;

/** A capture that is open. */
export interface CaptureInput {
  /** Its size as it is stored; undefined where nobody knows. */
  readonly bytes: number | undefined;
  /** Bytes that were taken from the file, compressed or not. */
  readonly takenBytes: () => number;
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Somebody is writing it still, perhaps: after a Ctrl-C there may be more to come. */
  readonly isLive: boolean;
  readonly close: () => Promise<void>;
}

const isGzip = (bytes: Uint8Array): boolean => bytes[0] === 0x1f && bytes[1] === 0x8b;

/** Opens a file, or stdin for "-". */
export async function openCapture(path: string, { stdin }: Io): Promise<CaptureInput> {
  let taken = 0;
  const takenBytes = (): number => taken;
  const counted = async function* (source: AsyncIterable<Uint8Array>) {
    for await (const chunk of source) {
      taken += chunk.length;
      yield chunk;
    }
  };
  if (path === "-") {
    const chunks = plainOrGzip(counted(stdin as AsyncIterable<Uint8Array>), "stdin");
    // One that is not read to its end would keep us waiting.
    const close = async (): Promise<void> => void stdin.destroy();
    return { bytes: undefined, takenBytes, chunks, isLive: true, close };
  }
  const { handle, bytes } = await openForReading(path);
  const read = async function* (): AsyncGenerator<Uint8Array> {
    const buffer = new Uint8Array(CHUNK_BYTES);
    for (;;) {
      const { bytesRead } = await readFrom(path, () => handle.read(buffer, 0, buffer.length));
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  };
  const chunks = plainOrGzip(counted(read()), path);
  return { bytes, takenBytes, chunks, isLive: false, close: () => handle.close() };
}

async function readFrom<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw fileError("read", path, error);
  }
}

/** The bytes themselves, or what they hold where they begin as gzip does. */
async function* plainOrGzip(
  source: AsyncIterable<Uint8Array>,
  path: string,
): AsyncGenerator<Uint8Array> {
  const chunks = source[Symbol.asyncIterator]();
  const first = await chunks.next();
  if (first.done === true) return;
  const rest = { [Symbol.asyncIterator]: () => chunks };
  if (!isGzip(first.value)) {
    yield first.value;
    yield* rest;
    return;
  }
  const all = async function* () {
    // What is read next comes in the same buffer.
    yield first.value.slice();
    for await (const chunk of rest) yield chunk.slice();
  };
  const unpacked = createGunzip({ chunkSize: CHUNK_BYTES });
  // Its error is that of the stream, which is read below.
  pipeline(Readable.from(all()), unpacked, () => {});
  try {
    yield* unpacked as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw fileError("unpack", path, error);
  }
}

// The ends of a copy: files, pipes and namespaces, as sources and destinations.
// Read first: copy.ts for what they have to do.

import type { FileHandle } from "node:fs/promises";
import type { Readable } from "node:stream";
import type { Disk } from "@nvmeof/bdev";
import type { Destination, Source } from "./copy.ts";
import { CliError } from "./errors.ts";
import { type OpenFile, fileError } from "./files.ts";
import type { Output } from "./output.ts";

/** Reads a file from its beginning. */
export function fileSource({ handle, bytes }: OpenFile, path: string): Source {
  const read = async (at: number, into: Uint8Array): Promise<number> => {
    let got = 0;
    try {
      while (got < into.length) {
        const place = bytes === undefined ? null : at + got;
        const { bytesRead } = await handle.read(into, got, into.length - got, place);
        if (bytesRead === 0) break;
        got += bytesRead;
      }
    } catch (error) {
      throw fileError("read", path, error);
    }
    if (bytes !== undefined && got < into.length) {
      throw new CliError("NVME_ERR_FILE", `${path} ended early: it shrank while it was read`);
    }
    return got;
  };
  return { bytes, order: bytes === undefined ? "forward" : "any", read };
}

/** Reads a stream to its end. */
export function streamSource(stream: Readable, signal: AbortSignal): Source {
  const chunks = (stream as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
  // Nobody may ever write to it: the copy must not wait for that.
  signal.addEventListener("abort", () => void stream.destroy(), { once: true });
  let rest: Uint8Array = new Uint8Array(0);
  const read = async (_at: number, into: Uint8Array): Promise<number> => {
    let got = 0;
    while (got < into.length) {
      if (rest.length === 0) {
        const { value, done } = await chunks.next();
        if (done === true) break;
        rest = value;
      }
      const piece = rest.subarray(0, into.length - got);
      into.set(piece, got);
      got += piece.length;
      rest = rest.subarray(piece.length);
    }
    return got;
  };
  return { bytes: undefined, order: "forward", read };
}

/** Writes a file from its beginning. */
export function fileDestination({ handle, bytes }: OpenFile, path: string): Destination {
  return {
    order: bytes === undefined ? "forward" : "any",
    async write(at, data) {
      try {
        await writeAll(handle, data, bytes === undefined ? undefined : at);
      } catch (error) {
        throw fileError("write", path, error);
      }
    },
    finish: () => Promise.resolve(),
  };
}

async function writeAll(
  handle: FileHandle,
  data: Uint8Array,
  at: number | undefined,
): Promise<void> {
  for (let done = 0; done < data.length;) {
    const place = at === undefined ? null : at + done;
    const { bytesWritten } = await handle.write(data, done, data.length - done, place);
    done += bytesWritten;
  }
}

/** Writes to stdout. */
export const outputDestination = (out: Output): Destination => ({
  order: "forward",
  write: (_at, data) => out.write(data),
  finish: () => Promise.resolve(),
});

/** Reads a namespace from byte `offset` on. */
export const namespaceSource = (disk: Disk, offset: number): Source => ({
  bytes: Math.max(0, disk.sizeBytes - offset),
  order: "any",
  async read(at, into) {
    await disk.readBytes(offset + at, into);
    return into.length;
  },
});

/** Writes a namespace from byte `offset` on. Of a block that is not written whole the rest stays. */
export const namespaceDestination = (disk: Disk, offset: number): Destination => ({
  order: "any",
  async write(at, data) {
    if (offset + at + data.length > disk.sizeBytes) throw tooLong(disk, offset, undefined);
    await disk.writeBytes(offset + at, data);
  },
  async finish() {
    if (disk.features.volatileCache) await disk.flush();
  },
});

/** The error of data that does not fit a namespace. */
export function tooLong(disk: Disk, offset: number, bytes: number | undefined): CliError {
  const what = bytes === undefined ? "the input is" : `${bytes} bytes are`;
  const from = offset === 0 ? "" : ` from byte ${offset} on`;
  return new CliError("NVME_ERR_OUT_OF_RANGE", `${what} more than fits the namespace${from}`, {
    hint: `It has ${disk.sizeBytes} bytes. --count copies a part of the input.`,
  });
}

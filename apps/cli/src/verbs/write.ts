// `write`: whole blocks of a namespace, all of them or none.

import { confirm } from "../confirm.ts";
import type { Context, Verb } from "../context.ts";
import { usage } from "../errors.ts";
import { readWholeFile } from "../files.ts";
import type { ConsentOptions, NamespaceOptions } from "../options.ts";
import {
  RANGE_BYTES_MAX,
  type RangeOptions,
  checkRange,
  counted,
  rangeOf,
  wholeBlocks,
} from "../range.ts";
import { openOne, withHost } from "../session.ts";
import { subsystemEndpoint } from "../target-options.ts";
import { formatBytes } from "../units.ts";

interface WriteOptions extends NamespaceOptions, RangeOptions, ConsentOptions {
  readonly data?: string;
}

/** All of stdin, or as much as is asked for. */
async function inputBytes(
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

export const run: Verb<WriteOptions> = async (context, options, uri?: string) => {
  const endpoint = subsystemEndpoint(uri, options);
  const { data: file, dataSize } = options;
  // The data comes first: a connection should not wait for a pipe.
  const all = file === undefined ? await inputBytes(context, dataSize) : await readWholeFile(file);
  const { result } = await withHost(context, endpoint, options, async (host) => {
    const { nsid, disk } = await openOne(host, endpoint.nsid);
    const { blockBytes } = disk;
    const isSized = options.blocks !== undefined || dataSize !== undefined;
    const wanted = isSized ? rangeOf(disk, options).blockCount * blockBytes : all.length;
    if (all.length < wanted) {
      throw usage(`there are ${all.length} bytes of data, ${wanted} are to be written`);
    }
    const data = all.subarray(0, wanted);
    const hint = "Use cp, which leaves the rest of the last block as it is.";
    const blockCount = wholeBlocks("the data", data.length, blockBytes, hint);
    const range = checkRange(disk, { lba: options.startBlock, blockCount });
    const what = `this overwrites ${counted(blockCount)} of namespace ${nsid} from ${range.lba} on`;
    await confirm(context, what, options.yes === true);
    await disk.write(range.lba, data);
    if (disk.features.volatileCache) await disk.flush();
    return { nsid, startBlock: range.lba, blocks: blockCount, blockBytes, bytes: data.length };
  });
  context.notes.say(`${result.bytes} bytes written to namespace ${result.nsid}`);
  return { data: result, text: () => "" };
};

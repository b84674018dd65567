// `read`: blocks of a namespace, as bytes for programs and as a hex dump for people.

import type { Context, Verb } from "../context.ts";
import { writeWholeFile } from "../files.ts";
import { hexDump } from "../hex-dump.ts";
import type { NamespaceOptions } from "../options.ts";
import { type RangeOptions, rangeOf } from "../range.ts";
import { openOne, withHost } from "../session.ts";
import { subsystemEndpoint } from "../target-options.ts";

interface ReadOptions extends NamespaceOptions, RangeOptions {
  readonly data?: string;
}

export const run: Verb<ReadOptions> = async (context, options, uri?: string) => {
  const endpoint = subsystemEndpoint(uri, options);
  const { result } = await withHost(context, endpoint, options, async (host) => {
    const { nsid, disk } = await openOne(host, endpoint.nsid);
    const range = rangeOf(disk, options);
    const bytes = await disk.read(range.lba, range.blockCount);
    return { nsid, blockBytes: disk.blockBytes, ...range, bytes };
  });
  const { bytes, nsid, lba, blockCount, blockBytes } = result;
  const facts = { nsid, startBlock: lba, blocks: blockCount, blockBytes, bytes: bytes.length };
  if (options.data !== undefined) {
    await writeWholeFile(options.data, bytes);
    const said = `${bytes.length} bytes of namespace ${nsid} in ${options.data}`;
    context.notes.say(said);
    return { data: { ...facts, file: options.data }, text: () => "" };
  }
  if (context.format === "normal" && !isForPeople(context)) {
    await context.out.write(bytes);
    return undefined;
  }
  const content = Buffer.from(bytes).toString("base64");
  return {
    data: { ...facts, encoding: "base64", content },
    text: () => hexDump(bytes, lba * blockBytes),
    binary: bytes,
  };
};

const isForPeople = ({ io }: Context): boolean => io.stdout.isTTY === true;

// `write`: whole blocks of a namespace, all of them or none.

import { NvmOpcode } from "@nvmeof/codec";
import { sqeText } from "../capsule.ts";
import { confirm } from "../confirm.ts";
import type { Verb } from "../context.ts";
import { type RangeFlags, hasFlags, rangeCommands, sendAll, transferBlocksMax } from "../direct.ts";
import { type DryRunOptions, dryRun } from "../dry-run.ts";
import { usage } from "../errors.ts";
import { readWholeFile } from "../files.ts";
import { inputBytes } from "../input.ts";
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

interface WriteOptions
  extends NamespaceOptions, RangeOptions, RangeFlags, ConsentOptions, DryRunOptions {
  readonly data?: string;
  readonly showCommand?: boolean;
  readonly latency?: boolean;
}

export const run: Verb<WriteOptions> = async (context, options, uri?: string) => {
  const endpoint = subsystemEndpoint(uri, options);
  const { data: file, dataSize } = options;
  // The data comes first: a connection should not wait for a pipe.
  const all =
    file === undefined
      ? await inputBytes(context, dataSize)
      : await readWholeFile(file, RANGE_BYTES_MAX);
  const { result } = await withHost(context, endpoint, options, async (host) => {
    const { nsid, disk } = await openOne(host, endpoint.nsid);
    const { blockBytes } = disk;
    const isSized = options.blocks !== undefined || dataSize !== undefined;
    const wanted = isSized ? rangeOf(disk, options).blockCount * blockBytes : all.length;
    if (all.length < wanted) {
      const hint = "Leave out --data-size and --blocks to write what there is, or give more data.";
      throw usage(`there are ${all.length} bytes of data, ${wanted} are to be written`, hint);
    }
    const data = all.subarray(0, wanted);
    const hint = "Use cp, which leaves the rest of the last block as it is.";
    const blockCount = wholeBlocks("the data", data.length, blockBytes, hint);
    const range = checkRange(disk, { lba: options.startBlock, blockCount });
    const blocksMax = transferBlocksMax(host.controller, blockBytes);
    const transfer = { blocksMax, blockBytes, data };
    const commands = rangeCommands(NvmOpcode.Write, nsid, range, options, transfer);
    if (options.dryRun === true) return dryRun("io", commands, "sqe");
    if (options.showCommand === true) context.notes.say(commands.map(sqeText).join("\n").trimEnd());
    const what = `this overwrites ${counted(blockCount)} of namespace ${nsid} from ${range.lba} on`;
    await confirm(context, what, options.yes === true);
    const startMs = performance.now();
    if (hasFlags(options)) await sendAll(host.controller, commands);
    else await disk.write(range.lba, data);
    const latencyMs = performance.now() - startMs;
    if (disk.features.volatileCache) await disk.flush();
    context.notes.say(`${data.length} bytes written to namespace ${nsid}`);
    const facts = {
      nsid,
      startBlock: range.lba,
      blocks: blockCount,
      blockBytes,
      bytes: data.length,
    };
    return options.latency === true
      ? {
          data: { ...facts, latencyMs },
          text: () => `latency: ${(latencyMs * 1000).toFixed(0)} us\n`,
        }
      : { data: facts, text: () => "" };
  });
  return result;
};

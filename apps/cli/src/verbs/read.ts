// `read`: blocks of a namespace, as bytes for programs and as a hex dump for people.

import { DataDirection, NvmOpcode } from "@nvmeof/codec";
import { sqeText } from "../capsule.ts";
import type { Context, Report, Verb } from "../context.ts";
import { type RangeFlags, hasFlags, rangeCommands, sendAll, transferBlocksMax } from "../direct.ts";
import { type DryRunOptions, dryRun } from "../dry-run.ts";
import { writeWholeFile } from "../files.ts";
import { hexDump } from "../hex-dump.ts";
import type { NamespaceOptions } from "../options.ts";
import { type RangeOptions, rangeOf } from "../range.ts";
import { openOne, withHost } from "../session.ts";
import { subsystemEndpoint } from "../target-options.ts";

interface ReadOptions extends NamespaceOptions, RangeOptions, RangeFlags, DryRunOptions {
  readonly data?: string;
  readonly showCommand?: boolean;
  readonly latency?: boolean;
}

/** What was read; or what would have been sent. */
type Result =
  | { readonly report: Report }
  | {
      readonly nsid: number;
      readonly blockBytes: number;
      readonly lba: number;
      readonly blockCount: number;
      readonly bytes: Uint8Array;
      readonly latencyMs: number;
    };

export const run: Verb<ReadOptions> = async (context, options, uri?: string) => {
  const endpoint = subsystemEndpoint(uri, options);
  const { result } = await withHost(context, endpoint, options, async (host): Promise<Result> => {
    const { nsid, disk } = await openOne(host, endpoint.nsid);
    const range = rangeOf(disk, options);
    const { blockBytes } = disk;
    const data = new Uint8Array(range.blockCount * blockBytes);
    const blocksMax = transferBlocksMax(host.controller, blockBytes);
    const transfer = { blocksMax, blockBytes, data, direction: DataDirection.ToHost };
    const commands = rangeCommands(NvmOpcode.Read, nsid, range, options, transfer);
    if (options.dryRun === true) return { report: dryRun("io", commands, "sqe") };
    if (options.showCommand === true) context.notes.say(commands.map(sqeText).join("\n").trimEnd());
    const startMs = performance.now();
    if (hasFlags(options)) await sendAll(host.controller, commands);
    else await disk.read(range.lba, data);
    const latencyMs = performance.now() - startMs;
    return { nsid, blockBytes, ...range, bytes: data, latencyMs };
  });
  if ("report" in result) return result.report;
  const { bytes, nsid, lba, blockCount, blockBytes, latencyMs } = result;
  if (options.latency === true) context.notes.say(`latency: ${(latencyMs * 1000).toFixed(0)} us`);
  const timed = options.latency === true ? { latencyMs } : {};
  const plain = { nsid, startBlock: lba, blocks: blockCount, blockBytes, bytes: bytes.length };
  const facts = { ...plain, ...timed };
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

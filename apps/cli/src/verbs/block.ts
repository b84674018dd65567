// The block commands that are not read and write: compare, flush, dsm, write-zeroes, write-uncor, verify and
// copy. Read first: direct.ts; NVM Command Set 1.0 §3 "I/O Commands for the NVM Command Set".

import {
  DataDirection,
  DsmCommand,
  DsmRange,
  NvmOpcode,
  Status,
  WriteZeroesCommand,
  codeOf,
  encode,
  viewOf,
} from "@nvmeof/codec";
import { type IoCommand, NvmeStatusError, copyCommand } from "@nvmeof/core";
import type { Context, Verb } from "../context.ts";
import {
  type DirectOptions,
  type Place,
  type RangeFlags,
  checkedRange,
  direct,
  rangeCommands,
  rangeMeant,
  transferBlocksMax,
} from "../direct.ts";
import { CliError, usage } from "../errors.ts";
import { readWholeFile } from "../files.ts";
import { inputBytes } from "../input.ts";
import { type RangeOptions, counted, wholeBlocks } from "../range.ts";

interface RangedOptions extends DirectOptions, RangeOptions, RangeFlags {}

interface CompareOptions extends RangedOptions {
  readonly data?: string;
}

/** `compare`: whole blocks with what a file or stdin has. */
export const compare: { readonly run: Verb<CompareOptions> } = {
  run: async (context, options, uri?: string) => {
    const data = await dataOf(context, options);
    return direct(context, uri, options, ({ handle, nsid, facts }) => {
      const { blockBytes } = facts.format;
      const isSized = options.blocks !== undefined || options.dataSize !== undefined;
      const hint = `Give a multiple of ${blockBytes}.`;
      const blockCount = isSized
        ? rangeMeant(facts, options).blockCount
        : wholeBlocks("the data", data.length, blockBytes, hint);
      if (data.length < blockCount * blockBytes) {
        throw usage(
          `there are ${data.length} bytes of data, ${blockCount * blockBytes} are to be compared`,
        );
      }
      const range = checkedRange(facts, { lba: options.startBlock, blockCount }, facts.blockCount);
      const blocksMax = transferBlocksMax(handle, blockBytes);
      const commands = rangeCommands(NvmOpcode.Compare, nsid, range, options, {
        blocksMax,
        blockBytes,
        data: data.subarray(0, blockCount * blockBytes),
      });
      const said = `${counted(blockCount)} are the same`;
      const failed = (error: unknown, index: number): CliError | undefined => {
        const done = index * blocksMax;
        return differs(error, nsid, range.lba + done, Math.min(blocksMax, blockCount - done));
      };
      return { commands, result: { startBlock: range.lba, blocks: blockCount }, said, failed };
    });
  },
};

/** What Compare Failure means; no controller says which of the blocks it is. */
function differs(
  error: unknown,
  nsid: number,
  lba: number,
  blockCount: number,
): CliError | undefined {
  const isDifferent =
    error instanceof NvmeStatusError && codeOf(error.status) === Status.CompareFailure;
  if (!isDifferent) return undefined;
  const where = `${counted(blockCount)} from ${lba} on`;
  const message = `namespace ${nsid}: ${where} differ from the data`;
  return new CliError("NVME_ERR_MISMATCH", message, { cause: error });
}

const dataOf = (context: Context, { data, dataSize }: CompareOptions): Promise<Uint8Array> =>
  data === undefined ? inputBytes(context, dataSize) : readWholeFile(data);

/** `flush`. */
export const flush: { readonly run: Verb<DirectOptions> } = {
  run: (context, options, uri?: string) =>
    direct(context, uri, options, ({ nsid }) => ({
      commands: [{ opcode: NvmOpcode.Flush, nsid }],
      result: {},
      said: `namespace ${nsid} is flushed`,
    })),
};

interface ZeroesOptions extends RangedOptions {
  readonly deac?: boolean;
}

/** `write-zeroes`. */
export const writeZeroes: { readonly run: Verb<ZeroesOptions> } = {
  run: (context, options, uri?: string) =>
    direct(context, uri, options, ({ nsid, facts }) => {
      const range = rangeMeant(facts, options);
      const fill = (sqe: DataView): void =>
        WriteZeroesCommand.deac.set(sqe, 0, options.deac === true ? 1 : 0);
      const what = `${counted(range.blockCount)} of namespace ${nsid} from ${range.lba} on`;
      return {
        commands: rangeCommands(NvmOpcode.WriteZeroes, nsid, range, options, { fill }),
        overwrites: `this overwrites ${what}`,
        result: { startBlock: range.lba, blocks: range.blockCount },
        said: `${what} are zero`,
      };
    }),
};

/** `verify`: the controller reads the blocks, and no data moves. */
export const verify: { readonly run: Verb<RangedOptions> } = {
  run: (context, options, uri?: string) =>
    direct(context, uri, options, ({ nsid, facts }) => {
      const range = rangeMeant(facts, options);
      return {
        commands: rangeCommands(NvmOpcode.Verify, nsid, range, options),
        result: { startBlock: range.lba, blocks: range.blockCount },
        said: `${counted(range.blockCount)} can be read`,
      };
    }),
};

/** `write-uncor`. */
export const writeUncorrectable: { readonly run: Verb<RangedOptions> } = {
  run: (context, options, uri?: string) =>
    direct(context, uri, options, ({ nsid, facts }) => {
      const range = rangeMeant(facts, options);
      const what = `${counted(range.blockCount)} of namespace ${nsid} from ${range.lba} on`;
      return {
        commands: rangeCommands(NvmOpcode.WriteUncorrectable, nsid, range, {}),
        overwrites: `this makes ${what} unreadable`,
        result: { startBlock: range.lba, blocks: range.blockCount },
        said: `${what} cannot be read any more`,
      };
    }),
};

interface DsmOptions extends DirectOptions {
  readonly slbs: readonly number[];
  readonly blocks: readonly number[];
  readonly ctxAttrs?: readonly number[];
  readonly ad?: boolean;
  readonly idr?: boolean;
  readonly idw?: boolean;
  readonly cdw11?: number;
}

/** Ranges that belong together: the lists must be as long as each other. */
function rangesOf(slbs: readonly number[], blocks: readonly number[]) {
  if (slbs.length !== blocks.length) {
    throw usage(`--slbs has ${slbs.length} numbers, --blocks has ${blocks.length}`);
  }
  if (slbs.length > 256) throw usage(`${slbs.length} ranges; one command takes 256`);
  return slbs.map((lba, i) => ({ lba, blockCount: blocks[i]! }));
}

/** `dsm`: Dataset Management, in one command. */
export const dsm: { readonly run: Verb<DsmOptions> } = {
  run: (context, options, uri?: string) => {
    const ranges = rangesOf(options.slbs, options.blocks);
    const { ad, idr, idw, cdw11, ctxAttrs = [] } = options;
    return direct(context, uri, options, ({ nsid, facts }) => {
      for (const range of ranges) checkedRange(facts, range, facts.blockCount);
      const data = new Uint8Array(ranges.length * DsmRange.size);
      for (const [i, { lba, blockCount }] of ranges.entries()) {
        const range = { cattr: ctxAttrs[i] ?? 0, slba: lba, nlb: blockCount };
        encode(DsmRange, viewOf(data), i * DsmRange.size, range);
      }
      const command: IoCommand = {
        opcode: NvmOpcode.DatasetManagement,
        nsid,
        fill: (sqe) => {
          DsmCommand.nr.set(sqe, 0, ranges.length);
          DsmCommand.ad.set(sqe, 0, ad === true ? 1 : 0);
          DsmCommand.idr.set(sqe, 0, idr === true ? 1 : 0);
          DsmCommand.idw.set(sqe, 0, idw === true ? 1 : 0);
          if (cdw11 !== undefined) sqe.setUint32(44, cdw11, true);
        },
        direction: DataDirection.ToController,
        data,
      };
      const blocks = ranges.reduce((sum, { blockCount }) => sum + blockCount, 0);
      const deallocates = ad === true || ((cdw11 ?? 0) & 4) !== 0;
      return {
        commands: [command],
        ...(deallocates
          ? { overwrites: `this deallocates ${counted(blocks)} of namespace ${nsid}` }
          : {}),
        result: { ranges: ranges.length, blocks, deallocated: deallocates },
        said: `${counted(blocks)} in ${ranges.length} ranges`,
      };
    });
  },
};

interface CopyOptions extends DirectOptions, RangeFlags {
  readonly sdlba: number;
  readonly slbs: readonly number[];
  readonly blocks: readonly number[];
}

/** `copy`: the controller copies blocks within the namespace, in one command. */
export const copy: { readonly run: Verb<CopyOptions> } = {
  run: (context, options, uri?: string) => {
    const ranges = rangesOf(options.slbs, options.blocks);
    const blocks = ranges.reduce((sum, { blockCount }) => sum + blockCount, 0);
    return direct(context, uri, options, ({ nsid, facts }: Place) => {
      for (const range of ranges) checkedRange(facts, range, facts.blockCount);
      checkedRange(facts, { lba: options.sdlba, blockCount: blocks }, facts.blockCount);
      const sources = ranges.map(({ lba, blockCount }) => ({ slba: lba, blockCount }));
      const flags = {
        fua: options.forceUnitAccess === true,
        limitedRetry: options.limitedRetry === true,
      };
      const what = `${counted(blocks)} of namespace ${nsid} from ${options.sdlba} on`;
      return {
        commands: [copyCommand(nsid, options.sdlba, sources, flags)],
        overwrites: `this overwrites ${what}`,
        result: { ranges: ranges.length, blocks, startBlock: options.sdlba },
        said: `${counted(blocks)} are copied`,
      };
    });
  },
};

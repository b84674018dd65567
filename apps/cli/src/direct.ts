// NVM commands that are sent as they are, without a block device in between: each once, in pieces where one
// is not enough. Read first: ask.ts; @nvmeof/core io-command.ts.

import { DataDirection, type NvmOpcode, RwCommand } from "@nvmeof/codec";
import type { ControllerHandle, IoCommand, NamespaceFacts } from "@nvmeof/core";
import { ask, namespaceMeant } from "./ask.ts";
import { sqeText } from "./capsule.ts";
import { confirm } from "./confirm.ts";
import type { Context, Report } from "./context.ts";
import { type DryRunOptions, dryRun } from "./dry-run.ts";
import { CliError, usage } from "./errors.ts";
import type { ConsentOptions, NamespaceOptions } from "./options.ts";
import { type BlockRange, type RangeOptions, counted, wholeBlocks } from "./range.ts";

/** Options of every verb that sends NVM commands itself. */
export interface DirectOptions extends NamespaceOptions, ConsentOptions, DryRunOptions {
  readonly showCommand?: boolean;
  readonly latency?: boolean;
}

/** Flags of commands with a range. */
export interface RangeFlags {
  readonly forceUnitAccess?: boolean;
  readonly limitedRetry?: boolean;
  readonly prinfo?: number;
}

/** Most blocks that NLB can say. */
export const BLOCKS_MAX = 65_536;

/** What a verb wants to be done. */
export interface Plan {
  readonly commands: readonly IoCommand[];
  /** What is overwritten, if anything is: somebody has to agree. */
  readonly overwrites?: string;
  /** What is said to the user, and to scripts beside `nsid` and `commands`. */
  readonly result: object;
  readonly said?: string;
  /** Says in other words why a command failed; undefined where there are no better ones. */
  readonly failed?: (error: unknown, index: number) => CliError | undefined;
}

/** What a verb has to know of the namespace. */
export interface Place {
  readonly handle: ControllerHandle;
  readonly nsid: number;
  readonly facts: NamespaceFacts;
}

/** Connects, makes a plan and carries it out: one command after another, none twice. */
export async function direct(
  context: Context,
  uri: string | undefined,
  options: DirectOptions,
  plan: (place: Place) => Plan | Promise<Plan>,
): Promise<Report> {
  const { done, nsid, latencyMs } = await ask(
    context,
    uri,
    options,
    "io",
    async (handle, endpoint) => {
      const meant = await namespaceMeant(handle, endpoint);
      const facts = await handle.namespace(meant);
      const made = await plan({ handle, nsid: meant, facts });
      if (options.dryRun === true) return { done: made, nsid: meant, latencyMs: 0 };
      if (made.overwrites !== undefined) {
        await confirm(context, made.overwrites, options.yes === true);
      }
      const startMs = performance.now();
      for (const [index, command] of made.commands.entries()) {
        if (options.showCommand === true) context.notes.say(sqeText(command).trimEnd());
        try {
          await handle.io(command);
        } catch (error) {
          throw made.failed?.(error, index) ?? error;
        }
      }
      return { done: made, nsid: meant, latencyMs: performance.now() - startMs };
    },
  );
  if (options.dryRun === true) return dryRun("io", done.commands, "sqe");
  if (done.said !== undefined) context.notes.say(done.said);
  const timed = options.latency === true ? { latencyMs } : {};
  return {
    data: { nsid, commands: done.commands.length, ...done.result, ...timed },
    text: () => (options.latency === true ? `latency: ${(latencyMs * 1000).toFixed(0)} us\n` : ""),
  };
}

/** The blocks that options mean, checked against the namespace; one block where they do not say. */
export function rangeMeant(facts: NamespaceFacts, options: RangeOptions): BlockRange {
  const { startBlock: lba, blocks, dataSize } = options;
  const { format, blockCount: size } = facts;
  const hint = `Give a multiple of ${format.blockBytes}.`;
  const bySize =
    dataSize === undefined
      ? undefined
      : wholeBlocks("--data-size", dataSize, format.blockBytes, hint);
  if (blocks !== undefined && bySize !== undefined && blocks !== bySize) {
    throw usage(`--blocks says ${blocks} blocks, --data-size says ${bySize}`, "Give one of them.");
  }
  return checkedRange(facts, { lba, blockCount: blocks ?? bySize ?? 1 }, size);
}

/** Refuses blocks beyond the end. */
export function checkedRange(
  { format }: NamespaceFacts,
  range: BlockRange,
  size: number,
): BlockRange {
  const { lba, blockCount } = range;
  if (blockCount <= size && lba <= size - blockCount) return range;
  const what = `${counted(blockCount)} from ${lba} on`;
  throw new CliError("NVME_ERR_OUT_OF_RANGE", `${what}: beyond the end of the namespace`, {
    hint: `It has ${size} blocks of ${format.blockBytes} bytes, 0 to ${size - 1}.`,
  });
}

/** One command with a range, or as many as it takes. */
export function rangeCommands(
  opcode: NvmOpcode,
  nsid: number,
  { lba, blockCount }: BlockRange,
  flags: RangeFlags,
  more: {
    readonly blocksMax?: number;
    readonly fill?: (sqe: DataView) => void;
    readonly data?: Uint8Array;
    readonly direction?: DataDirection;
    readonly blockBytes?: number;
  } = {},
): IoCommand[] {
  const { blocksMax = BLOCKS_MAX, blockBytes = 1 } = more;
  const commands: IoCommand[] = [];
  for (let done = 0; done < blockCount; done += blocksMax) {
    const count = Math.min(blocksMax, blockCount - done);
    const piece = more.data?.subarray(done * blockBytes, (done + count) * blockBytes);
    commands.push({
      opcode,
      nsid,
      fill: (sqe) => {
        RwCommand.slba.set(sqe, 0, lba + done);
        RwCommand.nlb.set(sqe, 0, count);
        RwCommand.fua.set(sqe, 0, flags.forceUnitAccess === true ? 1 : 0);
        RwCommand.lr.set(sqe, 0, flags.limitedRetry === true ? 1 : 0);
        RwCommand.prinfo.set(sqe, 0, flags.prinfo ?? 0);
        more.fill?.(sqe);
      },
      ...(piece === undefined
        ? {}
        : { direction: more.direction ?? DataDirection.ToController, data: piece }),
    });
  }
  return commands;
}

/** Most blocks of one command that moves data. */
export const transferBlocksMax = ({ facts }: ControllerHandle, blockBytes: number): number =>
  Math.max(1, Math.min(BLOCKS_MAX, Math.floor(facts.transferBytesMax / blockBytes)));

/** Whether a flag was given that a block device does not know: then commands are sent as they are. */
export const hasFlags = ({ forceUnitAccess, limitedRetry, prinfo = 0 }: RangeFlags): boolean =>
  forceUnitAccess === true || limitedRetry === true || prinfo !== 0;

/** Sends commands one after another. */
export async function sendAll(
  handle: ControllerHandle,
  commands: readonly IoCommand[],
): Promise<void> {
  for (const command of commands) await handle.io(command);
}

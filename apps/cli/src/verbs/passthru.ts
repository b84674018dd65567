// `admin-passthru` and `io-passthru`: any command, given by its dwords.
// Read first: Base 2.0 §3.3.3.1 "Common Command Format"; capsule.ts prints one.

import { DataDirection, Sqe, viewOf } from "@nvmeof/codec";
import { type AdminCommand, type CommandResult, rawCommand } from "@nvmeof/core";
import { ask } from "../ask.ts";
import { sqeText } from "../capsule.ts";
import { confirm } from "../confirm.ts";
import type { Context, Report, Verb } from "../context.ts";
import { type DryRunOptions, dryRun } from "../dry-run.ts";
import { usage } from "../errors.ts";
import { readWholeFile, writeWholeFile } from "../files.ts";
import { hexDump } from "../hex-dump.ts";
import { inputBytes } from "../input.ts";
import type { ConsentOptions, NamespaceOptions } from "../options.ts";
import { RANGE_BYTES_MAX } from "../range.ts";

/** Options of both verbs. */
export interface PassthruOptions extends NamespaceOptions, ConsentOptions, DryRunOptions {
  readonly opcode: number;
  readonly flags: number;
  readonly prefill: number;
  readonly rsvd: number;
  readonly dataLen: number;
  readonly cdw2: number;
  readonly cdw3: number;
  readonly cdw10: number;
  readonly cdw11: number;
  readonly cdw12: number;
  readonly cdw13: number;
  readonly cdw14: number;
  readonly cdw15: number;
  readonly inputFile?: string;
  readonly showCommand?: boolean;
  readonly read?: boolean;
  readonly write?: boolean;
  readonly latency?: boolean;
}

/** What the two lowest bits of an opcode say, unless the options know better. */
function directionOfOptions({ opcode, read, write, dataLen }: PassthruOptions): DataDirection {
  if (read === true && write === true) throw usage("--read and --write do not go together");
  if (dataLen === 0) return DataDirection.None;
  if (read === true) return DataDirection.ToHost;
  if (write === true) return DataDirection.ToController;
  const bits = opcode & 3;
  if (bits === DataDirection.ToHost || bits === DataDirection.ToController) return bits;
  throw usage(
    `opcode 0x${opcode.toString(16)} does not say where its ${dataLen} bytes go`,
    "Say it with --read or --write.",
  );
}

function sqeBytes(options: PassthruOptions, nsid: number): Uint8Array {
  const sqe = new Uint8Array(Sqe.size);
  const view = viewOf(sqe);
  const { opcode, flags, cdw2, cdw3, cdw10, cdw11, cdw12, cdw13, cdw14, cdw15 } = options;
  view.setUint8(0, opcode);
  view.setUint8(1, flags);
  view.setUint32(4, nsid, true);
  const dwords = {
    2: cdw2,
    3: cdw3,
    10: cdw10,
    11: cdw11,
    12: cdw12,
    13: cdw13,
    14: cdw14,
    15: cdw15,
  };
  for (const [n, value] of Object.entries(dwords)) view.setUint32(4 * Number(n), value, true);
  return sqe;
}

async function dataFor(
  context: Context,
  options: PassthruOptions,
  direction: DataDirection,
): Promise<Uint8Array | undefined> {
  const { dataLen, inputFile, prefill } = options;
  if (direction === DataDirection.None) return undefined;
  if (dataLen > RANGE_BYTES_MAX) throw usage(`${dataLen} bytes are more than one command moves`);
  const data = new Uint8Array(dataLen).fill(prefill);
  if (direction === DataDirection.ToHost) return data;
  const given =
    inputFile === undefined
      ? await inputBytes(context, dataLen)
      : await readWholeFile(inputFile, RANGE_BYTES_MAX);
  data.set(given.subarray(0, dataLen));
  return data;
}

const hex = (value: number): string => `0x${value.toString(16).padStart(8, "0")}`;

async function passthru(
  queue: "admin" | "io",
  context: Context,
  options: PassthruOptions,
  uri: string | undefined,
): Promise<Report> {
  const direction = directionOfOptions(options);
  const data = await dataFor(context, options, direction);
  const sent = await ask(context, uri, options, queue, async (handle, endpoint) => {
    const sqe = sqeBytes(options, endpoint.nsid ?? 0);
    const command: AdminCommand = rawCommand(sqe, direction, data);
    const shown = { ...command, nsid: endpoint.nsid ?? 0 };
    if (options.dryRun === true) return { shown };
    if (options.showCommand === true) context.notes.say(sqeText(shown).trimEnd());
    if (direction !== DataDirection.ToHost) {
      const what = `this sends command 0x${options.opcode.toString(16)} to the ${queue} queue`;
      await confirm(context, what, options.yes === true);
    }
    const startMs = performance.now();
    const result = queue === "admin" ? await handle.admin(command) : await handle.io(command);
    return { shown, result, latencyMs: performance.now() - startMs };
  });
  if (sent.result === undefined) return dryRun(queue, [sent.shown]);
  const received = direction === DataDirection.ToHost ? data : undefined;
  if (received !== undefined && options.inputFile !== undefined) {
    await writeWholeFile(options.inputFile, received);
  }
  return shownResult(options, sent.result, received, sent.latencyMs);
}

function shownResult(
  options: PassthruOptions,
  { dw0, dw1 }: CommandResult,
  received: Uint8Array | undefined,
  latencyMs: number,
): Report {
  const timed = options.latency === true ? { latencyMs } : {};
  const lines =
    `result: ${hex(dw0)}${dw1 === 0 ? "" : ` ${hex(dw1)}`}\n` +
    (options.latency === true ? `latency: ${(latencyMs * 1000).toFixed(0)} us\n` : "");
  return {
    data: { opcode: options.opcode, dw0, dw1, data: received ?? null, ...timed },
    text: () => lines + (received === undefined ? "" : hexDump(received, 0)),
    binary: received ?? new Uint8Array(0),
  };
}

/** `admin-passthru`. */
export const adminPassthru: { readonly run: Verb<PassthruOptions> } = {
  run: (context, options, uri?: string) => passthru("admin", context, options, uri),
};

/** `io-passthru`. */
export const ioPassthru: { readonly run: Verb<PassthruOptions> } = {
  run: (context, options, uri?: string) => passthru("io", context, options, uri),
};

// The stage of every demo: how its story is told, its disk, and how its host connects.
// Read first: verbs/demo.ts, which picks what is played on it.

import { type MemoryDevice, memoryDevice } from "@nvmeof/bdev";
import { type ConnectOptions, type NvmeHost, connect } from "@nvmeof/bdev/nvme";
import { type Random, discover, seededRandom } from "@nvmeof/core";
import { Timeline } from "@nvmeof/tools";
import type { Transport } from "@nvmeof/transport";
import { type TcpAddress, systemClock, tcp } from "@nvmeof/transport/node";
import type { Context } from "../context.ts";
import { CliError } from "../errors.ts";
import { newIdentity } from "../identity.ts";
import type { CommonOptions, ProgressOptions } from "../options.ts";
import type { Scenario } from "../scenarios.ts";
import { formatBytes, formatMs } from "../units.ts";

export interface DemoOptions extends CommonOptions, ProgressOptions {
  readonly scenario?: Scenario;
  readonly size: number;
  readonly seconds: number;
  readonly queueDepth: number;
  readonly rounds: number;
  readonly outage: number;
  readonly withoutFencing?: boolean;
  readonly hdrDigest?: boolean;
  readonly dataDigest?: boolean;
}

export const NQN = "nqn.2026-01.dev.nvmeof:demo";
export const SEED = 2026;
/** Requests that a demo may have in flight, whatever its options say. */
export const OUTSTANDING = 64;
const BLOCK_BYTES = 4096;

/** One run of a demo: its surroundings, and what all of them do. */
export class Stage {
  readonly context: Context;
  readonly options: DemoOptions;
  readonly clock = systemClock;
  readonly random: Random = seededRandom(SEED);
  readonly #startedMs = systemClock.nowMs();

  constructor(context: Context, options: DemoOptions) {
    this.context = context;
    this.options = options;
  }

  /** A line of the story, with its time; nothing where one JSON document is wanted. */
  async tell(what: string): Promise<void> {
    const { format, style, out } = this.context;
    if (format === "json") return;
    const atMs = this.clock.nowMs() - this.#startedMs;
    const at = style.dim(`${(atMs / 1000).toFixed(3).padStart(8)} s`);
    await out.write(`${at}  ${what}\n`);
  }

  async tellHeading(text: string): Promise<void> {
    const { format, style, out } = this.context;
    if (format !== "json") await out.write(`\n${style.bold(text)}\n`);
  }

  /** Runs `play` with a timeline that is told as it goes; all is told when it has ended. */
  async telling<T>(play: (timeline: Timeline) => Promise<T>): Promise<T> {
    const told: Promise<void>[] = [];
    const timeline = new Timeline(this.clock, ({ what }) => told.push(this.tell(what)));
    try {
      return await play(timeline);
    } finally {
      // Whoever read the story may have gone: the signal says so.
      await Promise.allSettled(told);
    }
  }

  async tellServing({ blockCount, blockBytes }: MemoryDevice, ...at: TcpAddress[]): Promise<void> {
    const size = formatBytes(blockCount * blockBytes);
    const where = at.map(({ host, port }) => `${host}:${port}`).join(" and ");
    await this.tell(`serving ${size} of memory as ${NQN} at ${where}`);
  }

  transport(address: TcpAddress): Transport {
    const { hdrDigest = false, dataDigest = false } = this.options;
    return tcp({ ...address, headerDigest: hdrDigest, dataDigest });
  }

  /** Asks the discovery controller, connects, and tells of both. */
  async connect(
    address: TcpAddress,
    asked: Partial<ConnectOptions> = {},
  ): Promise<{ host: NvmeHost; records: number; connectMs: number }> {
    const { hdrDigest, dataDigest, queueDepth } = this.options;
    const { signal } = this.context;
    const transport = this.transport(address);
    const identity = newIdentity();
    const { entries } = await discover({ ...identity, transport, signal });
    await this.tell(`discovery at ${address.host}:${address.port} lists ${entries.length} records`);
    const startMs = this.clock.nowMs();
    const host = await connect({
      ...identity,
      transport,
      subsystemNqn: NQN,
      queueEntries: Math.max(OUTSTANDING, queueDepth) + 1,
      ...asked,
      signal,
    });
    const connectMs = this.clock.nowMs() - startMs;
    const digests = [hdrDigest && "header digest", dataDigest && "data digest"].filter(Boolean);
    const how = digests.length === 0 ? "without digests" : `with ${digests.join(" and ")}`;
    await this.tell(`connected in ${formatMs(connectMs)}, ${how}`);
    return { host, records: entries.length, connectMs };
  }

  /** Lets `play` use a host, which is closed afterwards, and under it when the demo is ended. */
  async withHost<T>(host: NvmeHost, play: () => Promise<T>): Promise<T> {
    const { signal } = this.context;
    const abort = (): void => void host.close();
    signal.addEventListener("abort", abort, { once: true });
    try {
      signal.throwIfAborted();
      return await play();
    } finally {
      signal.removeEventListener("abort", abort);
      await host.close();
    }
  }
}

/** The disk that a demo serves. @throws CliError for one that is too small. */
export function disk({ size }: DemoOptions, leastBlocks: number): MemoryDevice {
  const blockCount = Math.floor(size / BLOCK_BYTES);
  if (blockCount < leastBlocks) {
    const least = leastBlocks === 1 ? "one block" : `${leastBlocks} blocks`;
    throw new CliError("NVME_ERR_UNALIGNED", `--size ${size} is less than ${least}`, {
      hint: `Blocks have ${BLOCK_BYTES} bytes here.`,
    });
  }
  return memoryDevice({ name: "demo", clock: systemClock, blockBytes: BLOCK_BYTES, blockCount });
}

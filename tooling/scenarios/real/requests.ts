// Requests over real sockets, watched: how often each settled, with what, and when all have.
// Read first: ../world.ts for the same in virtual time.

import { type BlockChannel, BlockOp } from "@nvmeof/bdev";
import type { ConnectOptions } from "@nvmeof/bdev/nvme";
import type { NvmeofError } from "@nvmeof/codec";
import { tcp } from "@nvmeof/transport/node";

export const BLOCK_BYTES = 512;
const HOST_ID = "6d1f9c1e-0b5a-4f5e-9c39-0d8a4c0b7e11";

/** Options to connect to a target of target-program.ts. */
export const connectOptions = (
  address: { readonly host: string; readonly port: number },
  more: Partial<ConnectOptions> = {},
): ConnectOptions => ({
  transport: tcp({ host: address.host, port: address.port }),
  hostNqn: `nqn.2014-08.org.nvmexpress:uuid:${HOST_ID}`,
  hostId: HOST_ID,
  subsystemNqn: "nqn.2026-01.dev.nvmeof:scenario",
  ...more,
});

/** Many requests at once. */
export class Requests {
  readonly settled: (NvmeofError | undefined)[][] = [];
  readonly #all: Promise<unknown>[] = [];

  /** Reads one block each, `count` times. */
  read(channel: BlockChannel, count: number): this {
    for (let i = 0; i < count; i++) {
      const settled: (NvmeofError | undefined)[] = [];
      this.settled.push(settled);
      const data = new Uint8Array(BLOCK_BYTES);
      this.#all.push(
        new Promise<void>((resolve) =>
          channel.submit({ op: BlockOp.Read, lba: i, blockCount: 1, data }, (error) => {
            settled.push(error);
            resolve();
          }),
        ),
      );
    }
    return this;
  }

  /** When all have settled. */
  get all(): Promise<unknown> {
    return Promise.all(this.#all);
  }

  get codes(): string[] {
    return [...new Set(this.settled.flat().map((error) => error?.code ?? "none"))];
  }
}

const turn = (): Promise<unknown> => new Promise((resolve) => setImmediate(resolve));

/** What this process holds beyond `base`; a turn later, since handles are closed by the event loop. */
export async function resourcesBeyond(base: readonly string[]): Promise<string[]> {
  await turn();
  const left = [...process.getActiveResourcesInfo()];
  for (const known of base) {
    const place = left.indexOf(known);
    if (place !== -1) left.splice(place, 1);
  }
  return left;
}

/** Turns until nothing is left beyond `base`: the orderly end of a connection takes a round trip. */
export async function nothingIsLeft(base: readonly string[]): Promise<void> {
  while ((await resourcesBeyond(base)).length > 0) await turn();
}

// What an NBD server has done, and which of its bounds were met, counted.
// Read first: limits.ts for the bounds.

import type { NbdLimits } from "./limits.ts";
import { NbdCommand } from "./protocol.ts";

/** Counts since the server was made. */
export interface NbdCounters {
  /** Connections that were taken. */
  readonly connections: number;
  /** Requests that a device has done, by kind, and the bytes of reads and writes. */
  readonly reads: number;
  readonly writes: number;
  readonly others: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
  /** Requests that a device could not do. */
  readonly failed: number;
  /** How often each bound was met; those that never were are left out. */
  readonly limits: Readonly<Partial<Record<keyof NbdLimits, number>>>;
}

/** Counts. Nothing is allocated for a request. */
export class NbdCounting {
  connections = 0;
  failed = 0;
  #reads = 0;
  #writes = 0;
  #others = 0;
  #readBytes = 0;
  #writtenBytes = 0;
  readonly #limits: Partial<Record<keyof NbdLimits, number>> = {};

  done({ type, length }: { readonly type: number; readonly length: number }): void {
    switch (type) {
      case NbdCommand.Read:
        this.#reads++;
        this.#readBytes += length;
        break;
      case NbdCommand.Write:
        this.#writes++;
        this.#writtenBytes += length;
        break;
      default:
        this.#others++;
    }
  }

  met(limit: keyof NbdLimits): void {
    this.#limits[limit] = (this.#limits[limit] ?? 0) + 1;
  }

  snapshot(): NbdCounters {
    return {
      connections: this.connections,
      reads: this.#reads,
      writes: this.#writes,
      others: this.#others,
      readBytes: this.#readBytes,
      writtenBytes: this.#writtenBytes,
      failed: this.failed,
      limits: { ...this.#limits },
    };
  }
}

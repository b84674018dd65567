// What a log verb asks for, and what it makes of the answer. Read first: rows.ts for all of them.

import type { ControllerHandle } from "@nvmeof/core";
import type { Shown } from "../identify/row.ts";
import type { NamespaceOptions } from "../options.ts";

/** Options of log verbs. Each has some of them. */
export interface LogOptions extends NamespaceOptions {
  readonly humanReadable?: boolean;
  readonly logEntries?: number;
  readonly dstEntries?: number;
  readonly groups?: boolean;
  readonly rae?: boolean;
  readonly csi?: number;
  readonly groupId?: number;
  readonly nvmsetId?: number;
  readonly domainId?: number;
  readonly action?: number;
  readonly logLen?: number;
  readonly lsp?: number;
  readonly hostGenerate?: number;
  readonly controllerInit?: boolean;
  readonly dataArea?: number;
  readonly outputFile?: string;
}

/** What Get Log Page is told beside the log. */
export interface LogParameters {
  readonly lsp?: number;
  readonly lsi?: number;
  readonly csi?: number;
}

/** One log that can be asked for. */
export interface LogRow {
  readonly lid: number | ((options: LogOptions) => number);
  /** Bytes of it, a multiple of 4; where it says so itself, by its first bytes. */
  readonly bytes: (
    handle: ControllerHandle,
    options: LogOptions,
    read: (bytes: number) => Promise<Uint8Array>,
  ) => number | Promise<number>;
  readonly ask?: (options: LogOptions) => LogParameters;
  /** Reads it in its own way; `bytes` is not used then. */
  readonly read?: (handle: ControllerHandle, parameters: LogParameters) => Promise<Uint8Array>;
  readonly show: (log: Uint8Array, options: LogOptions, handle: ControllerHandle) => Shown;
}

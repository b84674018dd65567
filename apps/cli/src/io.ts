// What the command touches of its process, as a port: a test brings streams and signals of its own.

import type { Readable, Writable } from "node:stream";

import type { StatusLine } from "./status-line.ts";

/** A stream that people may be reading. */
export type Sink = Writable & { readonly isTTY?: boolean; readonly columns?: number };

/** Everything a verb may use of the process that it runs in. */
export interface Io {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Sink;
  readonly stderr: Sink;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Tells of SIGINT and SIGTERM: the process. */
  readonly signals: {
    on(signal: string, listener: () => void): unknown;
    off(signal: string, listener: () => void): unknown;
  };
  /** The file of the command, for threads that run it as well; undefined where it is not one file. */
  readonly program?: URL | undefined;
  /** The line on a terminal that says what is waited for; undefined where there is no terminal. */
  readonly status?: StatusLine | undefined;
  /** Ends the process where it stands. */
  readonly quit: (exitCode: number) => void;
}

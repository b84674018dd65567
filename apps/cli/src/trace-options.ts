// The option --trace, and the life of the file that it names. The file itself is loaded when it is wanted.
// Read first: trace.ts.

import { Option } from "commander";
import type { Context } from "./context.ts";
import { usage } from "./errors.ts";
import type { Tracing } from "./trace.ts";

/** What was said about tracing. */
export interface TraceOptions {
  readonly trace?: string;
  /** The file under way: put there by `withTrace`. */
  readonly tracing?: Tracing;
}

export const traceOption = (): Option =>
  new Option("--trace <file>", "record every PDU there, as a pcapng file").helpGroup("Output:");

/** Refuses to record what is not TCP. */
export function checkTraceable({ trace }: TraceOptions, transport: string): void {
  if (trace !== undefined && transport !== "tcp") {
    throw usage("--trace records NVMe/TCP, and this is not TCP", "Leave out --trace.");
  }
}

const isSecure = (options: object): boolean =>
  ("tls" in options && options.tls === true) || "tlsKeyFile" in options;

/** Runs a verb with the file open that --trace names. */
export async function withTrace<Options extends object, T>(
  options: Options,
  context: Context,
  use: (options: Options) => Promise<T>,
): Promise<T> {
  const { trace } = options as TraceOptions;
  if (trace === undefined) return use(options);
  const { Tracing } = await import("./trace.ts");
  const tracing = new Tracing(trace);
  if (isSecure(options)) context.warn("the trace holds in plain text what TLS protects");
  try {
    return await use({ ...options, tracing });
  } finally {
    if (tracing.isFull) context.warn(`${trace} has reached its limit, and ends before the end`);
    tracing.close();
  }
}

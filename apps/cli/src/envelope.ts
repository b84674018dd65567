// The one JSON document of a command: schema, version, data, warnings and error, always all of them.
// Fields are only ever added within a major version. 64-bit values are decimal strings, bytes are hex, and
// numbers have at most three decimals.

import { hexText } from "@nvmeof/codec";
import type { ErrorObject } from "./errors.ts";
import { version as tool } from "./version.ts";

/** Version of the envelope and of every schema in it. */
const VERSION = 1;

export interface Envelope {
  /** `nvmeof/<verb>` */
  readonly schema: string;
  readonly version: number;
  readonly tool: string;
  readonly data: unknown;
  readonly warnings: readonly string[];
  readonly error: ErrorObject | null;
}

export const envelope = (
  schema: string,
  data: unknown,
  warnings: readonly string[],
  error: ErrorObject | null,
): Envelope => ({ schema: `nvmeof/${schema}`, version: VERSION, tool, data, warnings, error });

/** One line of a stream: an envelope that says which event it is of. */
export interface EventEnvelope extends Envelope {
  readonly event: string;
}

export const eventEnvelope = (schema: string, event: string, data: unknown): EventEnvelope => {
  const { schema: name, version, tool: made, ...rest } = envelope(schema, data, [], null);
  return { schema: name, version, tool: made, event, ...rest };
};

function plain(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Uint8Array) return hexText(value);
  // Times and rates: more than three decimals are noise.
  if (typeof value === "number" && !Number.isInteger(value)) return Math.round(value * 1000) / 1000;
  return value;
}

/** JSON text with a line end; on one line unless people read it. */
export const jsonText = (value: unknown, people: boolean): string =>
  `${JSON.stringify(value, plain, people ? 2 : undefined)}\n`;

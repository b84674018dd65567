// Which events of a capture are meant: by connection, by opcode.

import type { CaptureEvent, CapturedCommand } from "@nvmeof/tools/capture";

/** What was asked for; nothing means everything. */
export interface FilterOptions {
  readonly connection?: readonly number[];
  readonly opcode?: readonly string[];
}

const plain = (name: string): string => name.toLowerCase().replaceAll(/[\s_/-]/g, "");

/** Whether one of `wanted` is the command's name, written anyhow, or its opcode. */
function isNamed({ name, opcode, fctype }: CapturedCommand, wanted: ReadonlySet<string>): boolean {
  if (wanted.has(plain(name))) return true;
  const hex = `0x${opcode.toString(16).padStart(2, "0")}`;
  return wanted.has(hex) || (fctype < 0 && wanted.has(String(opcode)));
}

/** Tells whether an event is meant. */
export function filterOf({ connection, opcode }: FilterOptions): (event: CaptureEvent) => boolean {
  const connections = connection === undefined ? undefined : new Set(connection);
  const names = opcode?.flatMap((names) => names.split(",")).map(plain);
  const wanted = names === undefined ? undefined : new Set(names);
  return (event) => {
    if (connections?.has(event.connection.number) === false) return false;
    if (wanted === undefined) return true;
    const command = "command" in event ? event.command : undefined;
    return command !== undefined && isNamed(command, wanted);
  };
}

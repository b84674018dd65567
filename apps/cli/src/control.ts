// The control socket of a command that stays: `nvmeof top` looks in by it.
// Read first: @nvmeof/tools node/expose-control.ts.

import type { ControlSource } from "@nvmeof/tools";
import { type ExposedControl, controlFolder, exposeControl } from "@nvmeof/tools/node";
import type { Context } from "./context.ts";
import type { ControlOptions } from "./control-options.ts";

/** Who can be looked at; where there is no socket, nobody. */
export interface Control {
  add(source: ControlSource): void;
  close(): Promise<void>;
}

/**
 * Lets others look at a verb, until it closes that. Never rejects: where there can be no socket the work goes
 * on without, since nobody has asked for one.
 */
export async function openControl(
  context: Context,
  { control = true }: ControlOptions,
  name: string,
): Promise<Control> {
  const exposed = control ? await tryExpose(context, name) : undefined;
  return {
    add: (source) => void exposed?.add(source),
    close: async () => exposed?.close(),
  };
}

async function tryExpose(
  { io, notes }: Context,
  name: string,
): Promise<ExposedControl | undefined> {
  try {
    const exposed = await exposeControl([], { name, folder: controlFolder(io.env) });
    notes.trace(`nvmeof top ${exposed.path} shows what this does`);
    return exposed;
  } catch (error) {
    notes.detail(`no control socket: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

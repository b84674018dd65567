// `utils dump-command-metadata`: the table of commands as JSON, in either format.

import { commands } from "../commands.ts";
import type { Verb } from "../context.ts";
import { metadata } from "../metadata.ts";

export const run: Verb = () => {
  const data = { commands: metadata(commands) };
  return Promise.resolve({ data, text: () => `${JSON.stringify(data, undefined, 2)}\n` });
};

// `completion`: a script for a shell, made of the table of commands. Read first: ../completion/words.ts.

import { bashCompletion } from "../completion/bash.ts";
import { fishCompletion } from "../completion/fish.ts";
import { powershellCompletion } from "../completion/powershell.ts";
import { zshCompletion } from "../completion/zsh.ts";
import { commands, groups } from "../commands.ts";
import type { Verb } from "../context.ts";
import { usage } from "../errors.ts";
import { metadata } from "../metadata.ts";

const scripts = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
  powershell: powershellCompletion,
} as const;

export const run: Verb = (_context, _options, shell = "") => {
  if (!Object.hasOwn(scripts, shell)) {
    throw usage(
      `there is no completion for "${shell}"`,
      `There is: ${Object.keys(scripts).join(", ")}.`,
    );
  }
  const script = scripts[shell as keyof typeof scripts](metadata(commands), groups);
  return Promise.resolve({ data: { shell, script }, text: () => script });
};

// `disconnect` and `disconnect-all`: words of nvme-cli for which there is nothing to do here, so that its
// scripts go on. Read first: README.md: no connection lasts longer than its command.

import type { CommonOptions } from "../options.ts";
import type { Verb } from "../context.ts";
import { usage } from "../errors.ts";

interface Options extends CommonOptions {
  readonly nqn?: string;
  readonly device?: string;
}

const explanation =
  "no connection of ours lasts longer than its command; `connect --hold` ends with Ctrl-C";

/** `disconnect`. */
export const disconnect: { readonly run: Verb<Options> } = {
  run: (context, { nqn, device }) => {
    if (nqn === undefined && device === undefined) {
      throw usage("which subsystem?", "Give its NQN with -n.");
    }
    context.notes.detail(explanation);
    const name = nqn === undefined ? device! : `NQN:${nqn}`;
    const text = (): string => `${name} disconnected 0 controller(s)\n`;
    return Promise.resolve({ data: { subnqn: nqn ?? null, disconnected: 0 }, text });
  },
};

/** `disconnect-all`. */
export const disconnectAll: { readonly run: Verb } = {
  run: (context) => {
    context.notes.detail(explanation);
    return Promise.resolve({ data: { disconnected: 0 }, text: () => "" });
  },
};

// Consent to overwriting something: --yes, or the answer of a person.

import type { Context } from "./context.ts";
import { CliError } from "./errors.ts";

/** Returns if the user wants `what` to happen; throws NVME_ERR_CONFIRMATION if nobody said so. */
export async function confirm(context: Context, what: string, yes: boolean): Promise<void> {
  if (yes) return;
  const { stdin, stderr } = context.io;
  const refused = (message: string): CliError =>
    new CliError("NVME_ERR_CONFIRMATION", message, { hint: "Say --yes if that is what you want." });
  if (stdin.isTTY !== true || stderr.isTTY !== true) throw refused(`${what}, and nobody agreed`);
  // Whoever is asked is waited for, and sees that.
  const giveBack = context.io.status?.give({ note: () => {}, clear: () => {} });
  const { createInterface } = await import("node:readline/promises");
  const prompt = createInterface({ input: stdin, output: stderr });
  try {
    const answer = await prompt.question(`${what}. Go on? [y/N] `, { signal: context.signal });
    if (!/^y(es)?$/i.test(answer.trim())) throw refused("not done");
  } finally {
    prompt.close();
    giveBack?.();
  }
}

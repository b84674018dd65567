// Ctrl-C once ends in order, twice at once. SIGTERM is a Ctrl-C with another exit code.

import { CliError } from "./errors.ts";
import { ExitCode } from "./exit-code.ts";
import type { Io } from "./io.ts";

const kinds = {
  SIGINT: { code: "NVME_ERR_INTERRUPTED", exit: ExitCode.sigint },
  SIGTERM: { code: "NVME_ERR_TERMINATED", exit: ExitCode.sigterm },
} as const;

/** Calls `end` on the first signal, and ends the process on the second. Returns how to stop listening. */
export function onSignals(io: Io, end: (reason: CliError) => void): () => void {
  let count = 0;
  const listeners = Object.entries(kinds).map(([signal, { code, exit }]) => {
    const listener = (): void => {
      count++;
      if (count > 1) io.quit(exit);
      else end(new CliError(code, `interrupted by ${signal}`));
    };
    io.signals.on(signal, listener);
    return () => io.signals.off(signal, listener);
  });
  return () => {
    for (const stop of listeners) stop();
  };
}

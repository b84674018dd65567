// To begin to listen, or to say in our words why that cannot be.

import type { ListenOptions, Server } from "node:net";
import { TransportError } from "../errors.ts";

/** In our words, where those of the platform do not say what to do. */
const portHints: Readonly<Record<string, string>> = {
  EADDRINUSE: "The port is in use. Choose another, or 0 for any free one.",
  EACCES: "Ports below 1024 are for root on most systems. Choose another, or 0 for any free one.",
  EADDRNOTAVAIL: "This machine does not have that address. 127.0.0.1, 0.0.0.0 and :: always work.",
  EMFILE: "This process may open no more files: raise its limit (ulimit -n).",
};
const pathHints: Readonly<Record<string, string>> = {
  EADDRINUSE: "Somebody listens there already. Choose another.",
  EMFILE: portHints["EMFILE"]!,
};

const ignore = (): void => {};

/**
 * Resolves when `server` listens. What goes wrong with it later, in accepting one of many, is nobody's
 * affair. Binds before it returns. `name` is what the error calls the place.
 *
 * @throws TransportError NVME_ERR_UNREACHABLE where that cannot be.
 */
export function listening(server: Server, at: ListenOptions, name: string): Promise<void> {
  const hints = at.path === undefined ? portHints : pathHints;
  return new Promise((resolve, reject) => {
    const refuse = (error: NodeJS.ErrnoException): void => {
      const hint = hints[error.code ?? ""] ?? error.message;
      reject(new TransportError("unreachable", `cannot listen on ${name}`, { hint, cause: error }));
    };
    server.once("error", refuse);
    server.listen(at, () => {
      server.off("error", refuse);
      server.on("error", ignore);
      resolve();
    });
  });
}

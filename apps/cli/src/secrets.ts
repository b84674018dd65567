// Secrets from where others do not read them: a file, stdin, the environment. Never an argument, which
// everybody on a machine can see, and which shells write down.
// Read first: SECURITY.md.

import { stat } from "node:fs/promises";
import type { Option } from "commander";
import type { Context } from "./context.ts";
import { usage } from "./errors.ts";
import { readWholeFile } from "./files.ts";

/** More than any file of keys needs. */
const SECRET_BYTES_MAX = 256 * 1024;

/** Where a secret may be. */
export interface SecretSource {
  /** What it is, in messages: "TLS key". */
  readonly what: string;
  /** A file; "-" is stdin. */
  readonly file?: string | undefined;
  /** Variable of the environment that is looked at when there is no file. */
  readonly variable: string;
}

/** A secret as it was found, and where, for messages. */
export interface SecretText {
  readonly text: string;
  readonly from: string;
}

type Surroundings = Pick<Context, "io" | "signal" | "warn">;

/**
 * Looks for a secret. Whoever else can read its file is warned of.
 *
 * @returns undefined where there is neither file nor variable.
 */
export async function secretText(
  { what, file, variable }: SecretSource,
  context: Surroundings,
): Promise<SecretText | undefined> {
  if (file === undefined) {
    const text = context.io.env[variable];
    return text === undefined || text === "" ? undefined : { text, from: `$${variable}` };
  }
  const bytes = await (file === "-" ? fromStdin(what, context) : fromFile(what, file, context));
  const text = Buffer.from(bytes).toString("utf8");
  bytes.fill(0);
  return { text, from: file === "-" ? "stdin" : file };
}

async function fromFile(what: string, file: string, { warn }: Surroundings): Promise<Uint8Array> {
  const bytes = await readWholeFile(file, SECRET_BYTES_MAX);
  if (process.platform === "win32") return bytes;
  const { mode } = await stat(file);
  if ((mode & 0o077) !== 0) warn(`others can read the ${what} in ${file}: chmod 600 ${file}`);
  return bytes;
}

async function fromStdin(what: string, { io, signal }: Surroundings): Promise<Uint8Array> {
  const { stdin } = io;
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  const stop = (): void => void stdin.destroy();
  signal.addEventListener("abort", stop, { once: true });
  try {
    for await (const piece of stdin as AsyncIterable<Uint8Array>) {
      pieces.push(piece);
      bytes += piece.length;
      if (bytes > SECRET_BYTES_MAX) throw usage(`what comes by stdin is too long for a ${what}`);
    }
  } finally {
    signal.removeEventListener("abort", stop);
  }
  signal.throwIfAborted();
  return Buffer.concat(pieces);
}

/** An option of nvme-cli that takes a secret as its value: refused, with the way to do it. */
export function refusedSecret(option: Option, way: string): Option {
  const name = /--[\w-]+/.exec(option.flags)?.[0] ?? option.flags;
  return option.hideHelp().argParser(() => {
    throw usage(`${name} would show a secret to everybody who can list processes`, way);
  });
}

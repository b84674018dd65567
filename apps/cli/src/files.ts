// Files, with errors that say what was wanted of which file.

import { type FileHandle, open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { CliError, errnoIn } from "./errors.ts";

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EACCES: "permission denied",
  EPERM: "not permitted",
  EISDIR: "it is a directory",
  ENOTDIR: "a part of the path is not a directory",
  ENOSPC: "the disk is full",
  EROFS: "the file system is read-only",
  EMFILE: "too many files are open",
};

const hints: Readonly<Record<string, string>> = {
  ENOENT: "Check how it is written, and from which folder.",
  EACCES: "Look at the permissions of the file, and of the folders above it.",
  EPERM: "Look at the permissions of the file, and of the folders above it.",
  EISDIR: "Name a file in it.",
  ENOTDIR: "Check how it is written.",
  ENOSPC: "Make room, or choose another place.",
  EMFILE: "Close some, or raise the limit (ulimit -n).",
};

/** The error of a file operation as an error of the command. */
export function fileError(verb: string, path: string, cause: unknown): CliError {
  const errno = errnoIn(cause);
  const reason = reasons[errno] ?? (cause instanceof Error ? cause.message : String(cause));
  const code = errno === "ENOENT" ? "NVME_ERR_FILE_NOT_FOUND" : "NVME_ERR_FILE";
  return new CliError(code, `cannot ${verb} ${path}: ${reason}`, { cause, hint: hints[errno] });
}

async function explained<T>(verb: string, path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof CliError ? error : fileError(verb, path, error);
  }
}

/** A file with more than `bytesMax` is refused before any of it is read; so is what never ends. */
export const readWholeFile = (path: string, bytesMax = Infinity): Promise<Uint8Array> =>
  explained("read", path, async () => {
    if (bytesMax === Infinity) return readFile(path);
    const handle = await open(path, "r");
    try {
      if ((await handle.stat()).size > bytesMax) throw tooLarge(path, bytesMax);
      const pieces: Uint8Array[] = [];
      let bytes = 0;
      for await (const piece of handle.createReadStream({ autoClose: false })) {
        pieces.push(piece as Uint8Array);
        bytes += (piece as Uint8Array).length;
        if (bytes > bytesMax) throw tooLarge(path, bytesMax);
      }
      return Buffer.concat(pieces);
    } finally {
      await handle.close();
    }
  });

const tooLarge = (path: string, bytesMax: number): CliError =>
  new CliError("NVME_ERR_FILE", `cannot read ${path}: it has more than ${bytesMax} bytes`);

export const writeWholeFile = (path: string, bytes: Uint8Array): Promise<void> =>
  explained("write", path, () => writeFile(path, bytes));

/** Writes so that nobody sees a part of it: beside it first, and then in its place. */
export const replaceFile = (path: string, text: string): Promise<void> =>
  explained("write", path, async () => {
    const draft = `${path}.${process.pid}.new`;
    try {
      await writeFile(draft, text);
      await rename(draft, path);
    } finally {
      await rm(draft, { force: true });
    }
  });

/** An open file, and whether it can be read and written at any place. */
export interface OpenFile {
  readonly handle: FileHandle;
  /** Its size; undefined for a pipe, a terminal and the like. */
  readonly bytes: number | undefined;
}

export const openForReading = (path: string): Promise<OpenFile> =>
  explained("open", path, async () => {
    const handle = await open(path, "r");
    const stats = await handle.stat();
    if (stats.isDirectory()) {
      await handle.close();
      throw fileError("read", path, Object.assign(new Error("directory"), { code: "EISDIR" }));
    }
    return { handle, bytes: stats.isFile() ? stats.size : undefined };
  });

/** Opens a file to be written from its beginning; what it held is cut off. */
export const openForWriting = (path: string): Promise<OpenFile> =>
  explained("write", path, async () => {
    const handle = await open(path, "w");
    const stats = await handle.stat();
    return { handle, bytes: stats.isFile() ? stats.size : undefined };
  });

/** Whether both paths lead to one file. */
export async function isSameFile(a: string, b: string): Promise<boolean> {
  try {
    const [one, other] = await Promise.all([stat(a), stat(b)]);
    return one.dev === other.dev && one.ino === other.ino;
  } catch {
    return false;
  }
}

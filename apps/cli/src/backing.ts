// Memory and files as block devices: --mem, --file and --block-size, for the verbs that serve them.
// Read first: @nvmeof/bdev memory.ts and node/file.ts.

import { type BlockDevice, memoryDevice } from "@nvmeof/bdev";
import { FileDeviceError, openFileDevice } from "@nvmeof/bdev/node";
import { systemClock } from "@nvmeof/transport/node";
import type { Option } from "commander";
import { CliError, errnoIn, usage } from "./errors.ts";
import { repeated, size, valued } from "./options.ts";

/** A device to serve, and its place among all --mem and --file. */
export type Backing = { readonly order: number } & (
  | { readonly kind: "memory"; readonly bytes: number }
  | { readonly kind: "file"; readonly path: string }
);

/** What was said about devices of this machine. */
export interface BackingOptions {
  readonly mem?: readonly Backing[];
  readonly file?: readonly Backing[];
  readonly blockSize: number;
}

function blockSize(text: string): number {
  const bytes = size(text);
  if (bytes >= 512 && bytes <= 65_536 && (bytes & (bytes - 1)) === 0) return bytes;
  throw usage(`"${text}" is no power of two from 512 to 65536`);
}

/** @param what each of them becomes: "a namespace". */
export function backingOptions(what: string): Option[] {
  let order = 0;
  const memory = (text: string): Backing => ({ order: order++, kind: "memory", bytes: size(text) });
  const file = (path: string): Backing => ({ order: order++, kind: "file", path });
  return [
    repeated("--mem <size>", `${what} in memory: 64M, 1G; repeat for more`, memory),
    repeated("--file <path>", `${what} in a file; repeat for more`, file),
    valued("--block-size <bytes>", "512 to 65536, a power of two", blockSize).default(512),
  ];
}

/** All that were given, in their order. */
export const backingsOf = ({ mem = [], file = [] }: BackingOptions): readonly Backing[] =>
  [...mem, ...file].sort((a, b) => a.order - b.order);

/** Opens one. @throws CliError or FileDeviceError for what cannot be a device. */
export async function openBacking(
  backing: Backing,
  blockBytes: number,
  readOnly = false,
): Promise<BlockDevice> {
  if (backing.kind === "file") return openFile(backing.path, blockBytes, readOnly);
  const { bytes, order } = backing;
  if (bytes % blockBytes !== 0 || bytes === 0) {
    const message = `--mem ${bytes}: no whole number of blocks of ${blockBytes} bytes`;
    throw new CliError("NVME_ERR_UNALIGNED", message, { hint: "Give it as 64M or 1G." });
  }
  const name = `memory ${order + 1}`;
  const blockCount = bytes / blockBytes;
  return memoryDevice({
    name,
    clock: systemClock,
    blockBytes,
    blockCount,
    memoryBytesMax: Infinity,
  });
}

/** What to do about a file, in the words of the command: those of the package are for programs. */
const fileHints: Readonly<Record<string, (path: string) => string>> = {
  ENOENT: (path) => `\`truncate -s 1G ${path}\` makes one.`,
  EACCES: () => "Look at the permissions of the file, and of the folders above it.",
  EPERM: () => "Look at the permissions of the file, and of the folders above it.",
  EROFS: () => "Copy it to where it can be written.",
};

async function openFile(path: string, blockBytes: number, readOnly: boolean): Promise<BlockDevice> {
  try {
    return await openFileDevice(path, { blockBytes, readOnly });
  } catch (error) {
    if (!(error instanceof FileDeviceError)) throw error;
    const { message, cause } = error;
    // An empty file is no more of a disk than none is.
    const errno = error.hint?.includes("sizeBytes") === true ? "ENOENT" : errnoIn(cause);
    const hint = fileHints[errno]?.(path) ?? error.hint?.replace("blockBytes", "--block-size");
    throw new CliError("NVME_ERR_FILE", message, { hint, cause });
  }
}

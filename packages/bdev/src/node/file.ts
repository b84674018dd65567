// A block device in a file: what is written is in the file, what is flushed is on the disk.
// Read first: ../block-device.ts for the contract; file-task.ts does the requests.

import * as fs from "node:fs";
import type { Clock } from "@nvmeof/transport";
import { systemClock } from "@nvmeof/transport/node";
import type {
  BlockDevice,
  BlockIdentity,
  BlockLimits,
  BlockRequest,
  BlockSettle,
} from "../block-device.ts";
import type { LocalChannel } from "../channel.ts";
import { LocalDevice } from "../local-device.ts";
import { FileDeviceError, errnoOf } from "./file-error.ts";
import { type FileIo, FileTask, type FileTaskOwner } from "./file-task.ts";

/** How a file is opened as a block device. */
export interface FileDeviceOptions {
  /** Size of a block: a power of two, 512 to 65,536. Default 512. */
  readonly blockBytes?: number | undefined;
  /** Opens the file for reading only. Default false. */
  readonly readOnly?: boolean | undefined;
  /**
   * Size of the device, bytes: a multiple of `blockBytes`. A file that does not exist is created with
   * it, as a hole that takes no room; one that exists must have it. Without it the file must exist.
   */
  readonly sizeBytes?: number | undefined;
  /** Default: the path. */
  readonly name?: string | undefined;
  readonly identity?: BlockIdentity | undefined;
  /** Default: 16 MiB in one transfer, no boundary, 128 in flight. */
  readonly limits?: Partial<BlockLimits> | undefined;
  /** Default: the system's. */
  readonly clock?: Clock | undefined;
}

/** Idle tasks that are kept for reuse; each may hold 128 KiB. */
const IDLE_TASKS_MAX = 32;

/**
 * Opens a regular file as a block device. Flush and Force Unit Access reach the disk (`fdatasync`);
 * Deallocate and Write Zeroes write zeroes where there are none yet, since Node cannot punch holes.
 * Nobody is kept from opening the file a second time: that is yours to ensure.
 *
 * `close()` of the device syncs and closes the file, and rejects if that fails.
 *
 * Raises `FileDeviceError` for a path that cannot serve (missing, a directory, not a whole number of
 * blocks, not of `sizeBytes`) and `RangeError` for sizes that no device can have.
 */
export async function openFileDevice(
  path: string,
  options: FileDeviceOptions = {},
): Promise<BlockDevice> {
  const { blockBytes = 512, readOnly = false, sizeBytes } = options;
  if (sizeBytes !== undefined && (!Number.isSafeInteger(sizeBytes) || sizeBytes % blockBytes > 0)) {
    throw new RangeError(`sizeBytes must be a multiple of ${blockBytes}, not ${sizeBytes}`);
  }
  const file = await openFile(path, readOnly, sizeBytes);
  try {
    const bytes = await checkedSize(file, path, blockBytes, sizeBytes);
    return new FileDevice(path, file.fd, fs, bytes, options);
  } catch (error) {
    await closeFile(file.fd);
    // A file that was made for this goes again; one that was there stays as it is.
    if (file.created) await remove(path);
    throw error;
  }
}

interface OpenFile {
  readonly fd: number;
  readonly created: boolean;
}

async function openFile(
  path: string,
  readOnly: boolean,
  sizeBytes: number | undefined,
): Promise<OpenFile> {
  try {
    // Looked at before it is opened: to open a pipe would wait for its other end.
    const stats = await statPath(path);
    if (stats.isDirectory()) throw new FileDeviceError(`${path} is a directory`);
    if (!stats.isFile()) throw new FileDeviceError(`${path} is not a regular file`);
    return { fd: await open(path, readOnly ? "r" : "r+"), created: false };
  } catch (error) {
    if (errnoOf(error) !== "ENOENT" || sizeBytes === undefined || readOnly) {
      throw openError(path, readOnly, error);
    }
  }
  try {
    // "x": if somebody else creates it right now, this fails and their file stays.
    return { fd: await open(path, "wx+"), created: true };
  } catch (error) {
    throw openError(path, readOnly, error);
  }
}

async function checkedSize(
  file: OpenFile,
  path: string,
  blockBytes: number,
  sizeBytes: number | undefined,
): Promise<number> {
  if (file.created) {
    await truncate(file.fd, sizeBytes!);
    return sizeBytes!;
  }
  const { size } = await stat(file.fd);
  if (size === 0) {
    throw new FileDeviceError(`${path} is empty`, {
      hint: "Remove it and give sizeBytes to create it, or give it a size with truncate(1).",
    });
  }
  if (size % blockBytes > 0) {
    const left = size % blockBytes;
    const message = `${path} has ${size} bytes: ${left} more than a multiple of ${blockBytes}`;
    throw new FileDeviceError(message, {
      hint: "Make it a whole number of blocks with truncate(1), or choose another blockBytes.",
    });
  }
  if (sizeBytes !== undefined && size !== sizeBytes) {
    throw new FileDeviceError(`${path} exists with ${size} bytes, not ${sizeBytes}`);
  }
  return size;
}

function openError(path: string, readOnly: boolean, cause: unknown): FileDeviceError {
  if (cause instanceof FileDeviceError) return cause;
  switch (errnoOf(cause)) {
    case "ENOENT":
      return new FileDeviceError(`${path} does not exist`, {
        cause,
        hint: "Give sizeBytes to create it.",
      });
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return new FileDeviceError(`${path} may not be ${readOnly ? "read" : "written"}`, {
        cause,
        hint: readOnly ? undefined : "Open it with readOnly, or change its permissions.",
      });
    default:
      return new FileDeviceError(`${path}: ${String(cause)}`, { cause });
  }
}

/** Exported for tests, which bring an `io` that fails; everybody else calls `openFileDevice`. */
export class FileDevice extends LocalDevice implements FileTaskOwner {
  readonly fd: number;
  readonly io: FileIo;
  readonly #idle: FileTask[] = [];
  #syncError: Error | undefined;

  constructor(path: string, fd: number, io: FileIo, bytes: number, options: FileDeviceOptions) {
    const { blockBytes = 512, readOnly = false } = options;
    super({
      name: options.name ?? path,
      clock: options.clock ?? systemClock,
      blockBytes,
      blockCount: bytes / blockBytes,
      identity: options.identity,
      limits: { inflightMax: 128, ...options.limits },
      features: {
        readOnly,
        volatileCache: !readOnly,
        writeZeroes: true,
        deallocate: true,
        compare: true,
        verify: true,
      },
    });
    this.fd = fd;
    this.io = io;
  }

  execute(channel: LocalChannel, request: BlockRequest, settle: BlockSettle): void {
    const task = this.#idle.pop() ?? new FileTask(this);
    task.run(channel, request, settle);
  }

  taskEnded(task: FileTask): void {
    if (this.#idle.length < IDLE_TASKS_MAX) this.#idle.push(task);
  }

  sync(done: (error: Error | null) => void): void {
    if (this.features.readOnly) return this.clock.defer(() => done(null));
    this.io.fdatasync(this.fd, (error) => {
      this.#syncError ??= error ?? undefined;
      done(this.#syncError ?? null);
    });
  }

  protected override async release(): Promise<void> {
    this.#idle.length = 0;
    const synced = await new Promise<Error | null>((resolve) => this.sync(resolve));
    const closed = await new Promise<Error | null>((resolve) => this.io.close(this.fd, resolve));
    const cause = synced ?? closed;
    if (cause)
      throw new FileDeviceError(`${this.name} was not closed: ${cause.message}`, { cause });
  }
}

const open = (path: string, flags: string): Promise<number> =>
  new Promise((resolve, reject) => {
    fs.open(path, flags, (error, fd) => (error ? reject(error) : resolve(fd)));
  });

const statPath = (path: string): Promise<fs.Stats> =>
  new Promise((resolve, reject) => {
    fs.stat(path, (error, stats) => (error ? reject(error) : resolve(stats)));
  });

const stat = (fd: number): Promise<fs.Stats> =>
  new Promise((resolve, reject) => {
    fs.fstat(fd, (error, stats) => (error ? reject(error) : resolve(stats)));
  });

const truncate = (fd: number, bytes: number): Promise<void> =>
  new Promise((resolve, reject) => {
    fs.ftruncate(fd, bytes, (error) => (error ? reject(error) : resolve()));
  });

const closeFile = (fd: number): Promise<void> =>
  new Promise((resolve) => fs.close(fd, () => resolve()));

const remove = (path: string): Promise<void> =>
  new Promise((resolve) => fs.unlink(path, () => resolve()));

// Where the control sockets of a user lie, and which of them have somebody behind.
// Read first: unix-socket.ts; the XDG Base Directory Specification, XDG_RUNTIME_DIR.

import { type Stats, lstatSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { dirname, join } from "node:path";
import { ControlError } from "../control/protocol.ts";
import { isStaleSocket } from "./unix-socket.ts";

/** Variables that say where it is. */
export type ControlEnv = Readonly<Record<string, string | undefined>>;

/** Sockets that are looked at; a user with more has left most of them behind. */
const SOCKETS_MAX = 256;

/** Sockets of one process: it may expose itself more than once, and has threads. */
const OF_PROCESS_MAX = 64;

const names = /^(\d+)(?:-\d+)?\.sock$/;

/** `$XDG_RUNTIME_DIR/nvmeof`, or a folder of the user among those that are temporary. */
export function controlFolder(env: ControlEnv = process.env): string {
  const runtime = env["XDG_RUNTIME_DIR"] ?? "";
  return runtime === "" ? join(tmpdir(), `nvmeof-${userInfo().uid}`) : join(runtime, "nvmeof");
}

/**
 * Makes the folder, for nobody but the user.
 *
 * @throws ControlError NVME_ERR_CONTROL where somebody else could put sockets there, or nobody can.
 */
export function makeControlFolder(folder: string): void {
  try {
    // Not `recursive`: where a file system says ENOENT of what cannot be made, Node tries for ever.
    if (!isMade(folder)) {
      isMade(dirname(folder));
      mkdirSync(folder, { mode: 0o700 });
    }
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ControlError("NVME_ERR_CONTROL", `no folder for control sockets: ${why}`, { cause });
  }
  const problem = problemOf(folder);
  if (problem === undefined) return;
  const hint = "Set XDG_RUNTIME_DIR to a folder of your own.";
  throw new ControlError("NVME_ERR_CONTROL", `no control socket in ${folder}: ${problem}`, {
    hint,
  });
}

/** Makes a folder, or finds it there; `false` where the folder that it is to be in is not there. */
function isMade(folder: string): boolean {
  try {
    mkdirSync(folder, { mode: 0o700 });
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return true;
    if (code === "ENOENT") return false;
    throw error;
  }
}

/** Why sockets in a folder are not to be trusted; undefined where nothing speaks against it. */
function problemOf(folder: string): string | undefined {
  const stats = lstatSync(folder, { throwIfNoEntry: false });
  if (stats?.isDirectory() !== true) return "it is no folder";
  if (!isOwn(stats)) return "it is somebody else's";
  return (stats.mode & 0o022) === 0 ? undefined : "others may write there";
}

const isOwn = ({ uid }: Stats): boolean => process.getuid?.() === uid;

/** A path in the folder that no living process has. */
export async function freeControlPath(folder: string): Promise<string> {
  for (let count = 1; count <= OF_PROCESS_MAX; count++) {
    const path = join(folder, count === 1 ? `${process.pid}.sock` : `${process.pid}-${count}.sock`);
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats === undefined || (await isStaleSocket(path))) return path;
  }
  const message = `this process has ${OF_PROCESS_MAX} control sockets already`;
  throw new ControlError("NVME_ERR_CONTROL", message);
}

/** A socket, and the process that its name says it is of. */
export interface ControlSocket {
  readonly pid: number;
  readonly path: string;
}

/** The sockets that somebody listens at, by process. Those that were left behind are removed. */
export async function controlSockets(folder: string): Promise<readonly ControlSocket[]> {
  if (problemOf(folder) !== undefined) return [];
  const found: ControlSocket[] = [];
  for (const name of readdirSync(folder).slice(0, SOCKETS_MAX)) {
    const pid = Number(names.exec(name)?.[1]);
    const path = join(folder, name);
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (Number.isNaN(pid) || stats?.isSocket() !== true || !isOwn(stats)) continue;
    if (await isStaleSocket(path)) rmSync(path, { force: true });
    else found.push({ pid, path });
  }
  // "7.sock" is older than "7-2.sock".
  return found.sort((a, b) => a.pid - b.pid || a.path.length - b.path.length);
}

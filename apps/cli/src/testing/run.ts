// Runs the command in this process, with streams, signals and a home of the test's own.

import { EventEmitter } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable, Writable } from "node:stream";
import { afterAll } from "vitest";
import type { Envelope } from "../envelope.ts";
import type { ErrorObject } from "../errors.ts";
import type { Io, Sink } from "../io.ts";
import { main } from "../main.ts";

/** A folder for the files of one test file; it goes when its last test has ended. */
export const folder: string = mkdtempSync(join(tmpdir(), "nvmeof-cli-"));
afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));

/** A path in it that nobody else has. */
export const freshPath = (name: string): string => join(mkdtempSync(join(folder, "f-")), name);

/** Keeps what is written to it. */
export class Kept extends Writable {
  readonly isTTY: boolean;
  readonly columns = 100;
  readonly #chunks: Buffer[] = [];
  readonly #next: (() => void)[] = [];
  readonly #awaited: { text: string; found: () => void }[] = [];

  constructor(isTTY = false) {
    super();
    this.isTTY = isTTY;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  get text(): string {
    return this.bytes.toString();
  }

  /** Resolves once `text` was written. */
  contains(text: string): Promise<void> {
    return new Promise((found) => {
      this.#awaited.push({ text, found });
      this.#tell();
    });
  }

  /** Resolves when something more is written. */
  written(): Promise<void> {
    return new Promise((resolve) => void this.#next.push(resolve));
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#chunks.push(chunk);
    this.#tell();
    done();
  }

  #tell(): void {
    for (const tell of this.#next.splice(0)) tell();
    if (this.#awaited.length === 0) return;
    const { text } = this;
    for (const awaited of this.#awaited) if (text.includes(awaited.text)) awaited.found();
  }
}

/** How a test runs the command. */
export interface RunOptions {
  /** Bytes of stdin, or the stream itself. */
  readonly stdin?: Uint8Array | string | (Readable & { readonly isTTY?: boolean });
  /** A person sits there: stdout and stderr are terminals. */
  readonly tty?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  /** In place of the stdout that keeps. */
  readonly stdout?: Sink;
}

/** A command that runs, or has run. */
export interface Run {
  readonly stdout: Kept;
  readonly stderr: Kept;
  /** Sends SIGINT or SIGTERM. */
  readonly signal: (name: "SIGINT" | "SIGTERM") => void;
  /** What the command said to the process when it wanted to end at once. */
  readonly quits: number[];
  /** Its exit code. */
  readonly ended: Promise<number>;
}

const home = freshPath("config");
const runtime = freshPath("runtime");

/** Starts `nvmeof <args>`. */
export function start(args: readonly string[], options: RunOptions = {}): Run {
  const { tty = false, stdin = "" } = options;
  const stdout = new Kept(tty);
  const stderr = new Kept(tty);
  const signals = new EventEmitter();
  const quits: number[] = [];
  const isData = typeof stdin === "string" || stdin instanceof Uint8Array;
  const io: Io = {
    stdin: isData ? Readable.from(stdin.length === 0 ? [] : [Buffer.from(stdin)]) : stdin,
    stdout: options.stdout ?? stdout,
    stderr,
    env: { XDG_CONFIG_HOME: home, XDG_RUNTIME_DIR: runtime, ...options.env },
    signals,
    quit: (exitCode) => void quits.push(exitCode),
  };
  const ended = main(args, io);
  return { stdout, stderr, quits, ended, signal: (name) => void signals.emit(name) };
}

/** What a command left behind. */
export interface Outcome {
  readonly exitCode: number;
  readonly stdout: string;
  readonly bytes: Buffer;
  readonly stderr: string;
}

/** Runs `nvmeof <args>` to its end. */
export async function nvmeof(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const { stdout, stderr, ended } = start(args, options);
  const exitCode = await ended;
  return { exitCode, stdout: stdout.text, bytes: stdout.bytes, stderr: stderr.text };
}

/** The same with --json: the envelope, and the exit code. */
export async function nvmeofJson(
  args: readonly string[],
  options: RunOptions = {},
): Promise<Envelope & { readonly exitCode: number }> {
  const { exitCode, stdout } = await nvmeof([...args, "--json"], options);
  return { ...(JSON.parse(stdout) as Envelope), exitCode };
}

/** The error of a command that is to fail; with its exit code, which must be the one it names. */
export async function failure(
  args: readonly string[],
  options: RunOptions = {},
): Promise<ErrorObject> {
  const { error, exitCode } = await nvmeofJson(args, options);
  if (error === null) throw new Error(`nvmeof ${args.join(" ")} has not failed`);
  if (error.exitCode !== exitCode) throw new Error(`${error.exitCode} said, ${exitCode} given`);
  return error;
}

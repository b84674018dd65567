// Asks a process over its control socket, and finds the processes that can be asked.
// Read first: ../control/protocol.ts for what is said; expose-control.ts is the other side.

import { type Socket, connect } from "node:net";
import { TimeoutError } from "@nvmeof/core";
import {
  CONTROL_REPLY_BYTES_MAX,
  type ControlAnswers,
  ControlError,
  type ControlQuestion,
  LineCutter,
  parseReply,
  requestLine,
} from "../control/protocol.ts";
import type { ControlHello, ControlSnapshot } from "../control/snapshot.ts";
import { type ControlSocket, controlFolder, controlSockets } from "./control-folder.ts";

/** How long a process may take to answer, ms. */
const TIMEOUT_MS = 5_000;

/** Time for one of many processes to say who it is, ms: one that is stopped keeps nobody waiting. */
const HELLO_TIMEOUT_MS = 1_000;

interface Asked {
  readonly get: ControlQuestion;
  readonly id: number;
  readonly done: (line: string) => void;
  readonly failed: (error: Error) => void;
}

/** A connection to a process. One question at a time. */
export class ControlClient implements AsyncDisposable {
  readonly #socket: Socket;
  readonly #timeoutMs: number;
  readonly #cutter = new LineCutter(CONTROL_REPLY_BYTES_MAX);
  #asked: Asked | undefined;
  #lastId = 0;
  /** Why nothing can be asked any more. */
  #end: Error | undefined;

  private constructor(socket: Socket, timeoutMs: number) {
    this.#socket = socket;
    this.#timeoutMs = timeoutMs;
    socket.on("data", (chunk: Buffer) => {
      const fits = this.#cutter.receive(chunk, (line) => this.#answered(line));
      const message = "its answer is too long";
      if (!fits) this.#finish(new ControlError("NVME_ERR_CONTROL", message));
    });
    socket.on("timeout", () => this.#finish(new TimeoutError("answering", timeoutMs)));
    socket.on("error", (cause) => this.#finish(ended(cause)));
    socket.on("close", () => this.#finish(ended()));
  }

  /**
   * Connects to the socket at `path`.
   *
   * Rejects with ControlError NVME_ERR_NOT_FOUND where nobody listens.
   */
  static connect(path: string, timeoutMs: number = TIMEOUT_MS): Promise<ControlClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ path });
      const refuse = (cause: Error): void => {
        const hint = "Is it the path of a control socket? `nvmeof top` alone lists the processes.";
        const message = `no process can be asked at ${path}`;
        reject(new ControlError("NVME_ERR_NOT_FOUND", message, { cause, hint }));
      };
      socket.once("error", refuse);
      socket.once("connect", () => {
        socket.off("error", refuse);
        resolve(new ControlClient(socket, timeoutMs));
      });
    });
  }

  hello(): Promise<ControlHello> {
    return this.#ask("hello");
  }

  /** Rejects with ControlError, or TimeoutError of a process that is stopped; then it is of no more use. */
  snapshot(): Promise<ControlSnapshot> {
    return this.#ask("snapshot");
  }

  close(): void {
    this.#finish(new ControlError("NVME_ERR_CONTROL", "the connection was closed"));
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }

  async #ask<Get extends ControlQuestion>(get: Get): Promise<ControlAnswers[Get]> {
    if (this.#end !== undefined) throw this.#end;
    if (this.#asked !== undefined) throw new Error("one question at a time");
    const id = ++this.#lastId;
    const line = await new Promise<string>((done, failed) => {
      this.#asked = { get, id, done, failed };
      this.#socket.setTimeout(this.#timeoutMs);
      this.#socket.write(requestLine(get, id));
    });
    return parseReply(line, get, id);
  }

  #answered(line: string): void {
    const asked = this.#asked;
    this.#asked = undefined;
    this.#socket.setTimeout(0);
    asked?.done(line);
  }

  #finish(error: Error): void {
    if (this.#end !== undefined) return;
    this.#end = error;
    this.#socket.destroy();
    const asked = this.#asked;
    this.#asked = undefined;
    asked?.failed(error);
  }
}

const ended = (cause?: Error): ControlError =>
  new ControlError("NVME_ERR_CONNECTION_LOST", "the process has ended", { cause });

/** A process that can be asked. */
export interface ControlProcess extends ControlSocket {
  /** undefined where it does not say in time: it is stopped, or very busy, or speaks another version. */
  readonly hello: ControlHello | undefined;
}

/** The processes of this user that can be asked, by number. Sockets that were left behind are removed. */
export async function controlProcesses(
  folder: string = controlFolder(),
): Promise<readonly ControlProcess[]> {
  const sockets = await controlSockets(folder);
  return Promise.all(sockets.map(async (each) => ({ ...each, hello: await helloOf(each.path) })));
}

async function helloOf(path: string): Promise<ControlHello | undefined> {
  let client: ControlClient | undefined;
  try {
    client = await ControlClient.connect(path, HELLO_TIMEOUT_MS);
    return await client.hello();
  } catch {
    return undefined;
  } finally {
    client?.close();
  }
}

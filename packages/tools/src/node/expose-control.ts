// A control socket: lets `nvmeof top` and others of the same user look at this process while it works.
// Read first: ../control/protocol.ts for what is said, control-folder.ts for where; README.md "Watching".

import { rmSync } from "node:fs";
import { type Server, type Socket, createServer } from "node:net";
import { type IntervalHistogram, monitorEventLoopDelay, performance } from "node:perf_hooks";
import {
  type ControlLimits,
  LineCutter,
  defaultControlLimits,
  parseRequest,
  problemLine,
  replyLine,
} from "../control/protocol.ts";
import type {
  ControlHello,
  ControlSnapshot,
  EventLoopView,
  LoopDelayView,
  ProcessView,
  ResourcesView,
} from "../control/snapshot.ts";
import { type ControlSource, ControlSources } from "../control/sources.ts";
import { ControlError } from "../control/protocol.ts";
import { controlFolder, freeControlPath, makeControlFolder } from "./control-folder.ts";
import { listenAtPath } from "./unix-socket.ts";

/** How a process is exposed. */
export interface ExposeOptions {
  /** What the process does, for those who choose among several. Default "node". */
  readonly name?: string;
  /** Folder of the socket. Default: where `nvmeof top` looks. */
  readonly folder?: string;
  readonly limits?: Partial<ControlLimits>;
}

/** A process that can be looked at. */
export interface ExposedControl extends AsyncDisposable {
  /** Path of the socket. */
  readonly path: string;
  /** Clients that look now. */
  readonly clients: number;
  /** Tells of one more source, until the returned function is called. */
  add(source: ControlSource): () => void;
  /** Removes the socket; clients are cut off. Idempotent. */
  close(): Promise<void>;
}

/**
 * Opens a control socket. It tells, and changes nothing; only the user who runs the process can open it.
 * Nothing is gathered before somebody asks. It keeps no program from ending.
 *
 * @param sources what it tells of; more can be added.
 * @throws ControlError NVME_ERR_CONTROL where there can be none: on Windows, or for want of a folder;
 * TransportError NVME_ERR_UNREACHABLE; RangeError for a limit that cannot be.
 */
export async function exposeControl(
  sources: ControlSource | readonly ControlSource[] = [],
  options: ExposeOptions = {},
): Promise<ExposedControl> {
  if (process.platform === "win32") {
    throw new ControlError("NVME_ERR_CONTROL", "there are no control sockets on Windows");
  }
  const limits = checked({ ...defaultControlLimits, ...options.limits });
  const folder = options.folder ?? controlFolder();
  makeControlFolder(folder);
  const path = await freeControlPath(folder);
  const exposed = new Exposed(path, options.name ?? "node", limits);
  await exposed.listen();
  for (const source of Array.isArray(sources) ? sources : [sources as ControlSource]) {
    exposed.add(source);
  }
  return exposed;
}

function checked(limits: ControlLimits): ControlLimits {
  for (const [name, value] of Object.entries(limits) as [string, number][]) {
    if (Number.isInteger(value) && value >= 1) continue;
    throw new RangeError(`${name} must be a whole number from 1, not ${value}`);
  }
  return limits;
}

/** How often the event loop is looked at while somebody watches, ms. */
const RESOLUTION_MS = 10;
const HELLO_SUBSYSTEMS_MAX = 8;

class Exposed implements ExposedControl {
  readonly path: string;
  readonly #process: ProcessView;
  readonly #limits: ControlLimits;
  readonly #sources: ControlSources;
  readonly #server: Server;
  readonly #delays: IntervalHistogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  /** Least recently heard of first. */
  readonly #clients = new Set<Client>();
  #latest: { readonly text: string; readonly atMs: number } | undefined;
  #closed: Promise<void> | undefined;
  readonly #remove = (): void => rmSync(this.path, { force: true });

  constructor(path: string, name: string, limits: ControlLimits) {
    this.path = path;
    this.#limits = limits;
    this.#process = {
      pid: process.pid,
      name,
      startedAt: new Date(performance.timeOrigin).toISOString(),
      node: process.versions.node,
    };
    this.#sources = new ControlSources(limits.rowsMax);
    this.#server = createServer((socket) => this.#accept(socket));
  }

  async listen(): Promise<void> {
    await listenAtPath(this.#server, this.path);
    this.#server.unref();
    process.once("exit", this.#remove);
  }

  get clients(): number {
    return this.#clients.size;
  }

  add(source: ControlSource): () => void {
    return this.#sources.add(source);
  }

  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      process.off("exit", this.#remove);
      // Node removes the socket with this.
      this.#server.close(() => resolve());
      for (const client of this.#clients) client.cut();
    });
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #accept(socket: Socket): void {
    const { clientsMax } = this.#limits;
    if (this.#clients.size >= clientsMax) {
      const [silent] = this.#clients;
      silent?.cut();
    }
    const client: Client = new Client(socket, this.#limits, {
      answer: (line) => {
        // It goes to the end of those who were heard of.
        if (this.#clients.delete(client)) this.#clients.add(client);
        return this.#answer(line);
      },
      gone: () => {
        this.#clients.delete(client);
        if (this.#clients.size === 0) this.#delays.disable();
      },
    });
    if (this.#clients.size === 0) {
      this.#delays.reset();
      this.#delays.enable();
    }
    this.#clients.add(client);
  }

  #answer(line: string): Answer {
    const request = parseRequest(line);
    if ("problem" in request) {
      return { text: problemLine(request.id, request.problem), isLast: request.fatal };
    }
    const data = request.get === "hello" ? JSON.stringify(this.#hello()) : this.#snapshotText();
    return { text: replyLine(request.id, request.get, data), isLast: false };
  }

  #hello(): ControlHello {
    const { subsystems } = this.#sources.views();
    const named = subsystems.map(({ nqn, name }) => (nqn === "" ? name : nqn));
    return { process: this.#process, subsystems: named.slice(0, HELLO_SUBSYSTEMS_MAX) };
  }

  /** However many ask, and however often: the work of one snapshot for each interval. */
  #snapshotText(): string {
    const nowMs = performance.now();
    const { snapshotIntervalMs } = this.#limits;
    if (this.#latest === undefined || nowMs >= this.#latest.atMs + snapshotIntervalMs) {
      this.#latest = { text: JSON.stringify(this.#snapshot(nowMs)), atMs: nowMs };
    }
    return this.#latest.text;
  }

  #snapshot(nowMs: number): ControlSnapshot {
    return {
      nowMs,
      at: new Date().toISOString(),
      process: this.#process,
      eventLoop: this.#eventLoop(),
      resources: resources(),
      ...this.#sources.views(),
    };
  }

  #eventLoop(): EventLoopView {
    const { idle: idleMs, active: activeMs } = performance.eventLoopUtilization();
    const delay = delayOf(this.#delays);
    this.#delays.reset();
    return { idleMs, activeMs, delay };
  }
}

/** Node counts from one look to the next: what is more than the time between them is delay. */
function delayOf(delays: IntervalHistogram): LoopDelayView | null {
  if (delays.count === 0) return null;
  const late = (ns: number): number => Math.max(0, ns / 1e6 - RESOLUTION_MS);
  return {
    meanMs: late(delays.mean),
    p50Ms: late(delays.percentile(50)),
    p99Ms: late(delays.percentile(99)),
    maxMs: late(delays.max),
  };
}

function resources(): ResourcesView {
  const { user, system } = process.cpuUsage();
  return {
    cpuUserMs: user / 1000,
    cpuSystemMs: system / 1000,
    rssBytes: process.memoryUsage.rss(),
  };
}

interface Answer {
  readonly text: string;
  /** Nothing more is taken from this client. */
  readonly isLast: boolean;
}

interface ClientOwner {
  answer(line: string): Answer;
  gone(): void;
}

/** Somebody who asks. One reply is on its way at most; until it is read, no request is. */
class Client {
  readonly #socket: Socket;
  readonly #limits: ControlLimits;
  readonly #owner: ClientOwner;
  readonly #cutter: LineCutter;
  #waiting: string[] = [];
  #phase: "open" | "blocked" | "last" = "open";

  constructor(socket: Socket, limits: ControlLimits, owner: ClientOwner) {
    this.#socket = socket;
    this.#limits = limits;
    this.#owner = owner;
    this.#cutter = new LineCutter(limits.requestBytesMax);
    socket.unref();
    socket.on("error", () => {}); // it closes next
    socket.on("close", () => owner.gone());
    socket.on("drain", () => this.#drained());
    socket.on("timeout", () => {
      // Who waits for nothing may be silent for as long as it likes.
      if (this.#phase !== "open") this.cut();
    });
    socket.on("data", (chunk: Buffer) => {
      const fits = this.#cutter.receive(chunk, (line) => this.#waiting.push(line));
      this.#serve();
      if (!fits && this.#phase !== "last") this.#say({ text: tooLong, isLast: true });
    });
  }

  cut(): void {
    this.#socket.destroy();
  }

  #serve(): void {
    while (this.#phase === "open") {
      const line = this.#waiting.shift();
      if (line === undefined) return;
      this.#say(this.#owner.answer(line));
    }
  }

  #say({ text, isLast }: Answer): void {
    const isTaken = this.#socket.write(text);
    if (isLast) {
      this.#phase = "last";
      this.#waiting = [];
      this.#socket.pause();
      this.#socket.setTimeout(this.#limits.stallTimeoutMs);
      this.#socket.end();
    } else if (!isTaken) {
      this.#phase = "blocked";
      this.#socket.pause();
      this.#socket.setTimeout(this.#limits.stallTimeoutMs);
    }
  }

  #drained(): void {
    if (this.#phase !== "blocked") return;
    this.#phase = "open";
    this.#socket.setTimeout(0);
    this.#serve();
    if ((this.#phase as string) === "open") this.#socket.resume();
  }
}

const tooLong = problemLine(null, "the request is too long");

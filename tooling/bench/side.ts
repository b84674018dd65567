// One side of a comparison: a server on one core, a client on another, and what both cost in a slice.
// Read first: meter.ts, which is the client's half of the same story.

import { busyUs, cpuTime, systemCalls } from "./machine.ts";
import type { LoadOptions, SliceOptions, SliceResult } from "./meter.ts";
import { type Command, Running, program } from "./programs.ts";

/** Who serves, and who asks. Programs of this folder, see `program`. */
export interface Pair {
  readonly server: string;
  readonly serverArguments?: readonly string[];
  readonly client: string;
}

/** What a load is. */
export type Load = Pick<LoadOptions, "op" | "bytes" | "depth"> &
  Partial<Pick<LoadOptions, "digests" | "api" | "queues" | "namespaces" | "blocks">>;

/** Flags of Node for one of the programs, which must then be JavaScript. */
export interface Flags {
  readonly client?: readonly string[];
  readonly server?: readonly string[];
}

/** Figures of a slice. Times in us per I/O. */
export interface Figures {
  readonly iops: number;
  readonly bytesPerSecond: number;
  readonly meanUs: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** CPU of the client, user and system. */
  readonly clientCpuUs: number;
  /** What others used of the machine meanwhile: 1 is a core. */
  readonly foreignCores: number | undefined;
}

/** Figures of all slices together, where single ones would be too coarse. Times in us per I/O. */
export interface Totals {
  readonly clientUserUs: number;
  readonly clientSystemUs: number;
  readonly serverUserUs: number | undefined;
  readonly serverSystemUs: number | undefined;
  /** I/Os for each system call that wrote, or read; of the client, and of the server. */
  readonly iosPerWrite: number | undefined;
  readonly iosPerRead: number | undefined;
  readonly serverIosPerWrite: number | undefined;
  readonly clientRssBytes: number;
}

/** What the machine says of both programs. */
interface Counts {
  readonly completed: number;
  readonly server: ReturnType<typeof cpuTime>;
  readonly clientCalls: ReturnType<typeof systemCalls>;
  readonly serverCalls: ReturnType<typeof systemCalls>;
}

const less = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined || b === undefined ? undefined : a - b;

const over = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined || b === undefined || b <= 0 ? undefined : a / b;

async function commandOf(
  name: string,
  flags: readonly string[] = [],
  ...args: readonly string[]
): Promise<Command> {
  const [file, ...rest] = await program(name);
  return [file!, ...flags, ...rest, ...args];
}

/** I/Os, or bytes of them, after which what they run through has been compiled. */
const WARM_IOS = 20_000;
const WARM_BYTES = 400 * 1024 * 1024;

export class Side {
  readonly #pair: Pair;
  readonly #load: Load;
  readonly #server: Running;
  readonly #client: Running;
  #from: Counts;
  #rssBytes = 0;
  #completed = 0;
  /** Measured since the warm-up. */
  #sum = { ios: 0, userUs: 0, systemUs: 0 };

  private constructor(pair: Pair, load: Load, server: Running, client: Running) {
    this.#pair = pair;
    this.#load = load;
    this.#server = server;
    this.#client = client;
    this.#from = this.#counts();
  }

  /** Starts both programs: the server on core 1, the client on core 0. */
  static async start(pair: Pair, load: Load, flags: Flags = {}): Promise<Side> {
    const serving = await commandOf(pair.server, flags.server, ...(pair.serverArguments ?? []));
    const server = new Running(serving, 1);
    const { port } = await server.says<{ port: number }>();
    const options: LoadOptions = { port, digests: false, ...load };
    const asking = await commandOf(pair.client, flags.client, JSON.stringify(options));
    const client = new Running(asking, 0);
    const side = new Side(pair, load, server, client);
    await side.#answer<{ ready: true }>();
    return side;
  }

  /** Runs a slice that does not count: what compiles, compiles, and what was there before ends. */
  async warmUp(warmMs: number): Promise<void> {
    const warmIos = Math.min(WARM_IOS, Math.floor(WARM_BYTES / this.#load.bytes));
    await this.slice({ warmMs, warmIos, measureMs: 1 });
    this.#from = this.#counts();
    this.#sum = { ios: 0, userUs: 0, systemUs: 0 };
  }

  /** @throws Error where an I/O was lost or failed. */
  async slice(options: SliceOptions): Promise<Figures> {
    const before = this.#spent();
    this.#client.tell(options);
    const result = await this.#answer<SliceResult>();
    const after = this.#spent();
    this.#check(result);
    this.#rssBytes = result.rssBytes;
    this.#completed = result.completed;
    this.#sum.ios += result.ios;
    this.#sum.userUs += result.userUs * result.ios;
    this.#sum.systemUs += result.systemUs * result.ios;
    const iops = (result.ios * 1000) / result.elapsedMs;
    const foreignUs = less(after.foreignUs, before.foreignUs);
    return {
      iops,
      bytesPerSecond: iops * this.#load.bytes,
      meanUs: result.meanUs,
      p50Us: result.p50Us,
      p99Us: result.p99Us,
      clientCpuUs: result.userUs + result.systemUs,
      foreignCores:
        foreignUs === undefined
          ? undefined
          : Math.max(0, foreignUs / ((after.atMs - before.atMs) * 1000)),
    };
  }

  /** Figures since the warm-up. */
  totals(): Totals {
    const to = this.#counts();
    const from = this.#from;
    const ios = to.completed - from.completed;
    const { client, server } = this.#pair;
    // What C does with sockets is not counted there.
    const calls = (which: "clientCalls" | "serverCalls", kind: "writes" | "reads") =>
      (which === "clientCalls" ? client : server).endsWith(".c")
        ? undefined
        : over(ios, less(to[which]?.[kind], from[which]?.[kind]));
    return {
      clientUserUs: this.#sum.userUs / this.#sum.ios,
      clientSystemUs: this.#sum.systemUs / this.#sum.ios,
      serverUserUs: over(less(to.server?.userUs, from.server?.userUs), ios),
      serverSystemUs: over(less(to.server?.systemUs, from.server?.systemUs), ios),
      iosPerWrite: calls("clientCalls", "writes"),
      iosPerRead: calls("clientCalls", "reads"),
      serverIosPerWrite: calls("serverCalls", "writes"),
      clientRssBytes: this.#rssBytes,
    };
  }

  /** Ends both, and hears whether the client was content: it looks at its buffers last. */
  async end(): Promise<void> {
    const code = await this.#client.end();
    if (code !== 0) throw this.#failure(`the client ended with ${code ?? "a signal"}`);
    await this.#server.end();
  }

  /** Ends both at once, whatever they do. */
  async kill(): Promise<void> {
    await Promise.all([this.#client.kill(), this.#server.kill()]);
  }

  async #answer<T>(): Promise<T> {
    try {
      return await this.#client.says<T>();
    } catch (error) {
      throw this.#failure(String(error));
    }
  }

  #check({ ios, submitted, completed, failed }: SliceResult): void {
    if (failed > 0) throw this.#failure(`${failed} of ${completed} I/Os failed`);
    if (completed !== submitted) {
      throw this.#failure(`${completed} of ${submitted} I/Os completed`);
    }
    if (!(ios > 0)) throw this.#failure("no I/O completed in the time measured");
  }

  #failure(message: string): Error {
    const { client, server } = this.#pair;
    const said = this.#client.errors + this.#server.errors;
    return new Error(`${client} against ${server}: ${message}\n${said}`.trimEnd());
  }

  #counts(): Counts {
    return {
      completed: this.#completed,
      server: cpuTime(this.#server.pid),
      clientCalls: systemCalls(this.#client.pid),
      serverCalls: systemCalls(this.#server.pid),
    };
  }

  /** CPU time that others have spent so far, us. */
  #spent(): { readonly atMs: number; readonly foreignUs: number | undefined } {
    const own = process.cpuUsage();
    const both = [cpuTime(this.#client.pid), cpuTime(this.#server.pid)];
    const oursUs = both.reduce(
      (sum, time) => sum + (time === undefined ? 0 : time.userUs + time.systemUs),
      own.user + own.system,
    );
    return { atMs: performance.now(), foreignUs: less(busyUs(), oursUs) };
  }
}

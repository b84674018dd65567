// What the proxy does to a connection, and that nothing it lets through is changed, lost or reordered.
// Read first: proxy.ts.
import { once } from "node:events";
import { type AddressInfo, type Server, type Socket, connect, createServer } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { SoakProxy } from "./proxy.ts";

/** One end, with all that came to it. */
class End {
  readonly socket: Socket;
  readonly closed: Promise<void>;
  readonly errors: (string | undefined)[] = [];
  #pieces: Buffer[] = [];
  #bytes = 0;
  #wake = (): void => {};

  constructor(socket: Socket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => socket.on("close", () => resolve()));
    socket.on("error", ({ code }: NodeJS.ErrnoException) => this.errors.push(code));
    socket.on("data", (piece) => {
      this.#pieces.push(piece);
      this.#bytes += piece.length;
      this.#wake();
    });
  }

  get received(): Buffer {
    return Buffer.concat(this.#pieces);
  }

  async has(bytes: number): Promise<Buffer> {
    while (this.#bytes < bytes) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.received;
  }
}

let server: Server;
let proxy: SoakProxy;
const accepted: End[] = [];
const portOf = (each: Server): number => (each.address() as AddressInfo).port;

/** A server that sends everything back. */
async function echo(): Promise<Server> {
  const made = createServer((socket) => {
    accepted.push(new End(socket));
    socket.pipe(socket);
  }).listen(0, "127.0.0.1");
  await once(made, "listening");
  return made;
}

async function client(port = proxy.port): Promise<End> {
  const end = new End(connect(port, "127.0.0.1"));
  await Promise.race([new Promise((resolve) => end.socket.on("connect", resolve)), end.closed]);
  return end;
}

/** A client, and what the server has of it. */
async function pair(): Promise<[near: End, far: End]> {
  const near = await client();
  near.socket.write(".");
  await near.has(1);
  return [near, accepted.at(-1)!];
}

beforeEach(async () => {
  accepted.length = 0;
  server = await echo();
  proxy = await SoakProxy.listen({ host: "127.0.0.1", port: portOf(server) });
});

afterEach(async () => {
  await proxy[Symbol.asyncDispose]();
  expect(proxy.sockets).toBe(0);
  for (const { socket } of accepted) socket.destroy();
  server.close();
});

test("bytes pass as they are, many at a time", async () => {
  const near = await client();
  const sent = Buffer.from(Uint8Array.from({ length: 3_000_000 }, (_, i) => i * 31));
  near.socket.end(sent);
  expect((await near.has(sent.length)).equals(sent)).toBe(true);
  await near.closed;
  expect(near.errors).toEqual([]);
});

test("a delay holds each byte back, and keeps the order when it ends", async () => {
  const [near, far] = await pair();
  proxy.delayMs = 60;
  const startMs = performance.now();
  near.socket.write("ab");
  await far.has(3);
  expect(performance.now() - startMs).toBeGreaterThanOrEqual(59);
  proxy.delayMs = 0;
  near.socket.write("cd");
  expect(String(await near.has(5))).toBe(".abcd");
});

test("a black hole keeps everything, and the news of an end, until it is over", async () => {
  const [near, far] = await pair();
  const [gone, farOfGone] = await pair();
  proxy.isHeld = true;
  near.socket.write("kept");
  gone.socket.destroy();
  await gone.closed;
  // Another connection, past the proxy and to and fro, takes longer than the bytes would have.
  const other = await client(portOf(server));
  other.socket.write("x");
  await other.has(1);
  expect(String(far.received)).toBe(".");
  expect(farOfGone.socket.destroyed).toBe(false);
  proxy.isHeld = false;
  expect(String(await near.has(5))).toBe(".kept");
  await farOfGone.closed;
});

test.each(["reset", "close"] as const)("a %s is one, and both sides hear of it", async (how) => {
  const [near, far] = await pair();
  proxy.cut(how);
  await Promise.all([near.closed, far.closed]);
  const errors = how === "reset" ? ["ECONNRESET"] : [];
  expect([near.errors, far.errors]).toEqual([errors, errors]);
});

test("who is refused is told at once", async () => {
  proxy.refuses = true;
  await (
    await client()
  ).closed;
  expect(accepted).toHaveLength(0);
  proxy.refuses = false;
  await pair();
});

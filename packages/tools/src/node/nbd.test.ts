// The NBD server over real sockets: TCP, paths, TLS; and what is left behind, which is nothing.

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { type Socket, connect as connectSocket, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { type BlockDevice, memoryDevice } from "@nvmeof/bdev";
import { systemClock } from "@nvmeof/transport/node";
import { afterAll, describe, expect, test } from "vitest";
import { NbdCommand, NbdOption } from "../nbd/protocol.ts";
import { certificates } from "../testing/certificates.ts";
import { infoData, optionOf, requestOf } from "../testing/nbd-client.ts";
import { nbdListen } from "./nbd-listener.ts";
import { type ServeNbdOptions, type ServedNbd, serveNbd } from "./nbd.ts";

const folder = mkdtempSync(join(tmpdir(), "nvmeof-nbd-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let paths = 0;
const freshPath = (): string => join(folder, `s${paths++}`);

const disk = (): BlockDevice =>
  memoryDevice({ name: "m", clock: systemClock, blockBytes: 512, blockCount: 8192 });

const serve = (options: Partial<ServeNbdOptions> = {}): Promise<ServedNbd> =>
  serveNbd({ exports: disk(), port: 0, ...options });

/** A socket that is read in pieces of a known size. */
class Wire {
  readonly socket: Socket;
  readonly closed: Promise<void>;
  #bytes: Buffer = Buffer.alloc(0);
  #arrived: () => void = () => {};

  constructor(socket: Socket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => socket.on("close", () => resolve()));
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      this.#arrived();
    });
  }

  static to({ address }: ServedNbd): Wire {
    return new Wire(
      "socket" in address ? connectSocket({ path: address.socket }) : connectSocket(address),
    );
  }

  send(...parts: readonly Uint8Array[]): void {
    for (const part of parts) this.socket.write(part);
  }

  async take(bytes: number): Promise<Buffer> {
    while (this.#bytes.length < bytes) {
      const arrived = new Promise<boolean>((resolve) => (this.#arrived = () => resolve(true)));
      const isMore = await Promise.race([arrived, this.closed.then(() => false)]);
      if (!isMore && this.#bytes.length < bytes)
        throw new Error(`${this.#bytes.length} bytes, then the end`);
    }
    const taken = this.#bytes.subarray(0, bytes);
    this.#bytes = this.#bytes.subarray(bytes);
    return taken;
  }

  async hello(): Promise<void> {
    await this.take(18);
    this.send(Uint8Array.of(0, 0, 0, 3));
  }

  /** The type of the next reply to an option, and its data. */
  async reply(): Promise<{ type: number; data: Buffer }> {
    const header = await this.take(20);
    return { type: header.readUInt32BE(12), data: await this.take(header.readUInt32BE(16)) };
  }

  async go(): Promise<void> {
    this.send(optionOf(NbdOption.Go, infoData("")));
    expect((await this.reply()).type).toBe(3);
    expect((await this.reply()).type).toBe(1);
  }

  async exchange(): Promise<void> {
    const data = new Uint8Array(300_000).fill(7);
    this.send(requestOf({ type: NbdCommand.Write, offset: 100, data }));
    expect((await this.take(16)).readUInt32BE(4)).toBe(0);
    this.send(requestOf({ type: NbdCommand.Read, offset: 99, length: 300_002 }));
    expect((await this.take(16)).readUInt32BE(4)).toBe(0);
    const read = await this.take(300_002);
    expect([read[0], read[1], read[300_000], read[300_001]]).toEqual([0, 7, 7, 0]);
  }

  async goodbye(): Promise<void> {
    this.send(requestOf({ type: NbdCommand.Disconnect }));
    await this.closed;
  }
}

/** Handles that are open beside those that were before. */
async function nothingIsLeft(before: readonly string[]): Promise<void> {
  const names = (list: readonly string[]): string[] =>
    list.filter((name) => /TCP|Pipe|TLS/.test(name)).sort();
  for (let turn = 0; turn < 200; turn++) {
    if (names(process.getActiveResourcesInfo()).length <= names(before).length) break;
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(names(process.getActiveResourcesInfo())).toEqual(names(before));
}

test.each([
  ["TCP", () => ({})],
  ["a path", () => ({ socket: freshPath() })],
])("over %s: negotiation, data, goodbye, and nothing is left", async (_what, where) => {
  const before = process.getActiveResourcesInfo();
  const served = await serve(where());
  const wire = Wire.to(served);
  await wire.hello();
  await wire.go();
  await wire.exchange();
  await wire.goodbye();
  expect(await served.close()).toMatchObject({ abandonedRequests: 0 });
  await nothingIsLeft(before);
});

test("a socket is its owner's alone from its first moment, and goes at the end", async () => {
  const path = freshPath();
  const umask = process.umask();
  const served = await serve({ socket: path });
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(process.umask()).toBe(umask);
  expect(served.uris).toEqual([`nbd+unix:///?socket=${path}`]);
  await served.close();
  expect(existsSync(path)).toBe(false);
});

test("a socket that nobody listens on any more is taken over; a file is not", async () => {
  const path = freshPath();
  const program = `require("net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`;
  spawnSync(process.execPath, ["-e", program]);
  expect(existsSync(path)).toBe(true);
  const served = await serve({ socket: path });
  await expect(serve({ socket: path })).rejects.toMatchObject({ code: "NVME_ERR_UNREACHABLE" });
  await served.close();
  writeFileSync(path, "precious");
  await expect(serve({ socket: path })).rejects.toMatchObject({ code: "NVME_ERR_UNREACHABLE" });
  expect(readFileSync(path, "utf8")).toBe("precious");
});

test("a port that is taken, and a path that is too long, are told", async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
  const { port } = taken.address() as { port: number };
  await expect(serve({ port })).rejects.toMatchObject({ hint: expect.stringContaining("in use") });
  taken.close();
  await expect(serve({ socket: `/tmp/${"x".repeat(100)}` })).rejects.toThrow("a path of 105 bytes");
  // Nothing of the server that could not listen is left with its device.
  const device = disk();
  await expect(serve({ exports: device, host: "203.0.113.1" })).rejects.toThrow("cannot listen");
  await device.close();
});

test("clients that come before anybody listens are taken, if they are still there", async () => {
  const listener = await nbdListen({ host: "127.0.0.1", port: 0 });
  const { address } = listener;
  const [early, gone] = [connectSocket(address as never), connectSocket(address as never)];
  await Promise.all(
    [early, gone].map((each) => new Promise((resolve) => each.on("connect", resolve))),
  );
  gone.destroy();
  const opened: string[] = [];
  const taken = new Promise<void>((resolve) => {
    listener.listen((stream) => ({
      opened: () => {
        opened.push(stream.remote);
        resolve();
      },
      received: () => {},
      drained: () => {},
      ended: () => {},
    }));
  });
  await taken;
  expect(opened[0]).toMatch(/^127\.0\.0\.1:\d+$/);
  early.destroy();
  listener.close();
});

test("a server that closes lets a client that reads have its answers first", async () => {
  const served = await serve();
  const wire = Wire.to(served);
  await wire.hello();
  await wire.go();
  wire.send(requestOf({ type: NbdCommand.Read, length: 2_000_000 }));
  await wire.take(16);
  const closing = served.close();
  expect((await wire.take(2_000_000)).length).toBe(2_000_000);
  await closing;
  await wire.closed;
});

const certified = certificates(folder);
if (certified === undefined) console.warn("No openssl here: TLS of the NBD server is not tested.");

describe.skipIf(certified === undefined)("TLS", () => {
  const { server, client } = certified ?? { server: {}, client: {} };

  /** STARTTLS, and the rest encrypted. */
  async function secured(wire: Wire, options: ConnectionOptions = {}): Promise<Wire> {
    wire.send(optionOf(NbdOption.StartTls));
    expect((await wire.reply()).type).toBe(1);
    wire.socket.removeAllListeners("data");
    const names = { checkServerIdentity: () => undefined };
    return new Wire(connectTls({ socket: wire.socket, ...client, ...names, ...options }));
  }

  test("a client may ask for it, and what follows is encrypted; another may go without", async () => {
    const before = process.getActiveResourcesInfo();
    const served = await serve({ tls: "on", certificates: server });
    const plain = Wire.to(served);
    await plain.hello();
    await plain.go();
    await plain.goodbye();
    const first = Wire.to(served);
    await first.hello();
    const wire = await secured(first);
    // What was agreed on before does not count, and TLS is there once.
    wire.send(optionOf(NbdOption.StartTls));
    expect((await wire.reply()).type).toBe(0x8000_0003);
    await wire.go();
    await wire.exchange();
    await wire.goodbye();
    await served.close();
    await nothingIsLeft(before);
  });

  test("where it is required nothing else can be asked for, and the URI says so", async () => {
    const path = freshPath();
    const served = await serve({ tls: "require", certificates: server, socket: path });
    expect(served.uris).toEqual([`nbds+unix:///?socket=${path}`]);
    const wire = Wire.to(served);
    await wire.hello();
    wire.send(optionOf(NbdOption.List));
    expect(await wire.reply()).toMatchObject({ type: 0x8000_0005 });
    const secure = await secured(wire);
    await secure.go();
    await secure.exchange();
    await secure.goodbye();
    const old = Wire.to(served);
    await old.hello();
    old.send(optionOf(NbdOption.ExportName));
    await old.closed;
    await served.close();
  });

  test("a client without a certificate is not let in where there must be one", async () => {
    const strict = { ...server, requestCert: true, rejectUnauthorized: true };
    const served = await serve({ tls: "require", certificates: strict });
    const ended = new Promise<string>((resolve) => {
      served.server.observe((event) => event.type === "disconnected" && resolve(event.message));
    });
    const wire = Wire.to(served);
    await wire.hello();
    const secure = await secured(wire, { cert: undefined, key: undefined });
    await secure.closed;
    expect(await ended).toContain("TLS was not agreed on");
    const good = Wire.to(served);
    await good.hello();
    const welcome = await secured(good);
    await welcome.go();
    await welcome.goodbye();
    await served.close();
  });

  test("what is no TLS behind STARTTLS ends the connection", async () => {
    const served = await serve({ tls: "on", certificates: server });
    const wire = Wire.to(served);
    await wire.hello();
    wire.send(optionOf(NbdOption.StartTls));
    expect((await wire.reply()).type).toBe(1);
    wire.send(optionOf(NbdOption.List), optionOf(NbdOption.List));
    await wire.closed;
    // Sent in one piece with it, it would be somebody else's word.
    const injected = Wire.to(served);
    await injected.hello();
    injected.send(Buffer.concat([optionOf(NbdOption.StartTls), optionOf(NbdOption.List)]));
    await injected.closed;
    expect(served.server.status.connections).toBe(0);
    await served.close();
  });

  test("TLS without certificates is a mistake", async () => {
    await expect(serve({ tls: "on" })).rejects.toThrow(TypeError);
  });
});

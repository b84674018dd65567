// export-nbd: what clients find, what is told, and how it ends.

import { existsSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { type Socket, connect } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { EventEnvelope } from "../envelope.ts";
import { type Run, failure, freshPath, nvmeof, start } from "../testing/run.ts";
import { type TestTarget, testPort, testTarget } from "../testing/target.ts";

interface Ready {
  readonly uri: string;
  readonly address: { readonly host: string; readonly port: number } | { readonly socket: string };
  readonly exports: readonly {
    readonly name: string;
    readonly uri: string;
    readonly sizeBytes: string;
    readonly multiConn: boolean;
    readonly readOnly: boolean;
    readonly source: string;
  }[];
}

const events = (run: Run): EventEnvelope[] =>
  run.stdout.text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as EventEnvelope);

/** Starts it; when it is ready, `use` may work with it; then it is told to end, and must, with `code`. */
async function exporting(
  args: string[],
  use: (ready: Ready, run: Run) => Promise<void>,
  code = 0,
): Promise<Run> {
  const run = start(["export-nbd", ...args, "--json"]);
  await Promise.race([run.stdout.contains("\n"), run.ended]);
  const [ready] = events(run);
  expect(ready).toMatchObject({ schema: "nvmeof/export-nbd", event: "ready", error: null });
  try {
    await use(ready!.data as Ready, run);
  } finally {
    run.signal("SIGTERM");
    expect(await run.ended).toBe(code);
  }
  return run;
}

const freePort = ["--port", "0"];

/** A client: the least that there can be. */
class Client implements AsyncDisposable {
  readonly #socket: Socket;
  #bytes = Buffer.alloc(0);
  #arrived: () => void = () => {};
  ended: Promise<unknown>;

  constructor(ready: Ready) {
    const { address } = ready;
    this.#socket = "socket" in address ? connect({ path: address.socket }) : connect(address);
    this.ended = new Promise((resolve) => this.#socket.on("close", resolve));
    this.#socket.on("error", () => {});
    this.#socket.on("data", (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      this.#arrived();
    });
  }

  /** In the transmission phase, by EXPORT_NAME. Gives size and flags. */
  static async enter(
    ready: Ready,
    name = "",
  ): Promise<{ client: Client; size: bigint; flags: number }> {
    const client = new Client(ready);
    await client.take(18);
    client.send(Buffer.from([0, 0, 0, 3]));
    const option = Buffer.alloc(16);
    option.write("IHAVEOPT");
    option.writeUInt32BE(1, 8);
    option.writeUInt32BE(Buffer.byteLength(name), 12);
    client.send(option, Buffer.from(name));
    const answer = await client.take(10);
    return { client, size: answer.readBigUInt64BE(), flags: answer.readUInt16BE(8) };
  }

  send(...parts: Buffer[]): void {
    this.#socket.write(Buffer.concat(parts));
  }

  async take(bytes: number): Promise<Buffer> {
    while (this.#bytes.length < bytes) {
      await Promise.race([new Promise<void>((arrived) => (this.#arrived = arrived)), this.ended]);
      if (this.#socket.destroyed && this.#bytes.length < bytes) throw new Error("it has ended");
    }
    const taken = this.#bytes.subarray(0, bytes);
    this.#bytes = this.#bytes.subarray(bytes);
    return taken;
  }

  /** Gives the error. */
  async request(type: number, offset: number, length: number, data?: Buffer): Promise<number> {
    this.ask(type, offset, length, data);
    return (await this.take(16)).readUInt32BE(4);
  }

  ask(type: number, offset: number, length: number, data: Buffer = Buffer.alloc(0)): void {
    const header = Buffer.alloc(28);
    header.writeUInt32BE(0x2560_9513);
    header.writeUInt16BE(type, 6);
    header.writeBigUInt64BE(BigInt(offset), 16);
    header.writeUInt32BE(length, 24);
    this.send(header, data);
  }

  async read(offset: number, length: number): Promise<Buffer> {
    expect(await this.request(0, offset, length)).toBe(0);
    return this.take(length);
  }

  write(offset: number, data: Buffer): Promise<number> {
    return this.request(1, offset, data.length, data);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy();
    await this.ended;
  }
}

const CAN_MULTI_CONN = 1 << 8;
const READ_ONLY = 1 << 1;

describe("memory and files", () => {
  test("one export has no name; what is written is there, aligned or not, and in the file", async () => {
    const file = freshPath("disk.img");
    writeFileSync(file, "");
    truncateSync(file, 2 ** 20);
    const run = await exporting(["--file", file, ...freePort], async (ready) => {
      expect(ready.uri).toMatch(/^nbd:\/\/127\.0\.0\.1:\d+\/$/);
      expect(ready.exports).toMatchObject([{ name: "", sizeBytes: "1048576", source: file }]);
      const { client, size, flags } = await Client.enter(ready);
      expect([size, flags & CAN_MULTI_CONN]).toEqual([2n ** 20n, CAN_MULTI_CONN]);
      expect(await client.write(1000, Buffer.alloc(700, 0xab))).toBe(0);
      expect(await client.request(3, 0, 0)).toBe(0);
      expect((await client.read(999, 702)).toString("hex")).toBe(`00${"ab".repeat(700)}00`);
      client.ask(2, 0, 0);
      await client.ended;
    });
    expect(readFileSync(file).subarray(1000, 1700).equals(Buffer.alloc(700, 0xab))).toBe(true);
    const told = events(run).map(({ event }) => event);
    expect(told).toEqual(["ready", "connected", "disconnected", "closed"]);
    expect(events(run).at(-1)?.data).toMatchObject({
      abandonedRequests: 0,
      counters: { connections: 1, writes: 1, writtenBytes: 700, failed: 0 },
    });
  });

  test("several have names, theirs or those that were given", async () => {
    const file = freshPath("disk.img");
    writeFileSync(file, Buffer.alloc(4096));
    const backings = ["--mem", "1M", "--file", file, "--mem", "2M"];
    await exporting([...backings, ...freePort], async ({ exports }) => {
      expect(exports.map(({ name }) => name)).toEqual(["mem1", "disk.img", "mem2"]);
      await Promise.resolve();
    });
    const names = ["--name", "a", "-x", "b c"];
    await exporting([...backings, ...names, ...freePort, "--read-only"], async (ready) => {
      expect(ready.exports.map(({ uri }) => uri.replace(/:\d+/, ""))).toEqual([
        "nbd://127.0.0.1/a",
        "nbd://127.0.0.1/b%20c",
        "nbd://127.0.0.1/mem2",
      ]);
      const { client, size, flags } = await Client.enter(ready, "b c");
      await using _client = client;
      expect([size, flags & READ_ONLY]).toEqual([4096n, READ_ONLY]);
      expect(await client.write(0, Buffer.alloc(512))).toBe(1);
    });
  });

  test("a Unix socket is its owner's alone, and goes with the command", async () => {
    const socket = freshPath("s");
    await exporting(["--mem", "1M", "--socket", socket], async (ready) => {
      expect(ready.uri).toBe(`nbd+unix:///?socket=${socket}`);
      expect(statSync(socket).mode & 0o777).toBe(0o600);
      const { client, size } = await Client.enter(ready);
      await using _client = client;
      expect(size).toBe(2n ** 20n);
    });
    expect(existsSync(socket)).toBe(false);
  });

  test("people get a line for each export and commands to copy, and are told of clients with -v", async () => {
    const run = start(["export-nbd", "--mem", "64M", "--name", "it's", ...freePort, "-v"]);
    await run.stdout.contains("\nready\n");
    const [, port] = /nbd:\/\/127\.0\.0\.1:(\d+)\/it's: /.exec(run.stdout.text) ?? [];
    expect(run.stdout.text).toContain(": 67.11 MB, blocks of 512 bytes, memory 1\n");
    expect(run.stdout.text).toContain(`\nnbdinfo 'nbd://127.0.0.1:${port}/it'\\''s'\n`);
    const address = { host: "127.0.0.1", port: Number(port) };
    const { client } = await Client.enter({ uri: "", address, exports: [] }, "it's");
    client.ask(2, 0, 0);
    await run.stderr.contains("client-done");
    run.signal("SIGINT");
    expect(await run.ended).toBe(0);
    expect(run.stderr.text).toMatch(/uses "it's"/);
    expect(run.stderr.text).toMatch(/1 connections; 0 B read in 0 requests/);
  });
});

describe("--run", () => {
  test("runs a command with the URI, and ends with it", async () => {
    const { exitCode, stdout } = await nvmeof([
      "export-nbd",
      "--mem",
      "1M",
      "--name",
      "a",
      ...freePort,
      "--run",
      'echo "$uri $exportname $port"',
    ]);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/nbd:\/\/127\.0\.0\.1:(\d+)\/a a \1\n$/);
  });

  test("a command that fails is told, with how it ended", async () => {
    const args = ["export-nbd", "--mem", "1M", ...freePort];
    const { exitCode, stderr } = await nvmeof([...args, "--run", "exit 3"]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain("the command ended with 3: exit 3 (NVME_ERR_COMMAND)");
  });

  test("Ctrl-C ends a command that goes on, and all that it has started", async () => {
    const args = ["export-nbd", "--mem", "1M", ...freePort];
    const run = start([...args, "--run", "echo started; sleep 1000 | cat"]);
    await run.stdout.contains("started\n");
    run.signal("SIGINT");
    expect(await run.ended).toBe(0);
  });
});

describe("namespaces", () => {
  let target: TestTarget;
  beforeEach(async () => (target = await testTarget([{}, { blockCount: 4096 }])));
  afterEach(() => target.served.close());

  test("the namespace that is named is exported; several are several exports", async () => {
    const uris = [target.namespace(2), target.namespace(1)];
    await exporting([...uris, ...freePort], async (ready) => {
      expect(ready.exports).toMatchObject([
        { name: "n2", sizeBytes: "2097152" },
        { name: "n1", sizeBytes: "1048576" },
      ]);
      const { client } = await Client.enter(ready, "n1");
      await using _client = client;
      expect(await client.write(5, Buffer.from("hello"))).toBe(0);
      expect((await client.read(4, 7)).toString()).toBe("\0hello\0");
    });
    const channel = target.devices[0]!.openChannel();
    const data = new Uint8Array(512);
    await new Promise((settle) => channel.submit({ op: 0, lba: 0, blockCount: 1, data }, settle));
    expect(Buffer.from(data.subarray(5, 10)).toString()).toBe("hello");
  });

  test("several connections are offered by one path; by several only without a cache", async () => {
    const cached = await testTarget([{ volatileCache: true }]);
    const port = await testPort(cached);
    const one = [cached.namespace(1), ...freePort];
    const multiConn = async (args: string[]): Promise<boolean | undefined> => {
      let found: boolean | undefined;
      await exporting(args, async ({ exports }) => {
        found = exports[0]?.multiConn;
        await Promise.resolve();
      });
      return found;
    };
    expect(await multiConn(one)).toBe(true);
    expect(await multiConn([...one, port.uri])).toBe(false);
    const plain = await testPort(target);
    expect(await multiConn([target.namespace(1), plain.uri, ...freePort])).toBe(true);
    await cached.served.close();
  });

  test("a path that is lost under load is not seen by clients while another one lives", async () => {
    const port = await testPort(target);
    const args = [target.namespace(2), port.uri, ...freePort];
    const run = await exporting(args, async (ready, run) => {
      const { client } = await Client.enter(ready);
      await using _client = client;
      for (let i = 0; i < 400; i++) {
        if (i === 100) port.drop();
        const offset = (i * 4999) % 2_000_000;
        const data = Buffer.alloc(1 + ((i * 37) % 3000), (i % 255) + 1);
        expect(await client.write(offset, data)).toBe(0);
        expect((await client.read(offset, data.length)).equals(data)).toBe(true);
      }
      await run.stdout.contains('"to":"recovering"');
    });
    expect(events(run).filter(({ event }) => event === "request-failed")).toEqual([]);
    expect(events(run).find(({ event }) => event === "state")?.data).toMatchObject({
      path: "path 2",
    });
  });

  test("without a path requests wait, then fail with EIO; and it goes on when the target is back", async () => {
    const port = await testPort(target);
    const uri = `${port.uri}?nsid=1`;
    const times = ["--fast-io-fail-tmo", "300ms", "--reconnect-delay", "50ms"];
    const run = await exporting([uri, ...freePort, ...times], async (ready, run) => {
      const { client } = await Client.enter(ready);
      await using _client = client;
      port.drop();
      await run.stdout.contains('"to":"waiting"');
      expect(await client.request(0, 0, 512)).toBe(5);
      await port.restore();
      await run.stdout.contains('"from":"recovering","to":"live"');
      expect(await client.write(0, Buffer.alloc(512, 1))).toBe(0);
    });
    expect(events(run).find(({ event }) => event === "request-failed")?.data).toMatchObject({
      command: "Read",
      errno: "EIO",
      offset: "0",
      reason: { code: "NVME_ERR_NO_PATH" },
    });
  });

  test("when the last export is gone for good it ends, and says that it was lost", async () => {
    const args = [target.namespace(1), ...freePort, "--ctrl-loss-tmo", "0"];
    const run = start(["export-nbd", ...args, "--json"]);
    await run.stdout.contains("\n");
    const { client } = await Client.enter(events(run)[0]!.data as Ready);
    await target.served.close();
    await client.ended;
    expect(await run.ended).toBe(14);
    const told = events(run);
    expect(told.map(({ event }) => event)).toContain("export-removed");
    expect(told.at(-1)).toMatchObject({ error: { code: "NVME_ERR_CLOSED", exitCode: 14 } });
  });

  test("F111: SIGTERM under load ends it in time, with 0, whatever the target does", async () => {
    for (const frozen of [false, true]) {
      const run = start(["export-nbd", target.namespace(1), ...freePort, "--json"]);
      await run.stdout.contains("\n");
      const { client } = await Client.enter(events(run)[0]!.data as Ready);
      for (let i = 0; i < 50; i++) client.ask(1, i * 100, 4096, Buffer.alloc(4096));
      await client.take(16);
      if (frozen) {
        target.served.target.freeze();
        for (let i = 0; i < 20; i++) client.ask(0, 0, 512);
      }
      const startMs = performance.now();
      run.signal("SIGTERM");
      expect(await run.ended).toBe(0);
      expect(performance.now() - startMs).toBeLessThan(2_500);
      await client.ended;
      if (frozen) target.served.target.thaw();
    }
  });
});

test.each([
  [[], "NVME_ERR_USAGE", "there is nothing to export"],
  [["--mem", "1M", "--bind", "0.0.0.0"], "NVME_ERR_USAGE", "other machines can reach 0.0.0.0"],
  [["--mem", "1M", "--name", "a", "--name", "b"], "NVME_ERR_USAGE", "--name is given 2 times"],
  [["--mem", "1M", "--mem", "1M", "-x", "mem2"], "NVME_ERR_USAGE", 'would be called "mem2"'],
  [["--mem", "1M", "--tls-require"], "NVME_ERR_USAGE", "there are no certificates"],
  [["--mem", "1M", "--tls-certificates", "/no/such"], "NVME_ERR_FILE_NOT_FOUND", "/no/such"],
  [
    ["--mem", "1M", "--limit", "clients=3"],
    "NVME_ERR_USAGE",
    '--limit: there is no limit "clients"',
  ],
  [["--mem", "1M", "--limit", "inflightMax=0"], "NVME_ERR_USAGE", "inflightMax must be"],
  [["--mem", "1M", "--unix", "/tmp/s"], "NVME_ERR_USAGE", "it is called --socket"],
  [["--mem", "1M", "--port", "70000"], "NVME_ERR_USAGE", "--port"],
  [["--mem", "1M", "--unaligned", "maybe"], "NVME_ERR_USAGE", "--unaligned"],
  [["--mem", "1M", "--socket", "/no/such/folder/s"], "NVME_ERR_LISTEN", "cannot listen"],
])("export-nbd %j is refused: %s", async (args, code, message) => {
  const error = await failure(["export-nbd", ...args]);
  expect(error.code).toBe(code);
  expect(error.message).toContain(message);
});

test.each([
  ["a name of 5,000 bytes", ["--name", "x".repeat(5000)], "NVME_ERR_USAGE", "at most 4096 bytes"],
  [
    "a socket of 200",
    ["--socket", `/${"x".repeat(199)}`],
    "NVME_ERR_LISTEN",
    "a path of 200 bytes",
  ],
])("%s is refused", async (_what, args, code, message) => {
  const error = await failure(["export-nbd", "--mem", "1M", ...args]);
  expect(error.code).toBe(code);
  expect(error.message).toContain(message);
});

test("a socket that somebody listens on is taken; one that nobody does is taken over", async () => {
  const socket = freshPath("s");
  await exporting(["--mem", "1M", "--socket", socket], async () => {
    const error = await failure(["export-nbd", "--mem", "1M", "--socket", socket]);
    expect(error).toMatchObject({ code: "NVME_ERR_LISTEN", exitCode: 13 });
    expect(error.hint).toContain("already");
  });
});

test("the ready file has what is printed", async () => {
  const file = freshPath("ready.json");
  await exporting(["--mem", "1M", ...freePort, "--ready-file", file], async (ready) => {
    const written = JSON.parse(readFileSync(file, "utf8")) as Ready;
    expect(written.uri).toBe(ready.uri);
    await Promise.resolve();
  });
});

test("no more clients than were said are let in", async () => {
  await exporting(["--mem", "1M", ...freePort, "--shared", "1"], async (ready, run) => {
    const { client } = await Client.enter(ready);
    await using _client = client;
    const second = new Client(ready);
    await second.ended;
    await run.stdout.contains('"event":"refused"');
  });
});

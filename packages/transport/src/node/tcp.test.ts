// NVMe/TCP over real sockets, with peers that refuse, say nothing, talk nonsense, or go.

import { spawn } from "node:child_process";
import dns, { type LookupAddress } from "node:dns";
import { once } from "node:events";
import { type AddressInfo, type Server, type Socket, connect, createServer } from "node:net";
import { type NvmeofError, isNvmeofError } from "@nvmeof/codec";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { ByteStream, ByteStreamHandler } from "../byte-stream.ts";
import type { Region } from "../copy.ts";
import type { ControllerLink, QueueLink } from "../queue-link.ts";
import { acceptQueue } from "../tcp/controller-link.ts";
import { present } from "../testing/present.ts";
import { RawPdus, RawPeer } from "../testing/index.ts";
import { systemClock } from "./clock.ts";
import { EventPace, openSockets } from "./event-pace.ts";
import { tcp } from "./index.ts";
import { type TcpListener, type TcpListenOptions, tcpConnector, tcpListen } from "./tcp.ts";

const host = "127.0.0.1";
const pdus = new RawPdus();
type Found = (error: null, addresses: readonly LookupAddress[]) => void;
let pace: EventPace;
/** What a test opened, to be closed at its end. */
let opened: (() => void)[];

beforeEach(() => {
  pace = new EventPace(10_000);
  opened = [];
});

afterEach(async () => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  for (const close of opened.splice(0)) close();
  for (let turn = 0; turn < 100 && openSockets().length > 0; turn++) await pace.quiet();
  expect(openSockets()).toEqual([]);
});

async function listen(options: TcpListenOptions = {}): Promise<TcpListener> {
  const listener = await tcpListen({ host, port: 0 }, options);
  opened.push(() => listener.close());
  return listener;
}

/** A peer that is nothing but a socket. */
async function rawServer(begin: (socket: Socket) => void, options = {}): Promise<number> {
  const server: Server = createServer(options, (socket) => {
    socket.on("error", () => {});
    opened.push(() => socket.destroy());
    begin(socket);
    pace.happened();
  });
  opened.push(() => server.close());
  server.listen(0, host);
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

async function freePort(): Promise<number> {
  const listener = await tcpListen({ host, port: 0 });
  listener.close();
  return listener.address.port;
}

interface Queue {
  readonly link: QueueLink;
  readonly events: string[];
  error?: NvmeofError;
}

function openQueue(port: number, options: { timeoutMs?: number; host?: string } = {}): Queue {
  const events: string[] = [];
  const tell = (event: string): void => {
    events.push(event);
    pace.happened();
  };
  const queue: Queue = {
    events,
    link: tcp({ host: options.host ?? host, port }).openQueue(
      { qid: 1, slots: 4, inCapsuleBytes: 8192, timeoutMs: options.timeoutMs ?? 5_000 },
      {
        opened: () => tell("opened"),
        completed: (cid) => tell(`completed ${cid}`),
        lost: (error) => {
          queue.error = error;
          tell(`lost ${error.code}`);
        },
      },
    ),
  };
  opened.push(() => queue.link.close("reset"));
  return queue;
}

/** The host, until it has nothing more to hope for. */
async function lost(queue: Queue): Promise<string> {
  await pace.until(() => queue.events.some((event) => event.startsWith("lost")));
  return queue.events.join(", ");
}

describe("a host", () => {
  test("is refused where nobody listens, and told so", async () => {
    const queue = openQueue(await freePort());
    expect(queue.events).toEqual([]);
    expect(await lost(queue)).toBe("lost NVME_ERR_UNREACHABLE");
    expect(queue.error).toMatchObject({ phase: "tcp" });
    expect(queue.error?.message).toContain("connection refused");
    expect(queue.error?.hint).toContain("Nothing listens");
    expect(queue.error?.cause).toBeInstanceOf(Error);
  });

  test("is refused on every address of a name, and told so", async () => {
    const queue = openQueue(await freePort(), { host: "localhost" });
    expect(await lost(queue)).toBe("lost NVME_ERR_UNREACHABLE");
    expect(queue.error?.message).toMatch(/cannot reach localhost:\d+: connection refused/);
  });

  test("F46: is told what each address of a name answered", async () => {
    const resolvesTo = (...addresses: LookupAddress[]): void => {
      vi.spyOn(dns, "lookup").mockImplementation(((
        _name: string,
        _options: unknown,
        found: Found,
      ) => found(null, addresses)) as typeof dns.lookup);
    };
    const first = { address: "127.0.0.1", family: 4 };
    const port = await freePort();
    resolvesTo(first, { address: "127.0.0.2", family: 4 });
    const refused = openQueue(port, { host: "storage.example" });
    expect(await lost(refused)).toBe("lost NVME_ERR_UNREACHABLE");
    expect(refused.error?.message).toContain("connection refused (127.0.0.1, 127.0.0.2)");
    // Nobody may connect to the broadcast address: that is another reason than the first one's.
    resolvesTo(first, { address: "255.255.255.255", family: 4 });
    const mixed = openQueue(port, { host: "storage.example" });
    expect(await lost(mixed)).toBe("lost NVME_ERR_UNREACHABLE");
    expect(mixed.error?.message).toMatch(/connection refused; connect E\w+ 255\.255\.255\.255/);
  });

  test("finds no address for a name that does not exist", async () => {
    const queue = openQueue(4420, { host: "no-such-host.invalid" });
    expect(await lost(queue)).toBe("lost NVME_ERR_UNREACHABLE");
    expect(queue.error?.message).toContain("no-such-host.invalid:4420");
    expect(queue.error?.hint).toMatch(/name/);
  });

  test.skipIf(process.platform === "win32")(
    "gives up on an address that does not answer",
    async () => {
      // A process that stands still takes no connections; the few that its kernel takes for it
      // connect, and get no answer.
      const program = `const s = require("node:net").createServer();
      s.listen({ port: 0, host: "${host}", backlog: 1 }, () => console.log(s.address().port));`;
      const child = spawn(process.execPath, ["-e", program], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      opened.push(() => child.kill("SIGKILL"));
      const [line] = (await once(child.stdout, "data")) as [Buffer];
      child.kill("SIGSTOP");
      const port = Number(String(line));
      const queues = Array.from({ length: 6 }, () => openQueue(port, { timeoutMs: 300 }));
      const ends = await Promise.all(queues.map((queue) => lost(queue)));
      expect(ends).toContain("lost NVME_ERR_CONNECT_TIMEOUT");
      for (const end of ends) expect(end).toMatch(/^lost NVME_ERR_(CONNECT|INITIALIZE)_TIMEOUT$/);
      child.kill("SIGKILL");
      await once(child, "close");
    },
  );

  test("T2: gives up on a peer that never answers", async () => {
    const port = await rawServer(() => {});
    const queue = openQueue(port, { timeoutMs: 100 });
    expect(await lost(queue)).toBe("lost NVME_ERR_INITIALIZE_TIMEOUT");
  });

  test("H1: recognises what is not NVMe/TCP", async () => {
    const port = await rawServer((socket) => socket.write("SSH-2.0-OpenSSH_9.9\r\n"));
    const queue = openQueue(port);
    expect(await lost(queue)).toBe("lost NVME_ERR_PROTOCOL");
    expect(queue.error?.message).toContain("speaks SSH");
  });

  test("loses its queue when the peer goes, by FIN or by RST, at any time", async () => {
    for (const [when, expected] of [
      ["at once", "lost NVME_ERR_CONNECTION_LOST"],
      ["later", "opened, lost NVME_ERR_CONNECTION_LOST"],
    ] as const) {
      for (const go of ["end", "resetAndDestroy"] as const) {
        const port = await rawServer((socket) => {
          socket.once("data", () => {
            if (when === "later")
              socket.write(pdus.icResp(), () => setImmediate(() => socket[go]()));
            else socket[go]();
          });
        });
        expect(await lost(openQueue(port)), `${go} ${when}`).toBe(expected);
      }
    }
  });

  test("that resets sends nothing of what it had queued", async () => {
    const servers: Socket[] = [];
    let arrived = 0;
    const port = await rawServer((socket) => {
      servers.push(socket);
      socket.pause();
      socket.on("data", ({ length }: Buffer) => (arrived += length));
      socket.on("close", pace.happened);
    });
    const peer = RawPeer.connect(tcpConnector({ host, port }));
    peer.onEvent = pace.happened;
    await pace.until(() => peer.state === "open" && servers.length > 0);
    const total = 64 * 1024 * 1024;
    peer.send(new Uint8Array(total));
    await pace.quiet();
    peer.reset();
    for (const server of servers) server.resume();
    await pace.until(() => servers.every((server) => server.closed));
    expect(arrived).toBeLessThan(total);
  });

  test("that closes in an orderly way is not held by a peer that never closes", async () => {
    const port = await rawServer((socket) => socket.pause(), { allowHalfOpen: true });
    const peer = RawPeer.connect(tcpConnector({ host, port }));
    peer.onEvent = pace.happened;
    await pace.until(() => peer.state === "open");
    peer.send(new Uint8Array(64 * 1024 * 1024));
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    peer.close();
    await pace.quiet();
    const held = openSockets().length;
    vi.advanceTimersByTime(5_000);
    await pace.quiet();
    expect(openSockets()).toHaveLength(held - 1);
  });
});

/** A controller's ends on a listener, with what they were told. */
function serve(listener: TcpListener): { events: string[]; links: ControllerLink[] } {
  const events: string[] = [];
  const links: ControllerLink[] = [];
  const tell = (event: string): void => {
    events.push(event);
    pace.happened();
  };
  listener.listen((stream) =>
    acceptQueue({ clock: systemClock, initializeTimeoutMs: 200 }, stream, (link) => {
      links.push(link);
      opened.push(() => link.close("reset"));
      return {
        opened: () => tell("opened"),
        command: (tag) => tell(`command ${tag}`),
        fetched: () => tell("fetched"),
        lost: (error) => tell(`lost ${error.code}`),
      };
    }),
  );
  return { events, links };
}

function rawClient(port: number): Socket {
  const socket = connect(port, host);
  socket.on("error", () => {});
  socket.on("close", pace.happened);
  socket.resume();
  opened.push(() => socket.destroy());
  return socket;
}

describe.each([
  { name: "with a buffer of ours", receiveBytes: 4096 },
  { name: "with chunks of the platform", receiveBytes: 0 },
])("a controller $name", ({ receiveBytes }) => {
  test("reads into what it was told to", async () => {
    const listener = await listen({ receiveBytes });
    const regions = new Set<Region>();
    const sizes: number[] = [];
    let stream: ByteStream | undefined;
    let bytes = 0;
    const handler: ByteStreamHandler = {
      opened() {},
      received: (region, start, end) => {
        regions.add(region);
        sizes.push(region.bytes.length);
        bytes += end - start;
        pace.happened();
      },
      drained() {},
      ended() {},
    };
    listener.listen((accepted) => {
      stream = accepted;
      return handler;
    });
    const client = rawClient(listener.address.port);
    client.write(new Uint8Array(1_000_000));
    await pace.until(() => bytes === 1_000_000);
    stream!.reset();
    if (receiveBytes > 0) expect([regions.size, Math.max(...sizes)]).toEqual([1, receiveBytes]);
    else expect(regions.size).toBeGreaterThan(1);
  });

  test("T1, T3: forgets a peer that goes at once", async () => {
    const listener = await listen({ receiveBytes });
    const { events } = serve(listener);
    rawClient(listener.address.port).end();
    const reset = rawClient(listener.address.port);
    reset.once("connect", () => reset.resetAndDestroy());
    await pace.until(() => events.length === 2 || openSockets().length === 1);
    expect(new Set(events).size).toBeLessThan(2);
  });

  test("T2: drops a peer that says nothing", async () => {
    const listener = await listen({ receiveBytes });
    const { events } = serve(listener);
    const silent = rawClient(listener.address.port);
    await pace.until(() => silent.closed);
    expect(events).toEqual(["lost NVME_ERR_INITIALIZE_TIMEOUT"]);
  });

  test("T4, T5: tells a peer that talks nonsense what it thinks of it, and lets it go", async () => {
    const listener = await listen({ receiveBytes });
    const { events } = serve(listener);
    const client = rawClient(listener.address.port);
    const answer: Buffer[] = [];
    client.on("data", (chunk: Buffer) => {
      answer.push(chunk);
      client.end(); // as the protocol wants it
    });
    client.write("GET / HTTP/1.1\r\n\r\n");
    await pace.until(() => client.closed);
    expect(events).toEqual(["lost NVME_ERR_PROTOCOL"]);
    // C2HTermReq, FES 1, FEI 0, and the 8 bytes that were looked at.
    const termReq = pdus.termReq(3, 1, 0, new TextEncoder().encode("GET / HT"));
    expect(Buffer.concat(answer)).toEqual(Buffer.from(termReq));
  });

  test("closes in order, keeps no process alive by that, and resets who leaves his end open", async () => {
    const listener = await listen();
    const { links } = serve(listener);
    const client = connect({ ...listener.address, allowHalfOpen: true });
    opened.push(() => client.destroy());
    const ends: string[] = [];
    for (const event of ["end", "error"]) {
      client.on(event, () => {
        ends.push(event);
        pace.happened();
      });
    }
    client.resume();
    await once(client, "connect");
    await pace.quiet();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    links[0]!.close("orderly", 300);
    await pace.until(() => ends.length > 0);
    await pace.quiet();
    // The client's, which has not ended it.
    expect(openSockets().filter((kind) => kind === "TCPSocketWrap")).toHaveLength(1);
    // Nobody tells who does not read any more: it shows when he writes.
    vi.advanceTimersByTime(299);
    client.write("still there?");
    await pace.quiet();
    expect(ends).toEqual(["end"]);
    vi.advanceTimersByTime(1);
    await pace.quiet();
    client.write("and now?");
    await pace.until(() => ends.length > 1);
    expect(ends).toEqual(["end", "error"]);
  });

  test("serves a host, and both leave nothing behind", async () => {
    const listener = await listen({ receiveBytes });
    const { events, links } = serve(listener);
    const queue = openQueue(listener.address.port);
    await pace.until(() => queue.events.length > 0);
    queue.link.submit(2, new Uint8Array(64), 0, undefined);
    await pace.until(() => events.includes("command 1") || events.includes("command 0"));
    expect(present(links[0]).remote).toMatch(/^127\.0\.0\.1:\d+$/);
    present(links[0]).respond(Number(present(events.at(-1)).split(" ")[1]), 0, 0, 0);
    await pace.until(() => queue.events.length > 1);
    queue.link.close("orderly");
    await pace.until(() => events.includes("lost NVME_ERR_CONNECTION_LOST"));
    expect(queue.events).toEqual(["opened", "completed 2"]);
  });

  test("counts its connections right: a place that was left is free again", async () => {
    const listener = await listen({ receiveBytes, connectionsMax: 2 });
    const { events } = serve(listener);
    for (let round = 0; round < 4; round++) {
      const [a, b] = [openQueue(listener.address.port), openQueue(listener.address.port)];
      await pace.until(() => a.events.length > 0 && b.events.length > 0);
      const surplus = openQueue(listener.address.port);
      expect(await lost(surplus)).toBe("lost NVME_ERR_CONNECTION_LOST");
      expect([a.events, b.events]).toEqual([["opened"], ["opened"]]);
      a.link.close("reset");
      b.link.close("orderly");
      await pace.until(
        () => events.filter((event) => event.startsWith("lost")).length === 2 * (round + 1),
      );
      await pace.quiet();
    }
  });
});

describe("listening", () => {
  test("on a port in use is refused with a hint", async () => {
    const { address } = await listen();
    const error = await tcpListen(address).catch((error: unknown) => error);
    expect(isNvmeofError(error)).toBe(true);
    expect(error).toMatchObject({ code: "NVME_ERR_UNREACHABLE" });
    expect((error as NvmeofError).hint).toContain("in use");
  });

  test("on an address that is not ours is refused", async () => {
    const error = await tcpListen({ host: "192.0.2.1", port: 0 }).catch((error: unknown) => error);
    expect(error).toMatchObject({ code: "NVME_ERR_UNREACHABLE" });
  });

  test("says where, also for IPv6", async (context) => {
    const listener = await tcpListen({ host: "::1", port: 0 }).catch(() => undefined);
    if (listener === undefined) {
      context.skip();
      return;
    }
    opened.push(() => listener.close());
    expect(listener.local).toBe(`[::1]:${listener.address.port}`);
    serve(listener);
    const queue = openQueue(listener.address.port, { host: "::1" });
    await pace.until(() => queue.events.length > 0);
    expect(queue.events).toEqual(["opened"]);
  });

  test("holds those who come before anybody serves them, and drops them when it closes", async () => {
    const listener = await listen();
    const early = openQueue(listener.address.port);
    const gone = rawClient(listener.address.port);
    await once(gone, "connect");
    gone.resetAndDestroy();
    await pace.quiet();
    expect(early.events).toEqual([]);
    serve(listener);
    await pace.until(() => early.events.length > 0);
    expect(early.events).toEqual(["opened"]);

    const unserved = await listen();
    const waiting = openQueue(unserved.address.port);
    await pace.quiet();
    unserved.close();
    expect(await lost(waiting)).toBe("lost NVME_ERR_CONNECTION_LOST");
  });
});

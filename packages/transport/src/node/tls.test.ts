// TLS over real sockets with peers that have another key, none, or something else in mind. The ids are
// those of the table of bad input for TLS.

import { generateKeyPairSync, sign } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, type Server, type Socket, connect, createServer } from "node:net";
import { connect as tlsConnect, createServer as createTlsServer } from "node:tls";
import { type NvmeofError, isNvmeofError } from "@nvmeof/codec";
import { TlsKey, TlsKeyHash, TlsPsk } from "@nvmeof/codec/auth";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { ByteStream, ByteStreamHandler } from "../byte-stream.ts";
import { TlsError } from "../tls-error.ts";
import { EventPace, openSockets } from "./event-pace.ts";
import { ContentType, HandshakeType, RawTlsClient, type RawTlsOptions } from "./raw-tls-client.ts";
import { tcpListen } from "./tcp.ts";
import { tlsConnector, tlsListen } from "./tls.ts";
import type { TlsOptions } from "./tls-keys.ts";

const host = "127.0.0.1";
const names = {
  hostNqn: "nqn.2024-01.com.example:host",
  subsystemNqn: "nqn.2024-01.com.example:disk1",
};
const owner = { ...names, hostId: "5c1b3d52-6a0f-4c53-9d3e-0c7f8f5d2b11" };
const secret = Uint8Array.from({ length: 32 }, (_, i) => i + 1);
const key = new TlsKey(secret);
const otherKey = new TlsKey(secret.map((byte) => byte ^ 0xff));
const identity = `NVMe0R01 ${names.hostNqn} ${names.subsystemNqn}`;
// Any PSK can go by a name of its own.
const psk = new TlsPsk(identity, TlsKeyHash.Sha256, secret);

let pace: EventPace;
/** What a test opened, to be closed at its end. */
let opened: (() => void)[];

beforeEach(() => {
  pace = new EventPace(10_000);
  opened = [];
});

afterEach(async () => {
  vi.useRealTimers();
  for (const close of opened.splice(0)) close();
  for (let turn = 0; turn < 100 && openSockets().length > 0; turn++) await pace.quiet();
  expect(openSockets()).toEqual([]);
});

/** One end of a stream, and what it was told. */
class End implements ByteStreamHandler {
  readonly events: string[] = [];
  bytes = 0;
  error?: NvmeofError;
  stream!: ByteStream;

  opened(): void {
    this.#note("opened");
  }
  received(_region: unknown, start: number, endAt: number): void {
    this.bytes += endAt - start;
    pace.happened();
  }
  drained(): void {}
  ended(error?: NvmeofError): void {
    if (error !== undefined) this.error = error;
    this.#note("ended");
  }
  #note(event: string): void {
    this.events.push(event);
    pace.happened();
  }
  get isOver(): boolean {
    return this.events.includes("ended");
  }
  /** Its error, which must be one of TLS. */
  get refusal(): TlsError {
    if (!(this.error instanceof TlsError)) throw new Error(`no TLS error: ${String(this.error)}`);
    return this.error;
  }
}

interface Listening {
  readonly port: number;
  readonly ends: End[];
}

type ListenOptions = Partial<Parameters<typeof tlsListen>[1]>;

/** A target's end, which sends back nothing and takes everything. */
async function listen(options: ListenOptions = {}): Promise<Listening> {
  const listener = await tlsListen({ host, port: 0 }, { keyFor: () => key, ...options });
  opened.push(() => listener.close());
  const ends: End[] = [];
  listener.listen((stream) => {
    const end = new End();
    end.stream = stream;
    ends.push(end);
    opened.push(() => stream.reset());
    pace.happened();
    return end;
  });
  return { port: listener.address.port, ends };
}

function dial(port: number, options: Partial<TlsOptions> = {}, timeoutMs = 5_000): End {
  const end = new End();
  const connector = tlsConnector({ host, port }, { key, ...options });
  end.stream = connector.connect({ receiveBytes: 65_536, connectTimeoutMs: timeoutMs, owner }, end);
  opened.push(() => end.stream.reset());
  return end;
}

const over = (end: End | undefined): Promise<void> => pace.until(() => end?.isOver === true);

/** Both ends of what has failed, after the last one knows. */
async function failed(listening: Listening, end: End): Promise<[host: TlsError, target: TlsError]> {
  await over(end);
  await pace.until(() => listening.ends[0]?.isOver === true);
  expect([end.events, listening.ends[0]!.events]).toEqual([["ended"], ["ended"]]);
  return [end.refusal, listening.ends[0]!.refusal];
}

async function rawServer(begin: (socket: Socket) => void): Promise<number> {
  const server: Server = createServer((socket) => {
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

function rawClient(port: number): Socket {
  const socket = connect(port, host);
  socket.on("error", () => {});
  socket.on("connect", pace.happened);
  socket.on("close", pace.happened);
  opened.push(() => socket.destroy());
  return socket;
}

/** A client that shakes hands by itself, from the first byte. */
function rawTls(port: number, options: Partial<RawTlsOptions> = {}): [RawTlsClient, Socket] {
  const socket = rawClient(port);
  const client = new RawTlsClient(socket, {
    identity: Buffer.from(identity),
    psk: secret,
    ...options,
  });
  client.onEvent = pace.happened;
  return [client, socket];
}

/** A certificate that was made a moment ago and that nobody trusts, with its key. RFC 5280 §4.1. */
function certificate(): { readonly key: string; readonly cert: string } {
  const der = (tag: number, ...parts: Uint8Array[]): Buffer => {
    const body = Buffer.concat(parts);
    const size = body.length < 128 ? [body.length] : [0x82, body.length >> 8, body.length & 0xff];
    return Buffer.concat([Buffer.from([tag, ...size]), body]);
  };
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const ecdsaWithSha256 = der(0x30, Buffer.from("06082a8648ce3d040302", "hex"));
  const name = der(0x30);
  const times = ["200101000000Z", "490101000000Z"].map((text) => der(0x17, Buffer.from(text)));
  const body = der(
    0x30,
    Buffer.from("a003020102020101", "hex"), // version 3, serial number 1
    ecdsaWithSha256,
    name,
    der(0x30, ...times),
    name,
    publicKey.export({ type: "spki", format: "der" }),
  );
  const signature = der(0x03, Buffer.from([0]), sign("sha256", body, privateKey));
  const pem = der(0x30, body, ecdsaWithSha256, signature).toString("base64");
  return {
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${pem}\n-----END CERTIFICATE-----\n`,
  };
}

describe("with the right key", () => {
  test("both ends are open, and the target knows whom the host has proven to be", async () => {
    const { port, ends } = await listen();
    const end = dial(port);
    await pace.until(() => end.events.length > 0 && ends[0]?.events.length === 1);
    expect([end.events, ends[0]!.events]).toEqual([["opened"], ["opened"]]);
    expect(ends[0]!.stream.proven).toEqual(names);
    expect(end.stream.proven).toBeUndefined();
  });

  test.each([
    ["identity version 0", { identityVersion: 0 }, {}],
    ["identity version 1, derived as older nvme-cli does", { compat: true }, {}],
    ["version 0, both as older nvme-cli", { identityVersion: 0, compat: true }, { compat: true }],
    [
      "a key from a function",
      { key: (asked) => (asked.hostNqn === names.hostNqn ? key : undefined) },
      {},
    ],
    ["a key as text", { key: key.revealText() }, { keyFor: () => key.revealText() }],
    ["a PSK that is derived already", { key: psk }, { keyFor: () => psk.revealLine() }],
    ["the identity as a whole", { identity }, {}],
  ] satisfies [string, Partial<TlsOptions>, ListenOptions][])(
    "%s",
    async (_name, asked, offered) => {
      const { port, ends } = await listen(offered);
      const end = dial(port, asked);
      await pace.until(() => end.events.length > 0 && (ends[0]?.events.length ?? 0) > 0);
      expect([end.events, end.error, ends[0]!.error]).toEqual([["opened"], undefined, undefined]);
      expect(ends[0]!.stream.proven).toEqual(names);
    },
  );

  test("S11: the server sends no session ticket, nor anything else by itself", async () => {
    const { port } = await listen({ keyFor: () => psk });
    const [client, socket] = rawTls(port);
    socket.write(client.hello());
    await pace.until(() => client.state === "open");
    await pace.quiet();
    expect(client.said).toEqual([]);
  });
});

/** PDUs that are too early, and what others say first. */
const strangers = {
  "an ICReq": Buffer.from([0, 0, 128, 0, 128, 0, 0, 0, ...new Uint8Array(120)]),
  HTTP: Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
  SSH: Buffer.from("SSH-2.0-OpenSSH_9.9\r\n"),
  zeroes: Buffer.alloc(64),
};

describe("a target", () => {
  test.each(Object.entries(strangers))("S1: closes on %s in clear", async (_name, bytes) => {
    const { port, ends } = await listen();
    const client = rawClient(port);
    client.resume();
    client.write(bytes);
    await pace.until(() => client.closed && ends[0]?.isOver === true);
    expect(ends[0]!.events).toEqual(["ended"]);
    expect(ends[0]!.refusal.failure).toBe("not-spoken");
    expect(ends[0]!.stream.proven).toBeUndefined();
  });

  test("S2: refuses an identity that it has no key for, and both ends name it", async () => {
    const listening = await listen({ keyFor: () => undefined });
    const end = dial(listening.port, { identityVersion: 0 });
    const [atHost, atTarget] = await failed(listening, end);
    expect(["rejected", "unknown-identity"]).toContain(atHost.failure);
    expect(atHost).toMatchObject({ identity, permanent: true, phase: "tls" });
    expect(atHost.message).toContain(identity);
    expect(atTarget).toMatchObject({ failure: "unknown-identity", identity, permanent: true });
  });

  test.each([
    ["version 0, where the key only shows in the handshake", 0, "wrong-key"],
    ["version 1, whose digest is another", 1, "unknown-identity"],
  ] as const)("S2: refuses another key: %s", async (_name, identityVersion, atTheTarget) => {
    const listening = await listen();
    const end = dial(listening.port, { key: otherKey, identityVersion });
    const [atHost, atTarget] = await failed(listening, end);
    expect(atTarget.failure).toBe(atTheTarget);
    if (identityVersion === 0) expect(atHost.failure).toBe("wrong-key");
    for (const error of [atHost, atTarget]) {
      expect(error.code).toBe(`NVME_ERR_TLS_${error.failure.toUpperCase().replaceAll("-", "_")}`);
      expect(error.identity).toContain(names.hostNqn);
      // Neither key, in whatever form.
      expect(`${error.message} ${error.hint} ${String(error.cause)}`).not.toMatch(
        /NVMeTLSkey|AQIDBAUG|01020304|fefdfcfb/i,
      );
    }
  });

  test("a search for keys that fails is a refusal, and is told why", async () => {
    const keyFor = (): never => {
      throw new TypeError("the key store is gone");
    };
    const listening = await listen({ keyFor });
    const [, atTarget] = await failed(listening, dial(listening.port));
    expect(atTarget).toMatchObject({ failure: "unknown-identity" });
    expect(String(atTarget.cause)).toContain("the key store is gone");
  });

  test.each([
    ["of no bytes", Buffer.alloc(0), "handshake"],
    ["of 256 bytes", Buffer.alloc(256, "x"), "unknown-identity"],
    ["of 257 bytes", Buffer.alloc(257, "x"), "handshake"],
    ["of 16,000 bytes", Buffer.alloc(16_000, "x"), "handshake"],
    ["that is not UTF-8", Buffer.from([0x4e, 0x56, 0xff, 0xfe]), "handshake"],
    ["that begins with a zero byte", Buffer.from(`\0${identity}`), "handshake"],
    ["with a line end in it", Buffer.from(`${identity}\n`), "unknown-identity"],
  ])("S3: refuses an identity %s", async (_name, bytes, failure) => {
    const { port, ends } = await listen({ keyFor: () => psk });
    const [client, socket] = rawTls(port, { identity: bytes });
    socket.write(client.hello());
    await pace.until(() => client.state === "ended" && ends[0]?.isOver === true);
    expect(ends[0]!.events).toEqual(["ended"]);
    expect(ends[0]!.refusal.failure).toBe(failure);
    // What is told of it prints, and has a bound.
    expect(ends[0]!.refusal.message).toMatch(/^\P{C}{1,700}$/u);
  });

  test("S3: takes what stands before a zero byte for the identity, as NVMe/TCP 1.0 writes it", async () => {
    const { port, ends } = await listen({ keyFor: () => psk });
    const [client, socket] = rawTls(port, { identity: Buffer.from(`${identity}\0`) });
    socket.write(client.hello());
    await pace.until(() => ends[0]?.events.length === 1);
    expect(ends[0]!.events).toEqual(["opened"]);
    expect(ends[0]!.stream.proven).toEqual(names);
  });

  test.each([
    ["TLS 1.2 only", { versions: [0x0303] }],
    ["a suite without encryption", { suites: [0x00ff, 0xc0b4] }],
    ["a suite that was not agreed on", { suites: [0x1303] }],
    ["the suite of SHA-384", { suites: [0x1302] }],
  ])("S5: refuses %s", async (_name, options) => {
    const { port, ends } = await listen({ keyFor: () => psk });
    const [client, socket] = rawTls(port, options);
    socket.write(client.hello());
    await pace.until(() => client.state === "ended" && ends[0]?.isOver === true);
    expect(client.said.map(({ type }) => type)).toEqual([ContentType.Alert]);
    expect(ends[0]!.refusal.failure).toBe("handshake");
  });

  test("S5: refuses who asks for a certificate", async () => {
    const { port, ends } = await listen();
    const client = tlsConnect({ host, port, rejectUnauthorized: false });
    opened.push(() => client.destroy());
    const errors: string[] = [];
    client.on("error", ({ message }) => errors.push(message));
    client.on("close", pace.happened);
    await pace.until(() => client.closed && ends[0]?.isOver === true);
    expect(errors.join()).toMatch(/alert|disconnected/);
    expect(ends[0]!.refusal.failure).toBe("handshake");
  });

  test.each([
    ["nothing", () => []],
    ["the half of a ClientHello", (client) => [client.hello().subarray(0, 100)]],
    ["a ClientHello, and not the Finished", (client) => [client.hello()]],
    ["bytes, one in a second", (client) => [...client.hello()].map((byte) => Buffer.from([byte]))],
  ] satisfies [string, (client: RawTlsClient) => Buffer[]][])(
    "S7: gives up after 5 s on a host that says %s",
    async (_name, words) => {
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
      const { port, ends } = await listen({ keyFor: () => psk });
      const [client, socket] = rawTls(port);
      client.finishes = false;
      await pace.until(() => ends.length === 1 && socket.readyState === "open");
      const said = words(client);
      for (let second = 0; second < 5; second++) {
        if (second < said.length) socket.write(said[second]!);
        vi.advanceTimersByTime(second < 4 ? 1_000 : 999);
        await pace.quiet();
      }
      expect(ends[0]!.events).toEqual([]);
      vi.advanceTimersByTime(1);
      await pace.until(() => client.state === "ended");
      expect(ends[0]!.events).toEqual(["ended"]);
      expect(ends[0]!.refusal).toMatchObject({
        failure: "timeout",
        permanent: false,
        limit: "handshakeTimeoutMs",
      });
    },
  );

  test("S7: a host that goes in the middle is a handshake that ended", async () => {
    for (const go of ["end", "resetAndDestroy"] as const) {
      const { port, ends } = await listen({ keyFor: () => psk });
      const [client, socket] = rawTls(port);
      socket.write(client.hello().subarray(0, 100), () => socket[go]());
      await pace.until(() => ends[0]?.isOver === true);
      expect(ends[0]!.refusal.failure).toBe("handshake");
    }
  });

  test("S8: forgets a host that goes as soon as it has proven itself", async () => {
    for (const go of ["end", "destroy", "resetAndDestroy"] as const) {
      const { port, ends } = await listen({ keyFor: () => psk });
      const [client, socket] = rawTls(port);
      client.onOpen = () => socket[go]();
      socket.write(client.hello());
      await pace.until(() => ends[0]?.isOver === true);
      await pace.quiet();
      expect(["opened, ended", "ended"]).toContain(ends[0]!.events.join(", "));
    }
  });

  test("S11: takes no data without a round trip", async () => {
    const { port, ends } = await listen({ keyFor: () => psk });
    const [client, socket] = rawTls(port, { earlyData: true });
    const hello = client.hello();
    socket.write(Buffer.concat([hello, client.earlyData(Buffer.from("too early"))]));
    await pace.until(() => client.state !== "shaking" || ends[0]?.isOver === true);
    await pace.quiet();
    expect(ends[0]!.bytes).toBe(0);
  });

  test("S11: takes 10,000 new keys, and keeps nothing for them", async () => {
    const { port, ends } = await listen({ keyFor: () => psk });
    const [client, socket] = rawTls(port);
    socket.write(client.hello());
    await pace.until(() => client.state === "open");
    for (let i = 0; i < 10_000; i++) socket.write(client.keyUpdate(i % 100 === 0));
    socket.write(client.seal(ContentType.Data, Buffer.from("still here")));
    await pace.until(() => ends[0]?.bytes === 10);
    const answers = client.said.filter(({ body }) => body[0] === HandshakeType.KeyUpdate);
    expect(answers.length).toBeLessThanOrEqual(100);
    expect(client.said).toHaveLength(answers.length);
  });

  test("one that is refused by its user is closed, and told nothing", async () => {
    const listener = await tlsListen({ host, port: 0 }, { keyFor: () => key });
    opened.push(() => listener.close());
    listener.listen(() => undefined);
    const end = dial(listener.address.port);
    await over(end);
    expect(end.refusal.failure).toBe("handshake");
  });
});

describe("a host", () => {
  test("S5: refuses a server that knows TLS 1.2 only, or shows a certificate", async () => {
    for (const options of [{ maxVersion: "TLSv1.2" }, {}] as const) {
      const server = createTlsServer({ ...certificate(), ...options });
      server.on("tlsClientError", () => {});
      opened.push(() => server.close());
      server.listen(0, host);
      await once(server, "listening");
      const end = dial((server.address() as AddressInfo).port);
      await over(end);
      expect(end.events).toEqual(["ended"]);
      expect(["handshake", "rejected"]).toContain(end.refusal.failure);
    }
  });

  test("S11: takes no notice of session tickets", async () => {
    const server = createTlsServer({
      minVersion: "TLSv1.3",
      ciphers: "TLS_AES_128_GCM_SHA256",
      pskCallback: () => secret,
    });
    opened.push(() => server.close());
    server.on("secureConnection", (socket) => {
      opened.push(() => socket.destroy());
      socket.on("error", () => {});
      socket.write("after the tickets");
    });
    server.listen(0, host);
    await once(server, "listening");
    for (let time = 0; time < 2; time++) {
      const end = dial((server.address() as AddressInfo).port, { key: psk });
      await pace.until(() => end.bytes === 17);
      expect(end.events).toEqual(["opened"]);
    }
  });

  test("S6: refuses a key for SHA-384 before it connects, and says why", async () => {
    let connections = 0;
    const port = await rawServer(() => connections++);
    const long = new Uint8Array(48);
    for (const hash of [TlsKeyHash.Sha384, TlsKeyHash.None]) {
      const end = dial(port, { key: new TlsKey(long, hash) });
      await over(end);
      expect(end.refusal).toMatchObject({
        code: "NVME_ERR_TLS_HASH_UNSUPPORTED",
        message: "Node cannot use a TLS key for SHA-384 (NVMe…R02)",
        permanent: true,
      });
      expect(end.refusal.identity).toMatch(/^NVMe1R02 /);
      expect(end.refusal.hint).toContain("gen-tls-key --hmac 1");
    }
    expect(connections).toBe(0);
  });

  test.each([
    ["version 1", 1, 201, "the PSK identity has 257 bytes; 256 is the limit"],
    ["version 0", 0, 245, "the PSK identity has 256 bytes; 255 is the limit"],
  ] as const)("S3: refuses names that are too long, before it connects: %s", async (...row) => {
    const [, identityVersion, nameBytes, message] = row;
    let connections = 0;
    const port = await rawServer(() => connections++);
    const fits = async (bytes: number): Promise<End> => {
      const hostNqn = `nqn.${"h".repeat(96)}`;
      const subsystemNqn = `nqn.${"s".repeat(bytes - 104)}`;
      const end = new End();
      const connector = tlsConnector({ host, port }, { key, identityVersion });
      end.stream = connector.connect(
        { receiveBytes: 1, connectTimeoutMs: 100, owner: { ...owner, hostNqn, subsystemNqn } },
        end,
      );
      await over(end);
      return end;
    };
    const tooLong = await fits(nameBytes + 1);
    expect(tooLong.error).toMatchObject({ code: "NVME_ERR_TLS_IDENTITY", message });
    expect(connections).toBe(0);
    // One byte less, and it is the server that does not answer.
    const longest = await fits(nameBytes);
    expect(longest.refusal.failure).toBe("timeout");
  });

  test("has no key for these names, or another identity than that of its key", async () => {
    const port = await rawServer(() => {});
    for (const [options, failure] of [
      [{ key: () => undefined }, "no-key"],
      [{ identity: "another" }, "unknown-identity"],
      [{ identity: `${identity}x` }, "unknown-identity"],
    ] as const) {
      const end = dial(port, options);
      expect(end.events).toEqual([]);
      await over(end);
      expect(end.refusal).toMatchObject({ failure, permanent: true });
    }
    const bad = dial(port, { key: `${key.revealText().slice(0, -3)}==:` });
    await over(bad);
    expect(bad.error).toMatchObject({ code: "NVME_ERR_TLS_KEY" });
  });

  test("learns that there is no TLS at a port, and says nothing in clear", async () => {
    const said: Buffer[] = [];
    const termReq = Buffer.from([3, 0, 24, 0, 24, 0, 0, 0, 1, 0, ...new Uint8Array(14)]);
    for (const answer of [termReq, strangers.HTTP, strangers.SSH]) {
      const port = await rawServer((socket) => {
        socket.on("data", (chunk: Buffer) => {
          said.push(chunk);
          socket.write(answer);
        });
      });
      const end = dial(port);
      await over(end);
      expect(end.refusal.failure).toBe("not-spoken");
      expect(end.refusal.hint).toContain("Is TLS set up");
    }
    // Handshake records, and alerts.
    for (const chunk of said) expect([0x15, 0x16]).toContain(chunk[0]);
  });

  test("S7: gives up on a server that says nothing, and on one that stops", async () => {
    const silent = dial(await rawServer(() => {}), { handshakeTimeoutMs: 50 });
    await over(silent);
    expect(silent.refusal).toMatchObject({ failure: "timeout", limit: "handshakeTimeoutMs" });
    const half = await rawServer((socket) => {
      socket.once("data", () => socket.write(Buffer.from([0x16, 3, 3, 0, 128, 2, 0])));
    });
    const stops = dial(half, { handshakeTimeoutMs: 50 });
    await over(stops);
    expect(stops.refusal.failure).toBe("timeout");
    // The reason is there before whoever waits for the stream gives up.
    const end = dial(await rawServer(() => {}), {}, 120);
    await over(end);
    expect(end.refusal.message).toMatch(/not over in \d\d ms/);
  });

  test("loses a server that goes in the middle", async () => {
    for (const go of ["end", "resetAndDestroy"] as const) {
      const port = await rawServer((socket) => socket.once("data", () => socket[go]()));
      const end = dial(port);
      await over(end);
      expect(end.refusal).toMatchObject({ failure: "handshake", permanent: false });
    }
  });

  test("that leaves in the middle is told nothing", async () => {
    const port = await rawServer(() => {});
    for (const way of ["reset", "close"] as const) {
      const end = dial(port);
      await pace.quiet();
      end.stream[way]();
      await pace.quiet();
      expect(end.events).toEqual([]);
    }
  });
});

/** A wire between a host and a target, on which TLS records of the host may be changed. */
async function wire(
  port: number,
  change: (record: Buffer, index: number, towards: Socket) => Buffer[],
): Promise<number> {
  return rawServer((socket) => {
    const onward = rawClient(port);
    let pending = Buffer.alloc(0);
    let index = 0;
    onward.on("data", (chunk: Buffer) => socket.write(chunk));
    onward.on("close", () => socket.destroy());
    socket.on("close", () => onward.destroy());
    socket.on("data", (chunk: Buffer) => {
      pending = Buffer.concat([pending, chunk]);
      while (pending.length >= 5 && pending.length >= 5 + pending.readUInt16BE(3)) {
        const end = 5 + pending.readUInt16BE(3);
        const record = pending.subarray(0, end);
        pending = pending.subarray(end);
        // Data comes after ClientHello, ChangeCipherSpec and Finished.
        const at = record[0] === ContentType.Data ? index++ : -1;
        for (const piece of at < 1 ? [record] : change(record, at, onward)) onward.write(piece);
      }
    });
  });
}

describe("on the wire", () => {
  const flipped = (record: Buffer): Buffer => {
    const copy = Buffer.from(record);
    copy[20]! ^= 1;
    return copy;
  };
  let last: Buffer[] = [];

  test.each([
    [
      "a bit of a record is changed",
      (record: Buffer, i: number) => (i === 2 ? [flipped(record)] : [record]),
    ],
    [
      "a record is sent again",
      (record: Buffer, i: number) => (i === 2 ? [record, record] : [record]),
    ],
    ["a record is left out", (record: Buffer, i: number) => (i === 2 ? [] : [record])],
    [
      "two records are exchanged",
      (record: Buffer, i: number) => {
        if (i !== 2) return i === 3 ? [record, ...last] : [record];
        last = [record];
        return [];
      },
    ],
  ])("S9: a connection is lost when %s, and nothing of it is delivered", async (_name, change) => {
    const { port, ends } = await listen();
    const end = dial(await wire(port, change));
    await pace.until(() => end.events.length > 0);
    for (let i = 1; i <= 4; i++) {
      end.stream.write([new Uint8Array(1_000).fill(i)]);
      await pace.quiet();
    }
    await over(end);
    await over(ends[0]);
    expect(ends[0]!.error).toMatchObject({ code: "NVME_ERR_CONNECTION_LOST" });
    expect(isNvmeofError(end.error)).toBe(true);
    // Whole records before the one that was tampered with, and no more.
    expect([1_000, 2_000]).toContain(ends[0]!.bytes);
  });

  test("S9, S10: an end in the middle of a record delivers nothing of it", async () => {
    const { port, ends } = await listen();
    const cut = (record: Buffer, i: number, onward: Socket): Buffer[] => {
      if (i < 2) return [record];
      onward.end(record.subarray(0, 500));
      return [];
    };
    const end = dial(await wire(port, cut));
    await pace.until(() => end.events.length > 0);
    end.stream.write([new Uint8Array(1_000)]);
    await pace.until(() => ends[0]?.bytes === 1_000);
    end.stream.write([new Uint8Array(1_000)]);
    await over(ends[0]);
    expect(ends[0]!.bytes).toBe(1_000);
  });

  test("S10: an end without close_notify is an end", async () => {
    const { port, ends } = await listen();
    const cut = (record: Buffer, _i: number, onward: Socket): Buffer[] => {
      onward.end(record);
      return [];
    };
    const end = dial(await wire(port, cut));
    await pace.until(() => end.events.length > 0);
    end.stream.write([new Uint8Array(1_000)]);
    await over(ends[0]);
    expect(ends[0]!.bytes).toBe(1_000);
  });
});

test("a port without TLS and a host with it part, and neither waits", async () => {
  const listener = await tcpListen({ host, port: 0 });
  opened.push(() => listener.close());
  const plain = new End();
  listener.listen((stream) => {
    plain.stream = stream;
    opened.push(() => stream.reset());
    return plain;
  });
  const end = dial(listener.address.port, { handshakeTimeoutMs: 200 });
  await pace.until(() => plain.bytes > 0);
  // What a controller does with a ClientHello is for its session to say: here it only goes.
  plain.stream.reset();
  await over(end);
  expect(end.refusal.failure).toBe("handshake");
});

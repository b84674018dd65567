// A target by TLS: each host with its own key, bound to its name; others are refused, counted and told.

import { once } from "node:events";
import { type AddressInfo, createConnection, createServer } from "node:net";
import { memoryDevice } from "@nvmeof/bdev";
import { DiscoveryService, type DiscoveryServiceEvent } from "@nvmeof/bdev/nvme";
import {
  DISCOVERY_NQN,
  type DiscoveryEntry,
  type NvmeofError,
  SecureChannel,
  Sectype,
  Status,
  Subtype,
  codeOf,
} from "@nvmeof/codec";
import { TlsKey } from "@nvmeof/codec/auth";
import { type ConnectRejectedError, discover, discoverAll, openController } from "@nvmeof/core";
import { type TcpTransportOptions, systemClock, tcp, tcpListen } from "@nvmeof/transport/node";
import { afterEach, expect, test } from "vitest";
import type { TargetEvent } from "../index.ts";
import { DEFAULT_NQN, type ServeOptions, type Served, serve } from "./index.ts";

const nqn = (name: string): string => `nqn.2024-01.com.example:${name}`;
const keyOf = (seed: number): TlsKey =>
  new TlsKey(Uint8Array.from({ length: 32 }, (_, i) => i ^ seed));
const [hostA, hostB] = [nqn("a"), nqn("b")];
const [keyA, keyB] = [keyOf(1), keyOf(2)];
const ids = { [hostA]: "11111111-1111-4111-8111-111111111111" };
const otherId = "22222222-2222-4222-8222-222222222222";

const opened: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).toReversed()) await close();
});

interface Seen extends Served {
  readonly events: TargetEvent[];
}

async function target(options: Partial<ServeOptions>): Promise<Seen> {
  const device = memoryDevice({ name: "m", clock: systemClock, blockBytes: 512, blockCount: 1024 });
  const served = await serve({ namespaces: [device], port: 0, ...options });
  opened.push(() => served.close());
  const events: TargetEvent[] = [];
  served.target.observe((event) => events.push(event));
  return { ...served, events };
}

const bothHosts = {
  allowedHosts: [
    { nqn: hostA, tlsKey: keyA },
    { nqn: hostB, tlsKey: keyB.revealText() },
  ],
  tls: {},
};

interface Asked {
  readonly hostNqn?: string;
  readonly subsystemNqn?: string;
  readonly ioQueues?: number;
}

async function connect(
  { address }: Pick<Served, "address">,
  tls: TcpTransportOptions["tls"],
  asked: Asked = {},
) {
  const { hostNqn = hostA, subsystemNqn = DEFAULT_NQN, ioQueues = 1 } = asked;
  const controller = await openController({
    transport: tcp({ ...address, tls }),
    hostNqn,
    hostId: ids[hostNqn] ?? otherId,
    subsystemNqn,
    ioQueues,
    reconnect: { lossMs: 0, delayMs: 0, fastFailMs: 0 },
  });
  opened.push(() => controller.close());
  return controller;
}

/** Why a host does not get in. */
const refusal = (...args: Parameters<typeof connect>): Promise<Error> =>
  connect(...args).then(
    () => {
      throw new Error("it was let in");
    },
    (error: Error) => error,
  );

const endings = ({ events }: Seen) =>
  events.flatMap((event) =>
    event.type === "connection-ended" && event.tlsFailure !== undefined
      ? [{ failure: event.tlsFailure, identity: event.tlsIdentity }]
      : [],
  );

test("each host gets in by its own key, with admin and I/O queues", async () => {
  const served = await target(bothHosts);
  expect(served.subsystem.secureChannel).toBe("required");
  for (const [hostNqn, key] of [
    [hostA, keyA],
    [hostB, keyB],
  ] as const) {
    for (const identityVersion of [0, 1] as const) {
      const controller = await connect(served, { key, identityVersion }, { hostNqn });
      expect(await controller.namespaceIds()).toEqual([1]);
      await controller.close();
    }
  }
  expect(served.target.counters.tlsRefusals).toEqual({});
});

test("S2: a host with the key of another, an unknown host and one without a key stay outside", async () => {
  const served = await target(bothHosts);
  const wrong = await refusal(served, { key: keyB, identityVersion: 0 });
  expect(wrong).toMatchObject({ code: "NVME_ERR_TLS_WRONG_KEY", permanent: true });
  const unknown = await refusal(served, { key: keyA }, { hostNqn: nqn("c") });
  expect(unknown).toMatchObject({ name: "TlsError", permanent: true });
  // In clear: what the listener says back is an alert, which is no NVMe/TCP.
  const plain = await refusal(served, undefined);
  expect((plain as Error & { code: string }).code).toMatch(/^NVME_ERR_(PROTOCOL|CONNECTION_LOST)$/);
  expect(served.target.counters.tlsRefusals).toEqual({
    "wrong-key": 1,
    "unknown-identity": 1,
    "not-spoken": 1,
  });
  expect(endings(served)).toMatchObject([
    { failure: "wrong-key", identity: `NVMe0R01 ${hostA} ${DEFAULT_NQN}` },
    { failure: "unknown-identity", identity: expect.stringContaining(nqn("c")) },
    { failure: "not-spoken", identity: undefined },
  ]);
  expect(served.target.status).toMatchObject({ connections: 0, controllers: 0 });
  const told = JSON.stringify(served.events);
  for (const key of [keyA, keyB]) {
    expect(told).not.toContain(key.revealText().slice(16, 40));
    expect(told).not.toContain(Buffer.from(key.reveal()).toString("hex").slice(0, 16));
  }
});

test("a host that has proven one name cannot connect as another", async () => {
  const served = await target(bothHosts);
  // The key of A, and the name of A in the handshake; B in Connect.
  const transport = tcp({ ...served.address, tls: { key: keyA } });
  const asA = { ...transport, openQueue: forged(transport, { hostNqn: hostA }) };
  const error = await openController({
    transport: asA,
    hostNqn: hostB,
    hostId: otherId,
    subsystemNqn: DEFAULT_NQN,
  }).then(
    () => undefined,
    (thrown: ConnectRejectedError) => thrown,
  );
  expect(codeOf(error?.status ?? 0)).toBe(Status.ConnectInvalidHost);
  const refused = served.events.find(({ type }) => type === "connect-refused");
  expect(refused).toMatchObject({ message: `${hostB} came with the TLS key of ${hostA}` });
});

/** Queues whose handshake gives other names than their Connect. */
function forged(
  transport: ReturnType<typeof tcp>,
  names: Partial<Record<"hostNqn" | "subsystemNqn", string>>,
): ReturnType<typeof tcp>["openQueue"] {
  return (options, events) =>
    transport.openQueue({ ...options, owner: { ...options.owner!, ...names } }, events);
}

test("S4: a key for one subsystem does not open another", async () => {
  const served = await target(bothHosts);
  const other = nqn("disk2");
  served.target.addSubsystem({ nqn: other, allowedHosts: [hostA] });
  // Its own key it has not: the handshake fails.
  const error = await refusal(served, { key: keyA }, { subsystemNqn: other });
  expect(error).toMatchObject({ name: "TlsError" });
  // A handshake for the first one succeeds, and Connect to the second is refused.
  const transport = tcp({ ...served.address, tls: { key: keyA } });
  const rejected = await openController({
    transport: { ...transport, openQueue: forged(transport, { subsystemNqn: DEFAULT_NQN }) },
    hostNqn: hostA,
    hostId: otherId,
    subsystemNqn: other,
  }).then(
    () => undefined,
    (thrown: ConnectRejectedError) => thrown,
  );
  expect(codeOf(rejected?.status ?? 0)).toBe(Status.ConnectInvalidHost);
});

test("discovery takes the same keys, and says that TLS is required", async () => {
  const served = await target(bothHosts);
  const asking = { hostNqn: hostA, hostId: ids[hostA]! };
  const transport = tcp({ ...served.address, tls: { key: keyA } });
  const { entries } = await discover({ ...asking, transport });
  expect(entries.map(({ subnqn, tsc, sectype }) => [subnqn, tsc, sectype])).toEqual([
    [DISCOVERY_NQN, SecureChannel.Required, Sectype.Tls13],
    [DEFAULT_NQN, SecureChannel.Required, Sectype.Tls13],
  ]);
});

test("a subsystem that requires TLS is not there at a port without", async () => {
  const served = await target(bothHosts);
  const listener = await tcpListen({ host: "127.0.0.1", port: 0 });
  const { address } = listener;
  const traddr = address.host;
  served.target.listen({
    listener,
    address: { trtype: "tcp", traddr, trsvcid: String(address.port) },
  });
  const error = (await refusal({ address }, undefined)) as ConnectRejectedError;
  expect(codeOf(error.status)).toBe(Status.ConnectInvalidHost);
  const asking = { hostNqn: hostA, hostId: ids[hostA]! };
  const { entries } = await discover({ ...asking, transport: tcp(address) });
  const found = entries.filter(({ subtype }) => subtype === Subtype.Nvm);
  expect(found.map(({ trsvcid, sectype }) => [trsvcid, sectype])).toEqual([
    [String(served.address.port), Sectype.Tls13],
  ]);
});

test("what asks for TLS in a discovery log is not followed in clear, and is by TLS", async () => {
  const served = await target(bothHosts);
  const { target: behind } = served;
  // Discovery in clear at one port, which tells of the subsystem at the other.
  const listener = await tcpListen({ host: "127.0.0.1", port: 0 });
  const { host: traddr, port } = listener.address;
  behind.listen({
    listener,
    address: { trtype: "tcp", traddr, trsvcid: String(port) },
    offers: "discovery",
  });
  const elsewhere = { trtype: "tcp", traddr: "192.0.2.1", trsvcid: "8009" };
  behind.setReferrals([{ address: elsewhere, security: "tls-1.3" }]);
  const asking = { hostNqn: hostA, hostId: ids[hostA]!, transport: tcp(listener.address) };
  const wantsTls = { code: "NVME_ERR_TLS_REQUIRED", permanent: true };
  const inClear = ({ traddr: at, trsvcid }: DiscoveryEntry) =>
    tcp({ host: at, port: Number(trsvcid) });

  const { unreachable } = await discoverAll(asking, inClear);
  expect(unreachable).toMatchObject([{ address: "tcp 192.0.2.1 8009", error: wantsTls }]);

  const events: DiscoveryServiceEvent[] = [];
  const service = new DiscoveryService({ ...asking, name: "plain", open: inClear });
  service.observe((event) => events.push(event));
  await service.start();
  expect(events.find(({ type }) => type === "attach-failed")).toMatchObject({
    error: wantsTls,
    retryMs: undefined,
  });
  expect(events.find(({ type }) => type === "referral-ignored")).toMatchObject({ error: wantsTls });
  expect(service.groups.flatMap(({ controllers }) => controllers)).toEqual([]);
  await service.stop();
  expect(behind.counters.tlsRefusals).toEqual({});

  behind.setReferrals([]);
  const open = ({ traddr: at, trsvcid }: DiscoveryEntry) =>
    tcp({ host: at, port: Number(trsvcid), tls: { key: keyA } });
  const withKey = new DiscoveryService({ ...asking, name: "tls", open });
  await withKey.start();
  expect(withKey.groups.flatMap(({ controllers }) => controllers)).toHaveLength(1);
  await withKey.stop();
});

test("one key for all hosts, or a search of one's own; keys change while it runs", async () => {
  const shared = await target({ tls: { key: keyA } });
  await (await connect(shared, { key: keyA }, { hostNqn: nqn("anybody") })).close();
  const asked: string[] = [];
  const searched = await target({
    tls: {
      key: ({ hostNqn, subsystemNqn }) => {
        asked.push(`${hostNqn} ${subsystemNqn}`);
        return hostNqn === hostA ? keyA : undefined;
      },
    },
  });
  await (await connect(searched, { key: keyA }, { ioQueues: 0 })).close();
  expect(asked).toEqual([`${hostA} ${DEFAULT_NQN}`]);

  const served = await target(bothHosts);
  served.subsystem.setAllowedHosts([{ nqn: hostA, tlsKey: keyB }]);
  expect(await refusal(served, { key: keyA })).toMatchObject({ name: "TlsError" });
  await (await connect(served, { key: keyB })).close();
});

test("S9: a command whose answer was changed on the way ends as unknown, and the host comes back", async () => {
  const served = await target(bothHosts);
  let changes = 0;
  // The wire: bytes to the host may be changed, in the middle of a record.
  const wire = createServer((socket) => {
    const onward = createConnection(served.address);
    for (const end of [socket, onward]) end.on("error", () => {});
    socket.pipe(onward);
    socket.on("close", () => onward.destroy());
    onward.on("close", () => socket.destroy());
    onward.on("data", (chunk: Buffer) => {
      if (changes > 0) chunk[chunk.length - 1]! ^= 1;
      changes = Math.max(0, changes - 1);
      socket.write(chunk);
    });
  });
  wire.listen(0, "127.0.0.1");
  await once(wire, "listening");
  opened.push(async () => void wire.close());
  const { port } = wire.address() as AddressInfo;
  const controller = await openController({
    transport: tcp({ host: "127.0.0.1", port, tls: { key: keyA } }),
    hostNqn: hostA,
    hostId: ids[hostA]!,
    subsystemNqn: DEFAULT_NQN,
    reconnect: { delayMs: 10, lossMs: 10_000, fastFailMs: 10_000 },
  });
  opened.push(() => controller.close());
  const isBack = new Promise<void>((resolve) => {
    controller.observe((event) => event.type === "state" && event.to === "live" && resolve());
  });
  changes = 1;
  const error = await controller.property(0).then(
    () => undefined,
    (thrown: NvmeofError) => thrown,
  );
  expect(error).toMatchObject({
    outcome: "unknown",
    cause: expect.objectContaining({ code: "NVME_ERR_CONNECTION_LOST" }),
  });
  await isBack;
  expect(await controller.namespaceIds()).toEqual([1]);
});

test("a key is enough for other machines to come in, and text that is no key is refused at once", async () => {
  const served = await target({ host: "0.0.0.0", tls: { key: keyA } });
  expect(served.address.host).toBe("0.0.0.0");
  const half = keyA.revealText().slice(0, 30);
  await expect(target({ tls: { key: half } })).rejects.toMatchObject({ code: "NVME_ERR_TLS_KEY" });
  await expect(target({ tls: { key: half } })).rejects.not.toThrow(half.slice(16));
});

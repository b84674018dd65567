// Targets for tests: a real one over loopback TCP, and raw servers that behave as no target should.

import { once } from "node:events";
import { type AddressInfo, type Socket, createServer } from "node:net";
import { type MemoryDevice, type MemoryDeviceOptions, memoryDevice } from "@nvmeof/bdev";
import { type ServeOptions, type Served, serve } from "@nvmeof/target/node";
import { systemClock, tcpListen } from "@nvmeof/transport/node";
import { formatAddress } from "../address.ts";

export const NQN = "nqn.2024-01.org.example:cli";

/** A target with devices in memory, and how to address it. */
export interface TestTarget {
  readonly served: Served;
  readonly devices: readonly MemoryDevice[];
  readonly port: number;
  /** Of the subsystem. */
  readonly uri: string;
  /** Of the discovery controller, which listens at the same port. */
  readonly discovery: string;
  /** Of a namespace. */
  readonly namespace: (nsid: number) => string;
}

type Disk = Partial<MemoryDeviceOptions>;

const disk = (options: Disk, index: number): MemoryDevice =>
  memoryDevice({
    name: `disk ${index + 1}`,
    clock: systemClock,
    blockBytes: 512,
    blockCount: 2048,
    ...options,
  });

/** Starts a target; one disk of 1 MiB unless others are given. The test closes it. */
export async function testTarget(
  disks: readonly Disk[] = [{}],
  options: Partial<ServeOptions> = {},
): Promise<TestTarget> {
  const devices = disks.map(disk);
  const served = await serve({ nqn: NQN, port: 0, ...options, namespaces: devices });
  const { host, port } = served.address;
  return {
    served,
    devices,
    port,
    uri: formatAddress({ host, port, subsystemNqn: NQN }),
    discovery: formatAddress({ host, port }),
    namespace: (nsid) => formatAddress({ host, port, subsystemNqn: NQN, nsid }),
  };
}

/** One more port of a target, and how to take it away and give it back. */
export interface TestPort {
  readonly uri: string;
  readonly drop: () => void;
  readonly restore: () => Promise<void>;
}

/** Lets a target listen at one more port on loopback. */
export async function testPort({ served: { target } }: TestTarget): Promise<TestPort> {
  const listen = async (wanted: number): Promise<{ port: number; drop: () => void }> => {
    const listener = await tcpListen({ host: "127.0.0.1", port: wanted });
    const { host: traddr, port } = listener.address;
    const opened = target.listen({
      listener,
      address: { trtype: "tcp", traddr, trsvcid: String(port) },
    });
    return { port, drop: () => opened.close("drop") };
  };
  let now = await listen(0);
  const { port } = now;
  return {
    uri: formatAddress({ host: "127.0.0.1", port, subsystemNqn: NQN }),
    drop: () => now.drop(),
    restore: async () => void (now = await listen(port)),
  };
}

/** A server that is no target: it does with each connection what a test wants. */
export interface RawServer extends AsyncDisposable {
  readonly port: number;
  readonly uri: string;
  /** Resolves when a host has connected. */
  readonly connected: Promise<void>;
}

/** Starts one on loopback. */
export async function rawServer(serveSocket: (socket: Socket) => void): Promise<RawServer> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    // The host goes as it likes, and that is no error of the test.
    socket.on("error", () => {});
    serveSocket(socket);
  });
  const connected = once(server, "connection").then(() => {});
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    port,
    uri: formatAddress({ host: "127.0.0.1", port, subsystemNqn: NQN }),
    connected,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

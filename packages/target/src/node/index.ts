// Entry point of @nvmeof/target/node: block devices over TCP in one call.
// Read first: ../target.ts for what it sets up.

import { randomBytes } from "node:crypto";
import type { BlockDevice } from "@nvmeof/bdev";
import type { Random } from "@nvmeof/core";
import { type TcpAddress, systemClock, tcpListen } from "@nvmeof/transport/node";
import type { NamespaceOptions } from "../namespace.ts";
import type { Subsystem, SubsystemOptions } from "../subsystem.ts";
import { Target, type TargetCloseReport, type TargetOptions } from "../target.ts";

/** The NQN of a subsystem that was given none. */
export const DEFAULT_NQN = "nqn.2026-01.dev.nvmeof:disk";

/** What to serve, and where. */
export interface ServeOptions
  extends Omit<SubsystemOptions, "nqn" | "namespaces">, Omit<TargetOptions, "clock"> {
  /** Block devices, as namespaces 1, 2, …, or namespaces. They stay their owner's. */
  readonly namespaces: readonly (BlockDevice | NamespaceOptions)[];
  /** NVMe Qualified Name of the subsystem. Default {@link DEFAULT_NQN}. */
  readonly nqn?: string | undefined;
  /** Address to listen on. Default 127.0.0.1; others ask for `allowedHosts` to be named. */
  readonly host?: string | undefined;
  /** TCP port; 0 for any that is free. Default 4420. */
  readonly port?: number | undefined;
}

/** Chance that nobody can foresee, and that a restart does not repeat. */
export const systemRandom: Random = { next32: () => randomBytes(4).readUInt32LE() };

/** A target that listens. */
export interface Served extends AsyncDisposable {
  readonly target: Target;
  readonly subsystem: Subsystem;
  /** Where hosts connect to, for the subsystem and for discovery. */
  readonly address: TcpAddress;
  /** See `Target.close`. */
  close(): Promise<TargetCloseReport>;
}

const isDevice = (each: BlockDevice | NamespaceOptions): each is BlockDevice =>
  "openChannel" in each;

const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || /^127(\.\d+){3}$/.test(host);

/**
 * Serves block devices as the namespaces of one subsystem over TCP.
 *
 * @throws TransportError NVME_ERR_UNREACHABLE when the address cannot be listened on; TypeError where
 * other machines could connect and nobody said who may; what `Target.addSubsystem` raises.
 */
export async function serve(options: ServeOptions): Promise<Served> {
  const { namespaces, host = "127.0.0.1", port = 4420, nqn = DEFAULT_NQN } = options;
  if (!isLoopback(host) && options.allowedHosts === undefined) {
    throw new TypeError(`${host} can be reached from elsewhere: name allowedHosts, or say "any"`);
  }
  const target = new Target({
    ...options,
    clock: systemClock,
    random: options.random ?? systemRandom,
  });
  const subsystem = target.addSubsystem({
    ...options,
    nqn,
    namespaces: namespaces.map((each) => (isDevice(each) ? { device: each } : each)),
  });
  try {
    const { connectionsMax } = target.limits;
    const listener = await tcpListen({ host, port }, { connectionsMax });
    const { address } = listener;
    const { host: traddr } = address;
    target.listen({ listener, address: { trtype: "tcp", traddr, trsvcid: String(address.port) } });
    const close = (): Promise<TargetCloseReport> => target.close();
    return {
      target,
      subsystem,
      address,
      close,
      [Symbol.asyncDispose]: () => target[Symbol.asyncDispose](),
    };
  } catch (error) {
    await target.close();
    throw error;
  }
}

// Entry point of @nvmeof/target/node: block devices over TCP in one call.
// Read first: ../target.ts for what it sets up.

import { randomBytes } from "node:crypto";
import type { BlockDevice } from "@nvmeof/bdev";
import { type TlsSecret, tlsSecret } from "@nvmeof/codec/auth";
import type { Random } from "@nvmeof/core";
import { authCrypto } from "@nvmeof/core/node";
import {
  type TcpAddress,
  type TcpListener,
  type TlsKeyFor,
  type TlsListenOptions,
  systemClock,
  tcpListen,
  tlsListen,
} from "@nvmeof/transport/node";
import type { NamespaceOptions } from "../namespace.ts";
import type { TargetPort } from "../port.ts";
import type { Subsystem, SubsystemOptions } from "../subsystem.ts";
import { Target, type TargetCloseReport, type TargetOptions } from "../target.ts";

/** The NQN of a subsystem that was given none. */
export const DEFAULT_NQN = "nqn.2026-01.dev.nvmeof:disk";
const DEFAULT_HOST = "127.0.0.1";

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
  /** TLS 1.3 with pre-shared keys, for the subsystem and for discovery; others are refused. Default: none. */
  readonly tls?: ServeTlsOptions | undefined;
}

/** The TLS keys of a target, beside those that `allowedHosts` names. */
export interface ServeTlsOptions extends Pick<TlsListenOptions, "compat"> {
  /** For hosts that `allowedHosts` names no `tlsKey` of: one for all of them, or one for each. */
  readonly key?: TlsSecret | TlsKeyFor | undefined;
}

/** Chance that nobody can foresee, and that a restart does not repeat. */
export const systemRandom: Random = { next32: () => randomBytes(4).readUInt32LE() };

/** A port of a target, and where it was found to listen. */
export interface ServedPort {
  readonly port: TargetPort;
  readonly address: TcpAddress;
}

/** A target that listens. */
export interface Served extends AsyncDisposable {
  readonly target: Target;
  readonly subsystem: Subsystem;
  /** Where hosts connect to, for the subsystem and for discovery. */
  readonly address: TcpAddress;
  /**
   * Listens at another address as well, as it does at the first: a second path for hosts. Rejects with
   * TransportError NVME_ERR_UNREACHABLE, TypeError where `serve` does, TargetError NVME_ERR_CLOSED.
   */
  listen(at?: Pick<ServeOptions, "host" | "port">): Promise<ServedPort>;
  /** See `Target.close`. */
  close(): Promise<TargetCloseReport>;
}

const isDevice = (each: BlockDevice | NamespaceOptions): each is BlockDevice =>
  "openChannel" in each;

const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || /^127(\.\d+){3}$/.test(host);

/** @throws TypeError where other machines could connect and nobody said who may. */
function checkHost(host = DEFAULT_HOST, { allowedHosts, tls }: ServeOptions): void {
  // A key is more than a name.
  if (isLoopback(host) || allowedHosts !== undefined || tls !== undefined) return;
  throw new TypeError(`${host} can be reached from elsewhere: name allowedHosts, or say "any"`);
}

/**
 * Listens as a target is asked to: in clear, or by TLS with its keys.
 *
 * @throws TransportError NVME_ERR_UNREACHABLE; TlsKeyError for a key that is none.
 */
export function listenFor(
  target: Target,
  address: TcpAddress,
  tls: ServeTlsOptions | undefined,
): Promise<TcpListener> {
  const { connectionsMax, handshakeTimeoutMs } = target.limits;
  if (tls === undefined) return tcpListen(address, { connectionsMax });
  const { compat } = tls;
  // What is no key is told now, and not to the first host.
  const key = typeof tls.key === "string" ? tlsSecret(tls.key) : tls.key;
  const keyFor: TlsKeyFor = (names, identity) => {
    const known = target.tlsKeyFor(names);
    return known ?? (typeof key === "function" ? key(names, identity) : key);
  };
  return tlsListen(address, { connectionsMax, handshakeTimeoutMs, keyFor, compat });
}

/**
 * Serves block devices as the namespaces of one subsystem over TCP; with `tls`, which the subsystem then
 * requires at every port, by nothing but TLS.
 *
 * @throws TransportError NVME_ERR_UNREACHABLE when the address cannot be listened on; TypeError where
 * other machines could connect and nobody said who may; what `Target.addSubsystem` raises.
 */
export async function serve(options: ServeOptions): Promise<Served> {
  const { namespaces, nqn = DEFAULT_NQN } = options;
  checkHost(options.host, options);
  const target = new Target({
    ...options,
    clock: systemClock,
    random: options.random ?? systemRandom,
    authCrypto: options.authCrypto ?? authCrypto,
  });
  const secured = options.tls === undefined ? "not-required" : "required";
  const subsystem = target.addSubsystem({
    ...options,
    nqn,
    secureChannel: options.secureChannel ?? secured,
    namespaces: namespaces.map((each) => (isDevice(each) ? { device: each } : each)),
  });
  const listen: Served["listen"] = async ({ host = DEFAULT_HOST, port = 4420 } = {}) => {
    checkHost(host, options);
    const listener = await listenFor(target, { host, port }, options.tls);
    const { address } = listener;
    const trsvcid = String(address.port);
    const at = { trtype: "tcp", traddr: address.host, trsvcid };
    try {
      return { port: target.listen({ listener, address: at }), address };
    } catch (error) {
      listener.close();
      throw error;
    }
  };
  try {
    const { address } = await listen(options);
    const close = (): Promise<TargetCloseReport> => target.close();
    return {
      target,
      subsystem,
      address,
      listen,
      close,
      [Symbol.asyncDispose]: () => target[Symbol.asyncDispose](),
    };
  } catch (error) {
    await target.close();
    throw error;
  }
}

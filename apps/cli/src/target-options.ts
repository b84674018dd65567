// From a URI and options to what a connection needs. Options beat the URI, which beats the defaults.

import { DISCOVERY_NQN } from "@nvmeof/codec";
import type { ControllerOptions, HostIdentity } from "@nvmeof/core";
import type { ConnectOptions } from "@nvmeof/bdev/nvme";
import type { Transport } from "@nvmeof/transport";
import { type TcpTransportOptions, fc, tcp } from "@nvmeof/transport/node";
import { type Address, type TransportType, parseAddress } from "./address.ts";
import { usage } from "./errors.ts";
import type { ConnectionOptions, ManyTargetOptions, NamespaceOptions } from "./options.ts";
import { tlsOf, wantsTls } from "./tls-options.ts";
import { checkTraceable } from "./trace-options.ts";

/** Where to connect to: complete. */
export interface Endpoint {
  readonly transport: TransportType;
  readonly host: string;
  readonly port: number;
  readonly subsystemNqn: string;
  readonly nsid: number | undefined;
  readonly hostNqn: string | undefined;
  readonly hostId: string | undefined;
  /** Whether the address asks for TLS. Options beat it. */
  readonly tls: boolean | undefined;
  /** What a file of configuration says of this address alone. It beats the options. */
  readonly overrides?: Partial<ConnectionOptions>;
}

/** The usual ports of NVMe/TCP. */
export const IO_PORT = 4420;
export const DISCOVERY_PORT = 8009;

const nowhere: Omit<Address, "host"> & { host: string | undefined } = {
  transport: "tcp",
  host: undefined,
  port: undefined,
  subsystemNqn: undefined,
  nsid: undefined,
  hostNqn: undefined,
  hostId: undefined,
  tls: undefined,
};

type Given = Partial<NamespaceOptions>;

/** The discovery controller that is meant. */
export function discoveryEndpoint(uri: string | undefined, options: Given): Endpoint {
  const said = merged(uri, options);
  if (said.subsystemNqn !== undefined && said.subsystemNqn !== DISCOVERY_NQN) {
    throw usage(
      `discover asks a discovery controller, and not ${said.subsystemNqn}`,
      "Leave out the NQN.",
    );
  }
  return { ...said, port: said.port ?? DISCOVERY_PORT, subsystemNqn: DISCOVERY_NQN };
}

/** The subsystem that is meant. */
export function subsystemEndpoint(uri: string | undefined, options: Given): Endpoint {
  const { subsystemNqn, ...said } = merged(uri, options);
  if (subsystemNqn === undefined) {
    throw usage(
      "which subsystem? The address does not say its NQN",
      "Append it (nvme+tcp://host:4420/nqn…) or give -n; `nvmeof discover` lists them.",
    );
  }
  return { ...said, port: said.port ?? IO_PORT, subsystemNqn };
}

/**
 * The addresses that are meant where any number may be given: URIs, or one URI or none with -a again
 * and again. A URI without an NQN means the subsystem of the first.
 */
export function subsystemEndpoints(
  uris: readonly string[],
  { traddr = [], ...said }: ManyTargetOptions,
): Endpoint[] {
  const [first, ...others] = uris;
  if (traddr.length > 0) {
    if (others.length > 0) {
      throw usage("several URIs and -a do not go together", "Write a URI for every address.");
    }
    return traddr.map((address) => subsystemEndpoint(first, { ...said, traddr: address }));
  }
  const lead = subsystemEndpoint(first, said);
  const rest = others.map((uri) => {
    const nqn = parseAddress(uri).subsystemNqn === undefined ? lead.subsystemNqn : said.nqn;
    return subsystemEndpoint(uri, nqn === undefined ? said : { ...said, nqn });
  });
  return [lead, ...rest];
}

function merged(
  uri: string | undefined,
  options: Given,
): Omit<Endpoint, "port" | "subsystemNqn"> & Pick<Address, "port" | "subsystemNqn"> {
  const said = uri === undefined ? nowhere : parseAddress(uri);
  // -n 1, where the verb takes that: no NQN is a number.
  const saysNsid = /^\d+$/.test(options.nqn ?? "");
  const host = options.traddr ?? said.host;
  if (host === undefined) {
    throw usage(
      "where? Neither an address nor -a was given",
      "Write nvme+tcp://host:port, or -t tcp -a host -s port.",
    );
  }
  return {
    transport: options.transport ?? said.transport,
    host: host.replace(/^\[(.*)\]$/, "$1"),
    port: options.trsvcid ?? said.port,
    subsystemNqn: saysNsid ? said.subsystemNqn : (options.nqn ?? said.subsystemNqn),
    nsid: options.namespaceId ?? (saysNsid ? Number(options.nqn) : said.nsid),
    hostNqn: options.hostnqn ?? said.hostNqn,
    hostId: options.hostid ?? said.hostId,
    tls: said.tls,
  };
}

/** Identify and the like: people do not wait for a minute. */
const ADMIN_TIMEOUT_MS = 10_000;
const RECONNECT_DELAY_MS = 2_000;

/** What `openController` takes, but for the signal. */
export function controllerOptions(
  endpoint: Endpoint,
  identity: HostIdentity,
  given: ConnectionOptions,
  more: Pick<TcpTransportOptions, "onInitialized"> = {},
): ControllerOptions {
  const options = { ...given, ...endpoint.overrides };
  const { host, port, subsystemNqn } = endpoint;
  const { connectTimeout, retries } = options;
  const lossMs = retries ? options.ctrlLossTmo : 0;
  const isSecure = wantsTls(options, endpoint.tls);
  if (isSecure && endpoint.transport === "fc") throw usage("TLS is for TCP, and not for FC");
  checkTraceable(options, endpoint.transport);
  const { tracing } = options;
  const transportFor = (asked: TcpTransportOptions): Transport =>
    tracing === undefined ? tcp(asked) : tracing.transport(asked);
  const { hostNqn } = identity;
  return {
    ...identity,
    transport:
      endpoint.transport === "fc"
        ? fc({ host, port })
        : transportFor({
            host,
            port,
            headerDigest: options.hdrDigest ?? false,
            dataDigest: options.dataDigest ?? false,
            localAddress: options.hostTraddr,
            tls: isSecure ? tlsOf(options, { hostNqn, subsystemNqn }) : undefined,
            ...more,
          }),
    subsystemNqn,
    ioQueues: options.nrIoQueues,
    queueEntries: options.queueSize,
    keepAliveTimeoutMs: options.keepAliveTmo,
    ioTimeoutMs: options.ioTimeout,
    adminTimeoutMs: ADMIN_TIMEOUT_MS,
    // What waits for a connection waits as long as there is hope for one.
    reconnect: {
      delayMs: Math.min(options.reconnectDelay ?? RECONNECT_DELAY_MS, lossMs),
      fastFailMs: Math.min(options.fastIoFailTmo ?? lossMs, lossMs),
      lossMs,
    },
    ...(connectTimeout === undefined
      ? {}
      : { connectTimeoutMs: connectTimeout, fabricsTimeoutMs: connectTimeout }),
  };
}

/** What `connect` takes, but for the signal. */
export const connectOptions = (
  endpoint: Endpoint,
  identity: HostIdentity,
  options: ConnectionOptions,
): ConnectOptions => ({
  ...controllerOptions(endpoint, identity, options),
  ...(options.retries ? {} : { retry: { samePathMax: 0, switchesMax: 0 } }),
});

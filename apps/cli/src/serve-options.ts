// Options of `serve`: what is served, where, and to whom.

import { checkNqn } from "@nvmeof/codec";
import { Option } from "commander";
import { type TransportType, parseListen } from "./address.ts";
import { type HostSecretOptions, hostSecretOptions } from "./authentication.ts";
import { type BackingOptions, backingOptions } from "./backing.ts";
import { type ControlOptions, controlOption } from "./control-options.ts";
import { type GivenLimit, limitOption } from "./limit-options.ts";
import { type ManageOptions, manageOptions } from "./manage-options.ts";
import { type MetricsOptions, metricsOptions } from "./metrics-options.ts";
import { type CommonOptions, repeated, valued, whole } from "./options.ts";
import { type TlsCliOptions, tlsKeyOptions } from "./tls-options.ts";
import { type TraceOptions, traceOption } from "./trace-options.ts";

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export interface ServeOptions
  extends
    CommonOptions,
    BackingOptions,
    ManageOptions,
    HostSecretOptions,
    MetricsOptions,
    ControlOptions,
    TlsCliOptions,
    TraceOptions {
  readonly nqn?: string;
  readonly transport: TransportType;
  readonly listen?: readonly ListenAddress[];
  readonly discovery?: ListenAddress;
  readonly discoveryPort?: number;
  readonly advertise?: string;
  readonly readyFile?: string;
  readonly allowHost?: readonly string[];
  readonly allowAnyHost?: boolean;
  readonly limit?: readonly GivenLimit[];
}

export function serveOptions(): Option[] {
  return [
    ...backingOptions("a namespace"),
    valued("-n, --nqn <nqn>", "NQN of the subsystem", checkNqn),
    new Option("-t, --transport <type>", "tcp, or fc between software ports")
      .choices(["tcp", "fc"])
      .default("tcp"),
    repeated(
      "--listen <host:port>",
      "where to listen; repeat for more (default: 127.0.0.1:4420)",
      parseListen,
    ),
    valued(
      "--discovery <host:port>",
      "where to answer discovery (default: 127.0.0.1:8009)",
      parseListen,
    ),
    valued(
      "--discovery-port <port>",
      "the same on 127.0.0.1; 0 for any free port",
      whole(0, 65_535),
    ),
    new Option("--advertise <host>", "the address that the discovery log tells hosts"),
    new Option("--ready-file <file>", "write the addresses here as JSON, once it is ready"),
    repeated("--allow-host <nqn>", "let only this host connect; repeat for more", checkNqn),
    new Option("--allow-any-host", "let anybody connect, also from other machines"),
    ...hostSecretOptions(),
    ...manageOptions(),
    limitOption(),
    traceOption(),
    ...metricsOptions(),
    controlOption(),
    ...[
      new Option("--tls", "TLS 1.3 with pre-shared keys, and never without"),
      ...tlsKeyOptions(),
    ].map((option) => option.helpGroup("TLS:")),
  ];
}

// Options of `serve`: what is served, where, and to whom.

import { checkNqn } from "@nvmeof/codec";
import { Option } from "commander";
import { type TransportType, parseListen } from "./address.ts";
import { usage } from "./errors.ts";
import { type CommonOptions, repeated, size, valued, whole } from "./options.ts";

/** One namespace to serve, and its place among all --mem and --file. */
export type Backing = { readonly order: number } & (
  | { readonly kind: "memory"; readonly bytes: number }
  | { readonly kind: "file"; readonly path: string }
);

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export interface ServeOptions extends CommonOptions {
  readonly mem?: readonly Backing[];
  readonly file?: readonly Backing[];
  readonly blockSize: number;
  readonly nqn?: string;
  readonly transport: TransportType;
  readonly listen?: readonly ListenAddress[];
  readonly discovery?: ListenAddress;
  readonly discoveryPort?: number;
  readonly advertise?: string;
  readonly readyFile?: string;
  readonly allowHost?: readonly string[];
  readonly allowAnyHost?: boolean;
}

function blockSize(text: string): number {
  const bytes = size(text);
  if (bytes >= 512 && bytes <= 65_536 && (bytes & (bytes - 1)) === 0) return bytes;
  throw usage(`"${text}" is no power of two from 512 to 65536`);
}

export function serveOptions(): Option[] {
  let order = 0;
  const memory = (text: string): Backing => ({ order: order++, kind: "memory", bytes: size(text) });
  const file = (path: string): Backing => ({ order: order++, kind: "file", path });
  return [
    repeated("--mem <size>", "a namespace in memory: 64M, 1G; repeat for more", memory),
    repeated("--file <path>", "a namespace in a file; repeat for more", file),
    valued("--block-size <bytes>", "512 to 65536, a power of two", blockSize).default(512),
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
  ];
}

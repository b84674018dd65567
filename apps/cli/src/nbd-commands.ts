// The row of exporting over NBD in the table of commands. Its words are those of qemu-nbd and nbdkit.
// Read first: command.ts for a row; commands.ts, of which this is a part.

import { Option } from "commander";
import { type BackingOptions, backingOptions } from "./backing.ts";
import type { CommandSpec } from "./command.ts";
import { usage } from "./errors.ts";
import { type ControlOptions, controlOption } from "./control-options.ts";
import { type MetricsOptions, metricsOptions } from "./metrics-options.ts";
import {
  type ManyTargetOptions,
  type NamespaceOptions,
  commonOptions,
  connectionOptions,
  fabricsOptions,
  namespaceOption,
  repeated,
  targetOptions,
  valued,
  whole,
} from "./options.ts";

/** What was said about exports, and about where clients find them. */
export interface ExportNbdOptions
  extends
    ManyTargetOptions,
    Pick<NamespaceOptions, "namespaceId">,
    BackingOptions,
    MetricsOptions,
    ControlOptions {
  readonly name?: readonly string[];
  readonly description?: readonly string[];
  readonly readOnly?: boolean;
  readonly unaligned: "allow" | "error";
  readonly socket?: string;
  readonly port: number;
  readonly bind: string;
  readonly allowAnyHost?: boolean;
  readonly tlsCertificates?: string;
  readonly tlsRequire?: boolean;
  readonly tlsVerifyPeer?: boolean;
  readonly shared: number;
  /** As they were typed: the table of commands loads no package. */
  readonly limit?: readonly string[];
  readonly run?: string;
  readonly readyFile?: string;
}

/** The port that IANA has for NBD. */
const NBD_PORT = 10_809;
const CLIENTS = 16;
const namespace = "nvme+tcp://127.0.0.1:4420/nqn.2024-01.com.example:disk1?nsid=1";

const exportOptions = (): Option[] =>
  [
    ...backingOptions("an export"),
    repeated("-x, --name <name>", "name of an export; repeat for each, in their order", String),
    repeated("--description <text>", "a sentence about an export; repeat for each", String),
    new Option("-r, --read-only", "refuse whatever changes data"),
    new Option("--unaligned <how>", "bytes that are no whole blocks: allow them, or EINVAL")
      .choices(["allow", "error"])
      .default("allow"),
  ].map((option) => option.helpGroup("Exports:"));

function refuseUnix(): never {
  throw usage("it is called --socket here");
}

const clientOptions = (): Option[] =>
  [
    new Option("--socket <path>", "listen on a Unix socket that only you can use"),
    valued("--unix <path>", "nbdkit's word for it", refuseUnix).hideHelp(),
    valued("-p, --port <port>", "TCP port; 0 for any free one", whole(0, 65_535)).default(NBD_PORT),
    new Option("-b, --bind <address>", "address to listen on").default("127.0.0.1"),
    new Option("--allow-any-host", "let anybody connect, also from other machines"),
    new Option(
      "--tls-certificates <folder>",
      "let clients use TLS: server-cert.pem, server-key.pem, ca-cert.pem",
    ),
    new Option("--tls-require", "let nobody in without TLS"),
    new Option("--tls-verify-peer", "let nobody in without a certificate that ca-cert.pem signed"),
    valued("-e, --shared <count>", "clients at the same time", whole(1, 65_536)).default(CLIENTS),
    repeated(
      "--limit <name=value>",
      "a bound of the server: inflightMax=32, idleTimeoutMs=10m; repeat for more",
      String,
    ),
    new Option("--run <command>", "run this, with the URI in $uri, and end with it"),
    new Option("--ready-file <file>", "write the URIs here as JSON, once it is ready"),
  ].map((option) => option.helpGroup("Clients:"));

/** Of those that nvme-cli gives to the kernel. */
const fabrics = new Set(["--host-traddr", "--reconnect-delay", "--fast-io-fail-tmo"]);

/** It is there for long: an outage of the target does not end it as it ends other commands. */
function connectionOptionsHere(): Option[] {
  const options = [
    ...connectionOptions(),
    ...fabricsOptions().filter(({ long = "" }) => fabrics.has(long)),
  ];
  for (const option of options) {
    if (option.long === "--ctrl-loss-tmo") option.default(600_000, "600s");
    if (option.long === "--fast-io-fail-tmo") option.default(10_000, "10s");
  }
  return options;
}

const exportNbd: CommandSpec = {
  name: "export-nbd",
  args: [["[uri...]", "nvme+tcp://host[:port]/<subnqn>[?nsid=1], one for each path or namespace"]],
  summary: "Be an NBD server: namespaces, memory or files for qemu-img, nbdcopy, fio, nbd-client",
  details: `
URIs of one subsystem are paths to it, and ?nsid= says which of its namespaces are exported; several of
them, of several subsystems, and --mem and --file beside them, are several exports. One export has the
name "" unless --name says otherwise; of several, n1 is namespace 1, mem1 the first --mem, and a file has
its own name.

While another path lives, clients do not see that one is lost. Without any, requests wait for
--fast-io-fail-tmo and then fail with EIO; after --ctrl-loss-tmo the export is gone, and with the last one
the command ends with 14. Clients may use several connections (nbdcopy does) where a flush by one of them
covers the others: with one path, or no volatile cache. It serves until Ctrl-C, and ends with 0.

NBD knows no users: without --tls-verify-peer whoever can connect may read and write. So it listens on
the loopback, or on a socket, unless --allow-any-host says otherwise.`,
  examples: [
    `nvmeof export-nbd ${namespace} --socket /tmp/disk.sock`,
    `nvmeof export-nbd ${namespace} nvme+tcp://127.0.0.1:4421 --read-only`,
    `nvmeof export-nbd ${namespace} --port 0 --run 'qemu-img convert -O qcow2 "$uri" disk.qcow2'`,
    "nvmeof export-nbd --mem 1G --file disk.img --name scratch --name disk",
  ],
  options: () => [
    ...exportOptions(),
    ...clientOptions(),
    ...metricsOptions(),
    controlOption(),
    ...commonOptions(["normal", "json"]),
    ...targetOptions("many"),
    ...namespaceOption(),
    ...connectionOptionsHere(),
  ],
  formats: ["normal", "json"],
  timeoutMs: undefined,
  schema: "export-nbd",
  load: () => import("./verbs/export-nbd.ts"),
};

/** In the order of the help. */
export const nbdCommands: readonly CommandSpec[] = [exportNbd];

// `export-nbd`: namespaces, memory and files for NBD clients, until somebody says that it is enough.
// Read first: ../nbd/sources.ts for what is exported, ../nbd/events.ts for what is told.

import { resolve } from "node:path";
import { NvmeofError } from "@nvmeof/codec";
import {
  type NbdAddress,
  type NbdExport,
  type NbdLimits,
  NbdServer,
  type TlsMode,
  nbdLimitFacts,
  nbdUri,
  resolveNbdLimits,
} from "@nvmeof/tools";
import { type NbdListener, nbdListen } from "@nvmeof/tools/node";
import { systemClock } from "@nvmeof/transport/node";
import { isLoopback } from "../address.ts";
import type { Context, Report, Verb } from "../context.ts";
import { CliError, cannotListen, usage } from "../errors.ts";
import { replaceFile } from "../files.ts";
import { type GivenLimit, checkedLimits, parseLimitOf } from "../limit-options.ts";
import type { ExportNbdOptions } from "../nbd-commands.ts";
import { certificatesOf, tlsModeOf } from "../nbd/certificates.ts";
import { openOnlookers } from "../onlookers.ts";
import { NbdEvents } from "../nbd/events.ts";
import { type Source, type Watchers, withSources } from "../nbd/sources.ts";
import { PathEvents } from "../path-events.ts";
import { type RunningCommand, runCommand } from "../run-command.ts";
import type { Style } from "../style.ts";
import { formatBytes } from "../units.ts";

/** Of the 2 s that an end takes: the rest is for the connections to the target. */
const CLOSE_MS = 1_000;

/** How clients are let in: complete. */
interface Plan {
  readonly wanted: NbdAddress;
  readonly tls: TlsMode;
  readonly limits: Partial<NbdLimits>;
}

function parsedLimits({ limit = [] }: ExportNbdOptions): readonly GivenLimit<keyof NbdLimits>[] {
  try {
    return limit.map((text) => parseLimitOf(nbdLimitFacts, text));
  } catch (error) {
    throw error instanceof CliError ? usage(`--limit: ${error.message}`, error.hint) : error;
  }
}

function planOf(context: Context, options: ExportNbdOptions): Plan {
  const { socket, port, bind, shared, tlsVerifyPeer, allowAnyHost } = options;
  const tls = tlsModeOf(options);
  const isOpen = socket === undefined && !isLoopback(bind);
  if (isOpen && tlsVerifyPeer !== true && allowAnyHost !== true) {
    throw usage(
      `other machines can reach ${bind}, and NBD does not ask who they are`,
      "Let clients prove it with --tls-verify-peer, or say --allow-any-host.",
    );
  }
  if (isOpen && tlsVerifyPeer !== true) {
    context.warn(`${bind} can be reached from other machines: anybody there may read and write.`);
  }
  const usual = { connectionsMax: shared, closeTimeoutMs: CLOSE_MS };
  const given = checkedLimits<NbdLimits>(parsedLimits(options), (limits) => {
    resolveNbdLimits({ ...usual, ...limits });
  });
  const wanted = socket === undefined ? { host: bind, port } : { socket };
  return { wanted, tls, limits: { ...usual, ...given } };
}

/** One of each for every source, in their order; nobody else's. */
function namesOf(sources: readonly Source[], { name, description = [] }: ExportNbdOptions) {
  const most = sources.length;
  for (const [option, given] of [
    ["--name", name ?? []] as const,
    ["--description", description] as const,
  ]) {
    if (given.length > most) {
      throw usage(`${option} is given ${given.length} times, and there are ${most} exports`);
    }
  }
  const names = sources.map((each, i) => name?.[i] ?? (most === 1 ? "" : each.name));
  const twice = names.find((each, i) => names.indexOf(each) !== i);
  if (twice !== undefined) {
    throw usage(
      `two exports would be called "${twice}"`,
      "Give each a name of its own with --name.",
    );
  }
  return names.map((each, i) => ({ name: each, description: description[i] }));
}

function addExports(
  server: NbdServer,
  sources: readonly Source[],
  options: ExportNbdOptions,
): NbdExport[] {
  const { readOnly, unaligned } = options;
  const names = namesOf(sources, options);
  try {
    return sources.map(({ device, flushCoversAll, fastZeroes }, i) =>
      server.addExport({ ...names[i]!, device, readOnly, unaligned, flushCoversAll, fastZeroes }),
    );
  } catch (error) {
    throw error instanceof RangeError ? usage(error.message) : error;
  }
}

async function listen({ wanted, tls }: Plan, options: ExportNbdOptions): Promise<NbdListener> {
  const certificates = await certificatesOf(options);
  try {
    return await nbdListen(wanted, { tls: tls === "off" ? undefined : certificates });
  } catch (error) {
    throw cannotListen(error);
  }
}

/** As a shell takes it. */
const quoted = (text: string): string =>
  /^[\w:/.+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;

/** As others find it, whose folder may be another. */
const addressOf = ({ address }: NbdListener): NbdAddress =>
  "socket" in address ? { socket: resolve(address.socket) } : address;

function readyReport(
  address: NbdAddress,
  exports: readonly NbdExport[],
  sources: readonly Source[],
  tls: TlsMode,
  metrics: string | undefined,
): Report & { readonly uri: string } {
  const all = exports.map((each, i) => ({
    name: each.name,
    uri: nbdUri(address, each.name, tls === "require"),
    sizeBytes: String(each.sizeBytes),
    blockBytes: each.blockBytes,
    readOnly: each.isReadOnly,
    multiConn: each.canMultiConn,
    source: sources[i]!.text,
  }));
  const uri = all[0]!.uri;
  const text = (style: Style): string =>
    [
      style.bold(all.length === 1 ? "exporting over NBD" : `${all.length} exports over NBD`),
      ...all.map((each, i) => {
        const size = formatBytes(exports[i]!.sizeBytes);
        const how = each.readOnly ? ", read-only" : "";
        return `  ${each.uri}: ${size}, blocks of ${each.blockBytes} bytes${how}, ${each.source}`;
      }),
      ...(metrics === undefined ? [] : [`  metrics at ${metrics}`]),
      "",
      `nbdinfo ${quoted(uri)}`,
      `qemu-img info ${quoted(uri)}`,
      `nbdcopy ${quoted(uri)} disk.img`,
      "",
      "ready",
      "",
    ].join("\n");
  const more = metrics === undefined ? {} : { metrics };
  return { data: { uri, address, exports: all, ...more }, text, uri };
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });

/** Rejects when the last export is gone. */
const untilLost = (server: NbdServer): Promise<never> =>
  new Promise((_resolve, reject) => {
    server.observe((event) => {
      if (event.type !== "export-removed" || server.exports.length > 0) return;
      reject(new NvmeofError("NVME_ERR_CLOSED", `the last export is gone: ${event.reason}`));
    });
  });

/** What a command is told, in the words of nbdkit. */
const environment = (uri: string, address: NbdAddress, [first]: readonly NbdExport[]) => ({
  uri,
  nbd: uri,
  exportname: first!.name,
  ...("socket" in address ? { unixsocket: address.socket } : { port: String(address.port) }),
});

async function serve(
  context: Context,
  options: ExportNbdOptions,
  plan: Plan,
  events: NbdEvents,
  sources: readonly Source[],
  { onlookers }: Watchers,
): Promise<void> {
  const { limits, tls } = plan;
  const server = new NbdServer({ clock: systemClock, limits, tls });
  onlookers.showNbd(server);
  let command: RunningCommand | undefined;
  try {
    const exports = addExports(server, sources, options);
    const listener = await listen(plan, options);
    server.observe(events.server);
    const lost = untilLost(server);
    server.listen(listener);
    const address = addressOf(listener);
    const report = readyReport(address, exports, sources, tls, onlookers.metricsUrl);
    if (options.readyFile !== undefined) {
      await replaceFile(options.readyFile, `${JSON.stringify(report.data)}\n`);
    }
    if (!events.ready(report.data)) await context.publish(report);
    const ends: Promise<void>[] = [aborted(context.signal), lost];
    if (options.run !== undefined) {
      const env = environment(report.uri, address, exports);
      command = runCommand(context, options.run, env);
      ends.push(command.ended);
      // Looked at by the race, unless that is over before.
      command.ended.catch(() => {});
    }
    await Promise.race(ends);
  } finally {
    command?.stop();
    const report = await server.close();
    if (report.abandonedRequests > 0) {
      context.warn(`${report.abandonedRequests} requests did not end`);
    }
    await events.closed(report, server.counters);
  }
}

export const run: Verb<ExportNbdOptions> = async (context, options, ...uris) => {
  const plan = planOf(context, options);
  const onlookers = await openOnlookers(context, options, "export-nbd");
  const events = new NbdEvents(context);
  const paths = new PathEvents(events.path);
  // While it connects an end is an end; later, clients are served to their end before the paths go.
  const connecting = new AbortController();
  const abort = (): void => connecting.abort(context.signal.reason);
  if (context.signal.aborted) abort();
  context.signal.addEventListener("abort", abort, { once: true });
  const inner: Context = { ...context, signal: connecting.signal };
  const watchers = { paths, onlookers };
  try {
    await withSources(inner, options, uris, watchers, async (sources) => {
      context.signal.removeEventListener("abort", abort);
      await serve(context, options, plan, events, sources, watchers);
    });
  } finally {
    await onlookers.close();
  }
  return undefined;
};

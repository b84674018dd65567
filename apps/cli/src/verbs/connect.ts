// `connect`: the whole way to a live controller and back, with what the controller says of itself; with
// --hold, stays there.

import { versionText } from "@nvmeof/codec";
import type { AuthResult, ControllerFacts, ControllerHandle } from "@nvmeof/core";
import type { Context, Report, Verb } from "../context.ts";
import { authFacts, authText } from "../authentication.ts";
import { usage } from "../errors.ts";
import { noteKernelOptions } from "../fabrics-notes.ts";
import type { ControlOptions } from "../control-options.ts";
import { hold, tellMetrics } from "../hold.ts";
import { type MetricsOptions, refuseMetrics } from "../metrics-options.ts";
import { openOnlookers } from "../onlookers.ts";
import type { ManyTargetOptions } from "../options.ts";
import { withController } from "../session.ts";
import { facts } from "../table.ts";
import { type Endpoint, subsystemEndpoints } from "../target-options.ts";
import { wantsTls } from "../tls-options.ts";
import { formatBytes, formatMs } from "../units.ts";

interface Found {
  readonly facts: ControllerFacts;
  readonly ioQueues: number;
  readonly nsids: readonly number[];
  readonly connectMs: number;
  readonly authenticated: AuthResult | undefined;
}

const find =
  (startMs: number) =>
  async (handle: ControllerHandle): Promise<Found> => {
    const connectMs = performance.now() - startMs;
    const nsids = await handle.namespaceIds();
    const { ioQueues, authenticated } = handle.controller;
    const { facts } = handle;
    return { facts, ioQueues: ioQueues.length, nsids, connectMs, authenticated };
  };

interface Options extends ManyTargetOptions, MetricsOptions, ControlOptions {
  readonly hold?: boolean;
}

export const run: Verb<Options> = async (context, options, ...uris) => {
  noteKernelOptions(context, options);
  const endpoints = subsystemEndpoints(uris, options);
  const [endpoint] = endpoints;
  if (options.hold === true) return stay(context, endpoints, options);
  refuseMetrics(options);
  if (endpoints.length > 1) {
    throw usage("several addresses are paths to hold", "Add --hold, or look with list-subsys.");
  }
  return look(context, endpoint!, options);
};

async function stay(
  context: Context,
  endpoints: readonly Endpoint[],
  options: Options,
): Promise<undefined> {
  const onlookers = await openOnlookers(context, options, "connect --hold");
  try {
    await tellMetrics(context, onlookers);
    await hold(context, endpoints, options, onlookers);
  } finally {
    await onlookers.close();
  }
  return undefined;
}

async function look(context: Context, endpoint: Endpoint, options: Options): Promise<Report> {
  const { result, close } = await withController(
    context,
    endpoint,
    options,
    find(performance.now()),
  );
  const { identify, cntlid, version, transferBytesMax, keepAliveTimeoutMs } = result.facts;
  const { nsids, ioQueues, connectMs, authenticated } = result;
  const headerDigest = options.hdrDigest ?? false;
  const dataDigest = options.dataDigest ?? false;
  const isSecure = wantsTls(options, endpoint.tls);
  const data = {
    transport: "tcp",
    traddr: endpoint.host,
    trsvcid: String(endpoint.port),
    subnqn: identify.subnqn,
    cntlid,
    model: identify.mn,
    serial: identify.sn,
    firmware: identify.fr,
    version: versionText(version),
    ioQueues,
    queueSize: options.queueSize,
    headerDigest,
    dataDigest,
    keepAliveTimeoutMs,
    security: isSecure ? "tls-1.3" : null,
    authentication: authenticated === undefined ? null : authFacts(authenticated),
    transferBytesMax,
    namespaces: nsids,
    connectMs,
    close: { totalMs: close.totalMs, shutdown: close.shutdown },
  };
  const digests = [headerDigest && "header", dataDigest && "data"].filter(Boolean).join(" and ");
  const text = (): string =>
    facts([
      ["subsystem", identify.subnqn],
      ["address", `tcp ${endpoint.host} ${endpoint.port}`],
      ["controller", `${cntlid}, NVMe ${versionText(version)}`],
      ["model", `${identify.mn}, serial ${identify.sn}, firmware ${identify.fr}`],
      ["I/O queues", `${ioQueues} of ${options.queueSize} entries`],
      ["digests", digests === "" ? "none" : digests],
      ["keep-alive", keepAliveTimeoutMs === 0 ? "off" : formatMs(keepAliveTimeoutMs)],
      ["security", isSecure ? "TLS 1.3 with a pre-shared key" : "none"],
      ["identity", authenticated === undefined ? "not authenticated" : authText(authenticated)],
      ["transfer", `at most ${formatBytes(transferBytesMax)}`],
      ["namespaces", nsids.length === 0 ? "none" : nsids.join(", ")],
      ["connected in", formatMs(connectMs)],
      ["closed in", `${formatMs(close.totalMs)}, shutdown ${close.shutdown}`],
    ]);
  // There is no device; the name is what the kernel would give to its first.
  return { data, text, compat: () => ({ device: "nvme0" }) };
}

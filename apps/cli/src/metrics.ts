// `--metrics`: an HTTP server with one page, for Prometheus, as long as its verb runs.
// Read first: metrics-options.ts; @nvmeof/telemetry prometheus/metrics.ts for what it says.

import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { NvmeGroup } from "@nvmeof/bdev/nvme";
import { NvmeMetrics } from "@nvmeof/telemetry/prometheus";
import type { Target } from "@nvmeof/target";
import type { NbdServer } from "@nvmeof/tools";
import { hostPort } from "@nvmeof/transport";
import { listening } from "@nvmeof/transport/node";
import { cannotListen } from "./errors.ts";
import { metricsLimits } from "./metrics-limits.ts";

/** How often these are looked at, ms. */
const LOOK_MS = 1_000;

const PATH = "/metrics";

/** What is shown, and where. */
export class MetricsEndpoint {
  readonly #server: Server;
  readonly #metrics: NvmeMetrics;
  #groups = 0;
  readonly url: string;

  constructor(server: Server, metrics: NvmeMetrics) {
    this.#server = server;
    this.#metrics = metrics;
    const { address, port } = server.address() as AddressInfo;
    this.url = `http://${hostPort(address, port)}${PATH}`;
  }

  /** Shows a host, as nvme0, nvme1 and so on. */
  watchHost(group: NvmeGroup): void {
    this.#metrics.watchHost(group, `nvme${this.#groups++}`);
  }

  watchTarget(target: Target): void {
    this.#metrics.watchTarget(target);
  }

  watchNbd(server: NbdServer): void {
    this.#metrics.watchNbd(server);
  }

  /** Answers nobody any more; connections end at once. */
  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

/** @throws CliError NVME_ERR_LISTEN */
export async function openEndpoint(
  { host, port }: { readonly host: string; readonly port: number },
  options: { readonly nqnLabels: boolean },
): Promise<MetricsEndpoint> {
  const metrics = new NvmeMetrics(options);
  // Not above: of a bundle, every verb would load it.
  const { createServer } = await import("node:http");
  const server = createServer(
    {
      maxHeaderSize: metricsLimits.headerBytesMax,
      headersTimeout: metricsLimits.headersTimeoutMs,
      requestTimeout: metricsLimits.requestTimeoutMs,
      keepAliveTimeout: metricsLimits.idleTimeoutMs,
      connectionsCheckingInterval: LOOK_MS,
    },
    (request, response) => answer(metrics, request, response),
  );
  server.maxConnections = metricsLimits.connectionsMax;
  try {
    await listening(server, { host, port }, `${hostPort(host, port)} for metrics`);
  } catch (error) {
    throw cannotListen(error);
  }
  return new MetricsEndpoint(server, metrics);
}

function answer(metrics: NvmeMetrics, request: IncomingMessage, response: ServerResponse): void {
  const [path] = (request.url ?? "").split("?", 1);
  const isRead = request.method === "GET" || request.method === "HEAD";
  if (path !== PATH) say(response, 404, `There is nothing here but ${PATH}.\n`);
  else if (!isRead) {
    response.setHeader("Allow", "GET, HEAD");
    say(response, 405, "It can be read, and nothing else.\n");
  } else {
    metrics.text().then(
      (text) => say(response, 200, text, metrics.contentType),
      (error: unknown) => say(response, 500, `${String(error)}\n`),
    );
  }
}

function say(
  response: ServerResponse,
  status: number,
  text: string,
  type = "text/plain; charset=utf-8",
): void {
  const bytes = Buffer.from(text);
  response.writeHead(status, {
    "Content-Type": type,
    "Content-Length": bytes.length,
    "X-Content-Type-Options": "nosniff",
  });
  // Of an answer to HEAD, Node sends the headers alone.
  response.end(bytes);
}

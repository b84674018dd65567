// Options of verbs that stay: where Prometheus finds their metrics.
// Read first: metrics.ts, which answers; it is loaded when somebody asks for it, and not before.

import { Option } from "commander";
import { isLoopback, parseListen } from "./address.ts";
import type { Context } from "./context.ts";
import { usage } from "./errors.ts";
import type { MetricsEndpoint } from "./metrics.ts";
import { valued } from "./options.ts";

/** What was said about metrics. */
export interface MetricsOptions {
  readonly metrics?: { readonly host: string; readonly port: number };
  readonly metricsAnyHost?: boolean;
  readonly metricsNqns?: boolean;
}

const LOOPBACK = "127.0.0.1";

/** ":9100" and "9100" are on the loopback. */
function parseMetrics(text: string): { readonly host: string; readonly port: number } {
  const [, port] = /^:?(\d+)$/.exec(text) ?? [];
  return parseListen(port === undefined ? text : `${LOOPBACK}:${port}`);
}

export const metricsOptions = (): Option[] =>
  [
    valued(
      "--metrics <[host]:port>",
      "answer Prometheus at /metrics, by HTTP on the loopback; :0 for any free port",
      parseMetrics,
    ),
    new Option("--metrics-any-host", "let other machines read the metrics"),
    new Option("--metrics-nqns", "show NQNs as labels of metrics"),
  ].map((option) => option.helpGroup("Metrics:"));

/**
 * Answers from now on, where that was asked for; the verb closes it.
 *
 * @throws CliError NVME_ERR_USAGE, NVME_ERR_LISTEN
 */
export async function openMetrics(
  context: Context,
  { metrics, metricsAnyHost, metricsNqns }: MetricsOptions,
): Promise<MetricsEndpoint | undefined> {
  if (metrics === undefined) {
    if (metricsAnyHost === true || metricsNqns === true) {
      throw usage("there are no metrics to show", "Say where with --metrics :9100.");
    }
    return undefined;
  }
  const isOpen = !isLoopback(metrics.host);
  if (isOpen && metricsAnyHost !== true) {
    throw usage(
      `other machines can reach ${metrics.host}, and nobody is asked who they are`,
      "Leave out the host, or say --metrics-any-host.",
    );
  }
  if (isOpen) context.warn(`anybody who can reach ${metrics.host} may read the metrics`);
  const { openEndpoint } = await import("./metrics.ts");
  return openEndpoint(metrics, { nqnLabels: metricsNqns === true });
}

/**
 * For a verb that does not stay.
 *
 * @throws CliError NVME_ERR_USAGE where somebody asks for metrics.
 */
export function refuseMetrics({ metrics }: MetricsOptions): void {
  if (metrics === undefined) return;
  throw usage("there is nothing to measure", "Metrics are of a host that stays: add --hold.");
}

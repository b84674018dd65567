// Who looks on while a verb stays: `nvmeof top` by its control socket, Prometheus by --metrics.
// Read first: control.ts, metrics-options.ts.

import type { NvmeGroup } from "@nvmeof/bdev/nvme";
import type { Target } from "@nvmeof/target";
import type { NbdServer } from "@nvmeof/tools";
import type { Context } from "./context.ts";
import { type Control, openControl } from "./control.ts";
import type { ControlOptions } from "./control-options.ts";
import type { MetricsEndpoint } from "./metrics.ts";
import { type MetricsOptions, openMetrics } from "./metrics-options.ts";

/** All of them; each is shown what the verb has, until it closes them. */
export class Onlookers {
  readonly #control: Control;
  readonly #metrics: MetricsEndpoint | undefined;

  constructor(control: Control, metrics: MetricsEndpoint | undefined) {
    this.#control = control;
    this.#metrics = metrics;
  }

  /** Where the metrics are; undefined where nobody asked for them. */
  get metricsUrl(): string | undefined {
    return this.#metrics?.url;
  }

  showHost(group: NvmeGroup): void {
    this.#metrics?.watchHost(group);
    this.#control.add(group);
  }

  showTarget(target: Target): void {
    this.#metrics?.watchTarget(target);
    this.#control.add(target);
  }

  showNbd(server: NbdServer): void {
    this.#metrics?.watchNbd(server);
    this.#control.add(server);
  }

  async close(): Promise<void> {
    this.#metrics?.close();
    await this.#control.close();
  }
}

/**
 * @param name what the verb is called by those who look.
 * @throws CliError NVME_ERR_USAGE, NVME_ERR_LISTEN, for metrics that cannot be shown.
 */
export async function openOnlookers(
  context: Context,
  options: MetricsOptions & ControlOptions,
  name: string,
): Promise<Onlookers> {
  const metrics = await openMetrics(context, options);
  return new Onlookers(await openControl(context, options, name), metrics);
}

// The scenario "destruct": a device is deleted while its target has gone silent.

import type { BlockDevice } from "@nvmeof/bdev";
import type { NvmeHost } from "@nvmeof/bdev/nvme";
import type { CloseReport } from "@nvmeof/core";
import { type Served, serve } from "@nvmeof/target/node";
import { type DestructReport, runDestruct } from "@nvmeof/tools";
import type { Report } from "../context.ts";
import { CliError } from "../errors.ts";
import { formatMs } from "../units.ts";
import { NQN, OUTSTANDING, type Stage, disk } from "./stage.ts";

const READ_BYTES = 4096;
/** The bound of the close that is shown, and what a machine under load may add to it, ms. */
const CLOSE_BOUND_MS = 2_000;
const CLOSE_SLACK_MS = 500;

export const destructVerdict = "\nAll reads settled, and the close was bounded.\n";

/** What happened, with the report of the close. */
export type Destruct = DestructReport & { readonly close: CloseReport };

export function playDestruct(
  stage: Stage,
  served: Served,
  host: NvmeHost,
  device: BlockDevice,
): Promise<Destruct> {
  return stage.telling(async (timeline) => {
    let close: CloseReport | undefined;
    const report = await runDestruct({
      device,
      clock: stage.clock,
      random: stage.random,
      outstanding: OUTSTANDING,
      readBytes: READ_BYTES,
      timeline,
      freeze: () => served.target.freeze(),
      close: async () => {
        close = await host.close({ boundMs: CLOSE_BOUND_MS });
        const phases = Object.entries(close.phasesMs).map(
          ([name, ms]) => `${name} ${formatMs(ms)}`,
        );
        timeline.note(`the close took ${formatMs(close.totalMs)}: ${phases.join(", ")}`);
        timeline.note(`${close.abortedCommands} commands aborted, shutdown ${close.shutdown}`);
      },
    });
    return { ...report, close: close! };
  });
}

/** The self test: what must hold, whatever the machine. */
export function checkDestruct({ outstanding, settled, closedMs }: DestructReport): void {
  if (settled !== outstanding || outstanding === 0) {
    throw new CliError("NVME_ERR_UNSETTLED", `${settled} of ${outstanding} reads have settled`);
  }
  if (closedMs > CLOSE_BOUND_MS + CLOSE_SLACK_MS) {
    const bound = formatMs(CLOSE_BOUND_MS);
    const message = `the close took ${formatMs(closedMs)}, its bound is ${bound}`;
    throw new CliError("NVME_ERR_UNSETTLED", message);
  }
}

export const destructData = ({ close, ...report }: Destruct): object => ({
  ...report,
  boundMs: CLOSE_BOUND_MS,
  close: {
    totalMs: close.totalMs,
    phasesMs: close.phasesMs,
    abortedCommands: close.abortedCommands,
    shutdown: close.shutdown,
    openHandles: close.openHandles,
  },
});

/** The scenario alone. */
export async function destructAlone(stage: Stage): Promise<Report> {
  const device = disk(stage.options, 1);
  await stage.tellHeading("Delete a device whose target has gone silent");
  const served = await serve({ namespaces: [device], nqn: NQN, port: 0 });
  try {
    await stage.tellServing(device, served.address);
    const { host } = await stage.connect(served.address);
    const data = await stage.withHost(host, async () => {
      const report = await playDestruct(stage, served, host, await host.openNamespace(1));
      const { timeline } = report;
      const found = { scenario: "destruct", timeline, destruct: destructData(report) };
      stage.context.partial = found;
      checkDestruct(report);
      return found;
    });
    return { data, text: () => destructVerdict };
  } finally {
    served.target.thaw();
    await served.close();
    await device.close();
  }
}

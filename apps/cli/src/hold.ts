// `--hold` of `connect` and `connect-all`: stays connected by one path or many, and prints what happens
// until somebody says that it is enough. Read first: paths.ts; @nvmeof/core observers.ts for what is told.

import type { ControllerPath, NvmeGroup } from "@nvmeof/bdev/nvme";
import { NvmeofError } from "@nvmeof/codec";
import type { CloseReport } from "@nvmeof/core";
import type { Context } from "./context.ts";
import { noteCircumstances } from "./errors.ts";
import { EventStream } from "./event-stream.ts";
import type { Onlookers } from "./onlookers.ts";
import type { ConnectionOptions } from "./options.ts";
import { PathEvents, type PathName } from "./path-events.ts";
import { type TriedPath, withPaths } from "./paths.ts";
import type { Endpoint } from "./target-options.ts";
import { formatMs } from "./units.ts";

const SCHEMA = "connect";

function tellConnected(
  stream: EventStream,
  name: PathName,
  { controller, namespaces }: ControllerPath,
) {
  const { identify, cntlid } = controller.facts!;
  const nsids = [...namespaces.keys()];
  const data = {
    ...name,
    subnqn: identify.subnqn,
    cntlid,
    state: controller.state,
    ioQueues: controller.ioQueues.length,
    namespaces: nsids,
  };
  const at = `${name.transport} ${name.traddr}:${name.trsvcid}`;
  const what = nsids.length === 0 ? "no namespace" : `namespaces ${nsids.join(", ")}`;
  const text = `${name.path} (${at}): ${controller.state}, controller ${cntlid}, ${what}`;
  stream.tell("connected", data, text);
}

/** Resolves when the signal aborts; rejects when the last path is gone for good. */
function untilToldOrLost(
  group: NvmeGroup,
  [endpoint]: readonly Endpoint[],
  signal: AbortSignal,
): Promise<void> {
  const { host: address, port, subsystemNqn: subnqn } = endpoint!;
  return new Promise((resolve, reject) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
    const look = (reason?: NvmeofError): void => {
      if (group.controllers.length > 0 || signal.aborted) return;
      const error = reason ?? new NvmeofError("NVME_ERR_CLOSED", "the last path is gone");
      noteCircumstances(error, { peer: { address, port, subnqn }, wasLive: true });
      reject(error);
    };
    group.observe((event) => {
      if (event.type === "controller-removed") look(event.controller.reason);
    });
    // It may have gone while others were being connected.
    look();
  });
}

/** All of them, or the error of the first that could not be reached. */
export function allOf(tried: readonly TriedPath[]): ControllerPath[] {
  return tried.map(({ path, error }) => {
    if (path !== undefined) return path;
    throw error;
  });
}

function tellClosed(stream: EventStream, closes: readonly CloseReport[]): void {
  const totalMs = Math.max(0, ...closes.map((close) => close.totalMs));
  const shutdowns = closes.map(({ shutdown }) => shutdown);
  const text = `closed in ${formatMs(totalMs)}, shutdown ${[...new Set(shutdowns)].join(", ")}`;
  stream.tell("closed", { totalMs, shutdowns }, text);
}

/** Where the metrics are, where somebody asked for them. */
export async function tellMetrics(context: Context, { metricsUrl: url }: Onlookers): Promise<void> {
  if (url === undefined) return;
  const stream = new EventStream(context, SCHEMA);
  stream.tell("metrics", { url }, `metrics at ${url}`);
  await stream.ended();
}

/** Stays connected to one subsystem. */
export async function hold(
  context: Context,
  endpoints: readonly Endpoint[],
  options: ConnectionOptions,
  onlookers: Onlookers,
): Promise<void> {
  const stream = new EventStream(context, SCHEMA);
  const events = new PathEvents(stream.tell);
  const { closes } = await withPaths(context, endpoints, options, async ({ group, tried }) => {
    onlookers.showHost(group);
    const paths = allOf(tried);
    for (const [i, path] of paths.entries()) {
      const name = events.name(path, i);
      tellConnected(stream, name, path);
      // Nobody tries any more where it is disabled, and nobody here would enable it.
      const leaveIfDisabled = (): void => {
        if (path.controller.state === "disabled") void group.detach(path);
      };
      path.controller.observe((event) => {
        events.controllerEvent(name, event);
        leaveIfDisabled();
      });
      leaveIfDisabled();
    }
    group.observe((event) => events.groupEvent(event));
    await untilToldOrLost(group, endpoints, context.signal);
  });
  tellClosed(stream, closes);
  await stream.ended();
}

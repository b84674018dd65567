// `connect --hold`: stays connected by one path or many, and prints what happens until somebody says
// that it is enough. Read first: paths.ts; @nvmeof/core observers.ts for what is told.

import type { ControllerPath, GroupEvent, NvmeGroup } from "@nvmeof/bdev/nvme";
import { NvmeofError } from "@nvmeof/codec";
import type { CloseReport, Controller, ControllerEvent } from "@nvmeof/core";
import type { Context } from "./context.ts";
import { eventEnvelope, jsonText } from "./envelope.ts";
import { noteCircumstances } from "./errors.ts";
import type { ConnectionOptions } from "./options.ts";
import { type TriedPath, withPaths } from "./paths.ts";
import { printable } from "./printable.ts";
import type { Endpoint } from "./target-options.ts";
import { formatMs } from "./units.ts";

/** Which path an event is of. */
interface PathName {
  readonly path: string;
  readonly transport: string;
  readonly traddr: string;
  readonly trsvcid: string;
}

const reasonOf = (error: NvmeofError | undefined): object | null =>
  error === undefined ? null : { code: error.code, message: printable(error.message) };

const why = (error: NvmeofError | undefined): string =>
  error === undefined ? "" : `: ${error.message}`;

/** Prints events as they come: lines for people, one envelope per line for scripts. */
class Stream {
  readonly #context: Context;
  readonly #names = new Map<Controller, PathName>();
  #written: Promise<unknown> = Promise.resolve();

  constructor(context: Context) {
    this.#context = context;
  }

  tell(event: string, data: object, text: string): void {
    const { format, out, style } = this.#context;
    const at = new Date().toISOString();
    const line =
      format === "json"
        ? jsonText(eventEnvelope("connect", event, { at, ...data }), false)
        : `${style.dim(at)}  ${printable(text)}\n`;
    // Whoever read the output may have gone: the signal says so.
    this.#written = out.write(line).catch(() => {});
  }

  /** Resolves when the last line is out. */
  async ended(): Promise<void> {
    await this.#written;
  }

  name(path: ControllerPath, at: number): PathName {
    const { trtype, traddr, trsvcid } = path.controller.address;
    const name = { path: `path ${at + 1}`, transport: trtype, traddr, trsvcid };
    this.#names.set(path.controller, name);
    return name;
  }

  controllerEvent(name: PathName, event: ControllerEvent): void {
    const label = `${name.path} (${name.transport} ${name.traddr}:${name.trsvcid})`;
    if (event.type === "state") {
      const { from, to, cause, reason } = event;
      const data = { ...name, from, to, cause, reason: reasonOf(reason) };
      this.tell("state", data, `${label}: ${from} → ${to}${why(reason)}`);
    } else if (event.type === "retry") {
      const { attempt, delayMs } = event;
      const text = `${label}: next attempt in ${formatMs(delayMs)}`;
      this.tell("retry", { ...name, attempt, delayMs }, text);
    } else if (event.type === "fast-fail") {
      this.tell("fast-fail", name, `${label}: requests fail from now on instead of waiting`);
    } else if (event.type === "timeout") {
      const { qid, cid, command } = event;
      const text = `${label}: ${command} was not answered in time`;
      this.tell("timeout", { ...name, qid, cid, command }, text);
    }
  }

  groupEvent(event: GroupEvent): void {
    if (event.type === "device-added" || event.type === "device-removed") {
      const { nsid } = event.device;
      const isAdded = event.type === "device-added";
      const reason = isAdded ? null : event.reason;
      const text = `namespace ${nsid} ${isAdded ? "is there" : `is gone: ${event.reason}`}`;
      this.tell(isAdded ? "namespace-added" : "namespace-removed", { nsid, reason }, text);
    } else if (event.type === "path-refused") {
      const { nsid, reason } = event;
      this.tell("namespace-refused", { nsid, reason }, `namespace ${nsid} is not used: ${reason}`);
    } else if (event.type === "controller-removed") {
      const name = this.#names.get(event.controller);
      if (name === undefined) return;
      const reason = reasonOf(event.controller.reason);
      this.tell("path-removed", { ...name, reason }, `${name.path} is given up`);
    }
  }
}

function tellConnected(stream: Stream, name: PathName, { controller, namespaces }: ControllerPath) {
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
function allOf(tried: readonly TriedPath[]): ControllerPath[] {
  return tried.map(({ path, error }) => {
    if (path !== undefined) return path;
    throw error;
  });
}

function tellClosed(stream: Stream, closes: readonly CloseReport[]): void {
  const totalMs = Math.max(0, ...closes.map((close) => close.totalMs));
  const shutdowns = closes.map(({ shutdown }) => shutdown);
  const text = `closed in ${formatMs(totalMs)}, shutdown ${[...new Set(shutdowns)].join(", ")}`;
  stream.tell("closed", { totalMs, shutdowns }, text);
}

export async function hold(
  context: Context,
  endpoints: readonly Endpoint[],
  options: ConnectionOptions,
): Promise<undefined> {
  const stream = new Stream(context);
  const { closes } = await withPaths(context, endpoints, options, async ({ group, tried }) => {
    const paths = allOf(tried);
    for (const [i, path] of paths.entries()) {
      const name = stream.name(path, i);
      tellConnected(stream, name, path);
      // Nobody tries any more where it is disabled, and nobody here would enable it.
      const leaveIfDisabled = (): void => {
        if (path.controller.state === "disabled") void group.detach(path);
      };
      path.controller.observe((event) => {
        stream.controllerEvent(name, event);
        leaveIfDisabled();
      });
      leaveIfDisabled();
    }
    group.observe((event) => stream.groupEvent(event));
    await untilToldOrLost(group, endpoints, context.signal);
  });
  tellClosed(stream, closes);
  await stream.ended();
  return undefined;
}

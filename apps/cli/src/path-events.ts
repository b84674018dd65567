// What becomes of paths and namespaces, as events with a name, data for scripts and a line for people.
// Read first: @nvmeof/core observers.ts and @nvmeof/bdev nvme/group.ts for what is told.

import type { ControllerPath, GroupEvent } from "@nvmeof/bdev/nvme";
import type { NvmeofError } from "@nvmeof/codec";
import type { Controller, ControllerEvent } from "@nvmeof/core";
import { printable } from "./printable.ts";
import { formatMs } from "./units.ts";

/** Where an event goes. */
export type TellEvent = (event: string, data: object, text: string) => void;

/** Which path an event is of. */
export interface PathName {
  readonly path: string;
  readonly transport: string;
  readonly traddr: string;
  readonly trsvcid: string;
}

export const reasonOf = (error: NvmeofError | undefined): object | null =>
  error === undefined ? null : { code: error.code, message: printable(error.message) };

const why = (error: NvmeofError | undefined): string =>
  error === undefined ? "" : `: ${error.message}`;

/** Names paths, and tells what becomes of them. */
export class PathEvents {
  readonly #tell: TellEvent;
  readonly #names = new Map<Controller, PathName>();

  constructor(tell: TellEvent) {
    this.#tell = tell;
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
      this.#tell("state", data, `${label}: ${from} → ${to}${why(reason)}`);
    } else if (event.type === "retry") {
      const { attempt, delayMs } = event;
      const text = `${label}: next attempt in ${formatMs(delayMs)}`;
      this.#tell("retry", { ...name, attempt, delayMs }, text);
    } else if (event.type === "fast-fail") {
      this.#tell("fast-fail", name, `${label}: requests fail from now on instead of waiting`);
    } else if (event.type === "timeout") {
      const { qid, cid, command } = event;
      const text = `${label}: ${command} was not answered in time`;
      this.#tell("timeout", { ...name, qid, cid, command }, text);
    }
  }

  groupEvent(event: GroupEvent): void {
    if (event.type === "device-added" || event.type === "device-removed") {
      const { nsid } = event.device;
      const isAdded = event.type === "device-added";
      const reason = isAdded ? null : event.reason;
      const text = `namespace ${nsid} ${isAdded ? "is there" : `is gone: ${event.reason}`}`;
      this.#tell(isAdded ? "namespace-added" : "namespace-removed", { nsid, reason }, text);
    } else if (event.type === "path-refused") {
      const { nsid, reason } = event;
      this.#tell("namespace-refused", { nsid, reason }, `namespace ${nsid} is not used: ${reason}`);
    } else if (event.type === "controller-removed") {
      const name = this.#names.get(event.controller);
      if (name === undefined) return;
      const reason = reasonOf(event.controller.reason);
      this.#tell("path-removed", { ...name, reason }, `${name.path} is given up`);
    }
  }
}

// Host-initiated telemetry: one data area with what the target knows of itself, as JSON text.
// Read first: Base 2.0 §5.16.1.8 "Telemetry Host-Initiated".

import { Lid, encode, viewOf } from "@nvmeof/codec";
import { TELEMETRY_BLOCK_BYTES, TelemetryHeader } from "@nvmeof/codec/management";
import type { Controller } from "./controller.ts";

/** The telemetry of a controller: gathered when the host says so, and kept until it does again. */
export class Telemetry {
  #generation = 0;
  #page: Uint8Array = pageOf(new Uint8Array(0), 0);

  /** Gathers new data. */
  gather(controller: Controller): void {
    this.#generation = (this.#generation + 1) & 0xff;
    const text = JSON.stringify(snapshot(controller));
    this.#page = pageOf(new TextEncoder().encode(text), this.#generation);
  }

  /** Log page 07h: as gathered last. */
  page(): Uint8Array {
    return this.#page;
  }
}

function pageOf(data: Uint8Array, generation: number): Uint8Array {
  const blocks = Math.ceil(data.length / TELEMETRY_BLOCK_BYTES);
  const page = new Uint8Array(TelemetryHeader.size + blocks * TELEMETRY_BLOCK_BYTES);
  encode(TelemetryHeader, viewOf(page), 0, {
    lid: Lid.TelemetryHost,
    da1lb: blocks,
    da2lb: blocks,
    da3lb: blocks,
    hostdgn: generation,
  });
  page.set(data, TelemetryHeader.size);
  return page;
}

/** Namespaces that are told of, so that the data stays small. */
const NAMESPACES_MAX = 64;

function snapshot(controller: Controller): object {
  const { cntlid, state, commandsSeen, ioQueueCount, ioInflight, context } = controller;
  const namespaces = controller.namespaces.slice(0, NAMESPACES_MAX);
  return {
    cntlid,
    state,
    commands: commandsSeen,
    ioQueues: ioQueueCount,
    ioInflight,
    errors: controller.errors.count,
    uptimeMs: Math.floor(context.clock.nowMs() - context.startedMs),
    namespaces: namespaces.map(({ nsid, blockBytes, blockCount, counters }) =>
      Object.assign({ nsid, blockBytes, blockCount }, counters),
    ),
  };
}

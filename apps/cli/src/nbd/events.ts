// What `export-nbd` tells while it runs: for scripts an envelope on a line for each event, for people notes.
// Read first: ../path-events.ts; @nvmeof/tools nbd/server.ts for what is told.

import type { NbdCloseReport, NbdCounters, NbdServerEvent } from "@nvmeof/tools";
import type { Context } from "../context.ts";
import { EventStream } from "../event-stream.ts";
import { reasonOf } from "../path-events.ts";
import { PeerNotes } from "../peer-notes.ts";
import { printable } from "../printable.ts";
import { formatBytes, formatMs } from "../units.ts";

type Told = readonly [data: object, text: string];

const named = (exportName: string | undefined): string =>
  exportName === undefined ? "no export" : exportName === "" ? "the export" : `"${exportName}"`;

type Teller<Type extends NbdServerEvent["type"]> = (
  event: Extract<NbdServerEvent, { readonly type: Type }>,
) => Told;

/** Data and text of each event; the text without whom it is about. */
const tellers: { readonly [Type in NbdServerEvent["type"]]: Teller<Type> } = {
  connected: ({ remote, exportName }) => [
    { remote, export: exportName },
    `uses ${named(exportName)}`,
  ],
  disconnected: ({ remote, exportName = null, reason, limit = null, message }) => {
    const why = [reason, limit ?? "", message].filter((each) => each !== "");
    const data = { remote, export: exportName, reason, limit, message: printable(message) };
    return [data, why.join(": ")];
  },
  refused: ({ remote, limit }) => [{ remote, limit }, `refused, ${limit}`],
  "request-failed": ({ remote, exportName, command, offset, length, errno, error }) => {
    const where = { command, offset: String(offset), length };
    const data = { remote, export: exportName, ...where, errno, reason: reasonOf(error) };
    return [data, `${command} of ${length} bytes at ${offset}: ${errno}, ${error.message}`];
  },
  "export-resized": ({ exportName, sizeBytes }) => {
    const size = formatBytes(sizeBytes);
    const text = `${named(exportName)} has ${size} now; who is connected goes on with the old size`;
    return [{ export: exportName, sizeBytes: String(sizeBytes) }, text];
  },
  "export-removed": ({ exportName, reason }) => [
    { export: exportName, reason },
    `${named(exportName)} is gone: ${reason}`,
  ],
};

const told = (event: NbdServerEvent): Told => tellers[event.type](event as never);

/** Events that are told without -v as well. */
const important: ReadonlySet<NbdServerEvent["type"]> = new Set([
  "request-failed",
  "export-resized",
  "export-removed",
]);

/** Tells what happens, as much as clients may make us say. */
export class NbdEvents {
  readonly #context: Context;
  readonly #stream: EventStream | undefined;
  readonly #clients: PeerNotes;
  readonly #failures: PeerNotes;
  #phase: "opening" | "ready" | "over" = "opening";

  constructor(context: Context) {
    const { notes, format } = context;
    const nowMs = (): number => performance.now();
    this.#context = context;
    this.#stream = format === "json" ? new EventStream(context, "export-nbd") : undefined;
    this.#clients = new PeerNotes((text) => notes.detail(printable(text)), nowMs);
    this.#failures = new PeerNotes((text) => notes.say(printable(text)), nowMs);
  }

  /** Something that happened to a path. What we do to it ourselves, before and after, is a detail. */
  readonly path = (event: string, data: object, text: string): void => {
    const { notes } = this.#context;
    if (this.#stream !== undefined) this.#stream.tell(event, data, text);
    else if (this.#phase === "ready") notes.say(printable(text));
    else notes.detail(printable(text));
  };

  /** Something that happened on the server. */
  readonly server = (event: NbdServerEvent): void => {
    const [data, text] = told(event);
    if (this.#stream !== undefined) return this.#stream.tell(event.type, data, text);
    const notes = important.has(event.type) ? this.#failures : this.#clients;
    notes.note("remote" in event ? event.remote : "export-nbd", text);
  };

  /** It is ready; `false` where people are to be told in another way. */
  ready(data: object): boolean {
    this.#phase = "ready";
    this.#stream?.tell("ready", data, "ready");
    return this.#stream !== undefined;
  }

  /** It is over, if it has begun. Resolves when all is said. */
  async closed(
    { tookMs, abandonedRequests }: NbdCloseReport,
    counters: NbdCounters,
  ): Promise<void> {
    this.#clients.flush();
    this.#failures.flush();
    const wasReady = this.#phase === "ready";
    this.#phase = "over";
    if (!wasReady) return;
    const { connections, reads, writes, readBytes, writtenBytes, failed } = counters;
    const moved = `${formatBytes(readBytes)} read in ${reads} requests, ${formatBytes(writtenBytes)} written in ${writes}`;
    const text = `${connections} connections; ${moved}; ${failed} failed; closed in ${formatMs(tookMs)}`;
    if (this.#stream === undefined) this.#context.notes.say(text);
    else this.#stream.tell("closed", { tookMs, abandonedRequests, counters }, text);
    await this.#stream?.ended();
  }
}

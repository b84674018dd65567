// What `chaos proxy` tells while it runs: each fault as a line, for scripts as an envelope, and a summary.
// Read first: @nvmeof/tools/chaos log.ts for what is told; ../event-stream.ts.

import {
  type ChaosCounters,
  type ChaosEvent,
  type ChaosPlan,
  faultText,
} from "@nvmeof/tools/chaos";
import type { Context } from "../context.ts";
import { EventStream } from "../event-stream.ts";
import { many } from "../decode/many.ts";
import { printable } from "../printable.ts";
import { formatBytes } from "../units.ts";

const SCHEMA = "chaos-proxy";

/** Why a PDU, or a connection, is left alone. */
const asideTexts = {
  tls: "it is encrypted: only faults of bytes can befall it",
  "not-nvme": "it does not begin as NVMe/TCP: only faults of bytes can befall it",
  malformed: "what it carries makes no sense from here on, and passes as it is",
  oversized: "a PDU is too long to be held, and passes as it is",
  "no-room": "a fault could not hold back a PDU",
} as const;

/** What is said of an event other than a fault. */
function eventText(event: Exclude<ChaosEvent, { readonly type: "fault" }>): string {
  const who = `connection ${event.connection}`;
  if (event.type === "opened") return `${who}: ${event.remote}`;
  if (event.type === "refused") return `${who}: ${event.remote} was refused`;
  if (event.type === "aside") return `${who}: ${asideTexts[event.why]} (${event.detail})`;
  if (event.type === "unreachable") {
    return `${who}: ${event.error?.message ?? "the target closed it before it was open"}`;
  }
  const { upstreamBytes, downstreamBytes } = event;
  const moved = `${formatBytes(upstreamBytes)} from the host, ${formatBytes(downstreamBytes)} to it`;
  return `${who}: closed, ${moved}`;
}

/** The event as data: errors by their code and message. */
function eventData(event: ChaosEvent): object {
  const { type: _type, ...facts } = event;
  if (event.type !== "unreachable") return facts;
  const { error } = event;
  return {
    ...facts,
    error: error === undefined ? null : { code: error.code, message: error.message },
  };
}

export class ChaosEvents {
  readonly #context: Context;
  readonly #plan: ChaosPlan;
  readonly #stream: EventStream;

  constructor(context: Context, plan: ChaosPlan) {
    this.#context = context;
    this.#plan = plan;
    this.#stream = new EventStream(context, SCHEMA);
  }

  readonly tell = (event: ChaosEvent): void => {
    const { format, notes } = this.#context;
    if (event.type === "fault") this.#stream.tell("fault", eventData(event), faultText(event));
    else if (format === "json") this.#stream.tell(event.type, eventData(event), "");
    else if (event.type === "aside" || event.type === "unreachable") {
      notes.say(printable(eventText(event)));
    } else notes.detail(printable(eventText(event)));
  };

  /** It is ready; `false` where people are to be told in another way. */
  ready(data: object): boolean {
    const isJson = this.#context.format === "json";
    if (isJson) this.#stream.tell("ready", data, "ready");
    return isJson;
  }

  /** It is over: how often each fault was carried out. Resolves when all is said. */
  async closed({ connections, done }: ChaosCounters): Promise<void> {
    const { format, notes, warn } = this.#context;
    const { leftOut } = this.#stream;
    if (leftOut > 0) warn(`${leftOut} events were not told: nobody read them in time`);
    const faults = this.#plan.faults.map(({ kind, name }, i) => ({ kind, name, done: done[i]! }));
    if (format === "json") this.#stream.tell("closed", { connections, faults }, "");
    else {
      const rows = faults.map(({ name, done: times }, i) => `  faults[${i}] ${name}: ${times}`);
      notes.say([many(connections, "connection"), ...rows].join("\n"));
    }
    await this.#stream.ended();
  }
}

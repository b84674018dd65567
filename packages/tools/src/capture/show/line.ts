// Events as lines of text, aligned, in the order of the capture.
// Read first: events.ts, describe.ts.

import { hexText, pduName } from "@nvmeof/codec";
import type { CaptureEvent, OpenEvent, PduEvent } from "../events.ts";
import type { Connection } from "../nvme/connection.ts";
import type { Direction } from "../nvme/pdu.ts";
import { commandText, pduText, spanText, verdictText } from "./describe.ts";
import type { Section, ShownField } from "./field.ts";

const ways = { toController: "H2C", toHost: "C2H" } as const;

/** Frame, time, connection and queue: what every line begins with. */
function head(frame: number, timeMs: number, { number, queueText }: Connection): string {
  return `${moment(frame, timeMs)}  ${`${number} ${queueText}`.padEnd(8)}`;
}

/** What was told last of a moment: a frame has many PDUs, and decimals take longer than all the rest. */
const last = { frame: -1, timeMs: -1, text: "" };

function moment(frame: number, timeMs: number): string {
  if (frame === last.frame && timeMs === last.timeMs) return last.text;
  const time = (timeMs / 1000).toFixed(6);
  last.frame = frame;
  last.timeMs = timeMs;
  return (last.text = `${String(frame).padStart(6)} ${time.padStart(11)}`);
}

const reasons = {
  middle: "the connection is joined in its middle",
  gap: "the capture misses bytes",
  malformed: "what follows cannot be told apart",
} as const;

const ends = {
  fin: "closed",
  reset: "reset",
  "capture-end": "the capture ends",
  reused: "its ports are used again",
  evicted: "given up, since there are too many",
} as const;

function openText({ command, timeMs }: OpenEvent): string {
  const waited = spanText(timeMs - command.timeMs);
  return `open: cid ${command.cid} ${commandText(command)} of frame ${command.frame}, for ${waited}`;
}

const wayText = (direction: Direction): string => (direction === "toHost" ? "controller" : "host");

/**
 * An event as a line, without its end. `type`: of the PDU that a verdict came behind, to name the field
 * that it is about.
 */
export function lineOf(event: CaptureEvent, type = -1): string {
  const { frame, timeMs, connection } = event;
  const before = head(frame, timeMs, connection);
  switch (event.type) {
    case "pdu": {
      const { pdu } = event;
      const name = pduName(pdu.type).padEnd(11);
      return `${before} ${ways[pdu.direction]} ${name} ${pduText(event)}`.trimEnd();
    }
    case "verdict": {
      const mark = event.severity === "violation" ? "!!" : "? ";
      return `${before} ${mark} ${verdictText(event, type)}`;
    }
    case "connection": {
      const what = event.speaks === undefined ? "" : `, which speaks ${event.speaks}: not decoded`;
      const joined = connection.begins === "seen" ? "" : ", joined in its middle";
      return `${before} -- connection ${connection.number}: ${connection.endsText}${joined}${what}`;
    }
    case "gap":
      return `${before} -- of the ${wayText(event.direction)} no PDU can be told: ${reasons[event.by]}`;
    case "resumed": {
      const skipped = `${event.skippedBytes} bytes belong to none`;
      return `${before} -- of the ${wayText(event.direction)} a PDU begins again; ${skipped}`;
    }
    case "open":
      return `${before} ?  ${openText(event)}`;
    case "end":
    default:
      return `${before} -- ${ends[event.by]}`;
  }
}

/** What has words in it may have those of a peer. */
type Safe = (text: string) => string;

function valueText({ value, text }: ShownField, safe: Safe): string {
  if (typeof value === "string") return safe(meantText(`"${value}"`, text));
  const plain =
    value instanceof Uint8Array
      ? hexText(value.subarray(0, 64)) + (value.length > 64 ? "…" : "")
      : value > 9
        ? `${value} (0x${value.toString(16)})`
        : String(value);
  return text === undefined ? plain : safe(meantText(plain, text));
}

const meantText = (plain: string, text: string | undefined): string =>
  text === undefined || text === plain ? plain : `${plain}: ${text}`;

/** The names of fields as lines begin with them; they are this project's own, and so there is an end of them. */
const beginnings = new Map<string, string>();

function beginningOf(name: string): string {
  let known = beginnings.get(name);
  if (known === undefined) {
    known = `           ${name.padEnd(38)} `;
    beginnings.set(name, known);
  }
  return known;
}

/** The fields of a PDU, a line for each, indented. `safe` makes the words of a peer harmless. */
export function fieldLines(sections: readonly Section[], safe: Safe = String): string[] {
  const lines: string[] = [];
  for (const { title, fields } of sections) {
    lines.push(`         ${safe(title)}`);
    for (const field of fields) lines.push(beginningOf(field.name) + valueText(field, safe));
  }
  return lines;
}

/** Whether an event is about something that went wrong. */
export function isTrouble(event: CaptureEvent): boolean {
  switch (event.type) {
    case "verdict":
    case "open":
    case "gap":
      return true;
    case "pdu":
      return isTroublePdu(event);
    case "connection":
      return event.speaks !== undefined;
    case "end":
      return event.by === "reset" || event.by === "evicted";
    case "resumed":
    default:
      return false;
  }
}

function isTroublePdu({ pdu, answers, command }: PduEvent): boolean {
  const failed = answers && command?.answer !== undefined && command.answer.status !== 0;
  const isTermReq = pdu.type === 2 || pdu.type === 3;
  return failed || isTermReq || pdu.refusal !== undefined;
}

// Events of a capture as text or as lines of JSON. What a peer has sent is made harmless for a terminal.
// Read first: ../context.ts; events.ts of @nvmeof/tools.

import {
  type CaptureEvent,
  type FieldValue,
  type PduEvent,
  eventObject,
  fieldLines,
  isTrouble,
  lineOf,
  pduSections,
} from "@nvmeof/tools/capture";
import { hexText } from "@nvmeof/codec";
import { eventEnvelope, jsonText } from "../envelope.ts";
import { printable } from "../printable.ts";
import type { Style } from "../style.ts";

/** How events are printed. */
export interface PrinterOptions {
  readonly json: boolean;
  readonly verbose: boolean;
  readonly errorsOnly: boolean;
  /** Fields that are printed in place of lines, a PDU a line. */
  readonly fields: readonly string[] | undefined;
  readonly style: Style;
}

/** Gives the text of an event; "" where there is nothing to print of it. */
export type Printer = (event: CaptureEvent) => string;

/** Fields that are of the frame or of us, and not of the PDU. */
const ownFields: Readonly<Record<string, (event: PduEvent) => FieldValue>> = {
  "frame.number": ({ frame }) => frame,
  "frame.time_relative": ({ timeMs }) => (timeMs / 1000).toFixed(9),
  "nvmeof.connection": ({ connection }) => connection.number,
  "nvmeof.direction": ({ pdu }) => pdu.direction,
  "nvmeof.command": ({ command }) => command?.name ?? "",
};

const valueText = (value: FieldValue): string =>
  printable(value instanceof Uint8Array ? hexText(value) : String(value));

/** Prints the values of the wanted fields, between tabs; several of one name between commas. */
function fieldsPrinter(names: readonly string[]): (event: PduEvent) => string {
  const own = names.map((name) => ownFields[name]);
  const isOwn = own.every((each) => each !== undefined);
  const wanted = new Set(names);
  const found = new Map<string, string>();
  return (event) => {
    found.clear();
    if (!isOwn) {
      for (const { fields } of pduSections(event)) {
        for (const { name, value } of fields) {
          if (!wanted.has(name)) continue;
          const before = found.get(name);
          const text = valueText(value);
          found.set(name, before === undefined ? text : `${before},${text}`);
        }
      }
      // A PDU that has none of them is no line.
      if (!names.some((name, i) => own[i] === undefined && (found.get(name) ?? "") !== "")) {
        return "";
      }
    }
    const columns = names.map((name, i) => {
      const read = own[i];
      return read === undefined ? (found.get(name) ?? "") : valueText(read(event));
    });
    return `${columns.join("\t")}\n`;
  };
}

export function printerOf(options: PrinterOptions): Printer {
  const { json, verbose, errorsOnly, fields, style } = options;
  const isMeant = (event: CaptureEvent): boolean => !errorsOnly || isTrouble(event);
  if (json) {
    return (event) =>
      isMeant(event)
        ? jsonText(eventEnvelope("decode", event.type, eventObject(event)), false)
        : "";
  }
  if (fields !== undefined) {
    const print = fieldsPrinter(fields);
    return (event) => (event.type === "pdu" && isMeant(event) ? print(event) : "");
  }
  let lastType = -1;
  return (event) => {
    if (event.type === "pdu") lastType = event.pdu.type;
    if (!isMeant(event)) return "";
    const line = printable(lineOf(event, lastType));
    const shown =
      event.type === "verdict" && event.severity === "violation" ? style.bold(line) : line;
    if (!verbose || event.type !== "pdu") return `${shown}\n`;
    return `${shown}\n${fieldLines(pduSections(event), printable).join("\n")}\n`;
  };
}

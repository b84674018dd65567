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

/** Values of the wanted fields, between tabs; several of one name between commas. */
function fieldsLine(event: PduEvent, names: readonly string[]): string {
  const all = pduSections(event).flatMap(({ fields }) => fields);
  const columns = names.map((wanted) => {
    const own = ownFields[wanted];
    if (own !== undefined) return valueText(own(event));
    return all
      .filter(({ name }) => name === wanted)
      .map(({ value }) => valueText(value))
      .join(",");
  });
  // A PDU that has none of them is no line.
  const has = names.some((name, i) => ownFields[name] === undefined && columns[i] !== "");
  return has || names.every((name) => name in ownFields) ? `${columns.join("\t")}\n` : "";
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
    return (event) => (event.type === "pdu" && isMeant(event) ? fieldsLine(event, fields) : "");
  }
  let lastType = -1;
  return (event) => {
    if (event.type === "pdu") lastType = event.pdu.type;
    if (!isMeant(event)) return "";
    const line = printable(lineOf(event, lastType));
    const shown =
      event.type === "verdict" && event.severity === "violation" ? style.bold(line) : line;
    if (!verbose || event.type !== "pdu") return `${shown}\n`;
    return [shown, ...fieldLines(pduSections(event)).map(printable), ""].join("\n");
  };
}
